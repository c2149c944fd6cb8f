"""Knapsack rows of large whole numbers, said in small ones: the very same choices fit.

A solver that computes with a tolerance of 1e-9 to 1e-6 cannot tell 24 GB from 24 GB and a byte. Added up digit by digit
with carries, as on paper, a row has small numbers only, and a byte is as much as in a row of bytes: no overload passes
within a tolerance, and nothing that fits is forbidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

#: Bits of the largest coefficient: a unit is then far above any tolerance, in rows of hundreds of terms.
SMALL_BITS = 12


@dataclass(frozen=True)
class SmallRow:
    """``sum(coefficients * x) + carry_in - base * carry_out <= limit``, with whole carries of at least 0.

    Parameters
    ----------
    coefficients : tuple of int
        One per variable of the row that is restated, at least 0.
    limit : int
        Right-hand side.
    base : int
        Weight of the carry to the next row; 0 in the last one, which has none. The first one has no carry from before.
    """

    coefficients: tuple[int, ...]
    limit: int
    base: int = 0


@lru_cache(maxsize=512)
def small_rows(sizes: tuple[int, ...], limit: int, most: tuple[int, ...]) -> tuple[SmallRow, ...]:
    """Return rows that the same whole numbers ``0 <= x <= most`` meet as ``sum(sizes * x) <= limit``.

    Parameters
    ----------
    sizes, most : tuple of int
        At least 0.
    limit : int
        Any whole number.

    Returns
    -------
    tuple of SmallRow
        None where everything fits, one without carry where the numbers are small, else one per digit, lowest first.
    """
    if sum(size * bound for size, bound in zip(sizes, most, strict=True)) <= limit:
        return ()
    if limit < 0:
        return (SmallRow((0,) * len(sizes), -1),)
    sizes, limit = reduced(sizes, limit)
    length = max(sizes).bit_length()
    count = -(-length // SMALL_BITS)
    bits = -(-length // count)
    base, top = 1 << bits, (count - 1) * bits
    lower = [
        SmallRow(tuple((size >> shift) % base for size in sizes), (limit >> shift) % base, base)
        for shift in range(0, top, bits)
    ]
    return (*lower, SmallRow(tuple(size >> top for size in sizes), limit >> top))


def reduced(sizes: tuple[int, ...], limit: int) -> tuple[tuple[int, ...], int]:
    """Return an equivalent row without common factor; what does not fit alone, misses by no more than it must.

    Parameters
    ----------
    sizes : tuple of int
        At least 0.
    limit : int
        At least 0.

    Returns
    -------
    (tuple of int, int)
        Sizes and limit, divided.
    """
    sizes = tuple(min(size, limit + 1) for size in sizes)
    unit = max(gcd(*sizes), 1)
    return tuple(size // unit for size in sizes), limit // unit


def largest_carry(row: SmallRow, before: int, most: tuple[int, ...]) -> int:
    """Return the largest carry that a row can need, given the largest one into it.

    Parameters
    ----------
    row : SmallRow
        With a carry to the next row.
    before : int
        The largest carry into it.
    most : tuple of int
        The largest value of each variable.
    """
    total = sum(size * bound for size, bound in zip(row.coefficients, most, strict=True)) + before
    return max(-(-(total - row.limit) // row.base), 0)
