"""Contiguous latency by dynamic programming over sets of devices: exact for any layers, links and rules.

A state is the set of devices used, the last of them, and the layers done; devices of one kind are only counted. All
states with equally many devices are filled at once, each run's start found by a minimum over a window; those that
cannot beat the best placement known are dropped, by a Lagrangian bound on the rest over the devices not used yet. What
is left bounds the optimum at any time.

Sources: dynamic programming over subsets, Held and Karp (1962); bounds in it, Morin and Marsten (1976).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard import evaluate_latency
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.baselines import greedy
from placewise.solvers.edgeshard.chains import ChainSearch
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.edgeshard.visits import KindTables
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context

    Array = NDArray[np.float64]

#: All states that are kept must fit in this much memory.
LARGEST_BYTES = 2**30
#: Up to so many numbers in all states, none are dropped: that is faster than to look for bounds.
FEW = 2**20
#: Sets of devices are numbers of 62 bits.
MOST_SETS = 2**62
#: Rows that one vectorised step takes.
ROWS = 4096
#: Shares of the remaining time that local search and prices may take.
SEARCH_SHARE, PRICE_SHARE = 0.3, 0.1


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for contiguous placements, RESTRICTION where a device may be returned to.

    Raises
    ------
    NotApplicableError
        Where not all states fit in memory.
    """
    found, tables = bounded_guarantee(instance), KindTables(instance)
    numbers = tables.states
    if numbers * 8 > LARGEST_BYTES:
        raise NotApplicableError(
            f"subsets keep up to {numbers:.2g} numbers here, more than {LARGEST_BYTES / 2**30:g} GiB; subsets-bounded "
            "leaves out what cannot win"
        )
    return found


def bounded_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return what `guarantee` does, for more states than fit in memory, too.

    Raises
    ------
    NotApplicableError
        Where sets of devices are too many to be numbered.
    """
    sets = math.prod(int(size) + 1 for size in KindTables(instance).size)
    if sets > MOST_SETS:
        raise NotApplicableError(
            f"subsets number sets of devices in 62 bits; {instance.cluster.size} devices have {sets:.2g}"
        )
    return Guarantee.EXACT if instance.rules.contiguous else Guarantee.RESTRICTION


@dataclass(frozen=True, eq=False)
class Level:
    """All states with equally many devices.

    Parameters
    ----------
    sets : ndarray of int, shape (R,)
        Devices used of each kind, as one number.
    last : ndarray of int, shape (R,)
        Kind of the last device.
    cost_s : ndarray, shape (R, N + 1)
        Least cost of the first i layers; infinite where there is none, or none that can still win.
    least_s : float
        What placements that continue any of the states cost at least.
    """

    sets: NDArray[np.int64]
    last: NDArray[np.intp]
    cost_s: Array
    least_s: float


class SubsetSearch:
    """The dynamic programme of one instance.

    Parameters
    ----------
    instance : EdgeShardInstance
        Its source is given.
    context : Context
        Clock, warm start, and where bounds and placements are reported.
    """

    def __init__(self, instance: EdgeShardInstance, context: Context) -> None:
        self.instance, self.context = instance, context
        self.tables = tables = KindTables(instance)
        self.kinds = len(tables.size)
        self.radix = np.cumprod(np.append(1, tables.size[:-1] + 1)).astype(np.int64)[: self.kinds]
        self.best: tuple[int, ...] | None = None
        self.best_s = math.inf
        self.windows = [self._window(kind) for kind in range(self.kinds)]
        self.bound = tables.bound(np.zeros(self.kinds + 1))
        self.levels: list[Level] = []
        self.bytes = 0

    def search(self) -> Claim:
        """Fill level after level until none is left, or none can win."""
        self._know()
        level = self._first()
        while len(level.last):
            proven = self._take(level)
            if self.best is not None and proven >= self.best_s * (1 - self.context.parameters.relative_gap):
                return self._claim(Reason.OPTIMAL, min(proven, self.best_s))
            self.context.report(dual_bound=proven)
            following = self._next(level)
            if following is None:
                gib = f"{LARGEST_BYTES / 2**30:g} GiB of states"
                words = f"stopped at {gib if self.context.remaining else 'the time limit'}"
                return self._claim(
                    Reason.LIMIT, proven, words, "time" if not self.context.remaining else "states"
                )
            level = following
        if self.best is None:
            return self._claim(Reason.INFEASIBLE, None, "no chain of devices holds the layers")
        return self._claim(Reason.OPTIMAL, self.best_s)

    def _claim(self, reason: Reason, bound: float | None, message: str = "", limit: str = "time") -> Claim:
        objective = None if self.best is None else self.best_s
        rows = sum(len(level.last) for level in self.levels)
        told = message or f"{rows:,} pairs of a set and its last device"
        return Claim(reason, self.best, objective, bound, told, solve_s=self.context.elapsed, limit=limit)

    def _know(self) -> None:
        """Take the warm start; where states are many, look for a placement to beat, and for prices."""
        start = self.context.warm_start
        if start is not None:
            known = evaluate_latency(self.instance, start)
            if known.feasible and known.objective is not None:
                self._offer(tuple(start), known.objective)
        if self.tables.states <= FEW or not math.isfinite(self.bound.dual_bound):
            return
        search = ChainSearch(self.instance, self.context)
        claim = greedy(self.instance, self.context)
        path = RunPaths(self.instance)
        priced = path.bound(path.best_bound(self.context, self.best_s, 100).price_s)[1]
        for first in (priced, self.best or claim.placement):
            until = self.context.elapsed + SEARCH_SHARE / 2 * self.context.remaining
            search.search(
                tuple(dict.fromkeys(first or (search.source,))), until, self.context.parameters.seed
            )
        if search.best:
            self._offer(search.placement(search.best), search.best_s)
        until = self.context.elapsed + PRICE_SHARE * self.context.remaining
        self.bound = self.tables.best_bound(self.context, self.best_s, 300, until)

    def _offer(self, placement: tuple[int, ...], cost_s: float) -> None:
        if cost_s < self.best_s and evaluate_latency(self.instance, placement).feasible:
            self.best, self.best_s = placement, cost_s
            self.context.report(objective=cost_s, placement=placement)

    def _first(self) -> Level:
        """Return the level of the source alone."""
        tables, steps = self.tables, np.arange(self.tables.count + 1)
        fits = (steps >= tables.least[-1]) & (steps <= tables.end[-1, 0])
        cost_s = np.where(fits, tables.time_before[-1], np.inf)[None]
        sets, last = np.zeros(1, dtype=np.int64), np.array([self.kinds], dtype=np.intp)
        return self._kept(sets, last, cost_s)

    def _used(self, sets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many devices of each kind sets have, shape (R, K)."""
        return sets[:, None] // self.radix[None, :] % (self.tables.size[None, :] + 1)

    def _take(self, level: Level) -> float:
        """Keep a level and its best placement; return a bound on all placements."""
        self.levels.append(level)
        self.bytes += level.cost_s.nbytes
        tables = self.tables
        whole = (self._used(level.sets)[:, tables.required] == tables.size[tables.required]).all(axis=1)
        total_s = np.where(whole, level.cost_s[:, -1] + tables.return_s[level.last], np.inf)
        row = int(total_s.argmin())
        if total_s[row] < self.best_s:
            self._offer(self._placement(row), float(total_s[row]))
        return min(level.least_s, self.best_s)

    def _least(self, sets: NDArray[np.int64], last: NDArray[np.intp], cost_s: Array) -> Array:
        """Return what placements that continue each state cost at least."""
        left = self.tables.size[None, :] - self._used(sets)
        credit = left @ self.bound.price_s[:-1]
        return np.asarray(cost_s + self.bound.to_go_s[last] - credit[:, None])

    def _kept(self, sets: NDArray[np.int64], last: NDArray[np.intp], cost_s: Array) -> Level:
        """Return the states that can win, the others infinite or left out."""
        margin = self.best_s - self.tables.tick_s / 2
        least = self._least(sets, last, cost_s)
        least[:, -1] = cost_s[:, -1] + self.tables.return_s[last]
        cost_s[~(least < margin)] = np.inf
        rows = np.isfinite(cost_s).any(axis=1)
        open_s = float(least[:, :-1].min(initial=np.inf))
        return Level(sets[rows], last[rows], cost_s[rows], open_s if open_s < margin else np.inf)

    def _next(self, level: Level) -> Level | None:
        """Return the states with one device more; None where time or memory ends."""
        parts = []
        used, room = self._used(level.sets), self.bytes
        for kind in range(self.kinds):
            rows = np.flatnonzero(used[:, kind] < self.tables.size[kind])
            rows = rows[np.argsort(level.sets[rows], kind="stable")]
            begun = np.flatnonzero(np.diff(level.sets[rows], prepend=-1))
            for first in range(0, len(begun), ROWS):
                if not self.context.remaining or room > LARGEST_BYTES:
                    return None
                starts = begun[first : first + ROWS]
                stop = begun[first + ROWS] if first + ROWS < len(begun) else len(rows)
                chosen = rows[starts[0] : stop]
                entered_s = level.cost_s[chosen] + self.tables.hop_s[level.last[chosen], kind]
                entered_s = np.minimum.reduceat(entered_s, starts - starts[0], axis=0)
                sets = level.sets[rows[starts]] + self.radix[kind]
                last = np.full(len(sets), kind, dtype=np.intp)
                parts.append(self._kept(sets, last, self._ended(entered_s, kind)))
                room += parts[-1].cost_s.nbytes
        if not parts:
            return Level(level.sets[:0], level.last[:0], level.cost_s[:0], np.inf)
        return Level(
            np.concatenate([part.sets for part in parts]),
            np.concatenate([part.last for part in parts]),
            np.concatenate([part.cost_s for part in parts]),
            min(part.least_s for part in parts),
        )

    def _window(self, kind: int) -> list[tuple[int, NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
        """Return the ends by the power of two that their window of starts spans, with its two parts' first entries."""
        low, high = self.tables.earliest[kind], self.tables.latest[kind]
        ends = np.flatnonzero(high >= low)
        power = np.frexp(high[ends] - low[ends] + 1)[1] - 1
        grouped = [(int(k), ends[power == k]) for k in np.unique(power)]
        return [(k, these, low[these], high[these] - (1 << k) + 1) for k, these in grouped]

    def _ended(self, entered_s: Array, kind: int) -> Array:
        """Return the least cost up to each end of a run on a kind, from the cost up to each start."""
        before = self.tables.time_before[kind]
        least, power = entered_s - before, 0
        ended_s = np.full_like(entered_s, np.inf)
        for wanted, ends, low, high in self.windows[kind]:
            while power < wanted:
                least = np.minimum(least[:, : -(1 << power)], least[:, 1 << power :])
                power += 1
            ended_s[:, ends] = np.minimum(least[:, low], least[:, high]) + before[ends]
        return ended_s

    def _placement(self, row: int) -> tuple[int, ...]:
        """Return the placement of a state of the last level with all layers."""
        tables, level = self.tables, self.levels[-1]
        end, kind, number = tables.count, int(level.last[row]), int(level.sets[row])
        runs: list[tuple[int, int]] = []
        for before in self.levels[-2::-1]:
            number -= int(self.radix[kind])
            rows = np.flatnonzero(before.sets == number)
            entered_s = before.cost_s[rows] + tables.hop_s[before.last[rows], kind]
            starts = np.arange(tables.earliest[kind, end], tables.latest[kind, end] + 1)
            values = entered_s[:, starts] - tables.time_before[kind, starts]
            sender, position = np.unravel_index(int(values.argmin()), values.shape)
            runs.append((kind, end))
            end, kind = int(starts[position]), int(before.last[rows[sender]])
        left = [list(reversed(devices)) for devices in tables.members]
        layers = [self.instance.source_index] * end
        for run, stop in reversed(runs):
            layers += [left[run].pop()] * (stop - len(layers))
        return tuple(layers)


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Fill the states of an instance.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return SubsetSearch(instance, context).search()
