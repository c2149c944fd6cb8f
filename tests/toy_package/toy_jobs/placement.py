"""What a placement means: the specification. All methods are judged by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.errors import InstanceError
from placewise.models.gate import devices, entries, listed, members, named, refused, shown
from placewise.models.problem import Evaluation, Violation
from toy_jobs.data import time_s

if TYPE_CHECKING:
    from toy_jobs.data import ToyJobs

#: Device index of each job.
Placement = tuple[int, ...]


def placement_of(instance: ToyJobs, anything: Any) -> tuple[Placement | None, tuple[Violation, ...]]:
    """Return the placement that an object is, by index, by name or as a file states it, or why it is none."""
    count = len(instance.jobs)
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, count)
    if found is None or found[1] != count:
        text = shown(anything) if found is None else f"{found[1]:,}"
        return None, (refused("jobs", f"expected a device for each of {count} jobs, found {text}"),)
    names = instance.cluster.device_names
    indices, violations = devices(names, found[0], "job {}".format, instance.name)
    return (None, tuple(violations)) if violations else (indices, ())


def evaluate(instance: ToyJobs, placement: Any) -> Evaluation:
    """Return the time in all, and each device whose memory does not hold its jobs."""
    indices, refusals = placement_of(instance, placement)
    if indices is None:
        return Evaluation(None, {}, refusals)
    total_s = sum(float(time_s(instance)[i, j]) for i, j in enumerate(indices))
    violations = []
    for j, name in enumerate(instance.cluster.device_names):
        need = sum(job.memory_bytes for job, at in zip(instance.jobs, indices, strict=True) if at == j)
        budget = int(instance.cluster.memory_bytes[j])
        if need > budget:
            message = f"{name} needs {need:,} bytes and has {budget:,}"
            violations.append(Violation("memory", name, message))
    return Evaluation(total_s, {"compute": total_s}, tuple(violations))


def to_json(instance: ToyJobs, placement: Placement) -> dict[str, Any]:
    """Return a placement as files state it."""
    return {"jobs": [instance.cluster.device_names[j] for j in placement]}


def from_json(instance: ToyJobs, document: Any) -> Placement:
    """Read a placement back; raise `InstanceError` with the path of what is wrong."""
    stated = listed(document, "jobs")
    if stated is None:
        raise InstanceError("placement.jobs", "expected a list with one device name per job")
    return named(instance.cluster.device_names, stated, f"a device of {instance.name}")
