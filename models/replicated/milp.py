"""Replicated throughput as a declarative MILP over intervals, with one token's flow and the time that it takes.

Maximising a flow under capacities is minimising the time per token under capacities times that time, as Charnes and
Cooper (1962) do with fractions: the flow is then 1, a node or link of capacity C carries at most C times the time, and what a node carries in one
of its choices is at most that choice's binary. No product and no large constant is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.replicated.cost import capacities
from placewise.models.replicated.flow import SINK, SOURCE, maximum_flow
from placewise.models.replicated.placement import NOTHING
from placewise.models.replicated.space import intervals
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement


def interval_milp(instance: ReplicatedThroughput) -> Any:
    """Return the model of a token's way through intervals.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes, L layers; with or without partial inference.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``hold[i,s,e]``, shares ``carry[i,s,e]`` of a token, ``send[i,j,b]`` before layer b, ``enter[i]``,
        ``leave[i]``; ``time`` in milliseconds per token is the objective.
    """
    import pyomo.environ as pyo

    costs, size, layers = capacities(instance), instance.cluster.size, instance.layers
    per_ms = costs.unit / MILLISECONDS
    choices = [(i, *held) for i in range(size) for held in intervals(instance, i) if held != NOTHING]
    links = [(i, j) for i in range(size) for j in range(size) if costs.link[i, j]]
    model = pyo.ConcreteModel(name=instance.name)
    model.nodes = pyo.RangeSet(0, size - 1)
    model.cuts = pyo.RangeSet(1, layers - 1)
    model.choices = pyo.Set(initialize=choices, dimen=3)
    model.links = pyo.Set(initialize=links, dimen=2)
    model.time = pyo.Var(domain=pyo.NonNegativeReals)
    model.hold = pyo.Var(model.choices, domain=pyo.Binary)
    model.carry = pyo.Var(model.choices, bounds=(0, 1))
    model.send = pyo.Var(model.links, model.cuts, bounds=(0, 1))
    model.enter = pyo.Var(model.nodes, bounds=(0, 1))
    model.leave = pyo.Var(model.nodes, bounds=(0, 1))
    own: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for i, first, end in choices:
        own[i].append((first, end))
    before = {(j, b): [] for j in range(size) for b in range(layers + 1)}  # type: dict[tuple[int, int], list[Any]]
    after = {key: [] for key in before}  # type: dict[tuple[int, int], list[Any]]
    for i, j in links:
        for b in model.cuts:
            before[j, b].append(model.send[i, j, b])
            after[i, b].append(model.send[i, j, b])
    for i in range(size):
        before[i, 0].append(model.enter[i])
        after[i, layers].append(model.leave[i])

    def total(parts: Any) -> Any:
        return pyo.quicksum(parts) if parts else 0.0

    model.one_interval = pyo.Constraint(
        model.nodes,
        rule=lambda m, i: total([m.hold[i, s, e] for s, e in own[i]]) <= 1 if own[i] else pyo.Constraint.Skip,
    )
    model.held = pyo.Constraint(model.choices, rule=lambda m, i, s, e: m.carry[i, s, e] <= m.hold[i, s, e])
    model.speed = pyo.Constraint(
        model.nodes,
        rule=lambda m, i: (
            total([m.carry[i, s, e] / (costs.node[i][e - s - 1] * per_ms) for s, e in own[i]]) <= m.time
            if own[i]
            else pyo.Constraint.Skip
        ),
    )
    model.link_speed = pyo.Constraint(
        model.links,
        rule=lambda m, i, j: (
            total([m.send[i, j, b] for b in m.cuts]) <= float(costs.link[i, j]) * per_ms * m.time
            if layers > 1
            else pyo.Constraint.Skip
        ),
    )
    model.source_speed = pyo.Constraint(
        model.nodes, rule=lambda m, i: m.enter[i] <= float(costs.source[i]) * per_ms * m.time
    )
    model.sink_speed = pyo.Constraint(
        model.nodes, rule=lambda m, i: m.leave[i] <= float(costs.sink[i]) * per_ms * m.time
    )

    def out(m: Any, i: int, b: int) -> Any:
        left, carried = after[i, b], [m.carry[i, s, e] for s, e in own[i] if e == b]
        return total(left) == total(carried) if left or carried else pyo.Constraint.Skip

    def into(m: Any, j: int, b: int) -> Any:
        come = before[j, b]
        if instance.partial_inference:
            held = [m.carry[j, s, e] for s, e in own[j] if s <= b < e]
            return total(come) <= total(held) if come else pyo.Constraint.Skip
        carried = [m.carry[j, s, e] for s, e in own[j] if s == b]
        return total(come) == total(carried) if come or carried else pyo.Constraint.Skip

    model.sent_on = pyo.Constraint(model.nodes, pyo.RangeSet(1, layers), rule=out)
    model.come_in = pyo.Constraint(model.nodes, pyo.RangeSet(0, layers - 1), rule=into)
    if instance.partial_inference:
        model.kept = pyo.Constraint(
            model.nodes,
            rule=lambda m, j: (
                total([x for b in range(layers) for x in before[j, b]])
                == total([m.carry[j, s, e] for s, e in own[j]])
            ),
        )
    model.token = pyo.Constraint(expr=total(list(model.enter.values())) == 1)
    model.objective = pyo.Objective(expr=model.time)
    model.replicated = instance
    return stated(model, instance, "intervals")


def extract(model: Any) -> Placement:
    """Return the interval of each node that a solved model chose."""
    found = [NOTHING] * len(model.nodes)
    for i, first, end in model.choices:
        if (model.hold[i, first, end].value or 0.0) > 0.5:
            found[i] = (first, end)
    return tuple(found)


def start(model: Any, placement: Placement) -> None:
    """Set every variable to the value that the plan implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `interval_milp` builds it.
    placement : tuple of (int, int)
        The interval of each node.
    """
    instance = model.replicated
    flow = maximum_flow(instance, placement)
    share = 1.0 / flow.value if flow.value else 0.0
    for part in (model.hold, model.carry, model.send, model.enter, model.leave):
        for variable in part.values():
            variable.set_value(0)
    model.time.set_value(MILLISECONDS * capacities(instance).seconds(flow.value) if flow.value else 0.0)
    for i, (first, end) in enumerate(placement):
        if first < end:
            model.hold[i, first, end].set_value(1)
            model.carry[i, first, end].set_value(min(flow.through(i) * share, 1.0))
    for (i, j), units in flow.arcs.items():
        if i == SOURCE:
            model.enter[j].set_value(units * share)
        elif j == SINK:
            model.leave[i].set_value(units * share)
        else:
            model.send[i, j, placement[i][1]].set_value(units * share)


def tighten(model: Any, placement: Placement) -> bool:
    """Return False: a plan has no capacity to overload, it only carries less.

    Parameters
    ----------
    model : pyomo ConcreteModel
        Not changed.
    placement : tuple of (int, int)
        What a solver returned.
    """
    del model, placement
    return False
