"""What a batch size (and micro-batches in flight) with a pipeline means: its cost, and every constraint it breaks."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard import placement as pipeline
from placewise.models.edgeshard.cost import bottleneck_floor_s, latency_floor_s
from placewise.models.edgeshard.diagnosis import diagnose as diagnose_pipeline
from placewise.models.errors import InstanceError
from placewise.models.gate import entries, members, refused, shown, whole
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardThroughput

#: Sequences decoded together and the device of each layer; with micro-batches in flight their number goes first.
BatchPlacement = tuple[int, tuple[int, ...]] | tuple[int, int, tuple[int, ...]]


def placement_with(in_flight: int | None, batch_size: int, layers: Sequence[int]) -> BatchPlacement:
    """Return the placement of a choice: micro-batches in flight (None as in the paper), batch size, pipeline.

    Parameters
    ----------
    in_flight, batch_size : int or None, int
        A choice of the instance.
    layers : sequence of int
        The device of each layer.
    """
    pipe = tuple(layers)
    return (batch_size, pipe) if in_flight is None else (in_flight, batch_size, pipe)


def parts_of(placement: BatchPlacement) -> tuple[int | None, int, tuple[int, ...]]:
    """Return micro-batches in flight (None as in the paper), batch size and pipeline of a placement.

    Parameters
    ----------
    placement : tuple
        In canonical form.
    """
    return (None, *placement) if len(placement) == 2 else placement


def pipeline_of(
    instance: EdgeShardBatch, placement: BatchPlacement
) -> tuple[EdgeShardThroughput, tuple[int, ...]]:
    """Return the throughput problem of a placement's choice, and its pipeline.

    Parameters
    ----------
    instance : EdgeShardBatch
        The instance.
    placement : tuple
        In canonical form.

    Returns
    -------
    (EdgeShardThroughput, tuple of int)
        Seconds and bytes of a micro-batch; the device of each layer.
    """
    in_flight, batch_size, layers = parts_of(placement)
    return instance.at(batch_size, in_flight), layers


def placement_of(
    instance: EdgeShardBatch, anything: Any
) -> tuple[BatchPlacement | None, tuple[Violation, ...]]:
    """Return the choice and pipeline that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : EdgeShardBatch
        The instance.
    anything : object
        Taken are a pair in a list or tuple, of one of the batch sizes itself and a pipeline as `evaluate_throughput`
        takes it, with the number in flight before them where the instance has one; and the document of a result file,
        ``{"in_flight": number, "batch_size": size, "layers": [name, ...]}``.

    Returns
    -------
    tuple or None
        Number in flight where the instance has one, batch size, and the device index of each layer; None where there
        are violations.
    tuple of Violation
        Of the constraints ``assignment``, ``batch`` and ``in_flight``; the others are for `evaluate`.
    """
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    length = 2 if instance.in_flight is None else 3
    found = entries(anything, length)
    if found is None or found[1] != length:
        number = "" if instance.in_flight is None else "a number in flight, "
        message = f"expected {number}a batch size and a device for each layer, found {shown(anything)}"
        return None, (refused("layers", message),)
    *numbers, pipe = found[0]
    in_flight = None
    if instance.in_flight is not None:
        in_flight = whole(numbers[0])
        if in_flight is None or in_flight not in instance.counts:
            message = f"expected {_expected_counts(instance)}, found {shown(numbers[0])}"
            return None, (Violation("in_flight", "in flight", message),)
    size, given = whole(numbers[-1]), numbers[-1]
    if size is None or size not in instance.batch_sizes:
        message = f"expected one of {', '.join(map(str, instance.batch_sizes))}, found {shown(given)}"
        return None, (Violation("batch", "batch size", message),)
    layers, violations = pipeline.placement_of(instance.at(size, in_flight), pipe)
    return (None, violations) if layers is None else (placement_with(in_flight, size, layers), ())


def _expected_counts(instance: EdgeShardBatch) -> str:
    if isinstance(instance.in_flight, int):
        return f"1 to {instance.in_flight} in flight"
    return f"one of {', '.join(map(str, instance.counts))} in flight"


def cycle_s(in_flight: int, bottleneck_s: float, round_trip_s: float) -> float:
    """Return the time from a token of a sequence to its next one, ``n tau = max(n T, Lambda)``.

    With n customers in a closed line of servers, each visited once per round, one passes per ``max(T, Lambda / n)``.
    Source: closed queueing networks with fixed times, Reiser and Lavenberg (1980).

    Parameters
    ----------
    in_flight : int
        n.
    bottleneck_s, round_trip_s : float
        T and Lambda, seconds of a micro-batch.
    """
    return max(in_flight * bottleneck_s, round_trip_s)


def evaluate(instance: EdgeShardBatch, placement: Any) -> Evaluation:
    """Evaluate a choice with its pipeline: the time per token of all sequences together.

    As in the paper that is the bottleneck of Eq. 11 over the batch size; with micro-batches in flight the cycle counts
    too, and the caches of all of them.

    Parameters
    ----------
    instance : EdgeShardBatch
        The instance.
    placement : object
        A choice and a pipeline, in any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective and terms in seconds per token, whose inverse is the throughput of all sequences together; the term
        ``cycle`` is the round trip over the number in flight.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    in_flight, batch_size, layers = parts_of(placement)
    pipe = instance.at(batch_size, in_flight)
    together = pipeline.evaluate_throughput(pipe, layers)
    terms = {name: value / batch_size for name, value in together.terms.items()}
    if in_flight is None:
        objective = None if together.objective is None else together.objective / batch_size
        return Evaluation(objective, terms, together.violations)
    round_trip_s = sum(pipeline.round_trip(pipe, layers).values())
    if together.objective is None or not isfinite(round_trip_s):
        return Evaluation(None, terms, together.violations)
    between_s = cycle_s(in_flight, together.objective, round_trip_s)
    terms["cycle"] = round_trip_s / (in_flight * batch_size)
    violations, limit_s = together.violations, instance.time_per_token_limit_s
    if limit_s is not None and between_s > limit_s:
        message = (
            f"a sequence waits {between_s:.6g} s for its next token with {in_flight} micro-batches in flight, "
            f"expected at most {limit_s:.6g} s"
        )
        violations = (*violations, Violation("time_per_token", "pipeline", message))
    return Evaluation(between_s / (in_flight * batch_size), terms, violations)


def floor_s(instance: EdgeShardBatch) -> float:
    """Return a bound on the time per token: the least of all choices, those too large for the cluster left out."""
    return min(
        (choice_floor_s(instance, in_flight, size) for in_flight, size in instance.choices), default=0.0
    )


def choice_floor_s(instance: EdgeShardBatch, in_flight: int | None, batch_size: int) -> float:
    """Return a bound on the time per token of one choice, from the equations alone.

    Parameters
    ----------
    instance : EdgeShardBatch
        The instance.
    in_flight, batch_size : int or None, int
        A choice of the instance.
    """
    pipe = instance.at(batch_size)  # neither bound reads memory
    bottleneck_s = bottleneck_floor_s(pipe)
    if in_flight is None:
        return bottleneck_s / batch_size
    return cycle_s(in_flight, bottleneck_s, latency_floor_s(pipe)) / (in_flight * batch_size)


def to_json(instance: EdgeShardBatch, placement: BatchPlacement) -> dict[str, Any]:
    """Return a placement as the result file states it.

    Parameters
    ----------
    instance : EdgeShardBatch
        Whose names.
    placement : tuple
        Number in flight where the instance has one, batch size, and the device of each layer.

    Returns
    -------
    dict
        ``in_flight`` where the instance has one, ``batch_size``, and ``layers``: N device names.
    """
    in_flight, batch_size, layers = parts_of(placement)
    number = {} if in_flight is None else {"in_flight": in_flight}
    return {**number, "batch_size": batch_size, **pipeline.to_json(instance.at(batch_size), layers)}


def from_json(instance: EdgeShardBatch, document: Any) -> BatchPlacement:
    """Read a placement back, or say which entry is no choice of the instance.

    Parameters
    ----------
    instance : EdgeShardBatch
        Whose names and choices.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that is no number in flight, batch size or device.
    """
    found = members(document) or {}
    given, in_flight = found.get("batch_size"), None
    if instance.in_flight is not None:
        in_flight = whole(found.get("in_flight"))
        if in_flight is None or in_flight not in instance.counts:
            expected = f"expected {_expected_counts(instance)}, found {shown(found.get('in_flight'))}"
            raise InstanceError("placement.in_flight", expected)
    size = whole(given)
    if size is None or size not in instance.batch_sizes:
        expected = ", ".join(map(str, instance.batch_sizes))
        raise InstanceError("placement.batch_size", f"expected one of {expected}, found {shown(given)}")
    return placement_with(in_flight, size, pipeline.from_json(instance.at(size), document))


def diagnose(instance: EdgeShardBatch) -> str | None:
    """Return why no placement can exist: the smallest choice needs the least memory, and links serve all alike."""
    size, in_flight = instance.batch_sizes[0], instance.counts[0]
    reason = diagnose_pipeline(instance.at(size, in_flight))
    limit_s = instance.time_per_token_limit_s
    if reason is not None or limit_s is None:
        return reason
    assert in_flight is not None
    least_s = min(
        choice_floor_s(instance, in_flight, size) * in_flight * size for size in instance.batch_sizes
    )
    if least_s <= limit_s * (1 + 1e-12):
        return None
    return f"a sequence waits at least {least_s:.6g} s for its next token, whatever the placement; the limit is {limit_s:.6g} s"
