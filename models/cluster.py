"""Devices and the directed links between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from placewise.models.arrays import MAX_TABLE, non_negative, require_tables, set_array, whole_bytes
from placewise.models.devices import Device, columns, link_matrix
from placewise.models.errors import InstanceError
from placewise.models.nearest import meant
from placewise.models.values import ByValue, require_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from placewise.models.devices import Links

__all__ = [
    "MAX_DEVICES",
    "MAX_TABLE",
    "Cluster",
    "non_negative",
    "require_distinct",
    "require_no_layer_overhead",
    "require_tables",
    "set_array",
    "whole_bytes",
]

MAX_DEVICES = 4096


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Cluster(ByValue):
    """M devices and their links, stated as devices or as columns of numbers; equal where all numbers are.

    ``Cluster(devices=[Device("laptop", 16e9), Device("board", 8e9) * 3], bandwidth_bytes_per_s=6.25e6)``

    Parameters
    ----------
    device_names : sequence of str
        M distinct names.
    memory_bytes : array_like, shape (M,)
        Memory budget of each device (``Mem_j``), whole bytes; one number = the same everywhere.
    bandwidth_bytes_per_s : float, array_like or mapping
        ``B_kj``, shape (M, M); row = sender; 0 = no link; the diagonal is not read. One number = a full mesh; a
        mapping = a default and the links that differ, see `link_matrix`.
    latency_s : float, array_like or mapping
        Seconds added once per transfer, likewise.
    flops_per_s, memory_bytes_per_s : array_like, shape (M,), optional
        Peak compute and memory bandwidth, for roofline compute times; NaN where a device does not say, None where
        none does.
    layer_overhead_s : array_like, shape (M,), optional
        Seconds that each layer takes on a device beside its roofline compute time; None where none takes any.
    devices : iterable of Device
        Instead of names, memory and rates; ``Device(...) * 3`` are three equal ones.

    Raises
    ------
    InstanceError
        On a wrong shape, a repeated name, or a value that is negative or not finite.
    """

    device_names: tuple[str, ...]
    memory_bytes: NDArray[np.int64]
    bandwidth_bytes_per_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    flops_per_s: NDArray[np.float64] | None
    memory_bytes_per_s: NDArray[np.float64] | None
    layer_overhead_s: NDArray[np.float64] | None

    @overload
    def __init__(
        self,
        device_names: Sequence[str],
        memory_bytes: ArrayLike,
        bandwidth_bytes_per_s: Links,
        latency_s: Links = 0.0,
        flops_per_s: ArrayLike | None = None,
        memory_bytes_per_s: ArrayLike | None = None,
        layer_overhead_s: ArrayLike | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        *,
        devices: Iterable[Device | Iterable[Device]],
        bandwidth_bytes_per_s: Links,
        latency_s: Links = 0.0,
    ) -> None: ...

    def __init__(
        self,
        device_names: Sequence[str] | None = None,
        memory_bytes: ArrayLike | None = None,
        bandwidth_bytes_per_s: Links | None = None,
        latency_s: Links = 0.0,
        flops_per_s: ArrayLike | None = None,
        memory_bytes_per_s: ArrayLike | None = None,
        layer_overhead_s: ArrayLike | None = None,
        *,
        devices: Iterable[Device | Iterable[Device]] | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "device_names": device_names,
            "memory_bytes": memory_bytes,
            "flops_per_s": flops_per_s,
            "memory_bytes_per_s": memory_bytes_per_s,
            "layer_overhead_s": layer_overhead_s,
        }
        if devices is not None:
            if any(column is not None for column in given.values()):
                raise InstanceError("cluster.devices", "expected devices, or columns of numbers, not both")
            given = columns(devices)
        if given["device_names"] is None:
            raise InstanceError("cluster.devices", "expected devices, or device_names")
        if bandwidth_bytes_per_s is None:
            raise InstanceError("cluster.bandwidth_bytes_per_s", "expected a number, a matrix or links")
        names = tuple(given["device_names"])
        size = len(names)
        if not size:
            raise InstanceError("cluster.devices", "expected at least one device")
        if size > MAX_DEVICES:
            raise InstanceError("cluster.devices", f"expected at most {MAX_DEVICES}, found {size}")
        require_distinct(names)
        memory = given["memory_bytes"]
        self._set(device_names=names, flops_per_s=None, memory_bytes_per_s=None, layer_overhead_s=None)
        memory = np.full(size, memory) if np.ndim(memory) == 0 else memory
        set_array(self, "memory_bytes", whole_bytes(memory, (size,), "cluster.devices.memory_bytes"))
        for name, links in (("bandwidth_bytes_per_s", bandwidth_bytes_per_s), ("latency_s", latency_s)):
            values = link_matrix(links, names, f"cluster.{name}")
            if values.shape == (size, size):
                np.fill_diagonal(values, 0.0)
            set_array(self, name, non_negative(values, (size, size), f"cluster.{name}"))
        for name in ("flops_per_s", "memory_bytes_per_s"):
            self._set_rates(name, given[name])
        overhead = given["layer_overhead_s"]
        if overhead is not None and np.any(np.asarray(overhead) != 0):
            overhead = np.full(size, overhead) if np.ndim(overhead) == 0 else overhead
            path = "cluster.devices.layer_overhead_s"
            set_array(self, "layer_overhead_s", non_negative(overhead, (size,), path))

    def _set_rates(self, name: str, rates: Any) -> None:
        if rates is None:
            return
        values = np.array(rates, dtype=np.float64)
        values = np.full(self.size, values) if values.ndim == 0 else values
        unknown = np.isnan(values)
        non_negative(np.where(unknown, 1.0, values), (self.size,), f"cluster.devices.{name}")
        if not unknown.all():
            set_array(self, name, np.where(unknown, np.nan, values))

    @classmethod
    def mesh(
        cls,
        devices: Iterable[Device | Iterable[Device]],
        *,
        bandwidth_bytes_per_s: float,
        latency_s: float = 0.0,
        links: Mapping[tuple[str, str], float] | None = None,
        symmetric: bool = False,
    ) -> Cluster:
        """Return a cluster in which every device has a link to every other one.

        Parameters
        ----------
        devices : iterable of Device
            ``Device(...) * 3`` are three equal ones.
        bandwidth_bytes_per_s, latency_s : float
            Of all links.
        links : mapping of (str, str) to float, optional
            Bandwidth of the links that differ, by sender and receiver; 0 = no link.
        symmetric : bool
            Whether each of those also holds in the other direction.
        """
        bandwidth = {"default": bandwidth_bytes_per_s, "links": links or {}, "symmetric": symmetric}
        return cls(devices=devices, bandwidth_bytes_per_s=bandwidth, latency_s=latency_s)

    def __repr__(self) -> str:
        shown = ", ".join(self.device_names[:3]) + (", ..." if self.size > 3 else "")
        return f"Cluster({self.size} devices: {shown})"

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices one by one."""

        def stated(rates: NDArray[np.float64] | None, j: int) -> float | None:
            return None if rates is None or np.isnan(rates[j]) else float(rates[j])

        return tuple(
            Device(
                name,
                int(self.memory_bytes[j]),
                stated(self.flops_per_s, j),
                stated(self.memory_bytes_per_s, j),
                0.0 if self.layer_overhead_s is None else float(self.layer_overhead_s[j]),
            )
            for j, name in enumerate(self.device_names)
        )

    def index(self, device: str | int, path: str = "device") -> int:
        """Return the index of a device by its name or index; `InstanceError` at the path for any other.

        Parameters
        ----------
        device, path : str or int, str
        """
        if isinstance(device, str):
            if device in self.device_names:
                return self.device_names.index(device)
            near = meant(device, self.device_names)
            raise InstanceError(path, f"expected a device of the cluster, found {device!r}{near}")
        if isinstance(device, bool) or not isinstance(device, int | np.integer):
            raise InstanceError(path, f"expected a device's name or index, found {device!r}")
        if not 0 <= device < self.size:
            raise InstanceError(path, f"expected a device of the cluster, found index {device}")
        return int(device)

    @property
    def size(self) -> int:
        """Number of devices, ``M``."""
        return len(self.device_names)

    def transfer_time_s(self, size_bytes: float) -> NDArray[np.float64]:
        """Return the time to send a message over each link (Eq. 1 of EdgeShard, plus link latency).

        Parameters
        ----------
        size_bytes : float
            Size of the message, ``O_i``.

        Returns
        -------
        ndarray, shape (M, M)
            Seconds from row to column: ``O / B + latency``, 0 on the diagonal, infinity without a link.
        """
        time_s = self.occupation_time_s(size_bytes) + self.latency_s
        np.fill_diagonal(time_s, 0.0)
        return np.asarray(time_s, dtype=np.float64)

    def occupation_time_s(self, size_bytes: float) -> NDArray[np.float64]:
        """Return for how long a message occupies each link: the link's latency delays it, and occupies nothing.

        Parameters
        ----------
        size_bytes : float
            Size of the message.

        Returns
        -------
        ndarray, shape (M, M)
            Seconds from row to column: ``O / B``, 0 on the diagonal, infinity without a link.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            time_s = size_bytes / self.bandwidth_bytes_per_s
        time_s[self.bandwidth_bytes_per_s == 0] = np.inf
        np.fill_diagonal(time_s, 0.0)
        return np.asarray(time_s, dtype=np.float64)


def require_distinct(names: tuple[str, ...]) -> None:
    """Check that all names are texts, and that none stands twice."""
    seen: set[str] = set()
    for name in names:
        require_kind(name, str, "cluster.devices.name")
        if name in seen:
            raise InstanceError("cluster.devices", f"expected distinct names, found {name!r} twice")
        seen.add(name)


def require_no_layer_overhead(cluster: Cluster, problem: str) -> None:
    """Refuse overheads of layers where a problem's times have no layers of that kind; `InstanceError` names the way on.

    Parameters
    ----------
    cluster, problem : Cluster, str
    """
    if cluster.layer_overhead_s is not None:
        raise InstanceError(
            "cluster.devices.layer_overhead_s",
            f"expected none for {problem}, whose times do not count it; the EdgeShard problems do",
        )
