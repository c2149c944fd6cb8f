"""What a method claims, and what is left of it after verification."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placewise.models.problem import Guarantee, Instance, Violation


class Reason(Enum):
    """Why a method stopped, in its own words."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    LIMIT = "limit"
    FINISHED = "finished"
    """A heuristic came to its end."""
    INTERRUPTED = "interrupted"
    """The caller wanted no more: Ctrl-C."""
    ERROR = "error"


class Status(Enum):
    """What is known after verification; the words of the result file."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no-solution"
    ERROR = "error"


@dataclass(frozen=True)
class Termination:
    """Why a method stopped; what is known then is the `Status`.

    Parameters
    ----------
    reason : Reason
        In the method's own words.
    limit : str or None
        Which limit it reached: time, memory, labels, ...
    """

    reason: Reason
    limit: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as result documents state it."""
        return {"reason": self.reason.value, "limit": self.limit}


@dataclass(frozen=True)
class Claim:
    """What a method says about an instance; nothing in it is believed.

    Parameters
    ----------
    reason : Reason
        Why it stopped.
    placement : object or None
        Its best placement.
    objective : float or None
        What it thinks the placement costs, in the problem's unit.
    dual_bound : float or None
        What it thinks no placement can beat.
    message : str
        One line: the solver's status, an error.
    build_s, solve_s : float
        Seconds to state the model and to solve it.
    limit : str
        Which limit it reached, where `reason` is LIMIT.
    """

    reason: Reason
    placement: Any = None
    objective: float | None = None
    dual_bound: float | None = None
    message: str = ""
    build_s: float = 0.0
    solve_s: float = 0.0
    limit: str = "time"


@dataclass(frozen=True)
class Progress:
    """A step of a running method: a better placement, or a better bound, after so many seconds."""

    seconds: float
    objective: float | None = None
    dual_bound: float | None = None
    placement: Any = None


@dataclass(frozen=True)
class Conflict:
    """Two statements that cannot both be true; any of them fails a run.

    Parameters
    ----------
    kind : str
        infeasible-solution, objective-mismatch, invalid-bound, bound-crossed, optima-disagree or false-infeasible.
    methods : tuple of str
        Who says so.
    message : str
        The numbers.
    """

    kind: str
    methods: tuple[str, ...]
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return it as result documents state it."""
        return {"kind": self.kind, "methods": list(self.methods), "message": self.message}


@dataclass(frozen=True)
class VerifiedResult:
    """A method's answer after its placement was evaluated and its status derived.

    Parameters
    ----------
    instance : Instance
        What was solved.
    method : str
        By what.
    guarantee : Guarantee
        What that method can prove on this instance.
    status : Status
        Derived, never taken over.
    objective : float or None
        Re-evaluated, in the problem's unit; None without a feasible placement.
    dual_bound, relative_gap : float or None
        None where the method proves no bound.
    placement : object or None
        Also kept when it breaks constraints; then `violations` says which.
    conflicts : tuple of Conflict
        Claims that the verification refuted.
    trace : tuple of Progress
        Verified incumbents and bounds over time, without placements.
    termination : Termination or None
        Why the method stopped.
    incumbent_by : str or None
        Who found the placement: the method, a heuristic that went first, or the warm start.
    """

    instance: Instance
    method: str
    guarantee: Guarantee
    status: Status
    objective: float | None = None
    dual_bound: float | None = None
    relative_gap: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    placement: Any = None
    violations: tuple[Violation, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    message: str = ""
    build_s: float = 0.0
    solve_s: float = 0.0
    trace: tuple[Progress, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    termination: Termination | None = None
    incumbent_by: str | None = None

    @property
    def proven(self) -> bool:
        """Whether the answer is final: an optimum, or a proof that there is none."""
        return self.status in (Status.OPTIMAL, Status.INFEASIBLE)

    def to_json(self) -> dict[str, Any]:
        """Return the result document, format ``placewise-result/1``."""
        from placewise.instances.identity import instance_hash  # a worker process needs no file formats

        problem = problem_of(self.instance)
        placement = self.placement
        return {
            "format": "placewise-result/1",
            "instance": self.instance.name,
            "instance_hash": instance_hash(self.instance),
            "problem": self.instance.problem,
            "method": self.method,
            "guarantee": self.guarantee.value,
            "status": self.status.value,
            "termination": None if self.termination is None else self.termination.to_json(),
            "objective": self.objective,
            "unit": problem.unit,
            "dual_bound": self.dual_bound,
            "relative_gap": self.relative_gap,
            "terms": dict(self.terms),
            "placement": None if placement is None else problem.placement_json(self.instance, placement),
            "incumbent_by": self.incumbent_by,
            "violations": [violation.message for violation in self.violations],
            "conflicts": [f"{conflict.kind}: {conflict.message}" for conflict in self.conflicts],
            "message": self.message,
            "seconds": {"build": self.build_s, "solve": self.solve_s},
            "versions": dict(self.versions),
        }
