"""The nodes of branching on visits: how one is split in two; and covers that a mixture breaks.

Source: covers and their extension, Balas (1975).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.edgeshard.path_master import LEAST_WEIGHT, Cover

#: How much a cover has to be broken to become a row.
LEAST_BREACH = 0.02

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.path_master import Array, Bools, Mixture, Prices


@dataclass(order=True)
class Node:
    """Placements that branching has not yet closed; ordered by their bound.

    Parameters
    ----------
    bound_s : float
        None of them costs less.
    number : int
        Breaks ties.
    once, twice : ndarray of bool, shape (M,)
        Devices visited at most once, and at least twice.
    barred : ndarray of bool, shape (N, M)
        Which layers are not on which devices.
    prices : Prices
        Those of that bound.
    remembered : tuple of int
        Devices of `once` that no path of the node visits again.
    """

    bound_s: float
    number: int
    once: Bools = field(compare=False)
    twice: Bools = field(compare=False)
    barred: Bools = field(compare=False)
    prices: Prices = field(compare=False)
    remembered: tuple[int, ...] = field(compare=False, default=())

    def child(self, once: Bools, twice: Bools, barred: Bools) -> Node:
        """Return a node of some of the placements, with this one's bound and prices.

        Parameters
        ----------
        once, twice, barred : ndarray of bool
            As the node's own.
        """
        return Node(self.bound_s, 0, once, twice, barred, self.prices, self.remembered)

    @property
    def only(self) -> tuple[int, ...] | None:
        """The device of each layer, where there is no choice left."""
        open_ = ~self.barred
        return tuple(open_.argmax(axis=1).tolist()) if (open_.sum(axis=1) == 1).all() else None


def children(node: Node, mixed: Mixture | None) -> list[Node]:
    """Return nodes that share out a node's placements, by what the mixture has most of; there is more than one of them.

    Parameters
    ----------
    node : Node
        To be split.
    mixed : Mixture or None
        Its mixture.
    """
    mean = mixed.weight @ mixed.visits if mixed is not None else np.zeros(len(node.once))
    split = np.where(node.once | node.twice, 0.0, np.minimum(mean - 1.0, 2.0 - mean))
    if split.max(initial=0.0) > LEAST_WEIGHT:
        device = np.arange(len(mean)) == int(split.argmax())
        return [
            node.child(node.once | device, node.twice, node.barred),
            node.child(node.once, node.twice | device, node.barred),
        ]
    layer, at = _layer_to_split(node, mixed)
    off = node.barred.copy()
    off[layer, at] = True
    return [
        node.child(node.once, node.twice, off),
        node.child(node.once, node.twice, _fixed(node.barred, layer, at)),
    ]


def _shares(mixed: Mixture | None, shape: tuple[int, ...]) -> Array:
    """Return the weight of each layer on each device, shape (N, M)."""
    on = np.zeros(shape)
    for weight, path in () if mixed is None else zip(mixed.weight.tolist(), mixed.paths, strict=True):
        on[np.arange(shape[0]), path] += weight
    return on


def _layer_to_split(node: Node, mixed: Mixture | None) -> tuple[int, int]:
    """Return a layer that has a choice and a device that it may have, as undecided as any."""
    free = ((~node.barred).sum(axis=1) > 1)[:, None] & ~node.barred
    undecided = np.where(free, -np.abs(_shares(mixed, free.shape) - 0.5), -np.inf)
    layer, device = np.unravel_index(int(undecided.argmax()), free.shape)
    return int(layer), int(device)


def _fixed(barred: Bools, layer: int, device: int) -> Bools:
    found = barred.copy()
    found[layer] |= np.arange(barred.shape[1]) != device
    return found


def broken_covers(mixed: Mixture, need: NDArray[np.int64], budget: NDArray[np.int64]) -> list[Cover]:
    """Return covers that a mixture breaks: layers of one of its paths that a device does not hold together, few of them.

    Layers of a cover are left out while the others are too many, those with the least weight first. Layers that need no
    less than any of the cover are added: of so many as the cover has, no choice is smaller.

    Parameters
    ----------
    mixed : Mixture
        Of paths.
    need : ndarray of int, shape (N, M)
        Bytes of each layer on each device, that sum up.
    budget : ndarray of int, shape (M,)
        Bytes of each device.
    """
    found: dict[tuple[int, bytes], Cover] = {}
    share = _shares(mixed, need.shape)
    for path, visits in zip(mixed.paths, mixed.visits, strict=True):
        for device in np.flatnonzero(visits > 1).tolist():
            layers, size = np.flatnonzero(path == device), need[:, device]
            over = int(size[layers].sum()) - int(budget[device])
            if over <= 0:
                continue
            cover = []
            for i in sorted(layers.tolist(), key=lambda i: share[i, device]):
                if size[i] < over:
                    over -= int(size[i])
                else:
                    cover.append(i)
            inside = size >= size[cover].max()
            inside[cover] = True
            if share[inside, device].sum() > len(cover) - 1 + LEAST_BREACH:
                found[device, inside.tobytes()] = Cover(device, inside, len(cover) - 1)
    return list(found.values())
