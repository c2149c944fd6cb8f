"""What else an EdgeShard placement amounts to: the time to the first token, the time per token, the reading."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.batch_placement import cycle_s, parts_of, pipeline_of
from placewise.models.edgeshard.placement import evaluate_throughput, round_trip
from placewise.models.edgeshard.request import Request

if TYPE_CHECKING:
    from placewise.models.edgeshard.batch_placement import BatchPlacement
    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement

#: Where an instance states no request: the paper's.
PAPER = Request(prompt_tokens=32, new_tokens=96)


def figures(instance: EdgeShardInstance, placement: Placement) -> dict[str, Any]:
    """Return the times of a request that has the devices for itself.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices; without a request of its own a prompt of 32 tokens is taken.
    placement : tuple of int
        Device index of each layer.

    Returns
    -------
    dict
        ``prompt_tokens``; ``time_to_first_token_s``: the prefill pass; ``time_per_token_s``: a decode round, of which a
        pipeline serves several sequences side by side. Empty where a link is missing.
    """
    request = instance.request or PAPER
    first_s, next_s = (
        sum(round_trip(replace(instance, request=replace(request, counts=counts)), placement).values())
        for counts in ("prefill", "decode")
    )
    if not isfinite(first_s + next_s):
        return {}
    return {
        "prompt_tokens": request.prompt_tokens,
        "time_to_first_token_s": first_s,
        "time_per_token_s": next_s,
    }


def batch_figures(instance: EdgeShardBatch, placement: BatchPlacement) -> dict[str, Any]:
    """Return the times of a micro-batch, and in which reading they hold.

    Parameters
    ----------
    instance : EdgeShardBatch
        With micro-batches in flight or without.
    placement : tuple
        In canonical form.

    Returns
    -------
    dict
        As `figures`; ``reading``: ``paper`` (the caches of one micro-batch, the pipeline full whatever it takes) or
        ``in-flight``, where ``time_per_token_s`` is what a sequence waits while all are in flight, and
        ``in_flight_sequences`` how many these are.
    """
    in_flight, batch_size, layers = parts_of(placement)
    pipe, _ = pipeline_of(instance, placement)
    found: dict[str, Any] = {"reading": "paper" if in_flight is None else "in-flight"}
    found |= figures(pipe, layers)
    decode = replace(pipe, request=None)
    bottleneck_s = evaluate_throughput(decode, layers).objective
    if in_flight is not None and bottleneck_s is not None and "time_per_token_s" in found:
        found["time_per_token_s"] = cycle_s(in_flight, bottleneck_s, found["time_per_token_s"])
        found["in_flight_sequences"] = in_flight * batch_size
    return found
