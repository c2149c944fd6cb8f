"""Placements, their number, what they are short of, and simple proofs that there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from placewise.models.graph.data import GraphInstance, Message
from placewise.models.resources import Resource, cluster_resources, scaled_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.graph.placement import Placement

GraphT = TypeVar("GraphT", bound=GraphInstance)


def count(instance: GraphInstance) -> float:
    """Return how many ways there are to give each node a device."""
    return float(instance.cluster.size) ** len(instance.nodes)


def placements(instance: GraphInstance) -> Iterator[Placement]:
    """Yield all of them."""
    return product(range(instance.cluster.size), repeat=len(instance.nodes))


def diagnose(instance: GraphInstance) -> str | None:
    """Return why memory allows no placement, or None where no simple reason shows it."""
    budget = instance.cluster.memory_bytes
    for v, node in enumerate(instance.nodes):
        if node.memory_bytes > budget.max():
            largest = instance.cluster.device_names[int(budget.argmax())]
            return (
                f"node {v} ({node.name}) needs {node.memory_bytes:,} bytes and fits on no device; "
                f"the largest, {largest}, has {budget.max():,}"
            )
    total = sum(node.memory_bytes for node in instance.nodes)
    if total > budget.sum():
        return f"the nodes need {total:,} bytes in all and the devices have {budget.sum():,}"
    return None


def resources(instance: GraphInstance) -> list[Resource]:
    """Return memory and speed of each device, and that of the way to the host's memory."""
    found = [part for part in cluster_resources(instance.cluster) if part.kind in ("memory", "speed")]
    return [*found, Resource("ends", (), "messages to and from the host")] if instance.messages else found


def scaled(instance: GraphT, resource: Resource, factor: float) -> GraphT:
    """Return an instance with so much more (or less) of a resource.

    Parameters
    ----------
    instance : GraphInstance
        As it is.
    resource : Resource
        Memory, speed, or the messages; any other kind changes nothing.
    factor : float
        Above 0; infinite for no limit, or free messages.
    """
    if resource.kind == "memory":
        return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))
    if resource.kind == "ends":
        messages = tuple(Message(m.source, m.targets, m.time_s / factor) for m in instance.messages)
        return replace(instance, messages=messages)
    if resource.kind == "speed":
        table = np.array(instance.compute_time_s)
        table[:, list(resource.devices or range(instance.cluster.size))] /= factor
        return replace(instance, compute_time_s=table)
    return instance
