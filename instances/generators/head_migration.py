"""Head-level placement: the paper's small and medium networks, families that exercise its constraints, and tiny ones."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from placewise.instances.generators.common import MBPS, pick_kind, symmetric, unlike
from placewise.models.cluster import Cluster
from placewise.models.head_migration.blocks import HeadTransformer, block_demands
from placewise.models.head_migration.data import HeadMigration, Interval

GBPS = 1e3 * MBPS


def network(
    *,
    devices: int = 5,
    heads: int = 8,
    embedding_dim: int = 512,
    intervals: int = 20,
    low_gbps: float = 1.0,
    high_gbps: float = 10.0,
    memory_factor: float = 0.0,
    burst_share: float = 0.0,
    background: float = 0.0,
    ffn_flops_factor: float = 8.0,
    kv: str = "table",
    execution: str = "full",
    kv_heads: int = 0,
    seed: int,
    name: str | None = None,
) -> HeadMigration:
    """Return a random edge network over time.

    The paper's small network is the default; its medium one is ``devices=25 heads=32 embedding_dim=2048``. Families
    that exercise the constraints: ``low_gbps=0.1 high_gbps=0.5`` (slow), ``burst_share=0.2`` (bursts),
    ``memory_factor=1.35`` (tight memory), ``execution=cached``.

    Parameters
    ----------
    devices, heads, embedding_dim, intervals : int
        Sizes.
    low_gbps, high_gbps : float
        Links, uniform, symmetric, constant in time.
    memory_factor : float
        Memory of all devices over what the blocks need in the last interval; 0 = lognormal, 2 to 8 GB.
    burst_share : float
        Share of intervals in which a device has lost 60 % of its speed; such losses last five intervals.
    background : float
        Up to this share of a device's speed is lost to other work, anew in each interval.
    ffn_flops_factor, kv, execution, kv_heads
        Of the transformer; 0 ``kv_heads`` = each head has its own keys and values.
    seed : int
        All choices follow from it; speeds are 5 to 50 GFLOP/s.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    transformer = HeadTransformer(
        heads,
        embedding_dim,
        ffn_flops_factor=ffn_flops_factor,
        kv=kv,
        execution=execution,
        kv_heads=kv_heads or None,
    )
    if memory_factor:
        head, proj, ffn = block_demands(transformer, transformer.prompt_tokens + intervals)
        need = transformer.units * head.memory_bytes + proj.memory_bytes + ffn.memory_bytes
        share = [draw.uniform(0.5, 1.5) for _ in range(devices)]
        memory = [round(memory_factor * need * part / sum(share)) for part in share]
        memory[memory.index(max(memory))] = max(*memory, ffn.memory_bytes)
    else:
        memory = [round(min(max(draw.lognormvariate(1.4, 0.4), 2.0), 8.0) * 1e9) for _ in range(devices)]
    speed = np.array([5e9 * 10 ** draw.random() for _ in range(devices)])
    links = np.array(
        [[draw.uniform(low_gbps, high_gbps) * GBPS for _ in range(devices)] for _ in range(devices)]
    )
    links = symmetric(links)
    over_time = np.tile(speed, (intervals, 1))
    for j in range(devices):
        t = 0
        while t < intervals:
            if burst_share and draw.random() < burst_share / 5:
                over_time[t : t + 5, j] *= 0.4
                t += 5
            else:
                t += 1
    if background:
        over_time *= np.array(
            [[1 - draw.uniform(0, background) for _ in range(devices)] for _ in range(intervals)]
        )
    return HeadMigration(
        name=name or f"heads-{devices}-devices-{heads}-heads-{intervals}-intervals-seed-{seed}",
        cluster=Cluster(
            device_names=tuple(f"edge-{j}" for j in range(devices)),
            memory_bytes=np.array(memory),
            bandwidth_bytes_per_s=links,
            latency_s=np.zeros((devices, devices)),
            flops_per_s=speed,
        ),
        transformer=transformer,
        intervals=intervals,
        flops_per_s=unlike(speed, over_time),
        description=(
            f"{devices} devices of 5 to 50 GFLOP/s, links of {low_gbps:g} to {high_gbps:g} Gbps, {heads} heads of "
            f"D = {embedding_dim}, {intervals} intervals, seed {seed}"
        ),
        reference="LLM Partitioning for Low-Latency Inference at the Edge, Section V",
    )


def tiny(*, kind: str = "mixed", seed: int, name: str | None = None) -> HeadMigration:
    """Return a random instance that brute force solves: 2 or 3 devices, 1 to 3 heads, 1 to 3 intervals.

    Parameters
    ----------
    kind : str
        ``tight``: little memory; ``one-byte``: a random trajectory fills its devices, or misses by a byte;
        ``sparse``: a third of the links are missing; ``equal``: equal devices; ``loose``: memory does not bind;
        ``mixed``: one of these by seed.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311
    kind = pick_kind(draw, kind)
    devices, heads, count = draw.choice([(2, 3, 2), (2, 2, 2), (3, 1, 2), (3, 3, 1), (2, 1, 3), (3, 2, 1)])
    transformer = HeadTransformer(
        heads,
        heads * draw.choice([1, 2]),
        bytes_per_parameter=draw.choice([1, 2]),
        prompt_tokens=draw.choice([1, 4]),
        ffn_flops_factor=draw.choice([0.5, 2.0, 8.0]),
        kv=draw.choice(["table", "per-head"]),
        execution=draw.choice(["full", "cached"]),
        parameters_in_memory=draw.random() < 0.3,
    )
    tokens = draw.choice([1, 1, 2])

    def interval() -> Interval:
        places = [draw.randrange(devices) for _ in range(heads + 2)]
        return Interval(tuple(places[:-2]), *places[-2:])

    speeds = [[float(draw.choice([4, 8, 16, 32])) for _ in range(devices)] for _ in range(count)]
    links = [
        [
            [0.0 if k == j else float(draw.choice([1, 2, 8, 32])) for j in range(devices)]
            for k in range(devices)
        ]
        for _ in range(count)
    ]
    if kind == "equal":
        speeds, links = [[8.0] * devices] * count, [[[4.0] * devices] * devices] * count
    if kind == "sparse":
        links = [[[rate * (draw.random() > 1 / 3) for rate in row] for row in table] for table in links]
    instance: dict[str, Any] = {
        "transformer": transformer,
        "controller": draw.randrange(devices),
        "tokens_per_interval": tokens,
        "initial": interval() if draw.random() < 0.7 else None,
        "policy": draw.choice(["lookahead", "myopic"]),
        "input_from_controller": draw.random() < 0.3,
        "overlap": draw.random() < 0.3,
    }
    memory = []
    for t in range(count):
        head, proj, ffn = (
            block.memory_bytes
            for block in block_demands(transformer, transformer.prompt_tokens + tokens * (t + 1))
        )
        now, total = interval(), heads * head + proj + ffn
        used = [
            head * now.heads.count(j) + proj * (now.proj == j) + ffn * (now.ffn == j) for j in range(devices)
        ]
        if kind == "one-byte":
            short = draw.randrange(devices) if draw.random() < 0.2 else None
            memory.append([max(space - (j == short), 0) for j, space in enumerate(used)])
        elif kind == "tight":
            memory.append([max(round(total / devices * draw.uniform(0.7, 2.2)), ffn) for _ in range(devices)])
        else:
            memory.append([total] * devices)
    return HeadMigration(
        name=name or f"tiny-{kind}-{seed}",
        cluster=Cluster(
            device_names=tuple(f"edge-{j}" for j in range(devices)),
            memory_bytes=np.array(memory[0]),
            bandwidth_bytes_per_s=np.array(links[0]),
            latency_s=np.full((devices, devices), draw.choice([0.0, 0.0, 1 / 16])),
        ),
        intervals=count,
        memory_bytes=unlike(np.array(memory[0]), np.array(memory)),
        flops_per_s=np.array(speeds),
        bandwidth_bytes_per_s=unlike(np.array(links[0]), np.array(links)),
        description=f"random, {kind}, seed {seed}",
        **instance,
    )
