"""A placement of a graph as rows: what each device computes, sends and gets."""

from __future__ import annotations

from graphlib import CycleError
from typing import TYPE_CHECKING

from placewise.models.graph.cost import device_loads, loads
from placewise.models.graph.placement import device_order, used_bytes
from placewise.models.stages import Part

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphThroughput
    from placewise.models.graph.placement import Placement


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
