"""The bridge: all methods on one instance, their gaps to the best proven bound, and where they contradict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from placewise.models.errors import NotApplicableError
from placewise.models.registry import problem_of
from placewise.solvers.evidence import shown
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.registry import comparison_methods, find_method
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import Conflict, VerifiedResult
    from placewise.solvers.execution.method import Method


@dataclass(frozen=True, repr=False)
class GapReport:
    """What `compare` found on one instance.

    Parameters
    ----------
    instance : Instance
        What was solved.
    results : tuple of VerifiedResult
        One per method, in the order of their running.
    skipped : mapping of str to str
        Methods that were not run, and why.
    conflicts : tuple of Conflict
        Within one result, and between two.
    """

    instance: Instance
    results: tuple[VerifiedResult, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()

    @property
    def best_bound(self) -> float | None:
        """The largest dual bound of a method whose guarantee makes it valid."""
        return max((r.dual_bound for r in self.results if r.dual_bound is not None), default=None)

    @property
    def best_objective(self) -> float | None:
        """The smallest verified objective."""
        return min((r.objective for r in self.results if r.objective is not None), default=None)

    @property
    def gaps(self) -> dict[str, float | None]:
        """By how much each method's objective exceeds the best proven bound, relative to that bound.

        None without one or the other. (The relative gap of a single result is relative to its objective, as
        solvers state it.)
        """
        bound = self.best_bound
        return {
            r.method: None if bound is None or r.objective is None else excess(r.objective, bound)
            for r in self.results
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per method: what it proves, its status, value, bound, gap to the best bound, seconds, note."""
        gaps = self.gaps
        return [
            {
                "method": result.method,
                "guarantee": result.guarantee.value,
                "status": result.status.value,
                "objective": result.objective,
                "dual_bound": result.dual_bound,
                "gap": gaps[result.method],
                "build_s": result.build_s,
                "solve_s": result.solve_s,
                "note": note(result),
            }
            for result in self.results
        ]

    def to_frame(self) -> Any:
        """Return `rows` as a pandas DataFrame; raise `PlacewiseError` without pandas."""
        return shown.frame(self.rows())

    def __repr__(self) -> str:
        unit = problem_of(self.instance).unit
        best, bound = (shown.quantity(value, unit) for value in (self.best_objective, self.best_bound))
        counts = f"{len(self.results)} methods, {len(self.skipped)} skipped, {len(self.conflicts)} conflicts"
        head = f"<GapReport {self.instance.name!r}: {counts}, best {best}, best proven bound {bound}>"
        return "\n".join([head, *(f"conflict, {c.kind}: {c.message}" for c in self.conflicts[:1])])

    def _repr_html_(self) -> str:
        unit = problem_of(self.instance).unit
        columns = ("method", "guarantee", "status", "value", "bound", "gap", "solve", "note")
        lines = [
            (
                *(row["method"], row["guarantee"], row["status"]),
                *(shown.quantity(row[key], unit) for key in ("objective", "dual_bound")),
                *(shown.percent(row["gap"]), shown.duration(row["solve_s"]), row["note"]),
            )
            for row in self.rows()
        ]
        title = f"best {shown.quantity(self.best_objective, unit)}, best proven bound {shown.quantity(self.best_bound, unit)}"
        alarms = shown.alarms_html(f"conflict, {c.kind}: {c.message}" for c in self.conflicts)
        skipped = shown.paragraphs(f"{name} skipped: {why}" for name, why in self.skipped.items())
        return f"<div>{shown.heading(self.instance.name, title)}{alarms}{shown.table(columns, lines)}{skipped}</div>"

    def to_json(self) -> dict[str, Any]:
        """Return the report document, format ``placewise-comparison/1``."""
        gaps = self.gaps
        return {
            "format": "placewise-comparison/1",
            "instance": self.instance.name,
            "problem": self.instance.problem,
            "best_objective": self.best_objective,
            "best_dual_bound": self.best_bound,
            "results": [r.to_json() | {"gap_to_best_bound": gaps[r.method]} for r in self.results],
            "skipped": dict(self.skipped),
            "conflicts": [conflict.to_json() for conflict in self.conflicts],
        }


def compare(
    instance: Instance,
    methods: Sequence[str] | None = None,
    *,
    started: Callable[[str], None] | None = None,
    finished: Callable[[VerifiedResult], None] | None = None,
    **options: Any,
) -> GapReport:
    """Run methods one after the other and compare what they prove.

    Parameters
    ----------
    instance : Instance
        As `placewise.instances.read` returns it.
    methods : sequence of str, optional
        By default every method of the problem that is installed and applies.
    started, finished : callable, optional
        Told of each method's start, and given each result.
    **options
        Of `solve`, for every method.

    Raises
    ------
    PlacewiseError
        On an unknown method. One that is not installed or does not apply is skipped, and the report says why.
    """
    chosen = (
        [find_method(instance.problem, name) for name in methods]
        if methods
        else comparison_methods(instance.problem)
    )
    results: list[VerifiedResult] = []
    skipped: dict[str, str] = {}
    for method in chosen:
        reason = _why_not(method, instance)
        if reason:
            skipped[method.name] = reason
            continue
        if started:
            started(method.name)
        try:
            result = solve(instance, method, **options)
        except NotApplicableError as refusal:
            skipped[method.name] = str(refusal)
            continue
        results.append(result)
        if finished:
            finished(result)
    return GapReport(instance, tuple(results), skipped, tuple(find_conflicts(results)))


def _why_not(method: Method[Any, Any], instance: Instance) -> str | None:
    if method.missing:
        return f"not installed: {method.missing}"
    try:
        method.guarantee(instance)
    except NotApplicableError as refusal:
        return str(refusal)
    return None


def note(result: VerifiedResult) -> str:
    """Return what a row of numbers does not say: a broken constraint, a limit, who else found the incumbent, an error."""
    if result.violations:
        return f"breaks {result.violations[0].constraint}: {result.violations[0].message}"
    told = shown.stopped(result)
    return "; ".join(told if result.objective is not None else [*told, *filter(None, [result.message])])


def excess(objective: float, bound: float) -> float:
    """Return by how much an objective exceeds a bound, relative to the bound, at least 0.

    Parameters
    ----------
    objective, bound : float
        In one unit, that of the problem; infinite relative to a bound of 0, and to one that is not finite: it says
        nothing.
    """
    if not (math.isfinite(objective) and math.isfinite(bound)):
        return math.inf
    if objective <= bound:
        return 0.0
    return (objective - bound) / abs(bound) if bound else math.inf
