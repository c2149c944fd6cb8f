"""The least time of one sample by labels on the ideals of a graph: parts are added one after the other.

A state is an ideal and how many devices of each kind hold it; a label, when each node is done on which others wait. A part
is all that lies between an ideal and a larger one, on a device, or one node, on a host. A label goes where another of its
state is done everywhere no later, and where the longest way of what is left makes it no better than the best placement.

Source: Tarnawski, Phanishayee, Devanur, Mahajan and Paravecino (2020) state the objective; they solve it as a MILP.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.models.graph.cost import horizon, loads
from placewise.models.graph.timeline import shortest_after, timeline
from placewise.models.problem import Guarantee
from placewise.models.registry import evaluate
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.method import BOUND, PROGRESS, WARM_START, Algorithm
from placewise.solvers.graph.contraction import contracted
from placewise.solvers.graph.ideals import IdealTables, all_ideals, bits, prefixes
from placewise.solvers.graph.methods import MOST_COUNTS, kinds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from placewise.models.graph.data import GraphLatency
    from placewise.models.graph.placement import Placement
    from placewise.solvers.execution.context import Context

#: Ideals, and labels in all.
MOST_IDEALS, MOST_LABELS = 100_000, 5_000_000


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


def alone(instance: GraphLatency) -> list[list[int]]:
    """Return the devices of each kind that are no hosts.

    Parameters
    ----------
    instance : GraphLatency
        M devices.
    """
    return [kind for kind in kinds_of(instance) if kind[0] not in instance.hosts]


def guarantee(instance: GraphLatency) -> Guarantee:
    """Return EXACT; raise `NotApplicableError` for too many kinds of devices, or hosts that memory fills."""
    total = sum(node.memory_bytes for node in instance.nodes)
    for h in instance.hosts:
        if total > int(instance.cluster.memory_bytes[h]):
            name = instance.cluster.device_names[h]
            raise NotApplicableError(f"{name}: labels expect hosts that hold all nodes, {total:,} bytes")
    counts = math.prod(len(kind) + 1 for kind in alone(instance))
    if counts > MOST_COUNTS:
        raise NotApplicableError(f"ideals count devices of each kind; {counts:,} ways are too many")
    return Guarantee.EXACT


class Search:
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
        count = len(self.graph.before)
        self.after = [0] * count
        for v, before in enumerate(self.graph.before):
            for u in bits(before):
                self.after[u] |= 1 << v
        #: The longest way from the begin of each group, at its best.
        self.rest = [int(ticks) for ticks in self.graph.compute.min(axis=1)]
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
        for ideal in range(len(self.masks) - 1):
            if not self.states[ideal]:
                continue
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
        for at in usable:
            count = self.counts[at]
            following = self.position[(*count[:q], count[q] + 1, *count[q + 1 :])]
            for label in self.states[ideal][at]:
                if label.least >= self.value:
                    continue
                done = load + self._starts(label, needs, len(larger))
                for n in np.flatnonzero(done < self.value):
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
                    ready = [done for (u, _), done in zip(waiting, label.done, strict=True) if before >> u & 1]
                    self._add(label, larger, at, device, max(ready, default=0) + ticks)

    def _add(self, label: Label, larger: int, at: int, device: int, done: int) -> None:
        """Keep a label of a larger ideal, unless it is no better than another or the best placement."""
        old = dict(zip((u for u, _ in self._waiting(label.ideal)), label.done, strict=True))
        waiting = self._waiting(larger)
        times = tuple(old.get(u, done) for u, _ in waiting)
        least = max(label.least, done, *(t + rest for t, (_, rest) in zip(times, waiting, strict=True)))
        if least >= self.value:
            return
        found = self.states[larger].setdefault(at, [])
        for other in found:
            if other.least <= least and all(a <= b for a, b in zip(other.done, times, strict=True)):
                return
        found[:] = [
            other
            for other in found
            if other.least < least or any(a < b for a, b in zip(other.done, times, strict=True))
        ]
        found.append(Label(least, times, larger, device, label))
        self.made += 1

    def _placement(self, label: Label) -> Placement:
        """Return the device of each node, back from the whole graph."""
        found = [0] * len(self.graph.before)
        while label.before is not None:
            for group in self.tables.members(label.before.ideal, label.ideal):
                found[group] = label.device
            label = label.before
        return self.graph.placement(found, len(self.instance.nodes))


def run(instance: GraphLatency, context: Context) -> Claim:
    """Find the least time of one sample over all ideals, or bound it.

    Parameters
    ----------
    instance, context : GraphLatency, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    seconds = search.times.seconds
    context.report(dual_bound=seconds(search.bound))
    search.offer(context.warm_start)
    search.label(prefixes(search.graph))
    masks = None if search.late() else all_ideals(search.graph, MOST_IDEALS, search.late)
    told = "too many ideals"
    if masks is not None:
        if search.label(masks):
            if search.best is None:
                return Claim(Reason.INFEASIBLE, message="no chain of ideals fits", solve_s=context.elapsed)
            value, told = seconds(search.value), f"{len(masks):,} ideals"
            return Claim(Reason.OPTIMAL, search.best, value, value, told, solve_s=context.elapsed)
        told = f"{len(masks):,} ideals, too many labels"
    late = search.late()
    return Claim(
        Reason.LIMIT,
        search.best,
        None if search.best is None else seconds(search.value),
        seconds(min(search.bound, search.value)),
        "" if late else told,
        solve_s=context.elapsed,
        limit="time" if late else "ideals",
    )


def prefix_split(instance: GraphLatency, context: Context) -> Claim:
    """Split one order of the nodes as well as can be.

    Parameters
    ----------
    instance, context : GraphLatency, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    search.label(prefixes(search.graph))
    value = None if search.best is None else search.times.seconds(search.value)
    return Claim(Reason.FINISHED, search.best, value, solve_s=context.elapsed)


LATENCY_METHODS: tuple[Algorithm[Any], ...] = (
    Algorithm(
        "ideals",
        run,
        guarantee,
        "labels on ideals and devices of each kind: when each node is done on which others wait",
        ("numpy",),
        frozenset({WARM_START, PROGRESS, BOUND}),
    ),
    Algorithm(
        "prefixes", prefix_split, Guarantee.HEURISTIC, "one order of the nodes, split as well as can be"
    ),
)
