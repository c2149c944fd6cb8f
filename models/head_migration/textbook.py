"""The paper's statement with one variable per block and device: (1)-(7) with each product of choices linearised.

Equal heads are told apart, so every placement exists in many copies; meant for small instances, and as a check.

Sources: Kafetzis, Khalili and Koutsopoulos (2025); products of binaries, Glover and Woolsey (1974).
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.head_migration.cost import head_costs, parts
from placewise.models.head_migration.data import Interval
from placewise.models.head_migration.milp import head_delay_rows, memory_rows
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.placement import Trajectory


def block_milp(instance: HeadMigrationInstance) -> Any:
    """Return the model over all intervals.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``on[t,i,j]``, the paper's ``x``, for the heads, then projection and network; ``moved[t,i,k,j]`` and
        ``both[t,q,r]`` for products; ``last[t]``, when the last head is through; the objective in milliseconds.
    """
    import pyomo.environ as pyo

    costs, heads = head_costs(instance), instance.transformer.units
    proj, ffn = heads, heads + 1
    model = pyo.ConcreteModel(name=instance.name)
    model.instance = instance
    model.intervals = pyo.RangeSet(0, instance.intervals - 1)
    model.devices = pyo.RangeSet(0, instance.cluster.size - 1)
    model.blocks = pyo.RangeSet(0, heads + 1)
    model.on = pyo.Var(model.intervals, model.blocks, model.devices, domain=pyo.Binary)
    model.used = pyo.Var(model.intervals, model.devices, domain=pyo.Binary)
    model.last = pyo.Var(model.intervals, domain=pyo.NonNegativeReals)
    model.count = pyo.Expression(
        model.intervals,
        model.devices,
        rule=lambda m, t, j: pyo.quicksum(m.on[t, i, j] for i in range(heads)),
    )
    model.proj = pyo.Expression(model.intervals, model.devices, rule=lambda m, t, j: m.on[t, proj, j])
    model.ffn = pyo.Expression(model.intervals, model.devices, rule=lambda m, t, j: m.on[t, ffn, j])
    model.one_device = pyo.Constraint(
        model.intervals,
        model.blocks,
        rule=lambda m, t, i: pyo.quicksum(m.on[t, i, j] for j in m.devices) == 1,
    )
    model.in_use = pyo.Constraint(
        model.intervals, range(heads), model.devices, rule=lambda m, t, i, j: m.on[t, i, j] <= m.used[t, j]
    )
    memory_rows(model, instance)
    head_delay_rows(model, instance, costs)
    model.both = pyo.Var(model.intervals, model.devices, model.devices, bounds=(0, 1))
    model.follows = pyo.Constraint(
        model.intervals,
        model.devices,
        model.devices,
        rule=lambda m, t, q, r: (
            m.proj[t, q] + m.ffn[t, r] - 1 <= (m.both[t, q, r] if isfinite(costs.after_s[t, q, r]) else 0)
        ),
    )
    after = pyo.quicksum(
        float(costs.after_s[key]) * variable
        for key, variable in model.both.items()
        if isfinite(costs.after_s[key])
    )
    delay = pyo.quicksum(model.last[t] for t in model.intervals) + MILLISECONDS * after
    model.objective = pyo.Objective(expr=costs.weight * delay + MILLISECONDS * _moves(model, instance))
    return stated(model, instance, "textbook")


def _moves(model: Any, instance: HeadMigrationInstance) -> Any:
    """Add the products of being here before and there now (2), (7); return their time in seconds."""
    import pyomo.environ as pyo

    costs, part = head_costs(instance), parts(instance)
    initial = instance.initial
    start = None if initial is None else (*initial.heads, initial.proj, initial.ffn)
    steps = [t for t in model.intervals if t or start is not None]
    model.moved = pyo.Var(steps, model.blocks, model.devices, model.devices, bounds=(0, 1))

    def before(t: int, i: int, k: int) -> Any:
        if t:
            return model.on[t - 1, i, k]
        assert start is not None
        return int(start[i] == k)

    model.moves = pyo.Constraint(
        steps,
        model.blocks,
        model.devices,
        model.devices,
        rule=lambda m, t, i, k, j: (
            pyo.Constraint.Skip
            if k == j or (t == 0 and start is not None and start[i] != k)
            else before(t, i, k) + m.on[t, i, j] - 1
            <= (m.moved[t, i, k, j] if isfinite(costs.move_s[t, part[i], k, j]) else 0)
        ),
    )
    return pyo.quicksum(
        float(costs.move_s[t, part[i], k, j]) * variable
        for (t, i, k, j), variable in model.moved.items()
        if k != j and isfinite(costs.move_s[t, part[i], k, j])
    )


def extract(model: Any) -> Trajectory:
    """Return the trajectory in a solved model: each block where its variable is largest."""
    trajectory = []
    for t in model.intervals:
        places = []
        for i in model.blocks:
            values = [model.on[t, i, j].value or 0.0 for j in model.devices]
            places.append(values.index(max(values)))
        trajectory.append(Interval(tuple(places[:-2]), places[-2], places[-1]))
    return tuple(trajectory)


def start(model: Any, trajectory: Trajectory) -> None:
    """Set every variable to the value that the trajectory implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As this module builds it.
    trajectory : tuple of Interval
        T placements.
    """
    import numpy as np

    instance: HeadMigrationInstance = model.instance
    costs, before = head_costs(instance), instance.initial
    places: list[tuple[int, ...] | None] = [
        None if before is None else (*before.heads, before.proj, before.ffn)
    ]
    for t, now in enumerate(trajectory):
        places.append((*now.heads, now.proj, now.ffn))
        counts = np.bincount(now.heads, minlength=instance.cluster.size)
        for j in model.devices:
            model.used[t, j].set_value(int(counts[j] > 0))
        model.last[t].set_value(MILLISECONDS * costs.heads_s(t, counts, now.proj))
    for (t, i, j), variable in model.on.items():
        variable.set_value(int(_at(places, t, i) == j))
    for (t, q, r), variable in model.both.items():
        variable.set_value(int((q, r) == (trajectory[t].proj, trajectory[t].ffn)))
    for (t, i, k, j), variable in model.moved.items():
        variable.set_value(int((_at(places, t - 1, i), _at(places, t, i)) == (k, j)))


def _at(places: list[tuple[int, ...] | None], t: int, block: int) -> int:
    """Return a block's device in an interval; interval -1 is before the first."""
    row = places[t + 1]
    assert row is not None
    return row[block]
