"""Numbers in arrays of an expected shape: finite, whole where they count bytes, read-only, in bounded tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Numbers in one table: a gigabyte.
MAX_TABLE = 2**27


def require_tables(path: str, *sizes: int) -> None:
    """Refuse tables beyond what a machine holds: the product of sizes; `InstanceError` at the path above `MAX_TABLE`.

    Parameters
    ----------
    path, *sizes : str, int
    """
    if math.prod(sizes) > MAX_TABLE:
        found = " x ".join(f"{size:,}" for size in sizes)
        raise InstanceError(path, f"expected tables of at most {MAX_TABLE:,} numbers, found {found}")


def set_array(owner: object, name: str, values: NDArray[Any]) -> None:
    """Store a read-only copy of an array in a field of a frozen dataclass, without negative zeros.

    Parameters
    ----------
    owner, name, values : object, str, ndarray
    """
    values = values + 0  # a copy
    values.setflags(write=False)
    object.__setattr__(owner, name, values)


def non_negative(values: object, shape: tuple[int, ...], path: str) -> NDArray[np.float64]:
    """Return finite numbers of at least 0 in an expected shape; else `InstanceError` at the path of the first wrong one.

    Parameters
    ----------
    values, shape, path : array_like, tuple of int, str
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InstanceError(path, f"expected numbers in shape {shape}") from None
    if array.shape != shape:
        raise InstanceError(path, f"expected shape {shape}, found {array.shape}")
    bad = np.argwhere(~(np.isfinite(array) & (array >= 0)))
    if bad.size:
        where = "".join(f"[{index}]" for index in bad[0])
        raise InstanceError(path + where, f"expected a finite number >= 0, found {array[tuple(bad[0])]}")
    return array


def whole_bytes(values: object, shape: tuple[int, ...], path: str) -> NDArray[np.int64]:
    """Return whole bytes up to 2**50 in an expected shape, never rounded; `InstanceError` at the path of any other.

    Parameters
    ----------
    values, shape, path : array_like, tuple of int, str
    """
    array = non_negative(values, shape, path)
    bad = np.argwhere((array != np.rint(array)) | (array > MAX_BYTES))
    if bad.size:
        where = "".join(f"[{index}]" for index in bad[0])
        raise InstanceError(
            path + where,
            f"expected a whole number of bytes up to 2**50, found {array[tuple(bad[0])]!r}",
        )
    return array.astype(np.int64)
