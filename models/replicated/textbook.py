"""Helix' MILP as its planner states it: first layers, numbers of layers, valid connections, flow.

Source: Mei, Zhuang, Miao, Yang, Jia and Vinayak (2025).

Its rows are those of the planner: ``e_i = s_i + sum_k k b_ik <= L``; a connection is valid where the receiver begins at
the sender's end (with partial inference: where it holds the next layer), from the source where it begins at 0, to the
sink where it ends at L; flow is kept at nodes, is at most ``sum_k T(k) b_ik`` there and the link's capacity on valid
connections. Two things are said otherwise: the time per token is minimised in place of the flow that is its inverse, so
that flows are shares of a token and ``b_ik`` times the time is linearised; and a node may hold nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.replicated.cost import capacities
from placewise.models.replicated.flow import SINK, SOURCE, maximum_flow
from placewise.models.replicated.placement import NOTHING
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement


def helix_milp(instance: ReplicatedThroughput) -> Any:
    """Return Helix' model.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes, L layers; with or without partial inference.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Integers ``first[i]``, binaries ``layers[i,k]`` and ``valid[i,j]``, shares ``flow[i,j]`` of a token, from -1 (the
        source) and to -2 (the sink); ``time`` in milliseconds per token is the objective.
    """
    import pyomo.environ as pyo

    costs, size, count = capacities(instance), instance.cluster.size, instance.layers
    per_ms = costs.unit / MILLISECONDS
    capacity = {(SOURCE, i): int(costs.source[i]) for i in range(size)}
    capacity |= {(i, SINK): int(costs.sink[i]) for i in range(size) if costs.sink[i]}
    capacity |= {(int(i), int(j)): int(costs.link[i, j]) for i, j in np.argwhere(costs.link > 0)}
    model = pyo.ConcreteModel(name=instance.name)
    model.nodes = pyo.RangeSet(0, size - 1)
    sizes = [(i, k) for i in range(size) for k in range(1, instance.most_layers(i) + 1)]
    model.sizes = pyo.Set(initialize=sizes, dimen=2)
    model.connections = pyo.Set(initialize=list(capacity), dimen=2)
    model.time = pyo.Var(domain=pyo.NonNegativeReals)
    model.first = pyo.Var(model.nodes, domain=pyo.Integers, bounds=(0, count))
    model.layers = pyo.Var(model.sizes, domain=pyo.Binary)
    model.time_of = pyo.Var(model.sizes, domain=pyo.NonNegativeReals)
    model.valid = pyo.Var(model.connections, domain=pyo.Binary)
    model.flow = pyo.Var(model.connections, bounds=(0, 1))
    own = {i: [k for node, k in sizes if node == i] for i in range(size)}
    end = {i: model.first[i] + pyo.quicksum(k * model.layers[i, k] for k in own[i]) for i in range(size)}
    into: dict[int, list[Any]] = {i: [] for i in (SINK, *range(size))}
    out: dict[int, list[Any]] = {i: [] for i in (SOURCE, *range(size))}
    for i, j in capacity:
        out[i].append(model.flow[i, j])
        into[j].append(model.flow[i, j])

    model.one_size = pyo.Constraint(
        model.nodes,
        rule=lambda m, i: (
            pyo.quicksum(m.layers[i, k] for k in own[i]) <= 1 if own[i] else pyo.Constraint.Skip
        ),
    )
    model.fits = pyo.Constraint(model.nodes, rule=lambda _, i: end[i] <= count)
    model.kept = pyo.Constraint(
        model.nodes,
        rule=lambda _, i: (
            pyo.quicksum(into[i]) == pyo.quicksum(out[i]) if into[i] or out[i] else pyo.Constraint.Skip
        ),
    )
    model.time_at_most = pyo.Constraint(model.sizes, rule=lambda m, i, k: m.time_of[i, k] <= m.time)
    # More time than a whole token takes helps no node, so no large constant is needed.
    model.time_if_held = pyo.Constraint(
        model.sizes, rule=lambda m, i, k: costs.node[i][k - 1] * per_ms * m.time_of[i, k] <= m.layers[i, k]
    )
    model.speed = pyo.Constraint(
        model.nodes,
        rule=lambda m, i: (
            pyo.quicksum(into[i])
            <= pyo.quicksum(costs.node[i][k - 1] * per_ms * m.time_of[i, k] for k in own[i])
            if into[i]
            else pyo.Constraint.Skip
        ),
    )
    model.link_speed = pyo.Constraint(
        model.connections, rule=lambda m, i, j: m.flow[i, j] <= capacity[i, j] * per_ms * m.time
    )
    model.only_valid = pyo.Constraint(model.connections, rule=lambda m, i, j: m.flow[i, j] <= m.valid[i, j])

    def not_before(m: Any, i: int, j: int) -> Any:
        if j == SINK:
            return end[i] >= count * m.valid[i, j]
        if i == SOURCE:
            return m.first[j] <= count * (1 - m.valid[i, j])
        return m.first[j] - end[i] <= count * (1 - m.valid[i, j])

    def not_after(m: Any, i: int, j: int) -> Any:
        if i == SOURCE or j == SINK:
            return pyo.Constraint.Skip
        if instance.partial_inference:
            return end[i] + 1 - end[j] <= (count + 1) * (1 - m.valid[i, j])
        return end[i] - m.first[j] <= count * (1 - m.valid[i, j])

    model.not_before = pyo.Constraint(model.connections, rule=not_before)
    model.not_after = pyo.Constraint(model.connections, rule=not_after)
    model.token = pyo.Constraint(expr=pyo.quicksum(out[SOURCE]) == 1)
    model.objective = pyo.Objective(expr=model.time)
    model.replicated = instance
    return stated(model, instance, "textbook")


def extract(model: Any) -> Placement:
    """Return the interval of each node that a solved model chose."""
    found = [NOTHING] * len(model.nodes)
    for i, k in model.sizes:
        if (model.layers[i, k].value or 0.0) > 0.5:
            first = round(model.first[i].value or 0.0)
            found[i] = (first, first + k)
    return tuple(found)


def start(model: Any, placement: Placement) -> None:
    """Set every variable to the value that the plan implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `helix_milp` builds it.
    placement : tuple of (int, int)
        The interval of each node.
    """
    instance = model.replicated
    flow = maximum_flow(instance, placement)
    costs = capacities(instance)
    time_ms = MILLISECONDS * costs.seconds(flow.value) if flow.value else 0.0
    model.time.set_value(time_ms)
    for i, (first, _) in enumerate(placement):
        model.first[i].set_value(first)
    for i, k in model.sizes:
        held = placement[i][1] - placement[i][0] == k
        model.layers[i, k].set_value(int(held))
        whole_ms = MILLISECONDS * costs.seconds(costs.node[i][k - 1])
        model.time_of[i, k].set_value(min(time_ms, whole_ms) if held else 0.0)
    for pair in model.connections:
        units = flow.arcs.get(pair, 0)
        model.flow[pair].set_value(units / flow.value if flow.value else 0.0)
        model.valid[pair].set_value(int(units > 0))
