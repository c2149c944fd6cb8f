"""What an EdgeShard placement means: its cost, walked layer by layer, and every constraint it breaks."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import used_bytes
from placewise.models.errors import InstanceError
from placewise.models.gate import devices, entries, listed, members, named, refused, shown
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.workload import Layer

#: Device index of each layer, N entries.
Placement = tuple[int, ...]


def placement_of(
    instance: EdgeShardInstance, anything: Any
) -> tuple[Placement | None, tuple[Violation, ...]]:
    """Return the placement that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers, M devices.
    anything : object
        Taken are N entries in a list, tuple, range or array of integers: all indices from 0 to M - 1, or all names
        of devices (a string is always a name, also ``"0"``); and the document of a result file,
        ``{"layers": [name, ...]}``.

    Returns
    -------
    tuple of int or None
        Device index of each layer; None where there are violations.
    tuple of Violation
        Of the constraint ``assignment``; the others are for `evaluate_latency` and `evaluate_throughput`.
    """
    count, size = len(instance.layers), instance.cluster.size
    if type(anything) is tuple and len(anything) == count:  # evaluated by the million
        for device in anything:
            if type(device) is not int or not 0 <= device < size:
                break
        else:
            return anything, ()
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, count)
    if found is None:
        message = f"expected a sequence with a device for each of {count} layers, found {shown(anything)}"
        return None, (refused("layers", message),)
    if found[1] != count:
        message = f"expected a device for each of {count} layers, found {found[1]:,}"
        return None, (refused("layers", message),)
    names = instance.cluster.device_names
    indices, violations = devices(names, found[0], "layer {}".format, instance.name)
    return (None, tuple(violations)) if violations else (indices, ())


def evaluate_latency(instance: EdgeShardInstance, placement: Any) -> Evaluation:
    """Evaluate a placement: Eq. 2 with the return trip of Eq. 6, under Eq. 4 and 5.

    Parameters
    ----------
    instance : EdgeShardInstance
        The instance.
    placement : object
        A placement in any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms compute, communication and return, and all violations.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    instance = instance.at_source(placement[0])
    terms = round_trip(instance, placement)
    violations = common_violations(instance, placement, runs=True)
    return _evaluation(sum(terms.values()), terms, violations)


def round_trip(instance: EdgeShardInstance, placement: Sequence[int]) -> dict[str, float]:
    """Return what a token waits for from the source back to it: computation, messages with their latency, the return.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    placement : sequence of int
        The device of each layer.

    Returns
    -------
    dict
        Seconds by name, whose sum is Eq. 2 with the return trip of Eq. 6; infinite without a link.
    """
    costs = time_tables(instance.at_source(placement[0]))
    return {
        "compute": sum(float(costs.compute_s[i, device]) for i, device in enumerate(placement)),
        "communication": sum(float(costs.delay_s(i)[k, j]) for i, (k, j) in enumerate(pairwise(placement))),
        "return": float(costs.return_delay_s[placement[-1]]),
    }


def evaluate_throughput(instance: EdgeShardInstance, placement: Any) -> Evaluation:
    """Evaluate a pipeline: the time of its slowest stage or transfer, Eq. 9-13.

    Parameters
    ----------
    instance : EdgeShardInstance
        The instance; `return_bytes` > 0 adds the token's way back as one more transfer.
    placement : object
        A placement in any form that `placement_of` takes; stages are contiguous and on distinct devices.

    Returns
    -------
    Evaluation
        Objective: the bottleneck time in seconds, whose inverse is the throughput. Terms: the largest compute time
        of a stage, the largest transfer time, and the return. All violations.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    instance = instance.at_source(placement[0])
    costs, names = time_tables(instance), instance.cluster.device_names
    stages = [
        (device, list(layers)) for device, layers in groupby(range(len(placement)), key=placement.__getitem__)
    ]
    terms = {
        "compute": max(float(costs.compute_s[layers, device].sum()) for device, layers in stages),
        "communication": max(hops_s(instance, placement), default=0.0),
        "return": float(costs.return_s[placement[-1]]),
    }
    violations = common_violations(instance, placement)
    order = [device for device, _ in stages]
    for device in dict.fromkeys(device for device in order if order.count(device) > 1):
        message = f"{names[device]} hosts {order.count(device)} stages, expected one (Eq. 11)"
        violations.append(Violation("contiguity", names[device], message))
    return _evaluation(max(terms.values()), terms, violations)


def hops_s(instance: EdgeShardInstance, placement: Sequence[int]) -> list[float]:
    """Return the transfer time (in a pipeline: the occupation of the link) between each two consecutive layers: 0 on one device, infinity without a link.

    Parameters
    ----------
    instance : EdgeShardInstance
        Layers and links.
    placement : sequence of int
        The device of each of the N layers.

    Returns
    -------
    list of float, length N - 1
        Seconds.
    """
    costs = time_tables(instance.at_source(placement[0]))
    return [float(costs.transfer_s(i)[k, j]) for i, (k, j) in enumerate(pairwise(placement))]


def _evaluation(objective: float, terms: dict[str, float], violations: list[Violation]) -> Evaluation:
    """Return an evaluation in which what is infinite, for want of a link, is not stated."""
    finite = {name: value for name, value in terms.items() if math.isfinite(value)}
    return Evaluation(objective if math.isfinite(objective) else None, finite, tuple(violations))


def common_violations(
    instance: EdgeShardInstance, placement: Sequence[int], *, runs: bool = False
) -> list[Violation]:
    """Return what both problems forbid: layer 0 elsewhere (Eq. 4, 13), overloads (Eq. 5, 12), missing links, rules.

    Parameters
    ----------
    instance : EdgeShardInstance
        Layers, devices and links; its source is given.
    placement : sequence of int
        The device of each layer.
    runs : bool
        Whether a device with several runs breaks the rule `contiguous`; a pipeline's break Eq. 11.
    """
    names, violations = instance.cluster.device_names, []
    if placement[0] != instance.source_index:
        message = (
            f"layer 0 is on {names[placement[0]]}, expected the source {names[instance.source_index]} (Eq. 4)"
        )
        violations.append(Violation("privacy", "layer 0", message))
    violations += memory_violations(instance, placement)
    for i, hop_s in enumerate(hops_s(instance, placement)):
        if math.isinf(hop_s):
            link = f"{names[placement[i]]} -> {names[placement[i + 1]]}"
            violations.append(Violation("link", link, f"no link {link} between layers {i} and {i + 1}"))
    if math.isinf(time_tables(instance).return_s[placement[-1]]):
        link = f"{names[placement[-1]]} -> {names[instance.source_index]}"
        violations.append(Violation("link", link, f"no link {link} for the generated token"))
    return violations + instance.rules.violations(names, placement, runs=runs)


def memory_violations(instance: EdgeShardInstance, placement: Sequence[int]) -> list[Violation]:
    """Return the devices whose layers need more memory than they have, in whole bytes (Eq. 5, cumulative).

    Parameters
    ----------
    instance : EdgeShardInstance
        Layers and devices.
    placement : sequence of int
        The device of each layer.
    """
    hosted: list[list[Layer]] = [[] for _ in range(instance.cluster.size)]
    for layer, device in zip(instance.layers, placement, strict=True):
        hosted[device].append(layer)
    violations = []
    for device, layers in enumerate(hosted):
        need = used_bytes(layers)
        budget = int(instance.cluster.memory_bytes[device])
        if need > budget:
            name = instance.cluster.device_names[device]
            message = f"{name} needs {need:,} bytes and has {budget:,}: {need - budget:,} too many (Eq. 5)"
            violations.append(Violation("memory", name, message))
    return violations


def to_json(instance: EdgeShardInstance, placement: Sequence[int]) -> dict[str, Any]:
    """Return a placement as the result file states it: one device name per layer.

    Parameters
    ----------
    instance : EdgeShardInstance
        Whose names.
    placement : sequence of int
        The device of each layer.

    Returns
    -------
    dict
        ``layers``: N device names.
    """
    return {"layers": [instance.cluster.device_names[device] for device in placement]}


def from_json(instance: EdgeShardInstance, document: Any) -> Placement:
    """Read a placement back, or say which entry names no device of the instance; its length is for the gate.

    Parameters
    ----------
    instance : EdgeShardInstance
        Whose names.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that is no device.
    """
    layers = listed(document, "layers")
    if layers is None:
        raise InstanceError("placement.layers", "expected a list with one device name per layer")
    return named(instance.cluster.device_names, layers, f"a device of {instance.name}")
