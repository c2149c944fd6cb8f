"""Throughput against the time that a sequence may wait for its next token: the best of each limit, proven."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.edgeshard.times import Stated
from placewise.models.errors import PlacewiseError
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.solvers.evidence.result import VerifiedResult

#: A limit is not below a time that was found for it by rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Point:
    """The most tokens per second within a limit.

    Parameters
    ----------
    limit_s : float or None
        On the time per token of a sequence; None without one.
    result : VerifiedResult
        Proven, unless it stopped at a limit.
    """

    limit_s: float | None
    result: VerifiedResult

    @property
    def between_s(self) -> float | None:
        """What a sequence waits for its next token, None without a placement."""
        if self.result.objective is None:
            return None
        number, size, _ = parts_of(self.result.placement)
        return self.result.objective * (number or 1) * size

    @property
    def tokens_per_s(self) -> float | None:
        """Of all sequences together, None without a placement; infinite where nothing takes any time."""
        value = self.result.objective
        return None if value is None else 1 / value if value else math.inf

    @property
    def most_tokens_per_s(self) -> float | None:
        """What no placement exceeds, None where nothing bounds it."""
        bound = self.result.dual_bound
        return 1 / bound if bound else None


def frontier(
    instance: EdgeShardBatch, *, points: int = 8, limits_s: Sequence[float] | None = None, **options: Any
) -> list[Point]:
    """Return the best throughput within each of some limits, from the tightest to none at all.

    Parameters
    ----------
    instance : EdgeShardBatch
        With micro-batches in flight; a limit of its own is not read.
    points : int
        At least 2: limits between the least time of one micro-batch alone and what the best throughput takes, each the
        same factor above the one before.
    limits_s : sequence of float, optional
        Seconds, instead of these.
    **options
        Of `solve`, for each point.

    Returns
    -------
    list of Point
        The last one without a limit; empty where there is no placement at all.

    Raises
    ------
    PlacewiseError
        On an instance in the paper's reading, or fewer than 2 points.
    """
    if instance.in_flight is None:
        raise PlacewiseError(
            f"{instance.name}: expected in_flight; the paper's reading has no time per token"
        )
    if points < 2:
        raise PlacewiseError(f"points: expected at least 2, found {points}")
    free = replace(instance, time_per_token_limit_s=None)
    last = Point(None, solve(free, **options))
    if last.between_s is None:
        return [last] if not last.result.proven else []
    if limits_s is None:
        limits_s = _between(free, last.between_s, points, options)
    found = []
    start = None
    for limit_s in sorted(limits_s):
        asked = replace(free, time_per_token_limit_s=limit_s * (1 + ROUNDING))
        point = Point(limit_s, solve(asked, warm_start=start, **options))
        start = point.result.placement if point.between_s is not None else None
        found.append(point)
    return [*found, last]


def _between(free: EdgeShardBatch, most_s: float, points: int, options: dict[str, Any]) -> list[float]:
    """Return limits from the least time between two tokens of one micro-batch alone up to a time."""
    least_s = most_s
    for position, size in enumerate(free.batch_sizes):
        alone = replace(
            free, in_flight=(free.counts[0] or 1,), batch_sizes=(size,), times=_times(free, position)
        )
        between_s = Point(None, solve(alone, **options)).between_s
        least_s = least_s if between_s is None else min(least_s, between_s)
    if not 0 < least_s < most_s:
        return [most_s]
    return [least_s * (most_s / least_s) ** (i / (points - 1)) for i in range(points - 1)]


def _times(instance: EdgeShardBatch, position: int) -> Any:
    """Return the times of one batch size alone."""
    if isinstance(instance.times, Stated):
        return Stated(instance.times.time_s[position : position + 1])
    return instance.times
