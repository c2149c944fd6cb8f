"""Graph throughput as a declarative MILP: devices are put in order by potentials, so that nothing is sent back."""

from __future__ import annotations

from graphlib import CycleError
from typing import TYPE_CHECKING, Any

from placewise.models.graph.cost import device_loads, loads
from placewise.models.graph.placement import device_order
from placewise.models.knapsack import largest_carry, small_rows
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphInstance, GraphThroughput
    from placewise.models.graph.placement import Placement


def potential_milp(instance: GraphThroughput) -> Any:
    """Return the model.

    Parameters
    ----------
    instance : GraphThroughput
        N nodes, M devices.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``assign[v,d]`` and ``before[d,e]``, positions ``potential[d]``, shares ``leaves[m,d]`` and
        ``comes[m,d]`` of messages; ``busiest`` in milliseconds is the objective.
    """
    import pyomo.environ as pyo

    size = instance.cluster.size
    model = pyo.ConcreteModel(name=instance.name)
    loads_ms = parts(model, instance)
    pairs = [(d, e) for d in range(size) for e in range(size) if d != e]
    model.pairs = pyo.Set(initialize=pairs, dimen=2)
    model.before = pyo.Var(model.pairs, domain=pyo.Binary)
    model.potential = pyo.Var(model.devices, bounds=(0, size - 1))
    model.busiest = pyo.Var(domain=pyo.NonNegativeReals)
    model.handed = pyo.Constraint(
        model.edges,
        model.pairs,
        rule=lambda m, u, v, d, e: m.assign[u, d] + m.assign[v, e] <= 1 + m.before[d, e],
    )
    model.in_order = pyo.Constraint(
        model.pairs,
        rule=lambda m, d, e: m.potential[e] - m.potential[d] >= 1 - size * (1 - m.before[d, e]),
    )
    model.loads = pyo.Constraint(model.devices, rule=lambda m, d: loads_ms[d] <= m.busiest)
    model.objective = pyo.Objective(expr=model.busiest)
    return stated(model, instance, "potentials")


def parts(model: Any, instance: GraphInstance) -> list[Any]:
    """Add a device for each node, the messages that leave and come, and memory; return the load of each device.

    Parameters
    ----------
    model : pyomo ConcreteModel
        Without any of it.
    instance : GraphInstance
        N nodes, M devices.

    Returns
    -------
    list of expression
        Milliseconds that each device computes, sends and gets.
    """
    import pyomo.environ as pyo

    times, size = loads(instance), instance.cluster.size
    to_ms = times.tick_s * MILLISECONDS
    free = set(instance.hosts)
    model.graph = instance
    model.nodes = pyo.RangeSet(0, len(instance.nodes) - 1)
    model.devices = pyo.RangeSet(0, size - 1)
    paid = [m for m, ticks in enumerate(times.message) if ticks]
    model.sent = pyo.Set(initialize=[(m, d) for m in paid for d in range(size) if d not in free], dimen=2)
    edges = sorted({(m.source, target) for m in instance.messages for target in m.targets})
    model.edges = pyo.Set(initialize=edges, dimen=2)
    model.assign = pyo.Var(model.nodes, model.devices, domain=pyo.Binary)
    model.leaves = pyo.Var(model.sent, bounds=(0, 1))
    model.comes = pyo.Var(model.sent, bounds=(0, 1))
    model.one_device = pyo.Constraint(
        model.nodes, rule=lambda m, v: pyo.quicksum(m.assign[v, d] for d in m.devices) == 1
    )
    ends = [(m, d, target) for m, d in model.sent for target in instance.messages[m].targets]
    model.ends = pyo.Set(initialize=ends, dimen=3)

    def difference(m: Any, k: int, d: int, target: int) -> tuple[Any, Any]:
        return m.assign[instance.messages[k].source, d], m.assign[target, d]

    def leaving(m: Any, k: int, d: int, target: int) -> Any:
        sender, receiver = difference(m, k, d, target)
        return m.leaves[k, d] >= sender - receiver

    def coming(m: Any, k: int, d: int, target: int) -> Any:
        sender, receiver = difference(m, k, d, target)
        return m.comes[k, d] >= receiver - sender

    model.leaving = pyo.Constraint(model.ends, rule=leaving)
    model.coming = pyo.Constraint(model.ends, rule=coming)
    _memory(model, instance)
    on: list[list[int]] = [[m for m, e in model.sent if e == d] for d in range(size)]
    return [
        pyo.quicksum(float(times.compute[v, d]) * to_ms * model.assign[v, d] for v in model.nodes)
        + pyo.quicksum(times.message[k] * to_ms * (model.leaves[k, d] + model.comes[k, d]) for k in on[d])
        for d in range(size)
    ]


def _memory(model: Any, instance: GraphInstance) -> None:
    """Add the rows of memory digit by digit, so that no tolerance hides a byte."""
    import pyomo.environ as pyo

    model.memory, model.carry = pyo.ConstraintList(), pyo.VarList(domain=pyo.NonNegativeIntegers)
    sizes = tuple(node.memory_bytes for node in instance.nodes)
    most = (1,) * len(sizes)
    for d in range(instance.cluster.size):
        carried, before = 0.0, 0  # type: Any, int
        for row in small_rows(sizes, int(instance.cluster.memory_bytes[d]), most):
            total = pyo.quicksum(size * model.assign[v, d] for v, size in enumerate(row.coefficients) if size)
            following = 0.0  # type: Any
            if row.base:
                before = largest_carry(row, before, most)
                following = model.carry.add()
                following.setub(before)
            used = total + carried - row.base * following
            if type(used) is float or type(used) is int:
                if used > row.limit:
                    model.memory.add(pyo.Constraint.Infeasible)
            else:
                model.memory.add(used <= row.limit)
            carried = following


def extract(model: Any) -> Placement:
    """Return the device of each node that a solved model chose."""
    return tuple(max(model.devices, key=lambda d: (model.assign[v, d].value or 0.0, -d)) for v in model.nodes)


def start(model: Any, placement: Placement) -> None:
    """Set every variable to the value that a placement implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `potential_milp` builds it.
    placement : tuple of int
        The device of each node.
    """
    instance: GraphThroughput = model.graph
    times = loads(instance)
    start_parts(model, placement)
    try:
        order = device_order(instance, placement)
    except CycleError:
        order = tuple(sorted(set(placement)))
    rest = [d for d in model.devices if d not in order]
    position = {d: at for at, d in enumerate((*order, *rest))}
    for d, variable in model.potential.items():
        variable.set_value(position[d])
    for (d, e), variable in model.before.items():
        variable.set_value(int(position[d] < position[e]))
    model.busiest.set_value(times.seconds(max(map(sum, device_loads(instance, placement)))) * MILLISECONDS)


def start_parts(model: Any, placement: Placement) -> None:
    """Set the variables of `parts` to the values that a placement implies.

    Parameters
    ----------
    model : pyomo ConcreteModel
        With what `parts` adds.
    placement : tuple of int
        The device of each node.
    """
    for (v, d), variable in model.assign.items():
        variable.set_value(int(placement[v] == d))
    for (k, d), variable in model.leaves.items():
        message = model.graph.messages[k]
        inside = [placement[target] == d for target in message.targets]
        variable.set_value(int(placement[message.source] == d and not all(inside)))
        model.comes[k, d].set_value(int(placement[message.source] != d and any(inside)))
    for variable in model.carry.values():
        variable.set_value(None)


def tighten(model: Any, placement: Placement) -> bool:
    """Return False: rows of memory are in small numbers, no tolerance hides an overload.

    Parameters
    ----------
    model : pyomo ConcreteModel
        Not changed.
    placement : tuple of int
        What a solver returned.
    """
    del model, placement
    return False
