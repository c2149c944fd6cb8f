"""The smallest reason that is found for an instance without a placement, and what would repair it.

Source: Junker (2004), QuickXplain.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from placewise.solvers.evidence.result import Status
from placewise.solvers.explanation.inquiry import Effect

if TYPE_CHECKING:
    from placewise.models.problem import Instance
    from placewise.models.resources import Resource
    from placewise.solvers.explanation.inquiry import Inquiry

#: A repair is stated to this relative precision, up to this factor.
PRECISION = 0.01
LARGEST_FACTOR = 2.0**20


class IrreducibleLimits:
    """Limits of an infeasible instance that leave no placement together: memories, missing links, bounds on errors.

    Irreducible as an infeasible subsystem (IIS) of a linear programme is: without any one of them there is a placement.

    Parameters
    ----------
    inquiry : Inquiry
        What is asked.
    """

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._limits = [
            resource
            for resource in inquiry.problem.resources(inquiry.instance)
            if resource.kind not in ("speed", "links", "link")
            or (resource.kind == "link" and not resource.amount)
        ]
        self._known: dict[frozenset[Resource], bool] = {}

    def limits(self) -> list[Resource]:
        """Return limits of which none can be spared (QuickXplain, Junker 2004); none where the reason lies elsewhere."""
        if self._infeasible([]):
            return []
        return self._reduce([], [], self._limits)

    def repair(self, limit: Resource) -> Effect | None:
        """Return the least factor of one limit, to 1 %, that lets the instance have a placement."""
        if self._infeasible([other for other in self._limits if other != limit]):
            return None
        if not limit.amount:
            return Effect(limit, math.inf, Status.FEASIBLE)
        low, high = 1.0, 2.0
        while self._no_placement_with(limit, high):
            low, high = high, 2 * high
            if high > LARGEST_FACTOR:
                return Effect(limit, math.inf, Status.FEASIBLE)
        while high / low > 1 + PRECISION:
            middle = math.sqrt(low * high)
            if self._no_placement_with(limit, middle):
                low = middle
            else:
                high = middle
        return Effect(limit, high, Status.FEASIBLE)

    def _reduce(self, kept: list[Resource], added: list[Resource], parts: list[Resource]) -> list[Resource]:
        if added and self._infeasible(kept):
            return []
        if len(parts) == 1:
            return parts
        half = len(parts) // 2
        first, second = parts[:half], parts[half:]
        needed = self._reduce(kept + first, first, second)
        return self._reduce(kept + needed, needed, first) + needed

    def _infeasible(self, enforced: list[Resource]) -> bool:
        """Whether the instance is proven infeasible with these limits only."""
        key = frozenset(enforced)
        if key not in self._known:
            changed = self._inquiry.instance
            for limit in self._limits:
                if limit not in key:
                    changed = self._inquiry.problem.scaled(changed, limit, math.inf)
            self._known[key] = self._no_placement(changed, f"{len(key)} of {len(self._limits)} limits")
        return self._known[key]

    def _no_placement_with(self, limit: Resource, factor: float) -> bool:
        return self._no_placement(self._inquiry.scaled(limit, factor), f"{limit.title} x {factor:.3g}")

    def _no_placement(self, instance: Instance, title: str) -> bool:
        if self._inquiry.problem.diagnose(instance) is not None:
            return True
        return self._inquiry.solved(instance, title, relative_gap=0.99).status is Status.INFEASIBLE


#: The name in version 0.1.
Reason = IrreducibleLimits
