"""The one rounding rule: seconds become multiples of a tick, memory stays in whole bytes.

A tick is a power of two, so a time that is a multiple of it is exact in binary, and so is every sum of such
times up to 2**53 ticks: the objective of a placement does not depend on the order of summation, methods are
compared with ``==``, and an integer solver sees the very same numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

#: The unit of the declarative models' objectives, per second.
MILLISECONDS = 1e3
#: Ticks in the reference time of an instance, as a power of two: a relative rounding of 2**-41 per entry.
RESOLUTION_BITS = 40
#: No placement costs more ticks than this power of two, so that sums fit a solver's 64-bit integers.
RANGE_BITS = 60
#: Sums and differences of fewer ticks are exact in float64.
EXACT_BITS = 53
#: Of the finest tick: times below 1e-280 s are no times.
LEAST_EXPONENT = -960
#: The largest share of the reference time that rounding may cost in all.
ROUNDING_TOLERANCE = 1e-7
#: One memory or message size at most: sums over 4,096 layers stay below 2**62.
MAX_BYTES = 2**50


def choose_tick(reference_s: float, horizon_s: float, entries: int) -> float:
    """Return the tick of an instance, in seconds.

    Parameters
    ----------
    reference_s : float
        A lower bound on (or the scale of) the optimum, in seconds; 0 when none is known.
    horizon_s : float
        An upper bound on the cost of any placement, in seconds.
    entries : int
        How many table entries one placement sums.

    Raises
    ------
    InstanceError
        When no tick serves both ends: the times would lose more than `ROUNDING_TOLERANCE`.
    """
    if horizon_s <= 0:
        return 1.0
    reference_s = reference_s if reference_s > 0 else horizon_s
    tick = tick_between(reference_s, entries, horizon_s, RANGE_BITS)
    if tick is None:
        raise too_wide(reference_s, horizon_s, ROUNDING_TOLERANCE * 2.0**RANGE_BITS / entries)
    return tick


def tick_between(reference_s: float, entries: int, span_s: float, bits: int) -> float | None:
    """Return a tick in which a span fits so many bits and that many entries keep a reference; None if there is none.

    Parameters
    ----------
    reference_s : float
        Seconds; a rounding of all entries together stays below 1e-7 of it.
    entries : int
        How many times are added up.
    span_s : float
        Seconds; the largest sum that is counted in ticks.
    bits : int
        Of the whole number that counts them.

    Returns
    -------
    float or None
        Seconds, a power of two.
    """
    finest = min(
        math.frexp(reference_s)[1] - RESOLUTION_BITS,
        math.frexp(ROUNDING_TOLERANCE * reference_s / entries)[1] - 1,
    )
    exponent = max(finest, math.frexp(span_s)[1] - bits) if span_s > 0 else finest
    if not math.isfinite(span_s) or exponent < LEAST_EXPONENT:
        return None
    tick = math.ldexp(1.0, exponent)
    return tick if tick * entries <= ROUNDING_TOLERANCE * reference_s else None


def too_wide(least_s: float, most_s: float, factor: float) -> InstanceError:
    """Return the refusal of times too far apart.

    Parameters
    ----------
    least_s, most_s : float
        Seconds.
    factor : float
        The largest ratio of the two that is taken.
    """
    return InstanceError(
        "compute_time_s",
        f"times span too wide a range to be compared exactly: from {least_s:.3g} s at the least to "
        f"{most_s:.3g} s on the slowest devices; expected at most a factor of {factor:.1g}",
    )


def to_ticks(time_s: NDArray[np.float64], tick_s: float) -> NDArray[np.float64]:
    """Round times to multiples of the tick (still in seconds); infinity, the missing link, stays.

    Parameters
    ----------
    time_s : ndarray
        Seconds, of any shape.
    tick_s : float
        Seconds, a power of two.

    Returns
    -------
    ndarray
        Seconds, each a whole number of ticks; of the same shape.
    """
    coarse = time_s >= tick_s * 2.0**EXACT_BITS  # whole numbers of ticks as they are
    ticks = np.where(coarse, 0.0, time_s) / tick_s
    return np.where(coarse, time_s, np.rint(ticks) * tick_s)


def common_unit(sizes_bytes: Iterable[int]) -> int:
    """Return the largest number of bytes that divides every size, at least 1.

    Dividing a memory row by it is exact once the capacity is floored, and keeps a solver's
    coefficients small: a row in bytes would have 1e11 in it.
    """
    return max(math.gcd(*(int(size) for size in sizes_bytes)), 1)
