"""Batch-aware throughput, which EdgeShard leaves open (Section VII): batch size and pipeline chosen together.

A batch of b sequences needs ``memory_bytes + b * cache_bytes`` of a layer's device, sends b times its output, and
takes its own compute time. With the batch size fixed this is the throughput problem, so an instance is one of those
per batch size, and the time per token of one sequence is the bottleneck over b.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from placewise.models.cluster import Cluster, whole_bytes
from placewise.models.devices import flat
from placewise.models.edgeshard import placement as pipeline
from placewise.models.edgeshard.cost import bottleneck_floor_s
from placewise.models.edgeshard.data import EdgeShardThroughput, chain_sizes
from placewise.models.edgeshard.diagnosis import diagnose as diagnose_pipeline
from placewise.models.edgeshard.rules import Rules
from placewise.models.edgeshard.times import Times, table_s, times_of
from placewise.models.errors import InstanceError
from placewise.models.gate import entries, members, refused, shown, whole
from placewise.models.instance import BaseInstance
from placewise.models.problem import Evaluation, Violation
from placewise.models.values import require_kind
from placewise.models.workload import Layer, count

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

#: Sequences decoded together, and the device index of each layer.
BatchPlacement = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class EdgeShardBatch(BaseInstance):
    """One instance of batch-aware throughput.

    Parameters
    ----------
    cluster : Cluster
        M devices.
    layers : iterable of Layer
        N layers; memory is that of the weights, cache and output are per sequence. ``Layer(...) * 32`` are 32 equal
        ones.
    batch_sizes : iterable of int
        B sizes to choose from, ascending.
    source : int, str or None
        The device that holds the input tokens and layer 0, by index or name; None: whichever hosts layer 0.
    compute_time_s : array_like, shape (B, N, M), optional
        Seconds that a layer takes for a whole batch on a device, as `Stated`. Without them they follow from the rates
        of layers and devices, see `Roofline`, and change with the cluster.
    times : Stated or Roofline, optional
        The same, as it is kept.
    return_bytes : float
        Sent to the source per token and sequence.
    rules : Rules, optional
        What is asked of a placement beyond the paper.
    name, description, reference : str
        For people; the problem's name by default.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    problem: ClassVar[str] = "edgeshard-batch"

    cluster: Cluster
    layers: tuple[Layer, ...]
    batch_sizes: tuple[int, ...]
    times: Times
    source: int | None
    return_bytes: float
    rules: Rules
    name: str
    description: str
    reference: str

    old_arguments: ClassVar[tuple[str, ...]] = (
        *("name", "problem", "cluster", "layers", "batch_sizes", "compute_time_s", "source", "return_bytes"),
        *("description", "reference"),
    )

    def __init__(
        self,
        cluster: Cluster,
        layers: Iterable[Layer | Iterable[Layer]],
        batch_sizes: Iterable[int],
        *,
        source: int | str | None = 0,
        compute_time_s: ArrayLike | None = None,
        times: Times | None = None,
        return_bytes: float = 0.0,
        rules: Rules | None = None,
        name: str | None = None,
        description: str = "",
        reference: str = "",
    ) -> None:
        require_kind(cluster, Cluster, "cluster")
        self._set(
            cluster=cluster,
            layers=flat(layers, Layer, "model.layers"),
            batch_sizes=tuple(count(size, "batch_sizes") for size in batch_sizes),
            times=times_of(times, compute_time_s),
            source=None if source is None else cluster.index(source, "source_device"),
            return_bytes=float(return_bytes) + 0.0,
            rules=Rules() if rules is None else rules,
            name=self.problem if name is None else name,
            description=description,
            reference=reference,
        )
        require_kind(self.rules, Rules, "rules")
        self._set(rules=self.rules.on(cluster, len(self.layers)))
        sizes = self.batch_sizes
        if not sizes or min(sizes) < 1 or list(sizes) != sorted(set(sizes)):
            raise InstanceError("batch_sizes", f"expected ascending numbers of at least 1, found {sizes}")
        caches = [layer.cache_bytes for layer in self.layers]
        whole_bytes(caches, (len(caches),), "model.layers.cache_bytes")
        self._pipelines  # noqa: B018 - checks times and layers

    @cached_property
    def compute_time_s(self) -> NDArray[np.float64]:
        """Seconds of each batch size, layer and device, shape (B, N, M), read-only: as stated, or from the rates."""
        return table_s(self.times, self.layers, self.cluster, self.batch_sizes)

    @cached_property
    def _pipelines(self) -> dict[int, EdgeShardThroughput]:
        return {size: self._pipeline(position, size) for position, size in enumerate(self.batch_sizes)}

    def _pipeline(self, position: int, batch_size: int) -> EdgeShardThroughput:
        return EdgeShardThroughput(
            name=f"{self.name}@{batch_size}",
            cluster=self.cluster,
            layers=tuple(layer.together(batch_size) for layer in self.layers),
            compute_time_s=self.compute_time_s[position],
            source=self.source,
            return_bytes=self.return_bytes * batch_size,
            rules=self.rules,
        )

    def at(self, batch_size: int) -> EdgeShardThroughput:
        """Return the throughput problem of one batch size, its times stated; always the same object."""
        return self._pipelines[batch_size]

    @property
    def options(self) -> frozenset[str]:
        """What it asks for beyond the paper, see `placewise.models.edgeshard.rules`."""
        return self.at(self.batch_sizes[0]).options

    def _sizes(self) -> str:
        sizes = f"batch sizes {', '.join(map(str, self.batch_sizes))}"
        return f"{chain_sizes(self.layers, self.cluster, self.times)}, {sizes}"


#: The name in version 0.1.
EdgeShardBatchInstance = EdgeShardBatch


def placement_of(
    instance: EdgeShardBatchInstance, anything: Any
) -> tuple[BatchPlacement | None, tuple[Violation, ...]]:
    """Return the batch size and pipeline that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : EdgeShardBatchInstance
        The instance.
    anything : object
        Taken are a pair in a list or tuple, of one of the batch sizes itself and a pipeline as `evaluate_throughput`
        takes it; and the document of a result file, ``{"batch_size": size, "layers": [name, ...]}``.

    Returns
    -------
    (int, tuple of int) or None
        Batch size, and the device index of each layer; None where there are violations.
    tuple of Violation
        Of the constraints ``assignment`` and ``batch``; the others are for `evaluate`.
    """
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, 2)
    if found is None or found[1] != 2:
        message = f"expected a batch size and a device for each layer, found {shown(anything)}"
        return None, (refused("layers", message),)
    size, (given, pipe) = whole(found[0][0]), found[0]
    if size is None or size not in instance.batch_sizes:
        message = f"expected one of {', '.join(map(str, instance.batch_sizes))}, found {shown(given)}"
        return None, (Violation("batch", "batch size", message),)
    layers, violations = pipeline.placement_of(instance.at(size), pipe)
    return (None, violations) if layers is None else ((size, layers), ())


def evaluate(instance: EdgeShardBatchInstance, placement: Any) -> Evaluation:
    """Evaluate a batch size with its pipeline: the bottleneck of Eq. 11 over the batch size.

    Parameters
    ----------
    instance : EdgeShardBatchInstance
        The instance.
    placement : object
        A batch size and a pipeline, in any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective and terms in seconds per token, whose inverse is the throughput of all sequences together.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    batch_size, layers = placement
    together = pipeline.evaluate_throughput(instance.at(batch_size), layers)
    objective = None if together.objective is None else together.objective / batch_size
    return Evaluation(
        objective, {name: value / batch_size for name, value in together.terms.items()}, together.violations
    )


def floor_s(instance: EdgeShardBatchInstance) -> float:
    """Return a bound on the time per token: the least of all batch sizes."""
    return min(bottleneck_floor_s(instance.at(size)) / size for size in instance.batch_sizes)


def to_json(instance: EdgeShardBatchInstance, placement: BatchPlacement) -> dict[str, Any]:
    """Return a placement as the result file states it.

    Parameters
    ----------
    instance : EdgeShardBatchInstance
        Whose names.
    placement : (int, tuple of int)
        Batch size, and the device of each layer.

    Returns
    -------
    dict
        ``batch_size``, and ``layers``: N device names.
    """
    batch_size, layers = placement
    return {"batch_size": batch_size, **pipeline.to_json(instance.at(batch_size), layers)}


def from_json(instance: EdgeShardBatchInstance, document: Any) -> BatchPlacement:
    """Read a placement back, or say which entry is no choice of the instance.

    Parameters
    ----------
    instance : EdgeShardBatchInstance
        Whose names and batch sizes.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that is no batch size or device.
    """
    given = (members(document) or {}).get("batch_size")
    size = whole(given)
    if size is None or size not in instance.batch_sizes:
        expected = ", ".join(map(str, instance.batch_sizes))
        raise InstanceError("placement.batch_size", f"expected one of {expected}, found {shown(given)}")
    return size, pipeline.from_json(instance.at(size), document)


def diagnose(instance: EdgeShardBatchInstance) -> str | None:
    """Return why no placement can exist: the smallest batch needs the least memory, and links serve all alike."""
    return diagnose_pipeline(instance.at(instance.batch_sizes[0]))
