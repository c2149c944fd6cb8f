"""One running method: its options, its clock, and where it reports progress."""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.solvers.evidence.result import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.solvers.execution.parameters import Parameters

#: Relative improvement below which a bound or incumbent is not worth a message.
SMALLEST_STEP = 1e-9


class Context:
    """What a method is given beside the instance.

    Parameters
    ----------
    parameters : Parameters
        The caller's options.
    warm_start : placement or None
        A known placement, for methods that take one.
    report : callable, optional
        Receives each `Progress`.
    started : float, optional
        When the time limit began to count, by `perf_counter`; now, if not given.
    """

    def __init__(
        self,
        parameters: Parameters,
        warm_start: Any = None,
        report: Callable[[Progress], None] | None = None,
        started: float | None = None,
    ) -> None:
        self.parameters = parameters
        self.warm_start = warm_start
        self._report = report
        self._best: dict[str, float] = {}
        self.stopped: Callable[[], bool] = lambda: False
        self.started = perf_counter() if started is None else started

    @property
    def elapsed(self) -> float:
        """Seconds since the time limit began to count."""
        return perf_counter() - self.started

    @property
    def remaining(self) -> float:
        """Seconds left of the time limit, at least 0."""
        return max(self.parameters.time_limit - self.elapsed, 0.0)

    def report(
        self, objective: float | None = None, dual_bound: float | None = None, placement: Any = None
    ) -> None:
        """Report a placement or bound, in the problem's unit; only what is better than before is passed on.

        Parameters
        ----------
        objective, dual_bound : float, optional
            Of the placement, and what no placement can beat; one that is not finite is left out.
        placement : object, optional
            With that objective.
        """
        if self._report is None:
            return
        better = self._improves("objective", objective, -1)
        tighter = self._improves("dual_bound", dual_bound, +1)
        if better or tighter:
            self._report(
                Progress(
                    self.elapsed,
                    objective if better else None,
                    dual_bound if tighter else None,
                    placement if better else None,
                )
            )

    def _improves(self, kind: str, value: float | None, direction: int) -> bool:
        if value is None or not math.isfinite(value):
            return False
        best = self._best.get(kind)
        if best is not None and direction * (value - best) <= SMALLEST_STEP * abs(best):
            return False
        self._best[kind] = value
        return True


#: The name in version 0.1.
Run = Context
