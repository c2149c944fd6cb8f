"""Instances of batch-aware throughput, made from those with a fixed batch size."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.catalogue import transformer
from placewise.instances.generators import edgeshard
from placewise.models.edgeshard.batch_placement import evaluate
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.request import Request
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.workload import Transformer

THROUGHPUT = "edgeshard-throughput"


#: Of micro-batches in flight.
CHOICES: tuple[int | tuple[int, ...], ...] = (1, 2, 3, 4, (2,), (1, 3), (1, 2, 5))


def paper_testbed(
    *,
    model: str = "llama2-7b",
    cloud_mbps: float = 1.0,
    devices: int = 15,
    batch_sizes: str = "1,2,4,8,16,32",
    seed: int = 1,
    sequence_length: int = 128,
    in_flight: int = 0,
    name: str | None = None,
) -> EdgeShardBatch:
    """Return the paper's testbed with the batch size left open.

    Parameters
    ----------
    model, cloud_mbps, devices, seed, sequence_length
        As in `edgeshard.paper_testbed`; the cache of ``sequence_length`` tokens is kept per sequence.
    batch_sizes : str
        To choose from, separated by commas.
    in_flight : int
        Micro-batches in flight at most; 0 = the paper's reading.
    name : str, optional
        Name of the instance.

    Raises
    ------
    PlacewiseError
        On batch sizes that are no whole numbers, and as `edgeshard.paper_testbed`.
    """
    try:
        sizes = tuple(sorted({int(size) for size in batch_sizes.split(",")}))
    except ValueError:
        raise PlacewiseError(
            f"batch_sizes: expected numbers separated by commas, found {batch_sizes!r}"
        ) from None
    base = edgeshard.paper_testbed(
        model=model,
        cloud_mbps=cloud_mbps,
        devices=devices,
        problem=THROUGHPUT,
        seed=seed,
        sequence_length=sequence_length,
    )
    several = f"-in-flight-{in_flight}" if in_flight else ""
    return with_batches(
        base,
        transformer(model),
        sizes,
        sequence_length=sequence_length,
        in_flight=in_flight or None,
        name=name or f"{base.name}-batch{several}",
    )


def with_batches(
    base: EdgeShardInstance,
    model: Transformer,
    batch_sizes: tuple[int, ...],
    *,
    sequence_length: int = 128,
    in_flight: int | None = None,
    name: str,
) -> EdgeShardBatch:
    """Return an instance's cluster and source with the batch size of a model left open, times from peak rates.

    Parameters
    ----------
    base : EdgeShardInstance
        Cluster, source and the bytes of a token.
    model : Transformer
        The layers.
    batch_sizes : tuple of int
        To choose from, ascending.
    sequence_length : int
        Tokens of KV cache per sequence.
    in_flight : int, optional
        Micro-batches in flight at most; the paper's reading without it.
    name : str
        Name of the instance.
    """
    layers = tuple(model.layers(sequence_length=sequence_length, separate_cache=True))
    return EdgeShardBatch(
        name=name,
        cluster=base.cluster,
        layers=layers,
        batch_sizes=batch_sizes,
        source=base.source,
        return_bytes=base.return_bytes,
        in_flight=in_flight,
        description=f"{base.description}; batch sizes {','.join(map(str, batch_sizes))}",
        reference="EdgeShard, Sections V-A and VII",
    )


def tiny(*, kind: str = "mixed", seed: int, name: str | None = None) -> EdgeShardBatch:
    """Return a random instance that brute force solves: 2 to 5 devices, 2 to 6 layers, 1 to 3 batch sizes.

    Parameters
    ----------
    kind : str
        As in `edgeshard.tiny`.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    base = edgeshard.tiny(kind=kind, problem=THROUGHPUT, seed=seed)
    draw = random.Random(f"batch-{seed}")  # noqa: S311 - not for secrets
    sizes = tuple(sorted({draw.choice([1, 1, 1, 2]), *draw.sample([2, 3, 4], draw.randint(0, 2))}))
    # A share of each layer's memory is its cache, so that batches overflow devices one after the other.
    caches = [layer.memory_bytes // draw.choice([2, 3, 6, 10**6]) for layer in base.layers]
    layers = tuple(
        replace(layer, memory_bytes=layer.memory_bytes - cache, cache_bytes=cache)
        for layer, cache in zip(base.layers, caches, strict=True)
    )
    if kind == "equal" or "-equal-" in base.name:
        layers = tuple(
            replace(layers[1], name=layer.name) if 1 < i < len(layers) - 1 else layer
            for i, layer in enumerate(layers)
        )
    steps = [1.0, *(1 + draw.choice([0, 1, 2, 4]) / 4 * (size - 1) for size in range(2, 5))]
    return EdgeShardBatch(
        name=name or f"{base.name}-batch",
        cluster=base.cluster,
        layers=layers,
        batch_sizes=sizes,
        compute_time_s=np.stack([base.compute_time_s * steps[size - 1] for size in sizes]),
        source=base.source,
        return_bytes=base.return_bytes,
        description=f"{base.description}, batch sizes {', '.join(map(str, sizes))}",
    )


def tiny_in_flight(*, kind: str = "mixed", seed: int, name: str | None = None) -> EdgeShardBatch:
    """Return a random instance that brute force solves, as `tiny`, with micro-batches in flight.

    Up to 4 of them, or some of a list; links with latency, some with none; sometimes a limit on the time per token,
    sometimes one that a placement drawn at random just meets; sometimes a prompt that counts.

    Parameters
    ----------
    kind : str
        As in `edgeshard.tiny`.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    base = tiny(kind=kind, seed=seed)
    draw = random.Random(f"in-flight-{seed}")  # noqa: S311 - not for secrets
    size = base.cluster.size
    latency = np.array([[draw.choice([0, 0, 1, 4, 24]) / 16 for _ in range(size)] for _ in range(size)])
    memory = base.cluster.memory_bytes * draw.choice([1, 1, 2, 3])
    instance = replace(
        base,
        cluster=replace(base.cluster, latency_s=latency, memory_bytes=memory),
        in_flight=draw.choice(CHOICES),
        latency_occupies=draw.random() < 0.2,
        request=draw.choice([None, None, None, Request(draw.randint(1, 4), draw.randint(1, 4), "request")]),
        name=name or f"{base.name}-in-flight",
    )
    if draw.random() < 0.5:
        return instance
    layers = (instance.source, *sorted(draw.randrange(size) for _ in instance.layers[1:]))
    number, batch = draw.choice(instance.counts), draw.choice(instance.batch_sizes)
    cost_s = evaluate(replace(instance, time_per_token_limit_s=None), (number, batch, layers)).objective
    limit_s = None if cost_s is None or number is None else cost_s * number * batch
    return replace(instance, time_per_token_limit_s=limit_s)
