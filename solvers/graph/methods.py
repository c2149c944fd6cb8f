"""Contiguous splits of a graph by dynamic programming over its ideals, under a load that rises until there is one.

A state is an ideal and how many devices of each kind hold it. With a target load a device takes only so much work, and
what is left must fit on the devices that are left; both keep the states few. A target that fails bounds the optimum, one
that succeeds gives it.

Source: Tarnawski, Phanishayee, Devanur, Mahajan and Paravecino (2020).
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.models.graph.cost import device_loads, floor_s, horizon, loads, rates
from placewise.models.problem import Guarantee
from placewise.models.registry import evaluate
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.method import BOUND, PROGRESS, WARM_START, Algorithm
from placewise.solvers.graph.contraction import contracted
from placewise.solvers.graph.ideals import IdealTables, all_ideals, prefixes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.graph.data import GraphInstance, GraphThroughput
    from placewise.models.graph.placement import Placement
    from placewise.solvers.execution.context import Context
    from placewise.solvers.graph.contraction import Contracted

#: Ideals, numbers of devices of each kind, and states.
MOST_IDEALS, MOST_COUNTS, MOST_STATES = 400_000, 4096, 2**26
#: Targets over the floor.
STEPS = (0.003, 0.01, 0.03, 0.06, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 100.0)
NONE = np.iinfo(np.int64).max


def kinds_of(instance: GraphInstance) -> list[list[int]]:
    """Return the devices of each kind: equal times, memory, and way to the host's memory."""
    found: dict[tuple[bytes, int, bool], list[int]] = {}
    times = loads(instance)
    for d in range(instance.cluster.size):
        key = (
            times.compute[:, d].tobytes(),
            int(instance.cluster.memory_bytes[d]),
            d in instance.hosts,
        )
        found.setdefault(key, []).append(d)
    return list(found.values())


def guarantee(instance: GraphThroughput) -> Guarantee:
    """Return EXACT; raise `NotApplicableError` where devices are of too many kinds to be counted."""
    counts = math.prod(len(kind) + 1 for kind in kinds_of(instance))
    if counts > MOST_COUNTS:
        raise NotApplicableError(f"ideals count devices of each kind; {counts:,} ways are too many")
    return Guarantee.EXACT


class Split:
    """The dynamic programme of one instance on some ideals.

    Parameters
    ----------
    instance : GraphThroughput
        What is split.
    graph : Contracted
        Its groups.
    tables : IdealTables
        The ideals.
    late : callable
        Whether time is up.
    """

    def __init__(
        self, instance: GraphThroughput, graph: Contracted, tables: IdealTables, late: Callable[[], bool]
    ) -> None:
        self.instance, self.graph, self.tables, self.late = instance, graph, tables, late
        self.kinds = kinds_of(instance)
        self.heads = [kind[0] for kind in self.kinds]
        every = rates(loads(instance))
        self.rates = [every[d] for d in self.heads]
        self.counts = list(product(*(range(len(kind) + 1) for kind in self.kinds)))
        self.position = {count: at for at, count in enumerate(self.counts)}

    def within(self, target: int) -> tuple[int, list[int]] | None:
        """Return the least load of at most a target, and the device of each group; None where there is none.

        Parameters
        ----------
        target : int
            Ticks.
        """
        tables, size = self.tables, len(self.tables)
        best = np.full((len(self.counts), size), NONE)
        best[self.position[(0,) * len(self.kinds)], 0] = 0
        came = np.full((len(self.counts), size), -1, dtype=np.int32)
        over = np.full((len(self.counts), size), -1, dtype=np.int16)
        able = [
            sum((len(kind) - n) * rate for kind, n, rate in zip(self.kinds, count, self.rates, strict=True))
            for count in self.counts
        ]
        left = np.array(able) * (1 + 1e-9) * target + 1  # work that the devices left can do
        total = int(tables.work[-1])
        for ideal in range(size - 1):
            known = np.flatnonzero((best[:, ideal] < NONE) & (left >= total - tables.work[ideal]))
            if not known.size:
                continue
            if self.late():
                return None
            for q in range(len(self.kinds)):
                self._extend(ideal, q, target, known, (best, came, over))
        at = int(best[:, -1].argmin())
        if best[at, -1] == NONE:
            return None
        return int(best[at, -1]), self._devices(at, came, over)

    def _extend(
        self, ideal: int, q: int, target: int, known: NDArray[np.intp], states: tuple[Any, Any, Any]
    ) -> None:
        """Add one device of a kind to all states of an ideal."""
        best, came, over = states
        usable = [int(at) for at in known if self.counts[at][q] < len(self.kinds[q])]
        if not usable:
            return
        tables, device = self.tables, self.heads[q]
        larger = tables.larger(ideal, int(self.rates[q] * (1 + 1e-9) * target) + 1)
        fits = tables.bytes[larger] - tables.bytes[ideal] <= int(self.instance.cluster.memory_bytes[device])
        larger = larger[fits]
        load = tables.compute[larger, device] - tables.compute[ideal, device]
        near = load <= target
        larger, load = larger[near], load[near]
        if device not in self.instance.hosts:
            load = load + tables.messages(ideal, larger)
            near = load <= target
            larger, load = larger[near], load[near]
        for at in usable:
            count = self.counts[at]
            following = self.position[(*count[:q], count[q] + 1, *count[q + 1 :])]
            value = np.maximum(load, best[at, ideal])
            better = value < best[following, larger]
            chosen = larger[better]
            best[following, chosen] = value[better]
            came[following, chosen] = ideal
            over[following, chosen] = q

    def _devices(self, at: int, came: NDArray[np.int32], over: NDArray[np.int16]) -> list[int]:
        """Return the device of each group, back from the whole graph."""
        found, ideal = [0] * len(self.graph.before), len(self.tables) - 1
        while ideal:
            q, smaller = int(over[at, ideal]), int(came[at, ideal])
            count = self.counts[at]
            device = self.kinds[q][count[q] - 1]
            for group in self.tables.members(smaller, ideal):
                found[group] = device
            at = self.position[(*count[:q], count[q] - 1, *count[q + 1 :])]
            ideal = smaller
        return found


class Search:
    """Splits of an instance under a rising load.

    Parameters
    ----------
    instance, context : GraphThroughput, Context
        What is solved; options, clock and reports.
    """

    def __init__(self, instance: GraphThroughput, context: Context) -> None:
        self.instance, self.context, self.times = instance, context, loads(instance)
        self.graph = contracted(instance)
        self.best: Placement | None = None
        self.load = NONE
        self.bound = round(floor_s(instance) / self.times.tick_s)

    def late(self) -> bool:
        """Whether time is up."""
        return not self.context.remaining

    def offer(self, placement: Placement | None) -> None:
        """Take a placement if its load is less than the best one's."""
        if placement is None or not evaluate(self.instance, placement).feasible:
            return
        load = max(map(sum, device_loads(self.instance, placement)))
        if load < self.load:
            self.best, self.load = placement, load
            self.context.report(objective=self.times.seconds(load), placement=placement)

    def rise(self, masks: list[int], *, every: bool) -> bool:
        """Try targets until one succeeds or none can; return whether the least load over these ideals is known.

        Parameters
        ----------
        masks : list of int
            Ideals.
        every : bool
            Whether they are all: what they refute, is refuted.
        """
        tables = IdealTables(self.graph, masks)
        split = Split(self.instance, self.graph, tables, self.late)
        if len(split.counts) * len(tables) > MOST_STATES:
            return False
        most = horizon(self.instance)
        floor = self.bound
        for step in (*STEPS, math.inf):
            if self.load <= self.bound:
                return True
            able = math.isfinite(step) and floor
            target = min(int(floor * (1 + step)) + 1 if able else most, most, self.load - 1)
            found = split.within(target)
            if found is not None:
                self.offer(self.graph.placement(found[1], len(self.instance.nodes)))
                return True
            if self.late():
                return False
            if target >= min(most, self.load - 1):
                return True
            if every:
                self.bound = max(self.bound, target + 1)
                self.context.report(dual_bound=self.times.seconds(self.bound))
        return True


def run(instance: GraphThroughput, context: Context) -> Claim:
    """Find the least load over all ideals, or bound it.

    Parameters
    ----------
    instance, context : GraphThroughput, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    context.report(dual_bound=search.times.seconds(search.bound))
    search.offer(context.warm_start)
    search.rise(prefixes(search.graph), every=False)
    masks = all_ideals(search.graph, MOST_IDEALS, search.late)
    seconds = search.times.seconds
    if masks is not None and search.rise(masks, every=True):
        if search.best is None:
            return Claim(Reason.INFEASIBLE, message="no chain of ideals fits", solve_s=context.elapsed)
        load = seconds(search.load)
        told = f"{len(masks):,} ideals"
        return Claim(Reason.OPTIMAL, search.best, load, load, told, solve_s=context.elapsed)
    return Claim(
        Reason.LIMIT,
        search.best,
        None if search.best is None else seconds(search.load),
        seconds(min(search.bound, search.load)),
        "" if search.late() else "too many ideals",
        solve_s=context.elapsed,
        limit="time" if search.late() else "ideals",
    )


def prefix_split(instance: GraphThroughput, context: Context) -> Claim:
    """Split one order of the nodes as well as can be.

    Parameters
    ----------
    instance, context : GraphThroughput, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    search.rise(prefixes(search.graph), every=False)
    load = None if search.best is None else search.times.seconds(search.load)
    return Claim(Reason.FINISHED, search.best, load, solve_s=context.elapsed)


GRAPH_METHODS: tuple[Algorithm[Any], ...] = (
    Algorithm(
        "ideals",
        run,
        guarantee,
        "dynamic programming over ideals and devices of each kind, under a load that rises",
        ("numpy",),
        frozenset({WARM_START, PROGRESS, BOUND}),
    ),
    Algorithm(
        "prefixes", prefix_split, Guarantee.HEURISTIC, "one order of the nodes, split as well as can be"
    ),
)
