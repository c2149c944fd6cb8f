"""Thresholds where layers are equal: a pipeline is an order of devices, and what each holds within the threshold.

Where all devices are linked, the sum of what they hold decides. Where some links are too slow, that sum over the devices
that fast links lead to is still necessary, and a path through enough of them is sufficient: it is built by inserting
one after the other where both its links are fast enough, then looked for depth first. What takes too long is left open.
Source: insertion, Rosenkrantz, Stearns and Lewis (1977).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Last devices that are tried, those first whose place at the end costs least.
MOST_ENDS = 12

#: Devices at the end of a way that are looked at before a threshold is left open.
MOST_STEPS = 3000

#: Stages in order: device, and the layer after its last one.
Stages = list[tuple[int, int]]


@dataclass(frozen=True)
class Held:
    """What devices hold within a threshold, of N layers whose inner ones are equal.

    Parameters
    ----------
    total : int
        N.
    source, own : int
        The source, and the layers that it holds from the first one, at most N - 1.
    inner : dict
        Equal layers that another device holds.
    final : dict
        Layers that it holds if the last one is among them; 0 where it cannot be the last device.
    """

    total: int
    source: int
    own: int
    inner: dict[int, int]
    final: dict[int, int]

    @classmethod
    def of(
        cls,
        total: int,
        source: int,
        others: Sequence[int],
        ends: NDArray[np.intp],
        returns: NDArray[np.bool_],
    ) -> Held | None:
        """Return what devices hold, None where the source holds nothing or all layers are one.

        Parameters
        ----------
        total, source : int
            Number of layers, and the device of the first.
        others : sequence of int
            Devices of use.
        ends : ndarray, shape (N + 1, M)
            How far a stage that starts at each layer reaches.
        returns : ndarray of bool, shape (M,)
            From which devices the token is back in time.
        """
        own = min(int(ends[0, source]), total - 1)
        if own < 1 or total < 2:
            return None
        inner = {j: min(int(ends[1, j]), total - 1) - 1 for j in others}
        final = {j: int((ends[1:total, j] >= total).sum()) if returns[j] else 0 for j in others}
        return cls(total, source, own, inner, final)

    def lasts(self) -> list[int]:
        """Return the devices that can be the last one, those first that lose least by it."""
        return sorted(
            (j for j, held in self.final.items() if held), key=lambda j: self.inner[j] - self.final[j]
        )

    def chain(self, path: Sequence[int]) -> Stages | None:
        """Return stages on a path of devices from the source to the last one; None where they hold too little.

        Parameters
        ----------
        path : sequence of int
            At least two devices.
        """
        most = [self.own, *(self.inner[j] for j in path[1:-1]), self.final[path[-1]]]
        if sum(most) < self.total or len(path) > self.total:
            return None
        counts, left = [1] * len(path), self.total - len(path)
        for position in (len(path) - 1, *range(len(path) - 1)):
            more = min(most[position] - 1, left)
            counts[position] += more
            left -= more
        return list(zip(path, np.cumsum(counts).tolist(), strict=True))


def all_linked(held: Held, linked: Sequence[int]) -> Stages | None:
    """Return a pipeline where all devices but the source are linked within the threshold, or None: there is none.

    Parameters
    ----------
    held : Held
        Within the threshold.
    linked : sequence of int
        The devices that the source has a fast link to.
    """
    for last in held.lasts():
        if last in linked and held.own + held.final[last] >= held.total:
            return held.chain([held.source, last])
        candidates = [j for j in linked if j != last and held.inner[j]]
        first = max(candidates, key=held.inner.__getitem__, default=None)
        if first is None:
            continue
        path, sum_held = [held.source, first], held.own + held.inner[first] + held.final[last]
        for j in sorted(held.inner, key=lambda j: -held.inner[j]):
            if sum_held >= held.total:
                break
            if j not in (first, last) and held.inner[j]:
                path.append(j)
                sum_held += held.inner[j]
        if sum_held >= held.total:
            return held.chain([*path, last])
    return None


class Undecided(Exception):  # noqa: N818 - no error
    """Neither a pipeline within a threshold nor a proof that there is none was found."""


def over_fast_links(held: Held, fast: NDArray[np.bool_]) -> Stages | None:
    """Return a pipeline over fast links, or None: there is none.

    Parameters
    ----------
    held : Held
        Within the threshold.
    fast : ndarray of bool, shape (M, M)
        Which links are.

    Raises
    ------
    Undecided
        Where too many ways lead from the source.
    """
    search = _Search(held, fast)
    if not search.enough(held.source, 0, held.own):
        return None
    return inserted(held, fast) or search.run()


class _Search:
    """Depth first over the ways from the source; sets of devices are bits."""

    def __init__(self, held: Held, fast: NDArray[np.bool_]) -> None:
        self.held, self.left = held, MOST_STEPS
        known = {held.source, *held.inner}
        self.after = {k: sum(1 << int(j) for j in np.flatnonzero(fast[k]) if j in held.inner) for k in known}
        self.most = {j: max(inner, held.final[j]) for j, inner in held.inner.items()}
        self.order = sorted(held.inner, key=lambda j: -held.inner[j])
        self.lasts = held.lasts()

    def enough(self, device: int, used: int, sum_held: int) -> bool:
        """Whether the devices that a way could still reach hold what is missing."""
        reached, edge = used, self.after[device] & ~used
        while edge:
            reached |= edge
            grown = 0
            while edge:
                j = (edge & -edge).bit_length() - 1
                edge &= edge - 1
                sum_held += self.most[j]
                if sum_held >= self.held.total:
                    return True
                grown |= self.after[j]
            edge = grown & ~reached
        return False

    def run(self) -> Stages | None:
        """Return a pipeline, or None after all ways."""
        held = self.held
        stack: list[tuple[tuple[int, ...], int, int]] = [((held.source,), 0, held.own)]
        while stack:
            path, used, sum_held = stack.pop()
            self.left -= 1
            if self.left < 0:
                raise Undecided
            after = self.after[path[-1]] & ~used
            for last in self.lasts:
                if after >> last & 1 and sum_held + held.final[last] >= held.total:
                    stages = held.chain([*path, last])
                    if stages is not None:
                        return stages
            for j in reversed(self.order):
                if after >> j & 1 and held.inner[j] and len(path) < held.total:
                    way = (*path, j), used | 1 << j, sum_held + held.inner[j]
                    if self.enough(j, way[1], way[2]):
                        stack.append(way)
        return None


def inserted(held: Held, fast: NDArray[np.bool_]) -> Stages | None:
    """Return a pipeline over fast links, None where none was found.

    Parameters
    ----------
    held : Held
        Within the threshold.
    fast : ndarray of bool, shape (M, M)
        Which links are.
    """
    order = sorted((j for j in held.inner if held.inner[j]), key=lambda j: -held.inner[j])
    for last in held.lasts()[:MOST_ENDS]:
        begun = _begun(held, fast, order, last)
        if begun is None:
            continue
        path, waiting = begun, [j for j in order if j not in begun]
        sum_held = held.own + sum(held.inner[j] for j in path[1:-1]) + held.final[last]
        grown = True
        while sum_held < held.total and grown:
            grown = False
            for j in list(waiting):
                if sum_held >= held.total:
                    break
                at = np.flatnonzero(fast[path[:-1], j] & fast[j, path[1:]])
                if len(at):
                    path.insert(int(at[-1]) + 1, j)
                    waiting.remove(j)
                    sum_held += held.inner[j]
                    grown = True
        stages = held.chain(path) if sum_held >= held.total else None
        if stages is not None:
            return stages
    return None


def _begun(held: Held, fast: NDArray[np.bool_], order: list[int], last: int) -> list[int] | None:
    """Return a shortest way from the source to the last device over up to two others."""
    if fast[held.source, last]:
        return [held.source, last]
    firsts = [j for j in order if j != last and fast[held.source, j]]
    for first in firsts:
        if fast[first, last]:
            return [held.source, first, last]
    for first in firsts:
        for second in order:
            if second not in (first, last) and fast[first, second] and fast[second, last]:
                return [held.source, first, second, last]
    return None
