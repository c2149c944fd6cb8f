"""Horizons by modes: a bound from prices of heads, trajectories along the walks they lead to, HiGHS on what is left.

Steps give a first trajectory. Prices are climbed at temperatures that halve (`soft_prices`); after each the bound is
evaluated exactly (`mode_prices`), and walks of projection and network, the best one and some drawn by their weights, are
filled with heads (`reroute`). What no better trajectory can have is left out of the statement on modes; where little is left,
HiGHS closes the gap or shows how far it is.

Source: Lagrangian relaxation with primal heuristics and fixing, Geoffrion (1974).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.models.head_migration.milp_values import extract, tighten
from placewise.models.head_migration.modes import modes_milp, start
from placewise.models.head_migration.problems import HEAD_MIGRATION
from placewise.models.problem import Formulation, Guarantee
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.statement import run_formulation
from placewise.solvers.head_migration import baselines
from placewise.solvers.head_migration.horizon import Search
from placewise.solvers.head_migration.mode_prices import Relaxation
from placewise.solvers.head_migration.reroute import Walks
from placewise.solvers.head_migration.soft_prices import Soft, climbed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance
    from placewise.models.head_migration.modes import Kept
    from placewise.models.head_migration.placement import Trajectory
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.head_migration.mode_prices import Bound

#: Heads times devices squared times intervals, at most: about 80 bytes each, 1.6 GB.
LARGEST_TABLE = 20_000_000
#: Of the mean interval: the first temperature, and the last.
FIRST, LAST = 1 / 80, 1 / 5000
#: Steps at the first temperature and at most, doubled where it halves; walks drawn after them.
STEPS, MOST_STEPS, DRAWN = 40, 320, 6
#: Of the bound: where the last temperature raises it by less, prices are not climbed any further.
LEAST_RISE = 1e-5
#: What HiGHS is given: modes, and moves and pairs of places, at most.
LARGEST_MODES, LARGEST_MOVES = 15_000, 30_000


def guarantee(instance: HeadMigrationInstance) -> Guarantee:
    """Return EXACT (the optimum, or its gap) where the tables fit; raise `NotApplicableError` elsewhere."""
    entries = instance.transformer.units * instance.cluster.size**2 * instance.intervals
    if entries > LARGEST_TABLE:
        raise NotApplicableError(
            f"modes takes up to {LARGEST_TABLE:,} heads times devices squared times intervals; there are {entries:,}"
        )
    return Guarantee.EXACT


class Ascent:
    """Prices that become better, and trajectories on the way.

    Parameters
    ----------
    search : Search
        Holds the best trajectory and bound.
    """

    def __init__(self, search: Search) -> None:
        self.search, self.context = search, search.context
        self.relaxation = Relaxation(search.instance)
        self.walks = Walks(self.relaxation, lambda: not self.context.remaining)
        self.draw = np.random.default_rng(self.context.parameters.seed)
        self.tried: set[bytes] = set()
        shape = (self.relaxation.layers, self.relaxation.count, self.relaxation.size)
        self.prices_s: NDArray[np.float64] = np.zeros(shape)
        self.bound: Bound = self.relaxation.bound(self.prices_s)
        search.raise_bound(self.bound.value_s)
        known_s = self.bound.value_s if search.best is None else search.upper_s
        self.mean_s = known_s / self.relaxation.count

    @property
    def over(self) -> bool:
        """Whether the gap is closed or the time over."""
        return self.search.closed or not self.context.remaining

    def run(self) -> None:
        """Let the temperature fall, until the bound rises no more."""
        temperature, steps, rose = FIRST, STEPS, True
        while rose and self.mean_s > 0 and not self.over:
            before_s = self.bound.value_s
            self.climb(temperature, steps)
            rose = temperature > LAST or self.bound.value_s > before_s * (1 + LEAST_RISE)
            temperature, steps = max(temperature / 2, LAST), min(2 * steps, MOST_STEPS)

    def climb(self, temperature: float, steps: int) -> None:
        """Make prices better at a temperature; follow the walks they lead to.

        Parameters
        ----------
        temperature : float
            In means of an interval.
        steps : int
            At most.
        """
        soft = Soft(self.relaxation, self.bound, self.mean_s, temperature)
        prices_s = climbed(soft, self.prices_s, steps, lambda: self.over)
        bound = self.relaxation.bound(prices_s)
        self.search.raise_bound(bound.value_s)
        if bound.value_s > self.bound.value_s:
            self.prices_s, self.bound = prices_s, bound
        self.follow(self.relaxation.places(bound))
        for walk in () if self.over else soft.draw(prices_s, self.draw, DRAWN):
            self.follow(walk)

    def follow(self, walk: NDArray[np.intp]) -> None:
        """Fill a walk of projection and network with heads, unless it was.

        Parameters
        ----------
        walk : ndarray of int, shape (T, 2)
            Places of projection and network.
        """
        if self.over or walk.tobytes() in self.tried:
            return
        self.tried.add(walk.tobytes())
        trajectory = self.walks.along(walk)
        if trajectory is not None:
            self.search.improve(trajectory)

    def close(self) -> None:
        """Give what is left of the statement to HiGHS, where that is little."""
        search, slack_s = self.search, self.search.upper_s - self.bound.value_s
        kept = self.relaxation.kept(self.bound, slack_s)
        if not small(kept):
            return
        modes = self.relaxation.modes
        left: Formulation[HeadMigrationInstance, Trajectory] = Formulation(
            "modes of no worse trajectories",
            lambda instance: modes_milp(instance, modes, kept),
            extract,
            start,
            tighten,
        )
        inner = Context(
            replace(self.context.parameters, time_limit=self.context.remaining), search.best, search.take
        )
        inner.stopped = lambda: search.closed
        try:
            found = run_formulation(HEAD_MIGRATION, left, HIGHS, search.instance, inner)
        except NotApplicableError:  # times too far apart for HiGHS
            return
        search.learn(found)


def small(kept: Kept) -> bool:
    """Whether HiGHS can take what is left.

    Parameters
    ----------
    kept : Kept
        Of the statement.
    """
    return bool(kept.mode.sum() <= LARGEST_MODES and kept.move.sum() + kept.both.sum() <= LARGEST_MOVES)


def run(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Take steps, climb prices, and solve what is left.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    found = baselines.receding(instance, context)
    if found.placement is not None:
        search.improve(found.placement)
    else:
        search.chunks(1)
    ascent = Ascent(search)
    if search.best is not None and not ascent.over:
        search.improve(ascent.walks.improved(search.best))
    ascent.run()
    if not ascent.over:
        ascent.close()
    return search.claim()
