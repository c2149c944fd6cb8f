"""The linear master problem of DILEMMA's paths: which mixture of known paths respects the rows, and at what prices.

Beside the rows of `path_rows` it counts, per server, the runs and the layers of the mixture on it: they are bounded where
branching has decided on them. Paths that no optimum has used for long are dropped where there are many; pricing finds them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.solvers.column_master import ColumnMaster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.dilemma.decomposition import Decomposition
    from placewise.solvers.dilemma.path_rows import Row
    from placewise.solvers.dilemma.visit_nodes import Node

    Array = NDArray[np.float64]
    Ints = NDArray[np.intp]

#: Cost of what breaks a row, in delays of a known placement.
PENALTY = 20.0
#: With so many paths all but some are dropped.
MOST_PATHS, KEPT_PATHS = 1_200, 500
#: Weights below this are none.
LEAST_WEIGHT = 1e-7


class PathPrices(NamedTuple):
    """What a path pays beside its delay.

    Parameters
    ----------
    row_s : ndarray, shape (rows,)
        Seconds per unit of each row, not negative; of rows found later 0.
    visit_s, layer_s : ndarray, shape (M,)
        Per run and per layer on a server; negative where more are wanted.
    """

    row_s: Array
    visit_s: Array
    layer_s: Array

    def towards(self, other: PathPrices, share: float) -> PathPrices:
        """Return a mean of two, of which this one has a share.

        Parameters
        ----------
        other : PathPrices
            With as many rows or more.
        share : float
            0 to 1.
        """
        row_s = np.zeros(len(other.row_s))
        row_s[: len(self.row_s)] = self.row_s
        pairs = zip((row_s, self.visit_s, self.layer_s), other, strict=True)
        return PathPrices(*(share * own + (1 - share) * another for own, another in pairs))


class PathMixture(NamedTuple):
    """A solution of the master problem.

    Parameters
    ----------
    value_s : float
        Its delay, penalties included.
    prices : PathPrices
        Of its rows.
    share : ndarray, shape (L, M, B)
        Of each choice.
    visits, layers : ndarray, shape (M,)
        Runs and layers on each server.
    """

    value_s: float
    prices: PathPrices
    share: Array
    visits: Array
    layers: Array


class PathMaster:
    """The paths and rows known so far.

    Parameters
    ----------
    model : Decomposition
        Of the instance: L layers, M servers, B widths.
    rows : list of Row
        The first rows.
    scale_s : float
        What a placement costs, about.
    """

    def __init__(self, model: Decomposition, rows: list[Row], scale_s: float) -> None:
        self.model, self.scale_s, self.rows = model, scale_s or 1.0, list(rows)
        shape = (0, model.count)
        #: Server and width of each layer, by path.
        self.server, self.width = np.zeros(shape, dtype=np.intp), np.zeros(shape, dtype=np.intp)
        self.known: set[bytes] = set()
        self.reduced: Array = np.zeros(0)
        self._build()

    def _build(self) -> None:
        """Set up HiGHS with what is known."""
        size, self.master = self.model.servers, ColumnMaster(PENALTY)
        self.master.row(1.0, 1.0)
        for row in range(1, 2 * size + 1):  # visits, then layers
            self.master.row(-np.inf, np.inf)
            self.master.breakable(row)
        for known in self.rows:
            self.master.breakable(self.master.row(-np.inf, known.limit), below=False)
        self.columns: list[int] = []
        for server, width in zip(self.server, self.width, strict=True):
            self._column(server, width)

    def add(self, server: Ints, width: Ints) -> bool:
        """Add a path, unless it is known; return whether it was new.

        Parameters
        ----------
        server, width : ndarray of int, shape (L,)
            Of each layer.
        """
        key = server.tobytes() + width.tobytes()
        if key in self.known:
            return False
        self.known.add(key)
        self.server, self.width = np.vstack([self.server, server]), np.vstack([self.width, width])
        self._column(server, width)
        return True

    def _column(self, server: Ints, width: Ints) -> None:
        delay_s = self.model.delay_s(server, width)
        held = [float(row.held(server[None], width[None])[0]) for row in self.rows]
        values = np.concatenate([[1.0], *self._counted(server[None]), held])
        some = np.flatnonzero(values)
        self.columns.append(self.master.column(delay_s / self.scale_s, some, values[some]))

    def _counted(self, server: Ints) -> tuple[Array, Array]:
        """Return runs and layers on each server; of several paths the sums over them."""
        size, begun = self.model.servers, np.ones(server.shape, dtype=bool)
        begun[:, 1:] = server[:, 1:] != server[:, :-1]
        visits, layers = (
            np.bincount(chosen, minlength=size).astype(np.float64)
            for chosen in (server[begun], server.ravel())
        )
        return visits, layers

    def cut(self, rows: list[Row]) -> None:
        """Add rows that every placement keeps.

        Parameters
        ----------
        rows : list of Row
            From `path_rows`.
        """
        for row in rows:
            held = row.held(self.server, self.width)
            some = np.flatnonzero(held)
            number = self.master.row(
                -np.inf, row.limit, np.array(self.columns, dtype=np.intp)[some], held[some]
            )
            self.master.breakable(number, below=False)
            self.rows.append(row)

    def restrict(self, node: Node) -> None:
        """Leave what a node of the tree has.

        Parameters
        ----------
        node : Node
            Whose prices are asked for from now on.
        """
        if len(self.columns) > MOST_PATHS:
            # The newest have not been looked at yet.
            reduced = np.append(self.reduced, np.zeros(len(self.columns) - len(self.reduced)))
            kept = np.sort(np.argsort(reduced, kind="stable")[:KEPT_PATHS])
            self.server, self.width = self.server[kept], self.width[kept]
            self.known = {s.tobytes() + w.tobytes() for s, w in zip(self.server, self.width, strict=True)}
            self._build()
            self.reduced = np.zeros(0)
        bounds = (*node.visits.T.tolist(), *node.layers.T.tolist())
        for row, (low, high) in enumerate(bounds, 1):
            self.master.limit(row, low, high)
        hosted = node.barred[np.arange(self.model.count), self.server, self.width]
        out = np.asarray(hosted.any(axis=1))
        for column, gone in zip(self.columns, out.tolist(), strict=True):
            self.master.bar(column, gone)

    def solve(self) -> PathMixture | None:
        """Return the best mixture, or None where HiGHS found none."""
        solution = self.master.solve()
        if solution is None or not self.columns:
            return None
        dual, size = -solution.row_dual * self.scale_s, self.model.servers
        weight, self.reduced = solution.weight[self.columns], solution.reduced[self.columns]
        share = np.zeros_like(self.model.compute_s)
        visits, layers = np.zeros(size), np.zeros(size)
        for path in np.flatnonzero(weight > LEAST_WEIGHT):
            server, width = self.server[path], self.width[path]
            share[np.arange(self.model.count), server, width] += weight[path]
            runs, hosted = self._counted(server[None])
            visits += weight[path] * runs
            layers += weight[path] * hosted
        prices = PathPrices(
            np.maximum(dual[2 * size + 1 :], 0.0), dual[1 : size + 1], dual[size + 1 : 2 * size + 1]
        )
        return PathMixture(solution.value * self.scale_s, prices, share, visits, layers)
