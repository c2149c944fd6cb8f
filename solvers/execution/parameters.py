"""What a caller may ask of every method."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Parameters:
    """Options of one solve; a back-end uses those that its solver knows.

    Parameters
    ----------
    time_limit : float
        Seconds for building and solving; a worker that overruns it is stopped.
    relative_gap : float
        ``(objective - dual bound) / objective`` below which a solution counts as optimal.
    threads : int or None
        Threads that the solver may use; None = as many as it finds useful here.
    seed : int
        For solvers with random choices.
    log : Path or None
        File for the solver's own output.
    memory_limit_bytes : int or None
        Address space of the worker process.
    """

    time_limit: float = 60.0
    relative_gap: float = 1e-6
    threads: int | None = None
    seed: int = 0
    log: Path | None = None
    memory_limit_bytes: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.time_limit) and self.time_limit > 0):
            raise PlacewiseError(f"time limit: expected seconds > 0, found {self.time_limit}")
        if not 0 <= self.relative_gap < 1:
            raise PlacewiseError(f"relative gap: expected a number in [0, 1), found {self.relative_gap}")
        if self.threads is not None and self.threads < 1:
            raise PlacewiseError(f"threads: expected at least 1, found {self.threads}")
        if not 0 <= self.seed < 2**31:
            raise PlacewiseError(f"seed: expected 0 to 2**31 - 1, found {self.seed}")

    @property
    def thread_count(self) -> int:
        """Threads for solvers that gain one core per thread."""
        return self.threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else "1")
