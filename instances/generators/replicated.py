"""Seeded instances of replicated throughput."""

from __future__ import annotations

import random

import numpy as np

from placewise.instances.generators.common import pick_kind
from placewise.models.cluster import Cluster
from placewise.models.replicated.data import NodeType, ReplicatedThroughput


def tiny(
    *, kind: str = "mixed", partial: str = "", seed: int, name: str | None = None
) -> ReplicatedThroughput:
    """Return a random instance that brute force solves: 2 to 4 nodes, 1 to 5 layers.

    Parameters
    ----------
    kind : str
        ``tight``: the nodes hold hardly more layers than there are; ``one-byte``: links that carry just what a node
        takes, or a little less; ``sparse``: a third of the links are missing; ``equal``: one type; ``loose``: links do
        not bind; ``mixed``: one of these by seed.
    partial : str
        ``yes`` or ``no``: partial inference; either by seed if empty.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(f"replicated-{seed}")  # noqa: S311
    kind = pick_kind(draw, kind)
    size = draw.choice([2, 3, 3, 4])
    layers = draw.randint(1, 5 if size < 4 else 3)
    rates = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0]
    kinds = []
    for t in range(1 if kind == "equal" else draw.randint(1, 3)):
        most = draw.randint(
            1 if t else max(layers // size, 1), layers if kind != "tight" else max(layers // 2, 1)
        )
        table = sorted((draw.choice(rates) for _ in range(most)), reverse=True)
        if draw.random() < 0.3:  # measured tables are not monotone
            draw.shuffle(table)
        kinds.append(NodeType(f"type-{t}", table))
    types = [0, *(draw.randrange(len(kinds)) for _ in range(size - 1))]
    if draw.random() < 0.1:
        kinds.append(NodeType("holds-nothing", ()))
        types[-1] = len(kinds) - 1
    links = np.array([[draw.choice(rates) for _ in range(size)] for _ in range(size)])
    if kind == "loose":
        links[:] = 64.0
    elif kind == "one-byte":
        takes = [rate for held in kinds for rate in held.tokens_per_s]
        links = np.array(
            [[draw.choice(takes) - draw.choice([0, 0, 0.25]) for _ in range(size)] for _ in range(size)]
        )
    elif kind == "sparse":
        links *= np.array([[draw.random() > 1 / 3 for _ in range(size)] for _ in range(size)])
    ends = [
        [draw.choice([64.0, 64.0, 64.0, 2.0, 0.5, 0.0]) for _ in range(size)]
        if kind != "loose"
        else [64.0] * size
        for _ in range(2)
    ]
    partial_inference = draw.random() < 0.5 if not partial else partial == "yes"
    return ReplicatedThroughput(
        Cluster([f"node-{j}" for j in range(size)], 0, links * 4),
        kinds,
        types,
        layers,
        activation_bytes=4.0,
        token_bytes=draw.choice([0.0, 1.0, 1.0]),
        source_bandwidth_bytes_per_s=ends[0],
        sink_bandwidth_bytes_per_s=ends[1],
        partial_inference=partial_inference,
        name=name or f"tiny-{kind}-replicated-{seed}",
        description=f"random, {kind}, seed {seed}",
    )


def clusters(
    *,
    nodes: int = 24,
    layers: int = 80,
    groups: int = 1,
    seed: int,
    name: str | None = None,
) -> ReplicatedThroughput:
    """Return nodes of a few types in groups: fast links within a group, slow ones between two.

    Parameters
    ----------
    nodes, layers, groups : int
        How many.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(f"clusters-{seed}")  # noqa: S311
    kinds = []
    for t, (speed, most) in enumerate(((16384.0, 12), (6144.0, 7), (4096.0, 4))):
        # Memory left for caches limits the batch: what a node does in all falls with its layers.
        left = [1.0 - 0.4 * (k / most) ** 2 for k in range(1, most + 1)]
        table = [speed * share / k * draw.uniform(0.95, 1.05) for k, share in enumerate(left, 1)]
        kinds.append(NodeType(f"type-{t}", table))
    types = [draw.choices(range(3), (1, 2, 3))[0] for _ in range(nodes)]
    group = [j * groups // nodes for j in range(nodes)]
    links = np.array(
        [
            [1e9 if group[i] == group[j] else draw.uniform(5e6, 15e6) for j in range(nodes)]
            for i in range(nodes)
        ]
    )
    return ReplicatedThroughput(
        Cluster([f"node-{j}" for j in range(nodes)], 0, links),
        kinds,
        types,
        layers,
        activation_bytes=16384.0,
        token_bytes=2.0,
        source_bandwidth_bytes_per_s=1e7,
        sink_bandwidth_bytes_per_s=1e7,
        name=name or f"clusters-{nodes}-{layers}-{groups}-{seed}",
        description=f"{nodes} nodes of three types in {groups} groups, {layers} layers, seed {seed}",
    )
