"""What devices do for a placement, in whole ticks: computing, and messages that leave or come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.graph.data import GraphLatency
from placewise.models.units import RANGE_BITS, choose_tick, to_ticks, too_wide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from placewise.models.graph.data import GraphInstance, GraphThroughput


@dataclass(frozen=True, eq=False)
class Loads:
    """Times of an instance in ticks.

    Parameters
    ----------
    tick_s : float
        Seconds, a power of two.
    compute : ndarray of int64, shape (N, M)
        Of each node on each device.
    message : tuple of int
        Of each message, to or from the host's memory.
    """

    tick_s: float
    compute: NDArray[np.int64]
    message: tuple[int, ...]

    def seconds(self, ticks: int) -> float:
        """Return ticks as seconds."""
        return ticks * self.tick_s


@lru_cache(maxsize=64)
def loads(instance: GraphInstance) -> Loads:
    """Return the times of an instance, each rounded once.

    Raises
    ------
    InstanceError
        Where times are too far apart to be counted in one tick.
    """
    table = instance.compute_time_s
    messages = np.array([message.time_s for message in instance.messages])
    horizon_s = float(table.max(axis=1).sum() + (np.array(ends(instance)) * messages).sum())
    least_s = _floor(table, instance.cluster.size)
    if isinstance(instance, GraphLatency):
        least_s = float(table.min(axis=1).max())
    entries = len(instance.nodes) + 2 * len(messages)
    tick_s = choose_tick(least_s, horizon_s, entries)
    if horizon_s >= tick_s * 2.0 ** (RANGE_BITS + 1):
        raise too_wide(least_s, horizon_s, 2.0**RANGE_BITS)
    compute = np.rint(to_ticks(table, tick_s) / tick_s).astype(np.int64)
    compute.setflags(write=False)
    return Loads(tick_s, compute, tuple(int(value / tick_s) for value in to_ticks(messages, tick_s).tolist()))


def ends(instance: GraphInstance) -> list[int]:
    """Return at how many devices each message is paid at most: where it leaves, and where it comes.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    """
    return [1 + min(len(message.targets), instance.cluster.size - 1) for message in instance.messages]


def horizon(instance: GraphInstance) -> int:
    """Return the ticks of all nodes at their worst and all messages wherever they are paid: nothing takes longer.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    """
    times = loads(instance)
    sent = sum(ticks * n for ticks, n in zip(times.message, ends(instance), strict=True))
    return int(times.compute.max(axis=1).sum()) + sent


def device_loads(instance: GraphInstance, placement: Sequence[int]) -> list[tuple[int, int]]:
    """Return what each device computes and sends or gets, in ticks.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    placement : sequence of int
        The device of each node.

    Returns
    -------
    list of (int, int)
        Computing, and each message once that leaves the device or comes to it; a host's messages are free.
    """
    times = loads(instance)
    compute, sent = [0] * instance.cluster.size, [0] * instance.cluster.size
    for v, d in enumerate(placement):
        compute[d] += int(times.compute[v, d])
    for message, ticks in zip(instance.messages, times.message, strict=True):
        sender = placement[message.source]
        receivers = {placement[target] for target in message.targets} - {sender}
        for d in receivers | ({sender} if receivers else set()):
            if d not in instance.hosts:
                sent[d] += ticks
    return list(zip(compute, sent, strict=True))


def _floor(table: NDArray[np.float64], devices: int) -> float:
    least = table.min(axis=1)
    return max(float(least.sum()) / devices, float(least.max()))


def floor_s(instance: GraphThroughput) -> float:
    """Return a bound on the load: the longest node at its best, and all of them over all devices, weighed by their speed.

    A device takes at least ``1 / rate`` of what the nodes take at their best, where ``rate`` is its best over all nodes.
    """
    times = loads(instance)
    least = times.compute.min(axis=1)
    total, power = int(least.sum()), sum(rates(times))
    work = total / power if power else 0.0
    return times.seconds(max(int(least.max()), int(work * (1 - 1e-12))))


def rates(times: Loads) -> list[float]:
    """Return the most of the nodes' best time that each device does in a second of its own.

    Parameters
    ----------
    times : Loads
        Of N nodes on M devices.

    Returns
    -------
    list of float
        At most 1 each; 0 where all nodes are free at their best.
    """
    least = times.compute.min(axis=1)
    busy = least > 0
    return [
        float((least[busy] / times.compute[busy, d]).max()) if busy.any() else 0.0
        for d in range(times.compute.shape[1])
    ]
