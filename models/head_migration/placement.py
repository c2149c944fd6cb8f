"""What a trajectory of placements means: delay and migration, walked interval by interval, and what it breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.gate import devices, entries, listed, members, named, refused, shown
from placewise.models.head_migration.cost import FFN, HEAD, PROJ, head_costs
from placewise.models.head_migration.data import HeadMigrationInstance, Interval
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

#: One `Interval` per interval, T entries.
Trajectory = tuple[Interval, ...]


def placement_of(
    instance: HeadMigrationInstance, anything: Any
) -> tuple[Trajectory | None, tuple[Violation, ...]]:
    """Return the trajectory that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : HeadMigrationInstance
        T intervals, M devices.
    anything : object
        Taken are T `Interval` in a list or tuple, with devices all by index (0 to M - 1) or all by name; and the
        document of a result file, ``{"intervals": [{"heads": [name, ...], "proj": name, "ffn": name}, ...]}``.

    Returns
    -------
    tuple of Interval or None
        With plain tuples and integers; None where there are violations.
    tuple of Violation
        Of the constraint ``assignment``; the others are for `evaluate`.
    """
    count = instance.intervals
    if type(anything) is tuple and len(anything) == count and are_canonical(instance, anything):
        return anything, ()
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, count)
    if found is None or found[1] != count:
        message = f"expected a placement for each of {count} intervals, found {shown(anything)}"
        return None, (refused("intervals", message),)
    return intervals_of(instance, found[0], "interval {}".format)


def are_canonical(instance: HeadMigrationInstance, intervals: tuple[Any, ...]) -> bool:
    """Whether all entries are an `Interval` of plain tuples and integers that name devices, one per block.

    Parameters
    ----------
    instance, intervals : HeadMigrationInstance, tuple of object
    """
    size, heads = instance.cluster.size, instance.transformer.units
    for now in intervals:
        if type(now) is not Interval or len(vars(now)) != 3:
            return False
        try:
            own, proj, ffn = now.heads, now.proj, now.ffn
        except Exception:  # noqa: BLE001 - made without its fields, or with others of anybody's
            return False
        if type(own) is not tuple or len(own) != heads:
            return False
        for device in (*own, proj, ffn):
            if type(device) is not int or not 0 <= device < size:
                return False
    return True


def intervals_of(
    instance: HeadMigrationInstance, values: list[Any], label: Callable[[int], str]
) -> tuple[Trajectory | None, tuple[Violation, ...]]:
    """Read placements of blocks that may be given by name, as lists, or not at all.

    Parameters
    ----------
    instance : HeadMigrationInstance
        Whose blocks and devices.
    values : list of object
        What may be an `Interval` each.
    label : callable
        What the value at a position is, e.g. ``interval 3``.

    Returns
    -------
    (tuple of Interval or None, tuple of Violation)
        By indices; None with what is wrong.
    """
    units = instance.transformer.units
    blocks = []
    for at, now in enumerate(values):
        fields = members(vars(now)) if type(now) is Interval else None
        heads = None if fields is None else entries(fields.get("heads"), units)
        if fields is None or heads is None or heads[1] != units:
            found = shown(now) if fields is None else f"{shown(fields.get('heads'))} as heads"
            message = (
                f"{label(at)}: expected an Interval with devices for {units} heads, proj, ffn, found {found}"
            )
            return None, (refused(label(at), message),)
        blocks.append([*heads[0], fields.get("proj"), fields.get("ffn")])

    def block(at: int) -> str:
        now, part = divmod(at, units + 2)
        return f"{label(now)}, {f'head {part}' if part < units else ('proj', 'ffn')[part - units]}"

    names = instance.cluster.device_names
    indices, violations = devices(names, chain.from_iterable(blocks), block, instance.name)
    if violations:
        return None, tuple(violations)
    rows = (indices[at : at + units + 2] for at in range(0, len(indices), units + 2))
    return tuple(Interval(row[:-2], *row[-2:]) for row in rows), ()


def evaluate(instance: HeadMigrationInstance, trajectory: Any) -> Evaluation:
    """Evaluate a trajectory: (2)-(7) under (1), in every interval.

    Parameters
    ----------
    instance : HeadMigrationInstance
        The instance.
    trajectory : object
        T placements, in any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms inference (weighted by tokens under lookahead) and migration, all violations.
    """
    trajectory, refusals = placement_of(instance, trajectory)
    if trajectory is None:
        return Evaluation(None, {}, refusals)
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


def memory_use(instance: HeadMigrationInstance, t: int, now: Interval) -> NDArray[np.int64]:
    """Return the bytes that the blocks of a placement need on each device in interval t, shape (M,).

    Parameters
    ----------
    instance, t, now : HeadMigrationInstance, int, Interval
    """
    memory = head_costs(instance).memory[t]
    need: NDArray[np.int64] = memory[HEAD] * np.bincount(now.heads, minlength=instance.cluster.size)
    need[now.proj] += memory[PROJ]
    need[now.ffn] += memory[FFN]
    return need


def excess_memory(instance: HeadMigrationInstance, t: int, needs: NDArray[np.int64]) -> Iterator[Violation]:
    """Yield the devices whose blocks need more than (1) allows; needs are bytes, shape (M,).

    Parameters
    ----------
    instance, t, needs : HeadMigrationInstance, int, ndarray of int64
    """
    for j, name in enumerate(instance.cluster.device_names):
        need, budget = int(needs[j]), int(instance.memory_bytes[t, j])
        if need > budget:
            message = f"interval {t}: {name} needs {need:,} bytes and has {budget:,}: {need - budget:,} too many (1)"
            yield Violation("memory", name, message)


def to_json(instance: HeadMigrationInstance, trajectory: Trajectory) -> dict[str, Any]:
    """Return a trajectory as the result file states it: device names.

    Parameters
    ----------
    instance, trajectory : HeadMigrationInstance, tuple of Interval
    """
    return {"intervals": [interval_json(instance.cluster.device_names, now) for now in trajectory]}


def interval_json(names: tuple[str, ...], now: Interval) -> dict[str, Any]:
    """Return one interval by device names: ``heads`` (a list), ``proj`` and ``ffn``.

    Parameters
    ----------
    names, now : tuple of str, Interval
    """
    return {"heads": [names[j] for j in now.heads], "proj": names[now.proj], "ffn": names[now.ffn]}


def from_json(instance: HeadMigrationInstance, document: Any) -> Trajectory:
    """Read a trajectory back; `InstanceError` at the path of an entry that names no device of the instance.

    Parameters
    ----------
    instance, document : HeadMigrationInstance, object
    """
    found = listed(document, "intervals")
    if found is None or len(found) != instance.intervals:
        raise InstanceError("placement.intervals", f"expected a list of {instance.intervals} placements")
    names, units = instance.cluster.device_names, instance.transformer.units
    return tuple(read_interval(names, units, entry, path) for path, entry in found.items())


def read_interval(names: tuple[str, ...], heads: int, entry: Any, path: str) -> Interval:
    """Read one interval of so many heads; `InstanceError` at the path of what is wrong.

    Parameters
    ----------
    names, heads, entry, path : tuple of str, int, object, str
    """
    found = listed(entry, "heads", path)
    if found is None or len(found) != heads:
        raise InstanceError(f"{path}.heads", f"expected a list with a device for each of {heads} heads")
    found |= {f"{path}.{key}": (members(entry) or {}).get(key) for key in ("proj", "ffn")}
    *placed, proj, ffn = named(names, found, "a device")
    return Interval(tuple(placed), proj, ffn)
