"""A trajectory by walks, one at a time: each head, then projection and network together, along shortest paths.

With all other walks fixed, a head's best walk over the intervals is a shortest path: in an interval a device costs what the
limit on the heads' time grows by. So is the best walk of projection and network: a pair of places costs the delay that the
heads have with it. Heads are put in one by one along a given walk of projection and network; then all walks are taken out
and put back in turn, until none is better.

Sources: sequential routing with rip-up, Nair (1987); shortest paths over stages, Bellman (1957).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.head_migration.cost import capacities
from placewise.models.head_migration.data import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.head_migration.placement import Trajectory
    from placewise.solvers.head_migration.mode_prices import Relaxation

    Array = NDArray[np.float64]
    Places = NDArray[np.intp]
    Counts = NDArray[np.int64]

#: Of a device's own time: among devices that delay nothing the quicker one is taken.
TIE = 1e-6
#: Relative to what walks cost: gains below it are none.
LEAST_GAIN = 1e-12


class Walks:
    """Walks of all blocks of an instance.

    Parameters
    ----------
    relaxation : Relaxation
        Of the instance: its tables.
    late : callable
        Whether to stop; what is there then stands.
    """

    def __init__(self, relaxation: Relaxation, late: Callable[[], bool]) -> None:
        self.relaxation, self.late = relaxation, late
        self.times = np.arange(relaxation.count)
        self.number = np.arange(1, relaxation.heads + 1)
        self.fits = [capacities(relaxation.instance, t) for t in range(relaxation.count)]

    def along(self, walk: Places) -> Trajectory | None:
        """Return a trajectory for places of projection and network; they move where that is better; None if heads find no way.

        Parameters
        ----------
        walk : ndarray of int, shape (T, 2)
            Places of projection and network.
        """
        initial = self.relaxation.instance.initial
        self._settle(walk)
        heads = np.empty((self.relaxation.heads, self.relaxation.count), dtype=np.intp)
        for h in range(len(heads)):
            cost_s, path = self._path(self._node_s(), None if initial is None else initial.heads[h])
            if not np.isfinite(cost_s):
                return None
            heads[h] = path
            self._put(path, 1)
        return self._improved(heads, walk)

    def improved(self, trajectory: Trajectory) -> Trajectory:
        """Return a trajectory that is no dearer.

        Parameters
        ----------
        trajectory : tuple of Interval
            Feasible.
        """
        heads = np.array([now.heads for now in trajectory], dtype=np.intp).T
        walk = np.array([(now.proj, now.ffn) for now in trajectory], dtype=np.intp)
        self._settle(walk)
        for path in heads:
            self._put(path, 1)
        return self._improved(heads.copy(), walk)

    def _settle(self, walk: Places) -> None:
        """Fix projection and network: the time of each number of heads, and how many fit; no heads yet."""
        costs, proj = self.relaxation.costs, walk[:, 0]
        slope_s = costs.slope_s[self.times, :, proj][:, :, None]
        fixed_s = costs.fixed_s[self.times, :, proj][:, :, None]
        self.time_s: Array = costs.weight * (slope_s * self.number + fixed_s)
        self.room = np.array([fits[0, 0] for fits in self.fits])
        for t, (p, f) in enumerate(walk):
            self.room[t, p] = self.fits[t][1, 0][p]
            self.room[t, f] = self.fits[t][int(p == f), 1][f]
        self.counts: Counts = np.zeros(self.room.shape, dtype=np.int64)

    def _put(self, path: Places, number: int) -> None:
        self.counts[self.times, path] += number

    def _limits_s(self) -> Array:
        """Return when the last head is through, shape (T,)."""
        last = np.maximum(self.counts - 1, 0)[:, :, None]
        own_s = np.take_along_axis(self.time_s, last, axis=2)[:, :, 0]
        limits_s: Array = np.where(self.counts > 0, own_s, 0.0).max(axis=1)
        return limits_s

    def _node_s(self) -> Array:
        """Return what one head more costs on each device, shape (T, M)."""
        following = np.minimum(self.counts, self.relaxation.heads - 1)[:, :, None]
        own_s = np.take_along_axis(self.time_s, following, axis=2)[:, :, 0]
        node_s = np.maximum(own_s - self._limits_s()[:, None], 0.0) + TIE * own_s
        node_s[self.counts >= self.room] = np.inf
        return node_s

    def _path(self, node_s: Array, start: int | None) -> tuple[float, Places]:
        """Return a head's cheapest path, shape (T,), from where it was."""
        moves_s = self.relaxation.head_s
        value_s = node_s[0] if start is None else node_s[0] + moves_s[0, start]
        along, came = np.arange(len(value_s)), np.empty(node_s.shape, dtype=np.intp)
        for t in range(1, len(node_s)):
            through_s = value_s[:, None] + moves_s[t]
            came[t] = through_s.argmin(axis=0)
            value_s = through_s[came[t], along] + node_s[t]
        path = np.empty(len(node_s), dtype=np.intp)
        path[-1] = value_s.argmin()
        for t in range(len(node_s) - 1, 0, -1):
            path[t - 1] = came[t, path[t]]
        return float(value_s[path[-1]]), path

    def _moves_s(self, path: Places, start: int | None) -> float:
        moves_s = self.relaxation.head_s
        first_s = 0.0 if start is None else float(moves_s[0, start, path[0]])
        return first_s + float(moves_s[self.times[1:], path[:-1], path[1:]].sum())

    def _improved(self, heads: Places, walk: Places) -> Trajectory:
        """Take out and put back until nothing is better."""
        while True:
            self._improve_heads(heads)
            better = self._best_places()
            if (better == walk).all() or self.late():
                break
            walk = better
            self._settle(walk)
            for path in heads:
                self._put(path, 1)
        columns = zip(heads.T.tolist(), walk.tolist(), strict=True)
        return tuple(Interval(tuple(now), *places) for now, places in columns)

    def _improve_heads(self, heads: Places) -> None:
        """Put each head where it is best among the others, until none is better elsewhere."""
        initial = self.relaxation.instance.initial
        better = True
        while better and not self.late():
            better = False
            for h, path in enumerate(heads):
                start = None if initial is None else initial.heads[h]
                before_s = float(self._limits_s().sum()) + self._moves_s(path, start)
                self._put(path, -1)
                _, other = self._path(self._node_s(), start)
                self._put(other, 1)
                now_s = float(self._limits_s().sum()) + self._moves_s(other, start)
                if now_s < before_s * (1 - LEAST_GAIN):
                    heads[h], better = other, True
                else:
                    self._put(other, -1)
                    self._put(path, 1)

    def _best_places(self) -> Places:
        """Return the best walk of projection and network for the heads where they are, shape (T, 2)."""
        relaxation, costs = self.relaxation, self.relaxation.costs
        counts = self.counts[:, :, None]
        with np.errstate(invalid="ignore"):
            own_s = np.where(counts > 0, costs.slope_s * counts + costs.fixed_s, 0.0)
        state_s = relaxation.state_s + costs.weight * own_s.max(axis=1)[:, :, None]
        for t, fits in enumerate(self.fits):
            here, along = self.counts[t], np.arange(relaxation.size)
            fit = (here <= fits[1, 0])[:, None] & (here <= fits[0, 1])
            fit[along, along] = here <= fits[1, 1]
            state_s[t][~fit] = np.inf
        value_s, came = relaxation.enter_s + state_s[0], []
        for t in range(1, relaxation.count):
            by_proj = value_s[:, None, :] + relaxation.proj_s[t][:, :, None]
            from_proj = by_proj.argmin(axis=0)
            on_ffn = by_proj.min(axis=0)[:, :, None] + relaxation.ffn_s[t]
            from_ffn = on_ffn.argmin(axis=1)
            came.append((from_proj, from_ffn))
            value_s = on_ffn.min(axis=1) + state_s[t]
        walk = np.empty((relaxation.count, 2), dtype=np.intp)
        walk[-1] = np.unravel_index(int(value_s.argmin()), value_s.shape)
        for t in range(relaxation.count - 1, 0, -1):
            p, f = walk[t]
            from_proj, from_ffn = came[t - 1]
            before = from_ffn[p, f]
            walk[t - 1] = from_proj[p, before], before
        return walk
