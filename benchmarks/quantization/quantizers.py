"""Uniform symmetric quantisation of weight matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Rounding and granularity: truncation to 0, or round to nearest; one scale per matrix, or per row.
SCHEMES = ("truncate-tensor", "truncate-row", "nearest-tensor", "nearest-row")


def quantize(weights: NDArray[np.float32], bits: int, scheme: str) -> NDArray[np.float32]:
    """Return weights that take ``2**bits - 1`` levels, symmetric about 0, up to the largest magnitude.

    Parameters
    ----------
    weights : ndarray, shape (rows, columns)
        A matrix.
    bits : int
        At least 2.
    scheme : str
        One of `SCHEMES`.
    """
    rounding, granularity = scheme.split("-")
    axis = 1 if granularity == "row" else None
    largest = np.abs(weights).max(axis=axis, keepdims=True)
    step = largest / (2 ** (bits - 1) - 1)
    levels = weights / np.where(step > 0, step, 1)
    levels = np.rint(levels) if rounding == "nearest" else np.trunc(levels)
    return np.asarray(levels * step, dtype=np.float32)


def worst_error(weights: NDArray[np.float32], bits: int, scheme: str) -> float:
    """Return ``max |w - w_b|``, the error of DILEMMA's Eq. 5."""
    return float(np.abs(weights - quantize(weights, bits, scheme)).max())
