"""What devices have in each interval, where that is not what their cluster states."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.arrays import non_negative, set_array, whole_bytes
from placewise.models.cluster import require_tables
from placewise.models.errors import InstanceError
from placewise.models.values import ByValue
from placewise.models.workload import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

MAX_INTERVALS = 100_000


@dataclass(frozen=True, eq=False, repr=False, init=False)
class DevicesOverTime(ByValue):
    """T intervals, and the tables of what changes in them; the cluster states what does not.

    Parameters
    ----------
    intervals : int
        ``T``.
    memory_bytes : array_like, shape (T, M) or (M,), optional
        ``M_j(t)``; one row holds in every interval. None = the cluster's, also when that changes.
    flops_per_s : array_like, shape (T, M) or (M,), optional
        ``C_j(t)``, likewise.
    bandwidth_bytes_per_s : array_like, shape (T, M, M) or (M, M), optional
        ``R_jk(t)``, likewise; row = sender; 0 = no link; the diagonal is not read.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range.
    """

    intervals: int
    memory_bytes: NDArray[np.int64] | None
    flops_per_s: NDArray[np.float64] | None
    bandwidth_bytes_per_s: NDArray[np.float64] | None

    def __init__(
        self,
        intervals: int,
        memory_bytes: ArrayLike | None = None,
        flops_per_s: ArrayLike | None = None,
        bandwidth_bytes_per_s: ArrayLike | None = None,
    ) -> None:
        intervals = count(intervals, "intervals")
        if not 1 <= intervals <= MAX_INTERVALS:
            raise InstanceError("intervals", f"expected 1 to {MAX_INTERVALS}, found {intervals}")
        self._set(intervals=intervals, memory_bytes=None, flops_per_s=None, bandwidth_bytes_per_s=None)
        if memory_bytes is not None:
            table = self._table(memory_bytes, 2, "memory_bytes")
            set_array(self, "memory_bytes", whole_bytes(table, table.shape, "memory_bytes"))
        if flops_per_s is not None:
            set_array(self, "flops_per_s", self._table(flops_per_s, 2, "flops_per_s"))
        if bandwidth_bytes_per_s is not None:
            table = self._table(bandwidth_bytes_per_s, 3, "bandwidth_bytes_per_s")
            table[:, np.arange(table.shape[1]), np.arange(table.shape[2])] = 0.0
            set_array(self, "bandwidth_bytes_per_s", table)

    def _table(self, values: Any, dimensions: int, path: str) -> NDArray[np.float64]:
        """Return a table with a row per interval."""
        try:
            table = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise InstanceError(path, f"expected {self.intervals} rows of numbers") from None
        if table.ndim == dimensions - 1:
            require_tables("intervals", self.intervals, table.size)
            table = np.broadcast_to(table, (self.intervals, *table.shape)).copy()
        if table.ndim != dimensions or len(table) != self.intervals or len(set(table.shape[1:])) > 1:
            expected = "(T, M)" if dimensions == 2 else "(T, M, M)"
            raise InstanceError(path, f"expected shape {expected}, T = {self.intervals}, found {table.shape}")
        return non_negative(table, table.shape, path)

    @property
    def stated(self) -> dict[str, NDArray[Any]]:
        """The tables that are stated, by name."""
        tables = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        return {name: table for name, table in tables.items() if table is not None}

    def cut(self, first: int, end: int) -> DevicesOverTime:
        """Return the intervals from first to before end.

        Parameters
        ----------
        first, end : int
            Intervals, ``0 <= first < end <= T``.
        """
        return DevicesOverTime(end - first, **{name: t[first:end] for name, t in self.stated.items()})

    def __repr__(self) -> str:
        return f"DevicesOverTime({self.intervals} intervals of {', '.join(self.stated) or 'nothing'})"


def merged(
    before: DevicesOverTime | None, intervals: int | None, tables: Mapping[str, Any], devices: int
) -> DevicesOverTime:
    """Return what is stated over time: new tables count before those of before.

    Parameters
    ----------
    before : DevicesOverTime or None
        As an instance had it.
    intervals : int or None
        ``T``; by default that of the new tables where all are new, of before, or of any new table.
    tables : mapping of str to array_like or None
        The new ones, by name.
    devices : int
        ``M``.

    Raises
    ------
    InstanceError
        On a table for another number of intervals or devices.
    """
    new = {name: table for name, table in tables.items() if table is not None}
    if not new and intervals is None and before is not None:
        found = before
    else:
        if intervals is None and before is not None and len(new) < len(tables):
            intervals = before.intervals
        if intervals is None:
            intervals = _rows(new)
        kept = {} if before is None else before.stated
        found = DevicesOverTime(intervals, **(kept | new))
    require_tables("intervals", found.intervals, devices, devices)
    for name, table in found.stated.items():
        if table.shape[-1] != devices:
            expected = (found.intervals, *[devices] * (table.ndim - 1))
            raise InstanceError(name, f"expected shape {expected}, found {table.shape}")
    return found


def _rows(tables: Mapping[str, Any]) -> int:
    """Return how many rows the first table with a row per interval has."""
    for name, table in tables.items():
        dimensions = 3 if name == "bandwidth_bytes_per_s" else 2
        try:
            shape = np.shape(table)
        except ValueError:  # rows of different lengths
            raise InstanceError(name, "expected rows of equal length") from None
        if len(shape) == dimensions:
            return int(shape[0])
    raise InstanceError("intervals", "expected how many there are, or a table with a row for each")
