"""Tiny EdgeShard instances: few types of devices, some alike in all but a link; links of any speed at the source."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from placewise.instances.generators.edgeshard import LATENCY, tiny
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.data import EdgeShardInstance, chain_type
from placewise.models.edgeshard.times import Stated
from placewise.models.workload import Layer


def alike(*, problem: str = LATENCY, seed: int, name: str | None = None) -> EdgeShardInstance:
    """Return a random instance that brute force solves: a source, 1 to 3 types, 1 to 5 devices of them, 1 to 6 layers.

    Parameters
    ----------
    seed : int
        All choices follow from it: memories, times, links by types, in some instances with missing ones, and in one of
        five a link that makes two devices of a type differ.
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``; the data are the same.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    types = draw.randint(1, 3)
    devices = [*range(types), *(draw.randrange(types) for _ in range(draw.randint(0, 5 - types)))]
    devices = [draw.choice((*devices, types)) if draw.random() < 0.1 else kind for kind in devices]
    kinds = [-1, *devices]
    draw.shuffle(kinds)
    size, count = len(kinds), draw.randint(1, 6 if len(kinds) < 5 else 5)
    unit = draw.choice([1, 1, 1000])
    need = [draw.randint(1, 9) * unit + draw.randint(0, unit - 1) for _ in range(count)]
    every = range(-1, types + 1)
    memory = {kind: round(sum(need) * draw.uniform(0.1, 0.9)) for kind in every}
    memory[-1] = max(memory[-1], need[0])
    time_s = {kind: [draw.randint(0, 20) / 16 for _ in need] for kind in every}
    sparse = draw.random() < 0.4

    def rate() -> float:
        return 0.0 if sparse and draw.random() < 0.3 else 16 / draw.randint(1, 12)

    rates = {(a, b): rate() for a in every for b in every}
    delays = {pair: draw.choice([0.0, 0.0, 1 / 16]) for pair in rates}
    bandwidth = np.array([[rates[a, b] for b in kinds] for a in kinds])
    if size > 2 and draw.random() < 0.2:
        sender, receiver = draw.sample(range(size), 2)
        bandwidth[sender, receiver] = rate()
    return chain_type(problem)(
        Cluster(
            tuple(f"device-{j}" for j in range(size)),
            np.array([memory[kind] for kind in kinds]),
            bandwidth,
            np.array([[delays[a, b] for b in kinds] for a in kinds]),
        ),
        [Layer(f"layer-{i}", size, float(draw.choice([1, 2, 4]))) for i, size in enumerate(need)],
        source=kinds.index(-1),
        compute_time_s=np.array([[time_s[kind][i] for kind in kinds] for i in range(count)]),
        return_bytes=draw.choice([0.0, 1.0]),
        name=name or f"alike-{seed}",
        description=f"random, few types of devices, seed {seed}",
    )


def slow_source(*, problem: str = LATENCY, seed: int, name: str | None = None) -> EdgeShardInstance:
    """Return a random instance of equal layers in which no device is a shortcut but to or from the source.

    Then a best placement may end on the source, on a device that it has left, or pass a relay on its way back.

    Parameters
    ----------
    seed : int
        All choices follow from it: links at the source take 1 to 40 sixteenths of a second, or are missing; others 6 to
        12; in a third of the instances some devices are equal in time and memory.
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``; the data are the same.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    base = tiny(kind="equal", problem=problem, seed=seed)
    size, source = base.cluster.size, base.source_index
    bandwidth = np.array(
        [
            [16 / draw.randint(*((1, 40) if source in (k, j) else (6, 12))) for j in range(size)]
            for k in range(size)
        ]
    )
    if draw.random() < 0.3:
        bandwidth[source, [draw.random() < 0.3 for _ in range(size)]] = 0.0
        bandwidth[[draw.random() < 0.3 for _ in range(size)], source] = 0.0
    memory = (base.cluster.memory_bytes * draw.choice([1.0, 1.0, 1.5])).astype(np.int64)
    if draw.random() < 0.5:
        memory = np.maximum(memory, int(base.memory_bytes.sum() * 1.3) // size)
    time_s = base.compute_time_s.copy()
    if draw.random() < 0.3:
        equal, model = [draw.random() < 0.6 for _ in range(size)], draw.randrange(size)
        time_s[:, equal], memory[equal] = time_s[:, [model]], memory[model]
    cluster = Cluster(base.cluster.device_names, memory, bandwidth, base.cluster.latency_s)
    return replace(
        base,
        cluster=cluster,
        times=Stated(time_s),
        return_bytes=draw.choice([0.0, 0.0, 1.0, 4.0]),
        name=name or f"slow-source-{seed}",
        description=f"random, equal layers, links of any speed at the source, seed {seed}",
    )
