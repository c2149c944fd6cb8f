"""Graph latency as a declarative MILP: parts begin when all is there that they need, and ranks keep them in an order."""

from __future__ import annotations

from graphlib import CycleError
from typing import TYPE_CHECKING, Any

from placewise.models.graph.cost import horizon, loads
from placewise.models.graph.milp import parts, start_parts
from placewise.models.graph.timeline import blocks_of, floor_s, timeline
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphLatency
    from placewise.models.graph.placement import Placement


def rank_milp(instance: GraphLatency) -> Any:
    """Return the model.

    Parameters
    ----------
    instance : GraphLatency
        N nodes, M devices.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``assign[v,d]``, shares ``leaves[m,d]`` and ``comes[m,d]`` of messages, ``rank[v]`` and ``position[d]``,
        ``begin[d]`` of a device and ``done[v]`` of a node; ``last`` in milliseconds is the objective.
    """
    import pyomo.environ as pyo

    times, count = loads(instance), len(instance.nodes)
    to_ms = times.tick_s * MILLISECONDS
    model = pyo.ConcreteModel(name=instance.name)
    loads_ms = parts(model, instance)
    hosts = instance.hosts
    model.alone = pyo.Set(initialize=[d for d in model.devices if d not in hosts])
    model.rank = pyo.Var(model.nodes, bounds=(0, count - 1))
    model.position = pyo.Var(model.alone, bounds=(0, count - 1))
    horizon_ms = horizon(instance) * to_ms
    model.begin = pyo.Var(model.alone, bounds=(0, horizon_ms))
    model.done = pyo.Var(model.nodes, bounds=(0, horizon_ms))
    model.last = pyo.Var(domain=pyo.NonNegativeReals)

    def on_hosts(m: Any, v: int) -> Any:
        return pyo.quicksum(m.assign[v, h] for h in hosts)

    def takes(m: Any, v: int) -> Any:
        return pyo.quicksum(float(times.compute[v, h]) * to_ms * m.assign[v, h] for h in hosts)

    model.one_rank = pyo.Constraint(
        model.nodes,
        model.alone,
        rule=lambda m, v, d: m.rank[v] - m.position[d] <= (count - 1) * (1 - m.assign[v, d]),
    )
    model.no_other = pyo.Constraint(
        model.nodes,
        model.alone,
        rule=lambda m, v, d: m.position[d] - m.rank[v] <= (count - 1) * (1 - m.assign[v, d]),
    )
    model.handed = pyo.Constraint(
        model.edges,
        model.alone,
        rule=lambda m, u, v, d: m.rank[v] - m.rank[u] >= m.assign[u, d] - m.assign[v, d],
    )
    model.from_host = pyo.Constraint(
        model.edges, rule=lambda m, u, v: m.rank[v] - m.rank[u] >= on_hosts(m, u)
    )
    model.waits = pyo.Constraint(
        model.edges,
        model.alone,
        rule=lambda m, u, v, d: m.begin[d] >= m.done[u] - horizon_ms * (1 - m.assign[v, d] + m.assign[u, d]),
    )
    model.ends_with = pyo.Constraint(
        model.nodes,
        model.alone,
        rule=lambda m, v, d: m.done[v] >= m.begin[d] + loads_ms[d] - horizon_ms * (1 - m.assign[v, d]),
    )
    model.on_host = pyo.Constraint(model.nodes, rule=lambda m, v: m.done[v] >= takes(m, v))
    model.after = pyo.Constraint(model.edges, rule=lambda m, u, v: m.done[v] >= m.done[u] + takes(m, v))
    model.all_done = pyo.Constraint(model.nodes, rule=lambda m, v: m.last >= m.done[v])
    model.loads = pyo.Constraint(model.alone, rule=lambda m, d: m.last >= m.begin[d] + loads_ms[d])
    model.longest = pyo.Constraint(expr=model.last >= floor_s(instance) * MILLISECONDS)
    model.objective = pyo.Objective(expr=model.last)
    return stated(model, instance, "ranks")


def start(model: Any, placement: Placement) -> None:
    """Set every variable to the value that a placement implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `rank_milp` builds it.
    placement : tuple of int
        The device of each node.
    """
    instance: GraphLatency = model.graph
    start_parts(model, placement)
    try:
        found = timeline(instance, placement)
    except CycleError:
        return
    to_ms = loads(instance).tick_s * MILLISECONDS
    rank = {b: at for at, b in enumerate(found)}
    for v, b in enumerate(blocks_of(instance, placement)):
        model.rank[v].set_value(rank[b])
        model.done[v].set_value(found[b].done * to_ms)
    for d in model.alone:
        model.position[d].set_value(rank.get(d, 0))
        model.begin[d].set_value(found[d].start * to_ms if d in found else 0.0)
    model.last.set_value(max(block.done for block in found.values()) * to_ms)
