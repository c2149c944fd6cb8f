"""The least time of one sample by labels on the ideals of a graph: parts are added one after the other.

A state is an ideal and how many devices of each kind hold it; a label, when each node is done on which others wait. A part
is all that lies between an ideal and a larger one, on a device, or one node, on a host. A label goes where another of its
state is done everywhere no later, and where the longest way of what is left makes it no better than the best placement.

Source: Tarnawski, Phanishayee, Devanur, Mahajan and Paravecino (2020) state the objective; they solve it as a MILP.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.models.graph.cost import horizon, loads
from placewise.models.graph.timeline import at_best, shortest_after, timeline
from placewise.models.registry import evaluate
from placewise.solvers.graph.contraction import contracted
from placewise.solvers.graph.ideals import IdealTables, bits
from placewise.solvers.graph.methods import kinds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from placewise.models.graph.data import GraphLatency
    from placewise.models.graph.placement import Placement
    from placewise.solvers.execution.context import Context

#: Labels in all.
MOST_LABELS = 5_000_000
NONE = np.iinfo(np.int64).max


class Label(NamedTuple):
    """A way to have done an ideal.

    Parameters
    ----------
    least : int
        Ticks that the whole sample takes at least from here.
    done : tuple of int
        When each node of the ideal is done on which others wait.
    ideal : int
        Its position.
    device : int
        Of the last part.
    before : Label or None
        Without the last part.
    """

    least: int
    done: tuple[int, ...]
    ideal: int
    device: int
    before: Label | None

    def is_no_better(self, other: Label) -> bool:
        """Whether another label of the ideal is done everywhere no later."""
        return other.least <= self.least and all(a <= b for a, b in zip(other.done, self.done, strict=True))


def alone(instance: GraphLatency) -> list[list[int]]:
    """Return the devices of each kind that are no hosts.

    Parameters
    ----------
    instance : GraphLatency
        M devices.
    """
    return [kind for kind in kinds_of(instance) if kind[0] not in instance.hosts]


class Labels:
    """Labels of an instance, on some of its ideals.

    Parameters
    ----------
    instance, context : GraphLatency, Context
        What is solved; options, clock and reports.
    """

    def __init__(self, instance: GraphLatency, context: Context) -> None:
        self.instance, self.context, self.times = instance, context, loads(instance)
        self.graph = contracted(instance)
        self.kinds = alone(instance)
        self.counts = list(product(*(range(len(kind) + 1) for kind in self.kinds)))
        self.position = {count: at for at, count in enumerate(self.counts)}
        #: Of each number of devices, those that are larger, and itself.
        self.above = [
            np.array([all(a >= b for a, b in zip(other, count, strict=True)) for other in self.counts])
            for count in self.counts
        ]
        count = len(self.graph.before)
        self.after = [0] * count
        for v, before in enumerate(self.graph.before):
            for u in bits(before):
                self.after[u] |= 1 << v
        #: The longest way from the begin of each group, at its best.
        self.rest = at_best(self.graph.compute, self.graph.size_bytes, instance.cluster.memory_bytes)
        for v in reversed(range(count)):
            self.rest[v] += max((self.rest[w] for w in bits(self.after[v])), default=0)
        self.best: Placement | None = None
        self.value = horizon(instance) + 1
        self.bound = max(shortest_after(instance, self.times))
        self.many = False

    def late(self) -> bool:
        """Whether time is up."""
        return not self.context.remaining

    def offer(self, placement: Placement | None) -> None:
        """Take a placement if it is done before the best one."""
        if placement is None or not evaluate(self.instance, placement).feasible:
            return
        value = max(block.done for block in timeline(self.instance, placement).values())
        if value < self.value:
            self.best, self.value = placement, value
            self.context.report(objective=self.times.seconds(value), placement=placement)

    def label(self, masks: Sequence[int]) -> bool:
        """Find the best placement on these ideals; return whether none of theirs is better than the best one.

        Parameters
        ----------
        masks : sequence of int
            Ideals.
        """
        self.tables = IdealTables(self.graph, list(masks))
        self.masks = [int.from_bytes(words.tobytes(), "little") for words in self.tables.words]
        self.at = {mask: at for at, mask in enumerate(self.masks)}
        width = self.tables.words.shape[1] * 8
        self.words = [np.frombuffer(mask.to_bytes(width, "little"), dtype="<u8") for mask in self.after]
        self.waiting: list[list[tuple[int, int]] | None] = [None] * len(self.masks)
        self.states: list[dict[int, list[Label]]] = [{} for _ in self.masks]
        self.states[0][self.position[(0,) * len(self.kinds)]] = [Label(self.bound, (), 0, -1, None)]
        self.made = 0
        # of each ideal: of what others wait for, that with the longest way after it
        last = [max(self._waiting(at), key=lambda w: w[1], default=(0, 0)) for at in range(len(self.masks))]
        self.slowest, self.tail = np.array(last, dtype=np.int64).reshape(-1, 2).T
        # of each state: when all is done of the label that has it first, and what the sample takes then
        self.caps = np.full((2, len(self.counts), len(self.masks)), NONE)
        for ideal in range(len(self.masks) - 1):
            if not self.states[ideal]:
                continue
            self._thin(ideal)
            for q in range(len(self.kinds)):
                self._on_device(ideal, q)
            if self.instance.hosts:
                self._on_host(ideal)
            self.states[ideal] = {}
            if self.late() or self.made > MOST_LABELS:
                self.many = not self.late()
                return False
        ends = [label for found in self.states[-1].values() for label in found]
        if ends:
            self.offer(self._placement(min(ends, key=lambda label: label.least)))
        return True

    def _thin(self, ideal: int) -> None:
        """Drop labels that are no better than one with fewer devices."""
        states = self.states[ideal]
        for at in sorted(states, reverse=True):
            less = [
                label for other in states if other != at and self.above[other][at] for label in states[other]
            ]
            states[at] = [label for label in states[at] if not any(map(label.is_no_better, less))]

    def _waiting(self, ideal: int) -> list[tuple[int, int]]:
        """Return the groups of an ideal on which others wait, and the longest way from those."""
        found = self.waiting[ideal]
        if found is None:
            outside = ~self.masks[ideal]
            found = [
                (u, max(self.rest[w] for w in bits(self.after[u] & outside)))
                for u in bits(self.masks[ideal])
                if self.after[u] & outside
            ]
            self.waiting[ideal] = found
        return found

    def _on_device(self, ideal: int, q: int) -> None:
        """Put what lies between an ideal and each larger one on a device of a kind."""
        tables, kind = self.tables, self.kinds[q]
        usable = [at for at in self.states[ideal] if self.counts[at][q] < len(kind)]
        if not usable:
            return
        larger = tables.larger(ideal, int(tables.work[-1]))
        room = int(self.instance.cluster.memory_bytes[kind[0]])
        larger = larger[tables.bytes[larger] - tables.bytes[ideal] <= room]
        load = tables.compute[larger, kind[0]] - tables.compute[ideal, kind[0]]
        load = load + tables.messages(ideal, larger)
        waiting = self._waiting(ideal)
        new = tables.words[larger] & ~tables.words[ideal]
        needs = [(new & self.words[u]).any(axis=1) for u, _ in waiting]
        left = [(~tables.words[larger] & self.words[u]).any(axis=1) for u, _ in waiting]
        slowest = self.slowest[larger]
        old = np.array([self.masks[ideal] >> u & 1 for u in range(len(self.after))], dtype=bool)
        tail = np.where(old[slowest], 0, self.tail[larger])
        for at in usable:
            count = self.counts[at]
            following = self.position[(*count[:q], count[q] + 1, *count[q + 1 :])]
            for label in self.states[ideal][at]:
                if label.least >= self.value:
                    continue
                done = load + self._starts(label, needs, len(larger))
                first = done.copy()
                for ready, waits in zip(label.done, left, strict=True):
                    np.minimum(first, ready, out=first, where=waits)
                least = np.maximum(label.least, done + tail)
                all_done, sample = self.caps[:, following, larger]
                for n in np.flatnonzero((least < self.value) & ((first < all_done) | (least < sample))):
                    self._add(label, int(larger[n]), following, kind[count[q]], int(done[n]))

    def _starts(self, label: Label, needs: list[NDArray[np.bool_]], size: int) -> NDArray[np.int64]:
        """Return when each part can begin."""
        start = np.zeros(size, dtype=np.int64)
        for ready, needed in zip(label.done, needs, strict=True):
            np.maximum(start, ready * needed, out=start)
        return start

    def _on_host(self, ideal: int) -> None:
        """Put one group on the host that computes it first."""
        waiting, hosts = self._waiting(ideal), self.instance.hosts
        inside = self.masks[ideal]
        for v, before in enumerate(self.graph.before):
            larger = self.at.get(inside | 1 << v)
            if inside >> v & 1 or before & ~inside or larger is None:
                continue
            ticks, device = min((int(self.graph.compute[v, h]), h) for h in hosts)
            for at, labels in self.states[ideal].items():
                for label in labels:
                    ready = [
                        done for (u, _), done in zip(waiting, label.done, strict=True) if before >> u & 1
                    ]
                    self._add(label, larger, at, device, max(ready, default=0) + ticks)

    def _add(self, label: Label, larger: int, at: int, device: int, done: int) -> None:
        """Keep a label of a larger ideal, unless it is no better than another or the best placement."""
        old = dict(zip((u for u, _ in self._waiting(label.ideal)), label.done, strict=True))
        waiting = self._waiting(larger)
        times = tuple(old.get(u, done) for u, _ in waiting)
        least = max(label.least, done, *(t + rest for t, (_, rest) in zip(times, waiting, strict=True)))
        if least >= self.value:
            return
        new = Label(least, times, larger, device, label)
        found = self.states[larger].setdefault(at, [])
        if any(map(new.is_no_better, found)):
            return
        found[:] = [other for other in found if not other.is_no_better(new)]
        found.append(new)
        done = max(times, default=0)
        all_done, sample = self.caps[:, :, larger]
        first = self.above[at] & (done <= all_done) & (least <= sample)
        all_done[first], sample[first] = done, least
        self.made += 1

    def _placement(self, label: Label) -> Placement:
        """Return the device of each node, back from the whole graph."""
        found = [0] * len(self.graph.before)
        while label.before is not None:
            for group in self.tables.members(label.before.ideal, label.ideal):
                found[group] = label.device
            label = label.before
        return self.graph.placement(found, len(self.instance.nodes))
