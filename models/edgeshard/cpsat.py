"""The latency problem on run lengths for CP-SAT: a circuit through the used devices, with counts on it.

Structurally different from the MILP: no variable per layer. The circuit runs from a depot to the source, through
the devices in the order of the layers, and back to the depot by one closing move, which says who hosts the last
layer. All numbers are integers: ticks and bytes, exactly those of `evaluate_latency`.

Source: the circuit constraint, Laurière (1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.diagnosis import broken_rules
from placewise.models.edgeshard.memory import equal_layers_that_fit, require_shared_with_first
from placewise.models.edgeshard.runs import require_equal_block, shortcut_pairs
from placewise.models.time_range import require_whole_numbers
from placewise.models.whole_times import WholeTimes, finite_sum, wanted, whole_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement


@dataclass(frozen=True)
class Closing:
    """How a chain ends.

    Parameters
    ----------
    end : int
        Last device of the chain, y.
    host : int
        Device of the last layer: y itself, or another one, usually visited before.
    relay : int or None
        A device visited before that takes one of its decoder layers between y and the host.
    time_s : float
        The transfers after y, the last layer's compute time and the token's way back.
    """

    end: int
    host: int
    relay: int | None
    time_s: float


@dataclass(frozen=True)
class RunLengthModel:
    """A CP-SAT model with the way back to a placement.

    Parameters
    ----------
    cp_model : ortools CpModel
        Minimises ticks.
    objective : ortools LinearExpr or int
        What it minimises.
    times : WholeTimes
        The unit of its objective.
    count, arcs, closings : dict
        The model's variables: decoder layers per device, used arcs, used closing move.
    instance : EdgeShardInstance
        What it states.
    """

    instance: EdgeShardInstance
    cp_model: Any
    objective: Any
    times: WholeTimes
    count: dict[int, Any]
    arcs: dict[tuple[int, int], Any]
    closings: dict[Closing, Any]

    def extract(self, value: Callable[[Any], int]) -> Placement:
        """Return the placement that the variables' values state."""
        if len(self.instance.layers) == 1:
            return (self.instance.source_index,)
        successor = {k: j for (k, j), arc in self.arcs.items() if value(arc)}
        closing = next(move for move, literal in self.closings.items() if value(literal))
        device = self.instance.source_index
        layers = [device]
        while True:
            taken = value(self.count[device]) - (device == closing.relay)
            layers += [device] * taken
            if device == closing.end:
                break
            device = successor[device]
        if closing.relay is not None:
            layers.append(closing.relay)
        return (*layers, closing.host)

    def hint(self, placement: Sequence[int]) -> None:
        """Give a placement to the solver as a warm start: its counts and the order of first visits."""
        block = placement[1:-1]
        order = list(dict.fromkeys((placement[0], *block)))
        for device, count in self.count.items():
            self.cp_model.add_hint(count, block.count(device))
        hops = set(pairwise(order))
        for pair, arc in self.arcs.items():
            self.cp_model.add_hint(arc, int(pair in hops))


def latency_run_length(instance: EdgeShardInstance, cap_s: float = inf) -> RunLengthModel:
    """Return the run-length model of an instance whose layers 1..N-2 are equal.

    Parameters
    ----------
    instance : EdgeShardInstance
        `run_length_guarantee` says whether the model is exact for it.
    cap_s : float
        Of placements that cost more, the model need not have any.

    Raises
    ------
    NotApplicableError
        When the layers are not equal.
    """
    from ortools.sat.python import cp_model

    require_equal_block(instance)
    require_shared_with_first(instance)
    costs = time_tables(instance)
    require_whole_numbers(costs.whole_numbers)
    devices, source = range(instance.cluster.size), instance.source_index
    memory = [int(need) for need in instance.memory_bytes]
    block = max(len(memory) - 2, 0)
    model = cp_model.CpModel()
    if len(memory) == 1:
        model.add(memory[0] <= int(instance.cluster.memory_bytes[source]))
        model.add(broken_rules(instance) is None)
        times = WholeTimes(costs.tick_s)
        objective: Any = cp_model.LinearExpr.sum(
            [times.of(costs.compute_s[0, source] + costs.return_s[source])]
        )
        model.minimize(objective)
        return RunLengthModel(instance, model, objective, times, {}, {}, {})

    hop_s = costs.transfer_s(0)
    compute_s = costs.compute_s
    moves = [move for move in closing_moves(instance) if move.time_s <= cap_s]
    total_s = (
        float(compute_s[0, source]) + finite_sum(hop_s, cap_s) + sum(move.time_s for move in moves)
    ) + (block * finite_sum(compute_s[1], cap_s) if block else 0.0)
    times = whole_times(costs.tick_s, total_s)
    affordable = {j: block if block and wanted(compute_s[1, j], cap_s) else 0 for j in devices}
    used = {j: model.new_bool_var(f"used[{j}]") for j in devices}
    count = {j: model.new_int_var(0, affordable[j], f"count[{j}]") for j in devices}
    arcs = {
        (k, j): model.new_bool_var(f"arc[{k},{j}]")
        for k in devices
        for j in devices
        if j not in (k, source) and wanted(hop_s[k, j], cap_s)
    }
    closings = {move: model.new_bool_var(f"closing[{move}]") for move in moves}
    ends = {j: [literal for move, literal in closings.items() if move.end == j] for j in devices}
    hosts = {j: [literal for move, literal in closings.items() if move.host == j] for j in devices}

    depot = instance.cluster.size
    last = {j: model.new_bool_var(f"last[{j}]") for j in devices}
    circuit: list[tuple[int, int, Any]] = [(depot, source, True)]
    circuit += [(k, j, arc) for (k, j), arc in arcs.items()]
    circuit += [(j, depot, last[j]) for j in devices]
    # A device off the chain loops on itself; the source and the depot cannot, so nothing runs beside the chain.
    circuit += [(j, j, ~used[j]) for j in devices if j != source]
    model.add_circuit(circuit)
    model.add(used[source] == 1)

    model.add(sum(count.values()) == block)  # each decoder layer on one device
    for j in devices:
        model.add(
            sum(ends[j]) == last[j]
        )  # the circuit has one last device, so the chain has one closing move
        model.add(count[j] == 0).only_enforce_if(~used[j])
    _memory_rows(model, instance, count, hosts)
    hosted = {j: count[j] + sum(hosts[j]) + int(j == source) for j in devices}
    count_rows(model, instance, hosted)
    for j in (j for j in devices if j != source):
        own_end = [literal for move, literal in closings.items() if move.end == move.host == j]
        model.add(count[j] + sum(own_end) >= 1).only_enforce_if(used[j])
    for move, literal in closings.items():
        if move.relay is not None:
            model.add(count[move.relay] >= 2).only_enforce_if(literal)

    # One sum, not sums added up: OR-Tools 9.14 cannot add a sum to a term that is always 0.
    objective = cp_model.LinearExpr.sum(
        [
            times.of(compute_s[0, source]),
            *(times.of(compute_s[1, j]) * count[j] for j in devices if affordable[j]),
            *(times.of(hop_s[arc]) * literal for arc, literal in arcs.items()),
            *(times.of(move.time_s) * literal for move, literal in closings.items()),
        ]
    )
    model.minimize(objective)
    return RunLengthModel(instance, model, objective, times, count, arcs, closings)


def count_rows(model: Any, instance: EdgeShardInstance, hosted: dict[int, Any]) -> None:
    """Add least and most layers of a device to a CP-SAT model.

    Parameters
    ----------
    model : ortools CpModel
        It gets the rows.
    instance : EdgeShardInstance
        With rules.
    hosted : dict of int to ortools LinearExpr
        Layers on each device.
    """
    size, layers = instance.cluster.size, len(instance.layers)
    least, most = instance.rules.least(size), instance.rules.most(size, layers)
    for j, count in hosted.items():
        if least[j]:
            model.add(count >= int(least[j]))
        if most[j] < layers:
            model.add(count <= int(most[j]))


def _memory_rows(
    model: Any, instance: EdgeShardInstance, count: dict[int, Any], hosts: dict[int, list[Any]]
) -> None:
    """Add Eq. 5 in decoder layers: those that fit, beside the first layer on the source, and with the last one."""
    alone, with_last = equal_layers_that_fit(instance)
    for j, variable in count.items():
        if with_last[j] < 0:
            for literal in hosts[j]:
                model.add(literal == 0)
            model.add(variable <= int(alone[j]))
        else:
            model.add(variable <= int(alone[j]) - int(alone[j] - with_last[j]) * sum(hosts[j]))


def closing_moves(instance: EdgeShardInstance) -> list[Closing]:
    """Return the ways a chain may end, each a real placement; see `revisits_never_pay` for why these suffice."""
    costs = time_tables(instance)
    hop_s, source = costs.transfer_s(len(instance.layers) - 2), instance.source_index
    devices = range(instance.cluster.size)
    tail_s = costs.compute_s[-1] + costs.return_s
    shortcuts = {j: shortcut_pairs(hop_s, j) for j in devices}
    moves = [Closing(j, j, None, float(tail_s[j])) for j in devices]
    for end in (j for j in devices if j != source):
        hosts = [j for j in devices if j != end and (j == source or shortcuts[j].any())]
        moves += [Closing(end, j, None, float(hop_s[end, j] + tail_s[j])) for j in hosts]
        for relay in devices:
            if relay not in (end, source) and shortcuts[relay][end, source]:
                time_s = hop_s[end, relay] + hop_s[relay, source] + tail_s[source]
                moves.append(Closing(end, source, relay, float(time_s)))
    if instance.rules.contiguous:
        moves = [move for move in moves if move.host == move.end]
    return [move for move in moves if isfinite(move.time_s)]
