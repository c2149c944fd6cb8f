"""The instance files of graph throughput and latency, which say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from placewise.instances.formats.common import Amount, Bytes, ClusterSpec, Count, Head, Name, Part, expand
from placewise.instances.formats.common import require_shape as require
from placewise.models.cluster import MAX_DEVICES, Cluster
from placewise.models.graph.data import MAX_NODES, GraphInstance, GraphLatency, GraphThroughput, Message, Node
from placewise.models.resources import FREE_BYTES_PER_S

if TYPE_CHECKING:
    from placewise.models.graph.space import GraphT

Index = Annotated[int, Field(ge=0, lt=MAX_NODES)]


class HostSpec(Part):
    """One device, or ``count`` equal ones named ``name-0``, ``name-1``, ...; a host pays nothing for messages."""

    name: Name
    count: Count = 1
    memory_bytes: Bytes
    host: bool = False


class HostsSpec(ClusterSpec):
    """Devices; all messages go through the host's memory, so there are no links."""

    devices: Annotated[list[HostSpec], Field(min_length=1, max_length=4096)]  # type: ignore[assignment]
    bandwidth_bytes_per_s: None = None
    latency_s: None = None  # type: ignore[assignment]


class NodeSpec(Part):
    """A node of the graph."""

    name: Name
    memory_bytes: Bytes = 0.0


class MessageSpec(Part):
    """What a node gives to others, by their positions, with the seconds to or from the host's memory."""

    source: Index
    targets: Annotated[list[Index], Field(min_length=1, max_length=MAX_NODES)]
    time_s: Amount


class GraphSpec(Head):
    """A file of ``graph-throughput``."""

    problem: Literal["graph-throughput"]
    cluster: HostsSpec
    nodes: Annotated[list[NodeSpec], Field(min_length=1, max_length=MAX_NODES)]
    messages: Annotated[list[MessageSpec], Field(max_length=100_000, default_factory=list)]
    compute_time_s: list[list[Amount]]


class LatencySpec(GraphSpec):
    """A file of ``graph-latency``."""

    problem: Literal["graph-latency"]  # type: ignore[assignment]


def build(spec: GraphSpec) -> GraphThroughput:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    return _build(spec, GraphThroughput)


def build_latency(spec: LatencySpec) -> GraphLatency:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    return _build(spec, GraphLatency)


def _build(spec: GraphSpec, kind: type[GraphT]) -> GraphT:
    devices = expand(spec.cluster.devices, "count", MAX_DEVICES, "cluster.devices")
    require(spec.compute_time_s, (len(spec.nodes), len(devices)), "compute_time_s")
    return kind(
        Cluster(
            [own.name if own.count == 1 else f"{own.name}-{n}" for own, n in devices],
            [own.memory_bytes for own, _ in devices],
            FREE_BYTES_PER_S,
        ),
        [Node(node.name, int(node.memory_bytes)) for node in spec.nodes],
        [Message(message.source, tuple(message.targets), message.time_s) for message in spec.messages],
        spec.compute_time_s,
        hosts=[d for d, (own, _) in enumerate(devices) if own.host],
        name=spec.name,
        description=spec.description,
        reference=spec.reference,
    )


def document(instance: GraphInstance) -> dict[str, Any]:
    """Return an instance as its file."""
    names, memory = instance.cluster.device_names, instance.cluster.memory_bytes
    return {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": {
            "devices": [
                {"name": name, "memory_bytes": int(memory[d]), "host": d in instance.hosts}
                for d, name in enumerate(names)
            ]
        },
        "nodes": [{"name": node.name, "memory_bytes": node.memory_bytes} for node in instance.nodes],
        "messages": [
            {"source": message.source, "targets": list(message.targets), "time_s": message.time_s}
            for message in instance.messages
        ],
        "compute_time_s": instance.compute_time_s.tolist(),
    }
