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

from placewise.tools.verify_certificate import Refused, furthest, prove_chain

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
        to_go = np.full((count + 1, self.size), np.inf)
        finish = np.full((count + 1, self.size), np.inf)
        to_go[-1], finish[-1] = self.back, priced[-1] + self.back
        ends = np.empty((count, self.size), dtype=np.intp)
        following = np.zeros((count + 1, self.size), dtype=np.intp)
        begin = np.full(self.size, np.inf)
        for i in range(count - 1, -1, -1):
            stop = min(i + max(self.longest, 1), count)
            candidates = np.arange(i + 1, stop + 1)
            inside = candidates[:, None] <= self.reach[i][None, :]
            window = np.where(inside, finish[i + 1 : stop + 1], np.inf)
            best = window.argmin(axis=0)
            ends[i] = candidates[best]
            begin = window[best, devices] - priced[i]
            if i:
                closing = self.visits and not self.once and i == count - 1
                through = self.hop[i - 1] + (begin if closing or not self.visits else begin + fee)
                following[i] = through.argmin(axis=1)
                to_go[i] = through[devices, following[i]]
                finish[i] = priced[i] + to_go[i]
        total = float(begin[self.start])
        used = np.zeros(self.size)
        if np.isfinite(total):
            i, j = 0, self.start
            while True:
                end = int(ends[i, j])
                closing = self.visits and not self.once and i == count - 1
                used[j] += (not closing) if self.visits else self.held[end] - self.held[i]
                if end == count:
                    break
                i, j = end, int(following[end, j])
        room = np.ones(self.size) if self.visits else self.space
        credit = price.copy()
        if self.visits:
            credit[self.start] = used[self.start] = 0.0
            room[self.start] = 0.0
        return Priced(total - float(credit @ room), used - room)

    def climb(self, target: float, price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the best prices that subgradient steps from some towards a target find."""
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
    Refused
        Where the search needs more than `MOST_LABELS`, or the bound is wrong.
    """
    feasibility = slowest or bound is None
    limit = bound if slowest else None
    unit = Fraction(1)
    if not feasibility:
        assert bound is not None
        unit = Fraction(2) ** (int(log2(bound)) - BITS) if bound > 0 else unit
    refusal = Refused("no proof")
    for by in ("visits", "bytes"):
        if by == "bytes" and chain.once:
            break
        relaxed = Relaxation(chain, start, limit, visits=by == "visits", free=feasibility)
        for price in _prices(relaxed, bound, feasibility=feasibility):
            text = "1" if feasibility else str(unit)
            whole = [int(p / float(unit)) if not feasibility else int(p) for p in price]
            proof = {"by": by, "unit": text, "price": whole, "labels": MOST_LABELS}
            try:
                return proof | {"labels": prove_chain(chain, start, bound, proof, slowest=slowest)}
            except Refused as error:
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
