"""A placement of a graph as rows: what each device computes, sends and gets."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError
from typing import TYPE_CHECKING

from placewise.models.graph.cost import device_loads, loads
from placewise.models.graph.placement import device_order, used_bytes

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphThroughput
    from placewise.models.graph.placement import Placement


@dataclass(frozen=True)
class Part:
    """The nodes on one device.

    Parameters
    ----------
    device : str
        By name.
    nodes : int
        How many.
    compute_s, messages_s : float
        Seconds per sample of computing, and of what leaves the device or comes to it.
    memory_bytes : int
        What they need.
    """

    device: str
    nodes: int
    compute_s: float
    messages_s: float
    memory_bytes: int

    @property
    def label(self) -> str:
        """How many nodes."""
        return f"{self.nodes} nodes"

    def __str__(self) -> str:
        return f"{self.device}: {self.nodes} {'node' if self.nodes == 1 else 'nodes'}"


def stages(instance: GraphThroughput, placement: Placement) -> tuple[Part, ...]:
    """Return what each device with nodes does, in an order in which nothing is sent back, or that of the cluster.

    Parameters
    ----------
    instance : GraphThroughput
        N nodes, M devices.
    placement : tuple of int
        The device of each node.
    """
    try:
        order = device_order(instance, placement)
    except CycleError:
        order = tuple(sorted(set(placement)))
    times, done = loads(instance), device_loads(instance, placement)
    used = used_bytes(instance, placement)
    return tuple(
        Part(
            instance.cluster.device_names[d],
            placement.count(d),
            times.seconds(done[d][0]),
            times.seconds(done[d][1]),
            used[d],
        )
        for d in order
    )
