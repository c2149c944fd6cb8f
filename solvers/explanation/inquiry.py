"""Questions to changed instances, within one time limit."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import Instance
    from placewise.models.resources import Resource
    from placewise.solvers.evidence.result import Status, VerifiedResult

#: No single question takes more than this share of the time.
LARGEST_SHARE = 0.1


@dataclass(frozen=True)
class Effect:
    """The optimum with more, or less, of a resource.

    Parameters
    ----------
    resource : Resource
        Of what.
    factor : float
        How much of it there is; infinity = no limit.
    status : Status or None
        Of the changed instance; None where it was refused.
    objective : float or None
        Its best placement's value.
    change : float or None
        Relative to the value before; None where no placement is left or known.
    """

    resource: Resource
    factor: float
    status: Status | None
    objective: float | None = None
    change: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as the document states it."""
        return {
            "resource": self.resource.title,
            "factor": self.factor,
            "status": None if self.status is None else self.status.value,
            "objective": self.objective,
            "change": self.change,
        }


class OutOfTimeError(Exception):
    """The time limit has passed."""


class Inquiry:
    """An instance, and what becomes of it when its resources change.

    Parameters
    ----------
    instance : Instance
        As it is.
    method : str or None
        As for `solve`.
    time_limit : float
        Seconds for all questions.
    progress : callable
        Receives what is tried.
    """

    def __init__(
        self, instance: Instance, method: str | None, time_limit: float, progress: Callable[[str], None]
    ) -> None:
        self.instance = instance
        self.problem = problem_of(instance)
        self._method = method
        self._time_limit = time_limit
        self._deadline = perf_counter() + time_limit
        self._progress = progress

    def seconds_left(self) -> float:
        """Return the seconds until the time limit, or raise `OutOfTimeError`."""
        left = self._deadline - perf_counter()
        if left <= 0:
            raise OutOfTimeError
        return left

    def solved(
        self,
        instance: Instance,
        title: str,
        *,
        share: float = LARGEST_SHARE,
        relative_gap: float = 1e-6,
        warm_start: Any = None,
    ) -> VerifiedResult:
        """Solve an instance in a share of the time that is left; raise `OutOfTimeError` when none is.

        Parameters
        ----------
        instance : Instance
            A changed one.
        title : str
            What is asked, for progress.
        share : float
            Of the whole time limit, at most.
        relative_gap : float
            At which the answer is enough.
        warm_start : placement or None
            A known one.
        """
        left = min(self.seconds_left(), share * self._time_limit)
        self._progress(title)
        return solve(
            instance,
            self._method,
            time_limit=left,
            relative_gap=relative_gap,
            warm_start=warm_start,
            isolate=False,
        )

    def scaled(self, resource: Resource, factor: float) -> Any:
        """Return the instance with so much more (or less) of a resource.

        Parameters
        ----------
        resource : Resource
            Of the instance.
        factor : float
            Above 0; infinite for no limit, or a free link.
        """
        return self.problem.scaled(self.instance, resource, factor)
