"""DILEMMA as a declarative MILP in Pyomo, in milliseconds and whole storage units: a layered flow.

A node is a layer with its server and width, ``assign`` (``x_lib``); widths that are inadmissible or never needed have none (Eq. 6 and
7 are constants). ``flow[l,i,b,j]`` carries the pair of hosts of layers l and l+1 with the sender's width, which is all
that a transfer's cost depends on. As printed it also depends on whether both widths are equal, so there ``flow``
holds equal widths and ``free`` different ones, whose transfer costs nothing.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.dilemma.cost import delay_costs
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement


def delay_milp(instance: DilemmaInstance) -> Any:
    """Return the layered-flow model of Eq. 1 to 5 in the instance's mode.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``assign[l,i,b]`` and ``flow[l,i,b,j]``, as printed also ``free[l,i,b,j]``; ``objective``
        in milliseconds.
    """
    import pyomo.environ as pyo

    costs, size = delay_costs(instance), instance.cluster.size
    model = pyo.ConcreteModel(name=instance.name)
    model.layers = pyo.RangeSet(0, len(instance.layers) - 1)
    model.servers = pyo.RangeSet(0, size - 1)
    widths = {layer: costs.candidate[layer].nonzero()[0].tolist() for layer in model.layers}
    nodes = [(layer, i, b) for layer in model.layers for i in model.servers for b in widths[layer]]
    model.assign = pyo.Var(nodes, domain=pyo.Binary)
    model.nothing = pyo.Var(
        domain=pyo.Integers, bounds=(0, 0)
    )  # stands for the choices of a layer that has no admissible width
    model.one_server_and_width = pyo.Constraint(  # (2c)
        model.layers,
        rule=lambda m, layer: (
            pyo.quicksum(m.assign[layer, i, b] for i in m.servers for b in widths[layer]) + m.nothing == 1
        ),
    )
    arcs = [
        (layer, i, b, j)
        for layer, i, b in nodes
        if layer != model.layers.last()
        for j in model.servers
        if isfinite(costs.transfer_s(layer)[b, i, j])
    ]
    model.flow = pyo.Var(arcs, domain=pyo.Binary)
    if instance.printed:
        model.free = pyo.Var(arcs, domain=pyo.Binary)
    _conserve(instance, model, nodes, arcs)
    _limit(instance, model, nodes, widths)
    model.cover = pyo.ConstraintList()  # filled by `tighten`
    model.objective = pyo.Objective(
        expr=pyo.quicksum(float(costs.compute_s[node]) * MILLISECONDS * model.assign[node] for node in nodes)
        + pyo.quicksum(
            float(costs.transfer_s(layer)[b, i, j]) * MILLISECONDS * model.flow[layer, i, b, j]
            for layer, i, b, j in arcs
            if i != j
        )
    )
    model.need = {node: int(costs.storage[node[0], node[2]]) for node in nodes}
    model.space = {i: int(costs.capacity[i]) for i in model.servers}
    model.harm = {node: int(costs.error[node[0], node[2]]) for node in nodes}
    model.budget = costs.error_budget
    model.printed = instance.printed
    return model


def _conserve(instance: DilemmaInstance, model: Any, nodes: list[Any], arcs: list[Any]) -> None:
    """Flow leaves each node and enters each host; as printed, the next width is the same or another one."""
    import pyomo.environ as pyo

    printed = instance.printed
    leaving: dict[Any, list[Any]] = {}
    entering: dict[Any, list[Any]] = {}
    other: dict[Any, list[Any]] = {}
    for layer, i, b, j in arcs:
        kinds = [model.flow[layer, i, b, j], *([model.free[layer, i, b, j]] if printed else [])]
        leaving.setdefault((layer, i, b), []).extend(kinds)
        entering.setdefault((layer + 1, j), []).extend(kinds)
        other.setdefault((layer + 1, j, b), []).append(kinds[-1])
    last, assign = model.layers.last(), dict(model.assign.items())
    hosts: dict[Any, list[Any]] = {}
    for layer, j, b in nodes:
        hosts.setdefault((layer, j), []).append(model.assign[layer, j, b])
    model.flow_out = pyo.Constraint(
        [node for node in nodes if node[0] != last],
        rule=lambda m, *node: pyo.quicksum(leaving.get(node, [])) == m.assign[node],
    )
    model.flow_in = pyo.Constraint(
        [host for host in hosts if host[0] > 0],
        rule=lambda _, *host: pyo.quicksum(entering.get(host, [])) == pyo.quicksum(hosts[host]),
    )
    if printed:
        # (2f): what flows freely meets another width; paying where widths differ is never better.
        model.other_width = pyo.Constraint(
            list(other),
            rule=lambda _, layer, j, b: (
                pyo.quicksum(other[layer, j, b])
                <= pyo.quicksum(hosts.get((layer, j), [])) - assign.get((layer, j, b), 0)
            ),
        )


def _limit(instance: DilemmaInstance, model: Any, nodes: list[Any], widths: dict[int, list[int]]) -> None:
    """Add storage (2e), one layer per server as printed (2d), and the error budget (2g)."""
    import pyomo.environ as pyo

    costs = delay_costs(instance)
    if instance.printed:
        model.one_layer_per_server = pyo.Constraint(
            model.servers,
            rule=lambda m, i: (
                pyo.quicksum(m.assign[layer, i, b] for layer in m.layers for b in widths[layer]) <= 1
            ),
        )
        too_large = [node for node in nodes if costs.storage[node[0], node[2]] > costs.capacity[node[1]]]
        model.storage = pyo.Constraint(too_large, rule=lambda m, *node: m.assign[node] <= 0)
    else:
        model.storage = pyo.Constraint(
            model.servers,
            rule=lambda m, i: (
                pyo.quicksum(
                    int(costs.storage[layer, b]) * m.assign[layer, i, b]
                    for layer in m.layers
                    for b in widths[layer]
                )
                <= int(costs.capacity[i])
            ),
        )
    if costs.error_budget is not None:
        model.error_budget = pyo.Constraint(
            expr=pyo.quicksum(int(costs.error[layer, b]) * model.assign[layer, i, b] for layer, i, b in nodes)
            <= costs.error_budget
        )


def extract(model: Any) -> Placement:
    """Return the placement in a solved model: for each layer the server and width with the largest ``assign``."""
    best: dict[int, tuple[float, tuple[int, int]]] = {}
    for (layer, i, b), variable in model.assign.items():
        value = variable.value or 0.0
        if layer not in best or value > best[layer][0]:
            best[layer] = (value, (i, b))
    return tuple(best[layer][1] for layer in model.layers)


def start(model: Any, placement: Placement) -> None:
    """Set every variable to the value that the placement implies, as a warm start."""
    model.nothing.set_value(0)
    for (layer, i, b), variable in model.assign.items():
        variable.set_value(int(placement[layer] == (i, b)))
    for (layer, i, b, j), variable in model.flow.items():
        used = placement[layer] == (i, b) and placement[layer + 1][0] == j
        equal = placement[layer + 1][1] == b
        variable.set_value(int(used and (equal or not model.printed)))
        if model.printed:
            model.free[layer, i, b, j].set_value(int(used and not equal))


def tighten(model: Any, placement: Placement) -> bool:
    """Forbid what a solver's tolerance let through: an overloaded server or budget is a cover.

    Returns
    -------
    bool
        Whether a cut was added.
    """
    import pyomo.environ as pyo

    chosen = [(layer, i, b) for layer, (i, b) in enumerate(placement)]
    added = False
    covers = []
    if not model.printed:
        covers = [
            (model.need, [node for node in chosen if node[1] == i], space, {i})
            for i, space in model.space.items()
        ]
    if model.budget is not None:
        covers.append((model.harm, chosen, model.budget, set(model.servers)))
    for weight, nodes, limit, servers in covers:
        if sum(weight[node] for node in nodes) > limit:
            # Another width that weighs no less would overload just as well.
            least = {node[0]: weight[node] for node in nodes}
            heavy = [
                node
                for node in model.assign
                if node[0] in least and node[1] in servers and weight[node] >= least[node[0]]
            ]
            model.cover.add(pyo.quicksum(model.assign[node] for node in heavy) <= len(nodes) - 1)
            added = True
    return added
