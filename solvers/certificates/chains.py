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

    from placewise.tools.verify_certificate import Case

#: Bits of the bound in units of a proof.
BITS = 60
#: Labels that a proof may need; beyond, none is written.
MOST_LABELS = 300_000
#: Devices whose visits the tables remember, in turn, where more labels than so many are left.
REMEMBERED, FEW_LABELS = (0, 2, 4, 6), 10_000
#: Subgradient steps, by devices remembered.
STEPS = {0: 400, 2: 100, 4: 50, 6: 30}


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
    case : Case
        N layers on M devices. Without a bound all costs are 0: only whether there is a placement counts.
    visits : bool
        Whether prices are per visit, or per byte.
    """

    def __init__(self, case: Case, *, visits: bool) -> None:
        chain, start, limit, free = case.chain, case.start, case.limit, case.bound is None
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
                return np.inf if value is None else 0.0 if free else float(value)

            return np.array([[time(value) for value in row] for row in rows])

        for matrix in chain.hop:
            if id(matrix) not in known:
                known[id(matrix)] = table(matrix)
                np.fill_diagonal(known[id(matrix)], np.inf)
        self.hop = [known[id(matrix)] for matrix in chain.hop]
        self.back = table([chain.back[start]])[0]
        self.shortest = np.array([max(least, 1) if chain.once else 1 for least in chain.least])
        #: The least price of a device: what must be visited may be paid for it.
        must = visits and chain.once and np.array(chain.least) > 0
        self.floor = np.where(must, -np.inf, 0.0)
        self.longest = int((self.reach - np.arange(self.count)[:, None]).max(initial=1))
        self.remember(())

    def remember(self, devices: tuple[int, ...]) -> None:
        """Let states say which of some devices a path has visited, which visits none of them again."""
        self.remembered = devices
        bit = np.zeros(self.size, dtype=np.intp)
        bit[list(devices)] = 1 << np.arange(len(devices))
        before = np.arange(1 << len(devices))[:, None]
        self.after, self.fresh = before | bit, (before & bit) == 0

    def at(self, price: NDArray[np.float64]) -> Priced:
        """Return the relaxation's optimum at prices, shape (M,), and where it has more than there is."""
        count, devices = self.count, np.arange(self.size)
        priced = self.before if self.visits else self.before + self.held[:, None] * price
        fee = price.copy() if self.visits else np.zeros(self.size)
        if self.visits:
            fee[self.start] = np.inf
        # Tables by remembered devices visited, device of the run, and of the one before it.
        size, subsets = self.size, len(self.after)
        finish = np.full((count + 1, subsets, size, size), np.inf)
        finish[-1] = (priced[-1] + self.back)[:, None]
        ends = np.empty((count, subsets, size, size), dtype=np.intp)
        following = np.zeros((count + 1, subsets, size, size), dtype=np.intp)
        begin = np.full((subsets, size, size), np.inf)
        for i in range(count - 1, -1, -1):
            stop = min(i + max(self.longest, 1), count)
            closing = self.visits and not self.once and i == count - 1
            candidates = np.arange(i + 1, stop + 1)
            inside = (candidates[:, None] <= self.reach[i]) & (candidates[:, None] >= i + self.shortest)
            window = finish[i + 1 : stop + 1]
            if self.remembered and not closing:
                window = np.where(self.fresh[:, :, None], window[:, self.after, devices], np.inf)
            window = np.where(inside[:, None, :, None], window, np.inf)
            best = window.argmin(axis=0)
            ends[i] = candidates[best]
            begin = np.take_along_axis(window, best[None], 0)[0] - priced[i][:, None]
            if not i:
                break
            entered = begin if closing or not self.visits else begin + fee[:, None]
            through = self.hop[i - 1] + entered.swapaxes(1, 2)
            first = through.argmin(axis=2)[:, :, None]
            following[i] = first
            finish[i] = priced[i][:, None] + np.take_along_axis(through, first, 2)
            if self.visits and not closing and size > 1:
                np.put_along_axis(through, first, np.inf, 2)
                second = through.argmin(axis=2)[:, :, None]
                np.put_along_axis(following[i], first, second, 2)
                other = priced[i][:, None] + np.take_along_axis(through, second, 2)
                np.put_along_axis(finish[i], first, other, 2)
        total = float(begin[0, self.start, self.start])
        used = self._used(ends, following) if np.isfinite(total) else np.zeros(size)
        room = np.ones(self.size) if self.visits else self.space
        credit = price.copy()
        if self.visits:
            once = [self.start, *self.remembered]
            credit[once] = used[once] = room[once] = 0.0
        return Priced(total - float(credit @ room), used - room)

    def _used(self, ends: NDArray[np.intp], following: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the visits or bytes of each device on a best path, from the tables of its choices."""
        used = np.zeros(self.size)
        i, s, j, k = 0, 0, self.start, self.start
        while True:
            end = int(ends[i, s, j, k])
            closing = self.visits and not self.once and i == self.count - 1
            used[j] += (not closing) if self.visits else self.held[end] - self.held[i]
            if end == self.count:
                return used
            s = int(self.after[s, j])
            i, j, k = end, int(following[end, s, j, k]), j

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
        for _ in range(STEPS[len(self.remembered)]):
            if not np.isfinite(now.value_s) or weight < 1e-3 or top.value_s >= target:
                break
            excess = now.excess / scale
            direction = np.where((price > self.floor) | (excess > 0), excess, 0.0)
            length = float(direction @ direction)
            if length == 0:
                break
            step = weight * max(target - top.value_s, 1e-9 * abs(target)) / length
            price = np.maximum(price + step * direction / scale, self.floor)
            now = self.at(price)
            if now.value_s > top.value_s:
                top, best, stalled = now, price, 0
            else:
                stalled += 1
            if stalled >= 15:
                weight, stalled, price, now = weight / 2, 0, best, top
        return best


def proof_of(case: Case) -> dict[str, Any]:
    """Return a proof of a case.

    Parameters
    ----------
    case : Case
        As the verifier reads it.

    Raises
    ------
    RefusedError
        Where the search needs more than `MOST_LABELS`, or the bound is wrong.
    """
    chain, start, bound, limit = case
    feasibility = bound is None
    stated = limit if bound is None else bound
    unit = Fraction(1)
    if not feasibility:
        assert bound is not None
        unit = Fraction(2) ** (int(log2(bound)) - BITS) if bound > 0 else unit
    refusal = RefusedError("no proof")
    for by in ("visits", "bytes"):
        if by == "bytes" and chain.once:
            break
        relaxed = Relaxation(case, visits=by == "visits")
        for price, most in _prices(relaxed, bound, feasibility=feasibility):
            proof: dict[str, Any] = {
                "by": by,
                "bound": None if stated is None else str(stated),
                "unit": None if feasibility else str(unit),
                "price": [
                    0 if by == "visits" and j == start else int(p / float(unit)) for j, p in enumerate(price)
                ],
                "labels": most,
            }
            if relaxed.remembered:
                proof["remembered"] = list(relaxed.remembered)
            try:
                return proof | Search(case, proof).run()
            except RefusedError as error:
                refusal = error
                if "not excluded" in str(error):
                    raise
                if "visits prove nothing" in str(error):
                    break
    raise refusal


def _prices(
    relaxed: Relaxation, bound: Fraction | None, *, feasibility: bool
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield prices worth a try, the likely ones first, and the labels that they may leave."""
    if not feasibility:
        assert bound is not None
        price, dear = np.zeros(relaxed.size), np.zeros(relaxed.size)
        for count in REMEMBERED if relaxed.visits else REMEMBERED[:1]:
            devices = np.argsort(-dear, kind="stable")[:count]
            if (dear[devices] == 0).any():
                break
            relaxed.remember(tuple(devices.tolist()))
            price[devices] = 0.0
            price = relaxed.climb(float(bound), price)
            dear = np.maximum(dear, price)
            yield price, FEW_LABELS
        yield price, MOST_LABELS
        return
    if not relaxed.visits:
        yield np.ones(relaxed.size), MOST_LABELS  # bytes
        return
    # Counting: as many layers as a device takes at most, all of them or those between the first and the last.
    starts, last = np.arange(relaxed.count)[:, None], relaxed.count - 1
    every = np.maximum(relaxed.reach - starts, 0).max(axis=0).astype(np.float64)
    inner = np.maximum(np.minimum(relaxed.reach, last) - np.maximum(starts, 1), 0).max(axis=0)
    tried = max((inner.astype(np.float64), every), key=lambda price: relaxed.at(price).value_s)
    yield tried, MOST_LABELS
    climbed = relaxed.climb(2.0, tried)
    if relaxed.at(climbed).value_s > 0:
        yield np.floor(climbed * 2**20), MOST_LABELS
