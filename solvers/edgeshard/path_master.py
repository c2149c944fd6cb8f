"""The linear master problem of paths of runs: which mixture of known paths respects memory and visits, and at what prices.

One row says that the weights of the paths sum to 1; per device one says that what they use of its memory fits (Eq. 5), as
a share of it, and one how often they visit it, which binds where branching has decided on that. Rows may be broken at a
penalty, so there always is a solution; prices are no higher than the penalty then, which bounds them as well.

Sources: column generation, Dantzig and Wolfe (1960); bounds on the prices, du Merle, Villeneuve, Desrosiers and Hansen
(1999).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class Mixture(NamedTuple):
    """A solution of the master problem.

    Parameters
    ----------
    value_s : float
        Its cost, penalties included.
    memory_s, visit_s : ndarray, shape (M,)
        Prices: seconds per whole memory of a device, and per visit, negative where more visits are wanted.
    path_s : float
        What the weights' row adds: a path helps if it costs less than this at these prices.
    weight : ndarray, shape (columns,)
        Of each path.
    """

    value_s: float
    memory_s: Array
    visit_s: Array
    path_s: float
    weight: Array


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
        import highspy

        self.budget, self.scale_s, self.size = np.maximum(budget, 1), scale_s, len(budget)
        self.paths: list[tuple[int, ...]] = []
        self.used: list[Array] = []
        self.visits: list[Array] = []
        self.known: set[tuple[int, ...]] = set()
        self.highs = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("presolve", "off")):
            self.highs.setOptionValue(option, value)
        self.infinity = highspy.kHighsInf
        rows = [
            (1.0, 1.0),
            *[(-self.infinity, 1.0)] * self.size,
            *[(-self.infinity, self.infinity)] * self.size,
        ]
        for low, high in rows:
            self.highs.addRow(low, high, 0, np.zeros(0, dtype=np.int32), np.zeros(0))
        for row in range(1, len(rows)):
            for sign in (-1.0, 1.0) if row > self.size else (-1.0,):
                self._column(penalty, np.array([row]), np.array([sign]))
        self.artificial = self.highs.getNumCol()

    def _column(self, cost: float, rows: NDArray[np.intp], values: Array) -> None:
        self.highs.addCol(cost, 0.0, self.infinity, len(rows), rows.astype(np.int32), values)

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
        values = np.concatenate([[1.0], used / self.budget, visits])
        rows = np.flatnonzero(values)
        self._column(cost_s / self.scale_s, rows, values[rows])
        return True

    def restrict(self, once: Bools, twice: Bools, barred: Bools) -> None:
        """Leave what a node of the tree has: visits decided, paths without barred layers.

        Parameters
        ----------
        once, twice : ndarray of bool, shape (M,)
            Devices that are visited at most once, and at least twice.
        barred : ndarray of bool, shape (N, M)
            Which layers are not on which devices.
        """
        for j in range(self.size):
            low, high = (2.0 if twice[j] else -self.infinity), (1.0 if once[j] else self.infinity)
            self.highs.changeRowBounds(1 + self.size + j, low, high)
        if self.paths:
            paths = np.array(self.paths)
            out = barred[np.arange(paths.shape[1]), paths].any(axis=1)
            for number, gone in enumerate(out.tolist()):
                self.highs.changeColBounds(self.artificial + number, 0.0, 0.0 if gone else self.infinity)

    def solve(self) -> Mixture | None:
        """Return the best mixture, or None where HiGHS found none."""
        self.highs.run()
        info, solution = self.highs.getInfo(), self.highs.getSolution()
        if not solution.dual_valid:
            return None
        dual = np.array(solution.row_dual) * self.scale_s
        return Mixture(
            info.objective_function_value * self.scale_s,
            np.maximum(-dual[1 : self.size + 1], 0.0),
            -dual[self.size + 1 :],
            float(dual[0]),
            np.array(solution.col_value)[self.artificial :],
        )
