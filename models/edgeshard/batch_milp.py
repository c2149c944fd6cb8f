"""Batch-aware throughput as a declarative MILP: one pipeline per batch size, of which one is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard import milp, rule_rows
from placewise.models.statement import stated

if TYPE_CHECKING:
    from placewise.models.edgeshard.batches import BatchPlacement, EdgeShardBatchInstance


def batch_milp(instance: EdgeShardBatchInstance) -> Any:
    """Return the model: the rows of `throughput_milp` per batch size, which vanish unless it is chosen.

    Parameters
    ----------
    instance : EdgeShardBatchInstance
        N layers on M devices, B batch sizes.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``choose[b]``, a block ``pipeline[b]``; the objective is in milliseconds per token.
    """
    import pyomo.environ as pyo

    for size in instance.batch_sizes:
        rule_rows.tables(
            instance.at(size)
        )  # refuses times too far apart before Pyomo logs the refusal as its own error
    model = pyo.ConcreteModel(name=instance.name)
    model.batch_sizes = pyo.Set(initialize=instance.batch_sizes)
    model.choose = pyo.Var(model.batch_sizes, domain=pyo.Binary)
    model.one_batch_size = pyo.Constraint(expr=pyo.quicksum(model.choose.values()) == 1)
    model.pipeline = pyo.Block(
        model.batch_sizes,
        rule=lambda block, size: milp.pipeline_rows(block, instance.at(size), model.choose[size]),
    )
    model.objective = pyo.Objective(
        expr=pyo.quicksum(model.pipeline[size].bottleneck / size for size in model.batch_sizes)
    )
    return stated(model, instance, "flow")


def extract(model: Any) -> BatchPlacement:
    """Return the batch size that a solved model chose, with its pipeline."""
    size = max(model.batch_sizes, key=lambda size: model.choose[size].value or 0.0)
    return int(size), milp.extract(model.pipeline[size])


def start(model: Any, placement: BatchPlacement) -> None:
    """Set every variable to the value that the placement implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `batch_milp` builds it.
    placement : (int, tuple of int)
        Batch size, and the device of each layer.
    """
    chosen, layers = placement
    for size in model.batch_sizes:
        model.choose[size].set_value(int(size == chosen))
        milp.start(model.pipeline[size], layers if size == chosen else None)


def tighten(model: Any, placement: BatchPlacement) -> bool:
    """Forbid an overload of the chosen pipeline that a solver's tolerance let through.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `batch_milp` builds it; it gets the cuts.
    placement : (int, tuple of int)
        What a solver returned: batch size, and the device of each layer.

    Returns
    -------
    bool
        Whether a cut was added.
    """
    chosen, layers = placement
    return milp.tighten(model.pipeline[chosen], layers)
