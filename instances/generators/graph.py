"""Seeded instances of graph throughput and latency."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from placewise.instances.generators.common import pick_kind
from placewise.models.cluster import Cluster
from placewise.models.graph.data import GraphLatency, GraphThroughput, Message, Node
from placewise.models.resources import FREE_BYTES_PER_S

if TYPE_CHECKING:
    from placewise.models.graph.space import GraphT


def tiny(*, kind: str = "mixed", seed: int, name: str | None = None) -> GraphThroughput:
    """Return a random instance that brute force solves: 2 to 7 nodes on 1 to 3 devices, and perhaps a host.

    Parameters
    ----------
    kind : str
        ``tight``: devices hold hardly more than they must; ``one-byte``: what two nodes need, or a byte less; ``sparse``:
        few messages; ``equal``: equal devices and nodes; ``loose``: memory does not bind; ``mixed``: one of these by seed.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    return _tiny(GraphThroughput, "graph", kind, seed, name)


def tiny_latency(*, kind: str = "mixed", seed: int, name: str | None = None) -> GraphLatency:
    """Return a random instance that brute force solves: that of `tiny`, of latency, some with much that takes no time.

    Parameters
    ----------
    kind : str
        As of `tiny`.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    return _tiny(GraphLatency, "graph-latency", kind, seed, name)


def _tiny(problem: type[GraphT], told: str, kind: str, seed: int, name: str | None) -> GraphT:
    draw = random.Random(f"graph-{seed}")  # noqa: S311
    kind = pick_kind(draw, kind)
    size = draw.choice([1, 2, 2, 3, 3])
    count = draw.randint(2, 7 if size < 3 else 6)
    times = [0.0, 1.0, 1.0, 2.0, 3.0, 5.0]
    need = [2 if kind == "equal" else draw.choice([0, 1, 2, 5, 8]) for _ in range(count)]
    total = sum(need)
    if kind == "loose":
        memory = [total] * size
    elif kind == "one-byte":
        memory = [
            max(sum(draw.choices(need, k=count // size + 1)) - draw.choice([0, 1]), 0) for _ in range(size)
        ]
    else:
        memory = [-(-total // size) + draw.choice([0, 0, 1, 3]) for _ in range(size)]
    hosts = [size - 1] if draw.random() < 0.3 else []
    own = [2.0 if kind == "equal" else draw.choice(times) for _ in range(count)]
    speed = [1.0 if kind == "equal" else draw.choice([1.0, 1.0, 2.0, 0.5]) for _ in range(size)]
    table = [
        [time * factor if draw.random() < 0.9 else draw.choice(times) for factor in speed] for time in own
    ]
    if kind == "equal":
        table = [[2.0] * size for _ in range(count)]
    for h in hosts:
        memory[h] = total
    messages = []
    for v in range(count - 1):
        chance = 0.25 if kind == "sparse" else 0.5
        targets = tuple(w for w in range(v + 1, count) if draw.random() < chance)
        if targets:
            messages.append(Message(v, targets, draw.choice([0.0, 0.25, 1.0, 2.0])))
    if messages and draw.random() < 0.2:  # one that only some of the receivers get
        first = messages[0]
        messages.append(Message(first.source, first.targets[:1], 0.5))
    if problem is GraphLatency and draw.random() < 0.15:  # parts that need each other may pay
        table = [[draw.choice([0.0, 0.0, 1.0]) for _ in range(size)] for _ in range(count)]
        messages = [Message(message.source, message.targets, 0.0) for message in messages]
    return problem(
        Cluster([f"device-{d}" for d in range(size)], memory, FREE_BYTES_PER_S),
        [Node(f"node-{v}", size_bytes) for v, size_bytes in enumerate(need)],
        messages,
        table,
        hosts=hosts,
        name=name or f"tiny-{kind}-{told}-{seed}",
        description=f"random, {kind}, seed {seed}",
    )


def branches(
    *, nodes: int = 24, devices: int = 4, memory_factor: float = 1.5, seed: int, name: str | None = None
) -> GraphThroughput:
    """Return modules in a row, each of which forks into two to four short branches that join in the next one.

    Parameters
    ----------
    nodes, devices : int
        How many.
    memory_factor : float
        Memory of all devices over what the nodes need; a device holds at least the largest node.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    return _branches(GraphThroughput, "graph", nodes, devices, memory_factor, seed, name)


def branches_latency(
    *, nodes: int = 24, devices: int = 4, memory_factor: float = 1.5, seed: int, name: str | None = None
) -> GraphLatency:
    """Return the graph of `branches`, of latency.

    Parameters
    ----------
    nodes, devices : int
        How many.
    memory_factor : float
        As of `branches`.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    return _branches(GraphLatency, "graph-latency", nodes, devices, memory_factor, seed, name)


def _branches(
    problem: type[GraphT], told: str, nodes: int, devices: int, factor: float, seed: int, name: str | None
) -> GraphT:
    draw = random.Random(f"branches-{seed}")  # noqa: S311
    targets: dict[int, list[int]] = {v: [] for v in range(nodes)}
    ends: list[int] = []
    following = 0
    while following < nodes:
        fork, following = following, following + 1
        for end in ends:
            targets[end].append(fork)
        ends = [fork]
        tips = []
        for _ in range(draw.choice([2, 3, 4])):
            end = fork
            for _ in range(draw.choice([1, 2])):
                if following < nodes:
                    targets[end].append(following)
                    end, following = following, following + 1
            tips.append(end)
        ends = list(dict.fromkeys(tips))
    need = [draw.randint(10, 100) * 10**6 for _ in range(nodes)]
    own_s = [draw.randint(1, 16) / 1024 for _ in range(nodes)]
    slower = [draw.choice([1.0, 1.0, 2.0, 4.0]) for _ in range(devices)]
    memory = max(int(sum(need) * factor / devices), *need)
    return problem(
        Cluster([f"device-{d}" for d in range(devices)], [memory] * devices, FREE_BYTES_PER_S),
        [Node(f"node-{v}", size_bytes) for v, size_bytes in enumerate(need)],
        [Message(v, tuple(to), draw.randint(1, 4) / 1024) for v, to in targets.items() if to],
        [[time_s * times for times in slower] for time_s in own_s],
        name=name or f"branches-{told}-{nodes}-{devices}-{seed}",
        description=f"{nodes} nodes in modules that fork and join, {devices} devices, seed {seed}",
    )
