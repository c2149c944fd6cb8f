"""Simple proofs that a DILEMMA instance has no placement, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.decimals import exact, text
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
            assert instance.max_error is not None
            least, most = text(instance.quantization_error[layer].min()), text(instance.max_error)
            return f"layer {layer} has an error of at least {least}, and max_error is {most}"
    need = np.where(costs.admissible, costs.storage, np.iinfo(np.int64).max).min(axis=1)
    for layer in range(count):
        if need[layer] > costs.capacity.max():
            return f"layer {layer} fits on no server, even with its smallest admissible width"
    unit, needed, taken = costs.storage_unit_bits, sum(need.tolist()), sum(costs.capacity.tolist())
    if not instance.printed and needed > taken:
        return (
            f"the layers need {needed * unit:,} bits with their smallest admissible widths "
            f"and the servers take {taken * unit:,}"
        )
    if costs.error_budget is not None:
        error = np.where(costs.admissible, costs.error, np.iinfo(np.int64).max).min(axis=1)
        if error.sum() > costs.error_budget:
            assert instance.error_budget is not None
            stated = np.where(costs.admissible, instance.quantization_error, np.inf).min(axis=1).tolist()
            return (
                f"the errors sum to at least {text(sum(map(exact, stated)))} "
                f"and error_budget is {text(instance.error_budget)}"
            )
    return None
