"""The nodes of branching on visits: how one is split in two; and covers that a mixture breaks.

Source: covers and their extension, Balas (1975).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.solvers.edgeshard.path_master import LEAST_WEIGHT, Cover
from placewise.solvers.edgeshard.path_pricing import Charges

#: How much a cover has to be broken to become a row.
LEAST_BREACH = 0.02
#: Of the sums of a bound, taken off for their rounding.
ROUNDING = 1e-13

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
    depth : int
        Splits above it.
    """

    bound_s: float
    number: int
    once: Bools = field(compare=False)
    twice: Bools = field(compare=False)
    barred: Bools = field(compare=False)
    prices: Prices = field(compare=False)
    remembered: tuple[int, ...] = field(compare=False, default=())
    depth: int = field(compare=False, default=0)

    def child(self, once: Bools, twice: Bools, barred: Bools) -> Node:
        """Return a node of some of the placements, with this one's bound and prices.

        Parameters
        ----------
        once, twice, barred : ndarray of bool
            As the node's own.
        """
        return Node(self.bound_s, 0, once, twice, barred, self.prices, self.remembered, self.depth + 1)

    @property
    def only(self) -> tuple[int, ...] | None:
        """The device of each layer, where there is no choice left."""
        open_ = ~self.barred
        return tuple(open_.argmax(axis=1).tolist()) if (open_.sum(axis=1) == 1).all() else None


class Bill(NamedTuple):
    """What the paths of a node pay at some prices, and what that is worth to all placements of the node.

    Parameters
    ----------
    charges : Charges
        What paths pay.
    memory_s : ndarray, shape (M,)
        What the whole memory of each device is worth.
    other_s, rounding_s : float
        What visits and covers are worth, and what is taken off for the rounding of sums.
    """

    charges: Charges
    memory_s: Array
    other_s: float
    rounding_s: float

    def worth_s(self, tracked: tuple[int, ...] = ()) -> float:
        """Return what is taken off a path's priced cost, for a bound.

        Parameters
        ----------
        tracked : tuple of int
            Devices whose memory costs nothing.
        """
        memory_s = self.memory_s.copy()
        memory_s[list(tracked)] = 0.0
        return float(memory_s.sum()) + self.other_s + self.rounding_s

    def bound_s(self, value_s: float, tracked: tuple[int, ...] = ()) -> float:
        """Return the bound that the least priced cost of a path gives.

        Parameters
        ----------
        value_s : float
            Seconds.
        tracked : tuple of int
            Devices whose memory costs nothing.
        """
        return value_s - self.worth_s(tracked)


def billed(node: Node, prices: Prices, covers: list[Cover], budget: Array, scale_s: float) -> Bill:
    """Return the bill of a node, whatever the signs of prices: visits pay only in the sense that is decided.

    Parameters
    ----------
    node : Node
        Whose visits are decided.
    prices : Prices
        Of memory, visits and covers.
    covers : list of Cover
        As many as have prices, or more.
    budget : ndarray, shape (M,)
        Bytes of each device.
    scale_s : float
        No placement that matters costs more.
    """
    visit_s = np.where(
        node.once,
        np.maximum(prices.visit_s, 0.0),
        np.where(node.twice, np.minimum(prices.visit_s, 0.0), 0.0),
    )
    worth_s = np.where(node.twice, 2.0, 1.0) * visit_s
    layer_s, covers_s = np.zeros(node.barred.shape), 0.0
    for cover, price_s in zip(covers, prices.cover_s.tolist(), strict=False):
        layer_s[cover.layers, cover.device] += price_s
        covers_s += cover.most * price_s
    sums_s = float(np.abs(worth_s).sum() + prices.memory_s.sum() + layer_s.sum()) + covers_s + scale_s
    memory_s = prices.memory_s / np.maximum(budget, 1.0)
    return Bill(
        Charges(memory_s, visit_s, layer_s),
        memory_s * budget,
        float(worth_s.sum()) + covers_s,
        ROUNDING * len(layer_s) * sums_s,
    )


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
