"""Parts of the search over micro-batches in flight: the number that suits a pipeline, the least latency, a part's context."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard import placement as pipeline
from placewise.models.edgeshard.batch_placement import cycle_s
from placewise.models.edgeshard.data import EdgeShardLatency
from placewise.models.edgeshard.memory import used_bytes
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.execution.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardBatch, EdgeShardThroughput
    from placewise.solvers.evidence.result import Claim, Progress


def best_number(instance: EdgeShardBatch, batch_size: int, layers: tuple[int, ...]) -> int | None:
    """Return the number in flight that suits a pipeline best: the least of those that give most tokens per second.

    Parameters
    ----------
    instance : EdgeShardBatch
        With micro-batches in flight.
    batch_size : int
        Sequences in each.
    layers : tuple of int
        The device of each layer.

    Returns
    -------
    int or None
        None where not even the least number fits in memory and within the limit.
    """
    devices = sorted(set(layers))
    hosted = [[i for i, device in enumerate(layers) if device == j] for j in devices]
    caches = [sum(instance.layers[i].cache_bytes for i in own) for own in hosted]
    weights = [used_bytes(instance.layers[i] for i in own) for own in hosted]
    space = [int(instance.cluster.memory_bytes[j]) for j in devices]
    free = [have - need for have, need in zip(space, weights, strict=True)]
    most = instance.most_in_flight(batch_size, caches, free)
    if most is None:
        return None
    pipe = instance.at(batch_size)
    bottleneck_s = pipeline.evaluate_throughput(pipe, layers).objective
    round_trip_s = sum(pipeline.round_trip(pipe, layers).values())
    if bottleneck_s is None or not math.isfinite(round_trip_s):
        return None
    limit_s, best = instance.time_per_token_limit_s, None
    for number in instance.counts:
        assert number is not None
        if number > most or (limit_s is not None and cycle_s(number, bottleneck_s, round_trip_s) > limit_s):
            break
        best = number
        if number * bottleneck_s >= round_trip_s:
            break
    return best


def least_latency(pipe: EdgeShardThroughput, context: Context) -> Claim | None:
    """Return what the strongest exact method says about the least latency of a pipeline's layers; None if none applies.

    Parameters
    ----------
    pipe : EdgeShardThroughput
        Whose data are taken.
    context : Context
        Options and clock.
    """
    from placewise.solvers.registry import find_method  # which knows this method

    instance = EdgeShardLatency.of(pipe)
    for name in ("run-length", "labels"):
        method = find_method(instance.problem, name)
        try:
            exact = method.guarantee(instance) is Guarantee.EXACT
        except NotApplicableError:
            continue
        if exact and method.algorithm is not None:
            return method.algorithm.run(instance, context)
    return None


def part_of(context: Context, keep: Callable[[Any], None] | None = None, *, share: float = 1.0) -> Context:
    """Return the context of one choice: what is left of the time; its placements are kept, its bounds are not.

    Parameters
    ----------
    context : Context
        Of the whole.
    keep : callable, optional
        Takes each placement that is reported.
    share : float
        Of the time that is left.
    """

    def report(step: Progress) -> None:
        if keep is not None and step.placement is not None:
            keep(step.placement)

    return Context(replace(context.parameters, time_limit=max(share * context.remaining, 1e-3)), None, report)
