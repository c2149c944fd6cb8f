"""A rule followed over the horizon: one placement after the other, each from the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.head_migration import HeadMigrationInstance, Interval
    from placewise.solvers.execution.context import Context

    #: ``(instance, interval, placement before) -> placement``, or None where it finds none.
    Rule: TypeAlias = Callable[[HeadMigrationInstance, int, Interval | None], Interval | None]


def rollout(instance: HeadMigrationInstance, context: Context, rule: Rule) -> Claim:
    """Return the trajectory of a rule; where it breaks a constraint, verification says which.

    Parameters
    ----------
    instance : HeadMigrationInstance
        T intervals.
    context : Context
        Its clock ends the rollout.
    rule : callable
        ``(instance, interval, placement before) -> Interval or None``.
    """
    trajectory: list[Interval] = []
    before = instance.initial
    for t in range(instance.intervals):
        if not context.remaining:
            return Claim(Reason.LIMIT, message="stopped at the time limit", solve_s=context.elapsed)
        before = rule(instance, t, before)
        if before is None:
            return Claim(
                Reason.FINISHED, message=f"interval {t}: no placement found", solve_s=context.elapsed
            )
        trajectory.append(before)
    placement = tuple(trajectory)
    objective = problem_of(instance).evaluate(instance, placement).objective
    return Claim(Reason.FINISHED, placement, objective, solve_s=context.elapsed)
