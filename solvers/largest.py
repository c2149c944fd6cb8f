"""The largest number that a cluster holds, of tokens of context or of sequences, proven from both sides.

More of either needs no less memory of any layer, so one bisection finds it: a placement at the number, and a proof that
there is none one step above.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.registry import problem_of
from placewise.models.units import MAX_BYTES
from placewise.solvers.evidence.result import Status, VerifiedResult
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardThroughput
    from placewise.models.edgeshard.batches import EdgeShardBatch

#: Any placement will do: how good it is was not asked.
ANY_GAP = 0.99


@dataclass(frozen=True)
class Largest:
    """What was found.

    Parameters
    ----------
    value : int
        The largest number of whole steps for which a placement was found; 0 without any.
    result : VerifiedResult or None
        With that placement.
    refused : int or None
        The least number for which none was found; None where the most that was asked for fits.
    refusal : VerifiedResult or None
        Why.
    """

    value: int
    result: VerifiedResult | None
    refused: int | None
    refusal: VerifiedResult | None

    @property
    def proven(self) -> bool:
        """Whether there is no placement one step above; where the most that was asked for fits, nothing is above."""
        return self.refusal is None or self.refusal.status is Status.INFEASIBLE


def largest(build: Callable[[int], Any], *, step: int, most: int, **options: Any) -> Largest:
    """Return the largest multiple of a step whose instance has a placement.

    Parameters
    ----------
    build : callable
        ``number -> instance``, which needs no less memory for more; may raise `InstanceError` where numbers end.
    step, most : int
        The granularity, and the largest number that is asked for.
    **options
        Of `solve`.

    Returns
    -------
    Largest
        Each question is one solve; a question that ends at its limit leaves the proof open.

    Raises
    ------
    PlacewiseError
        On a step below 1 or above the most.
    """
    if not 1 <= step <= most:
        raise PlacewiseError(f"step: expected 1 to {most}, found {step}")

    def ask(steps: int) -> VerifiedResult:
        return solve(build(steps * step), **{"relative_gap": ANY_GAP} | options)

    end = most // step + 1
    low, best = 0, None
    high, refusal = _counted_out(build, step, end), None
    back = 1
    while low + 1 < high:
        steps = max(high - back, low + 1) if best is None else (low + high) // 2
        back *= 2
        found = ask(steps)
        if found.objective is not None:
            low, best = steps, found
        else:
            high, refusal = steps, found
    if refusal is None and high < end:
        refusal = ask(high)
    return Largest(low * step, best, None if refusal is None else high * step, refusal)


def _counted_out(build: Callable[[int], Any], step: int, end: int) -> int:
    """Return the least number of steps, up to an end, that counting bytes refuses; most of the way needs no solver."""
    low, high = 0, end
    while low + 1 < high:
        steps = (low + high) // 2
        try:
            instance = build(steps * step)
            refused = problem_of(instance).diagnose(instance) is not None
        except InstanceError:
            refused = True
        low, high = (low, steps) if refused else (steps, high)
    return high


def holding(instance: EdgeShardBatch, sequences: int) -> EdgeShardThroughput:
    """Return the pipeline of an instance's smallest batch in the memory that the caches of so many sequences leave.

    Parameters
    ----------
    instance : EdgeShardBatch
        Whose layers state their caches.
    sequences : int
        Of them.

    Raises
    ------
    InstanceError
        Where a layer's caches are more than 2**50 bytes.
    """
    pipe = instance.at(instance.batch_sizes[0])
    layers = []
    for whole, layer in zip(pipe.layers, instance.layers, strict=True):
        need = layer.memory_bytes + sequences * layer.cache_bytes
        if need > MAX_BYTES:
            raise InstanceError("model.layers.cache_bytes", f"expected at most 2**50 bytes, found {need:,}")
        layers.append(replace(whole, memory_bytes=need))
    return replace(pipe, name=f"{instance.name}@{sequences}-sequences", layers=tuple(layers))
