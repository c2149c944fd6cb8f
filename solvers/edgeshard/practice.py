"""Rules by which people's runtimes split a model over devices, in this project's reading of their public descriptions.

A pipeline of all layers, one part per device, the source first since layer 0 is there. What a rule overloads is refused as
out of memory: the rules themselves do not look.

- exo: a ring of the devices by memory, the largest first, entered at the source; layers in proportion to memory.
- llama.cpp: the devices in their given order, the source first; layers in proportion to free memory.
- Water filling: all devices, the fastest first; layers in proportion to speed, but no more than a device holds.
- Parallax: of pipelines over the devices the one with the largest ``k**2 / stages``, which for ``k = 1`` pipeline, as an
  instance has it, is the fewest devices that hold the model, largest first; within it water filling.

Sources: the documentation of exo and llama.cpp; Tong, Jiang, Chen, Zhao, Lu, Qu, Yang, Ai and Yuan (2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context


def exo_split(instance: EdgeShardInstance) -> tuple[int, ...]:
    """Return the split in proportion to memory, round the ring.

    Parameters
    ----------
    instance : EdgeShardInstance
        With a source.
    """
    memory = instance.cluster.memory_bytes
    ring = sorted(range(instance.cluster.size), key=lambda j: (-int(memory[j]), j))
    at = ring.index(instance.source_index)
    ring = ring[at:] + ring[:at]
    return _cut(instance, ring, _proportional([int(memory[j]) for j in ring], len(instance.layers)))


def llama_cpp_split(instance: EdgeShardInstance) -> tuple[int, ...]:
    """Return the split in proportion to free memory, in the devices' order.

    Parameters
    ----------
    instance : EdgeShardInstance
        With a source.
    """
    source, memory = instance.source_index, instance.cluster.memory_bytes
    order = [source, *(j for j in range(instance.cluster.size) if j != source)]
    return _cut(instance, order, _proportional([int(memory[j]) for j in order], len(instance.layers)))


def water_split(instance: EdgeShardInstance, devices: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the split in proportion to speed, up to what each device holds.

    Parameters
    ----------
    instance : EdgeShardInstance
        With a source.
    devices : sequence of int, optional
        Which to use, the source among them; all by default.
    """
    total_s, source = time_tables(instance).compute_s.sum(axis=0), instance.source_index
    used = range(instance.cluster.size) if devices is None else devices
    order = [source, *sorted((j for j in used if j != source), key=lambda j: (float(total_s[j]), j))]
    speed = [1.0 / float(total_s[j]) if total_s[j] > 0 else 1e300 for j in order]
    most = [_holds(instance, j) for j in order]
    return _cut(instance, order, _filled(speed, most, len(instance.layers)))


def parallax_split(instance: EdgeShardInstance) -> tuple[int, ...]:
    """Return the split over the fewest devices that hold the model, largest first.

    Parameters
    ----------
    instance : EdgeShardInstance
        With a source.
    """
    source = instance.source_index
    others = sorted(
        (j for j in range(instance.cluster.size) if j != source), key=lambda j: (-_holds(instance, j), j)
    )
    used, held = [source], _holds(instance, source)
    while others and held < len(instance.layers):
        used.append(others.pop(0))
        held += _holds(instance, used[-1])
    return water_split(instance, used)


def _holds(instance: EdgeShardInstance, device: int) -> int:
    """Return how many of the largest layers fit on a device, at most all."""
    need = int(max(instance.memory_bytes))
    return min(
        int(instance.cluster.memory_bytes[device]) // need if need else len(instance.layers),
        len(instance.layers),
    )


def _proportional(weights: Sequence[int], count: int) -> list[int]:
    """Return ends of parts in proportion to weights, each end rounded."""
    total = sum(weights)
    if not total:
        return [count] * len(weights)
    ends, done = [], 0
    for weight in weights:
        done += weight
        ends.append((2 * done * count + total) // (2 * total))
    return ends


def _filled(speed: Sequence[float], most: Sequence[int], count: int) -> list[int]:
    """Return ends of parts in proportion to speed; what is over a device's limit goes to the others."""
    share, open_ = [0.0] * len(speed), [j for j in range(len(speed)) if most[j]]
    left = float(count)
    while open_ and left > 1e-9:
        level = left / sum(speed[j] for j in open_)
        full = [j for j in open_ if speed[j] * level >= most[j] - 1e-9]
        for j in full or open_:
            share[j] = float(most[j]) if full else speed[j] * level
        if not full:
            break
        left = count - sum(share)
        open_ = [j for j in open_ if j not in full]
    parts = np.floor(np.array(share) + 1e-9).astype(int)
    spare = sorted(range(len(share)), key=lambda j: (parts[j] - share[j], j))
    while parts.sum() < count:
        able = [j for j in spare if parts[j] < most[j]] or spare[:1]
        parts[able[0]] += 1
        spare.remove(able[0])
        spare.append(able[0])
    return [int(end) for end in np.minimum(np.cumsum(parts), count)]


def _cut(instance: EdgeShardInstance, order: Sequence[int], ends: Sequence[int]) -> tuple[int, ...]:
    """Return the parts as a placement; layer 0 is on the source, whatever its part."""
    placement: list[int] = []
    for device, end in zip(order, ends, strict=True):
        placement += [device] * (end - len(placement))
    placement += [order[-1]] * (len(instance.layers) - len(placement))
    return (instance.source_index, *placement[1:])


def _method(
    split: Callable[[EdgeShardInstance], tuple[int, ...]],
) -> Callable[[EdgeShardInstance, Context], Claim]:
    def run(instance: EdgeShardInstance, context: Context) -> Claim:
        placement = split(instance)
        evaluation = problem_of(instance).evaluate(instance, placement)
        if evaluation.violations:
            broken = evaluation.violations[0]
            word = "out of memory" if broken.constraint == "memory" else broken.constraint
            return Claim(Reason.FINISHED, message=f"{word}: {broken.message}", solve_s=context.elapsed)
        return Claim(Reason.FINISHED, placement, evaluation.objective, solve_s=context.elapsed)

    return run


exo = _method(exo_split)
llama_cpp = _method(llama_cpp_split)
water_filling = _method(water_split)
parallax = _method(parallax_split)
