"""Decoders of several layers, made from the networks and tiny instances of one layer."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np

from placewise.instances.generators import head_migration
from placewise.instances.generators.common import unlike
from placewise.models.head_migration.data import Interval
from placewise.models.head_migration.decoder import HeadMigrationDecoder
from placewise.models.head_migration.over_time import DevicesOverTime


def network(
    *,
    layers: int = 2,
    devices: int = 5,
    heads: int = 8,
    embedding_dim: int = 512,
    intervals: int = 5,
    low_gbps: float = 1.0,
    high_gbps: float = 10.0,
    memory_factor: float = 0.0,
    seed: int,
    name: str | None = None,
) -> HeadMigrationDecoder:
    """Return a random edge network over time with a decoder of several layers.

    Parameters
    ----------
    layers : int
        Of the decoder; memory is ``layers`` times that of the network of one layer.
    devices, heads, embedding_dim, intervals, low_gbps, high_gbps, memory_factor, seed
        As in `head_migration.network`.
    name : str, optional
        Name of the instance.
    """
    one = head_migration.network(
        devices=devices,
        heads=heads,
        embedding_dim=embedding_dim,
        intervals=intervals,
        low_gbps=low_gbps,
        high_gbps=high_gbps,
        memory_factor=memory_factor,
        seed=seed,
    )
    memory = one.cluster.memory_bytes * (layers if memory_factor else 1)
    named = name or f"{one.name}-{layers}-layers"
    return HeadMigrationDecoder(
        name=named,
        layer=replace(
            one,
            name=named,
            cluster=replace(one.cluster, memory_bytes=memory),
            description=f"{one.description}; {layers} layers",
        ),
        layers=layers,
    )


def tiny(*, kind: str = "mixed", seed: int, name: str | None = None) -> HeadMigrationDecoder:
    """Return a random instance that brute force solves: 2 devices, 1 or 2 heads, 1 to 3 layers, 1 or 2 intervals.

    In every third a head is a group of two that share keys and values.

    Parameters
    ----------
    kind : str
        As in `head_migration.tiny`.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(f"decoder-{seed}")  # noqa: S311 - not for secrets
    one = head_migration.tiny(kind=kind, seed=seed)
    heads, layers, count = draw.choice(
        [(1, 2, 1), (1, 2, 1), (2, 2, 1), (1, 3, 1), (2, 1, 2), (2, 1, 2), (1, 2, 2)]
    )
    group = draw.choice([1, 1, 2])
    transformer = replace(
        one.transformer,
        heads=heads * group,
        embedding_dim=heads * group * draw.choice([1, 2]),
        kv_heads=None if group == 1 else heads,
    )
    devices = np.arange(2)

    def over_time(values: Any) -> Any:
        return values[np.arange(count) % len(values)]

    def interval() -> Interval:
        places = [draw.randrange(2) for _ in range(heads + 2)]
        return Interval(tuple(places[:-2]), *places[-2:])

    memory = over_time(one.memory_bytes)[:, devices] * layers
    links = over_time(one.bandwidth_bytes_per_s)[:, :2, :2]
    named = name or f"{one.name}-decoder"
    cluster = replace(
        one.cluster,
        device_names=one.cluster.device_names[:2],
        memory_bytes=memory[0],
        bandwidth_bytes_per_s=links[0],
        latency_s=one.cluster.latency_s[:2, :2],
    )
    return HeadMigrationDecoder(
        name=named,
        layer=replace(
            one,
            name=named,
            cluster=cluster,
            transformer=transformer,
            over_time=DevicesOverTime(
                count,
                unlike(cluster.memory_bytes, memory),
                over_time(one.flops_per_s)[:, devices],
                unlike(cluster.bandwidth_bytes_per_s, links),
            ),
            controller=one.controller % 2,
            initial=None,
            description=f"{one.description}, {layers} layers",
        ),
        layers=layers,
        initial=tuple(interval() for _ in range(layers)) if one.initial is not None else None,
    )
