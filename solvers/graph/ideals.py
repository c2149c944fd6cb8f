"""The ideals of a graph: sets of nodes closed under what comes before, as tables for the dynamic programme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from placewise.solvers.graph.contraction import Contracted

    Ints = NDArray[np.int64]


def all_ideals(graph: Contracted, most: int, late: Callable[[], bool]) -> list[int] | None:
    """Return every ideal as a bit mask, or None where there are too many or time is up.

    Parameters
    ----------
    graph : Contracted
        n groups, in an order in which messages go forward.
    most : int
        How many at most.
    late : callable
        Whether time is up.
    """
    count = len(graph.before)
    after: list[list[int]] = [[] for _ in range(count)]
    for v, before in enumerate(graph.before):
        for u in bits(before):
            after[u].append(v)
    seen = {0}
    waiting = [(0, [v for v in range(count) if not graph.before[v]])]
    while waiting:
        ideal, able = waiting.pop()
        for v in able:
            larger = ideal | 1 << v
            if larger in seen:
                continue
            seen.add(larger)
            if len(seen) > most or (not len(seen) % 1024 and late()):
                return None
            new = [w for w in after[v] if not graph.before[w] & ~larger]
            waiting.append((larger, [w for w in able if w != v] + new))
    return list(seen)


def prefixes(graph: Contracted) -> list[int]:
    """Return the ideals along one order of the groups: a chain, in which a split is a good placement or none."""
    return [(1 << v) - 1 for v in range(len(graph.before) + 1)]


def bits(mask: int) -> Iterable[int]:
    """Yield the positions of a mask's bits."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class IdealTables:
    """Ideals in an order in which larger ones come later, with what lies in each.

    Parameters
    ----------
    graph : Contracted
        n groups.
    masks : list of int
        Ideals, the empty one and the whole graph among them.
    """

    def __init__(self, graph: Contracted, masks: list[int]) -> None:
        count = len(graph.before)
        width = max(-(-count // 64), 1) * 8
        raw = b"".join(mask.to_bytes(width, "little") for mask in masks)
        words = np.frombuffer(raw, dtype="<u8").reshape(len(masks), -1)
        inside = np.unpackbits(
            np.frombuffer(raw, dtype=np.uint8).reshape(len(masks), -1), axis=1, count=count, bitorder="little"
        ).astype(bool)
        least = graph.compute.min(axis=1)
        work = inside @ least
        order = np.lexsort((inside.sum(axis=1), work))
        self.words, inside = words[order], inside[order]
        #: Of each ideal: the least ticks of its groups, their ticks on each device, and their bytes.
        self.work: Ints = work[order]
        self.compute: Ints = inside @ graph.compute
        self.bytes: Ints = inside @ graph.size_bytes
        #: Of each message: whether its sender is inside, how many receivers are, how many there are, and its ticks.
        self.sent = np.array([inside[:, source] for source, _, _ in graph.messages])
        self.got = np.array(
            [inside[:, list(targets)].sum(axis=1, dtype=np.int32) for _, targets, _ in graph.messages]
        )
        self.receivers = np.array([len(targets) for _, targets, _ in graph.messages], dtype=np.int32)
        self.ticks: Ints = np.array([ticks for _, _, ticks in graph.messages], dtype=np.int64)
        #: Ticks of the messages that cross each ideal's border.
        self.crossing: Ints = np.zeros(len(masks), dtype=np.int64)
        for m in range(len(self.ticks)):
            self.crossing += self.ticks[m] * (self.sent[m] & (self.got[m] < self.receivers[m]))

    def __len__(self) -> int:
        return len(self.work)

    def members(self, smaller: int, larger: int) -> list[int]:
        """Return the groups in an ideal and not in one within it.

        Parameters
        ----------
        smaller, larger : int
            Their positions.
        """
        mask = int.from_bytes((self.words[larger] & ~self.words[smaller]).tobytes(), "little")
        return list(bits(mask))

    def larger(self, ideal: int, most_work: int) -> NDArray[np.intp]:
        """Return the ideals that contain one, with so much more work at most.

        Parameters
        ----------
        ideal : int
            Its position.
        most_work : int
            Ticks.

        Returns
        -------
        ndarray of int
            Positions, ascending.
        """
        end = int(np.searchsorted(self.work, self.work[ideal] + most_work, side="right"))
        own = self.words[ideal]
        found = np.flatnonzero(((self.words[ideal + 1 : end] & own) == own).all(axis=1))
        return found + (ideal + 1)

    def messages(self, ideal: int, larger: NDArray[np.intp]) -> Ints:
        """Return the ticks of the messages that come to or leave what lies between an ideal and each larger one.

        Parameters
        ----------
        ideal : int
            Its position.
        larger : ndarray of int
            Positions.

        Returns
        -------
        ndarray of int64
            Of each.
        """
        total = self.crossing[larger].copy()
        if not len(self.ticks):
            return total
        for m in np.flatnonzero(self.sent[:, ideal] & (self.got[:, ideal] < self.receivers)):
            got = self.got[m, larger]
            total += self.ticks[m] * ((got > self.got[m, ideal]) - 1 * (got < self.receivers[m]))
        return total
