"""Times as whole numbers for CP-SAT, which computes in 64 bits: in the instance's ticks where these fit, else coarser.

Coarser times are rounded down, so the optimum of a model is a bound, and the gap to the placement says what was lost.
Once a placement is known, what alone costs more than it need not be told apart (``cap_s``), and ticks mostly fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

#: Bits of the sum of all terms at their largest. 64-bit sums must hold in all that presolve makes of a model: sums of
#: 60 bits came back as infeasible. Instances without extremes need 40 to 50.
SUM_BITS = 54


@dataclass(frozen=True)
class WholeTimes:
    """What one unit of a model is.

    Parameters
    ----------
    tick_s : float
        The instance's tick, a power of two: each time is a multiple of it.
    ticks : int
        Ticks per unit.
    exact : bool
        Whether all times are multiples of the unit.
    """

    tick_s: float
    ticks: int = 1
    exact: bool = True

    @property
    def unit_s(self) -> float:
        """Seconds per unit."""
        return self.tick_s * self.ticks

    def of(self, time_s: float) -> int:
        """Return a time in units, rounded down where they are coarse."""
        return int(time_s / self.tick_s) // self.ticks


def whole_times(tick_s: float, total_s: float, common: Iterable[NDArray[np.float64]] = ()) -> WholeTimes:
    """Return the finest units in which a sum has at most `SUM_BITS` bits.

    Parameters
    ----------
    tick_s : float
        The instance's tick.
    total_s : float
        The sum of all variables' and terms' largest values.
    common : iterable of ndarray
        All times, where a larger unit that divides them all helps: bounds move in steps of it.
    """
    ticks = 0
    for times in common:
        finite = (times[np.isfinite(times)] / tick_s).astype(np.int64)
        ticks = int(np.gcd(ticks, np.gcd.reduce(finite, initial=0)))
    ticks = max(ticks, 1)
    excess = max(int(total_s / (tick_s * ticks)).bit_length() - SUM_BITS, 0)
    return WholeTimes(tick_s, ticks << excess, exact=excess == 0)


def finite_sum(table: Any, cap_s: float = float("inf")) -> float:
    """Return the sum of the entries that exist and are at most the cap.

    Parameters
    ----------
    table : array_like
        Seconds, of any shape; what does not exist is infinite or NaN.
    cap_s : float
        Seconds.
    """
    values = np.asarray(table, dtype=np.float64)
    return float(values[np.isfinite(values) & (values <= cap_s)].sum())


def finite_largest(table: Any, cap_s: float = float("inf")) -> float:
    """Return the largest entry that exists and is at most the cap; 0 without one.

    Parameters
    ----------
    table : array_like
        Seconds, of any shape; what does not exist is infinite or NaN.
    cap_s : float
        Seconds.
    """
    values = np.asarray(table, dtype=np.float64)
    return float(values[np.isfinite(values) & (values <= cap_s)].max(initial=0.0))


def wanted(time_s: float, cap_s: float) -> bool:
    """Whether a time exists and does not alone exceed the cap.

    Parameters
    ----------
    time_s, cap_s : float
        Seconds.
    """
    return isfinite(time_s) and time_s <= cap_s
