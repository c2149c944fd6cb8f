"""What a trajectory of placements means: delay and migration, walked interval by interval, and what it breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.head_migration.cost import FFN, HEAD, PROJ, head_costs
from placewise.models.head_migration.data import HeadMigrationInstance, Interval
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: One `Interval` per interval, T entries.
Trajectory = tuple[Interval, ...]


def evaluate(instance: HeadMigrationInstance, trajectory: Trajectory) -> Evaluation:
    """Evaluate a trajectory: (2)-(7) under (1), in every interval.

    Parameters
    ----------
    instance : HeadMigrationInstance
        The instance.
    trajectory : sequence of Interval
        T placements.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms inference (weighted by tokens under lookahead) and migration, all violations.
    """
    malformed = list(_malformed(instance, trajectory))
    if malformed:
        return Evaluation(None, {}, tuple(malformed))
    walked = list(walk(instance, trajectory, instance.initial))
    violations = tuple(violation for step in walked for violation in step.violations)
    terms = {
        "inference": head_costs(instance).weight * sum(step.inference_s for step in walked),
        "migration": sum(step.migration_s for step in walked),
    }
    total_s = sum(terms.values())
    if math.isinf(total_s):
        return Evaluation(None, {}, violations)
    return Evaluation(total_s, terms, violations)


@dataclass(frozen=True, eq=False)
class Step:
    """What one interval of a trajectory costs.

    Parameters
    ----------
    inference_s, migration_s : float
        ``D_T(t)`` (6) and ``D_mig(t)`` (7); infinite where a link is missing.
    memory_bytes : ndarray of int64, shape (M,)
        What the blocks need on each device.
    violations : tuple of Violation
        What the interval breaks.
    """

    inference_s: float
    migration_s: float
    memory_bytes: NDArray[np.int64]
    violations: tuple[Violation, ...]


def walk(
    instance: HeadMigrationInstance,
    trajectory: Sequence[Interval],
    before: Interval | None,
    sources: Sequence[int | None] = (),
) -> Iterator[Step]:
    """Yield what each interval of a well-formed trajectory costs.

    Parameters
    ----------
    instance : HeadMigrationInstance
        The instance; its own initial placement is not read.
    trajectory : sequence of Interval
        T placements.
    before : Interval or None
        The placement before the first.
    sources : sequence of int or None, optional
        Per interval the device that feeds the heads, None where nobody is waited for.
    """
    costs, names = head_costs(instance), instance.cluster.device_names
    for t, now in enumerate(trajectory):
        counts = np.bincount(now.heads, minlength=instance.cluster.size)
        need = memory_use(instance, t, now)
        violations = list(excess_memory(instance, t, need))
        source = sources[t] if sources else None
        inference_s = costs.heads_s(t, counts, now.proj, source) + float(costs.after_s[t, now.proj, now.ffn])
        if math.isinf(inference_s):
            message = f"interval {t}: a message has no link to {names[now.proj]} or on to {names[now.ffn]}"
            violations.append(Violation("link", f"interval {t}", message))
        migration_s = 0.0
        if before is not None:
            moves = [(HEAD, k, j) for k, j in zip(before.heads, now.heads, strict=True)]
            moves += [(PROJ, before.proj, now.proj), (FFN, before.ffn, now.ffn)]
            for part, k, j in moves:
                move_s = float(costs.move_s[t, part, k, j])
                if math.isinf(move_s):
                    link = f"{names[k]} -> {names[j]}"
                    violations.append(
                        Violation("migration", link, f"interval {t}: no link {link} for a block that moves")
                    )
                migration_s += move_s
        yield Step(inference_s, migration_s, need, tuple(violations))
        before = now


def is_interval(instance: HeadMigrationInstance, now: Any) -> bool:
    """Whether something is an `Interval` with a device of the instance for each block."""
    devices = (*now.heads, now.proj, now.ffn) if isinstance(now, Interval) else ()
    expected = instance.transformer.units + 2
    return len(devices) == expected and all(0 <= j < instance.cluster.size for j in devices)


def _malformed(instance: HeadMigrationInstance, trajectory: Any) -> Iterator[Violation]:
    count, size, heads = instance.intervals, instance.cluster.size, instance.transformer.units
    if not isinstance(trajectory, Sequence) or len(trajectory) != count:
        yield Violation("assignment", "intervals", f"expected a placement for each of {count} intervals")
        return
    for t, now in enumerate(trajectory):
        if not is_interval(instance, now):
            yield Violation(
                "assignment",
                f"interval {t}",
                f"interval {t}: expected devices 0 to {size - 1} for {heads} heads, proj, ffn",
            )


def memory_use(instance: HeadMigrationInstance, t: int, now: Interval) -> NDArray[np.int64]:
    """Return what the blocks of a placement need on each device, shape (M,)."""
    memory = head_costs(instance).memory[t]
    need: NDArray[np.int64] = memory[HEAD] * np.bincount(now.heads, minlength=instance.cluster.size)
    need[now.proj] += memory[PROJ]
    need[now.ffn] += memory[FFN]
    return need


def excess_memory(instance: HeadMigrationInstance, t: int, needs: NDArray[np.int64]) -> Iterator[Violation]:
    """Yield the devices whose blocks need more than (1) allows."""
    for j, name in enumerate(instance.cluster.device_names):
        need, budget = int(needs[j]), int(instance.memory_bytes[t, j])
        if need > budget:
            message = f"interval {t}: {name} needs {need:,} bytes and has {budget:,}: {need - budget:,} too many (1)"
            yield Violation("memory", name, message)


def to_json(instance: HeadMigrationInstance, trajectory: Trajectory) -> dict[str, Any]:
    """Return a trajectory as the result file states it: device names."""
    return {"intervals": [interval_json(instance.cluster.device_names, now) for now in trajectory]}


def interval_json(names: tuple[str, ...], now: Interval) -> dict[str, Any]:
    """Return one interval by device names."""
    return {"heads": [names[j] for j in now.heads], "proj": names[now.proj], "ffn": names[now.ffn]}


def from_json(instance: HeadMigrationInstance, document: Any) -> Trajectory:
    """Read a trajectory back, or say which entry names no device of the instance."""
    entries = document.get("intervals") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) != instance.intervals:
        raise InstanceError("placement.intervals", f"expected a list of {instance.intervals} placements")
    return tuple(
        read_interval(
            instance.cluster.device_names, instance.transformer.units, entry, f"placement.intervals[{t}]"
        )
        for t, entry in enumerate(entries)
    )


def read_interval(names: tuple[str, ...], heads: int, entry: Any, path: str) -> Interval:
    """Read one interval, naming the path of what is wrong."""
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("heads"), list)
        or len(entry["heads"]) != heads
    ):
        raise InstanceError(f"{path}.heads", f"expected a list with a device for each of {heads} heads")
    for key, name in [
        *((f"heads[{i}]", name) for i, name in enumerate(entry["heads"])),
        *((k, entry.get(k)) for k in ("proj", "ffn")),
    ]:
        if name not in names:
            raise InstanceError(f"{path}.{key}", f"expected a device, found {name!r}")
    return Interval(
        tuple(names.index(name) for name in entry["heads"]),
        names.index(entry["proj"]),
        names.index(entry["ffn"]),
    )
