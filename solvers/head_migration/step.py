"""The step problem exactly: for each place of projection and network, a limit on the heads' time and a transport.

With projection and network fixed, a limit on the time of (6) says how many heads each device may hold; moving them
there from where they were is a transport. Only limits at which a device may take one head more matter. Pairs are
tried by a lower bound, limits downwards, until nothing can be better.

Sources: a bottleneck by thresholds, Edmonds and Fulkerson (1970); transports by successive shortest paths, Ahuja, Magnanti
and Orlin (1993).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.head_migration.cost import HEAD, capacities, head_costs, head_times_s
from placewise.models.head_migration.milp_values import follow
from placewise.models.problem import Guarantee
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.head_migration.rollout import rollout
from placewise.solvers.head_migration.transport import Transport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance, Interval
    from placewise.solvers.execution.context import Context


def guarantee(instance: HeadMigrationInstance) -> Guarantee:
    """Return EXACT for one interval; step by step is a heuristic over several."""
    return Guarantee.EXACT if instance.intervals == 1 else Guarantee.HEURISTIC


def best_step(
    instance: HeadMigrationInstance, t: int, before: Interval | None, window: int = 1
) -> Interval | None:
    """Return the placement of interval t with the least weighted delay plus migration, None if there is none.

    With a window, the delay counts that often: as if it lasted so many intervals, and the move happened once.

    Parameters
    ----------
    instance : HeadMigrationInstance
        Blocks and devices.
    t : int
        The interval.
    before : Interval or None
        The placement before it.
    window : int
        Intervals that the delay counts for.
    """
    costs, heads, size = head_costs(instance), instance.transformer.units, instance.cluster.size
    rooms = capacities(instance, t)
    weight = window * costs.weight
    fixed_part = weight * costs.after_s[t]
    counts = np.zeros(size, dtype=np.int64)
    if before is not None:
        counts = np.bincount(before.heads, minlength=size)
        fixed_part = fixed_part + costs.move_s[t, 1, before.proj][:, None] + costs.move_s[t, 2, before.ffn]
    number, times_s = np.arange(1, heads + 1), head_times_s(instance, t)
    least_s = np.array([_least(times_s[:, q], heads) for q in range(size)])
    bound_s = fixed_part + weight * least_s[:, None]
    if before is not None:
        bound_s = bound_s + _forced_moves_s(rooms, counts, costs.move_s[t, HEAD])
    best_s, best = np.inf, None
    for pair in np.argsort(bound_s, axis=None):
        q, r = divmod(int(pair), size)
        if bound_s[q, r] >= best_s:
            break
        room = rooms[0, 0].copy()
        if q == r:
            room[q] = rooms[1, 1][q]
        else:
            room[q], room[r] = rooms[1, 0][q], rooms[0, 1][r]
        if room[q] < 0 or room[r] < 0 or np.maximum(room, 0).sum() < heads:
            continue
        limited_s = np.where(number > np.maximum(room, 0)[:, None], np.inf, times_s[:, q])
        start_s = _least(limited_s, heads)
        if not bound_s[q, r] + weight * (start_s - least_s[q]) < best_s:
            continue
        found = _best_limit(
            weight,
            limited_s,
            start_s,
            counts,
            costs.move_s[t, HEAD],
            float(fixed_part[q, r]),
            best_s,
            before,
        )
        if found is not None:
            best_s, moves = found
            best = (moves, q, r)
    if best is None:
        return None
    moves, q, r = best
    return follow(before, moves.sum(axis=0), moves, q, r)


def _forced_moves_s(
    rooms: dict[tuple[int, int], NDArray[np.int64]], counts: NDArray[np.int64], cost_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what heads that no longer fit take at least to leave, by places of projection and network."""
    away_s = np.where(np.eye(len(counts), dtype=bool), np.inf, cost_s).min(axis=1)

    def leaving_s(key: tuple[int, int]) -> NDArray[np.float64]:
        excess = np.maximum(counts - np.maximum(rooms[key], 0), 0)
        return np.where(excess > 0, excess * np.where(np.isfinite(away_s), away_s, 0.0), 0.0)

    alone = leaving_s((0, 0))
    total: NDArray[np.float64] = (
        alone.sum() + (leaving_s((1, 0)) - alone)[:, None] + (leaving_s((0, 1)) - alone)[None, :]
    )
    np.fill_diagonal(total, alone.sum() + leaving_s((1, 1)) - alone)
    return total


def _least(times_s: NDArray[np.float64], heads: int) -> float:
    """Return the least limit within which all heads fit: the H-th smallest time."""
    return float(np.partition(times_s, heads - 1, axis=None)[heads - 1])


def _best_limit(
    weight: float,
    times_s: NDArray[np.float64],
    start_s: float,
    counts: NDArray[np.int64],
    cost_s: NDArray[np.float64],
    fixed_s: float,
    best_s: float,
    before: Interval | None,
) -> tuple[float, NDArray[np.int64]] | None:
    """Return the best objective below a known one over limits from the widest downwards, with the moves."""
    if before is None:  # nobody was anywhere: the least limit is best
        room = (times_s <= start_s).sum(axis=1)
        objective_s = fixed_s + weight * start_s
        if objective_s >= best_s:
            return None
        filled = np.minimum(room, np.maximum(times_s.shape[1] - (np.cumsum(room) - room), 0))
        return objective_s, np.diag(filled)
    found = None
    moves = Transport(counts, cost_s)
    room = np.isfinite(times_s).sum(axis=1)
    # What takes as long as the last placement moves no less: only shorter times can be better.
    while moves.shrink(room) and fixed_s + weight * start_s + moves.total_s < best_s:
        through_s = _through(times_s, moves.here)
        objective_s = fixed_s + weight * through_s + moves.total_s
        if objective_s < best_s:
            best_s, found = objective_s, (objective_s, moves.flow.copy())
        room = (times_s < through_s).sum(axis=1)
    return found


def _through(times_s: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    used = np.flatnonzero(counts)
    return float(times_s[used, counts[used] - 1].max(initial=0.0))


def run(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Take the best step in each interval: the paper's myopic policy, exact for one interval.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    claim = rollout(instance, context, best_step)
    if instance.intervals > 1 or claim.reason is Reason.LIMIT:
        return claim
    if claim.placement is None:
        return replace(claim, reason=Reason.INFEASIBLE)
    return replace(claim, reason=Reason.OPTIMAL, dual_bound=claim.objective)
