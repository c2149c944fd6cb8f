"""Rules for tiny instances, drawn from a placement that most of them allow."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from placewise.instances.generators import edgeshard, edgeshard_batch
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected
from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What `asking` draws: one kind of rule, or several at once.
KINDS = ("contiguous", "free-source", "pins", "limits", "must-use", "mixture")
#: Placements drawn at most, until one is feasible.
DRAWS = 20


def tiny(
    *,
    rules: str = "mixture",
    kind: str = "mixed",
    problem: str = edgeshard.LATENCY,
    seed: int,
    name: str | None = None,
) -> Any:
    """Return a random instance that brute force solves, with rules: 2 to 5 devices, 2 to 6 layers.

    Parameters
    ----------
    rules : str
        ``contiguous``, ``free-source``, ``pins``, ``limits``, ``must-use``, or ``mixture``: some of them at once.
    kind : str
        As in `edgeshard.tiny`.
    problem : str
        One of EdgeShard's.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    called = name or f"tiny-{rules}-{kind}-{seed}"
    if problem == EdgeShardBatch.problem:
        return asking(edgeshard_batch.tiny(kind=kind, seed=seed, name=called), rules, seed)
    return asking(edgeshard.tiny(kind=kind, problem=problem, seed=seed, name=called), rules, seed)


def asking(instance: Any, kind: str, seed: int) -> Any:
    """Return an instance with rules of a kind, in which a free source is one.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatch
        With rules of its own or none; they are replaced.
    kind : str
        One of `KINDS`.
    seed : int
        Of the draw.

    Raises
    ------
    PlacewiseError
        On any other kind.
    """
    if kind not in KINDS:
        raise PlacewiseError(f"rules: {expected(kind, KINDS)}")
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    kinds = [kind] if kind != "mixture" else [each for each in KINDS[:-1] if draw.random() < 0.5]
    size, count = instance.cluster.size, len(instance.layers)
    known = _known(draw, instance)
    hosted = {device: known.count(device) for device in range(size)}
    given: dict[str, Any] = {"contiguous": "contiguous" in kinds}
    if "pins" in kinds:
        layers = draw.sample(range(count), draw.randint(1, min(2, count)))
        given["pinned"] = {
            layer: known[layer] if draw.random() < 0.8 else draw.randrange(size) for layer in layers
        }
    if "limits" in kinds:
        devices = draw.sample(range(size), draw.randint(1, size))
        few = {device: max(hosted[device] - draw.randint(0, 1), 0) for device in devices}
        many = {device: max(hosted[device] + draw.randint(-1, 2), 0) for device in devices}
        which = draw.choice(["min", "max", "both"])
        given["min_layers"] = {} if which == "max" else few
        given["max_layers"] = (
            {} if which == "min" else {device: max(many[device], few[device]) for device in devices}
        )
    if "must-use" in kinds:
        given["must_use"] = draw.sample(range(size), draw.randint(1, min(2, size)))
    source = None if "free-source" in kinds else instance.source
    return replace(instance, source=source, rules=Rules(**given))


def _known(draw: random.Random, instance: Any) -> Sequence[int]:
    """Return a contiguous placement, a feasible one if a few draws find it."""
    size, count = instance.cluster.size, len(instance.layers)
    source = instance.source if draw.random() < 0.9 else None
    pipeline = instance.at(instance.batch_sizes[0]) if isinstance(instance, EdgeShardBatch) else instance
    plain, placement = replace(pipeline, source=None, rules=Rules()), list[int]()
    for _ in range(DRAWS):
        placement = list(_chain(draw, size, count, source))
        if problem_of(plain).evaluate(plain, placement).feasible:
            break
    return placement


def _chain(draw: random.Random, size: int, count: int, source: int | None) -> Sequence[int]:
    """Return a contiguous placement, on the source first, if there is one."""
    order = draw.sample(range(size), draw.randint(1, min(size, count)))
    if source is not None:
        order = [source] + [device for device in order if device != source]
    order = order[:count]
    cuts = sorted(draw.sample(range(1, count), len(order) - 1))
    lengths = [after - before for before, after in pairwise([0, *cuts, count])]
    return [device for device, length in zip(order, lengths, strict=True) for _ in range(length)]
