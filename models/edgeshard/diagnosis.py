"""Simple proofs that an instance has no placement, in one line each."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.memory import used_bytes
from placewise.models.time_range import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    least = used_bytes(instance.layers)
    if least > budget.sum():
        return f"the layers need {least:,} bytes in all and the devices have {budget.sum():,}"
    return None


def _from_source(instance: EdgeShardInstance) -> str | None:
    """Return why the source does not reach what the layers need; of a free source, why none does."""
    if instance.source is not None:
        return next(_unreached(instance, instance.source), None)
    pinned = dict(instance.rules.pinned).get(0)
    devices = range(instance.cluster.size) if pinned is None else [int(pinned)]
    if len(devices) > MOST_SOURCES:
        return None
    reasons = [next(_unreached(instance, j), None) for j in devices]
    return f"whichever device is the source; first: {reasons[0]}" if all(reasons) else None


def _unreached(instance: EdgeShardInstance, source: int) -> Iterator[str]:
    names, need = instance.cluster.device_names, instance.memory_bytes
    budget = instance.cluster.memory_bytes
    if need[0] > budget[source]:
        yield f"layer 0 needs {need[0]:,} bytes and {names[source]} has {budget[source]:,}"
    least = used_bytes(instance.layers)
    reached = reachable(instance.cluster.bandwidth_bytes_per_s > 0, source)
    if least > budget[reached].sum():
        lost = [name for name, inside in zip(names, reached, strict=True) if not inside]
        yield (
            f"no path from the source {names[source]} to {', '.join(lost)}; the layers need {least:,} bytes "
            f"and the devices that it reaches have {budget[reached].sum():,}"
        )
    for i, layer in enumerate(instance.layers):
        if need[i] > budget[reached].max():
            yield (
                f"layer {i} ({layer.name}) needs {need[i]:,} bytes and no device with a path from the source "
                f"{names[source]} has them"
            )
    cut_off = (instance.rules.least(len(names)) > 0) & ~reached
    if cut_off.any():
        yield f"no path from the source {names[source]} to {names[int(cut_off.argmax())]}, which must be used"


def broken_rules(instance: EdgeShardInstance) -> str | None:
    """Return why no placement keeps the rules, whatever the links are; None where no simple reason shows it.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    if not instance.rules.asked:
        return None
    return next(_reasons(instance), None)


def _reasons(instance: EdgeShardInstance) -> Iterator[str]:
    names, need, budget = instance.cluster.device_names, instance.memory_bytes, instance.cluster.memory_bytes
    rules, size, count = instance.rules, len(names), len(need)
    least, most = rules.least(size), rules.most(size, count)
    if least.sum() > count:
        yield f"the devices that must be used need {least.sum()} layers at least; there are {count}"
    if most.sum() < count:
        yield f"the devices may host {most.sum()} layers at most; there are {count}"
    pinned = {layer: int(device) for layer, device in rules.pinned}
    first, source = pinned.get(0, instance.source), instance.source
    if first is not None and source is not None and first != source:
        yield f"layer 0 is pinned to {names[first]} and must stay on the source {names[source]}"
    if first is not None and most[first] < 1:
        yield f"layer 0 must be on {names[first]}, which may host no layer"
    smallest = np.concatenate([[0], np.cumsum(np.sort(need))])
    for j, name in enumerate(names):
        held = [layer for layer, device in pinned.items() if device == j]
        if len(held) > most[j]:
            yield f"{len(held)} layers are pinned to {name}, which may host {most[j]}"
        if need[held].sum() > budget[j]:
            yield f"the layers pinned to {name} need {need[held].sum():,} bytes and it has {budget[j]:,}"
        if smallest[least[j]] > budget[j]:
            yield (
                f"the {least[j]} layers that {name} must host at least need {smallest[least[j]]:,} bytes and it has "
                f"{budget[j]:,}"
            )
    runs = [device for device, _ in groupby(device for _, device in rules.pinned)]
    if rules.contiguous or instance.problem != "edgeshard-latency":
        for device in set(runs):
            if runs.count(device) > 1:
                name = names[int(device)]
                yield f"layers on both sides of another device's are pinned to {name}, which hosts one run"
