"""Micro-batches in flight for CP-SAT: the row that brings each back before its next token starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.whole_times import finite_largest

if TYPE_CHECKING:
    from placewise.models.edgeshard.cost import TimeTables
    from placewise.models.edgeshard.pipeline_model import PipelineModel
    from placewise.models.whole_times import WholeTimes


@dataclass(frozen=True)
class Flight:
    """What micro-batches in flight ask of a pipeline.

    Parameters
    ----------
    number : int
        Of them.
    most_s : float
        Of pipelines with a longer time between two tokens of a sequence, the model need not have any; those that take
        longer by a unit of it are left out.
    """

    number: int
    most_s: float = inf


def delay_over(
    model: Any,
    costs: TimeTables,
    times: WholeTimes,
    flight: Flight,
    pair: tuple[int, int],
    arc: Any,
    first: Any = None,
) -> Any:
    """Return how long the message over a link is under way, 0 unless it is used, as an expression in units.

    Parameters
    ----------
    model : ortools CpModel
        Gets variables where messages differ.
    costs : TimeTables
        Of the pipeline.
    times : WholeTimes
        The unit.
    flight : Flight
        Caps what is too long anyway.
    pair : (int, int)
        Sender and receiver.
    arc : literal
        Whether the link is used.
    first : IntVar, optional
        The layer before which it is; all messages are of one size without it.
    """
    layers = 1 if first is None else len(costs.message) - 1
    delays_s = [float(costs.delay_s(i)[pair]) for i in range(layers)]
    units = [0, *(times.of(min(delay_s, flight.most_s)) for delay_s in delays_s), 0]
    if first is None or len(set(delays_s)) == 1:
        return units[1] * arc
    chosen, delay = (model.new_int_var(0, max(units), "") for _ in range(2))
    model.add_element(first, units, chosen)
    model.add(delay >= chosen).only_enforce_if(arc)
    return delay


def with_cycle(
    pipeline: PipelineModel,
    costs: TimeTables,
    flight: Flight,
    computed: Any,
    delayed: dict[tuple[int, int], Any],
    last: dict[int, Any],
) -> PipelineModel:
    """Return a pipeline's model that minimises the time between two tokens of a sequence: n periods, at least a round trip.

    Parameters
    ----------
    pipeline : PipelineModel
        Minimises the bottleneck.
    costs : TimeTables
        Of the same pipeline.
    flight : Flight
        How many micro-batches.
    computed : expression
        All compute times of a round, in the model's units.
    delayed : dict
        What each link adds to a round.
    last : dict
        Whether a device has the last layer.

    Returns
    -------
    PipelineModel
        The same model, which now has two rows and a variable more.
    """
    model, times, most = pipeline.cp_model, pipeline.times, flight.most_s
    back = sum(
        times.of(min(float(costs.return_delay_s[j]), most)) * literal
        for j, literal in last.items()
        if isfinite(costs.return_delay_s[j])
    )
    longest_s = costs.compute_s.max(axis=1).sum() + finite_largest(costs.return_delay_s)
    longest_s += sum(finite_largest(costs.delay_s(i)) for i in range(len(costs.message) - 1))
    between = model.new_int_var(0, times.of(min(flight.number * longest_s, most)), "between")
    model.add(flight.number * pipeline.objective <= between)
    model.add(computed + sum(delayed.values()) + back <= between)
    model.minimize(between)
    return replace(pipeline, objective=between)
