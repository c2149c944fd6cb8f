"""What is known about an instance while a method works: the best verified placement, and the best valid bound.

A method may crash, be killed, lose its incumbent or return something worse than what it reported: what was verified
once stays known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Conflict, Progress, Status, VerifiedResult
from placewise.solvers.evidence.verify import differs, relative_gap

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import Evaluation, Guarantee, Instance


@dataclass(frozen=True)
class Incumbent:
    """A feasible placement, what it costs, and who found it.

    Parameters
    ----------
    placement : tuple
        In canonical form.
    evaluation : Evaluation
        Of it, feasible.
    by : str
        Name of the method.
    """

    placement: Any
    evaluation: Evaluation
    by: str

    @property
    def objective(self) -> float:
        """In the problem's unit."""
        assert self.evaluation.objective is not None
        return self.evaluation.objective


class Knowledge:
    """Collects verified placements and valid bounds of one instance.

    Parameters
    ----------
    instance : Instance
        What is solved.
    guarantee : Guarantee
        Of the method that works; its bounds count only where they hold.
    progress : callable, optional
        Told of each better incumbent and bound.
    """

    def __init__(
        self,
        instance: Instance,
        guarantee: Guarantee,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.instance, self.guarantee = instance, guarantee
        self.incumbent: Incumbent | None = None
        #: What the method says that nothing is below, and a bound of the mathematics alone.
        self.claimed_bound: float | None = None
        self.floor: float | None = None
        self.trace: list[Progress] = []
        self._progress = progress

    def offer(self, placement: Any, by: str, seconds: float) -> bool:
        """Take a placement if it is feasible and better than the incumbent; return whether it was.

        Parameters
        ----------
        placement : object
            Anything that the gate takes.
        by : str
            Who found it.
        seconds : float
            When, since the call.
        """
        problem = problem_of(self.instance)
        canonical, violations = problem.gate(self.instance, placement)
        if violations:
            return False
        evaluation = problem.evaluate(self.instance, canonical)
        if not evaluation.feasible or evaluation.objective is None:
            return False
        if self.incumbent is not None and evaluation.objective >= self.incumbent.objective:
            return False
        self.incumbent = Incumbent(canonical, evaluation, by)
        self._tell(Progress(seconds, objective=evaluation.objective, placement=canonical))
        return True

    def take(self, step: Progress, by: str) -> None:
        """Take a step of the method: what it placed is evaluated, its bound counts where its guarantee allows.

        Parameters
        ----------
        step : Progress
            What the method reported.
        by : str
            Name of the method.
        """
        if step.placement is not None:
            self.offer(step.placement, by, step.seconds)
        if step.dual_bound is not None and self.guarantee.bounds and math.isfinite(step.dual_bound):
            self._raise("claimed_bound", step.dual_bound, step.seconds)

    def take_floor(self, floor: float, seconds: float) -> None:
        """Take a bound that holds whatever the method says.

        Parameters
        ----------
        floor : float
            In the problem's unit.
        seconds : float
            When, since the call.
        """
        if math.isfinite(floor):  # infinite where a link is missing: then there may be no placement
            self._raise("floor", floor, seconds)

    def _raise(self, kind: str, bound: float, seconds: float) -> None:
        known = getattr(self, kind)
        if known is None or bound > known:
            setattr(self, kind, bound)
            if bound >= max(self.claimed_bound or 0.0, self.floor or 0.0):
                self._tell(Progress(seconds, dual_bound=bound))

    def _tell(self, step: Progress) -> None:
        self.trace.append(Progress(step.seconds, step.objective, step.dual_bound))
        if self._progress is not None:
            self._progress(step)

    def completed(self, result: VerifiedResult, tolerance: float) -> VerifiedResult:
        """Return a verified result with the best of what it holds and of what was known before.

        A conflict stays a conflict: its result is an error, with the incumbent beside it.

        Parameters
        ----------
        result : VerifiedResult
            Of the claim.
        tolerance : float
            Relative gap up to which a placement is optimal.
        """
        result = replace(result, trace=tuple(self.trace))
        incumbent, objective, by = self.incumbent, result.objective, result.method
        if incumbent is not None and (objective is None or incumbent.objective < objective):
            result = replace(
                result,
                objective=incumbent.objective,
                placement=incumbent.placement,
                terms=incumbent.evaluation.terms,
                violations=(),
            )
            objective, by = incumbent.objective, incumbent.by
        failed = result.status is Status.ERROR and (result.conflicts or incumbent is None)
        if result.status is Status.INFEASIBLE:
            if objective is None:
                return result
            text = f"{result.method} claims that there is no placement; one with {objective!r} is known"
            conflict = Conflict("false-infeasible", (result.method,), text)
            result, failed = replace(result, conflicts=(*result.conflicts, conflict)), True
        bound, conflicts = self._bound(result, objective)
        gap = None if bound is None or objective is None else relative_gap(objective, bound)
        if failed:
            status = Status.ERROR
        elif objective is None:
            status = Status.NO_SOLUTION
        else:
            status = Status.OPTIMAL if gap is not None and gap <= tolerance else Status.FEASIBLE
        return replace(
            result,
            status=status,
            dual_bound=bound,
            relative_gap=gap,
            conflicts=(*result.conflicts, *conflicts),
            incumbent_by=None if objective is None else by,
        )

    def _bound(
        self, result: VerifiedResult, objective: float | None
    ) -> tuple[float | None, tuple[Conflict, ...]]:
        """Return the largest bound that no known placement refutes, and the conflict where one does."""
        broken = any(conflict.kind != "objective-mismatch" for conflict in result.conflicts)
        claimed = [] if broken else [b for b in (result.dual_bound, self.claimed_bound) if b is not None]
        conflicts: tuple[Conflict, ...] = ()
        if claimed and objective is not None and max(claimed) > objective:
            if differs(max(claimed), objective):
                text = f"{result.method} claims that nothing is below {max(claimed)!r}; a placement costs {objective!r}"
                conflicts, claimed = (Conflict("bound-crossed", (result.method,), text),), []
            else:
                claimed = [objective]
        if self.floor is not None:
            claimed.append(self.floor)
        return max(claimed, default=None), conflicts
