"""What is known about one instance of DILEMMA, and the steps that may improve it: climbs, passes, annealing, the tree.

Slow links make the path matter, which the passes see; fast links make storage matter, where the rows of the tree are stronger. So both go
on: side by side where a second process is allowed, by turns where not. Whatever stops first, incumbent and dual bound hold.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma import evaluate
from placewise.solvers.dilemma.annealing import Annealing
from placewise.solvers.dilemma.ascent import climb, climb_storage
from placewise.solvers.dilemma.beam import LEAST_GAIN, Beam
from placewise.solvers.dilemma.decomposition import Decomposition
from placewise.solvers.dilemma.visit_tree import VisitTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.dilemma import DilemmaInstance
    from placewise.models.dilemma.placement import Placement
    from placewise.solvers.dilemma.decomposition import Prices, Tables
    from placewise.solvers.dilemma.partner import News, Partner
    from placewise.solvers.execution.context import Context

FIRST_WIDTH = 100
GROWTH = 4
#: Labels of one pass at most, about 2 GB with 20 servers.
LARGEST_WIDTH = 1_000_000
#: Moves of annealing per label of a pass, at most so many, and their first temperatures.
MOVES_PER_LABEL, MOST_MOVES, HEATS = 40, 150_000, (1.0, 0.3, 0.1)
#: Seconds of the tree at a time.
TURN_S = 5.0
#: Seconds of passes per second of the tree as printed, where hops between different widths are free and the tree proves more.
PRINTED_SHARE = 0.25
#: Passes go first while their gap is at most this, up to a width.
NEAR_GAP, NEAR_WIDTH = 0.015, 30_000
#: Seconds between two looks at the clock where there is nothing to do but to wait for the partner.
WAIT_S = 0.1


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
        self.partner: Partner | None = None
        #: What climbs and passes have proven.
        self.labels_s = -np.inf
        self.width = FIRST_WIDTH
        self.done = False
        #: Where the layers' errors are bounded one by one, labels and HiGHS prove more in less time.
        self.branches = self.model.budget is not None or self.model.printed
        self._lock = RLock()
        if context.warm_start is not None:
            self.take(context.warm_start)

    def take(self, placement: Placement) -> None:
        """Evaluate a placement, and take it if it breaks nothing and is better."""
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
                if self.partner is not None:
                    self.partner.say(placement)

    def raise_bound(self, bound_s: float) -> None:
        """Take a dual bound if it is better."""
        with self._lock:
            if bound_s > self.lower_s:
                self.lower_s = bound_s
                self.context.report(dual_bound=min(bound_s, self.upper_s))
                if self.partner is not None:
                    self.partner.say(bound_s=bound_s)

    @property
    def closed(self) -> bool:
        """Whether nothing can be better than the best placement, or there is none."""
        return self.lower_s >= self.upper_s * (1 - LEAST_GAIN) or self.lower_s == np.inf

    def by_labels(self, deadline_s: float) -> None:
        """Alternate climbs and passes until the time in seconds since the start."""
        limit_s = min(deadline_s, self.context.parameters.time_limit)

        def stop() -> bool:
            return self.context.elapsed >= limit_s or self._over()

        for steps in (100, 600) if self.prices is None else ():
            self.storage = climb_storage(self.model, self.upper_s, stop, steps)
            self._adopt(*climb(self.model, self.storage, self.upper_s, stop, 0))
            if steps == 100:
                self._pass(stop)
        while not self.closed and not stop() and self.width <= LARGEST_WIDTH:
            self._step(stop)

    def _step(self, stop: Callable[[], bool]) -> None:
        assert self.prices is not None
        self._adopt(*climb(self.model, self.prices, self.upper_s, stop, 400))
        if not self.closed:
            self._pass(stop)

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
        """Alternate the tree and wider passes, as long in all, to the end of the time; passes less where they are unlikely to prove it."""
        passes_s = tree_s = 0.0
        waits = self.branches and self.prices is not None
        while waits and self.best is None and self.width <= LARGEST_WIDTH and not self._over():
            self._step(self._over)
        share = PRINTED_SHARE if self.model.printed else 1.0
        while not self._over() and self._tree_works():
            fair = self.width <= LARGEST_WIDTH and passes_s <= share * tree_s
            if self.passes_are_near() or fair:
                began_s = self.context.elapsed
                self._step(self._over)
                passes_s += self.context.elapsed - began_s
            else:
                tree_s += self.turn(TURN_S)
        self.by_labels(self.context.parameters.time_limit)

    def passes_are_near(self) -> bool:
        """Whether the next passes are likely to prove it: their bound is near and better than the tree's."""
        tree_s = -np.inf if self.tree is None else self.tree.bound_s
        near = not self.model.printed and self.width <= NEAR_WIDTH
        return near and self.labels_s >= max(self.upper_s * (1 - NEAR_GAP), tree_s)

    def by_tree(self) -> None:
        """Go on with the tree as long as it may prove more, and anneal more and more rarely."""
        seconds = TURN_S
        while not self._over() and self._tree_works():
            self.turn(seconds)
            seconds *= 2

    def by_passes(self) -> None:
        """Go on with passes, then wait for the partner, to the end of the time."""
        self.by_labels(self.context.parameters.time_limit)
        while self.partner is not None and not self.partner.gone and not self._over(WAIT_S):
            pass

    def _over(self, wait_s: float = 0.0) -> bool:
        if self.partner is not None:
            self.partner.hear(self._on_news, wait_s)
        return not self.context.remaining or self.closed

    def _on_news(self, news: News) -> None:
        """Take what the partner has found."""
        if news.placement is not None:
            self.take(news.placement)
        if news.bound_s is not None:
            self.raise_bound(news.bound_s)

    def _tree_works(self) -> bool:
        """Whether there is a tree, with a bound that may still rise; it begins from a placement."""
        if self.tree is None and self.best is not None and self.branches:
            self.tree = VisitTree(
                self.model, self.best, self.upper_s, self.storage, self._on_path, self.raise_bound
            )
        return self.tree is not None and self.tree.open

    def _on_path(self, server: NDArray[np.intp], width: NDArray[np.intp]) -> None:
        self.take(tuple(zip(server.tolist(), width.tolist(), strict=True)))

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
        if self.partner is None or self.partner.gone:  # it anneals
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
            self.take(self.annealing.run(self.best, moves, stop, hot)[1])
