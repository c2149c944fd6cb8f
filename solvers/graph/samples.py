"""Methods of graph latency: labels on all ideals, or on those of one order of the nodes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.method import BOUND, PROGRESS, WARM_START, Algorithm
from placewise.solvers.graph.ideals import all_ideals, prefixes
from placewise.solvers.graph.labels import Labels, alone
from placewise.solvers.graph.methods import MOST_COUNTS

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphLatency
    from placewise.solvers.execution.context import Context

#: Ideals.
MOST_IDEALS = 100_000


def guarantee(instance: GraphLatency) -> Guarantee:
    """Return EXACT; raise `NotApplicableError` for too many kinds of devices, or hosts that memory fills."""
    total = sum(node.memory_bytes for node in instance.nodes)
    for h in instance.hosts:
        if total > int(instance.cluster.memory_bytes[h]):
            name = instance.cluster.device_names[h]
            raise NotApplicableError(f"{name}: ideals takes hosts that hold all nodes, {total:,} bytes")
    counts = math.prod(len(kind) + 1 for kind in alone(instance))
    if counts > MOST_COUNTS:
        raise NotApplicableError(f"ideals count devices of each kind; {counts:,} ways are too many")
    return Guarantee.EXACT


def run(instance: GraphLatency, context: Context) -> Claim:
    """Find the least time of one sample over all ideals, or bound it.

    Parameters
    ----------
    instance, context : GraphLatency, Context
        What is solved; options, clock and reports.
    """
    search = Labels(instance, context)
    seconds = search.times.seconds
    context.report(dual_bound=seconds(search.bound))
    search.offer(context.warm_start)
    search.label(prefixes(search.graph))
    masks = None if search.late() else all_ideals(search.graph, MOST_IDEALS, search.late)
    told = "too many ideals"
    if masks is not None:
        if search.label(masks):
            if search.best is None:
                return Claim(Reason.INFEASIBLE, message="no chain of ideals fits", solve_s=context.elapsed)
            value, told = seconds(search.value), f"{len(masks):,} ideals"
            return Claim(Reason.OPTIMAL, search.best, value, value, told, solve_s=context.elapsed)
        told = f"{len(masks):,} ideals, too many labels"
    late = search.late()
    return Claim(
        Reason.LIMIT,
        search.best,
        None if search.best is None else seconds(search.value),
        seconds(min(search.bound, search.value)),
        "" if late else told,
        solve_s=context.elapsed,
        limit="time" if late else "ideals",
    )


def prefix_split(instance: GraphLatency, context: Context) -> Claim:
    """Split one order of the nodes as well as can be.

    Parameters
    ----------
    instance, context : GraphLatency, Context
        What is solved; options, clock and reports.
    """
    search = Labels(instance, context)
    search.label(prefixes(search.graph))
    value = None if search.best is None else search.times.seconds(search.value)
    return Claim(Reason.FINISHED, search.best, value, solve_s=context.elapsed)


LATENCY_METHODS: tuple[Algorithm[Any], ...] = (
    Algorithm(
        "ideals",
        run,
        guarantee,
        "labels on ideals and devices of each kind: when each node is done on which others wait",
        ("numpy",),
        frozenset({WARM_START, PROGRESS, BOUND}),
    ),
    Algorithm(
        "prefixes", prefix_split, Guarantee.HEURISTIC, "one order of the nodes, split as well as can be"
    ),
)
