"""How a placement is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from placewise.benchmarks.drawings.picture import Graph, Picture
from toy_jobs.problem import TOY_JOBS

if TYPE_CHECKING:
    from rich.console import Console

    from toy_jobs.data import ToyJobs
    from toy_jobs.placement import Placement


def hosted(instance: ToyJobs, placement: Placement) -> dict[int, str]:
    """Return the names of the jobs on each device that has any."""
    return {
        j: ", ".join(job.name for job, at in zip(instance.jobs, placement, strict=True) if at == j)
        for j in sorted(set(placement))
    }


def draw(console: Console, instance: ToyJobs, placement: Placement) -> None:
    """Draw a line per device."""
    for j, names in hosted(instance, placement).items():
        console.print(escape(f"{instance.cluster.device_names[j]}: {names}"), soft_wrap=True)


def graph(instance: ToyJobs, placement: Placement) -> Graph:
    """Return what each device hosts; nothing is sent."""
    return hosted(instance, placement), {}


PICTURE = Picture(TOY_JOBS, draw, graph)
