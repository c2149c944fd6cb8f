"""A heuristic as a plain function, and an exact algorithm."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from placewise.models.problem import Guarantee
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.method import PROGRESS, Algorithm
from toy_jobs.data import time_s

if TYPE_CHECKING:
    from placewise.solvers import Parameters
    from placewise.solvers.execution.context import Context
    from toy_jobs.data import ToyJobs
    from toy_jobs.placement import Placement


def first_fit(instance: ToyJobs, parameters: Parameters) -> Placement | None:
    """Place the largest jobs first, each on the quickest device that holds it; None where that ends badly."""
    del parameters
    free, placed = instance.cluster.memory_bytes.tolist(), {}
    for i in sorted(range(len(instance.jobs)), key=lambda i: -instance.jobs[i].memory_bytes):
        need = instance.jobs[i].memory_bytes
        fits = [j for j, space in enumerate(free) if space >= need]
        if not fits:
            return None
        placed[i] = min(fits, key=lambda j: time_s(instance)[i, j])
        free[placed[i]] -= need
    return tuple(placed[i] for i in range(len(instance.jobs)))


def branch(instance: ToyJobs, context: Context) -> Claim:
    """Search depth first, below the best placement only, by the floor of what is not placed yet."""
    seconds = time_s(instance).tolist()
    rest_s = [sum(min(row) for row in seconds[i:]) for i in range(len(seconds) + 1)]
    best: tuple[float, Placement | None] = (inf, None)
    late = False

    def search(placed: Placement, spent_s: float, free: tuple[int, ...]) -> None:
        nonlocal best, late
        late = late or not context.remaining
        i = len(placed)
        if late or spent_s + rest_s[i] >= best[0]:
            return
        if i == len(seconds):
            best = (spent_s, placed)
            context.report(objective=spent_s, placement=placed)
            return
        need = instance.jobs[i].memory_bytes
        for j in sorted(range(len(free)), key=seconds[i].__getitem__):
            if free[j] >= need:
                left = (*free[:j], free[j] - need, *free[j + 1 :])
                search((*placed, j), spent_s + seconds[i][j], left)

    search((), 0.0, tuple(instance.cluster.memory_bytes.tolist()))
    cost_s, placement = best
    if late:
        return Claim(Reason.LIMIT, placement, None if placement is None else cost_s, rest_s[0])
    if placement is None:
        return Claim(Reason.INFEASIBLE)
    return Claim(Reason.OPTIMAL, placement, cost_s, cost_s)


BRANCH = Algorithm(
    "branch", branch, Guarantee.EXACT, "depth first with a floor", abilities=frozenset({PROGRESS})
)
