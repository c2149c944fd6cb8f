"""Throughput by bisection on counts per type of device, see `counts`."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from placewise.models.edgeshard.kinds import device_types
from placewise.models.edgeshard.problems import options
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.bisection import bisect
from placewise.solvers.edgeshard.counts import Counts, require_few
from placewise.solvers.edgeshard.thresholds import Thresholds

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT where some devices are of one type and the states are not too many.

    Raises
    ------
    NotApplicableError
        For other instances.
    """
    asked = options(instance)
    if asked:  # also where a batch's pipelines are asked for
        raise NotApplicableError(f"types do not know {' or '.join(sorted(asked))}")
    types = device_types(instance)
    if all(len(group) == 1 for group in types):
        raise NotApplicableError(
            "no two devices of use are alike in memory, times and links, the source aside"
        )
    require_few(instance, types)
    return Guarantee.EXACT


class TypeThresholds:
    """The decision problem on counts; equal layers are only counted above the slowest link, as by `Thresholds`.

    Parameters
    ----------
    instance : EdgeShardInstance
        That `guarantee` accepts.
    """

    def __init__(self, instance: EdgeShardInstance) -> None:
        self.counts, self.layers = Counts(instance), Thresholds(instance)
        self.equal, self.decided_from_s = self.layers.equal, 0.0

    def placement(self, threshold_s: float) -> tuple[int, ...] | None:
        """Return a pipeline within a threshold, or None if there is none.

        Parameters
        ----------
        threshold_s : float
            Seconds.
        """
        if self.equal and threshold_s >= self.layers.linked_from_s:
            return self.layers.placement(threshold_s)
        return self.counts.within(threshold_s)


def run(instance: EdgeShardInstance, context: Context, *, enough_s: float = inf) -> Claim:
    """Bisect over the candidates; every threshold that fails is a dual bound.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    enough_s : float
        See `bisect`.
    """
    return bisect(instance, context, TypeThresholds(instance), enough_s=enough_s)
