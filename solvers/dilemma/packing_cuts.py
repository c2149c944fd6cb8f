"""Cuts that say what fits a server: the mixture's choices on it are, or are not, a mixture of packings.

Packings are what the knapsacks of `Decomposition` choose from. The least total weight of packings that cover a server's share of
each choice is a linear programme, whose columns are found by the knapsacks at its prices. A weight above 1 is a proof that the
share is no mixture of packings, and the prices are the cut: no packing is worth more than 1, the share is. Choices without a share
are then lifted one layer after the other: worth what the best packing of the others leaves. Each row is normalised by its own
knapsack at the end, so it holds whatever HiGHS answers.

Sources: separation over a packing's columns, Boyd (1994); lifting, Padberg (1973), Balas (1975).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.column_master import ColumnMaster
from placewise.solvers.dilemma.path_rows import packing_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.dilemma.decomposition import Decomposition
    from placewise.solvers.dilemma.path_rows import Row

    Array = NDArray[np.float64]

#: Shares below this are none; a weight has to exceed 1 by `LEAST_EXCESS` for a cut.
LEAST_SHARE, LEAST_EXCESS = 1e-6, 0.01
#: Rounds of packings, and what a share costs that no packing covers.
ROUNDS, PENALTY = 40, 1e3


def broken_packings(model: Decomposition, share: Array) -> list[Row]:
    """Return a row for each server whose share of the choices does not fit it.

    Parameters
    ----------
    model : Decomposition
        Of the instance: L layers, M servers, B widths.
    share : ndarray, shape (L, M, B)
        Of each choice in a mixture of paths.
    """
    entries = np.argwhere(share > LEAST_SHARE)
    row_of = np.full(share.shape, -1, dtype=np.intp)
    row_of[tuple(entries.T)] = np.arange(len(entries))
    master = ColumnMaster(PENALTY)
    for layer, server, width in entries:
        master.breakable(master.row(float(share[layer, server, width]), np.inf), above=False)
    for row in range(len(entries)):
        master.column(1.0, np.array([row]), np.ones(1))
    worth = np.zeros(share.shape)
    for _ in range(ROUNDS):
        solution = master.solve()
        if solution is None:
            return []
        worth = np.zeros(share.shape)
        worth[tuple(entries.T)] = np.maximum(solution.row_dual, 0.0)
        packed = model.knapsacks(-worth)[1]
        value = (packed * worth).sum(axis=(0, 2))
        better = np.flatnonzero(value > 1 + LEAST_EXCESS / 10)
        for server in better:
            chosen = row_of[:, server][packed[:, server] > 0]
            chosen = chosen[chosen >= 0]
            master.column(1.0, chosen, np.ones(len(chosen)))
        if not len(better):
            break
    value = np.maximum(-model.packings_s(-worth), 1.0)
    worth /= value[:, None]
    excess = (worth * share).sum(axis=(0, 2)) - 1
    wanted = excess > LEAST_EXCESS
    if not wanted.any():
        return []
    worth[:, ~wanted] = 0.0
    return packing_rows(model, -_lifted(model, worth, wanted))


def _lifted(model: Decomposition, worth: Array, wanted: NDArray[np.bool_]) -> Array:
    """Return the worth of all choices, none of which makes a packing worth more than 1."""
    worth = worth.copy()
    servers = np.arange(model.servers)
    order = np.argsort(worth.sum(axis=(1, 2)), kind="stable")
    for layer in order:
        others = worth.copy()
        others[layer] = 0.0
        table = model.knapsacks(-others)[0][0]
        for width in np.flatnonzero(model.allowed[layer]):
            left = model.space - int(model.size[layer, width])
            rest = np.where(left >= 0, -table[servers, np.maximum(left, 0)], 0.0)
            room = np.where(wanted, 1.0 - rest, 0.0)
            worth[layer, :, width] = np.maximum(worth[layer, :, width], room)
    return worth
