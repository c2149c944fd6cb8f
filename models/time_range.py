"""The tick of instances whose times lie far apart, or in which much takes no time at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.units import (
    EXACT_BITS,
    RANGE_BITS,
    ROUNDING_TOLERANCE,
    choose_tick,
    tick_between,
    too_wide,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class TimeRange:
    """How far apart the times of an instance lie.

    Parameters
    ----------
    reference_s : float
        A lower bound on the optimum that costs nothing to find, the sum of the least compute times; 0 if it is none.
    horizon_s : float
        An upper bound on the cost of any placement.
    summed_s : float
        The most that compute times sum to on one device: differences of such sums must be exact.
    entries : int
        How many table entries the objective sums, so that so many roundings count against the reference.
    scale_s : callable
        Returns another lower bound on the optimum, None where no placement exists; asked where the first is too low.
    least_s : callable
        Returns the least time above 0; asked where both bounds are 0.
    """

    reference_s: float
    horizon_s: float
    summed_s: float
    entries: int
    scale_s: Callable[[], float | None]
    least_s: Callable[[], float]

    def tick(self) -> float:
        """Return the tick: in it the optimum keeps its digits, whatever takes no time and whatever takes for ever.

        Where whole numbers of 64 bits do not reach from the optimum to the horizon, the tick is so fine that the optimum
        has its digits, and `fits_whole_numbers` says that the slowest placements do not fit.

        Raises
        ------
        InstanceError
            When no tick serves both ends, or times are no numbers.
        """
        if self.horizon_s <= 0:
            return 1.0
        if not math.isfinite(self.horizon_s):
            raise InstanceError("compute_time_s", "expected times that sum to less than 1e308 s")
        tick = tick_between(self.reference_s, self.entries, self.horizon_s, RANGE_BITS)
        if tick is not None:
            return tick
        scale_s = self.scale_s()
        if scale_s is None:  # any tick will do for what cannot be
            return choose_tick(0.0, self.horizon_s, 1)
        reference_s, entries = max(self.reference_s, scale_s), self.entries
        if reference_s <= 0:
            # Zeros are exact, so a sum loses no more of itself than the least of the others.
            reference_s, entries = self.least_s(), 1
        for span_s, bits in ((self.horizon_s, RANGE_BITS), (self.summed_s, EXACT_BITS)):
            tick = tick_between(reference_s, entries, span_s, bits)
            if tick is not None:
                return tick
        raise too_wide(reference_s, self.summed_s, ROUNDING_TOLERANCE * 2.0**EXACT_BITS / entries)


def require_finite(messages_s: NDArray[np.float64], bandwidth: NDArray[np.float64]) -> None:
    """Refuse messages that take longer than any number: only a missing link, of bandwidth 0, takes infinitely long.

    Parameters
    ----------
    messages_s, bandwidth : ndarray, shapes (..., M, M) and (M, M) or (T, M, M)
        Seconds and bytes per second, row = sender.

    Raises
    ------
    InstanceError
        Naming the link.
    """
    slow = np.argwhere(np.isinf(messages_s) & (bandwidth > 0))
    if slow.size:
        sender, receiver = slow[0][-2:]
        raise InstanceError(
            f"cluster.bandwidth_bytes_per_s[{sender}][{receiver}]",
            "expected 0 (no link) or a bandwidth at which a message takes less than 1e308 s",
        )


def fits_whole_numbers(horizon_s: float, tick_s: float) -> bool:
    """Whether the cost of any placement is a number of ticks with which a 64-bit solver can count.

    Parameters
    ----------
    horizon_s : float
        Seconds; no placement costs more.
    tick_s : float
        Seconds.
    """
    return horizon_s <= tick_s * 2.0**RANGE_BITS


def require_whole_numbers(fits: bool) -> None:
    """Refuse times of which 64-bit solvers cannot count the ticks.

    Raises
    ------
    NotApplicableError
        Unless they fit.
    """
    if not fits:
        raise NotApplicableError(
            f"CP-SAT needs whole numbers of {RANGE_BITS} bits; the slowest links take too many times what the best "
            "placement does"
        )


def least_sufficient(values: NDArray[np.float64], suffices: Callable[[float], bool]) -> float | None:
    """Return the least of some values that suffices, where larger ones do if smaller ones do; None if none does.

    Parameters
    ----------
    values : ndarray
        Of any shape; what is not finite is left out.
    suffices : callable
        ``float -> bool``, monotone; called O(log n) times.
    """
    ascending = np.unique(values[np.isfinite(values)])
    if not len(ascending) or not suffices(float(ascending[-1])):
        return None
    low, high = 0, len(ascending) - 1
    while low < high:
        middle = (low + high) // 2
        if suffices(float(ascending[middle])):
            high = middle
        else:
            low = middle + 1
    return float(ascending[high])


def reachable(linked: NDArray[np.bool_], source: int) -> NDArray[np.bool_]:
    """Return the devices to which links lead from a source, itself included; ``linked`` has shape (M, M).

    Parameters
    ----------
    linked : ndarray of bool, shape (M, M)
        Whether row sends to column.
    source : int
        Where to begin.

    Returns
    -------
    ndarray of bool, shape (M,)
        Which devices.
    """
    reached = np.zeros(linked.shape[0], dtype=bool)
    reached[source] = True
    while True:
        grown = reached | linked[reached].any(axis=0)
        if np.array_equal(grown, reached):
            return reached
        reached = grown
