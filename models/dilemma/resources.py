"""What a DILEMMA placement is short of: storage, speed, links, and the bounds on errors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from placewise.models.decimals import scaled as scaled_exactly
from placewise.models.resources import Resource, cluster_resources, scaled_cluster

if TYPE_CHECKING:
    from placewise.models.dilemma.data import DilemmaInstance

BUDGETS = ("max_error", "error_budget")


def resources(instance: DilemmaInstance) -> list[Resource]:
    """Return storage, speed and links of each server, each link, and each bound on errors."""
    budgets = [
        Resource(key, (), key, getattr(instance, key))
        for key in BUDGETS
        if getattr(instance, key) is not None
    ]
    return [*budgets, *cluster_resources(instance.cluster)]


def scaled(instance: DilemmaInstance, resource: Resource, factor: float) -> DilemmaInstance:
    """Return an instance with so much more (or less) of a resource; an infinite factor drops a bound.

    Parameters
    ----------
    instance : DilemmaInstance
        As it is.
    resource : Resource
        Storage, speed, links, or a bound on errors.
    factor : float
        Above 0; infinite for no limit.
    """
    if resource.kind == "max_error":
        return replace(instance, max_error=_budget(instance.max_error, factor))
    if resource.kind == "error_budget":
        return replace(instance, error_budget=_budget(instance.error_budget, factor))
    return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))


def _budget(value: float | None, factor: float) -> float | None:
    return None if value is None or not math.isfinite(factor) else float(scaled_exactly(value, factor))
