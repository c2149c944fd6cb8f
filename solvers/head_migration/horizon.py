"""Long horizons and many devices: steps for a placement, chunks of the horizon for a bound, HiGHS inside.

Cutting the horizon drops the moves between chunks, so the optima of chunks that start anywhere sum to a dual bound;
chunks that start where the one before ended give a trajectory. Longer chunks make both better, until one chunk is the
whole horizon. Where HiGHS can take the whole horizon it is asked at once, from the best trajectory of steps.

Source: rolling horizons, Sethi and Sorger (1991).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from placewise.models.errors import NotApplicableError
from placewise.models.head_migration import evaluate
from placewise.models.head_migration.problems import HEAD_MIGRATION
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.statement import run_formulation
from placewise.solvers.head_migration import baselines, lookahead
from placewise.solvers.head_migration import step as one_step

if TYPE_CHECKING:
    from placewise.models.head_migration import HeadMigrationInstance, Interval
    from placewise.models.head_migration.placement import Trajectory

#: Moves that HiGHS is given at once: 3 T M**2.
LARGEST_MODEL = 30_000
#: Times of a chunk are rounded to its own tick, not to the horizon's.
TICK_MARGIN = 1e-9
#: Relative gap at which a trajectory counts as optimal: bounds of chunks are off by their ticks.
CLOSED = 2e-9


def cut(
    instance: HeadMigrationInstance, first: int, end: int, before: Interval | None
) -> HeadMigrationInstance:
    """Return the intervals from first to before end as an instance of their own.

    Parameters
    ----------
    instance : HeadMigrationInstance
        T intervals.
    first, end : int
        ``0 <= first < end <= T``.
    before : Interval or None
        The placement before the first; None lets blocks start anywhere.
    """
    return replace(
        instance,
        over_time=instance.over_time.cut(first, end),
        initial=before,
        initial_length=instance.length(first - 1),
    )


class Search:
    """The best trajectory and bound of one instance.

    Parameters
    ----------
    instance : HeadMigrationInstance
        What is solved.
    context : Context
        Clock, warm start, and where better values are reported.
    """

    def __init__(self, instance: HeadMigrationInstance, context: Context) -> None:
        self.instance, self.context = instance, context
        self.upper_s, self.lower_s = float("inf"), 0.0
        self.best: Trajectory | None = None
        #: Bounds of single intervals, for what there is no time to solve in chunks.
        self.single_s = [0.0] * instance.intervals
        if context.warm_start is not None:
            self.improve(context.warm_start)

    def improve(self, trajectory: Trajectory) -> None:
        """Take a trajectory if it is feasible and better."""
        evaluation = evaluate(self.instance, trajectory)
        if evaluation.feasible and evaluation.objective is not None and evaluation.objective < self.upper_s:
            self.upper_s, self.best = evaluation.objective, trajectory
            self.context.report(objective=self.upper_s, placement=trajectory)

    def raise_bound(self, bound_s: float) -> None:
        """Take a dual bound if it is better."""
        if bound_s > self.lower_s:
            self.lower_s = bound_s
            self.context.report(dual_bound=min(bound_s, self.upper_s))

    @property
    def closed(self) -> bool:
        """Whether the gap is closed, or there is no trajectory."""
        return self.lower_s >= self.upper_s * (1 - max(CLOSED, self.context.parameters.relative_gap))

    def take(self, step: Progress) -> None:
        """Take what a solver of the whole horizon reports."""
        if step.placement is not None:
            self.improve(step.placement)
        if step.dual_bound is not None:
            self.raise_bound(step.dual_bound)

    def learn(self, found: Claim) -> None:
        """Take what a solver of the whole horizon claims in the end."""
        if found.placement is not None:
            self.improve(found.placement)
        if found.reason is Reason.INFEASIBLE and self.best is None:
            self.raise_bound(float("inf"))
        elif found.dual_bound is not None:
            self.raise_bound(found.dual_bound)

    def whole(self) -> None:
        """Give the horizon to HiGHS, from the best trajectory."""
        self.learn(self._solve(self.instance, self.best, self.context.remaining, self.context))

    def chunks(self, length: int) -> None:
        """Cut the horizon into chunks: free ones for the bound, tied ones for a trajectory."""
        count = self.instance.intervals
        bound_s, before = 0.0, self.instance.initial
        trajectory: list[Interval] = []
        for first in range(0, count, length):
            end = min(first + length, count)
            share_s = self.context.remaining * (end - first) / (count - first) / 2
            if share_s <= 0:
                bound_s += sum(self.single_s[first:])
                break
            free = cut(self.instance, first, end, self.instance.initial if first == 0 else None)
            bound = self._solve(free, None, share_s)
            if bound.reason is Reason.INFEASIBLE:  # then the whole horizon is
                self.raise_bound(float("inf"))
                return
            part_s = max((bound.dual_bound or 0.0) * (1 - TICK_MARGIN), sum(self.single_s[first:end]))
            if length == 1:
                self.single_s[first] = part_s
            bound_s += part_s
            if before is not None or first == 0:
                tied = cut(self.instance, first, end, before)
                known = None if self.best is None or first else self.best[:end]
                found = bound if before == free.initial else self._solve(tied, known, share_s)
                if found.placement is None:
                    before = None
                else:
                    trajectory += found.placement
                    before = trajectory[-1]
        self.raise_bound(bound_s)
        if len(trajectory) == count:
            self.improve(tuple(trajectory))

    def claim(self) -> Claim:
        """Return what was found and proven."""
        if self.lower_s == float("inf") and self.best is None:
            return Claim(
                Reason.INFEASIBLE,
                message="a part of the horizon has no placement",
                solve_s=self.context.elapsed,
            )
        closed = self.best is not None and self.closed
        objective = None if self.best is None else self.upper_s
        bound_s = self.lower_s if objective is None else min(self.lower_s, objective)
        return Claim(
            Reason.OPTIMAL if closed else Reason.LIMIT,
            self.best,
            objective,
            bound_s,
            "" if closed else "stopped with a gap",
            solve_s=self.context.elapsed,
        )

    def _solve(
        self,
        part: HeadMigrationInstance,
        known: Trajectory | None,
        seconds: float,
        outer: Context | None = None,
    ) -> Claim:
        """Solve a chunk exactly, by dynamic programming where it can."""
        inner = Context(
            replace(self.context.parameters, time_limit=seconds), known, self.take if outer else None
        )
        inner.stopped = lambda: self.closed
        if part.intervals == 1:
            return one_step.run(part, inner)
        try:
            lookahead.guarantee(part)
            return lookahead.run(part, inner)
        except NotApplicableError:
            pass
        try:
            counts = HEAD_MIGRATION.formulations["counts"]
            return run_formulation(HEAD_MIGRATION, counts, HIGHS, part, inner)
        except NotApplicableError as refusal:  # times too far apart: the chunks' bounds and placements stand
            return Claim(Reason.LIMIT, message=str(refusal))


def run(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Take steps, then the whole horizon or chunks of growing length.

    Parameters
    ----------
    instance, context : HeadMigrationInstance, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    found: Any = baselines.receding(instance, context)
    if found.placement is not None:
        search.improve(found.placement)
    size = 3 * instance.cluster.size**2
    search.chunks(1)
    if size * instance.intervals <= LARGEST_MODEL:
        if not search.closed and context.remaining:
            search.whole()
    else:
        length = 2
        while not search.closed and context.remaining and size * length <= LARGEST_MODEL:
            search.chunks(length)
            length *= 2
    return search.claim()
