"""Cumulative memory (Eq. 5) as rows of a declarative model, each shared tensor once per device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.memory import tensors_of
from placewise.models.units import common_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance


def memory_rows(model: Any, instance: EdgeShardInstance) -> None:
    """Add Eq. 5: a layer's own bytes, and those of a shared tensor wherever one of its layers is.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With ``layers``, ``devices`` and ``assign``; it gets ``holds[t,j]``: device j has tensor t.
    instance : EdgeShardInstance
        What it states.
    """
    import pyomo.environ as pyo

    tensors = tensors_of(instance)
    own = [int(need) for need in instance.memory_bytes]  # of tensors that are not really shared too
    for _, size, users in tensors:
        for i in users:
            own[i] -= size
    unit = common_unit([*own, *(tensor.size_bytes for tensor in tensors)])
    model.requirement = pyo.Param(model.layers, initialize=lambda _, i: own[i] // unit)
    model.tensors = pyo.RangeSet(0, len(tensors) - 1)
    model.tensor_requirement = pyo.Param(model.tensors, initialize=lambda _, t: tensors[t].size_bytes // unit)
    model.uses = pyo.Set(initialize=[(t, i) for t, tensor in enumerate(tensors) for i in tensor.users])
    model.holds = pyo.Var(model.tensors, model.devices, domain=pyo.Binary)
    model.tensor_held = pyo.Constraint(
        model.uses, model.devices, rule=lambda m, t, i, j: m.holds[t, j] >= m.assign[i, j]
    )
    model.budget = pyo.Param(
        model.devices, initialize=lambda _, j: int(instance.cluster.memory_bytes[j]) // unit
    )
    model.memory = pyo.Constraint(
        model.devices,
        rule=lambda m, j: (
            pyo.quicksum(m.requirement[i] * m.assign[i, j] for i in m.layers)
            + pyo.quicksum(m.tensor_requirement[t] * m.holds[t, j] for t in m.tensors)
            <= m.budget[j]
        ),
    )
    model.cover = pyo.ConstraintList()  # filled by `tighten`


def start_memory(model: Any, placement: Sequence[int] | None) -> None:
    """Set ``holds`` to the values that a placement implies, as a warm start; to 0 for None.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With the rows.
    placement : sequence of int or None
        The device of each layer.
    """
    held = set() if placement is None else {(t, placement[i]) for t, i in model.uses}
    for pair, variable in model.holds.items():
        variable.set_value(int(pair in held))


def overloaded(model: Any, placement: Sequence[int]) -> list[int]:
    """Return the devices whose layers need more than the rows allow.

    Parameters
    ----------
    model : pyomo ConcreteModel or Block
        With the rows.
    placement : sequence of int
        The device of each layer.
    """
    need = dict.fromkeys(model.devices, 0)
    for i in model.layers:
        need[placement[i]] += model.requirement[i]
    for t, j in {(t, placement[i]) for t, i in model.uses}:
        need[j] += model.tensor_requirement[t]
    return [j for j in model.devices if need[j] > model.budget[j]]
