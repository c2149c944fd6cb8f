"""What the paper compares with (Section V-A), as policies, and two rules that see what it leaves out.

Those that ignore memory return what breaks it; verification names the interval and the device.

Source: Kafetzis, Khalili and Koutsopoulos (2025), Section V-A.
"""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.head_migration import head_costs
from placewise.models.head_migration.data import Interval
from placewise.solvers.head_migration.board import Board
from placewise.solvers.head_migration.resource_aware import ResourceAware, literal_score
from placewise.solvers.head_migration.rollout import rollout
from placewise.solvers.head_migration.step import best_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context

#: Intervals over which a move is spread; the best of them is kept.
WINDOWS = (1, 2, 4, 8, 16, 32)


def greedy(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Put blocks in descending demand on the first device that fits, in every interval.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """

    def step(instance: HeadMigrationInstance, t: int, before: Interval | None) -> Interval | None:
        board = Board(instance, t, before)
        for block in sorted(board.blocks, key=lambda b: int(board.memory[board.kinds[b]]), reverse=True):
            first = np.flatnonzero(board.fits(block))
            if not first.size:
                return None
            board.put(block, int(first[0]))
        return board.interval()

    return rollout(instance, context, step)


def round_robin(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Deal the blocks out to the devices in turn.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    size, heads = instance.cluster.size, instance.transformer.units
    places = tuple(block % size for block in range(heads + 2))
    return rollout(instance, context, lambda *_: Interval(places[:-2], places[-2], places[-1]))


def static(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Keep the first placement of the Resource-Aware algorithm, or the one before.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    return rollout(
        instance,
        context,
        lambda case, t, before: before or ResourceAware(case, t, None, literal_score).place(),
    )


def dynamic(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Put the layer as one block on the best-scored device that holds it, in every interval.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """

    def step(instance: HeadMigrationInstance, t: int, before: Interval | None) -> Interval | None:
        scores = _layer_scores(instance, t)
        best = int(scores.argmin())
        if before is not None and scores[before.ffn] == scores[best]:
            best = before.ffn
        return _whole_layer(instance, best) if np.isfinite(scores[best]) else None

    return rollout(instance, context, step)


def edgeshard_like(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Put the layer on the fastest device that holds it at first, and leave it there.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """

    def step(instance: HeadMigrationInstance, t: int, before: Interval | None) -> Interval | None:
        if t:
            return before
        time_s = np.where(np.isfinite(_layer_scores(instance, t)), _layer_s(instance, t), np.inf)
        fastest = int(time_s.argmin())
        return _whole_layer(instance, fastest) if np.isfinite(time_s[fastest]) else None

    return rollout(instance, context, step)


def edgeshard_source(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Put the layer on the controller and leave it there: EdgeShard's first layer is on the source (its Eq. 4).

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    return rollout(instance, context, lambda case, *_: _whole_layer(case, case.controller))


def galaxy_like(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Split the heads by speed over two devices, projection and network over two others; leave them there.

    Two stages of two devices: the four fastest, in their best order at first.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """

    def step(instance: HeadMigrationInstance, t: int, before: Interval | None) -> Interval | None:
        if t:
            return before
        costs, heads = head_costs(instance), instance.transformer.units
        fastest = [int(j) for j in np.argsort(_layer_s(instance, t), kind="stable")[:4]]
        orders = permutations(fastest) if len(fastest) == 4 else product(fastest, repeat=4)
        best: tuple[float, Interval] | None = None
        for first, second, proj, ffn in orders:
            speeds = instance.flops_per_s[t, [first, second]]
            share = round(heads * float(speeds[0] / speeds.sum()))
            now = Interval((first,) * share + (second,) * (heads - share), proj, ffn)
            counts = np.bincount(now.heads, minlength=instance.cluster.size)
            delay_s = costs.heads_s(t, counts, proj) + float(costs.after_s[t, proj, ffn])
            if best is None or delay_s < best[0]:
                best = delay_s, now
        return None if best is None else best[1]

    return rollout(instance, context, step)


def greedy_delay(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Put network, projection, then each head where delay so far plus its move grow least.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """

    def step(instance: HeadMigrationInstance, t: int, before: Interval | None) -> Interval | None:
        costs, board = head_costs(instance), Board(instance, t, before)
        ffn, proj = board.blocks[-1], board.blocks[-2]
        for block in (ffn, proj, *board.blocks[:-2]):
            kind = board.kinds[block]
            if block >= proj:
                grown_s = costs.weight * (board.compute_s[kind] + board.messages_s(block))
                own_s = grown_s
            else:
                counts = np.bincount(board.places[:block], minlength=len(board.used))
                q = board.places[proj]
                own_s = costs.slope_s[t, :, q] * (counts + 1) + costs.fixed_s[t, :, q]
                grown_s = costs.weight * np.maximum(own_s, costs.heads_s(t, counts, int(q)))
            grown_s = np.where(board.fits(block), grown_s + board.moves_s(block), np.inf)
            device = int(np.lexsort((own_s, grown_s))[0])
            if not np.isfinite(grown_s[device]):
                return None
            board.put(block, device)
        return board.interval()

    return rollout(instance, context, step)


def receding(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Take exact steps whose moves are spread over a window; keep the best window's trajectory.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    claims: list[Claim] = []
    for window in WINDOWS:

        def step(
            case: HeadMigrationInstance, t: int, before: Interval | None, window: int = window
        ) -> Interval | None:
            return best_step(case, t, before, window)

        claims.append(rollout(instance, context, step))
        if not context.remaining:
            break
    return min(claims, key=lambda claim: float("inf") if claim.objective is None else claim.objective)


def _layer_s(instance: HeadMigrationInstance, t: int) -> NDArray[np.float64]:
    """Return the time of the whole layer by device, shape (M,)."""
    costs, heads = head_costs(instance), instance.transformer.units
    along = np.arange(instance.cluster.size)
    time_s: NDArray[np.float64] = (
        heads * costs.slope_s[t, along, along]
        + costs.fixed_s[t, along, along]
        + costs.after_s[t, along, along]
    )
    return time_s


def _layer_scores(instance: HeadMigrationInstance, t: int) -> NDArray[np.float64]:
    """Return the paper's score of the layer as one block, infinite where memory does not hold it."""
    head, proj, ffn = head_costs(instance).memory[t]
    need, capacity = instance.transformer.units * head + proj + ffn, instance.memory_bytes[t]
    scores = np.maximum(need / np.maximum(capacity, 1), _layer_s(instance, t))
    return np.where(need <= capacity, scores, np.inf)


def _whole_layer(instance: HeadMigrationInstance, device: int) -> Interval:
    return Interval((device,) * instance.transformer.units, device, device)
