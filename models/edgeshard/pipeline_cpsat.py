"""The throughput problem for CP-SAT: a circuit through the stages' devices, each visited once.

Two statements on one circuit: with a count of equal layers per device, and with the first layer and the end of each
stage, which takes any layers. All numbers are integers: ticks and bytes, exactly those of `evaluate_throughput`.

Source: the circuit constraint, Laurière (1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.runs import require_equal_block
from placewise.models.problem import Guarantee
from placewise.models.time_range import require_whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard.cost import TimeTables
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement


@dataclass(frozen=True)
class PipelineModel:
    """A CP-SAT model of a pipeline with the way back to a placement.

    Parameters
    ----------
    cp_model, bottleneck : ortools CpModel, IntVar
        Minimises the bottleneck.
    tick_s : float
        Seconds per unit of it, a multiple of the instance's tick.
    arcs : dict
        Whether a device follows another.
    count : dict
        Layers on each device.
    instance : EdgeShardInstance
        What it states.
    """

    instance: EdgeShardInstance
    cp_model: Any
    bottleneck: Any
    tick_s: float
    arcs: dict[tuple[int, int], Any]
    count: dict[int, Any]

    def extract(self, value: Callable[[Any], int]) -> Placement:
        """Return the placement that the variables' values state."""
        successor = {k: j for (k, j), arc in self.arcs.items() if value(arc)}
        layers: list[int] = []
        device: int | None = self.instance.source
        while device is not None:
            layers += [device] * value(self.count[device])
            device = successor.get(device)
        return tuple(layers)


def run_length_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for equal layers; raise `NotApplicableError` for others, and for times too far apart."""
    require_equal_block(instance)
    require_whole_numbers(time_tables(instance).whole_numbers)
    return Guarantee.EXACT


def throughput_run_length(instance: EdgeShardInstance) -> PipelineModel:
    """Return the model on counts, for an instance whose layers 1..N-2 are equal.

    Raises
    ------
    NotApplicableError
        When they are not.
    """
    require_equal_block(instance)
    costs = time_tables(instance)
    require_whole_numbers(costs.whole_numbers)
    model, arcs, last, used = _circuit(instance, costs)
    devices, source, total = range(instance.cluster.size), instance.source, len(instance.layers)
    memory = [int(need) for need in instance.memory_bytes]
    unit_s = _unit_s(costs)
    ticks = _in_units(costs.compute_s, unit_s)
    bottleneck = _bottleneck(costs, unit_s, model)
    count = {j: model.new_int_var(0, total, f"count[{j}]") for j in devices}
    model.add(sum(count.values()) == total)
    for j in devices:
        first = int(j == source)
        tail = last[j] if total > 1 else 0
        block = count[j] - first - tail  # equal layers of the stage
        model.add(block >= 0).only_enforce_if(used[j])
        model.add(count[j] == 0).only_enforce_if(~used[j])
        model.add(count[j] >= 1).only_enforce_if(used[j])
        inner = min(1, total - 1)
        model.add(
            memory[inner] * block + memory[0] * first + memory[-1] * tail
            <= int(instance.cluster.memory_bytes[j])
        )
        model.add(
            int(ticks[inner, j]) * block + int(ticks[0, j]) * first + int(ticks[-1, j]) * tail <= bottleneck
        ).only_enforce_if(used[j])
    for (k, j), arc in arcs.items():
        model.add(round(costs.transfer_s(0)[k, j] / unit_s) * arc <= bottleneck)
    return _finished(instance, costs, unit_s, model, bottleneck, arcs, count, last)


def throughput_stages(instance: EdgeShardInstance) -> PipelineModel:
    """Return the model on first layers and ends, for any layers: sums over a stage are differences of elements."""
    costs = time_tables(instance)
    require_whole_numbers(costs.whole_numbers)
    model, arcs, last, used = _circuit(instance, costs)
    devices, source, total = range(instance.cluster.size), instance.source, len(instance.layers)
    unit_s = _unit_s(costs)
    ticks = _in_units(costs.compute_s, unit_s)
    time_before = np.vstack([np.zeros(len(devices), dtype=np.int64), np.cumsum(ticks, axis=0)])
    memory_before = np.concatenate([[0], np.cumsum(instance.memory_bytes)]).tolist()
    bottleneck = _bottleneck(costs, unit_s, model)
    first = {j: model.new_int_var(0, total, f"first[{j}]") for j in devices}
    end = {j: model.new_int_var(0, total, f"end[{j}]") for j in devices}
    model.add(first[source] == 0)
    for j in devices:
        model.add(first[j] == end[j]).only_enforce_if(~used[j])
        model.add(first[j] < end[j]).only_enforce_if(used[j])
        model.add(end[j] == total).only_enforce_if(last[j])
        for before, limit in (
            (time_before[:, j].tolist(), bottleneck),
            (memory_before, int(instance.cluster.memory_bytes[j])),
        ):
            at_end, at_first = (model.new_int_var(0, before[-1], "") for _ in range(2))
            model.add_element(end[j], before, at_end)
            model.add_element(first[j], before, at_first)
            model.add(at_end - at_first <= limit)
            # Implied, and what the linear relaxation sees of the elements: each layer takes at least the least.
            model.add(min(after - here for here, after in pairwise(before)) * (end[j] - first[j]) <= limit)
    model.add(sum(end[j] - first[j] for j in devices) == total)
    for (k, j), arc in arcs.items():
        model.add(first[j] == end[k]).only_enforce_if(arc)
        hop_ticks = [0, *(round(costs.transfer_s(i)[k, j] / unit_s) for i in range(total - 1)), 0]
        if len(set(hop_ticks[1:-1])) <= 1:
            model.add(hop_ticks[1] * arc <= bottleneck)
        else:
            hop = model.new_int_var(0, max(hop_ticks), "")
            model.add_element(first[j], hop_ticks, hop)
            model.add(hop <= bottleneck).only_enforce_if(arc)
    count = {j: end[j] - first[j] for j in devices}
    return _finished(instance, costs, unit_s, model, bottleneck, arcs, count, last)


def _circuit(
    instance: EdgeShardInstance, costs: TimeTables
) -> tuple[Any, dict[Any, Any], dict[int, Any], dict[int, Any]]:
    """Return a model with the chain of used devices, from the source to the last one; links exist or do not."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    devices, source, depot = range(instance.cluster.size), instance.source, instance.cluster.size
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


def _finished(
    instance: EdgeShardInstance,
    costs: TimeTables,
    unit_s: float,
    model: Any,
    bottleneck: Any,
    arcs: dict[tuple[int, int], Any],
    count: dict[int, Any],
    last: dict[int, Any],
) -> PipelineModel:
    for j, literal in last.items():
        if isfinite(costs.return_s[j]):
            model.add(round(costs.return_s[j] / unit_s) * literal <= bottleneck)
        else:
            model.add(literal == 0)
    model.minimize(bottleneck)
    return PipelineModel(instance, model, bottleneck, unit_s, arcs, count)


def _in_units(
    time_s: np.ndarray[Any, np.dtype[np.float64]], tick_s: float
) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.rint(time_s / tick_s).astype(np.int64)


def _unit_s(costs: TimeTables) -> float:
    """Return the largest time that divides all times: bounds then move in steps of it, not of a tick."""
    tables = [table[np.isfinite(table)] for table in (costs.compute_s, costs.messages_s, costs.return_s)]
    ticks = _in_units(np.concatenate(tables), costs.tick_s)
    return costs.tick_s * max(int(np.gcd.reduce(ticks)), 1)


def _bottleneck(costs: TimeTables, unit_s: float, model: Any) -> Any:
    """Return the objective's variable."""
    largest = [
        float(np.where(np.isfinite(table), table, 0.0).max()) for table in (costs.messages_s, costs.return_s)
    ]
    return model.new_int_var(
        0, round(max(float(costs.compute_s.sum(axis=0).max()), *largest) / unit_s), "bottleneck"
    )
