"""What a method claims, and what is left of it after verification."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of
from placewise.models.stages import layer_names
from placewise.solvers.evidence import picture, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    """A step of a running method: a better placement, or a better bound, after so many seconds.

    Parameters
    ----------
    seconds, objective, dual_bound, placement
        Since the time limit began to count; the numbers in the problem's unit; None is no news.
    """

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


@dataclass(frozen=True, repr=False)
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
    terms : mapping of str to float
        Re-evaluated parts, by name, whose sum or maximum is the objective.
    placement, violations : object or None, tuple of Violation
        Also kept when it breaks constraints; then `violations` says which.
    conflicts : tuple of Conflict
        Claims that the verification refuted.
    message, build_s, solve_s, versions
        One line; seconds to state the model and to solve it; distribution to version.
    trace : tuple of Progress
        Verified incumbents and bounds over time, without placements.
    termination : Termination or None
        Why the method stopped.
    incumbent_by : str or None
        Who found the placement: the method, a heuristic that went first, or the warm start.
    extended : bool
        Whether the proof is that of a model to which rows were added, not that of the problem itself.
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
    extended: bool = False

    @property
    def proven(self) -> bool:
        """Whether the answer is final: an optimum, or a proof that there is none."""
        return self.status in (Status.OPTIMAL, Status.INFEASIBLE)

    @property
    def named(self) -> dict[str, Any] | None:
        """The placement by names of devices, as result files state it; None without one."""
        if self.placement is None:
            return None
        return problem_of(self.instance).placement_json(self.instance, self.placement)

    @property
    def stages(self) -> tuple[Any, ...]:
        """The placement as rows by names, a `Stage` or a `Share` each, see `placewise.models.stages`; none without one."""
        problem = problem_of(self.instance)
        if problem.stages is None or self.placement is None:
            return ()
        placement, _ = problem.gate(self.instance, self.placement)
        return () if placement is None else tuple(problem.stages(self.instance, placement))

    @property
    def figures(self) -> Mapping[str, Any]:
        """What else the placement amounts to, by name: of EdgeShard's the time to the first token and per token."""
        if self.placement is None or self.objective is None:
            return {}
        return problem_of(self.instance).figures(self.instance, self.placement)

    def to_frame(self) -> Any:
        """Return `stages` as a pandas DataFrame, a row each; raise `PlacewiseError` without pandas."""
        return shown.frame(self.stages)

    def plot(self) -> Any:
        """Return the placement as a Matplotlib figure, see `picture.plot`."""
        return picture.plot(self)

    def __repr__(self) -> str:
        return shown.line_of(self)

    def __str__(self) -> str:
        return shown.lines_of(self)

    def _repr_html_(self) -> str:
        return shown.html_of(self)

    def save(self, target: str | Path) -> None:
        """Write the result document, whole or not at all, for `from_json` and ``placewise check``.

        Raises
        ------
        PlacewiseError
            When the file cannot be written.
        """
        from placewise.instances import files, strict_json  # a worker process needs no file formats

        files.write_text(target, strict_json.dumps(self.to_json()) + "\n")

    @classmethod
    def from_json(cls, instance: Instance, source: Mapping[str, Any] | str | Path) -> VerifiedResult:
        """Read a result back, and verify it anew.

        Only the placement is taken over, and who made it, in which time. The rest is evaluated; the bound is what the
        equations alone prove, so that "optimal" often comes back as feasible: the file cannot show its proof. What it
        states and is not so is a conflict. A solve with ``warm_start=result`` proves it again.

        Parameters
        ----------
        instance : Instance
            What it is a result of.
        source : mapping, str or Path
            The document, as `to_json` returns it, or a file.

        Raises
        ------
        PlacewiseError
            Naming the path of a wrong value, also where it is a result of another instance.
        """
        from placewise.solvers.evidence.reading import result_of  # which verifies, and so knows results

        return result_of(instance, source)

    def to_json(self) -> dict[str, Any]:
        """Return the result document, format ``placewise-result/1``."""
        from placewise.instances.identity import instance_hash  # a worker process needs no file formats

        problem = problem_of(self.instance)
        return {
            "format": "placewise-result/1",
            "instance": self.instance.name,
            "instance_hash": instance_hash(self.instance),
            "problem": self.instance.problem,
            "method": self.method,
            "model": "extended" if self.extended else None,
            "guarantee": self.guarantee.value,
            "status": self.status.value,
            "termination": None if self.termination is None else self.termination.to_json(),
            "objective": self.objective,
            "unit": problem.unit,
            "dual_bound": self.dual_bound,
            "relative_gap": self.relative_gap,
            "terms": dict(self.terms),
            "figures": dict(self.figures),
            "placement": self.named,
            "layer_names": layer_names(self.instance),
            "incumbent_by": self.incumbent_by,
            "violations": [violation.message for violation in self.violations],
            "conflicts": [f"{conflict.kind}: {conflict.message}" for conflict in self.conflicts],
            "message": self.message,
            "seconds": {"build": self.build_s, "solve": self.solve_s},
            "versions": dict(self.versions),
        }
