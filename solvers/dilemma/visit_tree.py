"""Bounds of DILEMMA by branch and price: mixtures of paths, and how often they visit each server.

A placement is a path of runs, layers in a row on one server with their widths, each of which fits its server alone. What several
runs share is left to a linear master problem over whole paths: storage, the errors, roundings of both, and packings
(`path_rows`). Its prices go into the shortest path over (layer, server, storage left in the run) of `Decomposition`, which
yields the next path, and a bound at any prices: for rows ``a x <= r`` that every placement of a node keeps and ``p >= 0``,

    min over paths of (delay + sum p a x) - sum p r

is no more than the least delay among the node's placements, as each of them is such a path and pays at most ``sum p r``; for rows
``a x >= r`` the sign is turned. So every bound holds whatever HiGHS answers, up to the rounding of the sums, which is taken off.

A node is split by visits: at most so many runs on a server, or one more; then by its number of layers, by a layer on it or not, by
a layer's width. Either half has its rows; with at least k runs on a server, each leaves room for the others. No placement is lost, so
the least bound of open nodes bounds them all. What cannot be split is a single path; where units of the tables are coarse it may be no
placement. Such a node keeps its bound, and the tree ends at it: what is left is up to the labels and HiGHS beside it.

Sources: branch and price, Barnhart, Johnson, Nemhauser, Savelsbergh and Vance (1998); prices and paths, Dantzig and Wolfe
(1960); smoothed prices, Wentges (1997).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.dilemma.beam import LEAST_GAIN
from placewise.solvers.dilemma.packing_cuts import broken_packings
from placewise.solvers.dilemma.path_master import PathMaster, PathPrices
from placewise.solvers.dilemma.path_rows import broken_roundings, first_rows, roundings
from placewise.solvers.dilemma.visit_nodes import Node, children

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.dilemma.placement import Placement
    from placewise.solvers.dilemma.decomposition import Decomposition, Prices
    from placewise.solvers.dilemma.path_master import PathMixture

    Array = NDArray[np.float64]

#: Share of the best prices in those that are tried; 0 are the master's.
SMOOTHING = 0.7
#: Shortest paths per node, and how near bound and master get, as a share of the delay: where a node is
#: split, and where it cannot be.
ROUNDS, NEAR, NEAREST = 200, 1e-4, 1e-12
#: Rows beyond which no packings are added.
MOST_ROWS = 400
#: Least share of the delay by which packings have to raise the bound of a node.
WORTH = 3e-4
#: Of one sum of floating-point numbers.
ROUNDING = 2.3e-16


class VisitTree:
    """The tree of one instance, in either mode; it goes on where it stopped.

    Parameters
    ----------
    model : Decomposition
        Of the instance: L layers, M servers, B widths.
    start : tuple of (int, int)
        A placement.
    upper_s : float
        Its delay.
    first : Prices
        Of storage and of errors, as `climb_storage` returns them, or none.
    on_path : callable
        Is told of servers and widths of each path that is found, arrays of L.
    on_bound : callable
        Is told of each better bound.
    """

    def __init__(
        self,
        model: Decomposition,
        start: Placement,
        upper_s: float,
        first: Prices,
        on_path: Callable[[NDArray[np.intp], NDArray[np.intp]], None],
        on_bound: Callable[[float], None],
    ) -> None:
        self.model, self.on_path, self.on_bound = model, on_path, on_bound
        self.upper_s, self.bound_s = upper_s, -np.inf
        self.master = PathMaster(model, first_rows(model), upper_s)
        server, width = np.array(start, dtype=np.intp).T
        self.master.add(server.copy(), width.copy())
        self.sources, self.known = roundings(model), set[tuple[int, int]]()
        self.nodes = [self._root(first)]
        self.made, self.packs = 0, True
        #: The least bound of nodes that cannot be split.
        self.left_s = np.inf
        finite = model.compute_s[np.isfinite(model.compute_s)].max(initial=0.0)
        hops = model.transfer_s[np.isfinite(model.transfer_s)].max(initial=0.0)
        self.largest_s = float(finite + hops)
        self.narrowest = np.where(model.allowed, model.size, np.iinfo(np.int64).max).min()

    @property
    def open(self) -> bool:
        """Whether there are nodes that may hold a better placement, and none that could not be split does."""
        return bool(self.nodes and self.nodes[0].bound_s < min(self.cutoff_s, self.left_s))

    @property
    def cutoff_s(self) -> float:
        """The bound from which on a node holds nothing that is wanted."""
        return self.upper_s * (1 - LEAST_GAIN)

    def work(self, upper_s: float, stop: Callable[[], bool]) -> None:
        """Go on with the tree.

        Parameters
        ----------
        upper_s : float
            Delay of the best placement known now.
        stop : callable
            Whether the time is over.
        """
        self.upper_s = min(self.upper_s, upper_s)
        while self.open and not stop():
            self._expand(heapq.heappop(self.nodes), stop)
            self._raise()

    def _root(self, first: Prices) -> Node:
        """Return all placements, with prices of storage and of errors."""
        model, size = self.model, self.model.servers
        largest = np.where(model.allowed, model.size, 0).max(axis=1)
        layer = int(largest.argmax())
        width = int(np.where(model.allowed[layer], model.size[layer], -1).argmax())
        unit_s = -first.choice_s[layer, :, width] / max(int(largest[layer]), 1)
        row_s = unit_s * np.maximum(model.space, 1)
        if model.budget is not None:
            row_s = np.append(row_s, first.error_s * max(model.budget, 1))
        none = np.repeat([[-np.inf], [np.inf]], size, axis=1)
        prices = PathPrices(row_s, np.zeros(size), np.zeros(size))
        return Node(-np.inf, none, none, np.zeros(model.compute_s.shape, dtype=bool), prices)

    def _raise(self) -> None:
        """State the least bound of what is open."""
        least_s = min([self.left_s, self.upper_s, *(node.bound_s for node in self.nodes[:1])])
        if least_s > self.bound_s:
            self.bound_s = least_s
            self.on_bound(least_s)

    def _expand(self, node: Node, stop: Callable[[], bool]) -> None:
        """Bound a node, and split it if that does not close it."""
        halves: list[Node] = []
        for near in (NEAR, NEAREST):
            mixture = self._bounded(node, stop, near)
            if node.bound_s >= self.cutoff_s:
                return
            if stop():
                heapq.heappush(self.nodes, node)
                return
            halves = [] if mixture is None else list(children(node, mixture))
            if halves:
                break
        if not halves:
            self.left_s = min(self.left_s, node.bound_s)
        for half in halves:
            self.made += 1
            half.number = -self.made
            heapq.heappush(self.nodes, half)

    def _bounded(self, node: Node, stop: Callable[[], bool], near: float) -> PathMixture | None:
        """Raise a node's bound until it is closed or the master says no more; return the last mixture."""
        self.master.restrict(node)
        mixture, before_s = None, -np.inf
        for _ in range(ROUNDS):
            mixture = self.master.solve()
            if mixture is None or stop():
                break
            new = False
            for share in (SMOOTHING, 0.0):
                prices = node.prices.towards(mixture.prices, share)
                bound_s, path = self._priced(node, prices)
                if bound_s > node.bound_s:
                    node.bound_s, node.prices = bound_s, prices
                if path is not None and self.master.add(*path):
                    self.on_path(*path)
                    new = True
                    break
            if node.bound_s >= self.cutoff_s:
                break
            if not new or mixture.value_s - node.bound_s <= near * self.upper_s:
                rows = broken_roundings(self.sources, mixture.share, self.known)
                if not rows and self.packs and len(self.master.rows) < MOST_ROWS:
                    rows = broken_packings(self.model, mixture.share)
                    # At the root as long as there are some; later only as long as they raise bounds.
                    self.packs = not self.made or node.bound_s - before_s > WORTH * self.upper_s
                    before_s = node.bound_s
                if not rows:
                    break
                self.master.cut(rows)
        return mixture

    def _priced(
        self, node: Node, prices: PathPrices
    ) -> tuple[float, tuple[NDArray[np.intp], NDArray[np.intp]] | None]:
        """Return the bound of a node at some prices, and the path that attains it."""
        model = self.model
        priced_s = model.compute_s.copy()
        worth_s = size_s = 0.0
        for row, price_s in zip(self.master.rows, prices.row_s.tolist(), strict=False):
            if price_s > 0:
                row.add_to(priced_s, price_s)
                worth_s += price_s * row.limit
                size_s += price_s * float(row.weight.max(initial=0.0))
        visit_s, visits_s = _settled(prices.visit_s, node.visits)
        layer_s, layers_s = _settled(prices.layer_s, node.layers)
        priced_s += layer_s[:, None]
        priced_s[node.barred] = np.inf
        visit_s = np.where(node.visits[1] > 0, visit_s, np.inf)
        # Of at least k runs on a server each leaves room for the others.
        others = np.maximum(node.visits[0] - 1, 0)
        room = model.space - (others * float(self.narrowest)).astype(np.int64)
        visit_s = np.where(room >= 0, visit_s, np.inf)
        _, _, value_s, path = model.path(priced_s, visit_s, np.maximum(room, 0))
        if not np.isfinite(value_s):
            return np.inf, None
        paid = np.abs(prices.visit_s) + np.abs(prices.layer_s)
        sums_s = worth_s + abs(visits_s) + abs(layers_s)
        sums_s += model.count * (self.largest_s + size_s + float(paid.max(initial=0.0)))
        terms = 4 * model.count + len(self.master.rows) + 4 * model.servers
        bound_s = value_s - worth_s - visits_s - layers_s - ROUNDING * terms * sums_s
        return bound_s, (path.any(axis=2).argmax(axis=1), path.any(axis=1).argmax(axis=1))


def _settled(price_s: Array, bounds: Array) -> tuple[Array, float]:
    """Return the prices that a node's bounds allow, per server, and what the bounds are worth at them."""
    least, most = bounds
    price_s = np.where(np.isfinite(most), np.maximum(price_s, 0.0), 0.0) + np.where(
        np.isfinite(least), np.minimum(price_s, 0.0), 0.0
    )
    limit = np.where(price_s > 0, most, np.where(price_s < 0, least, 0.0))
    return price_s, float((price_s * limit).sum())
