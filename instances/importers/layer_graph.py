"""Layer graphs of "Efficient Algorithms for Device Placement of DNN Graph Operators" (dnn-partitioning), as chains.

A graph becomes a chain only where both have the same optima. What is contracted, and why that is exact:

- Nodes without work, size and messages, at the graph's ends: they cost nothing anywhere.
- Last nodes without work, into what they follow: where all nodes fit on one device, memory forbids nothing, and beside
  its predecessor such a node takes no time and saves its message.
- Edges that skip nodes, where one path runs through all nodes: stages of a pipeline follow that path, and a skipping
  message cannot be the bottleneck if all that crosses a cut takes no longer than the largest node computes. For latency
  the path is exact where all nodes fit on one of the equal devices: no message is ever sent.

Anything else branches, and is refused. Devices are the accelerators (``maxFPGAs``, ``maxSizePerFPGA``,
``fpgaLatency`` in milliseconds), all equal; an edge's ``cost`` is in the same unit.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import numpy as np

from placewise.instances.importers.values import UNLIMITED_BYTES_PER_S, amount, require_chain
from placewise.instances.strict_json import clean_name, short
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.data import EdgeShardInstance, chain_type
from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES
from placewise.models.workload import Layer

MAX_NODES = 4096
MAX_EDGES = 100_000
MAX_DEVICES = 256


@dataclass
class _Node:
    name: str
    time_s: float
    size_bytes: int


def is_layer_graph(document: Any) -> bool:
    """Whether a document looks like a layer graph."""
    return isinstance(document, dict) and {"nodes", "edges", "maxFPGAs"} <= set(document)


def instance_of(document: dict[str, Any], problem: str, *, name: str) -> EdgeShardInstance:
    """Return a graph as a chain of layers on its equal accelerators.

    Parameters
    ----------
    document : dict
        The graph's file, parsed.
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``.
    name : str
        Name of the instance.

    Raises
    ------
    InstanceError
        Naming what is wrong, or the nodes at which the graph is no chain.
    PlacewiseError
        For another problem.
    """
    require_chain(problem, "a graph")
    devices = int(amount(document, "maxFPGAs", most=MAX_BYTES))
    budget = int(amount(document, "maxSizePerFPGA", most=MAX_BYTES))
    if not 1 <= devices <= MAX_DEVICES:
        raise InstanceError("maxFPGAs", f"expected 1 to {MAX_DEVICES} devices, found {devices}")
    nodes = _nodes(document)
    edges, bandwidth = _edges(document, nodes)
    roomy = sum(node.size_bytes for node in nodes.values()) <= budget
    _drop_free(nodes, edges)
    if roomy:
        _merge_idle_ends(nodes, edges)
    order = _path(nodes, edges)
    place = {key: n for n, key in enumerate(order)}
    spans = {(place[first], place[second]): size for (first, second), size in edges.items()}
    crossing = _crossing_bytes(spans, len(order))
    if any(end != source + 1 for source, end in spans):
        _require_exact(problem, nodes, crossing, bandwidth, roomy=roomy)
    chain = [nodes[key] for key in order]
    layers = tuple(
        Layer(node.name, node.size_bytes, size) for node, size in zip(chain, [*crossing, 0.0], strict=True)
    )
    return chain_type(problem)(
        name=f"{name}-{devices}-accelerators-{problem}",
        cluster=Cluster(
            device_names=tuple(f"accelerator-{n}" for n in range(devices)),
            memory_bytes=np.full(devices, budget, dtype=np.int64),
            bandwidth_bytes_per_s=np.full((devices, devices), bandwidth),
            latency_s=np.zeros((devices, devices)),
        ),
        layers=layers,
        compute_time_s=np.tile(np.array([[node.time_s] for node in chain]), (1, devices)),
        source=0,  # the devices are equal
        description=f"{name}, {len(nodes)} layers on {devices} equal accelerators",
        reference="Efficient Algorithms for Device Placement of DNN Graph Operators",
    )


def _nodes(document: dict[str, Any]) -> dict[int, _Node]:
    entries = listed(document, "nodes", MAX_NODES)
    if not entries:
        raise InstanceError("nodes", "expected at least one")
    nodes: dict[int, _Node] = {}
    for n, entry in enumerate(entries):
        path = f"nodes[{n}]"
        key = key_of(entry, "id", path)
        if key in nodes:
            raise InstanceError(f"{path}.id", f"expected distinct numbers, found {key} twice")
        if entry.get("isBackwardNode"):
            raise InstanceError(
                f"{path}.isBackwardNode", "expected a graph of inference, without backward nodes"
            )
        if not entry.get("supportedOnFpga", 1):
            raise InstanceError(f"{path}.supportedOnFpga", "expected nodes that run on all devices")
        nodes[key] = _Node(
            clean_name(entry.get("name"), f"node-{key}"),
            amount(entry, "fpgaLatency", path, MAX_BYTES) / 1e3,
            round(amount(entry, "size", path, MAX_BYTES)),
        )
    colours = Counter(entry["colorClass"] for entry in entries if isinstance(entry.get("colorClass"), int))
    if any(count > 1 for count in colours.values()):
        raise InstanceError("nodes", "expected a colorClass per node: layers are not tied to each other here")
    return nodes


def _edges(document: dict[str, Any], nodes: dict[int, _Node]) -> tuple[dict[tuple[int, int], float], float]:
    """Return bytes by edge, and the one bandwidth of all links."""
    edges: dict[tuple[int, int], float] = {}
    rates: list[float] = []
    for n, entry in enumerate(listed(document, "edges", MAX_EDGES)):
        path = f"edges[{n}]"
        ends = key_of(entry, "sourceId", path), key_of(entry, "destId", path)
        for key, end in zip(("sourceId", "destId"), ends, strict=True):
            if end not in nodes:
                raise InstanceError(f"{path}.{key}", f"expected the id of a node, found {end}")
        size, cost = amount(entry, "size", path, MAX_BYTES), amount(entry, "cost", path, MAX_BYTES)
        if (size > 0) != (cost > 0):
            raise InstanceError(
                f"{path}.cost", f"expected a cost where there is a size, found {cost} for {size}"
            )
        if cost:
            rates.append(1e3 * size / cost)
            if not math.isclose(rates[-1], rates[0], rel_tol=1e-6):
                raise InstanceError(f"{path}.cost", "expected costs in proportion to sizes: one bandwidth")
        edges[ends] = max(size, edges.get(ends, 0.0))
    return edges, rates[0] if rates else UNLIMITED_BYTES_PER_S


def _edges_at(edges: dict[tuple[int, int], float]) -> dict[int, list[tuple[int, int]]]:
    """Return the edges at each node; those that are deleted later stand there still."""
    at: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for ends in edges:
        for end in ends:
            at[end].append(ends)
    return at


def _drop_free(nodes: dict[int, _Node], edges: dict[tuple[int, int], float]) -> None:
    """Drop nodes at the ends that cost nothing anywhere."""
    at = _edges_at(edges)
    for key, node in list(nodes.items()):
        own = [ends for ends in at[key] if ends in edges]
        at_an_end = len({ends.index(key) for ends in own}) <= 1
        if (
            len(nodes) > 1
            and at_an_end
            and not (node.time_s or node.size_bytes or any(edges[e] for e in own))
        ):
            del nodes[key]
            for ends in own:
                del edges[ends]


def _merge_idle_ends(nodes: dict[int, _Node], edges: dict[tuple[int, int], float]) -> None:
    """Merge last nodes without work into the one node that they follow."""
    at = _edges_at(edges)
    for key, node in list(nodes.items()):
        own = [ends for ends in at[key] if ends in edges]
        if len(own) == 1 and own[0][1] == key and not node.time_s:
            before = nodes[own[0][0]]
            before.name = f"{before.name}+{node.name}"[:200]
            before.size_bytes += node.size_bytes
            del nodes[key], edges[own[0]]


def _path(nodes: dict[int, _Node], edges: dict[tuple[int, int], float]) -> list[int]:
    """Return the nodes in their only order, or say where there are several."""
    before: dict[int, set[int]] = {key: set() for key in nodes}
    for first, second in edges:
        before[second].add(first)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        names = " -> ".join(nodes[key].name for key in error.args[1][:5])
        raise InstanceError("edges", f"expected no cycle, found {names}") from None
    for first, second in pairwise(order):
        if (first, second) not in edges:
            pair = f"{nodes[first].name} and {nodes[second].name}"
            way = "--problem graph-throughput takes graphs that branch"
            raise InstanceError("nodes", f"expected a chain; the graph branches: {pair} have no order; {way}")
    return order


def _crossing_bytes(spans: dict[tuple[int, int], float], count: int) -> list[float]:
    """Return what must be sent over each cut of the path: each node's output once, by positions on the path."""
    reach: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for (source, end), size in spans.items():
        reach[source].append((end, size))
    crossing = [0.0] * (count - 1)
    for source, ends in reach.items():
        largest, farthest = 0.0, sorted(ends)
        for cut in range(farthest[-1][0] - 1, source - 1, -1):  # from the farthest end back
            while farthest and farthest[-1][0] > cut:
                largest = max(largest, farthest.pop()[1])
            crossing[cut] += largest
    return crossing


def _require_exact(
    problem: str, nodes: dict[int, _Node], crossing: list[float], bandwidth: float, *, roomy: bool
) -> None:
    if problem == "edgeshard-latency":
        if not roomy:
            raise InstanceError("edges", "expected a chain: edges skip nodes, and not all fit on one device")
    elif max(crossing) / bandwidth > max(node.time_s for node in nodes.values()):
        raise InstanceError(
            "edges", "expected a chain: edges skip nodes, and their messages may be the bottleneck"
        )


def listed(document: dict[str, Any], key: str, most: int) -> list[dict[str, Any]]:
    """Return a list of objects of a graph's file, or raise `InstanceError` at its key.

    Parameters
    ----------
    document, key, most : dict, str, int
        Where it stands, and how many it has at most.
    """
    entries = document.get(key)
    if not isinstance(entries, list) or len(entries) > most or not all(isinstance(e, dict) for e in entries):
        raise InstanceError(key, f"expected a list of at most {most} objects")
    return entries


def key_of(entry: dict[str, Any], key: str, path: str) -> int:
    """Return a whole number of an object, or raise `InstanceError` at its path.

    Parameters
    ----------
    entry, key, path : dict, str, str
        The object, the number's key, and where the object stands.
    """
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InstanceError(f"{path}.{key}", f"expected a whole number, found {short(value)}")
    return value
