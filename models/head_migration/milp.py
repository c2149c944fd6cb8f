"""Head-level placement as a declarative MILP in Pyomo, in milliseconds: equal heads are counted, not told apart.

Heads differ only in where they were, so ``move[t,k,j]`` counts those that go from k to j (k = j: stay). Products of
the one-hot choices of projection and network are transports with given margins. Memory (1) is stated in heads per
device, given what else is there: small whole numbers that say exactly what the bytes say.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.head_migration.cost import FFN, HEAD, PROJ, capacities, head_costs
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration.cost import HeadCosts
    from placewise.models.head_migration.data import HeadMigrationInstance, Interval


def horizon_milp(instance: HeadMigrationInstance) -> Any:
    """Return the model over all intervals; a step is an instance with one.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Integers ``count[t,j]``, ``move[t,k,j]``; binaries ``proj[t,j]``, ``ffn[t,j]`` and their products; ``last[t]``,
        when the last head is through; the objective in milliseconds.
    """
    import pyomo.environ as pyo

    model = pyo.ConcreteModel(name=instance.name)
    model.instance = instance
    objective = add_layer(model, instance, instance.initial)
    memory_rows(model, instance)
    model.objective = pyo.Objective(expr=objective)
    return stated(model, instance, "counts")


def add_layer(
    model: Any, instance: HeadMigrationInstance, initial: Interval | None, feeder: Any = None
) -> Any:
    """Add one layer to a model or block, all but memory; return its part of the objective in milliseconds.

    Parameters
    ----------
    model : pyomo.environ.ConcreteModel or Block
        What is added to.
    instance : HeadMigrationInstance
        The layer; its own initial placement is not read.
    initial : Interval or None
        The placement before the first interval.
    feeder : pyomo.environ.Block, optional
        The layer before, whose network feeds the heads.
    """
    import pyomo.environ as pyo

    costs, heads = head_costs(instance), instance.transformer.units
    add_places(model, instance)
    model.used = pyo.Var(model.intervals, model.devices, domain=pyo.Binary)
    model.last = pyo.Var(model.intervals, domain=pyo.NonNegativeReals)
    model.in_use = pyo.Constraint(
        model.intervals, model.devices, rule=lambda m, t, j: m.count[t, j] <= heads * m.used[t, j]
    )
    if feeder is not None:
        _input_rows(model, costs, feeder)
    head_delay_rows(model, instance, costs)
    following = add_following(model, costs)
    migration = add_moves(model, instance, initial)
    delay = pyo.quicksum(model.last[t] for t in model.intervals) + MILLISECONDS * following
    return costs.weight * delay + MILLISECONDS * migration


def add_places(model: Any, instance: HeadMigrationInstance) -> None:
    """Add ``count``, ``proj`` and ``ffn``: every block is on one device.

    Parameters
    ----------
    model, instance : pyomo ConcreteModel or Block, HeadMigrationInstance
        What is added to, and whose blocks.
    """
    import pyomo.environ as pyo

    heads = instance.transformer.units
    model.intervals = pyo.RangeSet(0, instance.intervals - 1)
    model.devices = pyo.RangeSet(0, instance.cluster.size - 1)
    model.count = pyo.Var(model.intervals, model.devices, domain=pyo.NonNegativeIntegers, bounds=(0, heads))
    for part in ("proj", "ffn"):
        choice = pyo.Var(model.intervals, model.devices, domain=pyo.Binary)
        model.add_component(part, choice)
        model.add_component(
            f"one_{part}",
            pyo.Constraint(
                model.intervals,
                rule=lambda m, t, choice=choice: pyo.quicksum(choice[t, j] for j in m.devices) == 1,
            ),
        )
    model.all_heads = pyo.Constraint(
        model.intervals, rule=lambda m, t: pyo.quicksum(m.count[t, j] for j in m.devices) == heads
    )


def _input_rows(model: Any, costs: HeadCosts, feeder: Any) -> None:
    """Let each device with heads wait for the input from the network of the layer before."""
    import pyomo.environ as pyo

    model.fed = pyo.Var(model.intervals, model.devices, domain=pyo.NonNegativeReals)
    model.input = pyo.ConstraintList()
    for t in model.intervals:
        sent = MILLISECONDS * costs.message_s[t, 1]
        for j in model.devices:
            linked = [r for r in model.devices if isfinite(sent[r, j])]
            longest = _longest(sent[:, j])
            arriving = pyo.quicksum(float(sent[r, j]) * feeder.ffn[t, r] for r in linked)
            model.input.add(arriving <= model.fed[t, j] + longest * (1 - model.used[t, j]))
            for r in model.devices:
                if r not in linked:
                    model.input.add(model.used[t, j] + feeder.ffn[t, r] <= 1)


def memory_rows(model: Any, instance: HeadMigrationInstance) -> None:
    """State (1) as heads that fit beside the projection and the network.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``count``, ``proj`` and ``ffn``; it gets ``memory``.
    instance : HeadMigrationInstance
        What it states.
    """
    import pyomo.environ as pyo

    model.memory = pyo.ConstraintList()
    for t in model.intervals:
        fits = capacities(instance, t)
        for j in model.devices:
            proj, ffn, count = model.proj[t, j], model.ffn[t, j], model.count[t, j]
            alone, with_proj, with_ffn, with_both = (
                int(fits[key][j]) for key in ((0, 0), (1, 0), (0, 1), (1, 1))
            )
            model.memory.add(count <= max(alone, 0))
            for choice, room in ((proj, with_proj), (ffn, with_ffn)):
                if room < 0:
                    model.memory.add(choice <= 0)
                else:
                    model.memory.add(count <= alone - (alone - room) * choice)
            if with_both < 0:
                model.memory.add(proj + ffn <= 1)
            else:
                model.memory.add(count <= alone - (alone - with_both) * (proj + ffn - 1))


def head_delay_rows(model: Any, instance: HeadMigrationInstance, costs: HeadCosts) -> None:
    """Bound ``last`` by each device's heads (6), for the projection's device, and for any.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``count``, ``used``, ``proj`` and ``last`` (milliseconds); ``fed`` if heads wait for it.
    instance : HeadMigrationInstance
        What it states.
    costs : HeadCosts
        Of the instance.
    """
    import pyomo.environ as pyo

    model.heads_through = pyo.ConstraintList()
    model.heads_linked = pyo.ConstraintList()
    for t in model.intervals:
        room = capacities(instance, t)[0, 0].clip(min=0)
        for j in model.devices:
            count, used = model.count[t, j], model.used[t, j]
            slope, fixed = (MILLISECONDS * table[t, j] for table in (costs.slope_s, costs.fixed_s))
            linked = [q for q in model.devices if isfinite(slope[q]) and isfinite(fixed[q])]
            for q in model.devices:
                if q in linked:
                    most = float(slope[q]) * int(room[j]) + float(fixed[q])
                    waiting = 0
                    if model.component("fed") is not None:
                        waiting = model.fed[t, j]
                        most += _longest(MILLISECONDS * costs.message_s[t, 1, :, j])
                    model.heads_through.add(
                        float(slope[q]) * count + float(fixed[q]) * used + waiting
                        <= model.last[t] + most * (1 - model.proj[t, q])
                    )
                else:  # no message can reach the projection there
                    model.heads_linked.add(count <= int(room[j]) * (1 - model.proj[t, q]))
            if linked:
                least = min(float(slope[q]) for q in linked)
                model.heads_through.add(least * count <= model.last[t])


def add_following(model: Any, costs: HeadCosts, kept: NDArray[np.bool_] | None = None) -> Any:
    """Tie projection and network of an interval: ``both[t,q,r]`` with their choices as margins; return (4), (5) in s.

    Parameters
    ----------
    model, costs : pyomo ConcreteModel or Block, HeadCosts
        With ``proj`` and ``ffn``; times.
    kept : ndarray of bool, shape (T, M, M), optional
        Which pairs there are; by default all with a link.
    """
    import pyomo.environ as pyo

    there = np.isfinite(costs.after_s) if kept is None else kept & np.isfinite(costs.after_s)
    pairs = [(int(t), int(q), int(r)) for t, q, r in np.argwhere(there)]
    model.both = pyo.Var(pairs, domain=pyo.Binary)
    _transport(model, "proj_ffn", model.both, lambda t, q: model.proj[t, q], lambda t, r: model.ffn[t, r])
    return pyo.quicksum(float(costs.after_s[key]) * variable for key, variable in model.both.items())


def _longest(times: Any) -> float:
    return max(float(time) for time in times if isfinite(time))


def add_moves(
    model: Any,
    instance: HeadMigrationInstance,
    initial: Interval | None,
    kept: NDArray[np.bool_] | None = None,
) -> Any:
    """Add moves between consecutive placements (2), (7); return their time in seconds.

    Parameters
    ----------
    model, instance : pyomo ConcreteModel or Block, HeadMigrationInstance
        With ``count``, ``proj`` and ``ffn``; what it states.
    initial : Interval or None
        The placement before the first interval.
    kept : ndarray of bool, shape (T, 3, M, M), optional
        Which moves there are, of heads, projection and network; by default all with a link.
    """
    import pyomo.environ as pyo

    costs = head_costs(instance)
    there = np.isfinite(costs.move_s) if kept is None else kept & np.isfinite(costs.move_s)
    steps = [t for t in model.intervals if t or initial is not None]
    counts = None if initial is None else np.bincount(initial.heads, minlength=instance.cluster.size)

    def before(name: str, t: int, k: int) -> Any:
        if t:
            return model.component(name)[t - 1, k]
        assert initial is not None
        assert counts is not None
        return (
            int(counts[k]) if name == "count" else int((initial.proj if name == "proj" else initial.ffn) == k)
        )

    total: list[Any] = []
    for part, name in ((HEAD, "count"), (PROJ, "proj"), (FFN, "ffn")):
        arcs = [(t, int(k), int(j)) for t in steps for k, j in np.argwhere(there[t, part])]
        domain = pyo.NonNegativeIntegers if part == HEAD else pyo.Binary
        moves = pyo.Var(arcs, domain=domain, bounds=(0, instance.transformer.units if part == HEAD else 1))
        model.add_component(f"move_{name}", moves)
        _transport(
            model,
            f"moves_{name}",
            moves,
            lambda t, k, name=name: before(name, t, k),
            lambda t, j, name=name: model.component(name)[t, j],
        )
        total += [
            float(costs.move_s[t, part, k, j]) * variable for (t, k, j), variable in moves.items() if k != j
        ]
    return pyo.quicksum(total)


def _transport(model: Any, name: str, variables: Any, supply: Any, demand: Any) -> None:
    """Tie ``variables[t,k,j]`` to what leaves each k and what reaches each j."""
    import pyomo.environ as pyo

    leaving: dict[Any, list[Any]] = {}
    reaching: dict[Any, list[Any]] = {}
    for (t, k, j), variable in variables.items():
        leaving.setdefault((t, k), []).append(variable)
        reaching.setdefault((t, j), []).append(variable)
    times = sorted({t for t, _, _ in variables})
    for side, rows, margin in (("from", leaving, supply), ("to", reaching, demand)):
        model.add_component(
            f"{name}_{side}",
            pyo.Constraint(
                times,
                model.devices,
                rule=lambda _, t, j, rows=rows, margin=margin: (
                    pyo.quicksum(rows.get((t, j), [])) == margin(t, j)
                ),
            ),
        )
