"""CP-SAT on its own models of the EdgeShard problems: the default where decoder layers are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.edgeshard.cpsat import latency_run_length
from placewise.models.edgeshard.pipeline_cpsat import throughput_run_length, throughput_stages
from placewise.models.edgeshard.placement import evaluate_throughput
from placewise.solvers.edgeshard.rough import rough_pipeline
from placewise.solvers.execution.whole_model import run_whole_model

if TYPE_CHECKING:
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
    if context.warm_start is None:
        start = rough_pipeline(instance, context)
        if start is not None:
            context.report(objective=evaluate_throughput(instance, start).objective, placement=start)
            context.warm_start = start
    return run_whole_model(instance, throughput_stages, context)
