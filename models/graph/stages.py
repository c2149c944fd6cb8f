"""A placement of a graph as rows: what each device computes, sends and gets."""

from __future__ import annotations

from graphlib import CycleError
from typing import TYPE_CHECKING

from placewise.models.graph.cost import device_loads, loads
from placewise.models.graph.placement import device_order, used_bytes
from placewise.models.graph.timeline import timeline
from placewise.models.stages import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.graph.data import GraphInstance, GraphLatency, GraphThroughput
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
    return _parts(instance, placement, order)


def stages_in_time(instance: GraphLatency, placement: Placement) -> tuple[Part, ...]:
    """Return what each device with nodes does, in an order in which nothing is sent back but from a host, or that of the cluster.

    Parameters
    ----------
    instance : GraphLatency
        N nodes, M devices.
    placement : tuple of int
        The device of each node.
    """
    try:
        order = tuple(dict.fromkeys(block.device for block in timeline(instance, placement).values()))
    except CycleError:
        order = tuple(sorted(set(placement)))
    return _parts(instance, placement, order)


def _parts(instance: GraphInstance, placement: Placement, order: Sequence[int]) -> tuple[Part, ...]:
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
