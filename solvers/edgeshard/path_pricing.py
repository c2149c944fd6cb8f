"""Shortest paths of runs under prices, some of whose devices are visited at most once: O(2^K N M (M + longest run)).

As `lagrangian.RunPaths` has them, with prices of runs and of single layers too. K devices may be remembered: the state then
says which of them the path has visited, and none is visited again.

Source: states that remember some visits, Righini and Salani (2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.lagrangian import RunPaths

    Array = NDArray[np.float64]
    Ints = NDArray[np.intp]

#: Entries of the tables of one layer from which on no more devices are remembered.
LARGEST_TABLE = 60_000


class Charges(NamedTuple):
    """What paths pay beside their cost.

    Parameters
    ----------
    memory_s, visit_s : ndarray, shape (M,)
        Seconds per byte of a device, and per run on it.
    layer_s : ndarray, shape (N, M)
        Seconds per layer on a device.
    """

    memory_s: Array
    visit_s: Array
    layer_s: Array


class Tables(NamedTuple):
    """What follows in the cheapest way, by the subset of remembered devices that were visited; S subsets.

    Parameters
    ----------
    priced_s : ndarray, shape (N + 1, M)
        Of the layers before each on a device: time, memory and layers.
    starting_s : ndarray, shape (S, N, M)
        From a run on that begins there, the transfer to it left out; the subset is that before it.
    to_go_s : ndarray, shape (S, N + 1, M)
        After a run that ends there; the subset is that before the run.
    after : ndarray of int, shape (S, M)
        The subset after a run.
    until, following : ndarray of int, shape (S, N + 1, M)
        The end of the run that begins there, and the device after one that ends there.
    """

    priced_s: Array
    starting_s: Array
    to_go_s: Array
    after: Ints
    until: NDArray[np.int16]
    following: NDArray[np.int16]


class PathPricing:
    """The path problem of an instance.

    Parameters
    ----------
    paths : RunPaths
        Of an instance of N layers on M devices.
    """

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.hop_s: Array = paths.costs.messages_s.copy()
        self.hop_s[:, np.arange(paths.size), np.arange(paths.size)] = np.inf
        #: How many devices may be remembered.
        self.most = int(np.log2(max(LARGEST_TABLE / paths.size**2, 1)))

    def tables(self, charges: Charges, last_end: Ints, remembered: tuple[int, ...]) -> Tables:
        """Return the least priced cost of what follows, at every layer and device.

        Parameters
        ----------
        charges : Charges
            Prices.
        last_end : ndarray of int, shape (N, M)
            Furthest end of a run by first layer and device.
        remembered : tuple of int
            Devices that are visited at most once.
        """
        paths, count, size = self.paths, self.paths.count, self.paths.size
        priced = paths.time_before + paths.memory_before * charges.memory_s
        priced[1:] += np.cumsum(charges.layer_s, axis=0)
        bit = np.zeros(size, dtype=np.intp)
        bit[list(remembered)] = 1 << np.arange(len(remembered))
        subsets, devices = np.arange(1 << len(remembered))[:, None], np.arange(size)
        after, fresh_s = subsets | bit, np.where(subsets & bit, np.inf, 0.0)
        shape = (len(subsets), count + 1, size)
        to_go: Array = np.full(shape, np.inf)
        to_go[:, -1] = paths.costs.return_s
        # Priced prefix plus what follows, by the end of a run and the subset before it.
        ahead = to_go + priced
        until, following = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
        starting: Array = np.full((len(subsets), count, size), np.inf)
        for i in range(count - 1, -1, -1):
            stop = min(i + max(paths.longest, 1), count)
            inside = np.arange(i + 1, stop + 1)[:, None] <= last_end[i]
            window = np.where(inside, ahead[:, i + 1 : stop + 1], np.inf)
            best = window.argmin(axis=1)
            until[:, i] = best + (i + 1)
            starting[:, i] = (
                np.take_along_axis(window, best[:, None], 1)[:, 0] - priced[i] + charges.visit_s + fresh_s
            )
            if i:
                through = self.hop_s[paths.costs.message[i - 1]] + starting[:, i, None]
                nearest = through.argmin(axis=2)
                following[:, i] = nearest
                least = np.take_along_axis(through, nearest[:, :, None], 2)[:, :, 0]
                to_go[:, i] = least[after, devices]
                ahead[:, i] = priced[i] + to_go[:, i]
        return Tables(priced, starting, to_go, after, until, following)

    def best(
        self, charges: Charges, last_end: Ints, remembered: tuple[int, ...]
    ) -> tuple[float, tuple[int, ...] | None]:
        """Return the least priced cost of a path, and that path; none if it is infinite.

        Parameters
        ----------
        charges : Charges
            Prices.
        last_end : ndarray of int, shape (N, M)
            Furthest end of a run by first layer and device.
        remembered : tuple of int
            Devices that are visited at most once.
        """
        tables = self.tables(charges, last_end, remembered)
        value = float(tables.starting_s[0, 0, self.paths.source])
        if not np.isfinite(value):
            return value, None
        path: list[int] = []
        subset, device = 0, self.paths.source
        while True:
            end = int(tables.until[subset, len(path), device])
            path += [device] * (end - len(path))
            if end == self.paths.count:
                return value, tuple(path)
            subset = int(tables.after[subset, device])
            device = int(tables.following[subset, end, device])
