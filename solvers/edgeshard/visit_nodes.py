"""The nodes of branching on visits: how one is split in two, and the node within it that a mixture points to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.path_master import Array, Bools

#: Weights below this are none.
LEAST_WEIGHT = 1e-6


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
    memory_s, visit_s : ndarray, shape (M,)
        The prices of that bound, as `Mixture` has them.
    """

    bound_s: float
    number: int
    once: Bools = field(compare=False)
    twice: Bools = field(compare=False)
    barred: Bools = field(compare=False)
    memory_s: Array = field(compare=False)
    visit_s: Array = field(compare=False)

    def child(self, once: Bools, twice: Bools, barred: Bools) -> Node:
        """Return a node of some of the placements, with this one's bound and prices.

        Parameters
        ----------
        once, twice, barred : ndarray of bool
            As the node's own.
        """
        return Node(self.bound_s, 0, once, twice, barred, self.memory_s, self.visit_s)

    @property
    def only(self) -> tuple[int, ...] | None:
        """The device of each layer, where there is no choice left."""
        open_ = ~self.barred
        return tuple(open_.argmax(axis=1).tolist()) if (open_.sum(axis=1) == 1).all() else None


@dataclass(frozen=True, eq=False)
class Mixed:
    """The paths of a mixture that have some weight.

    Parameters
    ----------
    weight : ndarray, shape (C,)
        Of each; none where there is no mixture.
    paths : ndarray of int, shape (C, N)
        Devices of the layers.
    visits : ndarray, shape (C, M)
        Runs on each device.
    """

    weight: Array
    paths: NDArray[np.intp]
    visits: Array


def children(node: Node, mixed: Mixed) -> list[Node]:
    """Return nodes that share out a node's placements, by what the mixture has most of; there is more than one of them.

    Parameters
    ----------
    node : Node
        To be split.
    mixed : Mixed
        Its mixture.
    """
    mean = mixed.weight @ mixed.visits
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


def towards(node: Node, mixed: Mixed) -> Node:
    """Return the part of a node that its heaviest path points to: all visits as it has them, then layer by layer.

    Parameters
    ----------
    node : Node
        With more than one placement.
    mixed : Mixed
        Its mixture, of one path or more.
    """
    heavy = int(mixed.weight.argmax())
    again = mixed.visits[heavy] > 1
    decided = node.once | node.twice
    if not decided.all():
        return node.child(node.once | (~decided & ~again), node.twice | (~decided & again), node.barred)
    barred = node.barred
    agreed = (mixed.paths == mixed.paths[heavy]).all(axis=0)
    for layer in np.flatnonzero(agreed).tolist():
        barred = _fixed(barred, layer, int(mixed.paths[heavy, layer]))
    if not agreed.all():
        share = _shares(mixed, barred.shape)
        layer = int(np.where(agreed, -1.0, share.max(axis=1)).argmax())
        barred = _fixed(barred, layer, int(share[layer].argmax()))
    return node.child(node.once, node.twice, barred)


def _shares(mixed: Mixed, shape: tuple[int, ...]) -> Array:
    """Return the weight of each layer on each device, shape (N, M)."""
    on = np.zeros(shape)
    for weight, path in zip(mixed.weight.tolist(), mixed.paths, strict=True):
        on[np.arange(shape[0]), path] += weight
    return on


def _layer_to_split(node: Node, mixed: Mixed) -> tuple[int, int]:
    """Return a layer that has a choice and a device that it may have, as undecided as any."""
    free = ((~node.barred).sum(axis=1) > 1)[:, None] & ~node.barred
    undecided = np.where(free, -np.abs(_shares(mixed, free.shape) - 0.5), -np.inf)
    layer, device = np.unravel_index(int(undecided.argmax()), free.shape)
    return int(layer), int(device)


def _fixed(barred: Bools, layer: int, device: int) -> Bools:
    found = barred.copy()
    found[layer] |= np.arange(barred.shape[1]) != device
    return found
