"""The strong method for DILEMMA: bounds by decomposition, passes over labels, and the MILP where they stall.

Slow links make the path matter, which the labels see; fast links make storage matter, where the rows of a tree over visits, or
the cuts of a MILP solver, are stronger. So passes of growing width alternate with climbs of the bound and with annealing, and HiGHS on the flow model runs beside
them from the best placement found so far: in a thread of its own, or in its share of the time where only one thread is
allowed. Whatever stops first, incumbent and dual bound hold.
"""

from __future__ import annotations

from dataclasses import replace
from threading import RLock, Thread
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma.problems import DILEMMA
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.dilemma.annealing import Annealing
from placewise.solvers.dilemma.ascent import climb, climb_storage
from placewise.solvers.dilemma.beam import LEAST_GAIN, Beam
from placewise.solvers.dilemma.decomposition import Decomposition
from placewise.solvers.dilemma.visit_tree import VisitTree
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.statement import run_formulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.dilemma import DilemmaInstance
    from placewise.models.dilemma.placement import Placement
    from placewise.solvers.dilemma.decomposition import Prices, Tables

FIRST_WIDTH = 100
GROWTH = 4
#: Labels of one pass at most, about 2 GB with 20 servers.
LARGEST_WIDTH = 1_000_000
#: Moves of annealing per label of a pass, at most so many, and their first temperatures.
MOVES_PER_LABEL, MOST_MOVES, HEATS = 40, 150_000, (1.0, 0.3, 0.1)
#: Shares of the time limit: labels alone, and HiGHS if it has no thread of its own.
LABELS_SHARE, HIGHS_SHARE = 0.08, 0.5
#: Seconds of the tree before HiGHS, which takes its time to begin, then at a time; and its share where passes have the better bound.
FIRST_TURN_S, TURN_S, LEAST_SHARE = 3.0, 5.0, 0.25
#: Passes go first while their gap is at most this, up to a width.
NEAR_GAP, NEAR_WIDTH = 0.015, 30_000
#: Labels alone in any case: the first placement comes from them.
LEAST_ALONE_S = 2.0


class Search:
    """What is known about one instance, and what is tried next.

    Parameters
    ----------
    instance : DilemmaInstance
        What is solved.
    context : Context
        Clock, warm start, and where better values are reported.
    """

    def __init__(self, instance: DilemmaInstance, context: Context) -> None:
        self.instance, self.context = instance, context
        self.model = Decomposition(instance)
        self.upper_s, self.lower_s = np.inf, -np.inf
        self.best: Placement | None = None
        self.tables: Tables | None = None
        self.prices: Prices | None = None
        self.storage = self.model.no_prices()
        self.annealing: Annealing | None = None
        self.tree: VisitTree | None = None
        #: What climbs and passes have proven, and how long the last of them took.
        self.labels_s, self.step_s = -np.inf, 0.0
        self.width = FIRST_WIDTH
        self.done = False
        #: Where the layers' errors are bounded one by one, labels and HiGHS prove more in less time.
        self.branches = self.model.budget is not None or self.model.printed
        self._lock = RLock()
        if context.warm_start is not None:
            self._start(context.warm_start)

    def _start(self, placement: Placement) -> None:
        from placewise.models.dilemma import evaluate

        evaluation = evaluate(self.instance, placement)
        if evaluation.feasible and evaluation.objective is not None:
            self.improve(evaluation.objective, placement)

    def improve(self, delay_s: float, placement: Placement) -> None:
        """Take a placement if it is better.

        Parameters
        ----------
        delay_s : float
            Its delay, evaluated.
        placement : tuple of (int, int)
            Server and width (an index) of each layer.
        """
        with self._lock:
            if delay_s < self.upper_s:
                self.upper_s, self.best = delay_s, placement
                self.context.report(objective=delay_s, placement=placement)

    def raise_bound(self, bound_s: float) -> None:
        """Take a dual bound if it is better."""
        with self._lock:
            if bound_s > self.lower_s:
                self.lower_s = bound_s
                self.context.report(dual_bound=min(bound_s, self.upper_s))

    @property
    def closed(self) -> bool:
        """Whether nothing can be better than the best placement, or there is none."""
        return self.lower_s >= self.upper_s * (1 - LEAST_GAIN) or self.lower_s == np.inf

    def by_labels(self, deadline_s: float) -> None:
        """Alternate climbs and passes until the time in seconds since the start."""
        limit_s = min(deadline_s, self.context.parameters.time_limit)

        def stop() -> bool:
            return self.context.elapsed >= limit_s or self.closed

        for steps in (100, 600) if self.prices is None else ():
            self.storage = climb_storage(self.model, self.upper_s, stop, steps)
            self._adopt(*climb(self.model, self.storage, self.upper_s, stop, 0))
            if steps == 100:
                self._pass(stop)
        while not self.closed and not stop() and self.width <= LARGEST_WIDTH:
            self._step(stop)

    def _step(self, stop: Callable[[], bool]) -> None:
        began_s = self.context.elapsed
        assert self.prices is not None
        self._adopt(*climb(self.model, self.prices, self.upper_s, stop, 400))
        if not self.closed:
            self._pass(stop)
        self.step_s = self.context.elapsed - began_s

    def turn(self, seconds: float) -> float:
        """Anneal, and go on with the tree of visits if there is one; return the seconds that took.

        Parameters
        ----------
        seconds : float
            For the tree.
        """
        began_s = self.context.elapsed

        if not self._over() and self._tree_works():
            assert self.tree is not None
            self._anneal(MOST_MOVES, self._over)
            until_s = self.context.elapsed + seconds
            self.tree.work(self.upper_s, lambda: self._over() or self.context.elapsed >= until_s)
        return self.context.elapsed - began_s

    def by_turns(self) -> None:
        """Alternate the tree and wider passes, to the end of the time.

        The next pass, four times the last one, has to wait until the tree has had as much time; a quarter of it if passes have
        the better bound.
        """
        spent_s = 0.0
        waits = self.branches and self.prices is not None
        while waits and self.best is None and self.width <= LARGEST_WIDTH and not self._over():
            self._step(self._over)
        while not self._over() and self._tree_works():
            if self.passes_are_near():
                self._step(self._over)
                continue
            spent_s += self.turn(TURN_S)
            assert self.tree is not None
            share = 1.0 if self.tree.bound_s >= self.labels_s else LEAST_SHARE
            if self.width <= LARGEST_WIDTH and spent_s >= share * GROWTH * self.step_s and not self._over():
                spent_s -= share * GROWTH * self.step_s
                self._step(self._over)
        self.by_labels(self.context.parameters.time_limit)

    def passes_are_near(self) -> bool:
        """Whether the next passes are likely to prove it: their bound is near and better than the tree's.

        As printed, where hops between different widths are free, it is the tree that proves it.
        """
        tree_s = -np.inf if self.tree is None else self.tree.bound_s
        near = not self.model.printed and self.width <= NEAR_WIDTH
        return near and self.labels_s >= max(self.upper_s * (1 - NEAR_GAP), tree_s)

    def _over(self) -> bool:
        return not self.context.remaining or self.closed

    def _tree_works(self) -> bool:
        """Whether there is a tree, with a bound that may still rise; it begins from a placement."""
        if self.tree is None and self.best is not None and self.branches:
            self.tree = VisitTree(
                self.model, self.best, self.upper_s, self.storage, self._on_path, self.raise_bound
            )
        return self.tree is not None and self.tree.open

    def _on_path(self, server: NDArray[np.intp], width: NDArray[np.intp]) -> None:
        self._start(tuple(zip(server.tolist(), width.tolist(), strict=True)))

    def _adopt(self, tables: Tables, prices: Prices) -> None:
        if self.tables is None or tables.bound_s > self.tables.bound_s:
            self.tables, self.prices = tables, prices
        self._raise_by_labels(self.tables.bound_s)

    def _raise_by_labels(self, bound_s: float) -> None:
        self.labels_s = max(self.labels_s, bound_s)
        self.raise_bound(bound_s)

    def _pass(self, stop: Callable[[], bool]) -> None:
        assert self.tables is not None
        found = Beam(self.model, self.tables).run(self.width, self.upper_s, stop)
        if found is None:
            return
        delay_s, placement, dropped_s = found
        if placement is not None:
            self.improve(delay_s, placement)
        self._raise_by_labels(dropped_s if self.best is None else min(dropped_s, self.upper_s))
        self._anneal(min(MOVES_PER_LABEL * self.width, MOST_MOVES), stop)
        self.width *= GROWTH

    def _anneal(self, moves: int, stop: Callable[[], bool]) -> None:
        """Change the best placement at random: where the labels' bounds are weak it finds more than they do."""
        if self.best is None or not Annealing.applies(self.model):
            return
        self.annealing = self.annealing or Annealing(self.model, self.context.parameters.seed)
        for hot in HEATS:
            if stop():
                return
            self._start(self.annealing.run(self.best, moves, stop, hot)[1])

    def by_highs(self, seconds: float) -> None:
        """Run HiGHS on the flow model from the best placement."""
        if seconds <= 1:
            return

        def pass_on(step: Progress) -> None:
            if step.objective is not None and step.placement is not None:
                self._start(step.placement)
            if step.dual_bound is not None:
                self.raise_bound(step.dual_bound)

        parameters = replace(self.context.parameters, time_limit=seconds)
        part = Context(parameters, self.best, pass_on)
        part.stopped = lambda: self.done or self.closed
        claim = run_formulation(DILEMMA, DILEMMA.formulations["flow"], HIGHS, self.instance, part)
        if claim.placement is not None:
            self._start(claim.placement)
        if claim.dual_bound is not None:
            self.raise_bound(claim.dual_bound)
        if claim.reason is Reason.INFEASIBLE and self.best is None:
            self.raise_bound(np.inf)


def run(instance: DilemmaInstance, context: Context) -> Claim:
    """Search; optimal once the bound meets the best placement.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    limit_s = context.parameters.time_limit
    search.by_labels(max(LABELS_SHARE * limit_s, LEAST_ALONE_S))
    if not search.passes_are_near():
        search.turn(FIRST_TURN_S)
    if not search.closed and context.parameters.threads == 1:
        search.by_highs(min(HIGHS_SHARE * limit_s, context.remaining))
        search.by_turns()
    elif not search.closed:
        beside = Thread(target=search.by_highs, args=(context.remaining,), daemon=True)
        beside.start()
        search.by_turns()
        beside.join(context.remaining)  # where the passes have reached their largest width
        search.done = True
        beside.join()
    if search.best is None and search.lower_s == np.inf:
        return Claim(
            Reason.INFEASIBLE, message="no partial placement can be completed", solve_s=context.elapsed
        )
    bound = min(search.lower_s, search.upper_s)
    return Claim(
        Reason.OPTIMAL if search.closed else Reason.LIMIT,
        search.best,
        None if search.best is None else search.upper_s,
        float(bound) if np.isfinite(bound) else None,
        solve_s=context.elapsed,
    )
