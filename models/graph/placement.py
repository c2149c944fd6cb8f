"""What a placement of a graph means: the largest load, and every constraint it breaks."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from placewise.models.errors import InstanceError
from placewise.models.gate import devices, entries, listed, members, named, refused, shown
from placewise.models.graph.cost import device_loads, loads
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from placewise.models.graph.data import GraphInstance, GraphThroughput

#: The device of each node, by index.
Placement = tuple[int, ...]


def placement_of(instance: GraphInstance, anything: Any) -> tuple[Placement | None, tuple[Violation, ...]]:
    """Return the placement that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    anything : object
        Taken are N devices in a list, tuple or array, all by index or all by name; and the document of a result file,
        ``{"nodes": [name, ...]}``.

    Returns
    -------
    tuple of int or None
        None where there are violations.
    tuple of Violation
        Of the constraint ``assignment``; the others are for `evaluate`.
    """
    count, size = len(instance.nodes), instance.cluster.size
    given = type(anything) is tuple and len(anything) == count  # evaluated by the million
    if given and all(type(d) is int and 0 <= d < size for d in anything):
        return anything, ()
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, count)
    if found is None or found[1] != count:
        text = shown(anything) if found is None else f"{found[1]:,}"
        return None, (refused("nodes", f"expected a device for each of {count} nodes, found {text}"),)
    chosen, violations = devices(instance.cluster.device_names, found[0], "node {}".format, instance.name)
    return (None, tuple(violations)) if violations else (chosen, ())


def evaluate(instance: GraphThroughput, placement: Any) -> Evaluation:
    """Evaluate a placement: the load of the busiest device.

    Parameters
    ----------
    instance : GraphThroughput
        The instance.
    placement : object
        In any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective: seconds of the largest load, with its parts ``compute`` and ``messages``. Broken may be ``memory`` of a
        device, and ``order``, where messages go round between devices.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    times = loads(instance)
    compute, sent = max(device_loads(instance, placement), key=sum)
    terms = {"compute": times.seconds(compute), "messages": times.seconds(sent)}
    violations = (*overloads(instance, placement), *_rounds(instance, placement))
    return Evaluation(times.seconds(compute + sent), terms, violations)


def used_bytes(instance: GraphInstance, placement: Sequence[int]) -> list[int]:
    """Return what the nodes on each device need.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    placement : sequence of int
        The device of each node.
    """
    used = [0] * instance.cluster.size
    for node, d in zip(instance.nodes, placement, strict=True):
        used[d] += node.memory_bytes
    return used


def device_order(instance: GraphInstance, placement: Sequence[int]) -> tuple[int, ...]:
    """Return the devices that compute anything in an order in which nothing is sent back.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    placement : sequence of int
        The device of each node.

    Raises
    ------
    CycleError
        Where there is no such order; its second argument are devices round which messages go.
    """
    before: dict[int, set[int]] = {d: set() for d in placement}
    for message in instance.messages:
        for target in message.targets:
            if placement[target] != placement[message.source]:
                before[placement[target]].add(placement[message.source])
    return tuple(TopologicalSorter(before).static_order())


def overloads(instance: GraphInstance, placement: Placement) -> Iterator[Violation]:
    """Yield the devices on which nodes need more memory than there is.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    placement : tuple of int
        The device of each node.
    """
    for d, used in enumerate(used_bytes(instance, placement)):
        budget = int(instance.cluster.memory_bytes[d])
        if used > budget:
            name = instance.cluster.device_names[d]
            yield Violation("memory", name, f"{name}: nodes need {used:,} bytes, it has {budget:,}")


def _rounds(instance: GraphInstance, placement: Placement) -> Iterator[Violation]:
    try:
        device_order(instance, placement)
    except CycleError as error:
        names = " -> ".join(instance.cluster.device_names[d] for d in error.args[1])
        yield Violation("order", "messages", f"messages go round: {names}")


def to_json(instance: GraphInstance, placement: Placement) -> dict[str, Any]:
    """Return a placement as the result file states it: the device of each node, by name.

    Parameters
    ----------
    instance : GraphInstance
        Whose names.
    placement : tuple of int
        The device of each node.
    """
    return {"nodes": [instance.cluster.device_names[d] for d in placement]}


def from_json(instance: GraphInstance, document: Any) -> Placement:
    """Read a placement back, or say which entry is none of the instance.

    Parameters
    ----------
    instance : GraphInstance
        Whose names.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that names no device, or a wrong number of them.
    """
    stated = listed(document, "nodes")
    if stated is None or len(stated) != len(instance.nodes):
        found = "none" if stated is None else f"{len(stated)}"
        expected = f"expected a list with the device of each of {len(instance.nodes)} nodes"
        raise InstanceError("placement.nodes", f"{expected}, found {found}")
    return named(instance.cluster.device_names, stated, f"a device of {instance.name}")
