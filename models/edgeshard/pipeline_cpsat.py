"""The throughput problem for CP-SAT: a circuit through the stages' devices, each visited once.

Two statements on one circuit: with a count of equal layers per device, and with the first layer and the end of each
stage, which takes any layers. All numbers are integers: the ticks of `evaluate_throughput` (see `whole_times`), and
memory as the layers that fit, which says exactly what the bytes say.

Source: the circuit constraint, Laurière (1978).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.cpsat import count_rows
from placewise.models.edgeshard.memory import (
    bytes_beside_first,
    furthest_ends,
    require_shared_with_first,
    units_that_fit,
)
from placewise.models.edgeshard.pipeline_cycle import delay_over, with_cycle
from placewise.models.edgeshard.pipeline_model import PipelineModel
from placewise.models.edgeshard.runs import require_equal_block, require_no_pins
from placewise.models.problem import Guarantee
from placewise.models.time_range import require_whole_numbers
from placewise.models.whole_times import finite_largest, wanted, whole_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard.cost import TimeTables
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.pipeline_cycle import Flight
    from placewise.models.whole_times import WholeTimes


def run_length_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for equal layers; raise `NotApplicableError` for others, pins, and times too far apart."""
    require_equal_block(instance)
    require_shared_with_first(instance)
    require_no_pins(instance)
    require_whole_numbers(time_tables(instance).whole_numbers)
    return Guarantee.EXACT


def stages_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for any layers; raise `NotApplicableError` for times too far apart."""
    require_whole_numbers(time_tables(instance).whole_numbers)
    return Guarantee.EXACT


def throughput_run_length(
    instance: EdgeShardInstance, cap_s: float = inf, flight: Flight | None = None
) -> PipelineModel:
    """Return the model on counts, for an instance whose layers 1..N-2 are equal.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    cap_s : float
        Of pipelines with a longer bottleneck, the model need not have any.
    flight : Flight, optional
        How many micro-batches are in flight; the pipeline is full whatever it takes without it.

    Raises
    ------
    NotApplicableError
        When the layers are not equal.
    """
    require_equal_block(instance)
    costs, total = time_tables(instance), len(instance.layers)
    require_whole_numbers(costs.whole_numbers)
    model, arcs, last, used = _circuit(instance, costs)
    devices, source = range(instance.cluster.size), instance.source_index
    memory = bytes_beside_first(instance)
    times, ticks, bottleneck = _bottleneck(instance, costs, model, cap_s, flight)
    computed = 0
    count = {j: model.new_int_var(0, total, f"count[{j}]") for j in devices}
    model.add(sum(count.values()) == total)
    count_rows(model, instance, count)
    inner = min(1, total - 1)
    for j in devices:
        first = int(j == source)
        tail = last[j] if total > 1 else 0
        block = count[j] - first - tail  # equal layers of the stage
        model.add(block >= 0).only_enforce_if(used[j])
        model.add(count[j] == 0).only_enforce_if(~used[j])
        model.add(count[j] >= 1).only_enforce_if(used[j])
        space = int(instance.cluster.memory_bytes[j]) - int(memory[0, j]) * first
        alone, with_last = (
            units_that_fit(room, int(memory[inner, j]), total) for room in (space, space - int(memory[-1, j]))
        )
        if total > 1 and with_last < 0:
            model.add(last[j] == 0)
        model.add(block <= alone - (alone - max(with_last, 0)) * tail)
        stage = int(ticks[inner, j]) * block + int(ticks[0, j]) * first + int(ticks[-1, j]) * tail
        model.add(stage <= bottleneck).only_enforce_if(used[j])
        computed += stage
    for (k, j), arc in arcs.items():
        _within(
            model, bottleneck, times.of(costs.transfer_s(0)[k, j]), arc, costs.transfer_s(0)[k, j] > cap_s
        )
    finished = _finished(instance, costs, times, model, bottleneck, arcs, count, last, cap_s)
    if flight is None:
        return finished
    delayed = {pair: delay_over(model, costs, times, flight, pair, arc) for pair, arc in arcs.items()}
    return with_cycle(finished, costs, flight, computed, delayed, last)


def throughput_stages(
    instance: EdgeShardInstance, cap_s: float = inf, flight: Flight | None = None
) -> PipelineModel:
    """Return the model on first layers and ends, for any layers: sums over a stage are differences of elements.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    cap_s : float
        Of pipelines with a longer bottleneck, the model need not have any.
    flight : Flight, optional
        How many micro-batches are in flight; the pipeline is full whatever it takes without it.
    """
    costs, total = time_tables(instance), len(instance.layers)
    require_whole_numbers(costs.whole_numbers)
    model, arcs, last, used = _circuit(instance, costs)
    devices, source = range(instance.cluster.size), instance.source_index
    times, ticks, bottleneck = _bottleneck(instance, costs, model, cap_s, flight)
    computed, delayed = 0, {}
    time_before = np.vstack([np.zeros(len(devices), dtype=np.int64), np.cumsum(ticks, axis=0)])
    furthest = furthest_ends(instance)
    first = {j: model.new_int_var(0, total, f"first[{j}]") for j in devices}
    end = {j: model.new_int_var(0, total, f"end[{j}]") for j in devices}
    model.add(first[source] == 0)
    for j in devices:
        model.add(first[j] == end[j]).only_enforce_if(~used[j])
        model.add(first[j] < end[j]).only_enforce_if(used[j])
        model.add(end[j] == total).only_enforce_if(last[j])
        reach = furthest[:, j].tolist()
        till = model.new_int_var(0, total, "")
        model.add_element(first[j], reach, till)
        model.add(end[j] <= till)
        model.add(end[j] - first[j] <= max(most - i for i, most in enumerate(reach)))  # implied, linear
        before = time_before[:, j].tolist()
        at_end, at_first = (model.new_int_var(0, before[-1], "") for _ in range(2))
        model.add_element(end[j], before, at_end)
        model.add_element(first[j], before, at_first)
        model.add(at_end - at_first <= bottleneck)
        computed += at_end - at_first
        # Implied, and what the linear relaxation sees of the elements: each layer takes at least the least.
        model.add(min(after - here for here, after in pairwise(before)) * (end[j] - first[j]) <= bottleneck)
    model.add(sum(end[j] - first[j] for j in devices) == total)
    count_rows(model, instance, {j: end[j] - first[j] for j in devices})
    for layer, device in instance.rules.pinned:
        model.add(first[int(device)] <= layer)
        model.add(end[int(device)] > layer)
    for (k, j), arc in arcs.items():
        model.add(first[j] == end[k]).only_enforce_if(arc)
        hops_s = [float(costs.transfer_s(i)[k, j]) for i in range(total - 1)]
        if len(set(hops_s)) == 1:
            _within(model, bottleneck, times.of(hops_s[0]), arc, hops_s[0] > cap_s)
        else:
            units = [0, *(times.of(min(hop_s, cap_s)) + (hop_s > cap_s) for hop_s in hops_s), 0]
            hop = model.new_int_var(0, max(units), "")
            model.add_element(first[j], units, hop)
            model.add(hop <= bottleneck).only_enforce_if(arc)
        if flight is not None:
            delayed[k, j] = delay_over(model, costs, times, flight, (k, j), arc, first[j])
    count = {j: end[j] - first[j] for j in devices}
    finished = _finished(instance, costs, times, model, bottleneck, arcs, count, last, cap_s)
    finished = replace(finished, spans={j: (first[j], end[j]) for j in devices})
    return finished if flight is None else with_cycle(finished, costs, flight, computed, delayed, last)


def _circuit(
    instance: EdgeShardInstance, costs: TimeTables
) -> tuple[Any, dict[Any, Any], dict[int, Any], dict[int, Any]]:
    """Return a model with the chain of used devices, from the source to the last one; links exist or do not."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    devices, source, depot = range(instance.cluster.size), instance.source_index, instance.cluster.size
    used = {j: model.new_bool_var(f"used[{j}]") for j in devices}
    last = {j: model.new_bool_var(f"last[{j}]") for j in devices}
    linked = np.isfinite(costs.messages_s[0])
    arcs = {
        (k, j): model.new_bool_var(f"arc[{k},{j}]")
        for k in devices
        for j in devices
        if j not in (k, source) and linked[k, j] and len(instance.layers) > 1
    }
    circuit: list[tuple[int, int, Any]] = [(depot, source, True)]
    circuit += [(k, j, arc) for (k, j), arc in arcs.items()]
    circuit += [(j, depot, last[j]) for j in devices]
    circuit += [(j, j, ~used[j]) for j in devices if j != source]
    model.add_circuit(circuit)
    model.add(used[source] == 1)
    return model, arcs, last, used


def _bottleneck(
    instance: EdgeShardInstance, costs: TimeTables, model: Any, cap_s: float, flight: Flight | None
) -> tuple[WholeTimes, NDArray[np.int64], Any]:
    """Return the unit of times, compute times in it, and the objective's variable.

    A layer that alone takes longer than the cap takes just longer than it.
    """
    hops_s = [costs.transfer_s(i) for i in range(len(instance.layers) - 1)]
    compute_s = np.minimum(costs.compute_s, cap_s)
    longest_s = max(
        float(compute_s.sum(axis=0).max()),
        *(finite_largest(table, cap_s) for table in (*hops_s, costs.return_s)),
    )
    unlike = len(set(costs.message[:-1].tolist())) > 1
    total_s = 2 * float(compute_s.sum()) + longest_s  # two elements per device
    total_s += instance.cluster.size**2 * longest_s if unlike else 0.0
    tables = [costs.compute_s, *hops_s, costs.return_s]
    if flight is not None:
        delays_s = [costs.delay_s(i) for i in range(len(instance.layers) - 1)]
        tables += [*delays_s, costs.return_delay_s]
        slowest_s = max(finite_largest(table, flight.most_s) for table in (*delays_s, costs.return_delay_s))
        total_s = (flight.number + 1) * total_s + (instance.cluster.size + 1) ** (1 + unlike) * slowest_s
    times = whole_times(costs.tick_s, total_s, () if isfinite(cap_s) else tables)
    ticks = (compute_s / costs.tick_s).astype(np.int64) // times.ticks + (costs.compute_s > cap_s)
    most = times.of(min(longest_s, cap_s))
    return times, ticks, model.new_int_var(0, most, "bottleneck")


def _within(model: Any, bottleneck: Any, units: int, literal: Any, excluded: bool) -> None:
    """Bound the bottleneck by a time that a literal stands for."""
    if excluded:
        model.add(literal == 0)
    else:
        model.add(units * literal <= bottleneck)


def _finished(
    instance: EdgeShardInstance,
    costs: TimeTables,
    times: WholeTimes,
    model: Any,
    bottleneck: Any,
    arcs: dict[tuple[int, int], Any],
    count: dict[int, Any],
    last: dict[int, Any],
    cap_s: float,
) -> PipelineModel:
    for j, literal in last.items():
        return_s = float(costs.return_s[j])
        wanted_s = return_s if wanted(return_s, cap_s) else 0.0
        _within(model, bottleneck, times.of(wanted_s), literal, not wanted(return_s, cap_s))
    model.minimize(bottleneck)
    return PipelineModel(instance, model, bottleneck, times, arcs, count)
