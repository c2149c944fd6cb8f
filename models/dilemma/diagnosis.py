"""Simple proofs that a DILEMMA instance has no placement, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma.cost import delay_costs

if TYPE_CHECKING:
    from placewise.models.dilemma.data import DilemmaInstance


def diagnose(instance: DilemmaInstance) -> str | None:
    """Return why no placement can exist, or None where no simple reason shows it.

    Every reason is a proof; its absence proves nothing.
    """
    costs, count, size = delay_costs(instance), len(instance.layers), instance.cluster.size
    if instance.printed and size < count:
        return f"{count} layers on {size} servers that host at most one layer each (2d)"
    for layer in range(count):
        if not costs.admissible[layer].any():
            least = float(instance.quantization_error[layer].min())
            return (
                f"layer {layer} has an error of at least {least:g}, and max_error is {instance.max_error:g}"
            )
    need = np.where(costs.admissible, costs.storage, np.iinfo(np.int64).max).min(axis=1)
    for layer in range(count):
        if need[layer] > costs.capacity.max():
            return f"layer {layer} fits on no server, even with its smallest admissible width"
    unit = costs.storage_unit_bits
    if not instance.printed and need.sum() > costs.capacity.sum():
        return (
            f"the layers need {int(need.sum()) * unit:,} bits with their smallest admissible widths "
            f"and the servers take {int(costs.capacity.sum()) * unit:,}"
        )
    if costs.error_budget is not None:
        error = np.where(costs.admissible, costs.error, np.iinfo(np.int64).max).min(axis=1)
        if error.sum() > costs.error_budget:
            return (
                f"the errors sum to at least {int(error.sum()) * costs.error_unit:g} "
                f"and error_budget is {instance.error_budget:g}"
            )
    return None
