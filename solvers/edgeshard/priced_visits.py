"""Chains of devices with equal layers, and their bound: paths whose visits are priced.

A chain starts on the source and visits other devices at most once each; between its bounds each takes a number of equal
layers. Dropping "at most once" leaves a path over (layers placed, device). Pricing it bounds the cost from below: for
prices ``p >= 0``, ``min over paths of (cost + sum_j p_j visits_j) - sum_j p_j``, since no chain visits a device twice.
Paths that return to the device before the last are left out (k-j-k): for each state the best continuation and the best
one by another next device are kept, as a chain never does that. Prices are whole ticks, and what exceeds the cost of a
known placement counts as missing, so that all sums are exact.

Sources: Lagrangian relaxation, Held and Karp (1971), Fisher (1981); elimination of 2-cycles, Houck, Picard, Queyranne and
Vemuganti (1980), Christofides, Mingozzi and Toth (1981); steps of Polyak's length, Polyak (1969).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Chains:
    """The chains that are searched: M devices, the first of which is the source; ``total`` equal layers.

    Parameters
    ----------
    devices : ndarray of int, shape (M,)
        Which devices of the instance; the source first.
    total : int
        Equal layers to place.
    time_s : ndarray, shape (M,)
        Of one of them.
    hop_s : ndarray, shape (M, M)
        Of a message, row = sender; infinite to the source and on the diagonal.
    least, most : ndarray of int, shape (M,)
        How many a device takes that another one follows.
    last_least, last_most : ndarray of int, shape (M,)
        How many the last device takes.
    close_s : ndarray, shape (M,)
        What follows the last device's equal layers.
    required : int or None
        A device of the instance that a chain has to visit.
    tick_s : float
        Of all times.
    """

    devices: Ints
    total: int
    time_s: Array
    hop_s: Array
    least: Ints
    most: Ints
    last_least: Ints
    last_most: Ints
    close_s: Array
    required: int | None
    tick_s: float

    def kept(self, keep: NDArray[np.bool_]) -> Chains:
        """Return the chains on some of the devices.

        Parameters
        ----------
        keep : ndarray of bool, shape (M,)
            Which; the source among them.
        """
        columns = ("devices", "time_s", "least", "most", "last_least", "last_most", "close_s")
        some = {name: getattr(self, name)[keep] for name in columns}
        return replace(self, hop_s=self.hop_s[np.ix_(keep, keep)], **some)


class PricedPaths:
    """The least priced costs from every state on, for given prices.

    Some devices may be remembered: a state then says which of them have been visited, and none is twice. It costs a table
    for each subset, so they should be few, and those for which a price is least able to say "once".

    Parameters
    ----------
    chains : Chains
        M devices, B equal layers.
    price_s : ndarray, shape (M,)
        Per visit; that of the source is 0.
    remembered : tuple of int
        Positions of K devices; subsets of them are numbered by bits.
    """

    def __init__(self, chains: Chains, price_s: Array, remembered: tuple[int, ...] = ()) -> None:
        self.chains, self.price_s, self.remembered = chains, price_s, remembered
        total, size, subsets = chains.total, len(chains.devices), 1 << len(remembered)
        self.bit = np.zeros(size, dtype=np.intp)
        self.bit[list(remembered)] = 1 << np.arange(len(remembered))
        before = np.arange(subsets)[:, None]
        #: The subset after a device has been visited, and whether it may be.
        self.after, self.fresh = before | self.bit, (before & self.bit) == 0
        longest = int(chains.most[1:].max(initial=0))
        self.lengths = np.arange(1, longest + 1)
        allowed = (self.lengths[:, None] >= chains.least) & (self.lengths[:, None] <= chains.most)
        self.length_s: Array = np.where(allowed, self.lengths[:, None] * chains.time_s, np.inf)
        shape = (subsets, total + 1, size)
        # From the start of a run before a layer on a device: best, its next device, best by another next device.
        self.run_s, self.run_next, self.run_other_s = _table(shape)
        # From its end, likewise.
        self.end_s, self.end_next, self.end_other_s = _table(shape)
        for placed in range(total, -1, -1):
            self._fill(placed)
        self.price_sum_s = float(price_s.sum())
        self.bound_s = float(self.starts_s().min()) - self.price_sum_s

    def _fill(self, placed: int) -> None:
        """Fill the tables of one number of layers from those of more."""
        chains = self.chains
        best = np.broadcast_to(self.last_s(placed), self.after.shape)
        second, following = np.full(best.shape, np.inf), np.full(best.shape, -1)
        steps = min(len(self.lengths), chains.total - placed)
        if steps:
            ahead, length_s = slice(placed + 1, placed + steps + 1), self.length_s[:steps]
            after, first = self._after(self.end_next, ahead), length_s + self._after(self.end_s, ahead)
            other = length_s + self._after(self.end_other_s, ahead)
            row = first.argmin(axis=1)[:, None]
            least, nearest = (np.take_along_axis(table, row, 1)[:, 0] for table in (first, after))
            unlike = np.where(after != nearest[:, None], first, other).min(axis=1)
            second = np.minimum(np.maximum(least, best), unlike)
            following = np.where(least < best, nearest, -1)
            best = np.minimum(least, best)
        best = np.where(self.fresh, best + self.price_s, np.inf)
        second = np.where(self.fresh, second + self.price_s, np.inf)
        self.run_s[:, placed], self.run_next[:, placed], self.run_other_s[:, placed] = best, following, second
        # What follows a run is not the device before it: few pairs, for which the other continuation counts.
        through = best[:, None] + chains.hop_s
        subset, device = np.nonzero(following >= 0)
        before = following[subset, device]
        through[subset, before, device] = second[subset, device] + chains.hop_s[before, device]
        nearest = through.argmin(axis=2)[:, :, None]
        self.end_s[:, placed] = np.take_along_axis(through, nearest, 2)[:, :, 0]
        self.end_next[:, placed] = nearest[:, :, 0]
        np.put_along_axis(through, nearest, np.inf, 2)
        self.end_other_s[:, placed] = through.min(axis=2)

    def _after(self, table: NDArray[Any], ahead: slice) -> NDArray[Any]:
        """Return a table's entries for some numbers of layers, by the subset before each device is visited."""
        if not self.remembered:
            return table[:, ahead]
        found = table[:, ahead].copy()
        for device in self.remembered:
            found[:, :, device] = table[self.after[:, device], ahead, device]
        return found

    def last_s(self, placed: int) -> Array:
        """Return what each device takes for the rest and the end of a chain, shape (M,)."""
        chains, rest = self.chains, self.chains.total - placed
        fits = (rest >= chains.last_least) & (rest <= chains.last_most)
        return np.where(fits, rest * chains.time_s + chains.close_s, np.inf)

    def starts_s(self) -> Array:
        """Return the priced cost by the number of equal layers on the source, then that of all of them there."""
        counts = np.arange(min(int(self.chains.most[0]), self.chains.total) + 1)
        return np.append(counts * self.chains.time_s[0] + self.end_s[0, : len(counts), 0], self.last_s(0)[0])

    def visits(self) -> NDArray[np.int64]:
        """Return how often a best path visits each device, shape (M,); the source not at all."""
        chains, numbers = self.chains, np.arange(len(self.chains.devices))
        count = np.zeros(len(numbers), dtype=np.int64)
        placed = int(self.starts_s().argmin())
        if placed > min(int(chains.most[0]), chains.total):
            return count
        before, device, subset = -1, 0, 0
        while True:
            # The next device is not the one before; what follows it is not this one.
            back = self.run_next[subset, placed] == device
            through = chains.hop_s[device] + np.where(
                back, self.run_other_s[subset, placed], self.run_s[subset, placed]
            )
            if before >= 0:
                through[before] = np.inf
            before, device = device, int(through.argmin())
            count[device] += 1
            subset = int(self.after[subset, device])
            last_s = self.last_s(placed)[device]
            steps = min(len(self.lengths), chains.total - placed)
            ahead = (subset, slice(placed + 1, placed + steps + 1), device)
            back = self.end_next[ahead] == before
            longer = self.length_s[:steps, device] + np.where(
                back, self.end_other_s[ahead], self.end_s[ahead]
            )
            if not steps or last_s <= longer.min():
                return count
            placed += int(longer.argmin()) + 1

    def through_s(self) -> tuple[Array, Array]:
        """Return least bounds of paths through each device, and of those that end on it with all layers placed.

        Returns
        -------
        through_s : ndarray, shape (M,)
            Of whole paths, without the elimination of 2-cycles; the bound itself for the source.
        ended_s : ndarray, shape (M,)
            Without what follows the last device; only of devices that take what they take if another one follows.
        """
        chains, total = self.chains, self.chains.total
        ended: Array = np.full(self.end_s.shape, np.inf)
        counts = np.arange(min(int(chains.most[0]), total) + 1)
        ended[0, : len(counts), 0] = counts * chains.time_s[0]
        best = np.full(len(chains.devices), np.inf)
        plain = self.bit == 0
        for placed in range(total + 1):
            begun = (ended[:, placed, :, None] + chains.hop_s).min(axis=1)
            np.minimum(best, (begun + self.run_s[:, placed]).min(axis=0), out=best)
            steps = min(len(self.lengths), total - placed)
            ahead = slice(placed + 1, placed + steps + 1)
            reached = (begun + self.price_s)[:, None] + self.length_s[:steps]
            ended[:, ahead, plain] = np.minimum(ended[:, ahead, plain], reached[:, :, plain])
            for device in self.remembered:
                before = np.flatnonzero(self.fresh[:, device])
                at = (self.after[before, device][:, None], np.arange(placed + 1, placed + steps + 1), device)
                ended[at] = np.minimum(ended[at], reached[before, :, device])
        best[0] = self.bound_s + self.price_sum_s
        return best - self.price_sum_s, ended[:, total].min(axis=0) - self.price_sum_s


def _table(shape: tuple[int, ...]) -> tuple[Array, Ints, Array]:
    return np.empty(shape), np.empty(shape, dtype=np.intp), np.empty(shape)
