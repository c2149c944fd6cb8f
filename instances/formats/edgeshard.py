"""The instance file of the EdgeShard problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
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
from placewise.models.edgeshard.cost import roofline_time_s
from placewise.models.edgeshard.data import MAX_LAYERS, EdgeShardInstance
from placewise.models.errors import InstanceError
from placewise.models.workload import Layer

if TYPE_CHECKING:
    from placewise.models.cluster import Cluster


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


class EdgeShardSpec(Head):
    """A file of ``edgeshard-latency`` or ``edgeshard-throughput``."""

    problem: Literal["edgeshard-latency", "edgeshard-throughput"]
    model: ModelSpec
    compute_time_s: list[list[Amount]] | None = None
    source_device: Name
    return_bytes: Amount = 0.0


#: What `placewise.instances.schema` checks a document against.
SPEC = EdgeShardSpec


def build(spec: EdgeShardSpec) -> EdgeShardInstance:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    cluster = build_cluster(spec.cluster)
    layers = tuple(
        Layer(s.name, int(s.memory_bytes), s.output_bytes, s.flops, s.weight_bytes)
        for s in repeated(spec.model.layers)
    )
    return EdgeShardInstance(
        name=spec.name,
        problem=spec.problem,
        cluster=cluster,
        layers=layers,
        compute_time_s=compute_time(spec.compute_time_s, layers, cluster),
        source=source_index(spec.source_device, cluster),
        return_bytes=spec.return_bytes,
        description=spec.description,
        reference=spec.reference,
    )


def repeated(specs: list[LayerSpecT]) -> list[LayerSpecT]:
    """Return the layers in order, each as often as it says."""
    return [spec for spec, _ in expand(specs, "repeat", MAX_LAYERS, "model.layers")]


def source_index(name: str, cluster: Cluster) -> int:
    """Return the index of the source device."""
    if name not in cluster.device_names:
        raise InstanceError("source_device", f"expected a device of the cluster, found {name!r}")
    return cluster.device_names.index(name)


def compute_time(
    spec: list[list[float]] | None,
    layers: tuple[Layer, ...],
    cluster: Cluster,
    tokens: int = 1,
    path: str = "compute_time_s",
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the stated times, or those from peak rates, shape (N, M)."""
    if spec is not None:
        require_shape(spec, (len(layers), cluster.size), path)
        return np.array(spec, dtype=np.float64)
    time_s = roofline_time_s(layers, cluster, tokens)
    unknown = np.argwhere(np.isnan(time_s))
    if unknown.size:
        i, j = unknown[0]
        raise InstanceError(
            path,
            f"expected {len(layers)} x {cluster.size} seconds, or flops and weight_bytes of layer {layers[i].name!r} "
            f"with flops_per_s and memory_bytes_per_s of device {cluster.device_names[j]!r}",
        )
    return time_s


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
    if not np.array_equal(roofline_time_s(instance.layers, cluster), instance.compute_time_s):
        content["compute_time_s"] = instance.compute_time_s.tolist()
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
