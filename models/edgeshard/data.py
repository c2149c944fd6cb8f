"""Validated data of the EdgeShard problems: layers, devices, compute times, the source."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from placewise.models.arrays import non_negative, whole_bytes
from placewise.models.cluster import Cluster, require_tables
from placewise.models.devices import flat
from placewise.models.edgeshard.memory import check_shared
from placewise.models.edgeshard.request import Request
from placewise.models.edgeshard.rules import CONTIGUOUS, FREE_SOURCE, Rules
from placewise.models.edgeshard.times import Stated, Times, table_s, times_of
from placewise.models.errors import InstanceError
from placewise.models.experts import check_experts
from placewise.models.instance import BaseInstance
from placewise.models.units import MAX_BYTES
from placewise.models.values import require_kind
from placewise.models.workload import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

MAX_LAYERS = 4096
#: Instances of one source each that one of a free source keeps.
MAX_KEPT = 64


@dataclass(frozen=True, eq=False, repr=False, init=False)
class EdgeShardInstance(BaseInstance):
    """Base of EdgeShard's placement problems (Section IV); the data of all of them.

    Parameters
    ----------
    cluster : Cluster
        M devices; ``Mem_j`` and ``B_kj``.
    layers : iterable of Layer
        N layers in order; ``Req_i`` and ``O_i``. ``Layer(...) * 32`` are 32 equal ones.
    source : int, str or None
        The device that holds the input tokens, by index or name; layer 0 stays there (Eq. 4). None: whichever device
        hosts layer 0, to which the token returns.
    compute_time_s : array_like, shape (N, M), optional
        ``t_comp^(i,j)``, seconds of layer i on device j, as `Stated`: another cluster does not change them. Without
        them they follow from the rates of layers and devices, see `Roofline`, and change with the cluster.
    times : Stated or Roofline, optional
        The same, as it is kept.
    return_bytes : float
        Bytes sent from the last layer's device to the source per token (Eq. 6); 0 = nothing is sent.
    rules : Rules, optional
        What is asked of a placement beyond the paper.
    request : Request, optional
        Prompt and answer of each sequence, and which passes the objective counts; a decode round without one.
    latency_occupies : bool
        Whether in a pipeline a link's latency occupies it; it only delays what is sent otherwise.
    name, description, reference : str
        For people; the problem's name by default.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    cluster: Cluster
    layers: tuple[Layer, ...]
    times: Times
    source: int | None
    return_bytes: float
    rules: Rules
    request: Request | None
    latency_occupies: bool
    name: str
    description: str
    reference: str

    old_arguments: ClassVar[tuple[str, ...]] = (
        *("name", "problem", "cluster", "layers", "compute_time_s", "source", "return_bytes"),
        *("description", "reference"),
    )

    def __init__(
        self,
        cluster: Cluster,
        layers: Iterable[Layer | Iterable[Layer]],
        *,
        source: int | str | None = 0,
        compute_time_s: ArrayLike | None = None,
        times: Times | None = None,
        return_bytes: float = 0.0,
        rules: Rules | None = None,
        request: Request | None = None,
        latency_occupies: bool = False,
        name: str | None = None,
        description: str = "",
        reference: str = "",
    ) -> None:
        require_kind(cluster, Cluster, "cluster")
        self._set(
            cluster=cluster,
            layers=flat(layers, Layer, "model.layers"),
            times=times_of(times, compute_time_s),
            source=None if source is None else cluster.index(source, "source_device"),
            return_bytes=float(return_bytes) + 0.0,
            rules=Rules() if rules is None else rules,
            request=request,
            latency_occupies=latency_occupies,
            name=self.problem if name is None else name,
            description=description,
            reference=reference,
        )
        if request is not None:
            require_kind(request, Request, "request")
        require_kind(latency_occupies, bool, "latency_occupies")
        self._check()
        require_kind(self.rules, Rules, "rules")
        self._set(rules=self.rules.on(cluster, len(self.layers)))

    def _check(self) -> None:
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise InstanceError(
                "model.layers", f"expected 1 to {MAX_LAYERS} layers, found {len(self.layers)}"
            )
        messages = len({layer.output_bytes for layer in self.layers})
        require_tables("model.layers.output_bytes", messages, self.cluster.size, self.cluster.size)
        shape = (len(self.layers),)
        whole_bytes([layer.memory_bytes for layer in self.layers], shape, "model.layers.memory_bytes")
        check_shared(self.layers)
        check_experts(self.layers)
        whole_bytes([layer.alone_bytes for layer in self.layers], shape, "model.layers.shared")
        for position, layer in enumerate(self.layers):
            if layer.cache_bytes:
                path = f"model.layers[{position}].cache_bytes"
                raise InstanceError(path, "expected 0: the cache of a fixed batch belongs to memory_bytes")
        outputs = non_negative(
            [layer.output_bytes for layer in self.layers], shape, "model.layers.output_bytes"
        )
        non_negative([self.return_bytes], (1,), "return_bytes")
        if max(*outputs, self.return_bytes) > MAX_BYTES:
            raise InstanceError("model.layers.output_bytes", "expected at most 2**50 bytes")
        self.compute_time_s  # noqa: B018 - checks the times

    @cached_property
    def compute_time_s(self) -> NDArray[np.float64]:
        """``t_comp^(i,j)``, shape (N, M), read-only: as stated, or from the rates."""
        return table_s(self.times, self.layers, self.cluster)

    @property
    def memory_bytes(self) -> NDArray[np.int64]:
        """``Req_i`` of each layer alone on a device, its shared tensors with it, shape (N,)."""
        return np.array([layer.alone_bytes for layer in self.layers], dtype=np.int64)

    @property
    def source_index(self) -> int:
        """The source; raises `InstanceError` where it is free, see `at_source`."""
        if self.source is None:
            raise InstanceError("source_device", "expected a device: this asks for a source that is not free")
        return self.source

    def at_source(self, device: int) -> Self:
        """Return the instance with a given source, mostly the same object; that itself where the source is given.

        Parameters
        ----------
        device : int
            By index; not looked at where the source is given.
        """
        if self.source is not None:
            return self
        if device not in self._fixed:
            if len(self._fixed) >= MAX_KEPT:
                self._fixed.clear()
            self._fixed[device] = replace(self, source=device)
        return self._fixed[device]

    @cached_property
    def _fixed(self) -> dict[int, Self]:
        return {}

    @property
    def options(self) -> frozenset[str]:
        """What it asks for beyond the paper, see `placewise.models.edgeshard.rules`."""
        return self.rules.asked | ({FREE_SOURCE} if self.source is None else set())

    @classmethod
    def of(cls, other: EdgeShardInstance) -> Self:
        """Return the data of an instance of another EdgeShard problem as one of this."""
        return cls(**{field.name: getattr(other, field.name) for field in fields(other)})

    def _sizes(self) -> str:
        return chain_sizes(self.layers, self.cluster, self.times)


class EdgeShardLatency(EdgeShardInstance):
    """Which device runs which layer, for the least latency per token (EdgeShard, Section IV-A, Eq. 1-5)."""

    problem: ClassVar[str] = "edgeshard-latency"


class EdgeShardThroughput(EdgeShardInstance):
    """Which device runs which stage of a pipeline, for the shortest bottleneck (Section IV-B, Eq. 6-13)."""

    problem: ClassVar[str] = "edgeshard-throughput"

    @property
    def options(self) -> frozenset[str]:
        """As of any; a pipeline's stages are contiguous without being asked."""
        return super().options - {CONTIGUOUS}


def chain_type(problem: str) -> type[EdgeShardInstance]:
    """Return the class of an EdgeShard problem with one compute time per layer and device, by name."""
    for kind in (EdgeShardLatency, EdgeShardThroughput):
        if kind.problem == problem:
            return kind
    expected = f"{EdgeShardLatency.problem} or {EdgeShardThroughput.problem}"
    raise InstanceError("problem", f"expected {expected}, found {problem!r}")


def chain_sizes(layers: tuple[Layer, ...], cluster: Cluster, times: Times) -> str:
    """Return the sizes of a chain of layers, for `repr`.

    Parameters
    ----------
    layers : tuple of Layer
        N of them.
    cluster : Cluster
        M devices.
    times : Stated or Roofline
        How compute times are given.
    """
    given = "stated" if isinstance(times, Stated) else "from rates"
    return f"{len(layers)} layers on {cluster.size} devices, times {given}"
