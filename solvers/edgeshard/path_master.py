"""The linear master problem of paths of runs: which mixture of known paths respects memory and visits, and at what prices.

One row says that the weights of the paths sum to 1; per device one says that what they use of its memory fits (Eq. 5), as
a share of it, and one how often they visit it, which binds where branching has decided on that. Further rows say that a
device does not hold all layers of a set that is too large for it. All but the first may be broken at a penalty.

Sources: column generation, Dantzig and Wolfe (1960); covers, Balas (1975).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.solvers.column_master import ColumnMaster

#: Weights below this are none.
LEAST_WEIGHT = 1e-6

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.visit_nodes import Node

    Array = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class Cover(NamedTuple):
    """Layers of which a device does not hold all: any ``most + 1`` of them need more than its memory.

    Parameters
    ----------
    device : int
        The device.
    layers : ndarray of bool, shape (N,)
        Which layers.
    most : int
        How many of them it may hold.
    """

    device: int
    layers: Bools
    most: int

    def held(self, paths: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return how many of the layers each path has on the device.

        Parameters
        ----------
        paths : ndarray of int, shape (C, N)
            Devices of the layers.
        """
        held: NDArray[np.intp] = ((paths == self.device) & self.layers).sum(axis=1)
        return held


class Prices(NamedTuple):
    """What a path pays beside its cost.

    Parameters
    ----------
    memory_s, visit_s : ndarray, shape (M,)
        Seconds per whole memory of a device, and per visit, negative where more visits are wanted.
    cover_s : ndarray, shape (covers,)
        Per layer of a cover on its device; of covers found later 0.
    """

    memory_s: Array
    visit_s: Array
    cover_s: Array

    def towards(self, other: Prices, share: float, most_s: float = np.inf) -> Prices:
        """Return a mean of two, of which this one has a share.

        Parameters
        ----------
        other : Prices
            With as many covers or more.
        share : float
            0 to 1.
        most_s : float
            How far the other one may be, in seconds per price; it is moved nearer first.
        """
        cover_s = np.zeros(len(other.cover_s))
        cover_s[: len(self.cover_s)] = self.cover_s
        pairs = zip((self.memory_s, self.visit_s, cover_s), other, strict=True)
        return Prices(
            *(own + (1 - share) * np.clip(another - own, -most_s, most_s) for own, another in pairs)
        )


class Mixture(NamedTuple):
    """A solution of the master problem.

    Parameters
    ----------
    value_s : float
        Its cost, penalties included.
    prices : Prices
        Of its rows.
    weight : ndarray, shape (C,)
        Of the paths that have some.
    paths : ndarray of int, shape (C, N)
        Devices of the layers.
    visits, used : ndarray, shape (C, M)
        Runs, and bytes, on each device.
    """

    value_s: float
    prices: Prices
    weight: Array
    paths: NDArray[np.intp]
    visits: Array
    used: Array


class PathMaster:
    """The paths known so far, in HiGHS, which goes on from its last basis.

    Parameters
    ----------
    budget : ndarray of int, shape (M,)
        Bytes of each device.
    scale_s : float
        What a placement costs, about.
    penalty : float
        Of a whole memory, or of a visit, that is too much, in such costs.
    """

    def __init__(self, budget: NDArray[np.int64], scale_s: float, penalty: float) -> None:
        self.budget, self.scale_s, self.size = np.maximum(budget, 1), scale_s, len(budget)
        self.paths: list[tuple[int, ...]] = []
        self.used: list[Array] = []
        self.visits: list[Array] = []
        self.columns: list[int] = []
        self.known: set[tuple[int, ...]] = set()
        self.covers: list[Cover] = []
        self.master = ColumnMaster(penalty)
        self.master.row(1.0, 1.0)
        for high in (1.0, np.inf):
            for _ in range(self.size):
                self.master.row(-np.inf, high)
        for row in range(1, 2 * self.size + 1):
            self.master.breakable(row, below=row > self.size)

    def add(self, path: tuple[int, ...], cost_s: float, used: Array, visits: Array) -> bool:
        """Add a path, unless it is known; return whether it was new.

        Parameters
        ----------
        path : tuple of int
            The device of each layer.
        cost_s : float
            Seconds.
        used, visits : ndarray, shape (M,)
            Bytes, and numbers of runs.
        """
        if path in self.known:
            return False
        self.known.add(path)
        self.paths.append(path)
        self.used.append(used)
        self.visits.append(visits)
        covered = [float(cover.held(np.array([path]))[0]) for cover in self.covers]
        values = np.concatenate([[1.0], used / self.budget, visits, covered])
        rows = np.flatnonzero(values)
        self.columns.append(self.master.column(cost_s / self.scale_s, rows, values[rows]))
        return True

    def restrict(self, node: Node, tracked: tuple[int, ...] = ()) -> None:
        """Leave what a node of the tree has: visits decided, paths without barred layers and forbidden visits.

        Parameters
        ----------
        node : Node
            Whose prices are asked for from now on.
        tracked : tuple of int
            Devices whose memory, and single visit, paths have to keep.
        """
        for j in range(self.size):
            low, high = (2.0 if node.twice[j] else -np.inf), (1.0 if node.once[j] else np.inf)
            self.master.limit(1 + self.size + j, low, high)
        if self.paths:
            paths, devices = np.array(self.paths), list(tracked)
            single = [*node.remembered, *(j for j in tracked if node.once[j])]
            out = node.barred[np.arange(paths.shape[1]), paths].any(axis=1)
            out |= (np.array(self.visits)[:, single] > 1).any(axis=1)
            out |= (np.array(self.used)[:, devices] > self.budget[devices]).any(axis=1)
            for column, gone in zip(self.columns, out.tolist(), strict=True):
                self.master.bar(column, gone)

    def cover(self, cover: Cover) -> None:
        """Add a row: not all layers of a cover are on its device.

        Parameters
        ----------
        cover : Cover
            Valid for all placements.
        """
        held = cover.held(np.array(self.paths)).astype(np.float64)
        some = np.flatnonzero(held)
        columns = np.array(self.columns, dtype=np.intp)[some]
        row = self.master.row(-np.inf, float(cover.most), columns, held[some])
        self.master.breakable(row, below=False)
        self.covers.append(cover)

    def solve(self) -> Mixture | None:
        """Return the best mixture, or None where HiGHS found none."""
        solution = self.master.solve()
        if solution is None or not self.paths:
            return None
        dual = solution.row_dual * self.scale_s
        size = self.size
        memory_s, cover_s = np.maximum(-dual[1 : size + 1], 0.0), np.maximum(-dual[2 * size + 1 :], 0.0)
        weight = solution.weight[self.columns]
        some = np.flatnonzero(weight > LEAST_WEIGHT)
        return Mixture(
            solution.value * self.scale_s,
            Prices(memory_s, -dual[size + 1 : 2 * size + 1], cover_s),
            weight[some],
            np.array([self.paths[c] for c in some], dtype=np.intp).reshape(len(some), -1),
            np.array([self.visits[c] for c in some]).reshape(-1, size),
            np.array([self.used[c] for c in some]).reshape(-1, size),
        )
