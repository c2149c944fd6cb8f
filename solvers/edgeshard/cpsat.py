"""CP-SAT on its own models of the EdgeShard problems: the default where decoder layers are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.edgeshard.cpsat import latency_run_length
from placewise.models.edgeshard.pipeline_cpsat import (
    run_length_guarantee,
    stages_guarantee,
    throughput_run_length,
    throughput_stages,
)
from placewise.models.edgeshard.placement import evaluate_throughput
from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard.rough import rough_pipeline
from placewise.solvers.execution.whole_model import run_whole_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context


def latency(instance: EdgeShardInstance, context: Context) -> Claim:
    """Solve the latency problem on run lengths.

    Parameters
    ----------
    instance : EdgeShardInstance
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """
    return run_whole_model(instance, latency_run_length, context)


def throughput(instance: EdgeShardInstance, context: Context) -> Claim:
    """Solve the throughput problem on run lengths.

    Parameters
    ----------
    instance : EdgeShardInstance
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """
    return run_whole_model(instance, throughput_run_length, context)


def stages(instance: EdgeShardInstance, context: Context) -> Claim:
    """Solve the throughput problem on first layers and ends, from a rough pipeline where none is given.

    Parameters
    ----------
    instance : EdgeShardInstance
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """
    if context.warm_start is None and instance.source is not None:
        start = rough_pipeline(instance, context)
        if start is not None:
            evaluation = evaluate_throughput(instance, start)
            if evaluation.feasible:  # it knows no rules
                context.report(objective=evaluation.objective, placement=start)
                context.warm_start = start
    return run_whole_model(instance, throughput_stages, context)


def strongest_model(instance: EdgeShardInstance) -> Callable[..., Any]:
    """Return the builder of the smallest CP-SAT model that takes a pipeline.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.

    Returns
    -------
    callable
        `throughput_run_length` or `throughput_stages`.

    Raises
    ------
    NotApplicableError
        Where neither does.
    """
    try:
        run_length_guarantee(instance)
    except NotApplicableError:
        stages_guarantee(instance)
        return throughput_stages
    return throughput_run_length
