"""Batch-aware throughput, which EdgeShard leaves open (Section VII): batch size and pipeline chosen together.

A micro-batch of m sequences sends m times a layer's output and takes its own compute time. In two readings:

- as in the paper (``in_flight=None``): the caches of one micro-batch are in memory, ``memory_bytes + m * cache_bytes``
  per layer, and the pipeline is full whatever it takes: a token per ``T / m``, T the bottleneck of Eq. 11;
- with n micro-batches in flight: the caches of all are in memory, ``memory_bytes + n * m * cache_bytes``, and a
  micro-batch is back before its next token starts: one passes per period ``tau = max(T, Lambda / n)``, Lambda the round
  trip of one, a token per ``tau / m``.

With n and m fixed, memory and times are those of a throughput problem, so an instance is one of those per choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from placewise.models.arrays import non_negative, whole_bytes
from placewise.models.cluster import Cluster
from placewise.models.devices import flat
from placewise.models.edgeshard.data import EdgeShardThroughput, chain_sizes
from placewise.models.edgeshard.rules import Rules
from placewise.models.edgeshard.times import Times, table_s, times_of
from placewise.models.errors import InstanceError
from placewise.models.instance import BaseInstance
from placewise.models.units import MAX_BYTES
from placewise.models.values import require_kind
from placewise.models.workload import Layer, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from placewise.models.edgeshard.request import Request

#: Micro-batches in flight at most.
MOST_IN_FLIGHT = 4096
#: Throughput problems of choices that are kept.
KEPT_PIPELINES = 64


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
    in_flight : int or iterable of int, optional
        Micro-batches in flight to choose from: 1 to that many, or those that are listed, ascending; the paper's reading
        without any.
    time_per_token_limit_s : float, optional
        The longest that a sequence may wait for its next token, ``n tau``; with `in_flight` only.
    request : Request, optional
        Prompt and answer of each sequence, and which passes the objective counts; a decode round without one.
    latency_occupies : bool
        Whether a link's latency occupies it; it only delays what is sent otherwise.
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
    in_flight: int | tuple[int, ...] | None
    time_per_token_limit_s: float | None
    request: Request | None
    latency_occupies: bool
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
        in_flight: int | Iterable[int] | None = None,
        time_per_token_limit_s: float | None = None,
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
            batch_sizes=tuple(count(size, "batch_sizes") for size in batch_sizes),
            times=times_of(times, compute_time_s),
            source=None if source is None else cluster.index(source, "source_device"),
            return_bytes=float(return_bytes) + 0.0,
            rules=Rules() if rules is None else rules,
            in_flight=_in_flight(in_flight),
            time_per_token_limit_s=None if time_per_token_limit_s is None else float(time_per_token_limit_s),
            request=request,
            latency_occupies=latency_occupies,
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
        limit_s = self.time_per_token_limit_s
        if limit_s is not None:
            non_negative([limit_s], (1,), "time_per_token_limit_s")
            if self.in_flight is None:
                raise InstanceError("time_per_token_limit_s", "expected in_flight beside it")
        largest = (self.counts[-1] or 1) * sizes[-1]
        if max(layer.memory_bytes + largest * layer.cache_bytes for layer in self.layers) > MAX_BYTES:
            raise InstanceError("in_flight", "expected caches of at most 2**50 bytes per layer")
        for size in sizes:
            self.at(size)  # checks times and layers

    @property
    def counts(self) -> Sequence[int | None]:
        """Micro-batches in flight to choose from; None alone in the paper's reading."""
        if isinstance(self.in_flight, int):
            return range(1, self.in_flight + 1)
        return (None,) if self.in_flight is None else self.in_flight

    @cached_property
    def compute_time_s(self) -> NDArray[np.float64]:
        """Seconds of each batch size, layer and device, shape (B, N, M), read-only: as stated, or from the rates."""
        return table_s(self.times, self.layers, self.cluster, self.batch_sizes)

    @cached_property
    def _pipelines(self) -> dict[tuple[int, int], EdgeShardThroughput]:
        return {}

    def at(self, batch_size: int, in_flight: int | None = None) -> EdgeShardThroughput:
        """Return the throughput problem of one batch size, its times stated; always the same object.

        Parameters
        ----------
        batch_size : int
            Sequences in a micro-batch, one of `batch_sizes`.
        in_flight : int, optional
            Micro-batches whose caches are in memory; one without it.

        Returns
        -------
        EdgeShardThroughput
            Times, messages and reading of a micro-batch, memory of all that are in flight.
        """
        key = batch_size, in_flight or 1
        if key not in self._pipelines:
            if len(self._pipelines) > KEPT_PIPELINES:
                self._pipelines.clear()
            self._pipelines[key] = self._pipeline(*key)
        return self._pipelines[key]

    def _pipeline(self, batch_size: int, in_flight: int) -> EdgeShardThroughput:
        several = "" if in_flight == 1 else f"{in_flight}x"
        return EdgeShardThroughput(
            name=f"{self.name}@{several}{batch_size}",
            cluster=self.cluster,
            layers=tuple(layer.together(batch_size, in_flight) for layer in self.layers),
            compute_time_s=self.compute_time_s[self.batch_sizes.index(batch_size)],
            source=self.source,
            return_bytes=self.return_bytes * batch_size,
            rules=self.rules,
            request=self.request,
            latency_occupies=self.latency_occupies,
        )

    def most_in_flight(self, batch_size: int, need_bytes: ArrayLike, free_bytes: ArrayLike) -> int | None:
        """Return the largest of `counts` whose caches fit; None if not even the least does.

        Parameters
        ----------
        batch_size : int
            Sequences in a micro-batch.
        need_bytes : array_like of int
            Caches of one sequence in each memory.
        free_bytes : array_like of int, of that shape
            What the weights leave of it.
        """
        most = MOST_IN_FLIGHT
        for need, free in zip(np.ravel(need_bytes).tolist(), np.ravel(free_bytes).tolist(), strict=True):
            if free < 0:
                return None
            most = min(most, free // (need * batch_size)) if need else most
        fitting = [number for number in self.counts if number is not None and number <= most]
        return fitting[-1] if fitting else None

    @cached_property
    def choices(self) -> tuple[tuple[int | None, int], ...]:
        """Pairs of micro-batches in flight (None as in the paper) and batch size, without those too large for the cluster."""
        if self.in_flight is None:
            return tuple((None, size) for size in self.batch_sizes)
        caches = [layer.cache_bytes for layer in self.layers]
        weights = [layer.memory_bytes for layer in self.layers]
        space = self.cluster.memory_bytes.tolist()
        need = [sum(caches), *caches]
        free = [sum(space) - sum(weights), *(max(space) - weight for weight in weights)]
        found: list[tuple[int | None, int]] = []
        for size in self.batch_sizes:
            most = self.most_in_flight(size, need, free)
            found += [(number, size) for number in self.counts if most and number and number <= most]
        return tuple(found)

    @property
    def options(self) -> frozenset[str]:
        """What it asks for beyond the paper, see `placewise.models.edgeshard.rules`."""
        return self.at(self.batch_sizes[0]).options

    def _sizes(self) -> str:
        sizes = f"batch sizes {', '.join(map(str, self.batch_sizes))}"
        if self.in_flight is not None:
            sizes += f", {self.counts[0]} to {self.counts[-1]} in flight"
        return f"{chain_sizes(self.layers, self.cluster, self.times)}, {sizes}"


def _in_flight(given: int | Iterable[int] | None) -> int | tuple[int, ...] | None:
    """Return numbers of micro-batches in canonical form; raise `InstanceError` where they are none."""
    if given is None:
        return None
    path = "in_flight"
    if isinstance(given, Iterable):
        numbers = tuple(count(number, path) for number in given)
        if not numbers or min(numbers) < 1 or list(numbers) != sorted(set(numbers)):
            raise InstanceError(path, f"expected ascending numbers of at least 1, found {numbers}")
        _check_most(numbers[-1], path)
        return numbers
    most = count(given, path)
    _check_most(most, path)
    return most


def _check_most(most: int, path: str) -> None:
    if not 1 <= most <= MOST_IN_FLIGHT:
        raise InstanceError(path, f"expected 1 to {MOST_IN_FLIGHT}, found {most}")


#: The name in version 0.1.
EdgeShardBatchInstance = EdgeShardBatch
