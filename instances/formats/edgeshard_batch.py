"""The instance file of batch-aware throughput."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from placewise.instances.formats.common import (
    Amount,
    Bytes,
    Head,
    Name,
    Part,
    build_cluster,
    cluster_document,
    require_shape,
)
from placewise.instances.formats.edgeshard import (
    LayerSpec,
    RequestSpec,
    build_layer,
    layers_document,
    passes_document,
    repeated,
    with_input,
)
from placewise.instances.formats.rules import RulesSpec, build_rules, rules_document
from placewise.models.cluster import require_tables
from placewise.models.edgeshard.batches import MOST_IN_FLIGHT, EdgeShardBatch
from placewise.models.edgeshard.times import Stated
from placewise.models.errors import InstanceError


class BatchLayerSpec(LayerSpec):
    """One layer, or ``repeat`` equal ones: memory of the weights, cache and output per sequence."""

    cache_bytes: Bytes = 0.0


class BatchModelSpec(Part):
    """The layers in order."""

    layers: Annotated[list[BatchLayerSpec], Field(min_length=1, max_length=4096)]


InFlight = Annotated[int, Field(ge=1, le=MOST_IN_FLIGHT)]


class EdgeShardBatchSpec(Head, RulesSpec):
    """A file of ``edgeshard-batch``."""

    problem: Literal["edgeshard-batch"]
    model: BatchModelSpec
    batch_sizes: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=1, max_length=64)]
    compute_time_s: list[list[list[Amount]]] | None = None
    source_device: Name | None
    #: Sent per sequence by a source that computes nothing to wherever the first layer is.
    input_bytes: Amount | None = None
    return_bytes: Amount = 0.0
    in_flight: InFlight | list[InFlight] | None = None
    time_per_token_limit_s: Amount | None = None
    request: RequestSpec | None = None
    latency_occupies: bool = False


def build(spec: EdgeShardBatchSpec) -> EdgeShardBatch:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    cluster = build_cluster(spec.cluster)
    layers = tuple(build_layer(s, s.cache_bytes) for s in repeated(spec.model.layers))
    require_tables("batch_sizes", len(spec.batch_sizes), len(layers), cluster.size)
    times = spec.compute_time_s
    if times is not None and len(times) != len(spec.batch_sizes):
        raise InstanceError(
            "compute_time_s",
            f"expected a matrix for each of {len(spec.batch_sizes)} batch sizes, found {len(times)}",
        )
    for n, table in enumerate(times or []):
        require_shape(table, (len(layers), cluster.size), f"compute_time_s[{n}]")
    if times is not None:
        times = [with_input(spec.input_bytes, (), table, cluster.size)[1] or [] for table in times]
    layers = with_input(spec.input_bytes, layers, None, cluster.size)[0]
    return EdgeShardBatch(
        cluster,
        layers,
        spec.batch_sizes,
        source=spec.source_device,
        compute_time_s=times,
        return_bytes=spec.return_bytes,
        rules=build_rules(spec),
        in_flight=spec.in_flight,
        time_per_token_limit_s=spec.time_per_token_limit_s,
        request=None if spec.request is None else spec.request.build(),
        latency_occupies=spec.latency_occupies,
        name=spec.name,
        description=spec.description,
        reference=spec.reference,
    )


def document(instance: EdgeShardBatch) -> dict[str, Any]:
    """Return an instance as its file."""
    cluster = instance.cluster
    content: dict[str, Any] = {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": cluster_document(cluster),
        "model": {"layers": layers_document(instance.layers)},
        "batch_sizes": list(instance.batch_sizes),
        "source_device": None if instance.source is None else cluster.device_names[instance.source],
        "return_bytes": instance.return_bytes,
    }
    content |= rules_document(instance.rules, cluster.device_names)
    if isinstance(instance.times, Stated):
        content["compute_time_s"] = instance.times.time_s.tolist()
    if instance.in_flight is not None:
        numbers = instance.in_flight
        content["in_flight"] = numbers if isinstance(numbers, int) else list(numbers)
    if instance.time_per_token_limit_s is not None:
        content["time_per_token_limit_s"] = instance.time_per_token_limit_s
    return content | passes_document(instance.request, latency_occupies=instance.latency_occupies)
