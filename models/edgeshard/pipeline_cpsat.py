"""The throughput problem for CP-SAT: a circuit through the stages' devices, each visited once.

Two statements on one circuit: with a count of equal layers per device, and with the first layer and the end of each
stage, which takes any layers. All numbers are integers: the ticks of `evaluate_throughput` (see `whole_times`), and
memory as the layers that fit, which says exactly what the bytes say.

Source: the circuit constraint, Laurière (1978).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.cpsat import units_that_fit
from placewise.models.edgeshard.device_types import furthest_in_memory
from placewise.models.edgeshard.runs import require_equal_block
from placewise.models.problem import Guarantee
from placewise.models.time_range import require_whole_numbers
from placewise.models.whole_times import finite_largest, wanted, whole_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from placewise.models.edgeshard.cost import TimeTables
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement
    from placewise.models.whole_times import WholeTimes


@dataclass(frozen=True)
class PipelineModel:
    """A CP-SAT model of a pipeline with the way back to a placement.

    Parameters
    ----------
    cp_model, objective : ortools CpModel, IntVar
        Minimises the bottleneck.
    times : WholeTimes
        The unit of it.
    arcs : dict
        Whether a device follows another.
    count : dict
        Layers on each device.
    instance : EdgeShardInstance
        What it states.
    spans : dict
        First layer and end of each device's stage, where these are variables.
    """

    instance: EdgeShardInstance
    cp_model: Any
    objective: Any
    times: WholeTimes
    arcs: dict[tuple[int, int], Any]
    count: dict[int, Any]
    spans: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def extract(self, value: Callable[[Any], int]) -> Placement:
        """Return the placement that the variables' values state."""
        successor = {k: j for (k, j), arc in self.arcs.items() if value(arc)}
        layers: list[int] = []
        device: int | None = self.instance.source
        while device is not None:
            layers += [device] * value(self.count[device])
            device = successor.get(device)
        return tuple(layers)

    def hint(self, placement: Sequence[int]) -> None:
        """Start from a pipeline: its order of devices, and its stages."""
        hops = set(pairwise(dict.fromkeys(placement)))
        for pair, arc in self.arcs.items():
            self.cp_model.add_hint(arc, int(pair in hops))
        for device, (first, end) in self.spans.items():
            taken = placement.count(device)
            begun = placement.index(device) if taken else 0
            self.cp_model.add_hint(first, begun)
            self.cp_model.add_hint(end, begun + taken)


def run_length_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for equal layers; raise `NotApplicableError` for others, and for times too far apart."""
    require_equal_block(instance)
    require_whole_numbers(time_tables(instance).whole_numbers)
    return Guarantee.EXACT


def stages_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for any layers; raise `NotApplicableError` for times too far apart."""
    require_whole_numbers(time_tables(instance).whole_numbers)
    return Guarantee.EXACT


def throughput_run_length(instance: EdgeShardInstance, cap_s: float = inf) -> PipelineModel:
    """Return the model on counts, for an instance whose layers 1..N-2 are equal.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    cap_s : float
        Of pipelines with a longer bottleneck, the model need not have any.

    Raises
    ------
    NotApplicableError
        When the layers are not equal.
    """
    require_equal_block(instance)
    costs, total = time_tables(instance), len(instance.layers)
    require_whole_numbers(costs.whole_numbers)
    model, arcs, last, used = _circuit(instance, costs)
    devices, source = range(instance.cluster.size), instance.source
    memory = [int(need) for need in instance.memory_bytes]
    times, ticks, bottleneck = _bottleneck(instance, costs, model, cap_s)
    count = {j: model.new_int_var(0, total, f"count[{j}]") for j in devices}
    model.add(sum(count.values()) == total)
    inner = min(1, total - 1)
    for j in devices:
        first = int(j == source)
        tail = last[j] if total > 1 else 0
        block = count[j] - first - tail  # equal layers of the stage
        model.add(block >= 0).only_enforce_if(used[j])
        model.add(count[j] == 0).only_enforce_if(~used[j])
        model.add(count[j] >= 1).only_enforce_if(used[j])
        space = int(instance.cluster.memory_bytes[j]) - memory[0] * first
        alone, with_last = (
            units_that_fit(room, memory[inner], total) for room in (space, space - memory[-1])
        )
        if total > 1 and with_last < 0:
            model.add(last[j] == 0)
        model.add(block <= alone - (alone - max(with_last, 0)) * tail)
        model.add(
            int(ticks[inner, j]) * block + int(ticks[0, j]) * first + int(ticks[-1, j]) * tail <= bottleneck
        ).only_enforce_if(used[j])
    for (k, j), arc in arcs.items():
        _within(
            model, bottleneck, times.of(costs.transfer_s(0)[k, j]), arc, costs.transfer_s(0)[k, j] > cap_s
        )
    return _finished(instance, costs, times, model, bottleneck, arcs, count, last, cap_s)


def throughput_stages(instance: EdgeShardInstance, cap_s: float = inf) -> PipelineModel:
    """Return the model on first layers and ends, for any layers: sums over a stage are differences of elements.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    cap_s : float
        Of pipelines with a longer bottleneck, the model need not have any.
    """
    costs, total = time_tables(instance), len(instance.layers)
    require_whole_numbers(costs.whole_numbers)
    model, arcs, last, used = _circuit(instance, costs)
    devices, source = range(instance.cluster.size), instance.source
    times, ticks, bottleneck = _bottleneck(instance, costs, model, cap_s)
    time_before = np.vstack([np.zeros(len(devices), dtype=np.int64), np.cumsum(ticks, axis=0)])
    first = {j: model.new_int_var(0, total, f"first[{j}]") for j in devices}
    end = {j: model.new_int_var(0, total, f"end[{j}]") for j in devices}
    model.add(first[source] == 0)
    furthest = furthest_in_memory(instance)
    for j in devices:
        model.add(first[j] == end[j]).only_enforce_if(~used[j])
        model.add(first[j] < end[j]).only_enforce_if(used[j])
        model.add(end[j] == total).only_enforce_if(last[j])
        reach = [*furthest[:, j].tolist(), total]
        latest = model.new_int_var(0, total, "")
        model.add_element(first[j], reach, latest)
        model.add(end[j] <= latest)
        model.add(end[j] - first[j] <= max(till - i for i, till in enumerate(reach)))  # implied, linear
        before = time_before[:, j].tolist()
        at_end, at_first = (model.new_int_var(0, before[-1], "") for _ in range(2))
        model.add_element(end[j], before, at_end)
        model.add_element(first[j], before, at_first)
        model.add(at_end - at_first <= bottleneck)
        # Implied, and what the linear relaxation sees of the elements: each layer takes at least the least.
        model.add(min(after - here for here, after in pairwise(before)) * (end[j] - first[j]) <= bottleneck)
    model.add(sum(end[j] - first[j] for j in devices) == total)
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
    count = {j: end[j] - first[j] for j in devices}
    stated = _finished(instance, costs, times, model, bottleneck, arcs, count, last, cap_s)
    return replace(stated, spans={j: (first[j], end[j]) for j in devices})


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


def _bottleneck(
    instance: EdgeShardInstance, costs: TimeTables, model: Any, cap_s: float
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
    times = whole_times(
        costs.tick_s, total_s, () if isfinite(cap_s) else (costs.compute_s, *hops_s, costs.return_s)
    )
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
