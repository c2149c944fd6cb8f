"""Memory of layers on one device: a tensor that several of them share is stored once per device.

Tied embeddings are the usual case, one table for the first layer and the head. A layer states its shared tensors
beside its own bytes (`Layer.shared`), and a device holds its layers' own bytes and each of their tensors once. Where all sharing is with layer 0, which stays on the source (Eq. 4), that is a sum again,
with the bytes of a layer on a device (`bytes_beside_first`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.models.arrays import whole_bytes
from placewise.models.errors import InstanceError, NotApplicableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.workload import Layer

#: The option of instances in which a tensor is shared.
SHARED = "shared tensors"


class Tensor(NamedTuple):
    """A tensor that at least two layers use.

    Parameters
    ----------
    name : str
        As the layers name it.
    size_bytes : int
        Above 0.
    users : tuple of int
        The layers, ascending.
    """

    name: str
    size_bytes: int
    users: tuple[int, ...]


def check_shared(layers: Sequence[Layer]) -> None:
    """Check what layers say of shared tensors.

    Parameters
    ----------
    layers : sequence of Layer
        All of an instance.

    Raises
    ------
    InstanceError
        Where it is no whole number of bytes, or another than a layer before says.
    """
    said: dict[str, int] = {}
    for position, layer in enumerate(layers):
        path = f"model.layers[{position}].shared"
        sizes = [size for _, size in layer.shared]
        whole_bytes(sizes, (len(sizes),), path)
        for name, size in layer.shared:
            if said.setdefault(name, size) != size:
                raise InstanceError(
                    path, f"expected {said[name]:,} bytes of {name!r}, as before, found {size:,}"
                )


def shared_tensors(layers: Sequence[Layer]) -> tuple[Tensor, ...]:
    """Return the tensors that matter: those of at least one byte in at least two layers.

    Parameters
    ----------
    layers : sequence of Layer
        In order.
    """
    users: dict[tuple[str, int], list[int]] = {}
    for position, layer in enumerate(layers):
        for tensor in layer.shared:
            users.setdefault(tensor, []).append(position)
    return tuple(
        Tensor(*tensor, tuple(found)) for tensor, found in users.items() if len(found) > 1 and tensor[1]
    )


@lru_cache(maxsize=64)
def tensors_of(instance: EdgeShardInstance | EdgeShardBatch) -> tuple[Tensor, ...]:
    """Return the shared tensors of an instance that matter."""
    return shared_tensors(instance.layers)


def added_bytes(layer: Layer, held: set[str]) -> int:
    """Return what a layer adds to a device that holds some shared tensors, and let it hold the layer's too.

    Parameters
    ----------
    layer : Layer
        What comes.
    held : set of str
        Names of shared tensors on the device; the layer's are put in.
    """
    if not layer.shared:
        return layer.memory_bytes
    new = sum(size for name, size in layer.shared if name not in held)
    held.update(name for name, _ in layer.shared)
    return layer.memory_bytes + new


def used_bytes(layers: Iterable[Layer]) -> int:
    """Return the memory of layers on one device (Eq. 5), each shared tensor once.

    Parameters
    ----------
    layers : iterable of Layer
        All that the device hosts.
    """
    held: set[str] = set()
    return sum(added_bytes(layer, held) for layer in layers)


def bytes_beside_first(instance: EdgeShardInstance) -> NDArray[np.int64]:
    """Return the bytes of each layer alone on each device, less what layer 0 brings to the source; shape (N, M).

    On the source it is what a layer adds beside layer 0, at most; elsewhere all of its own. Sums are what devices hold
    where `require_shared_with_first` lets an instance pass.
    """
    need = np.repeat(instance.memory_bytes[:, None], instance.cluster.size, axis=1)
    source = instance.source_index
    for tensor in tensors_of(instance):
        if tensor.users[0] == 0:
            need[list(tensor.users[1:]), source] -= tensor.size_bytes
    return need


def units_that_fit(space: int, size: int, most: int) -> int:
    """Return how many equal layers fit into some space, at most so many; -1 where not even none does.

    Parameters
    ----------
    space, size : int
        Bytes: of the space, possibly negative, and of one layer.
    most : int
        Number of layers that there are.
    """
    if space < 0:
        return -1
    return most if size * most <= space else space // size


def equal_layers_that_fit(instance: EdgeShardInstance) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many of the equal layers 1..N-2 fit each device (Eq. 5), beside layer 0 on the source.

    Parameters
    ----------
    instance : EdgeShardInstance
        At least two layers, on M devices.

    Returns
    -------
    alone, with_last : ndarray of int, shape (M,)
        Without and with the last layer; -1 where not even that fits.
    """
    need, block = bytes_beside_first(instance), len(instance.layers) - 2
    found: tuple[list[int], list[int]] = ([], [])
    for j, budget in enumerate(instance.cluster.memory_bytes.tolist()):
        space = budget - int(need[0, j]) * (j == instance.source_index)
        for rooms, room in zip(found, (space, space - int(need[-1, j])), strict=True):
            rooms.append(units_that_fit(room, int(need[1, j]) if block else 0, block))
    alone, with_last = (np.array(rooms, dtype=np.int64) for rooms in found)
    return alone, with_last


def require_shared_with_first(instance: EdgeShardInstance) -> None:
    """Check that each shared tensor is one of layer 0 and one other layer.

    Raises
    ------
    NotApplicableError
        Naming a tensor of other layers.
    """
    for name, _, users in tensors_of(instance):
        if users[0] != 0 or len(users) > 2:
            raise NotApplicableError(
                f"this method takes only tensors that layer 0 shares with one other layer; {name!r} is used by layers "
                f"{', '.join(map(str, users[:4]))}{', ...' if len(users) > 4 else ''}"
            )


def run_bytes(instance: EdgeShardInstance, first: int, *, beside_first: bool = False) -> NDArray[np.int64]:
    """Return the memory of runs of layers that start at one; shape (N - first + 1,), from none to all that follow.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers.
    first : int
        First layer of the runs.
    beside_first : bool
        What they add to a device that hosts layer 0 as well.
    """
    need = instance.memory_bytes[first:].copy()
    for _, size, users in tensors_of(instance):
        there = [user - first for user in users if user >= first]
        held = beside_first and users[0] == 0 < first  # else the first of them brings it
        need[there if held else there[1:]] -= size
    return np.concatenate([[0], np.cumsum(need)])


def furthest_ends(instance: EdgeShardInstance) -> NDArray[np.intp]:
    """Return how far a run that starts before each layer may reach in each device's memory (Eq. 12), shape (N + 1, M).

    A run on the source that starts later is taken beside layer 0's tensors, not beside its other bytes: as runs of a
    pipeline the ends are exact, and no placement has a run that reaches further.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    total, budget = len(instance.layers), instance.cluster.memory_bytes
    if not tensors_of(instance):
        before = np.concatenate([[0], np.cumsum(instance.memory_bytes)])
        ends: NDArray[np.intp] = np.searchsorted(before, before[:, None] + budget, side="right") - 1
        return ends
    ends = np.empty((total + 1, instance.cluster.size), dtype=np.intp)
    for first in range(total + 1):
        ends[first] = np.searchsorted(run_bytes(instance, first), budget, side="right") - 1 + first
        beside = run_bytes(instance, first, beside_first=True)
        source = instance.source_index
        ends[first, source] = np.searchsorted(beside, budget[source], side="right") - 1 + first
    return ends


def stage_fits(instance: EdgeShardInstance) -> NDArray[np.bool_]:
    """Return whether a stage from a layer up to an end fits each device; shape (N + 1, N + 1, M), True for none.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    steps = np.arange(len(instance.layers) + 1)
    fits: NDArray[np.bool_] = steps[None, :, None] <= furthest_ends(instance)[:, None, :]
    return fits


def options(instance: EdgeShardInstance | EdgeShardBatch) -> frozenset[str]:
    """Return `SHARED` where a tensor is shared in a way that matters.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatch
        Of any EdgeShard problem.
    """
    return frozenset({SHARED} if tensors_of(instance) else ())
