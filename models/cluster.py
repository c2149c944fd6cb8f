"""Devices and the directed links between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray


MAX_DEVICES = 4096
#: Numbers in one table: a gigabyte.
MAX_TABLE = 2**27


@dataclass(frozen=True, eq=False)
class Cluster:
    """M devices and their links.

    Parameters
    ----------
    device_names : tuple of str
        M distinct names.
    memory_bytes : ndarray of int64, shape (M,)
        Memory budget of each device (``Mem_j``), whole bytes.
    bandwidth_bytes_per_s : ndarray, shape (M, M)
        ``B_kj``; row = sender; 0 = no link; the diagonal is not read.
    latency_s : ndarray, shape (M, M)
        Seconds added once per transfer; the diagonal is not read.
    flops_per_s, memory_bytes_per_s : ndarray, shape (M,), optional
        Peak compute and memory bandwidth, for roofline compute times; NaN where a device does not say.

    Raises
    ------
    InstanceError
        On a wrong shape, a repeated name, or a value that is negative or not finite.
    """

    device_names: tuple[str, ...]
    memory_bytes: NDArray[np.int64]
    bandwidth_bytes_per_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    flops_per_s: NDArray[np.float64] | None = None
    memory_bytes_per_s: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        size = len(self.device_names)
        if not size:
            raise InstanceError("cluster.devices", "expected at least one device")
        if size > MAX_DEVICES:
            raise InstanceError("cluster.devices", f"expected at most {MAX_DEVICES}, found {size}")
        require_distinct(self.device_names)
        set_array(
            self, "memory_bytes", whole_bytes(self.memory_bytes, (size,), "cluster.devices.memory_bytes")
        )
        for name in ("bandwidth_bytes_per_s", "latency_s"):
            values = np.array(getattr(self, name), dtype=np.float64)
            if values.shape == (size, size):
                np.fill_diagonal(values, 0.0)
            set_array(self, name, non_negative(values, (size, size), f"cluster.{name}"))
        for name in ("flops_per_s", "memory_bytes_per_s"):
            if getattr(self, name) is not None:
                values = np.array(getattr(self, name), dtype=np.float64)
                known = np.where(np.isnan(values), 1.0, values)
                non_negative(known, (size,), f"cluster.devices.{name}")
                set_array(self, name, values)

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
        with np.errstate(divide="ignore", invalid="ignore"):
            time_s = size_bytes / self.bandwidth_bytes_per_s + self.latency_s
        time_s[self.bandwidth_bytes_per_s == 0] = np.inf
        np.fill_diagonal(time_s, 0.0)
        return np.asarray(time_s, dtype=np.float64)


def require_distinct(names: tuple[str, ...]) -> None:
    """Check that no device's name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InstanceError("cluster.devices", f"expected distinct names, found {name!r} twice")
        seen.add(name)


def require_tables(path: str, *sizes: int) -> None:
    """Refuse tables beyond what a machine holds: so many numbers of all sizes multiplied."""
    if math.prod(sizes) > MAX_TABLE:
        found = " x ".join(f"{size:,}" for size in sizes)
        raise InstanceError(path, f"expected tables of at most {MAX_TABLE:,} numbers, found {found}")


def set_array(owner: object, name: str, values: NDArray[np.generic]) -> None:
    """Store a read-only copy of an array in a frozen dataclass."""
    values = values.copy()
    values.setflags(write=False)
    object.__setattr__(owner, name, values)


def non_negative(values: object, shape: tuple[int, ...], path: str) -> NDArray[np.float64]:
    """Return an array of finite numbers of at least 0 in the given shape, or say what is wrong and where."""
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise InstanceError(path, f"expected shape {shape}, found {array.shape}")
    bad = np.argwhere(~(np.isfinite(array) & (array >= 0)))
    if bad.size:
        where = "".join(f"[{index}]" for index in bad[0])
        raise InstanceError(path + where, f"expected a finite number >= 0, found {array[tuple(bad[0])]}")
    return array


def whole_bytes(values: object, shape: tuple[int, ...], path: str) -> NDArray[np.int64]:
    """Return an array of whole byte counts in the given shape: memory is compared exactly, never rounded."""
    array = non_negative(values, shape, path)
    bad = np.argwhere((array != np.rint(array)) | (array > MAX_BYTES))
    if bad.size:
        where = "".join(f"[{index}]" for index in bad[0])
        raise InstanceError(
            path + where,
            f"expected a whole number of bytes up to 2**50, found {array[tuple(bad[0])]!r}",
        )
    return array.astype(np.int64)
