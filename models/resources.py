"""What a placement is short of: memory, speed, links and budgets, each of which can be scaled to ask "what if"."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.decimals import exact, is_written
from placewise.models.units import MAX_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster

#: Stands for a link that takes no time.
FREE_BYTES_PER_S = 1e24


@dataclass(frozen=True)
class Resource:
    """Something of which there could be more or less.

    Parameters
    ----------
    kind : str
        memory, speed, links (all of a device, or all), link (one), or the name of a budget.
    devices : tuple of int
        Whose; sender and receiver of a link; none = of all devices.
    title : str
        For people.
    amount : float or None
        Bytes, bytes per second or the budget, where it is one number.
    """

    kind: str
    devices: tuple[int, ...]
    title: str
    amount: float | None = None


def cluster_resources(cluster: Cluster) -> list[Resource]:
    """Return memory, speed and links of each device, and each directed link, also those that do not exist."""
    found = []
    for j, name in enumerate(cluster.device_names):
        found.append(Resource("memory", (j,), f"memory of {name}", float(cluster.memory_bytes[j])))
        found.append(Resource("speed", (j,), f"speed of {name}"))
        if cluster.size > 1:
            found.append(Resource("links", (j,), f"links of {name}"))
    names = cluster.device_names
    return found + [
        Resource("link", (k, j), f"link {names[k]} -> {names[j]}", float(cluster.bandwidth_bytes_per_s[k, j]))
        for k in range(cluster.size)
        for j in range(cluster.size)
        if k != j
    ]


def scaled_cluster(cluster: Cluster, resource: Resource, factor: float) -> Cluster:
    """Return a cluster with so much more (or less) of a resource; speeds are the rates that it states.

    Parameters
    ----------
    cluster : Cluster
        As it is.
    resource : Resource
        Memory, speed or links; any other kind changes nothing.
    factor : float
        Above 0; infinite for no limit, or a free link.
    """
    if resource.kind == "memory":
        return replace(cluster, memory_bytes=scaled_memory(cluster.memory_bytes, resource, factor))
    if resource.kind in ("link", "links"):
        bandwidth = scaled_bandwidth(cluster.bandwidth_bytes_per_s, resource, factor)
        return replace(cluster, bandwidth_bytes_per_s=bandwidth)
    if resource.kind != "speed":
        return cluster

    def faster(rates: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if rates is None else scaled_entries(rates, resource, factor)

    return replace(
        cluster,
        flops_per_s=faster(cluster.flops_per_s),
        memory_bytes_per_s=faster(cluster.memory_bytes_per_s),
    )


def scaled_entries(values: Any, resource: Resource, factor: float) -> NDArray[np.float64]:
    """Return an array of shape (..., M) with a resource's devices scaled.

    Parameters
    ----------
    values : array_like, shape (..., M)
        In any unit.
    resource : Resource
        All devices if it names none.
    factor : float
        Above 0.

    Returns
    -------
    ndarray, shape (..., M)
        A copy.
    """
    scaled = np.array(values, dtype=np.float64)
    chosen = list(resource.devices) or slice(None)
    scaled[..., chosen] *= factor
    return scaled


def scaled_memory(values: Any, resource: Resource, factor: float) -> NDArray[np.int64]:
    """Return whole bytes, shape (..., M), as `scaled_entries`; an infinite factor leaves no limit.

    The factor is the decimal that it is written as: 0.29 of 100 bytes are 29, which they are not in floats.

    Parameters
    ----------
    values : array_like of int, shape (..., M)
        Bytes.
    resource : Resource
        All devices if it names none.
    factor : float
        Above 0.

    Returns
    -------
    ndarray of int64, shape (..., M)
        A copy, rounded down.
    """
    memory = np.array(values, dtype=np.int64)
    chosen = list(resource.devices) or slice(None)
    if not math.isfinite(factor):
        memory[..., chosen] = MAX_BYTES
        return memory
    # The last digit of a computed factor is noise: a third of 3 bytes is 1.
    times = exact(factor if is_written(factor) else math.nextafter(factor, math.inf))
    whole = [min(int(size * times), MAX_BYTES) for size in memory[..., chosen].ravel().tolist()]
    memory[..., chosen] = np.reshape(whole, memory[..., chosen].shape)
    return memory


def scaled_bandwidth(values: Any, resource: Resource, factor: float) -> NDArray[np.float64]:
    """Return bandwidths, shape (..., M, M); an infinite factor makes links free, and adds those that are missing.

    Parameters
    ----------
    values : array_like, shape (..., M, M)
        Bytes per second, row = sender.
    resource : Resource
        One link, or all links of its devices.
    factor : float
        Above 0.

    Returns
    -------
    ndarray, shape (..., M, M)
        A copy.
    """
    bandwidth = np.array(values, dtype=np.float64)
    chosen = np.zeros(bandwidth.shape[-2:], dtype=bool)
    if resource.kind == "link":
        chosen[resource.devices] = True
    else:
        own = list(resource.devices) or slice(None)
        chosen[own, :] = chosen[:, own] = True
    if math.isfinite(factor):
        bandwidth[..., chosen] *= factor
    else:
        bandwidth[..., chosen] = FREE_BYTES_PER_S
    return bandwidth
