"""Shortest paths of runs under prices, some of whose devices are visited at most once: O(2^K N M (M + longest run)).

As `lagrangian.RunPaths` has them, with prices of runs and of single layers too. K devices may be remembered: the state then
says which of them the path has visited, and none is visited again.

Source: states that remember some visits, Righini and Salani (2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.lagrangian import RunPaths

    Array = NDArray[np.float64]

#: Entries of the tables of one layer from which on no more devices are remembered.
LARGEST_TABLE = 60_000


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

    def best(
        self,
        price_s: Array,
        visit_s: Array,
        layer_s: Array,
        last_end: NDArray[np.intp],
        remembered: tuple[int, ...],
    ) -> tuple[float, tuple[int, ...] | None]:
        """Return the least priced cost of a path, and that path; none if it is infinite.

        Parameters
        ----------
        price_s : ndarray, shape (M,)
            Seconds per byte.
        visit_s : ndarray, shape (M,)
            Seconds per run.
        layer_s : ndarray, shape (N, M)
            Seconds per layer on a device.
        last_end : ndarray of int, shape (N, M)
            Furthest end of a run by first layer and device.
        remembered : tuple of int
            Devices that are visited at most once.
        """
        paths, count, size = self.paths, self.paths.count, self.paths.size
        priced = paths.time_before + paths.memory_before * price_s
        priced[1:] += np.cumsum(layer_s, axis=0)
        bit = np.zeros(size, dtype=np.intp)
        bit[list(remembered)] = 1 << np.arange(len(remembered))
        subsets, devices = np.arange(1 << len(remembered))[:, None], np.arange(size)
        after, fresh_s = subsets | bit, np.where(subsets & bit, np.inf, 0.0)
        shape = (len(subsets), count + 1, size)
        # Priced prefix plus what follows, by the end of a run and the subset before it.
        ahead: Array = np.full(shape, np.inf)
        ahead[:, -1] = priced[-1] + paths.costs.return_s
        until, following = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
        starting: Array = np.full((len(subsets), size), np.inf)
        for i in range(count - 1, -1, -1):
            stop = min(i + max(paths.longest, 1), count)
            inside = np.arange(i + 1, stop + 1)[:, None] <= last_end[i]
            window = np.where(inside, ahead[:, i + 1 : stop + 1], np.inf)
            best = window.argmin(axis=1)
            until[:, i] = best + (i + 1)
            starting = np.take_along_axis(window, best[:, None], 1)[:, 0] - priced[i] + visit_s + fresh_s
            if i:
                through = self.hop_s[paths.costs.message[i - 1]] + starting[:, None]
                nearest = through.argmin(axis=2)
                following[:, i] = nearest
                to_go = np.take_along_axis(through, nearest[:, :, None], 2)[:, :, 0]
                ahead[:, i] = (priced[i] + to_go)[after, devices]
        value = float(starting[0, paths.source])
        if not np.isfinite(value):
            return value, None
        path: list[int] = []
        subset, device = 0, paths.source
        while True:
            end = int(until[subset, len(path), device])
            path += [device] * (end - len(path))
            if end == count:
                return value, tuple(path)
            subset = int(after[subset, device])
            device = int(following[subset, end, device])
