"""The horizon by dynamic programming over states: how many heads each device has, projection, network.

Going from one state to the next splits into the network's move, the projection's move, and the heads' moves. With few
states the heads' moves are all transports, computed one by one. With many they are walks over states in which one head
moves at a time: never dearer than a transport, and equal to it unless a head would pass through an empty device because
the direct link is dearer or missing. The walk's value is then a dual bound, and the trajectory it leads to is evaluated.

Source: dynamic programming over stages, Bellman (1957).
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.models.head_migration.cost import capacities, head_costs
from placewise.models.head_migration.milp_values import follow
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.head_migration.transport import transport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance, Interval
    from placewise.solvers.execution.context import Context

    Floats = NDArray[np.float64]

#: Head counts times places of projection and network, at most; HiGHS on the counts is faster beyond.
LARGEST_STATES = 300_000
#: Values kept over the horizon, at most: 2 GB.
LARGEST_VALUES = 250_000_000
#: Head counts up to which all transports are computed.
LARGEST_EXPLICIT = 130


def guarantee(instance: HeadMigrationInstance) -> Guarantee:
    """Return EXACT (the optimum, or its gap) where the states can be listed; raise `NotApplicableError` elsewhere."""
    size, heads = instance.cluster.size, instance.transformer.units
    states = comb(heads + size - 1, size - 1) * size**2
    if states > LARGEST_STATES or states * instance.intervals > LARGEST_VALUES:
        raise NotApplicableError(f"lookahead takes up to {LARGEST_STATES:,} states; there are {states:,}")
    return Guarantee.EXACT


def _distributions(heads: int, size: int) -> NDArray[np.int64]:
    """Return all ways of having heads on devices, shape (S, M)."""
    bars = np.array(list(combinations(range(heads + size - 1), size - 1)), dtype=np.int64)
    edges = np.hstack(
        [np.full((len(bars), 1), -1), bars.reshape(len(bars), -1), np.full((len(bars), 1), heads + size - 1)]
    )
    return np.ascontiguousarray(np.diff(edges, axis=1) - 1)


class Horizon:
    """All states of an instance, and values of reaching them."""

    def __init__(self, instance: HeadMigrationInstance) -> None:
        self.instance, self.costs = instance, head_costs(instance)
        size, heads = instance.cluster.size, instance.transformer.units
        self.size = size
        #: Heads per device of each state, shape (S, M).
        self.counts = _distributions(heads, size)
        self.index = {row.tobytes(): s for s, row in enumerate(self.counts)}
        self._tables: dict[int, Floats] = {}
        self.explicit = len(self.counts) <= LARGEST_EXPLICIT
        #: By number of heads, up to all: states, and which state has one head less on each device.
        self._levels = self._fewer(heads) if self.explicit else []
        #: By pair of devices: the states where one more head is on the second and one less on the first.
        self.moved = {(k, j): self._moved(k, j) for k in range(size) for j in range(size) if k != j}

    def _fewer(self, heads: int) -> list[tuple[NDArray[np.int64], NDArray[np.intp]]]:
        levels: list[tuple[NDArray[np.int64], NDArray[np.intp]]] = []
        index: dict[bytes, int] = {}
        for number in range(heads + 1):
            counts = self.counts if number == heads else _distributions(number, self.size)
            fewer = np.zeros(counts.shape, dtype=np.intp)
            for s, row in enumerate(counts):
                for j in np.flatnonzero(row):
                    below = row.copy()
                    below[j] -= 1
                    fewer[s, j] = index[below.tobytes()]
            index = {row.tobytes(): s for s, row in enumerate(counts)}
            levels.append((counts, fewer))
        return levels

    def _moved(self, k: int, j: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        origins = np.flatnonzero(self.counts[:, k])
        after = self.counts[origins].copy()
        after[:, k] -= 1
        after[:, j] += 1
        return origins, np.array([self.index[row.tobytes()] for row in after], dtype=np.intp)

    def delay_s(self, t: int) -> Floats:
        """Return the weighted delay of each state, shape (S, M, M); infinite where (1) or a link forbids it."""
        costs, counts, size = self.costs, self.counts, self.size
        with np.errstate(invalid="ignore"):
            through = np.where(
                counts[:, :, None] > 0,
                costs.slope_s[t] * counts[:, :, None] + costs.fixed_s[t] * (counts[:, :, None] > 0),
                0.0,
            ).max(axis=1)
        delay_s: Floats = costs.weight * (through[:, :, None] + costs.after_s[t])
        rooms = capacities(self.instance, t)
        alone = counts <= rooms[0, 0]
        with_proj, with_ffn, with_both = (counts <= rooms[key] for key in ((1, 0), (0, 1), (1, 1)))
        missing = (~alone).sum(axis=1)
        for q in range(size):
            for r in range(size):
                others = missing - ~alone[:, q] - (~alone[:, r] if q != r else 0)
                fits = with_both[:, q] if q == r else with_proj[:, q] & with_ffn[:, r]
                delay_s[~fits | (others > 0), q, r] = np.inf
        return delay_s

    def heads_moved(self, values: Floats, t: int, *, back: bool = False) -> Floats:
        """Return least values after the heads' moves of interval t; ``back`` walks from ends to beginnings.

        Parameters
        ----------
        values : ndarray, shape (S, ...)
            By state before the moves.
        t : int
            The interval whose links are used.
        back : bool
            Whether moves are reversed.
        """
        cost_s = self.costs.move_s[t, 0]
        if self.explicit:
            table = self._transports(t)
            table = table.T if back else table
            return np.stack(
                [
                    (values + table[:, s].reshape(-1, *[1] * (values.ndim - 1))).min(axis=0)
                    for s in range(len(values))
                ]
            )
        values = values.copy()
        while True:
            before = values.copy()
            for (k, j), (origins, ends) in self.moved.items():
                if np.isfinite(cost_s[k, j]):
                    source, target = (ends, origins) if back else (origins, ends)
                    values[target] = np.minimum(values[target], values[source] + cost_s[k, j])
            if np.array_equal(before, values):
                return values

    def _transports(self, t: int) -> Floats:
        """Return all transports of an interval, shape (S, S), which both walks read.

        The first head of a state must go somewhere; where the others go is the same question with one head less.
        """
        if t in self._tables:
            return self._tables[t]
        cost_s = self.costs.move_s[t, 0]
        table = np.zeros((1, 1))
        for level in range(1, len(self._levels)):
            counts, fewer = self._levels[level]
            owner = (counts > 0).argmax(axis=1)
            rest = fewer[np.arange(len(counts)), owner]
            table = np.stack(
                [
                    np.where(
                        counts[:, j] > 0, table[rest][:, fewer[:, j]] + cost_s[owner, j][:, None], np.inf
                    )
                    for j in range(self.size)
                ]
            ).min(axis=0)
        self._tables[t] = table
        return table

    def others_moved(self, values: Floats, t: int) -> Floats:
        """Return least values after the moves of projection and network.

        Parameters
        ----------
        values : ndarray, shape (S, M, M)
            Seconds by distribution of heads, projection, network.
        t : int
            The interval that begins.
        """
        proj_s, ffn_s = self.costs.move_s[t, 1], self.costs.move_s[t, 2]
        values = np.stack(
            [(values + proj_s[:, q][None, :, None]).min(axis=1) for q in range(self.size)], axis=1
        )
        return np.stack([(values + ffn_s[:, r]).min(axis=2) for r in range(self.size)], axis=2)

    def initial(self) -> Floats | None:
        """Return 0 for the state before the first interval, infinity for others."""
        before = self.instance.initial
        if before is None:
            return None
        values = np.full((len(self.counts), self.size, self.size), np.inf)
        counts = np.bincount(before.heads, minlength=self.size).astype(np.int64)
        values[self.index[counts.tobytes()], before.proj, before.ffn] = 0.0
        return values


def run(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Fill the values forwards, follow the best ones backwards, and evaluate.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    horizon = Horizon(instance)
    values = horizon.initial()
    history: list[Floats] = []
    for t in range(instance.intervals):
        if not context.remaining:
            return Claim(Reason.LIMIT, message="stopped at the time limit", solve_s=context.elapsed)
        delay_s = horizon.delay_s(t)
        values = (
            delay_s if values is None else horizon.heads_moved(horizon.others_moved(values, t), t) + delay_s
        )
        history.append(values)
    bound_s = float(history[-1].min())
    if not np.isfinite(bound_s):
        return Claim(
            Reason.INFEASIBLE, message="no state is reached in the last interval", solve_s=context.elapsed
        )
    placement = _trajectory(horizon, history)
    if placement is None:
        return Claim(Reason.LIMIT, None, None, bound_s, "a head has no direct link", solve_s=context.elapsed)
    objective = problem_of(instance).evaluate(instance, placement).objective
    closed = objective is not None and objective <= bound_s * (1 + 1e-12)
    return Claim(
        Reason.OPTIMAL if closed else Reason.LIMIT,
        placement,
        objective,
        min(bound_s, objective) if objective is not None else bound_s,
        "" if closed else "heads would pass through other devices",
        solve_s=context.elapsed,
    )


def _trajectory(horizon: Horizon, history: list[Floats]) -> tuple[Interval, ...] | None:
    """Return the states of least value, from the last interval back, as placements of single heads."""
    instance, costs = horizon.instance, horizon.costs
    state = np.unravel_index(int(history[-1].argmin()), history[-1].shape)
    states = [state]
    for t in range(instance.intervals - 1, 0, -1):
        s, q, r = states[-1]
        reached = np.full(len(horizon.counts), np.inf)
        reached[s] = 0.0
        away_s = horizon.heads_moved(reached, t, back=True)
        before_s = (
            history[t - 1]
            + away_s[:, None, None]
            + costs.move_s[t, 1, :, q][None, :, None]
            + costs.move_s[t, 2, :, r]
        )
        states.append(np.unravel_index(int(before_s.argmin()), before_s.shape))
    before, placements = instance.initial, []
    for t, (s, q, r) in enumerate(reversed(states)):
        counts = horizon.counts[s]
        moves = np.diag(counts)
        if before is not None:
            here = np.bincount(before.heads, minlength=horizon.size)
            moved = transport(here, counts, costs.move_s[t, 0])
            if moved is None:
                return None
            moves = moved[1]
        before = follow(before, counts, moves, int(q), int(r))
        placements.append(before)
    return tuple(placements)
