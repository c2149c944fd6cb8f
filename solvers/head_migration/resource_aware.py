"""The paper's Resource-Aware algorithm (Section IV, Algorithm 1), literal and with what is already placed.

As printed a block's score ignores the other blocks, so equal heads get equal scores and follow each other to one
device until its memory is full.

Source: Kafetzis, Khalili and Koutsopoulos (2025), Algorithm 1.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.head_migration.board import Board
from placewise.solvers.head_migration.rollout import rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance, Interval
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context

    Floats = NDArray[np.float64]

#: Migrations and backtracks per interval, ``U``.
MOST_MOVES = 1000
#: Seconds per interval, ``T_max``.
LONGEST_S = 1.0
#: An interval "on the order of a few seconds", in which a block, and a device's work, must be done.
INTERVAL_S = 5.0


def literal(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Walk with the score as printed.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    return rollout(
        instance, context, lambda case, t, before: ResourceAware(case, t, before, literal_score).place()
    )


def residual(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Walk with a score that counts what is on a device already, and the move.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    return rollout(
        instance, context, lambda case, t, before: ResourceAware(case, t, before, residual_score).place()
    )


def literal_score(board: Board, block: int) -> Floats:
    """Return ``S(i, j) = max{m_i / M_j, b_i / C_j, comm_ij}`` by device, each block alone, times in seconds.

    Parameters
    ----------
    board : Board
        What is placed in an interval.
    block : int
        Which is scored.
    """
    kind = board.kinds[block]
    memory = board.memory[kind] / np.maximum(board.capacity, 1)
    score: Floats = np.maximum(memory, np.maximum(board.compute_s[kind], board.messages_s(block)))
    return score


def residual_score(board: Board, block: int) -> Floats:
    """Return the score by device with the blocks that are there, plus the move.

    Parameters
    ----------
    board : Board
        What is placed in an interval.
    block : int
        Which is scored.

    Returns
    -------
    ndarray, shape (M,)
        The larger of the share of memory and the seconds of work, plus the seconds of the move.
    """
    kind, sent_s = board.kinds[block], board.messages_s(block)
    memory = (board.used + board.memory[kind]) / np.maximum(board.capacity, 1)
    heads = np.bincount(board.places[:-2][board.places[:-2] >= 0], minlength=len(sent_s))
    with np.errstate(invalid="ignore"):
        sent_s = np.where(heads > 0, heads * sent_s, 0.0) * (kind == 0) + sent_s
    busy_s = board.busy_s + board.compute_s[kind] + sent_s
    score: Floats = np.maximum(memory, busy_s) + board.moves_s(block)
    return np.where(np.isnan(score), np.inf, score)


class ResourceAware:
    """One run of Algorithm 1.

    Parameters
    ----------
    instance, t, before
        The interval and the placement before it.
    score : callable
        ``(board, block) -> S``, shape (M,).
    """

    def __init__(
        self,
        instance: HeadMigrationInstance,
        t: int,
        before: Interval | None,
        score: Callable[[Board, int], Floats],
    ) -> None:
        self.board, self.score = Board(instance, t, before), score
        self.moves, self.began = 0, perf_counter()

    @property
    def exhausted(self) -> bool:
        """Whether U or T_max is reached."""
        return self.moves > MOST_MOVES or perf_counter() - self.began > LONGEST_S

    def place(self) -> Interval | None:
        """Return a placement, or None for the paper's "Infeasible"."""
        board = self.board
        pending = []
        for block in sorted(board.blocks, key=self._demand, reverse=True):  # line 4
            scores = self.score(board, block)
            for device in self._by_score(block, scores):  # lines 5-22
                if self._has_room(block)[device]:
                    board.put(block, device)
                    break
            else:
                if not self._resolve(block, scores):
                    pending.append(block)
            if self.exhausted:
                return None
        return self._backtrack(pending)

    def _demand(self, block: int) -> float:
        """Return a block's share of a mean device: memory or compute, whichever is more."""
        kind, board = self.board.kinds[block], self.board
        return float(max(board.memory[kind] / max(board.capacity.mean(), 1.0), board.compute_s[kind].mean()))

    def _by_score(self, block: int, scores: Floats) -> list[int]:
        """Return the devices that are feasible for a block alone, best first, its own before equal ones."""
        board, kind = self.board, self.board.kinds[block]
        own = -1 if board.before is None else board.before[block]
        time_s = np.maximum(board.compute_s[kind], board.messages_s(block))
        alone = np.isfinite(scores) & (board.memory[kind] <= board.capacity) & (time_s <= INTERVAL_S)
        return sorted(np.flatnonzero(alone).tolist(), key=lambda j: (scores[j], j != own, j))

    def _has_room(self, block: int) -> NDArray[np.bool_]:
        """Return which devices take a block beside what they have: memory, links, and time in the interval."""
        kind = self.board.kinds[block]
        in_time = self.board.busy_s + self.board.compute_s[kind] <= INTERVAL_S
        room: NDArray[np.bool_] = self.board.fits(block) & in_time
        return room

    def _resolve(self, block: int, scores: Floats) -> bool:
        """Migrate blocks away from a device so that one more fits: ResolveResourceOverload."""
        board = self.board
        for device in self._by_score(block, scores):
            undo = []
            there = [other for other in board.blocks if board.places[other] == device]
            for other in sorted(there, key=lambda b: int(board.memory[board.kinds[b]])):
                targets = self._by_score(other, self.score(board, other))
                target = next((j for j in targets if j != device and self._has_room(other)[j]), None)
                if target is None:
                    continue
                board.put(other, target)
                undo.append(other)
                self.moves += 1
                if self._has_room(block)[device]:
                    board.put(block, device)
                    return True
                if self.exhausted:
                    return False
            for other in undo:
                board.put(other, device)
        return False

    def _backtrack(self, pending: list[int]) -> Interval | None:
        """Put what is left on its best device and take the fewest blocks off it: BacktrackForResourceViolations."""
        board = self.board
        while pending:
            block = pending.pop()
            if self.exhausted:
                return None
            targets = self._by_score(block, self.score(board, block))
            if not targets:
                return None
            device = targets[0]
            board.put(block, device)
            there = [b for b in board.blocks if board.places[b] == device and b != block]
            for other in sorted(there, key=lambda b: int(board.memory[board.kinds[b]]), reverse=True):
                if board.used[device] <= board.capacity[device] and board.busy_s[device] <= INTERVAL_S:
                    break
                board.put(other, -1)
                self.moves += 1
                free = [
                    j
                    for j in self._by_score(other, self.score(board, other))
                    if j != device and self._has_room(other)[j]
                ]
                if free:
                    board.put(other, free[0])
                else:
                    pending.append(other)
        return board.interval()
