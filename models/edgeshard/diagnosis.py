"""Simple proofs that an instance has no placement, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.edgeshard.memory import used_bytes
from placewise.models.time_range import reachable

if TYPE_CHECKING:
    from placewise.models.edgeshard.data import EdgeShardInstance


def diagnose(instance: EdgeShardInstance) -> str | None:
    """Return why no placement can exist, or None where no simple reason shows it.

    Every reason is a proof; its absence proves nothing.
    """
    names, need = instance.cluster.device_names, instance.memory_bytes
    budget, source = instance.cluster.memory_bytes, instance.source
    if need[0] > budget[source]:
        return (
            f"layer 0 ({instance.layers[0].name}) must stay on the source {names[source]} and needs "
            f"{need[0]:,} bytes; the source has {budget[source]:,}"
        )
    for i, layer in enumerate(instance.layers):
        if need[i] > budget.max():
            largest = names[int(budget.argmax())]
            return (
                f"layer {i} ({layer.name}) needs {need[i]:,} bytes and fits on no device; "
                f"the largest, {largest}, has {budget.max():,}"
            )
    least = used_bytes(instance.layers)
    if least > budget.sum():
        return f"the layers need {least:,} bytes in all and the devices have {budget.sum():,}"
    reached = reachable(instance.cluster.bandwidth_bytes_per_s > 0, source)
    if least > budget[reached].sum():
        lost = [name for name, inside in zip(names, reached, strict=True) if not inside]
        return (
            f"no path from the source {names[source]} to {', '.join(lost)}; the layers need {least:,} bytes "
            f"and the devices that it reaches have {budget[reached].sum():,}"
        )
    for i, layer in enumerate(instance.layers):
        if need[i] > budget[reached].max():
            return (
                f"layer {i} ({layer.name}) needs {need[i]:,} bytes and no device with a path from the source "
                f"{names[source]} has them"
            )
    return None
