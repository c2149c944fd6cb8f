"""Validated data, and the one equation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from placewise.models.arrays import non_negative, whole_bytes
from placewise.models.errors import InstanceError
from placewise.models.instance import BaseInstance
from placewise.models.units import choose_tick, to_ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster


@dataclass(frozen=True)
class Job:
    """What is placed: it takes memory, and computes so much."""

    name: str
    memory_bytes: int
    flops: float


@dataclass(frozen=True, eq=False, repr=False)
class ToyJobs(BaseInstance):
    """Each job on one device whose memory holds all that it gets, for the least time in all."""

    cluster: Cluster
    jobs: tuple[Job, ...]
    name: str = "toy-jobs"
    description: str = ""

    problem: ClassVar[str] = "toy-jobs"

    def __post_init__(self) -> None:
        if not 1 <= len(self.jobs) <= 1000:
            raise InstanceError("jobs", f"expected 1 to 1000 jobs, found {len(self.jobs)}")
        shape, rates = (len(self.jobs),), self.cluster.flops_per_s
        whole_bytes([job.memory_bytes for job in self.jobs], shape, "jobs.memory_bytes")
        non_negative([job.flops for job in self.jobs], shape, "jobs.flops")
        if rates is None or not (rates > 0).all():
            raise InstanceError("cluster.devices.flops_per_s", "expected a number > 0 for every device")
        time_s(self)

    def _sizes(self) -> str:
        return f"{len(self.jobs)} jobs on {self.cluster.size} devices"


@lru_cache(maxsize=16)
def time_s(instance: ToyJobs) -> NDArray[np.float64]:
    """Return the seconds of each job on each device, shape (N, M), in whole ticks: their sums are exact."""
    work, rates = np.array([job.flops for job in instance.jobs]), instance.cluster.flops_per_s
    table = work[:, None] / rates
    least, most = float(table.min(axis=1).sum()), float(table.max(axis=1).sum())
    return to_ticks(table, choose_tick(least, most, entries=len(work)))
