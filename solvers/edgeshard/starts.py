"""A quick feasible placement: the greedy chain, and where rules exclude it, the best along some orders of devices."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.registry import problem_of
from placewise.solvers.edgeshard import baselines
from placewise.solvers.edgeshard.chains import ChainSearch
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context

#: Orders of devices that are tried.
TRIES = 60


def greedy(instance: EdgeShardInstance, context: Context) -> Claim:
    """Return the greedy chain; where it breaks a rule, the best of some chains whose run ends are chosen well.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    claim = baselines.greedy(instance, context)
    if claim.placement is not None or not instance.rules.asked:
        return claim
    search, draw = ChainSearch(instance, context), random.Random(context.parameters.seed)  # noqa: S311
    problem, best = problem_of(instance), claim
    pinned = [int(device) for _, device in instance.rules.pinned]
    wanted = list(dict.fromkeys([*pinned, *sorted(search.required)]))
    wanted = [device for device in wanted if device != search.source]
    others = [j for j in range(instance.cluster.size) if j not in (search.source, *wanted)]
    for attempt in range(TRIES):
        if not context.remaining:
            break
        chain = list(wanted)
        if attempt % 2:
            draw.shuffle(chain)
        for device in draw.sample(others, min(len(others), attempt % (len(others) + 1))):
            chain.insert(draw.randint(0, len(chain)), device)
        found = (search.source, *chain)
        if not np.isfinite(search.cost(found)):
            continue
        placement = search.placement(found)
        evaluation = problem.evaluate(instance, placement)
        if evaluation.feasible and evaluation.objective is not None:
            best_s = float("inf") if best.objective is None else best.objective
            if evaluation.objective < best_s:
                best = Claim(Reason.FINISHED, placement, evaluation.objective, solve_s=context.elapsed)
    return best
