"""What an EdgeShard placement means: its cost, walked layer by layer, and every constraint it breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.errors import InstanceError
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from placewise.models.edgeshard.data import EdgeShardInstance

#: Device index of each layer, N entries.
Placement = tuple[int, ...]


def evaluate_latency(instance: EdgeShardInstance, placement: Sequence[int]) -> Evaluation:
    """Evaluate a placement: Eq. 2 with the return trip of Eq. 6, under Eq. 4 and 5.

    Parameters
    ----------
    instance : EdgeShardInstance
        The instance.
    placement : sequence of int
        Device index of each layer, N entries.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms compute, communication and return, and all violations.
    """
    costs = time_tables(instance)
    names = instance.cluster.device_names
    malformed = assignment_violations(instance, placement)
    if malformed:
        return Evaluation(None, {}, tuple(malformed))

    violations = []
    if placement[0] != instance.source:
        message = f"layer 0 is on {names[placement[0]]}, expected the source {names[instance.source]} (Eq. 4)"
        violations.append(Violation("privacy", "layer 0", message))
    violations += memory_violations(instance, placement)

    compute_s = communication_s = 0.0
    for i, device in enumerate(placement):
        compute_s += float(costs.compute_s[i, device])
        if i == 0:
            continue
        hop_s = float(costs.transfer_s(i - 1)[placement[i - 1], device])
        communication_s += hop_s
        if math.isinf(hop_s):
            link = f"{names[placement[i - 1]]} -> {names[device]}"
            violations.append(Violation("link", link, f"no link {link} between layers {i - 1} and {i}"))
    return_s = float(costs.return_s[placement[-1]])
    if math.isinf(return_s):
        link = f"{names[placement[-1]]} -> {names[instance.source]}"
        violations.append(Violation("link", link, f"no link {link} for the generated token"))

    total_s = compute_s + communication_s + return_s
    terms = {"compute": compute_s, "communication": communication_s, "return": return_s}
    if math.isinf(total_s):
        return Evaluation(
            None, {name: value for name, value in terms.items() if math.isfinite(value)}, tuple(violations)
        )
    return Evaluation(total_s, terms, tuple(violations))


def assignment_violations(instance: EdgeShardInstance, placement: Any) -> list[Violation]:
    """Return what keeps a sequence from naming one device per layer; methods of users may return anything."""
    count, size = len(instance.layers), instance.cluster.size
    if not isinstance(placement, Sequence | np.ndarray):
        message = f"expected a sequence of device indices, found {type(placement).__name__}"
        return [Violation("assignment", "layers", message)]
    if len(placement) != count:
        message = f"expected a device for each of {count} layers, found {len(placement)}"
        return [Violation("assignment", "layers", message)]
    return [
        Violation("assignment", f"layer {i}", f"layer {i} is on device {device!r}, expected 0 to {size - 1}")
        for i, device in enumerate(placement)
        if not (isinstance(device, int | np.integer) and 0 <= device < size)
    ]


def memory_violations(instance: EdgeShardInstance, placement: Sequence[int]) -> list[Violation]:
    """Return the devices whose layers need more memory than they have, in whole bytes (Eq. 5, cumulative)."""
    used = [0] * instance.cluster.size
    for layer, device in zip(instance.layers, placement, strict=True):
        used[device] += layer.memory_bytes
    violations = []
    for device, need in enumerate(used):
        budget = int(instance.cluster.memory_bytes[device])
        if need > budget:
            name = instance.cluster.device_names[device]
            message = f"{name} needs {need:,} bytes and has {budget:,}: {need - budget:,} too many (Eq. 5)"
            violations.append(Violation("memory", name, message))
    return violations


def to_json(instance: EdgeShardInstance, placement: Sequence[int]) -> dict[str, Any]:
    """Return a placement as the result file states it: one device name per layer."""
    return {"layers": [instance.cluster.device_names[device] for device in placement]}


def from_json(instance: EdgeShardInstance, document: Any) -> Placement:
    """Read a placement back, or say which entry names no device of the instance."""
    if not isinstance(document, dict) or not isinstance(document.get("layers"), list):
        raise InstanceError("placement.layers", "expected a list with one device name per layer")
    names = instance.cluster.device_names
    for i, name in enumerate(document["layers"]):
        if name not in names:
            raise InstanceError(
                f"placement.layers[{i}]", f"expected a device of {instance.name}, found {name!r}"
            )
    return tuple(names.index(name) for name in document["layers"])
