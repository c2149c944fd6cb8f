"""The nodes of DILEMMA's tree: how often each server is visited, how many layers it has, which, and how wide; and how one is split."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import floor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from placewise.solvers.dilemma.path_master import PathMixture, PathPrices

    Array = NDArray[np.float64]

#: What is nearer to a whole number is one.
WHOLE = 1e-5


@dataclass(eq=False)
class Node:
    """Some of all placements.

    Parameters
    ----------
    bound_s : float
        None of them has less delay.
    visits, layers : ndarray, shape (2, M)
        Least and most runs, and layers, on each server; infinite for no limit.
    barred : ndarray of bool, shape (L, M, B)
        Layers that are not on a server with a width.
    prices : PathPrices
        Good ones.
    number : int
        Later ones first, of equal bounds.
    """

    bound_s: float
    visits: Array
    layers: Array
    barred: NDArray[np.bool_]
    prices: PathPrices = field(repr=False)
    number: int = 0

    def __lt__(self, other: Node) -> bool:
        return (self.bound_s, self.number) < (other.bound_s, other.number)


def children(node: Node, mixture: PathMixture) -> Iterator[Node]:
    """Yield a node's two halves: no placement is in both, and none is lost. None where the mixture is whole.

    Visits first: mixtures gain by using fast servers again and again. Then layers on a server, a layer on it or
    not, a layer at most so wide or wider.

    Parameters
    ----------
    node : Node
        What is split.
    mixture : PathMixture
        Of the node: what is furthest from whole in it is decided.
    """
    for name in ("visits", "layers"):
        found, bounds = getattr(mixture, name), getattr(node, name)
        # What breaks its bounds, at a penalty, is not decided by them.
        inside = (found > bounds[0]) & (found < bounds[1])
        away = np.where(inside, np.abs(found - np.rint(found)), 0.0)
        server = int(away.argmax())
        count = float(found[server])
        if away[server] > WHOLE:
            least, most = bounds.copy(), bounds.copy()
            most[1, server], least[0, server] = floor(count), floor(count) + 1
            yield replace(node, **{name: most})
            yield replace(node, **{name: least})
            return
    for share, pick in (
        (mixture.share.sum(axis=2), lambda layer, server: np.s_[layer, server]),
        (mixture.share.sum(axis=1).cumsum(axis=1), lambda layer, width: np.s_[layer, :, : width + 1]),
    ):
        away = np.abs(share - np.rint(share))
        layer, which = (int(place) for place in np.unravel_index(int(away.argmax()), away.shape))
        if away[layer, which] > WHOLE:
            chosen = np.zeros_like(node.barred)
            chosen[pick(layer, which)] = True
            chosen[np.arange(len(share)) != layer] = True
            yield replace(node, barred=node.barred | ~chosen)
            chosen[layer] = ~chosen[layer]
            yield replace(node, barred=node.barred | ~chosen)
            return
