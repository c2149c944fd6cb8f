"""Which cells make a plan: a pool by columns of a linear programme, then CP-SAT with a count of each."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.replicated.cells import Cell, cells
from placewise.solvers.replicated.crossings import add_crossings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from placewise.solvers.replicated.groups import Groups

    Floats = NDArray[np.float64]

#: Most layers of a cell; rounds of columns, and of columns at random prices; regions of which every order is tried.
LONGEST, ROUNDS, RANDOM_ROUNDS, MOST_REGIONS = 24, 25, 12, 4


class Selection:
    """Cells for a flow.

    Parameters
    ----------
    found : Groups
        With the flow.
    layers : int
        ``L``.
    crossing : callable
        ``(region, region) -> units`` that a link between two regions carries, roughly.
    seed, threads : int
        Of random prices, and of CP-SAT.
    remaining : callable
        Seconds that are left.
    """

    def __init__(
        self,
        found: Groups,
        layers: int,
        crossing: Callable[[int, int], int],
        *,
        seed: int,
        threads: int,
        remaining: Callable[[], float],
    ) -> None:
        self.found, self.layers, self.crossing = found, layers, crossing
        self.seed, self.threads, self.remaining = seed, threads, remaining
        self.members = [
            tuple(g for g, own in enumerate(found.region) if own == region) for region in range(found.regions)
        ]
        self.prices = np.ones(len(found.nodes))
        self.pool: list[dict[tuple[int, tuple[tuple[int, int], ...], int], Cell]] = [{} for _ in self.members]

    def fill(self) -> float:
        """Find cells; return how many layers a linear programme makes of them, links between regions left out."""
        random = np.random.default_rng(self.seed)
        size, value = self.found.sizes, 0.0
        prices = np.array([float(max((k for k, r in enumerate(rates, 1) if r >= self.found.flow), default=1))
                           for rates in self.found.rates])
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
            for region, members in enumerate(self.members):
                for other in range(len(self.members)):
                    for senders in (1, 2, 3):
                        each = senders * self.crossing(other, region)
                        if other != region and each:
                            self._keep(region, cells(self.found, members, base, self._longest, each))
        return value

    def _worth(self, cell: Cell) -> float:
        return cell.layers - sum(float(self.prices[g]) * count for g, count in cell.use.items())

    @property
    def _longest(self) -> int:
        return min(self.layers, LONGEST)

    def _add(self, prices: Floats) -> int:
        return sum(
            self._keep(region, cells(self.found, members, prices, self._longest))
            for region, members in enumerate(self.members)
        )

    def _keep(self, region: int, offered: Iterator[tuple[float, Cell]]) -> int:
        pool, size, new = self.pool[region], self.found.sizes, 0
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
            [
                model.new_int_var(0, int(min(size[g] // n for g, n in cell.use.items())), "")
                for cell in pool
            ]
            for pool in pools
        ]
        total = sum(
            cell.layers * number
            for pool, row in zip(pools, counts, strict=True)
            for cell, number in zip(pool, row, strict=True)
        )
        model.add(total == self.layers)
        for pool, row, region in zip(pools, counts, order, strict=True):
            for g in self.members[region]:
                used = [cell.use.get(g, 0) * number for cell, number in zip(pool, row, strict=True)]
                model.add(sum(used) <= int(size[g]))
        each = [self.crossing(a, b) for a, b in pairwise(order)]
        ends = add_crossings(model, pools, counts, each, self.found.flow, self._worth)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = max(min(limit_s, self.remaining()), 0.01)
        solver.parameters.num_workers = self.threads
        solver.parameters.random_seed = self.seed
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        chosen: list[Cell] = []
        for at, (pool, row) in enumerate(zip(pools, counts, strict=True)):
            left = {n: int(solver.value(number)) for n, number in enumerate(row)}
            entry, leave = (
                next((n for n, chosen_ in side.items() if solver.boolean_value(chosen_)), None)
                for side in ends[at]
            )
            alone = sum(left.values()) == 1
            for n in (entry, None if alone and entry == leave else leave):
                if n is not None:
                    left[n] -= 1
            middle = [pool[n] for n, number in left.items() for _ in range(number)]
            chosen += [pool[entry]] if entry is not None else []
            chosen += middle
            chosen += [pool[leave]] if leave is not None and not (alone and entry == leave) else []
        return tuple(chosen)
