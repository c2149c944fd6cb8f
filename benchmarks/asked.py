"""Instances that ask for more: micro-batches in flight, runs in a row, the best source, pins and limits, requests.

They are traps of `traps` with options drawn on top, so memory is met to the byte and placements tie; a pin or a limit
is mostly one that some placement keeps. ``python -m placewise.benchmarks.hunt pins-latency pins-throughput --count 1000``
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from placewise.benchmarks import traps
from placewise.benchmarks.traps import Trap
from placewise.models.edgeshard import EdgeShardBatch
from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.edgeshard.request import Request
from placewise.models.edgeshard.rules import Rules
from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

#: The traps below, by the problem's short name.
DRAWERS: dict[str, tuple[str, ...]] = {
    "latency": ("byte-tight-latency", "tied-latency"),
    "throughput": ("byte-tight-throughput", "tied-throughput"),
    "in-flight": ("byte-tight-batch", "tied-batch"),
}
#: Placements that are looked at for one that holds.
TRIES = 200
#: What is asked for.
WISHES = ("nothing", "contiguous", "free-source", "pins", "request", "mixed")


def asked(wish: str, problem: str, seed: int) -> Trap:
    """Return a trap whose instance asks for something.

    Parameters
    ----------
    wish : str
        Of `WISHES`; mixed draws any of them together.
    problem : str
        Of `DRAWERS`.
    seed : int
        Of all that is drawn.
    """
    draw = random.Random(f"{wish}-{problem}-{seed}")  # noqa: S311 - not for secrets
    instance: Any = traps.KINDS[draw.choice(DRAWERS[problem])](seed).instance
    mixed = wish == "mixed"
    given: dict[str, Any] = {}
    if problem == "in-flight":
        most = draw.randint(1, 4)
        given["in_flight"] = draw.choice([most, tuple(sorted({1, most, 5}))])
        if draw.random() < 0.3:
            given["time_per_token_limit_s"] = draw.choice([4.0, 10.0, 30.0])
    if wish == "free-source" or (mixed and draw.random() < 0.4):
        given["source"] = None
    if wish == "request" or (mixed and draw.random() < 0.3):
        counts = draw.choice(["request", "prefill", "decode"])
        given["request"] = Request(draw.choice([1, 2, 7]), draw.choice([1, 2, 5]), counts)
    pins = wish == "pins" or (mixed and draw.random() < 0.6)
    contiguous = problem == "latency" and (wish == "contiguous" or draw.random() < (0.5 if mixed else 0.0))
    given["rules"] = Rules(contiguous=contiguous, **(_pins(draw, instance) if pins else {}))
    instance = replace(instance, name=f"{wish}-{instance.name}", **given)
    return Trap(instance, instance)


def _pins(draw: random.Random, instance: Any) -> dict[str, Any]:
    """Return pins, limits and devices that must be used, at least one of them; mostly some placement keeps them all."""
    count, size = len(instance.layers), instance.cluster.size
    kept = _feasible(draw, instance) if draw.random() < 0.8 else None
    where = kept or tuple(draw.randrange(size) for _ in range(count))
    slack = 0 if kept else 1
    rules: dict[str, Any] = {}
    while not rules:
        i, j, k = draw.randrange(count), draw.randrange(size), draw.randrange(size)
        if draw.random() < 0.5:
            rules["pinned"] = {i: where[i]}
        if draw.random() < 0.3:
            rules["max_layers"] = {j: max(where.count(j) - draw.randint(0, slack), 0)}
        if draw.random() < 0.2 and (where.count(k) or slack):
            rules["min_layers"] = {k: max(where.count(k), 1)}
        if draw.random() < 0.2:
            rules["must_use"] = [where[draw.randrange(count)]]
    return rules


def _feasible(draw: random.Random, instance: Any) -> tuple[int, ...] | None:
    """Return the devices of the layers in one of the placements that hold, None if none was met."""
    problem = problem_of(instance)
    every = list(problem.placements(instance))
    for placement in draw.sample(every, min(len(every), TRIES)):
        if problem.evaluate(instance, placement).feasible:
            batched = isinstance(instance, EdgeShardBatch)
            return tuple(parts_of(placement)[2] if batched else placement)
    return None


KINDS: dict[str, Callable[[int], Trap]] = {
    f"{wish}-{problem}": partial(asked, wish, problem)
    for problem in DRAWERS
    for wish in WISHES
    if (wish != "contiguous" or problem == "latency") and (wish != "nothing" or problem == "in-flight")
}
