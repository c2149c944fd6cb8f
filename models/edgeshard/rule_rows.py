"""The rows of `placewise.models.edgeshard.rules` and of the token's way back, for all MILPs of the EdgeShard problems."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.cost import time_tables
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from placewise.models.edgeshard.cost import TimeTables
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.rules import Rules


def tables(instance: EdgeShardInstance) -> TimeTables:
    """Return times of layers and links; with a free source those of the first device's, whose return is its own.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    return time_tables(instance.at_source(0))


def layer_rows(model: Any, rules: Rules, chosen: Any = 1) -> None:
    """Add pins and layers per device to a model with ``assign``.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``layers``, ``devices`` and ``assign``.
    rules : Rules
        By indices.
    chosen : pyomo Var or 1
        Whether there is a placement at all.
    """
    import pyomo.environ as pyo

    size, count = len(model.devices), len(model.layers)
    least, most = rules.least(size), rules.most(size, count)
    hosted = {j: pyo.quicksum(model.assign[i, j] for i in model.layers) for j in model.devices}
    pinned = dict(rules.pinned)
    model.pinned = pyo.Constraint(sorted(pinned), rule=lambda m, i: m.assign[i, pinned[i]] == chosen)
    model.min_layers = pyo.Constraint(
        [j for j in model.devices if least[j]], rule=lambda _, j: hosted[j] >= int(least[j]) * chosen
    )
    model.max_layers = pyo.Constraint(
        [j for j in model.devices if most[j] < count], rule=lambda _, j: hosted[j] <= int(most[j])
    )


def contiguity(model: Any, instance: EdgeShardInstance, pairs: Any) -> None:
    """Add `one_run_each` where the rules ask for it.

    Parameters
    ----------
    model, instance, pairs
        As `one_run_each`; the instance has the rules.
    """
    if instance.rules.contiguous:
        one_run_each(model, pairs)


def one_run_each(model: Any, pairs: Any) -> None:
    """Let each device be entered once, and the one of layer 0 never.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``assign``.
    pairs : pyomo Var
        By ``(i, k, j)``: at least 1 where layer i-1 is on k and layer i on j.
    """
    import pyomo.environ as pyo

    entries: dict[int, list[Any]] = {}
    for (_, k, j), variable in pairs.items():
        if k != j:
            entries.setdefault(j, []).append(variable)
    model.contiguity = pyo.Constraint(
        sorted(entries), rule=lambda m, j: pyo.quicksum(entries[j]) <= 1 - m.assign[0, j]
    )


def token_ms(model: Any, instance: EdgeShardInstance, *, under_way: bool = False) -> Any:
    """Return the milliseconds of the token's way back (Eq. 6), which a missing link forbids.

    With a free source they depend on the devices of the last and of the first layer: ``back[k,j]``, a flow between the
    two.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``assign``; it gets the rows.
    instance : EdgeShardInstance
        N layers on M devices.
    under_way : bool
        How long the token is under way, in place of how long it occupies a link; of a model that may have these rows.
    """
    import pyomo.environ as pyo

    last = model.layers.last()

    def back_s(j: int) -> NDArray[np.float64]:
        costs = time_tables(instance.at_source(j))
        return costs.return_delay_s if under_way else costs.return_s

    if instance.source is None:
        if not instance.return_bytes:
            return 0.0
        return_s = {(k, j): float(back_s(j)[k]) for j in model.devices for k in model.devices}
        linked = [pair for pair, time_s in return_s.items() if isfinite(time_s)]
        if model.component("back") is None:
            model.back = pyo.Var(linked, domain=pyo.Binary)
            model.back_from = pyo.Constraint(
                model.devices,
                rule=lambda m, k: (
                    pyo.quicksum(m.back[pair] for pair in linked if pair[0] == k) == m.assign[last, k]
                ),
            )
            model.back_to = pyo.Constraint(
                model.devices,
                rule=lambda m, j: (
                    pyo.quicksum(m.back[pair] for pair in linked if pair[1] == j) == m.assign[0, j]
                ),
            )
        return pyo.quicksum(return_s[pair] * MILLISECONDS * model.back[pair] for pair in linked)
    token_s = back_s(instance.source)
    cut_off = [j for j in model.devices if not isfinite(token_s[j])]
    if model.component("no_return_link") is None:
        model.no_return_link = pyo.Constraint(cut_off, rule=lambda m, j: m.assign[last, j] == 0)
    reached = [j for j in model.devices if j not in cut_off]
    return pyo.quicksum(float(token_s[j]) * MILLISECONDS * model.assign[last, j] for j in reached)


def start(model: Any, placement: Sequence[int] | None) -> None:
    """Set the flow of `token_ms` to what a placement implies; to 0 for None.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``back``, or without.
    placement : sequence of int or None
        The device of each layer.
    """
    if model.component("back") is not None:
        for (k, j), variable in model.back.items():
            variable.set_value(int(placement is not None and (placement[-1], placement[0]) == (k, j)))
