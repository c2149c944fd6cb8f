"""Chains of devices by labels: one per set of visited devices, last device and number of layers, by hop, in arrays.

Two chains with the same three continue alike, so the cheaper one stands for both. A label is dropped where its cost, the
least priced cost to go and the prices of the devices that it has visited (which need not be paid again) come to no less
than a known placement. With a width, the best labels of each hop are kept, in turn by their number of layers: a beam. The
least bound of those left out says what it may have missed; where that is no less than what was found, it was exact.

Sources: label setting, Desrochers and Soumis (1988); bounding by a relaxation of the state space, Christofides, Mingozzi
and Toth (1981); beams, Ow and Morton (1988).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.edgeshard.priced_visits import Array, Ints, PricedPaths
    from placewise.solvers.execution.context import Context

#: Entries of one matrix of labels by devices.
CHUNK = 4_000_000
#: Labels of one hop before equal ones are found, some 300 MB.
LARGEST_COUNT = 6_000_000
#: Odd numbers that mix hashes.
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)


@dataclass
class Labels:
    """The labels of one hop, n of them.

    Parameters
    ----------
    last, placed, subset, parent : ndarray of int, shape (n,)
        Last device, equal layers placed, which remembered devices were visited, and the label of the hop before.
    cost_s, unpaid_s, bound_s : ndarray, shape (n,)
        Cost so far, prices of the devices not visited, and what no completion costs less than.
    seen : ndarray of bool, shape (n, M)
        Visited devices.
    key : ndarray of uint64, shape (n,)
        A hash of these.
    """

    last: Ints
    placed: Ints
    subset: Ints
    parent: Ints
    cost_s: Array
    unpaid_s: Array
    bound_s: Array
    seen: NDArray[np.bool_]
    key: NDArray[np.uint64]

    def taken(self, chosen: Ints | NDArray[np.bool_]) -> Labels:
        """Return some of them."""
        return Labels(
            self.last[chosen],
            self.placed[chosen],
            self.subset[chosen],
            self.parent[chosen],
            self.cost_s[chosen],
            self.unpaid_s[chosen],
            self.bound_s[chosen],
            self.seen[chosen],
            self.key[chosen],
        )


@dataclass
class Found:
    """What a search came to.

    Parameters
    ----------
    cost_s : float
        Of the best chain, or the cost that it had to beat.
    chain : list of (int, int) or None
        Positions of devices and their numbers of equal layers; None where nothing was better.
    missed_s : float
        The least bound of what was left out.
    """

    cost_s: float
    chain: list[tuple[int, int]] | None
    missed_s: float


class ChainLabels:
    """A search with given prices.

    Parameters
    ----------
    paths : PricedPaths
        Costs to go.
    context : Context
        Clock.
    """

    def __init__(self, paths: PricedPaths, context: Context) -> None:
        self.paths, self.chains, self.context = paths, paths.chains, context
        draw = np.random.default_rng(0)
        size = len(self.chains.devices)
        self.hash = draw.integers(0, 2**63, size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)

    def search(self, upper_s: float, width: int) -> Found:
        """Return the best chain that costs less than a known one, from the labels that a width leaves.

        Parameters
        ----------
        upper_s : float
            Seconds.
        width : int
            Labels per hop.
        """
        self.upper_s = upper_s
        self.best: list[tuple[int, int]] | None = None
        missed_s, history = np.inf, list[Labels]()
        level = self._roots()
        while len(level.last):
            if not self.context.remaining:
                missed_s = min(missed_s, float(level.bound_s.min()))
                break
            history.append(level)
            level, least_s = self._expanded(history, width)
            missed_s = min(missed_s, least_s)
        return Found(self.upper_s, self.best, missed_s)

    def _roots(self) -> Labels:
        chains, paths = self.chains, self.paths
        placed = np.arange(min(int(chains.most[0]), chains.total) + 1)
        cost_s = placed * chains.time_s[0]
        if chains.last_least[0] <= chains.total <= chains.last_most[0] and chains.required is None:
            alone_s = float(chains.total * chains.time_s[0] + chains.close_s[0])
            if alone_s < self.upper_s:
                self.upper_s, self.best = alone_s, [(0, chains.total)]
        bound_s = cost_s + paths.end_s[0, placed, 0] - paths.price_sum_s
        seen = np.zeros((len(placed), len(chains.devices)), dtype=bool)
        seen[:, 0] = True
        zero = np.zeros(len(placed), dtype=np.intp)
        labels = Labels(
            zero,
            placed,
            zero,
            zero - 1,
            cost_s,
            np.full(len(placed), paths.price_sum_s),
            bound_s,
            seen,
            np.zeros(len(placed), dtype=np.uint64),
        )
        return labels.taken(bound_s < self.upper_s)

    def _expanded(self, history: list[Labels], width: int) -> tuple[Labels, float]:
        """Return the labels with one device more that a width leaves, and the least bound of the others.

        Chains that end there are compared with the best.
        """
        level, missed_s = history[-1], np.inf
        step = max(CHUNK // len(self.chains.devices), 1)
        found: tuple[Any, ...] | None = None
        for start in range(0, len(level.last), step):
            if not self.context.remaining:
                missed_s = min(missed_s, float(level.bound_s[start:].min()))
                break
            part = self._children(level, slice(start, start + step), history)
            if part is not None:
                found = part if found is None else tuple(map(np.concatenate, zip(found, part, strict=True)))
                if len(found[0]) > LARGEST_COUNT:
                    order, least_s = _narrowed(
                        np.arange(len(found[0])), found[2], found[5], LARGEST_COUNT // 2
                    )
                    found, missed_s = tuple(column[order] for column in found), min(missed_s, least_s)
        if found is None:
            return level.taken(np.zeros(0, dtype=np.intp)), missed_s
        parent, last, placed, cost_s, unpaid_s, bound_s = found
        key = level.key[parent] + self.hash[last]
        mixed = (key ^ (last.astype(np.uint64) * MIX[0])) + placed.astype(np.uint64) * MIX[1]
        order = np.lexsort((cost_s, mixed))
        order = order[bound_s[order] < self.upper_s]  # which may have come down since
        order = order[~self._repeated(level.seen, parent[order], last[order], placed[order], mixed[order])]
        order, least_s = _narrowed(order, placed, bound_s, width)
        parent, last = parent[order], last[order]
        seen = level.seen[parent]
        seen[np.arange(len(last)), last] = True
        subset = self.paths.after[level.subset[parent], last]
        labels = Labels(
            last,
            placed[order],
            subset,
            parent,
            cost_s[order],
            unpaid_s[order],
            bound_s[order],
            seen,
            key[order],
        )
        return labels, min(missed_s, least_s)

    @staticmethod
    def _repeated(
        seen: NDArray[np.bool_], parent: Ints, last: Ints, placed: Ints, mixed: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        """Return which labels are those before them; the same hash is not yet the same label."""
        same = np.zeros(len(last), dtype=bool)
        same[1:] = mixed[1:] == mixed[:-1]
        at = np.flatnonzero(same)
        same[at] = (last[at] == last[at - 1]) & (placed[at] == placed[at - 1])
        at = np.flatnonzero(same)
        for part in np.array_split(at, len(at) * seen.shape[1] // CHUNK + 1):
            # Their last device is the same, and new to both.
            same[part] = (seen[parent[part]] == seen[parent[part - 1]]).all(axis=1)
        return same

    def _children(self, level: Labels, part: slice, history: list[Labels]) -> tuple[Any, ...] | None:
        chains, paths = self.chains, self.paths
        last, placed, unpaid_s = level.last[part], level.placed[part], level.unpaid_s[part]
        reached_s = level.cost_s[part, None] + chains.hop_s[last]
        at = level.subset[part], placed
        to_go = np.where(paths.run_next[at] == last[:, None], paths.run_other_s[at], paths.run_s[at])
        opened = ~level.seen[part] & (reached_s + to_go - unpaid_s[:, None] < self.upper_s)
        rows, device = np.nonzero(opened)
        if not len(rows):
            return None
        cost_s, placed, before = reached_s[rows, device], placed[rows], last[rows]
        self._ended(level, part, rows, device, cost_s, placed, history)
        counts, column = paths.lengths, device[:, None]
        if not len(counts):
            return None
        after = placed[:, None] + counts
        inside = after <= chains.total
        after = np.where(inside, after, 0)
        child_s = np.where(inside, cost_s[:, None] + paths.length_s.T[device], np.inf)
        subset = paths.after[level.subset[part][rows], device][:, None]
        ended = subset, after, column
        back = paths.end_next[ended] == before[:, None]
        end_s = np.where(back, paths.end_other_s[ended], paths.end_s[ended])
        left_s = unpaid_s[rows] - paths.price_s[device]
        bound_s = child_s + end_s - left_s[:, None]
        pair, number = np.nonzero(bound_s < self.upper_s)
        parent = rows[pair] + (part.start or 0)
        return (
            parent,
            device[pair],
            after[pair, number],
            child_s[pair, number],
            left_s[pair],
            bound_s[pair, number],
        )

    def _ended(
        self,
        level: Labels,
        part: slice,
        rows: Ints,
        device: Ints,
        cost_s: Array,
        placed: Ints,
        history: list[Labels],
    ) -> None:
        """Compare the chains that end with one device more with the best."""
        chains = self.chains
        rest = chains.total - placed
        fits = (rest >= chains.last_least[device]) & (rest <= chains.last_most[device])
        total_s = np.where(fits, cost_s + rest * chains.time_s[device] + chains.close_s[device], np.inf)
        if chains.required is not None:
            needed = chains.devices == chains.required
            there = level.seen[part][rows][:, needed].any(axis=1) | needed[device]
            total_s = np.where(there, total_s, np.inf)
        best = int(total_s.argmin())
        if total_s[best] < self.upper_s:
            self.upper_s = float(total_s[best])
            chain = [(int(device[best]), int(rest[best]))]
            label = int(rows[best]) + (part.start or 0)
            for labels, earlier in zip(history[::-1], [*history[-2::-1], None], strict=True):
                parent = int(labels.parent[label])
                begun = 0 if earlier is None else int(earlier.placed[parent])
                chain.append((int(labels.last[label]), int(labels.placed[label]) - begun))
                label = parent
            self.best = chain[::-1]


def _narrowed(order: Ints, placed: Ints, bound_s: Array, width: int) -> tuple[Ints, float]:
    """Return the labels that a beam keeps, the best of each number of layers first, and the least bound of the others."""
    if len(order) <= width:
        return order, np.inf
    order = order[np.lexsort((bound_s[order], placed[order]))]
    begun = np.flatnonzero(np.append(True, np.diff(placed[order]) != 0))
    rank = np.arange(len(order)) - np.repeat(begun, np.diff(np.append(begun, len(order))))
    order = order[np.lexsort((bound_s[order], rank))]
    return order[:width], float(bound_s[order[width:]].min())
