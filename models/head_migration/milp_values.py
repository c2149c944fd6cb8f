"""From the values of the MILP's variables to trajectories of single heads, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.head_migration.cost import head_costs
from placewise.models.head_migration.data import Interval
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.placement import Trajectory


def extract(model: Any) -> Trajectory:
    """Return the trajectory in a solved model."""
    return extract_layer(model, model.instance, model.instance.initial)


def extract_layer(model: Any, instance: HeadMigrationInstance, before: Interval | None) -> Trajectory:
    """Return the trajectory of one layer; heads that move are taken in order, the others stay.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        Of one layer, with values.
    instance : HeadMigrationInstance
        What it states.
    before : Interval or None
        The placement before the first interval.
    """
    trajectory: list[Interval] = []
    size = instance.cluster.size
    moves = np.zeros((instance.intervals, size, size), dtype=np.int64)
    for key, variable in model.move_count.items():
        moves[key] = round(variable.value or 0.0)
    for t in model.intervals:
        counts = np.array([round(model.count[t, j].value or 0.0) for j in model.devices])
        proj, ffn = (
            int(np.argmax([choice[t, j].value or 0.0 for j in model.devices]))
            for choice in (model.proj, model.ffn)
        )
        before = follow(before, counts, moves[t], proj, ffn)
        trajectory.append(before)
    return tuple(trajectory)


def follow(before: Interval | None, counts: Any, moves: Any, proj: int, ffn: int) -> Interval:
    """Return a placement of single heads for counts per device, after moves from the one before.

    Parameters
    ----------
    before : Interval or None
        The placement before; None puts heads in the order of devices.
    counts : array_like of int, shape (M,)
        Heads on each device.
    moves : array_like of int, shape (M, M)
        Heads from row to column, those that stay on the diagonal.
    proj, ffn : int
        Their devices.
    """
    if before is None:
        heads = [j for j, count in enumerate(counts) for _ in range(int(count))]
        return Interval(tuple(heads), proj, ffn)
    left = np.array(moves)
    heads = []
    for k in before.heads:
        # A head stays while its device keeps any; then it goes wherever one is due.
        j = k if left[k, k] > 0 else int(left[k].argmax())
        left[k, j] -= 1
        heads.append(j)
    return Interval(tuple(heads), proj, ffn)


def start(model: Any, trajectory: Trajectory) -> None:
    """Set every variable to the value that the trajectory implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `horizon_milp` builds it.
    trajectory : tuple of Interval
        T placements.
    """
    start_layer(model, model.instance, model.instance.initial, trajectory)


def start_layer(
    model: Any,
    instance: HeadMigrationInstance,
    before: Interval | None,
    trajectory: Trajectory,
    sources: Sequence[int | None] = (),
) -> None:
    """Set the variables of one layer; sources are the devices that feed its heads.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        Of one layer.
    instance : HeadMigrationInstance
        What it states.
    before : Interval or None
        The placement before the first interval.
    trajectory : tuple of Interval
        T placements.
    sources : sequence of int or None, optional
        One per interval; none where nobody is waited for.
    """
    costs = head_costs(instance)
    start_places(model, instance, before, trajectory)
    for t, now in enumerate(trajectory):
        counts = np.bincount(now.heads, minlength=instance.cluster.size)
        for j in model.devices:
            model.used[t, j].set_value(int(counts[j] > 0))
        source = sources[t] if sources else None
        model.last[t].set_value(MILLISECONDS * costs.heads_s(t, counts, now.proj, source))
        if source is not None:
            for j in model.devices:
                fed = MILLISECONDS * float(costs.message_s[t, 1, source, j]) if counts[j] else 0.0
                model.fed[t, j].set_value(fed)


def start_places(
    model: Any, instance: HeadMigrationInstance, before: Interval | None, trajectory: Trajectory
) -> None:
    """Set the variables of where blocks are and how they move: all that is said about one layer but its delay.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        Of one layer.
    instance : HeadMigrationInstance
        What it states.
    before : Interval or None
        The placement before the first interval.
    trajectory : tuple of Interval
        T placements.
    """
    size = instance.cluster.size
    moved = {
        name: np.zeros((len(trajectory), size, size), dtype=np.int64) for name in ("count", "proj", "ffn")
    }
    for t, now in enumerate(trajectory):
        counts = np.bincount(now.heads, minlength=size)
        for j in model.devices:
            model.count[t, j].set_value(int(counts[j]))
            model.proj[t, j].set_value(int(now.proj == j))
            model.ffn[t, j].set_value(int(now.ffn == j))
        if before is not None:
            np.add.at(moved["count"][t], (np.array(before.heads), np.array(now.heads)), 1)
            moved["proj"][t, before.proj, now.proj] = moved["ffn"][t, before.ffn, now.ffn] = 1
        before = now
    for (t, q, r), variable in model.both.items():
        variable.set_value(int((q, r) == (trajectory[t].proj, trajectory[t].ffn)))
    for name, values in moved.items():
        for key, variable in model.component(f"move_{name}").items():
            variable.set_value(int(values[key]))


def tighten(model: Any, trajectory: Trajectory) -> bool:  # noqa: ARG001 - what a formulation has
    """Return False: memory rows are small whole numbers, which no tolerance blurs.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `horizon_milp` builds it.
    trajectory : tuple of Interval
        What a solver returned.
    """
    return False
