"""Simple proofs that an instance has no placement, in one line each."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.time_range import reachable

if TYPE_CHECKING:
    from placewise.models.edgeshard.data import EdgeShardInstance

#: Devices that may be the source, up to which each is looked at.
MOST_SOURCES = 64


def diagnose(instance: EdgeShardInstance) -> str | None:
    """Return why no placement can exist, or None where no simple reason shows it.

    Every reason is a proof; its absence proves nothing.
    """
    return _too_large(instance) or broken_rules(instance) or _from_source(instance)


def _too_large(instance: EdgeShardInstance) -> str | None:
    names, need = instance.cluster.device_names, instance.memory_bytes
    budget, source = instance.cluster.memory_bytes, instance.source
    if source is not None and need[0] > budget[source]:
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
    if need.sum() > budget.sum():
        return f"the layers need {need.sum():,} bytes in all and the devices have {budget.sum():,}"
    return None


def _from_source(instance: EdgeShardInstance) -> str | None:
    """Return why the source does not reach what the layers need; of a free source, why none does."""
    if instance.source is None:
        size = instance.cluster.size
        candidates = [dict(instance.rules.pinned).get(0, None)]
        devices = range(size) if candidates == [None] else candidates
        if len(devices) > MOST_SOURCES:
            return None
        reasons = [_from_source(instance.at_source(int(j))) for j in devices if j is not None]
        first = next((reason for reason in reasons if reason), None)
        return f"whichever device is the source; first: {first}" if first and all(reasons) else None
    names, need = instance.cluster.device_names, instance.memory_bytes
    budget, source = instance.cluster.memory_bytes, instance.source
    if need[0] > budget[source]:
        return f"layer 0 needs {need[0]:,} bytes and {names[source]} has {budget[source]:,}"
    reached = reachable(instance.cluster.bandwidth_bytes_per_s > 0, source)
    if need.sum() > budget[reached].sum():
        lost = [name for name, inside in zip(names, reached, strict=True) if not inside]
        return (
            f"no path from the source {names[source]} to {', '.join(lost)}; the layers need {need.sum():,} bytes "
            f"and the devices that it reaches have {budget[reached].sum():,}"
        )
    for i, layer in enumerate(instance.layers):
        if need[i] > budget[reached].max():
            return (
                f"layer {i} ({layer.name}) needs {need[i]:,} bytes and no device with a path from the source "
                f"{names[source]} has them"
            )
    cut_off = (instance.rules.least(len(names)) > 0) & ~reached
    if cut_off.any():
        name = names[int(cut_off.argmax())]
        return f"no path from the source {names[source]} to {name}, which must be used"
    return None


def broken_rules(instance: EdgeShardInstance) -> str | None:
    """Return why no placement keeps the rules, whatever the links are; None where no simple reason shows it.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    names, need, budget = instance.cluster.device_names, instance.memory_bytes, instance.cluster.memory_bytes
    rules, size, count = instance.rules, len(names), len(need)
    least, most = rules.least(size), rules.most(size, count)
    if least.sum() > count:
        return f"the devices that must be used need {least.sum()} layers at least; there are {count}"
    if most.sum() < count:
        return f"the devices may host {most.sum()} layers at most; there are {count}"
    pinned = dict(rules.pinned)
    first = pinned.get(0, instance.source)
    if instance.source is not None and first != instance.source:
        return f"layer 0 is pinned to {names[int(first or 0)]} and must stay on the source {names[instance.source]}"
    if first is not None and most[int(first)] < 1:
        return f"layer 0 must be on {names[int(first)]}, which may host no layer"
    smallest = np.concatenate([[0], np.cumsum(np.sort(need))])
    for j, name in enumerate(names):
        held = [layer for layer, device in pinned.items() if device == j]
        if len(held) > most[j]:
            return f"{len(held)} layers are pinned to {name}, which may host {most[j]}"
        if need[held].sum() > budget[j]:
            return f"the layers pinned to {name} need {need[held].sum():,} bytes and it has {budget[j]:,}"
        if smallest[least[j]] > budget[j]:
            return (
                f"the {least[j]} layers that {name} must host at least need {smallest[least[j]]:,} bytes and it has "
                f"{budget[j]:,}"
            )
    if rules.contiguous or instance.problem != "edgeshard-latency":
        runs = [device for device, _ in groupby(device for _, device in rules.pinned)]
        for j in set(runs):
            if runs.count(j) > 1:
                return f"layers on both sides of another device's are pinned to {names[int(j)]}, which hosts one run"
    return None
