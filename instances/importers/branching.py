"""Graphs of dnn-partitioning as they are: nodes that branch, accelerators, and cores of the host.

A node's output costs the same to and from the host's memory for all that it goes to. Nodes of one ``colorClass`` are on
one device, and with them all nodes between which messages would otherwise go round: both are one node here. Devices are
``maxFPGAs`` accelerators and ``maxCPUs`` cores, which compute in the host's memory and have all of it; of the latency all
cores are one device, on which nodes do not wait for each other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from placewise.instances.importers.layer_graph import MAX_DEVICES, MAX_EDGES, MAX_NODES, key_of, listed
from placewise.instances.importers.values import amount
from placewise.instances.strict_json import clean_name
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError
from placewise.models.graph.data import GraphInstance, GraphLatency, GraphThroughput, Message, Node
from placewise.models.resources import FREE_BYTES_PER_S
from placewise.models.units import MAX_BYTES

#: Two costs of a node's messages are the same within this share.
TOLERANCE = 1e-6


def instance_of(document: dict[str, Any], problem: str, *, name: str) -> GraphInstance:
    """Return a graph on its accelerators and cores.

    Parameters
    ----------
    document : dict
        The graph's file, parsed.
    problem : str
        ``graph-throughput`` or ``graph-latency``.
    name : str
        Of the graph.

    Raises
    ------
    InstanceError
        Naming what is wrong.
    """
    entries = listed(document, "nodes", MAX_NODES)
    if not entries:
        raise InstanceError("nodes", "expected at least one")
    devices = int(amount(document, "maxFPGAs", most=MAX_BYTES))
    cores = int(amount(document, "maxCPUs", most=MAX_BYTES)) if "maxCPUs" in document else 0
    if not 1 <= devices + cores <= MAX_DEVICES:
        raise InstanceError("maxFPGAs", f"expected 1 to {MAX_DEVICES} devices, found {devices + cores}")
    named = [f"core-{d}" for d in range(cores)]
    if problem == GraphLatency.problem and cores:
        cores, named = 1, ["cores"]
    ids: dict[int, int] = {}
    for n, entry in enumerate(entries):
        path = f"nodes[{n}]"
        key = key_of(entry, "id", path)
        if key in ids:
            raise InstanceError(f"{path}.id", f"expected distinct numbers, found {key} twice")
        ids[key] = n
        if entry.get("isBackwardNode"):
            raise InstanceError(f"{path}.isBackwardNode", "expected inference, without backward nodes")
        if not entry.get("supportedOnFpga", 1):
            raise InstanceError(f"{path}.supportedOnFpga", "expected nodes that run on all devices")
    sent, cost_s = _edges(document, ids)
    group, count = _groups(entries, sent)
    members: list[list[int]] = [[] for _ in range(count)]
    for n, g in enumerate(group):
        members[g].append(n)
    times = np.array(
        [
            [amount(e, "fpgaLatency", f"nodes[{n}]", MAX_BYTES) / 1e3 for _ in range(devices)]
            + [amount(e, "cpuLatency", f"nodes[{n}]", MAX_BYTES) / 1e3 for _ in range(cores)]
            for n, e in enumerate(entries)
        ]
    )
    sizes = [round(amount(e, "size", f"nodes[{n}]", MAX_BYTES)) for n, e in enumerate(entries)]
    messages = []
    for source, targets in sent.items():
        outside = tuple(sorted({group[t] for t in targets} - {group[source]}))
        if outside:
            messages.append(Message(group[source], outside, cost_s[source]))
    budget = round(amount(document, "maxSizePerFPGA", most=MAX_BYTES))
    kind = GraphLatency if problem == GraphLatency.problem else GraphThroughput
    return kind(
        Cluster(
            [f"accelerator-{d}" for d in range(devices)] + named,
            [budget] * devices + [MAX_BYTES] * cores,
            FREE_BYTES_PER_S,
        ),
        [Node(_name(entries, own), sum(sizes[n] for n in own)) for own in members],
        messages,
        [times[own].sum(axis=0) for own in members],
        hosts=range(devices, devices + cores),
        name=f"{name}-{devices}-accelerators-{problem}",
        description=f"{name}, {len(entries)} nodes on {devices} equal accelerators and {cores} cores of the host",
        reference="Efficient Algorithms for Device Placement of DNN Graph Operators",
    )


def _edges(document: dict[str, Any], ids: dict[int, int]) -> tuple[dict[int, set[int]], dict[int, float]]:
    """Return the receivers of each node's output, and the seconds that it takes."""
    sent: dict[int, set[int]] = {}
    cost_s: dict[int, float] = {}
    for n, entry in enumerate(listed(document, "edges", MAX_EDGES)):
        path = f"edges[{n}]"
        ends = []
        for key in ("sourceId", "destId"):
            end = key_of(entry, key, path)
            if end not in ids:
                raise InstanceError(f"{path}.{key}", f"expected the id of a node, found {end}")
            ends.append(ids[end])
        source, target = ends
        if source == target:
            raise InstanceError(f"{path}.destId", "expected another node")
        seconds = amount(entry, "cost", path, MAX_BYTES) / 1e3
        if not math.isclose(seconds, cost_s.setdefault(source, seconds), rel_tol=TOLERANCE, abs_tol=1e-12):
            raise InstanceError(f"{path}.cost", "expected the same cost for all edges of a node")
        sent.setdefault(source, set()).add(target)
    return sent, cost_s


def _groups(entries: list[dict[str, Any]], sent: dict[int, set[int]]) -> tuple[list[int], int]:
    """Return the group of each node, and their number: what must be, or what no order parts, is one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = [(source, target) for source, targets in sent.items() for target in targets]
    first: dict[int, int] = {}
    for n, entry in enumerate(entries):
        colour = entry.get("colorClass")
        if isinstance(colour, int) and not isinstance(colour, bool):
            m = first.setdefault(colour, n)
            if m != n:
                pairs += [(m, n), (n, m)]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    shape = (len(entries), len(entries))
    matrix = coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=shape)
    _, labels = connected_components(matrix, directed=True, connection="strong")
    number: dict[int, int] = {}
    return [number.setdefault(int(label), len(number)) for label in labels], len(set(labels.tolist()))


def _name(entries: list[dict[str, Any]], own: list[int]) -> str:
    name = clean_name(entries[own[0]].get("name"), f"node-{own[0]}")
    return name if len(own) == 1 else f"{name[:180]} and {len(own) - 1} more"
