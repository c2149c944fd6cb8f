"""Batch-aware throughput as a declarative MILP: one pipeline per choice, of which one is taken.

A choice is a batch size; with micro-batches in flight their number and a batch size, and its pipeline has one row more:
a micro-batch is back before its next token starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard import milp, rule_rows
from placewise.models.edgeshard.batch_placement import evaluate, parts_of, placement_with
from placewise.models.errors import NotApplicableError
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from placewise.models.edgeshard.batch_placement import BatchPlacement
    from placewise.models.edgeshard.batches import EdgeShardBatch

#: Pipelines side by side in one model.
MOST_CHOICES = 256


def batch_milp(instance: EdgeShardBatch) -> Any:
    """Return the model: the rows of `throughput_milp` per choice, which vanish unless it is taken.

    Parameters
    ----------
    instance : EdgeShardBatch
        N layers on M devices, B batch sizes, with numbers in flight or without.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Binaries ``choose[b]``, or ``choose[n,b]`` with n in flight, and a block ``pipeline`` for each; the objective is
        in milliseconds per token.

    Raises
    ------
    NotApplicableError
        With more than `MOST_CHOICES` choices.
    """
    import pyomo.environ as pyo

    choices = instance.choices or ((instance.counts[0], instance.batch_sizes[0]),)
    if len(choices) > MOST_CHOICES:
        raise NotApplicableError(
            f"the flow model takes up to {MOST_CHOICES} choices; there are {len(choices)}: state fewer in_flight"
        )
    for in_flight, size in choices:
        rule_rows.tables(
            instance.at(size, in_flight)
        )  # refuses times too far apart before Pyomo logs the refusal as its own error
    model = pyo.ConcreteModel(name=instance.name)
    model.batch_sizes = pyo.Set(
        initialize=[size if in_flight is None else (in_flight, size) for in_flight, size in choices]
    )
    model.choose = pyo.Var(model.batch_sizes, domain=pyo.Binary)
    model.one_batch_size = pyo.Constraint(expr=pyo.quicksum(model.choose.values()) == 1)
    model.pipeline = pyo.Block(model.batch_sizes)
    cost = []
    for in_flight, size in choices:
        key = size if in_flight is None else (in_flight, size)
        block, pipe = model.pipeline[key], instance.at(size, in_flight)
        milp.pipeline_rows(block, pipe, model.choose[key])
        if in_flight is None:
            cost.append(block.bottleneck / size)
            continue
        block.between_tokens = pyo.Var(domain=pyo.NonNegativeReals)
        block.periods = pyo.Constraint(expr=in_flight * block.bottleneck <= block.between_tokens)
        block.cycle = pyo.Constraint(expr=milp.round_trip(block, pipe) <= block.between_tokens)
        if instance.time_per_token_limit_s is not None:
            limit = instance.time_per_token_limit_s * MILLISECONDS
            block.time_per_token = pyo.Constraint(expr=block.between_tokens <= limit * model.choose[key])
        cost.append(block.between_tokens / (in_flight * size))
    model.objective = pyo.Objective(expr=pyo.quicksum(cost))
    return stated(model, instance, "flow")


def extract(model: Any) -> BatchPlacement:
    """Return the choice that a solved model took, with its pipeline."""
    key = max(model.batch_sizes, key=lambda key: model.choose[key].value or 0.0)
    return placement_with(*_choice(key), milp.extract(model.pipeline[key]))


def _choice(key: Any) -> tuple[int | None, int]:
    return (int(key[0]), int(key[1])) if isinstance(key, tuple) else (None, int(key))


def start(model: Any, placement: BatchPlacement) -> None:
    """Set every variable to the value that the placement implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `batch_milp` builds it.
    placement : tuple
        Number in flight where the instance has one, batch size, and the device of each layer.
    """
    in_flight, size, layers = parts_of(placement)
    for key in model.batch_sizes:
        taken = _choice(key) == (in_flight, size)
        block = model.pipeline[key]
        model.choose[key].set_value(int(taken))
        milp.start(block, layers if taken else None)
        if in_flight is not None:
            block.between_tokens.set_value(0.0)
            block.between_tokens.set_value(max(0.0, -block.periods.slack(), -block.cycle.slack()))


def tighten(model: Any, placement: BatchPlacement) -> bool:
    """Forbid what a solver's tolerance let through: an overload of the chosen pipeline, or one beyond the limit.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `batch_milp` builds it; it gets the cuts.
    placement : tuple
        What a solver returned: number in flight where the instance has one, batch size, and the device of each layer.

    Returns
    -------
    bool
        Whether a cut was added.
    """
    import pyomo.environ as pyo

    in_flight, size, layers = parts_of(placement)
    block = model.pipeline[size if in_flight is None else (in_flight, size)]
    if milp.tighten(block, layers):
        return True
    broken = {violation.constraint for violation in evaluate(model.stated_instance, placement).violations}
    if broken != {"time_per_token"}:
        return False
    block.cover.add(pyo.quicksum(block.assign[i, j] for i, j in enumerate(layers)) <= len(layers) - 1)
    return True
