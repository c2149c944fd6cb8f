"""What a DILEMMA placement means: its delay, walked layer by layer, and every constraint it breaks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from placewise.models.decimals import exact, text
from placewise.models.dilemma.cost import delay_costs
from placewise.models.errors import InstanceError
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.dilemma.data import DilemmaInstance

#: For each layer its server and the position of its width in ``bit_widths``; L pairs.
Placement = tuple[tuple[int, int], ...]


def evaluate(instance: DilemmaInstance, placement: Placement) -> Evaluation:
    """Evaluate a placement: Eq. 1 under Eq. 2c to 2e and 5, in the instance's mode.

    Parameters
    ----------
    instance : DilemmaInstance
        The instance.
    placement : sequence of (int, int)
        Server and position of the width of each layer, L entries.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms compute and communication, and all violations. As printed, the transfers
        that Eq. 2f leaves out and the delay with them are stated beside: ``uncounted_communication`` and
        ``true_delay``, which are no parts of the objective.
    """
    costs = delay_costs(instance)
    names = instance.cluster.device_names
    if len(placement) != len(instance.layers):
        message = f"expected a server for each of {len(instance.layers)} layers, found {len(placement)}"
        return Evaluation(None, {}, (Violation("assignment", "layers", message),))

    violations = [*_storage_violations(instance, placement), *_error_violations(instance, placement)]
    compute_s = communication_s = uncounted_s = 0.0
    for layer, (server, width) in enumerate(placement):
        compute_s += float(costs.compute_s[layer, server, width])
    for layer, ((sender, width), (receiver, following)) in enumerate(pairwise(placement)):
        hop_s = float(costs.transfer_s(layer)[width, sender, receiver])
        if math.isinf(hop_s):
            link = f"{names[sender]} -> {names[receiver]}"
            message = f"no link {link} between layers {layer} and {layer + 1}"
            violations.append(Violation("link", link, message))
        if instance.printed and width != following:
            uncounted_s += hop_s
        else:
            communication_s += hop_s
    terms = {"compute": compute_s, "communication": communication_s}
    if instance.printed:
        terms |= {
            "uncounted_communication": uncounted_s,
            "true_delay": compute_s + communication_s + uncounted_s,
        }
    if math.isinf(communication_s + uncounted_s):
        return Evaluation(
            None, {name: value for name, value in terms.items() if math.isfinite(value)}, tuple(violations)
        )
    return Evaluation(compute_s + communication_s, terms, tuple(violations))


def _storage_violations(instance: DilemmaInstance, placement: Placement) -> Iterator[Violation]:
    """Yield Eq. 2e and 2d: per layer and one layer per server as printed, else the sum on each server."""
    names, budgets = instance.cluster.device_names, instance.cluster.memory_bytes
    bits = [
        layer.parameters * instance.bit_widths[width]
        for layer, (_, width) in zip(instance.layers, placement, strict=True)
    ]
    for server, name in enumerate(names):
        hosted = [layer for layer, (host, _) in enumerate(placement) if host == server]
        if instance.printed and len(hosted) > 1:
            message = f"{name} hosts {len(hosted)} layers, expected at most one (2d)"
            yield Violation("one_layer_per_server", name, message)
        for group in [[layer] for layer in hosted] if instance.printed else [hosted]:
            need, space = sum(bits[layer] for layer in group), 8 * int(budgets[server])
            if need > space:
                message = f"{name} needs {need:,} bits and has {space:,}: {need - space:,} too many (2e)"
                yield Violation("storage", name, message)


def _error_violations(instance: DilemmaInstance, placement: Placement) -> Iterator[Violation]:
    """Yield Eq. 5 for each layer, and the budget over all of them."""
    costs = delay_costs(instance)
    for layer, (_, width) in enumerate(placement):
        if not costs.admissible[layer, width]:
            found, most = instance.quantization_error[layer, width], instance.max_error
            assert most is not None
            message = (
                f"layer {layer} at {instance.bit_widths[width]} bits has error {text(found)}, "
                f"expected at most {text(most)} (5)"
            )
            yield Violation("max_error", f"layer {layer}", message)
    if costs.error_budget is not None:
        total = sum(int(costs.error[layer, width]) for layer, (_, width) in enumerate(placement))
        if total > costs.error_budget:
            stated = [instance.quantization_error[layer, width] for layer, (_, width) in enumerate(placement)]
            assert instance.error_budget is not None
            message = f"the errors sum to {text(sum(map(exact, stated)))}, expected at most {text(instance.error_budget)}"
            yield Violation("error_budget", "layers", message)


def to_json(instance: DilemmaInstance, placement: Placement) -> dict[str, Any]:
    """Return a placement as the result file states it: one server name and one width per layer."""
    return {
        "layers": [instance.cluster.device_names[server] for server, _ in placement],
        "bits": [instance.bit_widths[width] for _, width in placement],
    }


def from_json(instance: DilemmaInstance, document: Any) -> Placement:
    """Read a placement back, or say which entry names no server or width of the instance."""
    columns = []
    known: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("layers", "server", instance.cluster.device_names),
        ("bits", "width", instance.bit_widths),
    )
    for key, kind, values in known:
        entries = document.get(key) if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise InstanceError(f"placement.{key}", f"expected a list with one {kind} per layer")
        for index, entry in enumerate(entries):
            if entry not in values or isinstance(entry, bool):
                raise InstanceError(
                    f"placement.{key}[{index}]", f"expected a {kind} of {instance.name}, found {entry!r}"
                )
        columns.append([values.index(entry) for entry in entries])
    if len(columns[0]) != len(columns[1]):
        raise InstanceError(
            "placement.bits",
            f"expected {len(columns[0])} widths as there are layers, found {len(columns[1])}",
        )
    return tuple(zip(*columns, strict=True))
