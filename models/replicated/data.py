"""Validated data of replicated throughput: nodes with tables of tokens per second, links, and a number of layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from placewise.models.cluster import Cluster, non_negative, require_tables, set_array
from placewise.models.errors import InstanceError
from placewise.models.instance import BaseInstance
from placewise.models.values import require_kind
from placewise.models.workload import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

MAX_LAYERS = 4096
#: What `Problem.options` calls it.
PARTIAL_INFERENCE = "partial inference"


@dataclass(frozen=True, init=False)
class NodeType:
    """A kind of node: how many tokens per second it takes with 1, 2, ... layers.

    Parameters
    ----------
    name : str
        Distinct within an instance.
    tokens_per_s : iterable of float
        ``T(1), ..., T(K)``, each above 0; a node of this kind holds at most K layers. Memory that is left for caches
        limits the batch, so ``T(k)`` is no multiple of ``1 / k``, and need not fall with k.
    """

    name: str
    tokens_per_s: tuple[float, ...]

    def __init__(self, name: str, tokens_per_s: Iterable[float]) -> None:
        require_kind(name, str, "node_types.name")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "tokens_per_s", tuple(float(rate) for rate in tokens_per_s))
        for k, rate in enumerate(self.tokens_per_s):
            if not (np.isfinite(rate) and rate > 0):
                path = f"node_types.{name}.tokens_per_s[{k}]"
                raise InstanceError(path, f"expected a finite number > 0, found {rate}")

    @property
    def most_layers(self) -> int:
        """``K``."""
        return len(self.tokens_per_s)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class ReplicatedThroughput(BaseInstance):
    """Which node holds which consecutive layers, each layer on as many nodes as one likes, for the most tokens per second.

    Parameters
    ----------
    cluster : Cluster
        M nodes and their links. What a node holds is limited by its type; memory and rates are left out.
    node_types : iterable of NodeType
        The kinds of nodes.
    types : iterable of str or int
        Kind of each of the M nodes, by name or index.
    layers : int
        ``L``.
    activation_bytes, token_bytes : float
        Sent per token from node to node, and between the nodes and the source or sink; 0 = such links carry anything.
    source_bandwidth_bytes_per_s, sink_bandwidth_bytes_per_s : float or array_like, shape (M,)
        Of the link from the source of all requests to each node, and from each node to the sink; 0 = none.
    partial_inference : bool
        Whether a node may also take tokens that passed some of its layers elsewhere, and begin at the next one.
    name, description, reference : str
        For people; the problem's name by default.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    problem: ClassVar[str] = "replicated-throughput"

    cluster: Cluster
    node_types: tuple[NodeType, ...]
    types: tuple[int, ...]
    layers: int
    activation_bytes: float
    token_bytes: float
    source_bandwidth_bytes_per_s: NDArray[np.float64]
    sink_bandwidth_bytes_per_s: NDArray[np.float64]
    partial_inference: bool
    name: str
    description: str
    reference: str

    def __init__(
        self,
        cluster: Cluster,
        node_types: Iterable[NodeType],
        types: Iterable[str | int],
        layers: int,
        *,
        activation_bytes: float,
        token_bytes: float = 0.0,
        source_bandwidth_bytes_per_s: ArrayLike = 1.0,
        sink_bandwidth_bytes_per_s: ArrayLike = 1.0,
        partial_inference: bool = False,
        name: str | None = None,
        description: str = "",
        reference: str = "",
    ) -> None:
        require_kind(cluster, Cluster, "cluster")
        kinds = tuple(node_types)
        for position, kind in enumerate(kinds):
            require_kind(kind, NodeType, f"node_types[{position}]")
        names = [kind.name for kind in kinds]
        if not kinds or len(set(names)) < len(names):
            raise InstanceError("node_types", "expected at least one type, with distinct names")
        self._set(
            cluster=Cluster(
                cluster.device_names,
                np.zeros(cluster.size, dtype=np.int64),
                cluster.bandwidth_bytes_per_s,
                cluster.latency_s,
            ),
            node_types=kinds,
            types=tuple(_kind(names, given, position) for position, given in enumerate(types)),
            layers=count(layers, "model.layers"),
            activation_bytes=float(activation_bytes) + 0.0,
            token_bytes=float(token_bytes) + 0.0,
            partial_inference=bool(partial_inference),
            name=self.problem if name is None else name,
            description=description,
            reference=reference,
        )
        shape = (cluster.size,)
        if len(self.types) != cluster.size:
            raise InstanceError("cluster.devices", f"expected {cluster.size} types, found {len(self.types)}")
        if not 1 <= self.layers <= MAX_LAYERS:
            raise InstanceError("model.layers", f"expected 1 to {MAX_LAYERS} layers, found {self.layers}")
        for key in ("activation_bytes", "token_bytes"):
            non_negative(getattr(self, key), (), f"model.{key}")
        for key, given in (("source", source_bandwidth_bytes_per_s), ("sink", sink_bandwidth_bytes_per_s)):
            values = np.full(shape, given) if np.ndim(given) == 0 else given
            name_of = f"{key}_bandwidth_bytes_per_s"
            set_array(self, name_of, non_negative(values, shape, f"cluster.{name_of}"))
        longest = max(kind.most_layers for kind in kinds)
        if longest > MAX_LAYERS:
            raise InstanceError("node_types", f"expected tables of at most {MAX_LAYERS} layers")
        require_tables("node_types", len(kinds), longest)
        from placewise.models.replicated.cost import capacities

        capacities(self)

    def most_layers(self, node: int) -> int:
        """Return how many layers a node holds at most, by its index."""
        return min(self.node_types[self.types[node]].most_layers, self.layers)

    def _sizes(self) -> str:
        partial = ", partial inference" if self.partial_inference else ""
        return f"{self.layers} layers on {self.cluster.size} nodes of {len(self.node_types)} types{partial}"


def options(instance: ReplicatedThroughput) -> frozenset[str]:
    """Return what an instance asks for beyond Helix' plain statement."""
    return frozenset({PARTIAL_INFERENCE}) if instance.partial_inference else frozenset()


def _kind(names: list[str], given: str | int, position: int) -> int:
    path = f"cluster.devices[{position}].type"
    if isinstance(given, str):
        if given not in names:
            raise InstanceError(path, f"expected one of {', '.join(names)}, found {given!r}")
        return names.index(given)
    index = count(given, path)
    if not 0 <= index < len(names):
        raise InstanceError(path, f"expected type 0 to {len(names) - 1}, found {index}")
    return index
