"""What a DILEMMA placement means: its delay, walked layer by layer, and every constraint it breaks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from placewise.models.decimals import exact, text
from placewise.models.dilemma.cost import delay_costs
from placewise.models.errors import InstanceError
from placewise.models.gate import devices, entries, listed, members, named, refused, shown, whole
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.dilemma.data import DilemmaInstance

#: For each layer its server and the position of its width in ``bit_widths``; L pairs.
Placement = tuple[tuple[int, int], ...]


def placement_of(instance: DilemmaInstance, anything: Any) -> tuple[Placement | None, tuple[Violation, ...]]:
    """Return the placement that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths.
    anything : object
        Taken are L pairs in a list or tuple (or an array of integers, L x 2). A pair is a server's index with the
        *position* of the width in ``bit_widths``, ``(0, 2)``; or a server's name with the width itself in *bits*,
        ``("a", 8)``; all pairs alike. Also the document of a result file, ``{"layers": [name, ...], "bits":
        [width, ...]}``.

    Returns
    -------
    tuple of (int, int) or None
        Server and position of the width of each layer; None where there are violations.
    tuple of Violation
        Of the constraint ``assignment``; the others are for `evaluate`.
    """
    count, size, widths = len(instance.layers), instance.cluster.size, len(instance.bit_widths)
    if type(anything) is tuple and len(anything) == count:  # evaluated by the million
        for pair in anything:
            if type(pair) is not tuple or len(pair) != 2:
                break
            server, width = pair
            if type(server) is not int or type(width) is not int:
                break
            if not (0 <= server < size and 0 <= width < widths):
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
        message = f"expected a sequence with a server and a width for each of {count} layers, found {shown(anything)}"
        return None, (refused("layers", message),)
    if found[1] != count:
        message = f"expected a server for each of {count} layers, found {found[1]:,}"
        return None, (refused("layers", message),)
    return _pairs_of(instance, found[0])


def _pairs_of(instance: DilemmaInstance, values: list[Any]) -> tuple[Placement | None, tuple[Violation, ...]]:
    """Read a pair for each layer, all by index or all by name."""
    pairs = []
    for layer, value in enumerate(values):
        pair = entries(value, 2)
        if pair is None or pair[1] != 2:
            message = f"layer {layer}: expected a server and a width, found {shown(value)}"
            return None, (refused(f"layer {layer}", message),)
        pairs.append(pair[0])
    names, widths = instance.cluster.device_names, instance.bit_widths
    servers, violations = devices(names, (pair[0] for pair in pairs), "layer {}".format, instance.name)
    if violations:
        return None, tuple(violations)
    by_index = whole(pairs[0][0]) is not None
    choices = range(len(widths)) if by_index else widths
    expected = (
        f"position 0 to {len(widths) - 1} of a width" if by_index else "a width of the instance in bits"
    )
    chosen = []
    for layer, (_, value) in enumerate(pairs):
        number = whole(value)
        if number is None or number not in choices:
            message = f"layer {layer}: expected {expected}, found {shown(value)}"
            return None, (refused(f"layer {layer}", message),)
        chosen.append(choices.index(number))
    return tuple(zip(servers, chosen, strict=True)), ()


def evaluate(instance: DilemmaInstance, placement: Any) -> Evaluation:
    """Evaluate a placement: Eq. 1 under Eq. 2c to 2e and 5, in the instance's mode.

    Parameters
    ----------
    instance : DilemmaInstance
        The instance.
    placement : object
        A placement in any form that `placement_of` takes: servers by index with positions of widths, or servers by
        name with widths in bits.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms compute and communication, and all violations. As printed, the transfers
        that Eq. 2f leaves out and the delay with them are stated beside: ``uncounted_communication`` and
        ``true_delay``, which are no parts of the objective.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    costs = delay_costs(instance)
    names = instance.cluster.device_names
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
    """Return a placement as the result file states it: one server name and one width per layer.

    Parameters
    ----------
    instance : DilemmaInstance
        Whose names and widths.
    placement : tuple of (int, int)
        Server and width (an index) of each layer.

    Returns
    -------
    dict
        ``layers``: L server names; ``bits``: L widths.
    """
    return {
        "layers": [instance.cluster.device_names[server] for server, _ in placement],
        "bits": [instance.bit_widths[width] for _, width in placement],
    }


def from_json(instance: DilemmaInstance, document: Any) -> Placement:
    """Read a placement back, or say which entry names no server or width of the instance.

    Parameters
    ----------
    instance : DilemmaInstance
        Whose names and widths.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that is no server or width, or lists of different length.
    """
    columns = []
    for key, kind in (("layers", "server"), ("bits", "width")):
        column = listed(document, key)
        if column is None:
            raise InstanceError(f"placement.{key}", f"expected a list with one {kind} per layer")
        columns.append(column)
    names, widths = instance.cluster.device_names, instance.bit_widths
    servers = named(names, columns[0], f"a server of {instance.name}")
    positions = []
    for path, entry in columns[1].items():
        bits = whole(entry)
        if bits is None or bits not in widths:
            raise InstanceError(path, f"expected a width of {instance.name}, found {shown(entry)}")
        positions.append(widths.index(bits))
    if len(servers) != len(positions):
        raise InstanceError(
            "placement.bits",
            f"expected {len(servers)} widths as there are layers, found {len(positions)}",
        )
    return tuple(zip(servers, positions, strict=True))
