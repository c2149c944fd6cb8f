"""Numbers that people write are read exactly: a float stands for the shortest decimal that denotes it.

``0.01`` is no binary number, and five times its nearest one exceeds that of ``0.05``. As fractions of whole numbers the
five of them are 0.05, and that is what comparisons here mean.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A float keeps every decimal of so many digits; one that needs more was computed, and its last digits are noise.
WRITTEN_DIGITS = sys.float_info.dig


def as_floats(values: Any) -> NDArray[np.float64]:
    """Return numbers of any kind as floats; those of single precision by their own shortest decimals."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        array = array.astype(str)
    return np.array(array, dtype=np.float64)


def exact(value: float) -> Fraction:
    """Return the shortest decimal that denotes a float, as a fraction."""
    return Fraction(repr(float(value)))


def is_written(value: float) -> bool:
    """Whether a float is a decimal of at most `WRITTEN_DIGITS` digits."""
    return float(f"{value:.{WRITTEN_DIGITS}g}") == value


def common_measure(numbers: list[Fraction]) -> Fraction:
    """Return the largest fraction of which all numbers are multiples; 1 where all are 0."""
    denominator = math.lcm(*(number.denominator for number in numbers))
    divisor = math.gcd(*(int(number * denominator) for number in numbers))
    return Fraction(divisor, denominator) if divisor else Fraction(1)


def scaled(value: float, factor: float) -> Fraction:
    """Return the product of two decimals, exactly: ten times 0.07 is 0.7.

    Parameters
    ----------
    value, factor : float
        Each stands for the shortest decimal that denotes it.
    """
    return exact(value) * exact(factor)


def text(number: Fraction | float) -> str:
    """Return a number as people write it: 0.05, not 0.050000000000000003."""
    digits = repr(float(number))
    return digits.removesuffix(".0")
