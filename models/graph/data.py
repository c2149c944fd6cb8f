"""Validated data of the graph problems: nodes, messages between them, and devices through a host's memory."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, ClassVar

from placewise.models.cluster import Cluster, non_negative, require_tables, set_array, whole_bytes
from placewise.models.errors import InstanceError
from placewise.models.instance import BaseInstance
from placewise.models.resources import FREE_BYTES_PER_S
from placewise.models.values import require_kind
from placewise.models.workload import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

MAX_NODES = 4096


@dataclass(frozen=True)
class Node:
    """What is computed on one device.

    Parameters
    ----------
    name : str
        For people.
    memory_bytes : int
        What it needs there.
    """

    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Message:
    """What one node gives to others, the same to all.

    Parameters
    ----------
    source : int
        Index of the node.
    targets : tuple of int
        Indices of others, ascending, at least one.
    time_s : float
        Seconds from a device to the host's memory, or from there to a device.
    """

    source: int
    targets: tuple[int, ...]
    time_s: float


@dataclass(frozen=True, eq=False, repr=False, init=False)
class GraphInstance(BaseInstance):
    """Base of the problems of graphs that branch; the data of both of them.

    Parameters
    ----------
    cluster : Cluster
        M devices with their memory. Links and rates are left out: messages go through the host's memory.
    nodes : iterable of Node
        N of them.
    messages : iterable of Message
        From one node to others, without cycles.
    compute_time_s : array_like, shape (N, M)
        Seconds of each node on each device.
    hosts : iterable of int
        Indices of devices that compute in the host's memory: messages cost them nothing. Of the latency, each stands for
        as many cores as nodes can use at once.
    name, description, reference : str
        For people; the problem's name by default.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    cluster: Cluster
    nodes: tuple[Node, ...]
    messages: tuple[Message, ...]
    compute_time_s: NDArray[np.float64]
    hosts: tuple[int, ...]
    name: str
    description: str
    reference: str

    def __init__(
        self,
        cluster: Cluster,
        nodes: Iterable[Node],
        messages: Iterable[Message],
        compute_time_s: ArrayLike,
        *,
        hosts: Iterable[int] = (),
        name: str | None = None,
        description: str = "",
        reference: str = "",
    ) -> None:
        require_kind(cluster, Cluster, "cluster")
        own = tuple(nodes)
        for v, node in enumerate(own):
            require_kind(node, Node, f"nodes[{v}]")
        if not 1 <= len(own) <= MAX_NODES:
            raise InstanceError("nodes", f"expected 1 to {MAX_NODES} nodes, found {len(own)}")
        require_tables("compute_time_s", len(own), cluster.size)
        whole_bytes([node.memory_bytes for node in own], (len(own),), "nodes.memory_bytes")
        self._set(
            cluster=Cluster(cluster.device_names, cluster.memory_bytes, FREE_BYTES_PER_S),
            nodes=own,
            messages=tuple(_message(given, m, len(own)) for m, given in enumerate(messages)),
            hosts=tuple(sorted(set(hosts))),
            name=self.problem if name is None else name,
            description=description,
            reference=reference,
        )
        for h in self.hosts:
            if not 0 <= count(h, "hosts") < cluster.size:
                raise InstanceError("hosts", f"expected devices 0 to {cluster.size - 1}, found {h}")
        shape = (len(own), cluster.size)
        set_array(self, "compute_time_s", non_negative(compute_time_s, shape, "compute_time_s"))
        self.order()
        from placewise.models.graph.cost import loads

        loads(self)

    def order(self) -> tuple[int, ...]:
        """Return the nodes in an order in which every message goes forward; `InstanceError` where there is none."""
        before: dict[int, list[int]] = {v: [] for v in range(len(self.nodes))}
        for message in self.messages:
            for target in message.targets:
                before[target].append(message.source)
        try:
            return tuple(TopologicalSorter(before).static_order())
        except CycleError as error:
            names = " -> ".join(self.nodes[v].name for v in error.args[1][:5])
            raise InstanceError("messages", f"expected no cycle, found {names}") from None

    def _sizes(self) -> str:
        return f"{len(self.nodes)} nodes, {len(self.messages)} messages, {self.cluster.size} devices"


class GraphThroughput(GraphInstance):
    """Which device computes which nodes of a graph, for the least load of the busiest one."""

    problem: ClassVar[str] = "graph-throughput"


class GraphLatency(GraphInstance):
    """Which device computes which nodes of a graph, for the least time of one sample."""

    problem: ClassVar[str] = "graph-latency"


def _message(given: Message, position: int, size: int) -> Message:
    path = f"messages[{position}]"
    require_kind(given, Message, path)
    targets = tuple(sorted({count(target, f"{path}.targets") for target in given.targets}))
    for key, value in (("source", count(given.source, f"{path}.source")), *(("targets", t) for t in targets)):
        if not 0 <= value < size:
            raise InstanceError(f"{path}.{key}", f"expected nodes 0 to {size - 1}, found {value}")
    if not targets or given.source in targets:
        raise InstanceError(f"{path}.targets", "expected at least one other node")
    time_s = float(non_negative(given.time_s, (), f"{path}.time_s"))
    return Message(given.source, targets, time_s + 0.0)
