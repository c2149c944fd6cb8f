"""A start for pipelines on any devices: those of near speed count as one type, each as the worst of its group."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import bottleneck_values_s, time_tables
from placewise.models.edgeshard.placement import evaluate_throughput
from placewise.models.edgeshard.runs import useful_devices
from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard.counts import Counts, require_few

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context

#: Groups in which devices are counted.
GROUPS = 3


def rough_pipeline(instance: EdgeShardInstance, context: Context) -> tuple[int, ...] | None:
    """Return a good pipeline for any devices, or None if none was found: those of near speed count as one type.

    Devices in the order of their speed are cut into groups where it differs most; each counts as the worst of its group.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; the clock.
    """
    speed = time_tables(instance).compute_s[1:].sum(axis=0)
    ordered = sorted(
        (j for j in useful_devices(instance) if j != instance.source_index), key=speed.__getitem__
    )
    ratios = [speed[b] / max(speed[a], 1e-300) for a, b in pairwise(ordered)]
    cuts = sorted((np.argsort(ratios)[::-1][: GROUPS - 1] + 1).tolist())
    groups = [ordered[a:b] for a, b in pairwise([0, *cuts, len(ordered)]) if a < b]
    try:
        require_few(instance, groups)
    except NotApplicableError:
        return None
    counts, values = Counts(instance, groups), bottleneck_values_s(instance)
    best, cost_s, low = None, inf, 0
    high = len(values)
    while low < high and context.remaining:
        middle = (low + high) // 2 if best else high - 1
        found = counts.within(float(values[middle]))
        if found is None:
            low = middle + 1
        else:
            reached_s = evaluate_throughput(instance, found).objective
            assert reached_s is not None
            if reached_s < cost_s:
                best, cost_s = found, reached_s
            high = middle
    return best
