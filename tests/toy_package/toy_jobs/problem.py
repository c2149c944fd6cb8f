"""The problem as one object."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from placewise.models.problem import Formulation, Problem
from placewise.models.resources import Resource, cluster_resources, scaled_cluster
from toy_jobs import milp, placement
from toy_jobs.data import ToyJobs, time_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toy_jobs.placement import Placement


def floor(instance: ToyJobs) -> float:
    """Return a bound that nothing beats: every job where it is quickest."""
    return float(time_s(instance).min(axis=1).sum())


def diagnose(instance: ToyJobs) -> str | None:
    """Return a simple proof that there is no placement, None where none is seen."""
    largest, budget = max(instance.jobs, key=lambda job: job.memory_bytes), instance.cluster.memory_bytes
    if largest.memory_bytes > budget.max():
        return f"{largest.name} needs {largest.memory_bytes:,} bytes and fits on no device"
    need = sum(job.memory_bytes for job in instance.jobs)
    return (
        f"the jobs need {need:,} bytes and the devices have {budget.sum():,}" if need > budget.sum() else None
    )


def resources(instance: ToyJobs) -> list[Resource]:
    """Return memory and speed of each device."""
    return [found for found in cluster_resources(instance.cluster) if found.kind in ("memory", "speed")]


def scaled(instance: ToyJobs, resource: Resource, factor: float) -> ToyJobs:
    """Return an instance with so much more, or less, of a resource."""
    return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))


def count(instance: ToyJobs) -> float:
    """Return how many placements there are."""
    return float(instance.cluster.size) ** len(instance.jobs)


def placements(instance: ToyJobs) -> Iterator[Placement]:
    """Yield all placements."""
    return product(range(instance.cluster.size), repeat=len(instance.jobs))


TOY_JOBS: Problem[ToyJobs, Placement] = Problem(
    name="toy-jobs",
    title="Toy: jobs on devices, for the least time in all",
    unit="s",
    evaluate=placement.evaluate,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=floor,
    diagnose=diagnose,
    resources=resources,
    scaled=scaled,
    count=count,
    placements=placements,
    formulations={
        "assignment": Formulation(
            "generalised assignment", milp.build, milp.extract, milp.start, milp.tighten
        )
    },
    default_methods=("branch",),
    first_methods=("first-fit",),
    probing_methods=("first-fit",),
)
