"""Both problems as declarative MILPs in Pyomo, in milliseconds and whole memory units.

Two statements of the latency problem: the paper's, with each product of two binaries linearised, and a layered
flow, whose linear relaxation is far stronger; the throughput problem on the same flow. All name their variables ``assign`` (``X_ij``), so that one
`extract` serves them. Constraint names follow the paper's equations: an LP dump reads like Section IV.

Sources: Zhang, Cao, Shen and Cui (2024); products of binaries, Glover and Woolsey (1974); covers, Balas (1975), Wolsey
(1975), added where a solution needs them, Crowder, Johnson and Padberg (1983).
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard import rule_rows
from placewise.models.edgeshard.memory_rows import memory_rows, overloaded, start_memory
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement


def latency_milp(instance: EdgeShardInstance) -> Any:
    """Return the layered-flow model: Eq. 1-6 with one flow variable per stage and pair of devices.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``assign[i,j]`` (N M of them) and ``flow[i,k,j]`` = layer i-1 on k and layer i on j
        (at most (N-1) M^2); ``objective`` in milliseconds.
    """
    import pyomo.environ as pyo

    model = pyo.ConcreteModel(name=instance.name)
    _layered_flow(model, instance)
    rule_rows.contiguity(model, instance, model.flow)
    _minimise_latency(model, instance, model.flow.items())
    return stated(model, instance, "flow")


def throughput_milp(instance: EdgeShardInstance) -> Any:
    """Return the pipeline's model: Eq. 9-13 on the layered flow, each device entered once.

    The bottleneck is at least each device's compute sum and each stage's one transfer: no big-M anywhere, since a
    stage uses one arc.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.

    Returns
    -------
    pyomo.environ.ConcreteModel
        The variables of `latency_milp` and ``bottleneck`` in milliseconds, the objective.
    """
    import pyomo.environ as pyo

    model = pyo.ConcreteModel(name=instance.name)
    pipeline_rows(model, instance)
    model.objective = pyo.Objective(expr=model.bottleneck)
    return stated(model, instance, "flow")


def pipeline_rows(model: Any, instance: EdgeShardInstance, chosen: Any = 1) -> None:
    """Add the pipeline's variables and constraints to a model or block; where ``chosen`` is 0, all of them are 0.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        What gets them; times in milliseconds.
    instance : EdgeShardInstance
        The pipeline's layers and devices.
    chosen : pyomo Var or 1
        Binary: whether there is this pipeline at all.
    """
    import pyomo.environ as pyo

    _layered_flow(model, instance, chosen)
    costs = rule_rows.tables(instance)
    transfers: dict[int, list[Any]] = {}
    for (i, k, j), variable in model.flow.items():
        if k != j:
            transfers.setdefault(i, []).append(float(costs.transfer_s(i - 1)[k, j]) * MILLISECONDS * variable)
    rule_rows.one_run_each(model, model.flow)
    model.bottleneck = pyo.Var(domain=pyo.NonNegativeReals)
    model.stage_compute = pyo.Constraint(
        model.devices,
        rule=lambda m, j: (
            pyo.quicksum(float(costs.compute_s[i, j]) * MILLISECONDS * m.assign[i, j] for i in m.layers)
            <= m.bottleneck
        ),
    )
    model.stage_transfer = pyo.Constraint(
        sorted(transfers), rule=lambda m, i: pyo.quicksum(transfers[i]) <= m.bottleneck
    )
    model.stage_return = pyo.Constraint(expr=rule_rows.token_ms(model, instance) <= model.bottleneck)


def _layered_flow(model: Any, instance: EdgeShardInstance, chosen: Any = 1) -> None:
    """Add assignment, privacy and memory with the flow between consecutive layers, over existing links."""
    import pyomo.environ as pyo

    _assignment(model, instance, chosen)
    costs = rule_rows.tables(instance)
    arcs = [
        (i, k, j)
        for i in model.stages
        for k in model.devices
        for j in model.devices
        if isfinite(costs.transfer_s(i - 1)[k, j])
    ]
    model.flow = pyo.Var(arcs, domain=pyo.Binary)
    leaving: dict[tuple[int, int], list[Any]] = {}
    entering: dict[tuple[int, int], list[Any]] = {}
    for i, k, j in arcs:
        leaving.setdefault((i, k), []).append(model.flow[i, k, j])
        entering.setdefault((i, j), []).append(model.flow[i, k, j])
    model.flow_out = pyo.Constraint(
        model.stages, model.devices, rule=lambda m, i, k: pyo.quicksum(leaving[i, k]) == m.assign[i - 1, k]
    )
    model.flow_in = pyo.Constraint(
        model.stages, model.devices, rule=lambda m, i, j: pyo.quicksum(entering[i, j]) == m.assign[i, j]
    )


def latency_textbook(instance: EdgeShardInstance) -> Any:
    """Return the paper's quadratic statement (Eq. 2-5) with each product ``X_(i-1),k X_ij`` linearised.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices; meant for small ones, since the relaxation is weak.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``assign[i,j]`` and ``both[i,k,j] >= assign[i-1,k] + assign[i,j] - 1``.
    """
    import pyomo.environ as pyo

    model = pyo.ConcreteModel(name=instance.name)
    _assignment(model, instance)
    costs = rule_rows.tables(instance)
    pairs = [(i, k, j) for i in model.stages for k in model.devices for j in model.devices if k != j]
    linked = [(i, k, j) for i, k, j in pairs if isfinite(costs.transfer_s(i - 1)[k, j])]
    unlinked = sorted(set(pairs) - set(linked))
    model.both = pyo.Var(linked, domain=pyo.Binary)
    model.product = pyo.Constraint(
        linked, rule=lambda m, i, k, j: m.both[i, k, j] >= m.assign[i - 1, k] + m.assign[i, j] - 1
    )
    model.no_link = pyo.Constraint(unlinked, rule=lambda m, i, k, j: m.assign[i - 1, k] + m.assign[i, j] <= 1)
    rule_rows.contiguity(model, instance, model.both)
    _minimise_latency(model, instance, ((pair, model.both[pair]) for pair in linked))
    return stated(model, instance, "textbook")


def _assignment(model: Any, instance: EdgeShardInstance, chosen: Any = 1) -> None:
    """Add what all statements share: assignment, privacy (Eq. 4), cumulative memory (Eq. 5)."""
    import pyomo.environ as pyo

    count = len(instance.layers)
    model.layers = pyo.RangeSet(0, count - 1)
    model.stages = pyo.RangeSet(1, count - 1)
    model.devices = pyo.RangeSet(0, instance.cluster.size - 1)
    model.assign = pyo.Var(model.layers, model.devices, domain=pyo.Binary)
    model.one_device_per_layer = pyo.Constraint(
        model.layers, rule=lambda m, i: pyo.quicksum(m.assign[i, j] for j in m.devices) == chosen
    )
    if instance.source is not None:
        model.privacy = pyo.Constraint(expr=model.assign[0, instance.source] == chosen)
    rule_rows.layer_rows(model, instance.rules, chosen)
    memory_rows(model, instance)


def _minimise_latency(model: Any, instance: EdgeShardInstance, transfers: Any) -> None:
    """Add the objective: Eq. 2 and the return trip of Eq. 6, which a missing link forbids."""
    import pyomo.environ as pyo

    model.objective = pyo.Objective(expr=_waited(model, instance, transfers))


def round_trip(model: Any, instance: EdgeShardInstance) -> Any:
    """Return what a token waits for in a pipeline's model, in milliseconds: computation, messages, the way back.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With the rows of `pipeline_rows`.
    instance : EdgeShardInstance
        The pipeline's layers and devices.
    """
    return _waited(model, instance, model.flow.items())


def _waited(model: Any, instance: EdgeShardInstance, transfers: Any) -> Any:
    import pyomo.environ as pyo

    costs = rule_rows.tables(instance)
    compute = pyo.quicksum(
        float(costs.compute_s[i, j]) * MILLISECONDS * model.assign[i, j]
        for i in model.layers
        for j in model.devices
    )
    communication = pyo.quicksum(
        float(costs.delay_s(i - 1)[k, j]) * MILLISECONDS * variable
        for (i, k, j), variable in transfers
        if k != j
    )
    return compute + communication + rule_rows.token_ms(model, instance, under_way=True)


def extract(model: Any) -> Placement:
    """Return the placement in a solved model: for each layer the device with the largest ``assign``."""
    return tuple(max(model.devices, key=lambda j: model.assign[i, j].value or 0.0) for i in model.layers)


def start(model: Any, placement: Sequence[int] | None) -> None:
    """Set every variable to the value that the placement implies, as a warm start; to 0 for None.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        Any of this module's.
    placement : sequence of int or None
        The device of each layer.
    """
    for (i, j), variable in model.assign.items():
        variable.set_value(int(placement is not None and placement[i] == j))
    start_memory(model, placement)
    for products in (model.component("flow"), model.component("both")):
        for (i, k, j), variable in () if products is None else products.items():
            variable.set_value(int(placement is not None and placement[i - 1] == k and placement[i] == j))
    rule_rows.start(model, placement)
    if model.component("bottleneck") is not None:
        model.bottleneck.set_value(0.0)
        rows = (*model.stage_compute.values(), *model.stage_transfer.values(), model.stage_return)
        model.bottleneck.set_value(max(0.0, *(-row.slack() for row in rows)))


def tighten(model: Any, placement: Sequence[int]) -> bool:
    """Forbid overloads that a solver's tolerance let through: the layers on a device form a cover.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        Any of this module's; it gets the cuts.
    placement : sequence of int
        What a solver returned: the device of each layer.

    Returns
    -------
    bool
        Whether a cut was added.
    """
    import pyomo.environ as pyo

    added = False
    for j in overloaded(model, placement):
        layers = [i for i in model.layers if placement[i] == j]
        model.cover.add(pyo.quicksum(model.assign[i, j] for i in layers) <= len(layers) - 1)
        added = True
    return added
