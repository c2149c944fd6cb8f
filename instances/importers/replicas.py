"""A published model on a cluster as an instance of replicated throughput: tokens per second by roofline and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.importers.values import TOKEN_BYTES
from placewise.instances.importers.with_cluster import require_rates
from placewise.models.edgeshard.times import Roofline, table_s
from placewise.models.errors import InstanceError
from placewise.models.replicated.data import NodeType, ReplicatedThroughput
from placewise.models.resources import FREE_BYTES_PER_S

if TYPE_CHECKING:
    from placewise.instances.importers.transformer_config import PublishedModel
    from placewise.models.cluster import Cluster

#: Sequences decoded together at most.
LARGEST_BATCH = 256


def replicated(model: PublishedModel, cluster: Cluster, length: int) -> ReplicatedThroughput:
    """Return an instance of the decoder layers; embedding and output head are left to the first device, the client.

    With k layers a node decodes as many sequences together as its memory has caches for, `LARGEST_BATCH` at most, and
    each layer takes the longer of computing and of reading weights and caches.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is source and sink, and may hold layers.
    length : int
        Tokens of KV cache per layer and sequence.

    Raises
    ------
    InstanceError
        Where a device's rates are not stated, or the decoder layers differ.
    """
    require_rates(cluster, memory=True)
    decoders = model.layers(length, separate_cache=True)[1:-1]
    if len(set(decoders)) > 1:
        raise InstanceError("", "expected equal decoder layers: a node's tokens per second count them only")
    layer, memory = decoders[0], cluster.memory_bytes
    batches: list[list[int]] = []
    for j in range(cluster.size):
        own = []
        for k in range(1, len(decoders) + 1):
            left = int(memory[j]) // k - layer.memory_bytes
            batch = (
                LARGEST_BATCH if layer.cache_bytes == 0 and left >= 0 else left // max(layer.cache_bytes, 1)
            )
            if batch < 1:
                break
            own.append(min(batch, LARGEST_BATCH))
        batches.append(own)
    sizes = tuple(sorted({batch for own in batches for batch in own})) or (1,)
    times_s = table_s(Roofline(), (layer,), cluster, sizes)
    tables = [
        tuple(batch / (k * float(times_s[sizes.index(batch), 0, j])) for k, batch in enumerate(own, 1))
        for j, own in enumerate(batches)
    ]
    names: dict[tuple[float, ...], str] = {}
    for j, table in enumerate(tables):
        names.setdefault(table, cluster.device_names[j])
    ends = [cluster.bandwidth_bytes_per_s[0].copy(), cluster.bandwidth_bytes_per_s[:, 0].copy()]
    for end in ends:
        end[0] = FREE_BYTES_PER_S
    return ReplicatedThroughput(
        cluster,
        [NodeType(name, table) for table, name in names.items()],
        [names[table] for table in tables],
        len(decoders),
        activation_bytes=float(layer.output_bytes),
        token_bytes=float(TOKEN_BYTES),
        source_bandwidth_bytes_per_s=np.array(ends[0]),
        sink_bandwidth_bytes_per_s=np.array(ends[1]),
        name=f"{model.name}-{cluster.size}-devices-replicated-throughput",
        description=f"the {len(decoders)} decoder layers of {model.description(length)}; a planning objective from peak "
        "rates, not measured tokens/s",
    )
