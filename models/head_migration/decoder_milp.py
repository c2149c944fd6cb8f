"""A decoder of several layers as a declarative MILP in Pyomo: a block per layer, memory over all of them.

How many heads a device holds beside so many projections and networks is a small whole number, chosen by one-hot
variables: no byte stands in a row.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from placewise.models.head_migration.cost import heads_beside
from placewise.models.head_migration.milp import add_layer
from placewise.models.head_migration.milp_values import extract_layer, start_layer
from placewise.models.statement import stated

if TYPE_CHECKING:
    from placewise.models.head_migration.decoder import DecoderInstance, DecoderTrajectory


def decoder_milp(instance: DecoderInstance) -> Any:
    """Return the model over all layers and intervals.

    Parameters
    ----------
    instance : DecoderInstance
        H heads in each of L layers on M devices, T intervals.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Blocks ``layer[l]`` as in `horizon_milp`; binaries ``holds[t,j,p,f]``: device j, which does not hold all
        blocks, has p projections and f networks; the objective in milliseconds.
    """
    import pyomo.environ as pyo

    layer, number = instance.layer, range(instance.layers)
    model = pyo.ConcreteModel(name=instance.name)
    model.instance = instance
    model.layer = pyo.Block(number)
    terms = []
    for n in number:
        before = None if instance.initial is None else instance.initial[n]
        terms.append(add_layer(model.layer[n], layer, before, model.layer[n - 1] if n else None))
    model.intervals = pyo.RangeSet(0, instance.intervals - 1)
    model.devices = pyo.RangeSet(0, instance.cluster.size - 1)
    most = instance.layers
    pairs = list(product(range(most + 1), repeat=2))
    rooms = {
        (t, j, *pair): int(room)
        for t in model.intervals
        for pair in pairs
        for j, room in enumerate(heads_beside(layer, t, *pair))
    }
    # What holds all blocks has no limit.
    every = instance.layers * layer.transformer.units
    roomy = {(t, j) for t, j in product(model.intervals, model.devices) if rooms[t, j, most, most] >= every}
    limited = [key for key, room in rooms.items() if room >= 0 and key[:2] not in roomy]
    model.holds = pyo.Var(limited, domain=pyo.Binary)
    model.memory, model.one_holding = pyo.ConstraintList(), pyo.ConstraintList()
    model.projections, model.networks = pyo.ConstraintList(), pyo.ConstraintList()
    for t, j in product(model.intervals, model.devices):
        if (t, j) in roomy:
            continue
        chosen = {pair: model.holds[t, j, pair] for pair in pairs if (t, j, *pair) in model.holds}
        model.one_holding.add(pyo.quicksum(chosen.values()) <= 1)
        for rows, name, side in ((model.projections, "proj", 0), (model.networks, "ffn", 1)):
            there = pyo.quicksum(model.layer[n].component(name)[t, j] for n in number)
            rows.add(there == pyo.quicksum(pair[side] * variable for pair, variable in chosen.items()))
        heads = pyo.quicksum(model.layer[n].count[t, j] for n in number)
        limit = min(
            instance.layers * layer.transformer.units, max((rooms[t, j, *pair] for pair in chosen), default=0)
        )
        model.memory.add(
            heads <= pyo.quicksum(min(rooms[t, j, *pair], limit) * choice for pair, choice in chosen.items())
        )
    model.objective = pyo.Objective(expr=pyo.quicksum(terms))
    return stated(model, instance, "counts")


def extract(model: Any) -> DecoderTrajectory:
    """Return the trajectory in a solved model."""
    instance: DecoderInstance = model.instance
    layers = [
        extract_layer(
            model.layer[n], instance.layer, None if instance.initial is None else instance.initial[n]
        )
        for n in range(instance.layers)
    ]
    return tuple(zip(*layers, strict=True))


def start(model: Any, trajectory: DecoderTrajectory) -> None:
    """Set every variable to the value that the trajectory implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `decoder_milp` builds it.
    trajectory : tuple of tuple of Interval
        T intervals of N layers each.
    """
    instance: DecoderInstance = model.instance
    for n in range(instance.layers):
        before = None if instance.initial is None else instance.initial[n]
        sources = [now[n - 1].ffn for now in trajectory] if n else ()
        start_layer(model.layer[n], instance.layer, before, tuple(now[n] for now in trajectory), sources)
    for (t, j, p, f), variable in model.holds.items():
        there = [sum(getattr(part, kind) == j for part in trajectory[t]) for kind in ("proj", "ffn")]
        variable.set_value(int(there == [p, f]))


def tighten(model: Any, trajectory: DecoderTrajectory) -> bool:  # noqa: ARG001 - what a formulation has
    """Return False: memory rows are small whole numbers, which no tolerance blurs.

    Parameters
    ----------
    model : pyomo ConcreteModel
        Left as it is.
    trajectory : tuple of tuple of Interval
        Not looked at; T entries with one `Interval` per layer.
    """
    return False
