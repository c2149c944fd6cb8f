"""What cannot be true together, within one answer and between any two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from placewise.solvers.evidence.result import Conflict, Status
from placewise.solvers.evidence.verify import differs

if TYPE_CHECKING:
    from collections.abc import Iterable


class Answer(Protocol):
    """What a contradiction is found in: a verified result, or the record of one."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> Status | None: ...  # noqa: D102
    @property
    def objective(self) -> float | None: ...  # noqa: D102
    @property
    def dual_bound(self) -> float | None: ...  # noqa: D102
    @property
    def conflicts(self) -> tuple[Conflict, ...]: ...  # noqa: D102


def find_conflicts(results: Iterable[Answer]) -> list[Conflict]:
    """Return what cannot be true together: within each result, and between any two."""
    results = list(results)
    conflicts = [conflict for result in results for conflict in result.conflicts]
    best = min((r for r in results if r.objective is not None), key=_objective, default=None)
    if best is None:
        return conflicts
    optima = [r for r in results if r.status is Status.OPTIMAL]
    for result in results:
        if result.status is Status.INFEASIBLE:
            text = f"{result.method} claims that there is no placement; {best.method} has one with {best.objective!r}"
            conflicts.append(Conflict("false-infeasible", (result.method, best.method), text))
        crossed = result.dual_bound is not None and result.dual_bound > _objective(best)
        if crossed and differs(result.dual_bound or 0.0, _objective(best)) and result is not best:
            kind = "optima-disagree" if result in optima and best in optima else "bound-crossed"
            text = (
                f"{result.method} claims that nothing is below {result.dual_bound!r}; "
                f"the placement of {best.method} costs {best.objective!r}"
            )
            conflicts.append(Conflict(kind, (result.method, best.method), text))
    return conflicts


def _objective(result: Answer) -> float:
    assert result.objective is not None
    return result.objective
