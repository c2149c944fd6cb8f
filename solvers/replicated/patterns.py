"""Bounds on the flow by cutting stock over layers, where each layer is cut from the nodes that hold it.

For a flow F the nodes at which a layer is computed take F or more together, and a node with k layers spends ``1 / k`` of
itself on each: L such patterns must be cut from the nodes that there are. Columns come from a covering knapsack with
capacities rounded up, so that whatever prices a linear programme returns, the cheapest pattern is known from below, and
F is refuted where L of them cost more than all nodes are worth.

Links enter through layers at which one node computes everything. Between two such layers in a row the whole flow is in
one node, or goes over one link that carries it; so runs of them in regions that no such link joins are parted by a
layer with several nodes, which cost more. All of it holds with partial inference, too.

Sources: cutting stock by columns, Gilmore and Gomory (1961); the bound at any prices, Farley (1990).
"""

from __future__ import annotations

from itertools import combinations
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.solvers.replicated.groups import Groups, groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from placewise.models.replicated.data import ReplicatedThroughput

    Floats = NDArray[np.float64]

#: Steps of the knapsack's capacity; rounds of columns for one flow; regions whose every choice is tried.
STEPS, ROUNDS, MOST_REGIONS = 8192, 60, 5
#: Relative: by so much a refutation must exceed what rounding leaves.
MARGIN = 1e-9


class Pattern(NamedTuple):
    """Nodes at one layer.

    Parameters
    ----------
    nodes : tuple of (int, int)
        Group and number of layers of each.
    carries : int
        Units that they take together.
    """

    nodes: tuple[tuple[int, int], ...]
    carries: int


class Patterns:
    """What refutes flows of an instance.

    Parameters
    ----------
    instance : ReplicatedThroughput
        L layers.
    links : bool
        Whether links between regions are looked at.
    late : callable
        Whether time is up: then nothing more is refuted.
    """

    def __init__(self, instance: ReplicatedThroughput, *, links: bool, late: Callable[[], bool]) -> None:
        self.instance, self.links, self.late = instance, links, late
        self.pool: dict[tuple[object, ...], list[Pattern]] = {}
        self.least_carried = 0

    def bound(self, low: int, high: int, relative: float) -> int:
        """Return the least flow that is not refuted, or a little more; bisection from one that is possible.

        Parameters
        ----------
        low, high : int
            In units: carried by a plan, and a bound.
        relative : float
            Between the two, at which to stop.
        """
        if low >= high:
            return high
        if self.refutes(low + 1):
            return low
        floor = max(low, self.least_carried)
        while high - floor > relative * high and not self.late():
            middle = (floor + high + 1) // 2
            if self.refutes(middle):
                high = middle - 1
                continue
            floor = max(middle, min(self.least_carried, high))
            if floor < high and self.refutes(floor + 1):  # where a pattern just carries it
                high = floor
        return high

    def refutes(self, flow: int) -> bool:
        """Return whether no plan carries a flow, as far as patterns tell; `least_carried` then has no meaning.

        Parameters
        ----------
        flow : int
            In units, above 0.
        """
        self.least_carried = 0
        found = groups(self.instance, flow, links=self.links)
        if found.regions > MOST_REGIONS:
            found = groups(self.instance, flow, links=False)
        single = {g: single_layers(rates, flow) for g, rates in enumerate(found.rates)}
        with_single = sorted({found.region[g] for g, k in single.items() if k})
        for count in range(len(with_single), -1, -1):
            for used in combinations(with_single, count):
                singles = {g: k for g, k in single.items() if k and found.region[g] in used}
                if not self._refuted(found, singles, max(count - 1, 0)):
                    return False
        return True

    def _refuted(self, found: Groups, singles: dict[int, int], several: int) -> bool:
        """Refute a flow where single nodes are of some groups, and so many layers have several nodes."""
        layers, flow, size = self.instance.layers, found.flow, found.sizes
        if several > layers:
            return True
        key = (found.rates, found.region)
        pool = self.pool.setdefault(key, [])
        columns = [pattern for pattern in pool if pattern.carries >= flow]
        if not columns:
            columns = list(uniform_patterns(found))
            pool.extend(columns)
        for _ in range(ROUNDS):
            if self.late():
                return False
            value, prices, support = _master(found, singles, columns, several)
            if value >= layers * (1 - MARGIN):
                carried = [columns[at].carries for at in support]
                carried += [found.rates[g][k - 1] for g, k in singles.items()]
                self.least_carried = max(min(carried), flow)
                return False
            one = min((prices[g] / k for g, k in singles.items()), default=inf)
            many, pattern = cheapest_pattern(found, prices)
            most_several = several if one <= many else layers
            spent = most_several * many if most_several else 0.0
            spent += (layers - most_several) * one if layers > most_several else 0.0
            if spent > float(prices @ size) * (1 + MARGIN):
                return True
            if pattern is None or pattern in columns:
                return False
            columns.append(pattern)
            pool.append(pattern)
        return False


def single_layers(rates: tuple[int, ...], flow: int) -> int:
    """Return the most layers with which one node carries a flow, 0 where it never does.

    Parameters
    ----------
    rates : tuple of int
        Units with 1, 2, ... layers.
    flow : int
        In units.
    """
    return max((k for k, rate in enumerate(rates, 1) if rate >= flow), default=0)


def uniform_patterns(found: Groups) -> Iterator[Pattern]:
    """Yield the patterns of as many equal nodes as carry the flow, at least two.

    Parameters
    ----------
    found : Groups
        With their flow.
    """
    for g, rates in enumerate(found.rates):
        for k, rate in enumerate(rates, 1):
            count = max(-(-found.flow // rate), 2)
            if count <= len(found.nodes[g]):
                yield Pattern(((g, k),) * count, count * rate)


def _master(
    found: Groups, singles: dict[int, int], columns: list[Pattern], several: int
) -> tuple[float, Floats, list[int]]:
    """Return how many layers the columns cut from the nodes, the nodes' prices, and the columns in use."""
    from scipy.optimize import linprog

    count = len(singles) + len(columns)
    size = found.sizes
    if not count:
        return 0.0, np.ones(len(size)), []
    use = np.zeros((len(size), count))
    for at, (g, k) in enumerate(singles.items()):
        use[g, at] = 1.0 / k
    for at, pattern in enumerate(columns, len(singles)):
        for g, k in pattern.nodes:
            use[g, at] += 1.0 / k
    is_several = np.array([0.0] * len(singles) + [1.0] * len(columns))
    rows, limits = use, size
    if several:
        rows, limits = np.vstack([use, -is_several]), np.append(size, -float(several))
    solved = linprog(-np.ones(count), A_ub=rows, b_ub=limits, method="highs")
    if solved.status != 0:  # so many patterns cannot be cut from these columns: look for cheaper ones
        solved = linprog(-is_several - 1e-6, A_ub=use, b_ub=size, method="highs")
        return 0.0, np.maximum(-solved.ineqlin.marginals, 0.0), []
    prices = np.maximum(-solved.ineqlin.marginals[: len(size)], 0.0)
    support = [at for at in range(len(columns)) if solved.x[len(singles) + at] > 1e-9]
    return float(-solved.fun), prices, support


def cheapest_pattern(found: Groups, prices: Floats) -> tuple[float, Pattern | None]:
    """Return a lower bound on the price of a pattern of several nodes, and the pattern that has it.

    Capacities are rounded up to `STEPS` of the flow, so the pattern may carry a little less.

    Parameters
    ----------
    found : Groups
        With their flow.
    prices : ndarray
        Of a node of each group, at least 0.

    Returns
    -------
    (float, Pattern or None)
        Infinite without one.
    """
    items = _items(found, prices)
    if not items:
        return inf, None
    weights = [min(-(-rate * STEPS // found.flow), STEPS) for _, _, rate, _ in items]
    least = min(item[3] for item in items)
    table = np.full(STEPS + 1, inf)
    table[0] = 0.0
    chosen: list[NDArray[np.int64]] = []
    best, best_count = inf, 0
    limit = sum(len(nodes) for nodes in found.nodes)
    while len(chosen) < limit and (len(chosen) + 1) * least < best:
        options = np.empty((len(items), STEPS + 1))
        for at, (item, weight) in enumerate(zip(items, weights, strict=True)):
            options[at, weight:] = table[: STEPS + 1 - weight]
            options[at, :weight] = table[0]
            options[at] += item[3]
        chosen.append(options.argmin(axis=0))
        before, table = table, options.min(axis=0)
        if len(chosen) > 1 and table[STEPS] < best:
            best, best_count = float(table[STEPS]), len(chosen)
        if (
            least <= 0.0 and len(chosen) > 2 and np.array_equal(before, table)
        ):  # more that cost nothing help no more
            break
    if not best_count:
        return inf, None
    nodes, left = [], STEPS
    for count in reversed(range(best_count)):
        at = int(chosen[count][left])
        nodes.append(at)
        left = max(left - weights[at], 0)
    parts = tuple(sorted((items[at][0], items[at][1]) for at in nodes))
    return best, Pattern(parts, sum(items[at][2] for at in nodes))


def _items(found: Groups, prices: Floats) -> list[tuple[int, int, int, float]]:
    """Return group, layers, units and price of each choice that no other one beats in both."""
    every = [
        (g, k, rate, float(prices[g]) / k)
        for g, rates in enumerate(found.rates)
        for k, rate in enumerate(rates, 1)
    ]
    kept: list[tuple[int, int, int, float]] = []
    for item in sorted(every, key=lambda item: (item[3], -item[2])):
        if not kept or item[2] > max(other[2] for other in kept):
            kept.append(item)
    return kept
