"""The instance file of replicated throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from placewise.instances.formats.common import (
    Amount,
    ClusterSpec,
    Count,
    DeviceSpec,
    Head,
    Name,
    Part,
    Positive,
    build_cluster,
    cluster_document,
    expand,
)
from placewise.models.cluster import MAX_DEVICES
from placewise.models.errors import InstanceError
from placewise.models.nearest import expected
from placewise.models.replicated.data import NodeType, ReplicatedThroughput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NodeSpec(Part):
    """One node, or ``count`` equal ones named ``name-0``, ``name-1``, ..."""

    name: Name
    count: Count = 1
    type: Name


class NodesSpec(ClusterSpec):
    """Nodes, bandwidths between them, and those of the links from the source and to the sink: one number, or M."""

    devices: Annotated[list[NodeSpec], Field(min_length=1, max_length=4096)]  # type: ignore[assignment]
    source_bandwidth_bytes_per_s: Amount | list[Amount]
    sink_bandwidth_bytes_per_s: Amount | list[Amount]


class NodeTypeSpec(Part):
    """Tokens per second with 1, 2, ... layers."""

    name: Name
    tokens_per_s: Annotated[list[Positive], Field(max_length=4096)]


class ReplicatedModelSpec(Part):
    """Number of layers, and what is sent per token."""

    layers: Count
    activation_bytes: Amount
    token_bytes: Amount = 0.0


class TypesSpec(Part):
    """What is known of nodes and model without the cluster, for `placewise.instances.importers.helix_replicas`."""

    node_types: Annotated[list[NodeTypeSpec], Field(min_length=1, max_length=4096)]
    model: ReplicatedModelSpec


class ReplicatedSpec(Head):
    """A file of ``replicated-throughput``."""

    problem: Literal["replicated-throughput"]
    cluster: NodesSpec
    node_types: Annotated[list[NodeTypeSpec], Field(min_length=1, max_length=4096)]
    model: ReplicatedModelSpec
    partial_inference: bool = False


def build(spec: ReplicatedSpec) -> ReplicatedThroughput:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    nodes = [node for node, _ in expand(spec.cluster.devices, "count", MAX_DEVICES, "cluster.devices")]
    cluster = ClusterSpec(
        devices=[DeviceSpec(name=s.name, count=s.count, memory_bytes=0.0) for s in spec.cluster.devices],
        bandwidth_bytes_per_s=spec.cluster.bandwidth_bytes_per_s,
        latency_s=spec.cluster.latency_s,
    )
    names = [kind.name for kind in spec.node_types]
    for position, node in enumerate(spec.cluster.devices):
        if node.type not in names:
            path = f"cluster.devices[{position}].type"
            raise InstanceError(path, expected(node.type, names))
    return ReplicatedThroughput(
        build_cluster(cluster),
        [NodeType(kind.name, kind.tokens_per_s) for kind in spec.node_types],
        [node.type for node in nodes],
        spec.model.layers,
        activation_bytes=spec.model.activation_bytes,
        token_bytes=spec.model.token_bytes,
        source_bandwidth_bytes_per_s=spec.cluster.source_bandwidth_bytes_per_s,
        sink_bandwidth_bytes_per_s=spec.cluster.sink_bandwidth_bytes_per_s,
        partial_inference=spec.partial_inference,
        name=spec.name,
        description=spec.description,
        reference=spec.reference,
    )


def document(instance: ReplicatedThroughput) -> dict[str, Any]:
    """Return an instance as its file."""
    cluster = cluster_document(instance.cluster)
    for node, kind in zip(cluster["devices"], instance.types, strict=True):
        del node["memory_bytes"]
        node["type"] = instance.node_types[kind].name
    for key in ("source_bandwidth_bytes_per_s", "sink_bandwidth_bytes_per_s"):
        cluster[key] = _short(getattr(instance, key))
    return {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": cluster,
        "node_types": [
            {"name": kind.name, "tokens_per_s": list(kind.tokens_per_s)} for kind in instance.node_types
        ],
        "model": {
            "layers": instance.layers,
            "activation_bytes": instance.activation_bytes,
            "token_bytes": instance.token_bytes,
        },
        "partial_inference": instance.partial_inference,
    }


def _short(values: NDArray[np.float64]) -> float | list[float]:
    found: list[float] = values.tolist()
    return found[0] if len(set(found)) == 1 else found
