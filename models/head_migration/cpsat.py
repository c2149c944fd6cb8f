"""Head-level placement for CP-SAT: equal heads counted, delays enforced by where projection and network are.

Times stand in `whole_times`. (With 40 bits CP-SAT 9.15 cuts optima off and calls feasible instances infeasible, also
without probing; 9.12 and 9.14 do not, with 50 bits either.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.head_migration.cost import FFN, HEAD, PROJ, capacities, head_costs
from placewise.models.head_migration.milp_values import follow
from placewise.models.whole_times import finite_largest, finite_sum, wanted, whole_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.head_migration.cost import HeadCosts
    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.placement import Trajectory
    from placewise.models.whole_times import WholeTimes


@dataclass(frozen=True)
class CountModel:
    """A CP-SAT model with the way back to a trajectory.

    Parameters
    ----------
    instance : HeadMigrationInstance
        What it states.
    cp_model, objective : ortools CpModel, linear expression
        Minimises delay and migration.
    times : WholeTimes
        The unit of the objective.
    count, proj, ffn : dict
        Heads, and the literals of projection and network, by interval and device.
    move : dict
        Heads that go from k to j (k = j: stay) by interval, k, j.
    """

    instance: HeadMigrationInstance
    cp_model: Any
    objective: Any
    times: WholeTimes
    count: dict[tuple[int, int], Any]
    proj: dict[tuple[int, int], Any]
    ffn: dict[tuple[int, int], Any]
    move: dict[tuple[int, int, int], Any]

    def extract(self, value: Callable[[Any], int]) -> Trajectory:
        """Return the trajectory that the variables' values state."""
        size, before, trajectory = self.instance.cluster.size, self.instance.initial, []
        for t in range(self.instance.intervals):
            counts = np.array([value(self.count[t, j]) for j in range(size)])
            moves = np.zeros((size, size), dtype=np.int64)
            for k in range(size):
                for j in range(size):
                    if (t, k, j) in self.move:
                        moves[k, j] = value(self.move[t, k, j])
            proj, ffn = (
                next(j for j in range(size) if value(choice[t, j])) for choice in (self.proj, self.ffn)
            )
            before = follow(before, counts, moves, proj, ffn)
            trajectory.append(before)
        return tuple(trajectory)

    def hint(self, trajectory: Trajectory) -> None:
        """Start from a trajectory."""
        for (t, j), variable in self.count.items():
            self.cp_model.add_hint(variable, trajectory[t].heads.count(j))
            self.cp_model.add_hint(self.proj[t, j], int(trajectory[t].proj == j))
            self.cp_model.add_hint(self.ffn[t, j], int(trajectory[t].ffn == j))


def count_model(instance: HeadMigrationInstance, cap_s: float = inf) -> CountModel:
    """Return the model over all intervals.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals: 4 M**2 T variables.
    cap_s : float
        Of trajectories that cost more, the model need not have any.
    """
    from ortools.sat.python import cp_model

    costs, heads = head_costs(instance), instance.transformer.units
    times = whole_times(costs.tick_s, _largest_sum_s(costs, heads, cap_s))

    def units(table: Any) -> dict[tuple[int, int], int]:
        return {
            key: times.of(float(value)) for key, value in np.ndenumerate(table) if wanted(float(value), cap_s)
        }

    model = cp_model.CpModel()
    keys = [(t, j) for t in range(instance.intervals) for j in range(instance.cluster.size)]
    count = {key: model.new_int_var(0, heads, f"count{key}") for key in keys}
    proj = {key: model.new_bool_var(f"proj{key}") for key in keys}
    ffn = {key: model.new_bool_var(f"ffn{key}") for key in keys}
    terms: list[Any] = []
    for t in range(instance.intervals):
        devices = range(instance.cluster.size)
        model.add(sum(count[t, j] for j in devices) == heads)
        for choice in (proj, ffn):
            model.add_exactly_one([choice[t, j] for j in devices])
        rooms = capacities(instance, t)
        for j in devices:
            for (with_proj, with_ffn), room in rooms.items():
                there = [proj[t, j]] * with_proj + [ffn[t, j]] * with_ffn
                if room[j] < 0 and not there:  # no head fits, nor anything else
                    model.add(count[t, j] == 0)
                elif room[j] < 0:
                    model.add_bool_or([literal.negated() for literal in there])
                else:
                    model.add(count[t, j] <= min(int(room[j]), heads)).only_enforce_if(there)
        slope, fixed = units(costs.slope_s[t]), units(costs.fixed_s[t])
        terms.append(_delay(model, slope, fixed, t, heads, count, proj))
        after = units(costs.after_s[t])
        sender, receiver = ([choice[t, j] for j in devices] for choice in (proj, ffn))
        terms.append(_transport(model, after, sender, receiver, 1)[1])
    move, moving = _moves(model, instance, units, count, proj, ffn)
    objective = cp_model.LinearExpr.sum([*(int(costs.weight) * term for term in terms), *moving])
    model.minimize(objective)
    return CountModel(instance, model, objective, times, count, proj, ffn, move)


def _delay(
    model: Any,
    slope: dict[tuple[int, int], int],
    fixed: dict[tuple[int, int], int],
    t: int,
    heads: int,
    count: Any,
    proj: Any,
) -> Any:
    """Add when the heads are through (6), and return it."""
    size = sum(1 for interval, _ in proj if interval == t)
    latest = max(slope.values(), default=0) * heads + max(fixed.values(), default=0)
    last = model.new_int_var(0, latest, f"last[{t}]")
    for j in range(size):
        used = model.new_bool_var(f"used[{t},{j}]")
        model.add(count[t, j] <= heads * used)
        linked = [slope[j, q] for q in range(size) if (j, q) in slope and (j, q) in fixed]
        if linked:  # implied; it tightens the relaxation
            model.add(last >= min(linked) * count[t, j])
        for q in range(size):
            if (j, q) in slope and (j, q) in fixed:
                through = slope[j, q] * count[t, j] + fixed[j, q] * used
                model.add(last >= through).only_enforce_if(proj[t, q])
            else:
                model.add(count[t, j] == 0).only_enforce_if(proj[t, q])
    return last


def _moves(
    model: Any, instance: HeadMigrationInstance, units: Callable[[Any], Any], count: Any, proj: Any, ffn: Any
) -> tuple[dict[tuple[int, int, int], Any], list[Any]]:
    """Add moves between consecutive placements (2), (7); return those of heads, and the time of all."""
    costs, devices = head_costs(instance), range(instance.cluster.size)
    heads, initial = instance.transformer.units, instance.initial
    move: dict[tuple[int, int, int], Any] = {}
    total: list[Any] = []
    for t in range(instance.intervals):
        if t == 0 and initial is None:
            continue
        for part, now in ((HEAD, count), (PROJ, proj), (FFN, ffn)):
            if t:
                before = [now[t - 1, j] for j in devices]
            else:
                assert initial is not None
                places = {HEAD: initial.heads, PROJ: (initial.proj,), FFN: (initial.ffn,)}[part]
                before = [places.count(j) for j in devices]
            most = heads if part == HEAD else 1
            time = units(costs.move_s[t, part])
            moved, moving = _transport(model, time, before, [now[t, j] for j in devices], most)
            total.append(moving)
            if part == HEAD:
                move |= {(t, k, j): variable for (k, j), variable in moved.items()}
    return move, total


def _transport(
    model: Any, cost: dict[tuple[int, int], int], supply: list[Any], demand: list[Any], most: int
) -> tuple[dict[tuple[int, int], Any], Any]:
    """Add a flow from what is supplied to what is demanded along finite costs; return it and its cost."""
    from ortools.sat.python import cp_model

    flow = {arc: model.new_int_var(0, most, f"from_to{arc}") for arc in cost}
    for side, amounts in ((0, supply), (1, demand)):
        for j, amount in enumerate(amounts):
            model.add(cp_model.LinearExpr.sum([v for arc, v in flow.items() if arc[side] == j]) == amount)
    return flow, cp_model.LinearExpr.weighted_sum(list(flow.values()), list(cost.values()))


def _largest_sum_s(costs: HeadCosts, heads: int, cap_s: float) -> float:
    """Return the sum of all terms of the objective at their largest."""
    delay_s = sum(
        heads * finite_largest(slope, cap_s) + finite_largest(fixed, cap_s) + finite_sum(after, cap_s)
        for slope, fixed, after in zip(costs.slope_s, costs.fixed_s, costs.after_s, strict=True)
    )
    moves_s = heads * finite_sum(costs.move_s[:, HEAD], cap_s) + finite_sum(
        costs.move_s[:, [PROJ, FFN]], cap_s
    )
    return float(costs.weight * delay_s + moves_s)
