"""Shortest paths of runs under prices, some of whose devices hold all of their runs together: labels by layer, in arrays.

`path_pricing` lets a path use more of a device than there is, at a price. Here some devices are tracked: a label says how
much is left on each, so Eq. 5 holds for them exactly and their memory costs nothing; one that may be visited once has
nothing left after that. Two labels that continue alike differ in cost and in what is left: one that is worse in both is dropped, and
so is one whose cost and least priced cost to go, less the price of all that is left, reach a limit. So either every path
below the limit that is not dominated is looked at, or the search says that it ended early.

Sources: label setting under resource constraints, Desrochers and Soumis (1988), Irnich and Desaulniers (2005); enumeration
below a gap, Baldacci, Christofides and Mingozzi (2008); tracking what a best path breaks, Righini and Salani (2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.path_pricing import Array, Charges, Ints, PathPricing
    from placewise.solvers.execution.context import Context

#: Paths that a search returns at most.
MOST_PATHS = 30
#: Labels that each is compared with at most, the cheapest ones.
RIVALS = 20
#: Labels of one layer before the worse ones of them are dropped, as a share of those that may be kept.
CROWD = 1.0


class Found(NamedTuple):
    """What a search found.

    Parameters
    ----------
    value_s : float
        Of the cheapest path; infinite where none is below the limit.
    paths : list of tuple of int
        The cheapest ones first.
    """

    value_s: float
    paths: list[tuple[int, ...]]


class Labels(NamedTuple):
    """Paths up to the end of a run, n of them.

    Parameters
    ----------
    device, subset, parent : ndarray of int, shape (n,)
        Last device, which remembered devices were visited before it, and the label that was continued.
    cost_s : ndarray, shape (n,)
        With prices, but those of tracked memory.
    free : ndarray, shape (n, T)
        Whole bytes left on the tracked devices, as later layers see them.
    """

    device: Ints
    subset: Ints
    parent: Ints
    cost_s: Array
    free: Array

    def taken(self, which: Ints | NDArray[np.bool_]) -> Labels:
        """Return some of them.

        Parameters
        ----------
        which : ndarray
            Numbers, or a truth value each.
        """
        return Labels(
            self.device[which], self.subset[which], self.parent[which], self.cost_s[which], self.free[which]
        )


class PathLabels:
    """A search at given prices.

    Parameters
    ----------
    pricing : PathPricing
        Of N layers on M devices.
    tracked : tuple of int
        Devices whose memory is exact.
    once : ndarray of bool, shape (M,)
        Devices that are visited at most once where they are tracked.
    """

    def __init__(self, pricing: PathPricing, tracked: tuple[int, ...], once: NDArray[np.bool_]) -> None:
        paths = pricing.paths
        self.pricing, self.paths = pricing, paths
        self.tracked = np.array(tracked, dtype=np.intp)
        self.place = np.full(paths.size, -1)
        self.place[self.tracked] = np.arange(len(tracked))
        self.last = once & (self.place >= 0)
        need = paths.need[:, self.tracked]
        # What any layer from each on needs at least, and all of them together.
        least = np.minimum.accumulate(need[::-1], axis=0)[::-1]
        self.least = np.vstack([least, np.zeros((1, len(tracked)), dtype=need.dtype)])
        self.rest = paths.memory_before[-1, self.tracked] - paths.memory_before[:, self.tracked]

    def search(
        self,
        charges: Charges,
        last_end: Ints,
        remembered: tuple[int, ...],
        limit_s: float,
        most: int,
        context: Context,
    ) -> Found | None:
        """Return the cheapest path below a limit, and more of them; None if labels or time ended before.

        Parameters
        ----------
        charges : Charges
            Prices; memory of tracked devices costs nothing, its price guides the search.
        last_end : ndarray of int, shape (N, M)
            Furthest end of a run by first layer and device.
        remembered : tuple of int
            Devices that are visited at most once, none of them tracked.
        limit_s : float
            Seconds, prices included.
        most : int
            Labels that are kept.
        context : Context
            Clock.
        """
        paths, self.limit_s, self.last_end = self.paths, limit_s, last_end
        self.tables = self.pricing.tables(charges, last_end, remembered)
        self.refund_s = charges.memory_s[self.tracked]
        self.visit_s = charges.visit_s
        self.priced_s = self.tables.priced_s.copy()
        self.priced_s[:, self.tracked] -= paths.memory_before[:, self.tracked] * self.refund_s
        self.ended: list[list[Labels]] = [[] for _ in range(paths.count + 1)]
        free = paths.budget[self.tracked].astype(np.float64)[None, :]
        zero = np.zeros(1, dtype=np.intp)
        self._run(0, Labels(np.array([paths.source]), zero, zero - 1, np.zeros(1), free))
        kept: list[tuple[int, int, Labels]] = []
        total = 0
        for i in range(1, paths.count):
            waiting = sum(len(part.device) for part in self.ended[i])
            if waiting > CROWD * most or not context.remaining:
                return None
            if not waiting:
                continue
            labels = _undominated(_joined(self.ended[i]))
            self.ended[i] = []
            kept.append((i, total, labels))
            total += len(labels.device)
            if total > most:
                return None
            if not self._hop(i, labels, kept[-1][1], int(CROWD * most)):
                return None
        return self._traced(kept)

    def _hop(self, i: int, labels: Labels, first: int, most: int) -> bool:
        """Continue labels that end before a layer on every other device; return whether that is no more than so many.

        Their numbers begin with a first one.
        """
        device, free = labels.device, labels.free
        subset = self.tables.after[labels.subset, device]
        reached_s = labels.cost_s[:, None] + self.pricing.hop_s[self.paths.costs.message[i - 1]][device]
        bound_s = reached_s + self.tables.starting_s[subset, i] - (free @ self.refund_s)[:, None]
        rows, to = np.nonzero(bound_s < self.limit_s)
        if len(rows) > most:
            return False
        self._run(i, Labels(to, subset[rows], rows + first, reached_s[rows, to], free[rows]))
        return True

    def _run(self, i: int, begun: Labels) -> None:
        """Put in the labels whose runs begin with a layer, by their ends; a subset is that before the run."""
        paths, rest = self.paths, begun
        for end in range(i + 1, min(i + paths.longest, paths.count) + 1):
            rest = rest.taken(self.last_end[i, rest.device] >= end)
            device, place = rest.device, self.place[rest.device]
            free, on = rest.free.copy(), np.flatnonzero(place >= 0)
            free[on, place[on]] -= (paths.memory_before[end] - paths.memory_before[i])[device[on]]
            fits = np.all(free >= 0, axis=1)
            if not fits.all():
                rest, free = rest.taken(fits), free[fits]
                device, place = rest.device, self.place[rest.device]
            if not len(device):
                return
            once = np.flatnonzero(self.last[device])
            free[once, place[once]] = 0
            free = np.where(free < self.least[end], 0, np.minimum(free, self.rest[end]))
            step_s = self.priced_s[end] - self.priced_s[i] + self.visit_s
            cost_s = rest.cost_s + step_s[device]
            bound_s = cost_s + self.tables.to_go_s[rest.subset, end, device] - free @ self.refund_s
            some = np.flatnonzero(bound_s < self.limit_s)
            if len(some):
                self.ended[end].append(rest._replace(cost_s=cost_s, free=free).taken(some))

    def _traced(self, kept: list[tuple[int, int, Labels]]) -> Found:
        """Return the cheapest of the paths that have ended."""
        if not self.ended[-1]:
            return Found(np.inf, [])
        last = _joined(self.ended[-1])
        cost_s = last.cost_s + self.paths.costs.return_s[last.device]
        begun = np.array([number for _, number, _ in kept], dtype=np.intp)
        found = []
        for row in np.argsort(cost_s, kind="stable")[:MOST_PATHS].tolist():
            path, device, end = list[int](), int(last.device[row]), self.paths.count
            label = int(last.parent[row])
            while label >= 0:
                start, first, labels = kept[int(np.searchsorted(begun, label, side="right")) - 1]
                path[:0] = [device] * (end - start)
                device, end = int(labels.device[label - first]), start
                label = int(labels.parent[label - first])
            found.append((*[device] * end, *path))
        return Found(float(cost_s.min()), found)


def _joined(parts: list[Labels]) -> Labels:
    return Labels(*map(np.concatenate, zip(*parts, strict=True)))


def _undominated(labels: Labels) -> Labels:
    """Return labels without those that one no dearer, with no less left anywhere, stands for; not all of them are seen."""
    count = labels.free.shape[1]
    for which in range(max(count, 1)):
        # Of those that differ in what is left on one device only, the staircase of cost and that.
        others = [*labels.free[:, np.arange(count) != which].T, labels.subset, labels.device]
        left = labels.free[:, which] if count else np.zeros(len(labels.cost_s))
        order = np.lexsort((-left, labels.cost_s, *others))
        first = np.append(True, np.any([np.diff(column[order]) != 0 for column in others], axis=0))
        height = np.unique(left, return_inverse=True)[1][order] + np.cumsum(first) * len(order)
        higher = np.append(True, height[1:] > np.maximum.accumulate(height)[:-1])
        labels = labels.taken(order[higher])
    if count < 2:
        return labels
    labels = labels.taken(np.lexsort((*(-labels.free.T), labels.cost_s, labels.subset, labels.device)))
    kept, rest = [], np.arange(len(labels.device))
    for _ in range(RIVALS):
        # The first of each group is not dominated: it is the cheapest one, and of those the one with most left.
        first = np.append(True, (np.diff(labels.device[rest]) != 0) | (np.diff(labels.subset[rest]) != 0))
        kept.append(rest[first])
        head = rest[first][np.cumsum(first) - 1]
        rest = rest[~(labels.free[head] >= labels.free[rest]).all(axis=1)]
        if not len(rest):
            break
    return labels.taken(np.concatenate([*kept, rest]))
