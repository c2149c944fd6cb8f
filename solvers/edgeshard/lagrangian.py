"""Lagrangian relaxation of memory over runs: a shortest path whose every run fits its device.

A placement is a sequence of runs, layers in a row on one device. Each run alone must fit (kept in the path problem);
that all runs on a device fit together (Eq. 5) is priced: for prices ``p >= 0`` in seconds per byte,
``min over paths of (cost + sum_j p_j used_j) - sum_j p_j Mem_j`` bounds the latency from below. Runs make the bound
much stronger than pricing layers one by one, since a path must pay a transfer whenever a device is full.

Sources: Lagrangian relaxation, Held and Karp (1970, 1971), Geoffrion (1974), Fisher (1981); subgradient steps of Polyak's
length, Polyak (1969), halved where they stall, Held, Wolfe and Crowder (1974). See docs/literature.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import bytes_beside_first, furthest_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context


@dataclass(frozen=True, eq=False)
class PricedBound:
    """A dual bound and the completion costs behind it.

    Parameters
    ----------
    dual_bound : float
        Seconds; no placement costs less.
    price_s : ndarray, shape (M,)
        Seconds per byte of each device's memory.
    to_go_s : ndarray, shape (N + 1, M)
        Least priced cost of layers i..N-1 and the return, when a run on device j has ended before layer i.
    """

    dual_bound: float
    price_s: NDArray[np.float64]
    to_go_s: NDArray[np.float64]


class RunPaths:
    """The path problem of an instance: least priced cost over sequences of runs, O(N M (M + longest run)).

    Parameters
    ----------
    instance : EdgeShardInstance
        Any layers, any links. Bounds are bounds where shared tensors are those of layer 0 and one other layer.
    """

    def __init__(self, instance: EdgeShardInstance) -> None:
        self.costs = time_tables(instance)
        self.source = instance.source_index
        self.need = bytes_beside_first(instance)
        self.budget = instance.cluster.memory_bytes
        self.count, self.size = self.costs.compute_s.shape
        # Sums over the layers before each: differences are the time and memory of a run.
        self.time_before = np.vstack([np.zeros(self.size), np.cumsum(self.costs.compute_s, axis=0)])
        self.memory_before = np.vstack([np.zeros(self.size, dtype=np.int64), np.cumsum(self.need, axis=0)])
        # The last end of a run that starts before layer i on device j.
        ends = instance.rules.ends(self.size, self.count)
        self.last_end = np.minimum(furthest_ends(instance)[:-1], ends)
        self.longest = int((self.last_end - np.arange(self.count)[:, None]).max(initial=1))
        self._devices = np.arange(self.size)

    def bound(self, price_s: NDArray[np.float64]) -> tuple[PricedBound, tuple[int, ...] | None]:
        """Return the bound at given prices and the path that attains it; no path if the bound is infinite."""
        priced = self.time_before + self.memory_before * price_s[None, :]
        to_go = np.empty((self.count + 1, self.size))
        to_go[-1] = self.costs.return_s
        ends = np.empty((self.count, self.size), dtype=np.intp)
        following = np.empty((self.count, self.size), dtype=np.intp)
        finish = np.full((self.count + 1, self.size), np.inf)  # priced prefix plus what follows its end
        finish[-1] = priced[-1] + to_go[-1]
        for i in range(self.count - 1, -1, -1):
            stop = min(i + self.longest, self.count)
            candidates = np.arange(i + 1, stop + 1)
            inside = candidates[:, None] <= self.last_end[i][None, :]
            window = np.where(inside, finish[i + 1 : stop + 1], np.inf)
            best = window.argmin(axis=0)
            ends[i] = candidates[best]
            starting = window[best, self._devices] - priced[i]
            if i:
                through = self.costs.transfer_s(i - 1) + starting[None, :]
                np.fill_diagonal(through, np.inf)
                following[i] = through.argmin(axis=1)
                to_go[i] = through[self._devices, following[i]]
                finish[i] = priced[i] + to_go[i]
        to_go[0] = starting
        bound = float(starting[self.source] - price_s @ self.budget)
        path = self._path(ends, following) if np.isfinite(bound) else None
        return PricedBound(bound, price_s, to_go), path

    def _path(self, ends: NDArray[np.intp], following: NDArray[np.intp]) -> tuple[int, ...]:
        path: list[int] = []
        device = self.source
        while True:
            end = int(ends[len(path), device])
            path += [device] * (end - len(path))
            if end == self.count:
                return tuple(path)
            device = int(following[end, device])

    def best_bound(self, context: Context, upper_s: float, steps: int = 600) -> PricedBound:
        """Climb the Lagrangian dual by subgradient steps of Polyak's length towards an upper bound.

        Parameters
        ----------
        context : Context
            Its clock stops the climb; it is told of each better bound.
        upper_s : float
            Cost of a known placement, or infinity.
        steps : int
            At most so many paths.
        """
        budget = np.maximum(self.budget, 1).astype(np.float64)
        best, path = self.bound(np.zeros(self.size))
        price, weight, stalled = best.price_s, 1.0, 0
        for _ in range(steps):
            if path is None or not context.remaining:
                break
            used = np.bincount(path, weights=self.need[np.arange(self.count), path], minlength=self.size)
            excess = (used - self.budget) / budget
            direction = np.where((price > 0) | (excess > 0), excess, 0.0)
            length = float(direction @ direction)
            if length == 0 or weight < 1e-3:
                break
            target = upper_s if np.isfinite(upper_s) else best.dual_bound * 1.05
            step = weight * max(target - best.dual_bound, 1e-6 * target) / length
            price = np.maximum(price + step * direction / budget, 0.0)
            tried, path = self.bound(price)
            if tried.dual_bound > best.dual_bound:
                best, stalled = tried, 0
                context.report(dual_bound=best.dual_bound)
            else:
                stalled += 1
            if stalled >= 20:
                weight, stalled, price = weight / 2, 0, best.price_s
        return best
