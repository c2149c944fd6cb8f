"""Instance files, a family of random ones, and one that is shipped."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from placewise.instances.format import Format
from placewise.instances.formats.common import (
    Amount,
    Bytes,
    Head,
    Name,
    Part,
    build_cluster,
    cluster_document,
)
from placewise.models.cluster import Cluster
from placewise.models.devices import Device
from toy_jobs.data import Job, ToyJobs
from toy_jobs.problem import TOY_JOBS


class JobSpec(Part):
    """One job."""

    name: Name
    memory_bytes: Bytes
    flops: Amount


class ToyJobsSpec(Head):
    """A file of ``toy-jobs``."""

    problem: Literal["toy-jobs"]
    jobs: Annotated[list[JobSpec], Field(min_length=1, max_length=1000)]


def build(spec: ToyJobsSpec) -> ToyJobs:
    """Build an instance from a checked file."""
    jobs = tuple(Job(job.name, int(job.memory_bytes), job.flops) for job in spec.jobs)
    return ToyJobs(build_cluster(spec.cluster), jobs, name=spec.name, description=spec.description)


def document(instance: ToyJobs) -> dict[str, Any]:
    """Return an instance as its file."""
    return {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "cluster": cluster_document(instance.cluster),
        "jobs": [dict(vars(job)) for job in instance.jobs],
    }


def tiny(*, jobs: int = 4, seed: int, name: str | None = None) -> ToyJobs:
    """Return a random instance that brute force solves; some have no placement."""
    draw = random.Random(seed)
    need = [draw.randint(1, 9) for _ in range(jobs)]
    devices = [
        Device(f"device-{j}", draw.randint(4, 16), flops_per_s=draw.choice([1.0, 2.0, 4.0]))
        for j in range(draw.randint(2, 3))
    ]
    return ToyJobs(
        Cluster(devices=devices, bandwidth_bytes_per_s=1.0),
        tuple(Job(f"job-{i}", size, draw.randint(0, 40) / 8) for i, size in enumerate(need)),
        name=name or f"toy-tiny-{seed}",
    )


FORMAT = Format(
    TOY_JOBS, ToyJobsSpec, build, document, families={"tiny": tiny}, folder=Path(__file__).parent / "data"
)
