"""Which cells make a plan: a pool by columns of a linear programme, then CP-SAT with a count of each."""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations
from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.replicated.cells import Cell, ChainTable, cells, side_by_side
from placewise.solvers.replicated.crossings import Crossings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from placewise.solvers.replicated.groups import Groups

    Floats = NDArray[np.float64]
    #: Cells by their layers, what they take, and their number of chains.
    Pool = dict[tuple[int, tuple[tuple[int, int], ...], int], Cell]

#: Most layers of a cell; rounds of columns, and of columns at random prices; regions of which every order is tried.
LONGEST, ROUNDS, RANDOM_ROUNDS, MOST_REGIONS = 24, 25, 60, 4


class Selection:
    """Cells for a flow.

    Parameters
    ----------
    found : Groups
        With the flow.
    layers : int
        ``L``.
    slow : sequence of sequence of int
        ``slow[a][b]``: units that a link between two regions carries, roughly, as `slow_links` has them.
    seed, threads : int
        Of random prices, and of CP-SAT.
    remaining : callable
        Seconds that are left.
    """

    def __init__(
        self,
        found: Groups,
        layers: int,
        slow: Sequence[Sequence[int]],
        *,
        seed: int,
        threads: int,
        remaining: Callable[[], float],
    ) -> None:
        self.found, self.layers, self.slow = found, layers, slow
        self.seed, self.threads, self.remaining = seed, threads, remaining
        self.members = [
            tuple(g for g, own in enumerate(found.region) if own == region) for region in range(found.regions)
        ]
        self.prices = np.ones(len(found.nodes))
        self.pool: list[Pool] = [{} for _ in self.members]
        self.mixed: Pool = {}

    def fill(self) -> float:
        """Find cells; return how many layers a linear programme makes of them, links between regions left out."""
        random = np.random.default_rng(self.seed)
        size, value = self.found.sizes, 0.0
        prices = np.array(
            [
                float(max((k for k, r in enumerate(rates, 1) if r >= self.found.flow), default=1))
                for rates in self.found.rates
            ]
        )
        for round_ in range(ROUNDS):
            new = self._add(prices)
            value, prices = self._relaxed()
            if not new or not self.remaining() or (round_ and value >= self.layers and round_ > 8):
                break
        if value < self.layers - 1e-6:
            return value
        self.prices = base = np.maximum(prices, 0.02 * float(prices.max(initial=1.0)))
        for _ in range(RANDOM_ROUNDS):
            if not self.remaining():
                break
            self._add(base * random.uniform(0.6, 1.6, len(size)))
        if len(self.members) > 1:
            self._at_crossings(base)
        return value

    def _at_crossings(self, prices: Floats) -> None:
        """Find cells that slow links can feed, and such as have chains in several regions."""
        count = len(self.members)
        tables = [ChainTable(self.found, members, prices, self._longest) for members in self.members]
        for region in range(count):
            each = {
                min(senders * self.slow[other][region], self.found.flow)
                for other in range(count)
                for senders in (1, 2, 3)
                if other != region
            }
            for most in sorted(each - {0}):
                self._keep(
                    self.pool[region], cells(self.found, self.members[region], prices, self._longest, most)
                )
        for chains in (2, 3):
            for regions in combinations_with_replacement(range(count), chains):
                if len(set(regions)) == 1:
                    continue
                slow = [max(self.slow[other][r] for other in range(count) if other != r) for r in regions]
                limits = {(self.found.flow,) * chains, tuple(min(rate, self.found.flow) for rate in slow)}
                for limit in sorted(limits):
                    offered = side_by_side(self.found, [tables[r] for r in regions], limit)
                    self._keep(self.mixed, offered)

    def _worth(self, cell: Cell) -> float:
        return cell.layers - sum(float(self.prices[g]) * count for g, count in cell.use.items())

    @property
    def _longest(self) -> int:
        return min(self.layers, LONGEST)

    def _add(self, prices: Floats) -> int:
        return sum(
            self._keep(pool, cells(self.found, members, prices, self._longest))
            for pool, members in zip(self.pool, self.members, strict=True)
        )

    def _keep(self, pool: Pool, offered: Iterator[tuple[float, Cell]]) -> int:
        size, new = self.found.sizes, 0
        for _, cell in offered:
            if any(count > size[g] for g, count in cell.use.items()):
                continue
            key = (cell.layers, tuple(sorted(cell.use.items())), len(cell.chains))
            if key not in pool:
                pool[key] = cell
                new += 1
        return new

    def _relaxed(self) -> tuple[float, Floats]:
        from scipy.optimize import linprog

        every = [cell for pool in self.pool for cell in pool.values()]
        size = self.found.sizes
        if not every:
            return 0.0, np.ones(len(size))
        use = np.zeros((len(size), len(every)))
        for at, cell in enumerate(every):
            for g, count in cell.use.items():
                use[g, at] = count
        gain = np.array([float(cell.layers) for cell in every])
        solved = linprog(-gain, A_ub=use, b_ub=size, method="highs")
        return float(-solved.fun), np.maximum(-solved.ineqlin.marginals, 0.0)

    def plans(self, limit_s: float) -> Iterator[tuple[Cell, ...]]:
        """Yield cells in the order of the layers, for each order of regions that has some.

        Parameters
        ----------
        limit_s : float
            Seconds for each order.
        """
        count = len(self.members)
        if count > MOST_REGIONS:
            return
        for length in range(1, count + 1):
            for order in permutations(range(count), length):
                if self.remaining():
                    chosen = self._choose(order, limit_s)
                    if chosen is not None:
                        yield chosen

    def _choose(self, order: tuple[int, ...], limit_s: float) -> tuple[Cell, ...] | None:
        """Return cells that make all layers, regions in this order, or None where CP-SAT finds none in time."""
        from ortools.sat.python import cp_model

        model, size = cp_model.CpModel(), self.found.sizes
        pools = [list(self.pool[region].values()) for region in order]
        if not all(pools):
            return None
        counts = [
            [model.new_int_var(0, int(min(size[g] // n for g, n in cell.use.items())), "") for cell in pool]
            for pool in pools
        ]
        crossings = Crossings(self.found.flow, self.found.region, self.slow, self._worth)
        mixed = list(self.mixed.values())
        ends = crossings.add(model, pools, counts, mixed)
        every = [
            pair for pool, row in zip(pools, counts, strict=True) for pair in zip(pool, row, strict=True)
        ]
        every += [(mixed[n], chosen) for side in ends for n, chosen in side.mixed.items()]
        model.add(sum(cell.layers * number for cell, number in every) == self.layers)
        for g in range(len(size)):
            used = [cell.use[g] * number for cell, number in every if g in cell.use]
            model.add(sum(used) <= int(size[g]))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = max(min(limit_s, self.remaining()), 0.01)
        solver.parameters.num_workers = self.threads
        solver.parameters.random_seed = self.seed
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        chosen: list[Cell] = []
        for pool, row, side in zip(pools, counts, ends, strict=True):
            left = {n: int(solver.value(number)) for n, number in enumerate(row)}
            first, last, between = (
                [n for n, taken in part.items() if solver.boolean_value(taken)] for part in side
            )
            if first == last and sum(left.values()) == 1:
                last = []
            for n in (*first, *last):
                left[n] -= 1
            middle = [n for n, number in left.items() for _ in range(number)]
            chosen += [pool[n] for n in (*first, *middle, *last)] + [mixed[n] for n in between]
        return tuple(chosen)
