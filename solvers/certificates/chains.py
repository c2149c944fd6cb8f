"""Prices for the certificate of a chain: a Lagrangian dual over runs, climbed in floating point.

Nothing here is believed: prices of any kind prove something, and the verifier computes what, in whole numbers. Good
prices leave it little to search.

Sources: Lagrangian relaxation, Held and Karp (1970, 1971); subgradient steps of Polyak's length, Polyak (1969).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.tools.verify_certificate import RefusedError, Search, furthest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from placewise.tools.verify_certificate import Chain

#: Bits of the bound in units of a proof.
BITS = 60
#: Labels that a proof may need; beyond, none is written.
MOST_LABELS = 300_000
#: Subgradient steps.
STEPS = 400


@dataclass(frozen=True, eq=False)
class Priced:
    """A relaxation's optimum at given prices.

    Parameters
    ----------
    value_s : float
        Bound on every placement's cost; infinite without one.
    excess : ndarray, shape (M,)
        Visits, or bytes, beyond what a device has.
    """

    value_s: float
    excess: NDArray[np.float64]


class Relaxation:
    """Least priced cost over sequences of runs, as the verifier has it, in floating point.

    Parameters
    ----------
    chain : Chain
        N layers on M devices.
    start : int
        Where layer 0 is.
    limit : Fraction or None
        That a run, a message and the way back stay below, where the slowest counts; costs are then 0.
    visits : bool
        Whether prices are per visit, or per byte.
    free : bool
        Whether all costs are 0: only whether there is a placement counts.
    """

    def __init__(self, chain: Chain, start: int, limit: Fraction | None, *, visits: bool, free: bool) -> None:
        self.start, self.visits, self.once = start, visits, chain.once
        self.count, self.size = len(chain.size), len(chain.space)
        held = [0]
        for size in chain.size:
            held.append(held[-1] + size)
        self.reach = np.array(
            [[furthest(chain, held, i, j, limit) for j in range(self.size)] for i in range(self.count)]
        )
        self.held = np.array(held, dtype=np.float64)
        self.space = np.array(chain.space, dtype=np.float64)
        cost = np.zeros((self.count, self.size)) if free else np.array(chain.cost, dtype=np.float64)
        self.before = np.vstack([np.zeros(self.size), np.cumsum(cost, axis=0)])
        known: dict[int, NDArray[np.float64]] = {}

        def table(rows: Any) -> NDArray[np.float64]:
            def time(value: Fraction | None) -> float:
                if value is None or (limit is not None and value >= limit):
                    return np.inf
                return 0.0 if free else float(value)

            return np.array([[time(value) for value in row] for row in rows])

        for matrix in chain.hop:
            if id(matrix) not in known:
                known[id(matrix)] = table(matrix)
                np.fill_diagonal(known[id(matrix)], np.inf)
        self.hop = [known[id(matrix)] for matrix in chain.hop]
        self.back = table([chain.back[start]])[0]
        self.longest = int((self.reach - np.arange(self.count)[:, None]).max(initial=1))

    def at(self, price: NDArray[np.float64]) -> Priced:
        """Return the relaxation's optimum at prices, shape (M,), and where it has more than there is."""
        count, devices = self.count, np.arange(self.size)
        priced = self.before if self.visits else self.before + self.held[:, None] * price
        fee = price.copy() if self.visits else np.zeros(self.size)
        if self.visits:
            fee[self.start] = np.inf
        # Tables by device of the run and of the one before it, as the verifier has them.
        size = self.size
        finish = np.full((count + 1, size, size), np.inf)
        finish[-1] = (priced[-1] + self.back)[:, None]
        ends = np.empty((count, size, size), dtype=np.intp)
        following = np.zeros((count + 1, size, size), dtype=np.intp)
        begin = np.full((size, size), np.inf)
        rows, columns = np.ogrid[:size, :size]
        for i in range(count - 1, -1, -1):
            stop = min(i + max(self.longest, 1), count)
            candidates = np.arange(i + 1, stop + 1)
            inside = candidates[:, None] <= self.reach[i][None, :]
            window = np.where(inside[:, :, None], finish[i + 1 : stop + 1], np.inf)
            best = window.argmin(axis=0)
            ends[i] = candidates[best]
            begin = window[best, rows, columns] - priced[i][:, None]
            if not i:
                break
            closing = self.visits and not self.once and i == count - 1
            entered = begin if closing or not self.visits else begin + fee[:, None]
            through = self.hop[i - 1] + entered.T
            first = through.argmin(axis=1)
            least = through[devices, first]
            following[i] = first[:, None]
            finish[i] = (priced[i] + least)[:, None]
            if self.visits and not closing and size > 1:
                through[devices, first] = np.inf
                second = through.argmin(axis=1)
                following[i, devices, first] = second
                finish[i, devices, first] = priced[i] + through[devices, second]
        total = float(begin[self.start, self.start])
        used = np.zeros(size)
        if np.isfinite(total):
            i, j, k = 0, self.start, self.start
            while True:
                end = int(ends[i, j, k])
                closing = self.visits and not self.once and i == count - 1
                used[j] += (not closing) if self.visits else self.held[end] - self.held[i]
                if end == count:
                    break
                i, j, k = end, int(following[end, j, k]), j
        room = np.ones(self.size) if self.visits else self.space
        credit = price.copy()
        if self.visits:
            credit[self.start] = used[self.start] = 0.0
            room[self.start] = 0.0
        return Priced(total - float(credit @ room), used - room)

    def climb(self, target: float, price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the best prices that subgradient steps from some towards a target find.

        Parameters
        ----------
        target : float
            Seconds that the bound should reach.
        price : ndarray, shape (M,)
            To begin with.

        Returns
        -------
        ndarray, shape (M,)
            Seconds per visit or byte.
        """
        scale = 1.0 if self.visits else np.maximum(self.space, 1.0)
        best = price
        top = now = self.at(price)
        weight, stalled = 1.0, 0
        for _ in range(STEPS):
            if not np.isfinite(now.value_s) or weight < 1e-3 or top.value_s >= target:
                break
            excess = now.excess / scale
            direction = np.where((price > 0) | (excess > 0), excess, 0.0)
            length = float(direction @ direction)
            if length == 0:
                break
            step = weight * max(target - top.value_s, 1e-9 * abs(target)) / length
            price = np.maximum(price + step * direction / scale, 0.0)
            now = self.at(price)
            if now.value_s > top.value_s:
                top, best, stalled = now, price, 0
            else:
                stalled += 1
            if stalled >= 15:
                weight, stalled, price, now = weight / 2, 0, best, top
        return best


def proof_of(chain: Chain, start: int, bound: Fraction | None, *, slowest: bool) -> dict[str, Any]:
    """Return a proof that no placement from a start costs less than a bound; None: that there is none.

    Parameters
    ----------
    chain : Chain
        As the verifier reads it.
    start : int
        Where layer 0 is.
    bound : Fraction or None
        Seconds.
    slowest : bool
        Whether the slowest stage or message counts, not the sum.

    Raises
    ------
    RefusedError
        Where the search needs more than `MOST_LABELS`, or the bound is wrong.
    """
    feasibility = slowest or bound is None
    limit = bound if slowest else None
    unit = Fraction(1)
    if not feasibility:
        assert bound is not None
        unit = Fraction(2) ** (int(log2(bound)) - BITS) if bound > 0 else unit
    refusal = RefusedError("no proof")
    for by in ("visits", "bytes"):
        if by == "bytes" and chain.once:
            break
        relaxed = Relaxation(chain, start, limit, visits=by == "visits", free=feasibility)
        for price in _prices(relaxed, bound, feasibility=feasibility):
            text = "1" if feasibility else str(unit)
            whole = [int(p / float(unit)) if not feasibility else int(p) for p in price]
            proof = {"by": by, "unit": text, "price": whole, "labels": MOST_LABELS}
            try:
                return proof | {"labels": Search((chain, start, bound), proof, slowest=slowest).run()}
            except RefusedError as error:
                refusal = error
                if "visits prove nothing" in str(error):
                    break
    raise refusal


def _prices(
    relaxed: Relaxation, bound: Fraction | None, *, feasibility: bool
) -> Iterator[NDArray[np.float64]]:
    """Yield prices worth a try, the likely ones first."""
    if not feasibility:
        assert bound is not None
        yield relaxed.climb(float(bound), np.zeros(relaxed.size))
        return
    if not relaxed.visits:
        yield np.ones(relaxed.size)  # bytes
        return
    # Counting: as many layers as a device takes at most, all of them or those between the first and the last.
    starts, last = np.arange(relaxed.count)[:, None], relaxed.count - 1
    every = np.maximum(relaxed.reach - starts, 0).max(axis=0).astype(np.float64)
    inner = np.maximum(np.minimum(relaxed.reach, last) - np.maximum(starts, 1), 0).max(axis=0)
    tried = max((inner.astype(np.float64), every), key=lambda price: relaxed.at(price).value_s)
    yield tried
    climbed = relaxed.climb(2.0, tried)
    if relaxed.at(climbed).value_s > 0:
        yield np.floor(climbed * 2**20)
