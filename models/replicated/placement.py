"""What a plan means: the flow that it carries, and every constraint it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.errors import InstanceError
from placewise.models.gate import MOST_LISTED, entries, listed, members, refused, shown, whole, word
from placewise.models.problem import Evaluation, Violation
from placewise.models.replicated.cost import capacities
from placewise.models.replicated.flow import maximum_flow

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Interval, Placement

NOTHING: Interval = (0, 0)


def placement_of(
    instance: ReplicatedThroughput, anything: Any
) -> tuple[Placement | None, tuple[Violation, ...]]:
    """Return the plan that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes, L layers.
    anything : object
        Taken are M pairs of whole numbers in a list or tuple, of the first layer and the one after the last (equal
        ones where a node holds none); and the document of a result file,
        ``{"nodes": [{"node": name, "first": 0, "last": 3}, ...]}``.

    Returns
    -------
    tuple of (int, int) or None
        The interval of each node, (0, 0) where it holds none; None where there are violations.
    tuple of Violation
        Of the constraint ``assignment``; the others are for `evaluate`.
    """
    size = instance.cluster.size
    if _canonical(instance, anything):  # evaluated by the million
        return anything, ()
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, size)
    if found is None or found[1] != size:
        text = shown(anything) if found is None else f"{found[1]:,}"
        return None, (refused("nodes", f"expected the layers of each of {size} nodes, found {text}"),)
    intervals, violations = [], []
    for i, given in enumerate(found[0]):
        pair = entries(given, 2)
        ends = [] if pair is None or pair[1] != 2 else [whole(value) for value in pair[0]]
        first, end = ends if len(ends) == 2 else (None, None)
        if first is None or end is None:
            message = f"expected a first layer and the one after the last, found {shown(given)}"
        else:
            message = _wrong(instance, i, first, end)
            intervals.append((first, end) if first < end else NOTHING)
        if message:
            violations.append(refused(f"node {i}", f"node {i}: {message}"))
    if not violations and all(held == NOTHING for held in intervals):
        violations = [refused("nodes", "expected a node that holds a layer, found none")]
    return (None, tuple(violations[:MOST_LISTED])) if violations else (tuple(intervals), ())


def _canonical(instance: ReplicatedThroughput, anything: Any) -> bool:
    """Whether an object is a plan as `placement_of` returns it."""
    if type(anything) is not tuple or len(anything) != instance.cluster.size:
        return False
    held = False
    for i, pair in enumerate(anything):
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not int or type(pair[1]) is not int:
            return False
        first, end = pair
        if first == end == 0:
            continue
        if not 0 <= first < end <= instance.layers or end - first > instance.most_layers(i):
            return False
        held = True
    return held


def _wrong(instance: ReplicatedThroughput, node: int, first: int, end: int) -> str:
    most = instance.most_layers(node)
    if not 0 <= first <= end <= instance.layers:
        return f"expected layers from 0 up to {instance.layers}, found {shown(first)} up to {shown(end)}"
    if end - first > most:
        kind = instance.node_types[instance.types[node]].name
        return f"expected at most {most} layers ({kind}), found {end - first}"
    return ""


def evaluate(instance: ReplicatedThroughput, placement: Any) -> Evaluation:
    """Evaluate a plan: the time per token of its maximum flow.

    Parameters
    ----------
    instance : ReplicatedThroughput
        The instance.
    placement : object
        A plan in any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective: seconds per token, whose inverse is the flow, also as the term ``flow``. A plan that lets nothing
        pass breaks ``flow``.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    flow = maximum_flow(instance, placement)
    if not flow.value:
        return Evaluation(None, {}, (_blocked(instance, placement),))
    objective_s = capacities(instance).seconds(flow.value)
    return Evaluation(objective_s, {"flow": objective_s})


def _blocked(instance: ReplicatedThroughput, placement: Placement) -> Violation:
    """Say where nothing passes: at a layer that no node holds, or for want of links."""
    held = {layer for first, end in placement for layer in range(first, end)}
    for layer in range(instance.layers):
        if layer not in held:
            return Violation("flow", f"layer {layer}", f"no node holds layer {layer}")
    return Violation("flow", "links", "no chain of linked nodes leads from the source through all layers")


def to_json(instance: ReplicatedThroughput, placement: Placement) -> dict[str, Any]:
    """Return a plan as the result file states it.

    Parameters
    ----------
    instance : ReplicatedThroughput
        Whose names.
    placement : tuple of (int, int)
        The interval of each node.

    Returns
    -------
    dict
        ``nodes``: name, first and last layer, both inclusive, of each node that holds any.
    """
    names = instance.cluster.device_names
    return {
        "nodes": [
            {"node": names[i], "first": first, "last": end - 1}
            for i, (first, end) in enumerate(placement)
            if first < end
        ]
    }


def from_json(instance: ReplicatedThroughput, document: Any) -> Placement:
    """Read a plan back, or say which entry is none of the instance.

    Parameters
    ----------
    instance : ReplicatedThroughput
        Whose names.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that names no node, one that stands twice, or what is no layer.
    """
    stated = listed(document, "nodes")
    if stated is None:
        raise InstanceError(
            "placement.nodes",
            "expected a list with the node, first and last layer of each node that holds any",
        )
    position = {name: index for index, name in enumerate(instance.cluster.device_names)}
    found: dict[int, Interval] = {}
    for path, value in stated.items():
        entry = members(value)
        if entry is None:
            raise InstanceError(path, f"expected a node, its first and last layer, found {shown(value)}")
        name = word(entry.get("node"))
        if name is None or name not in position:
            raise InstanceError(
                f"{path}.node", f"expected a node of {instance.name}, found {shown(entry.get('node'))}"
            )
        if position[name] in found:
            raise InstanceError(f"{path}.node", f"expected each node once, found {name!r} twice")
        first, last = (_layer(instance, entry, key, path) for key in ("first", "last"))
        wrong = _wrong(instance, position[name], first, last + 1)
        if wrong or first > last:
            raise InstanceError(path, wrong or f"expected first <= last, found {first} and {last}")
        found[position[name]] = (first, last + 1)
    if not found:
        raise InstanceError("placement.nodes", "expected a node that holds a layer, found none")
    return tuple(found.get(i, NOTHING) for i in range(instance.cluster.size))


def _layer(instance: ReplicatedThroughput, entry: dict[str, Any], key: str, path: str) -> int:
    number = whole(entry.get(key))
    if number is None or not 0 <= number < instance.layers:
        expected = f"expected a layer from 0 to {instance.layers - 1}"
        raise InstanceError(f"{path}.{key}", f"{expected}, found {shown(entry.get(key))}")
    return number
