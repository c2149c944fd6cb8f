"""The instance file of the EdgeShard problems."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from placewise.instances.formats.common import (
    Amount,
    Bytes,
    Count,
    Head,
    Name,
    Part,
    build_cluster,
    cluster_document,
    expand,
    known,
    require_shape,
)
from placewise.models.edgeshard.data import MAX_LAYERS, EdgeShardInstance, chain_type
from placewise.models.edgeshard.request import MOST_TOKENS, Request
from placewise.models.edgeshard.times import Stated
from placewise.models.workload import Layer


class LayerSpec(Part):
    """One layer, or ``repeat`` equal ones in a row."""

    name: Name
    memory_bytes: Bytes
    output_bytes: Amount
    flops: Amount | None = None
    weight_bytes: Amount | None = None
    repeat: Count = 1


LayerSpecT = TypeVar("LayerSpecT", bound=LayerSpec)


class ModelSpec(Part):
    """The layers in order."""

    layers: Annotated[list[LayerSpec], Field(min_length=1, max_length=4096)]


class RequestSpec(Part):
    """Prompt and answer of each sequence, and which of its passes the objective counts."""

    prompt_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    new_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    counts: Literal["decode", "prefill", "request"] = "decode"

    def build(self) -> Request:
        """Return what it states."""
        return Request(self.prompt_tokens, self.new_tokens, self.counts)


class EdgeShardSpec(Head):
    """A file of ``edgeshard-latency`` or ``edgeshard-throughput``."""

    problem: Literal["edgeshard-latency", "edgeshard-throughput"]
    model: ModelSpec
    compute_time_s: list[list[Amount]] | None = None
    source_device: Name
    return_bytes: Amount = 0.0
    request: RequestSpec | None = None
    latency_occupies: bool = False


def build(spec: EdgeShardSpec) -> EdgeShardInstance:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    cluster = build_cluster(spec.cluster)
    layers = tuple(
        Layer(s.name, int(s.memory_bytes), s.output_bytes, s.flops, s.weight_bytes)
        for s in repeated(spec.model.layers)
    )
    if spec.compute_time_s is not None:
        require_shape(spec.compute_time_s, (len(layers), cluster.size), "compute_time_s")
    return chain_type(spec.problem)(
        cluster,
        layers,
        source=cluster.index(spec.source_device, "source_device"),
        compute_time_s=spec.compute_time_s,
        return_bytes=spec.return_bytes,
        request=None if spec.request is None else spec.request.build(),
        latency_occupies=spec.latency_occupies,
        name=spec.name,
        description=spec.description,
        reference=spec.reference,
    )


def repeated(specs: list[LayerSpecT]) -> list[LayerSpecT]:
    """Return the layers in order, each as often as it says."""
    return [spec for spec, _ in expand(specs, "repeat", MAX_LAYERS, "model.layers")]


def document(instance: EdgeShardInstance) -> dict[str, Any]:
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
        "source_device": cluster.device_names[instance.source],
        "return_bytes": instance.return_bytes,
    }
    if isinstance(instance.times, Stated):
        content["compute_time_s"] = instance.times.time_s.tolist()
    return content | passes_document(instance.request, latency_occupies=instance.latency_occupies)


def passes_document(request: Request | None, *, latency_occupies: bool) -> dict[str, Any]:
    """Return what an instance says about requests and links, as its file; nothing where it says nothing."""
    content: dict[str, Any] = {}
    if request is not None:
        content["request"] = asdict(request)
    if latency_occupies:
        content["latency_occupies"] = True
    return content


def layers_document(layers: tuple[Layer, ...]) -> list[dict[str, Any]]:
    """Return layers as their file, equal ones in a row once."""
    specs: list[dict[str, Any]] = []
    for position, layer in enumerate(layers):
        if position and layer == layers[position - 1]:
            specs[-1]["repeat"] = specs[-1].get("repeat", 1) + 1
            continue
        spec = {"name": layer.name, "memory_bytes": layer.memory_bytes, "output_bytes": layer.output_bytes}
        if layer.cache_bytes:
            spec["cache_bytes"] = layer.cache_bytes
        specs.append(spec | known(flops=layer.flops, weight_bytes=layer.weight_bytes))
    return specs
