"""EdgeShard instances: the paper's testbed at any size, and tiny ones that exercise every constraint."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.catalogue import device_type, transformer
from placewise.instances.generators.common import MBPS, pick_kind, symmetric
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.data import EdgeShardInstance, chain_type
from placewise.models.errors import PlacewiseError
from placewise.models.workload import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENCY = "edgeshard-latency"
#: The testbed of Section V-A: 12 AGX Orin, 2 Orin NX, 1 RTX 3090; the first device is the source.
TESTBED = (("agx", "jetson-agx-orin-32gb", 12), ("nx", "jetson-orin-nx-16gb", 2), ("rtx3090", "rtx-3090", 1))
#: A generated token: one identifier.
TOKEN_BYTES = 4


def paper_testbed(
    *,
    model: str = "llama2-7b",
    cloud_mbps: float = 1.0,
    devices: int = 15,
    spread: float = 0.0,
    problem: str = LATENCY,
    seed: int = 1,
    sequence_length: int = 128,
    name: str | None = None,
) -> EdgeShardInstance:
    """Return the paper's testbed (Section V-A, Table III) with a model of the catalogue in full precision.

    Parameters
    ----------
    model : str
        ``llama2-7b``, ``llama2-13b``, ``llama2-70b``, ...
    cloud_mbps : float
        Bandwidth between the source and each cloud server, megabits per second; the paper varies it from 1 to 50.
    devices : int
        15 in the paper; other sizes keep its proportions of AGX, NX and cloud.
    spread : float
        Each layer's size and work vary by up to this share, so that no two are equal; 0 as in the paper.
    seed : int
        Of the other links: 50 Mbps, uniformly within 20 %, the same in both directions.
    sequence_length : int
        Tokens of KV cache that every decoder layer reserves: 32 of input and 96 generated.
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``; the data are the same.
    name : str, optional
        Name of the instance.

    Raises
    ------
    PlacewiseError
        With fewer than 3 devices, or for an unknown model.
    """
    if devices < 3:
        raise PlacewiseError(f"devices: expected at least 3, found {devices}")
    whole = sum(share for _, _, share in TESTBED)
    counts = [devices * share // whole for _, _, share in TESTBED[:2]]
    counts = [max(counts[0], 1), *counts[1:]]
    counts.append(devices - sum(counts))
    kinds = [(prefix, device_type(key)) for prefix, key, _ in TESTBED]
    units = [
        (prefix if count == 1 and prefix == TESTBED[-1][0] else f"{prefix}-{n}", kind)
        for (prefix, kind), count in zip(kinds, counts, strict=True)
        for n in range(count)
    ]
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    bandwidth = np.zeros((len(units), len(units)))
    for k in range(len(units)):
        for j in range(k + 1, len(units)):
            rate = 50 * draw.uniform(0.8, 1.2)
            if k == 0 and units[j][1].name == TESTBED[-1][1]:
                rate = cloud_mbps
            bandwidth[k, j] = bandwidth[j, k] = rate * MBPS
    cluster = Cluster(
        device_names=tuple(unit for unit, _ in units),
        memory_bytes=np.array([kind.memory_bytes for _, kind in units]),
        bandwidth_bytes_per_s=bandwidth,
        latency_s=np.zeros_like(bandwidth),
        flops_per_s=np.array([kind.flops_per_s for _, kind in units]),
        memory_bytes_per_s=np.array([kind.memory_bytes_per_s for _, kind in units]),
    )
    layers = tuple(
        _varied(layer, draw, spread) for layer in transformer(model).layers(sequence_length=sequence_length)
    )
    return chain_type(problem)(
        name=name
        or f"{model}-{devices}-devices-{cloud_mbps:g}mbps-{f'spread-{spread:g}-' if spread else ''}seed-{seed}",
        cluster=cluster,
        layers=layers,
        source=0,
        return_bytes=TOKEN_BYTES,
        description=(
            f"{model} in full precision, {sequence_length} tokens of KV cache, {devices} devices; source to cloud "
            f"{cloud_mbps:g} Mbps, others 50 Mbps within 20 %, seed {seed}; roofline times"
            + (f"; layers vary by {spread:.0%}" if spread else "")
        ),
        reference="EdgeShard, Section V-A, Table III",
    )


def _varied(layer: Layer, draw: random.Random, spread: float) -> Layer:
    if not spread:
        return layer
    factor = draw.uniform(1 - spread, 1 + spread)
    return replace(
        layer,
        memory_bytes=round(layer.memory_bytes * factor),
        flops=(layer.flops or 0.0) * factor,
        weight_bytes=(layer.weight_bytes or 0.0) * factor,
    )


def tight(
    *,
    devices: int = 6,
    layers: int = 12,
    memory_factor: float = 1.2,
    problem: str = LATENCY,
    seed: int,
    name: str | None = None,
) -> EdgeShardInstance:
    """Return a random instance of unequal layers whose memory is little more than they need.

    Parameters
    ----------
    devices, layers : int
        Counts.
    memory_factor : float
        Memory of all devices over that of all layers; the source always holds layer 0.
    seed : int
        Of layer sizes (0.5 to 1.5 GB), device speeds (10 to 200 GB/s), memory shares and links (10 to 100 Mbps).
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``; the data are the same.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311
    need = [draw.randint(500_000_000, 1_500_000_000) for _ in range(layers)]
    speed = [10e9 * 20 ** draw.random() for _ in range(devices)]
    share = [draw.uniform(0.5, 1.5) for _ in range(devices)]
    memory = [round(memory_factor * sum(need) * part / sum(share)) for part in share]
    memory[0] = max(memory[0], need[0])
    bandwidth = np.array([[10 ** draw.uniform(1, 2) * MBPS for _ in range(devices)] for _ in range(devices)])
    return chain_type(problem)(
        name=name or f"tight-{devices}-devices-{layers}-layers-seed-{seed}",
        cluster=Cluster(
            device_names=tuple(f"device-{j}" for j in range(devices)),
            memory_bytes=np.array(memory),
            bandwidth_bytes_per_s=symmetric(bandwidth),
            latency_s=np.zeros((devices, devices)),
        ),
        layers=tuple(Layer(f"layer-{i}", size, 16384.0) for i, size in enumerate(need)),
        compute_time_s=np.array([[size / rate for rate in speed] for size in need]),
        source=0,
        return_bytes=TOKEN_BYTES,
        description=f"random unequal layers, memory {memory_factor:g} x need, seed {seed}",
    )


def tiny(
    *, kind: str = "mixed", problem: str = LATENCY, seed: int, name: str | None = None
) -> EdgeShardInstance:
    """Return a random instance that brute force solves: 2 to 5 devices, 2 to 6 layers.

    Parameters
    ----------
    seed : int
        All choices follow from it.
    kind : str
        ``tight``: memory for little more than the layers; ``one-byte``: a placement drawn at random fills its
        devices to the byte, or misses by one; ``sparse``: a third of the links are missing; ``equal``: equal
        layers between the first and the last; ``loose``: memory does not bind; ``mixed``: one of these by seed.
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``; the data are the same.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311
    kind = pick_kind(draw, kind)
    size, count = draw.randint(2, 5), draw.randint(2, 6)
    # Memory in units of all magnitudes, so that one byte is sometimes 1 of 10 and sometimes 1 of 1e10.
    unit = draw.choice([1, 1, 1000, 809_533_440])
    need = [draw.randint(1, 9) * unit + draw.choice([0, 0, draw.randint(0, unit - 1)]) for _ in range(count)]
    output = [float(draw.choice([1, 2, 4])) for _ in range(count)]
    compute = [[draw.randint(0, 20) / 16 for _ in range(size)] for _ in range(count)]
    if kind == "equal":
        for i in range(2, count - 1):
            need[i], output[i], compute[i] = need[1], output[1], compute[1]
        output[0] = output[min(1, count - 1)]
    # Message times n / 16 seconds for small n: many ties, and shortcuts through a third device.
    bandwidth = [[0.0 if k == j else 16 / draw.randint(1, 12) for j in range(size)] for k in range(size)]
    if kind == "sparse":
        bandwidth = [[rate * (draw.random() > 1 / 3) for rate in row] for row in bandwidth]
    source = draw.randrange(size)
    placement = [source] + [draw.randrange(size) for _ in range(count - 1)]
    return chain_type(problem)(
        name=name or f"tiny-{kind}-{seed}",
        cluster=Cluster(
            device_names=tuple(f"device-{j}" for j in range(size)),
            memory_bytes=np.array(_budgets(draw, kind, need, placement, size)),
            bandwidth_bytes_per_s=np.array(bandwidth),
            latency_s=np.full((size, size), draw.choice([0.0, 0.0, 1 / 16])),
        ),
        layers=tuple(Layer(f"layer-{i}", need[i], output[i]) for i in range(count)),
        compute_time_s=np.array(compute),
        source=source,
        return_bytes=draw.choice([0.0, 1.0]),
        description=f"random, {kind}, seed {seed}",
    )


def _budgets(
    draw: random.Random, kind: str, need: Sequence[int], placement: Sequence[int], size: int
) -> list[int]:
    if kind == "loose":
        return [sum(need)] * size
    used = [sum(n for n, j in zip(need, placement, strict=True) if j == device) for device in range(size)]
    if kind == "one-byte":
        short = draw.randrange(size) if draw.random() < 0.5 else None
        return [max(space - (device == short), 0) for device, space in enumerate(used)]
    average = sum(need) / size
    budgets = [round(average * draw.uniform(0.5, 2.0)) for _ in range(size)]
    budgets[placement[0]] = max(budgets[placement[0]], need[0])
    return budgets
