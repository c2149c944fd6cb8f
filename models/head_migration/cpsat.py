"""Head-level placement for CP-SAT: equal heads counted, delays enforced by where projection and network are.

Times are rounded down to units of which the longest has 30 bits, so the optimum of the model is a dual bound, within
about 1e-9 of the longest time. (With 40 bits CP-SAT 9.15 cuts optima off and calls feasible instances infeasible.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, frexp, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.head_migration.cost import FFN, HEAD, PROJ, capacities, head_costs
from placewise.models.head_migration.milp_values import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.head_migration.cost import HeadCosts
    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.placement import Trajectory

LONGEST_BITS = 30


@dataclass(frozen=True)
class CountModel:
    """A CP-SAT model with the way back to a trajectory.

    Parameters
    ----------
    instance : HeadMigrationInstance
        What it states.
    cp_model, objective : ortools CpModel, linear expression
        Minimises delay and migration.
    tick_s : float
        Seconds per unit of the objective, a power of two.
    count, proj, ffn : dict
        Heads, and the literals of projection and network, by interval and device.
    move : dict
        Heads that go from k to j (k = j: stay) by interval, k, j.
    """

    instance: HeadMigrationInstance
    cp_model: Any
    objective: Any
    tick_s: float
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


def count_model(instance: HeadMigrationInstance) -> CountModel:
    """Return the model over all intervals.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals: 4 M**2 T variables.
    """
    from ortools.sat.python import cp_model

    costs, heads = head_costs(instance), instance.transformer.units
    tick_s = _coarse_tick(costs, heads)
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
                    model.add(count[t, j] <= int(room[j])).only_enforce_if(there)
        terms.append(_delay(model, costs, tick_s, t, heads, count, proj))
        after = _ticks(costs.after_s[t], tick_s)
        sender, receiver = ([choice[t, j] for j in devices] for choice in (proj, ffn))
        terms.append(_transport(model, after, sender, receiver, 1)[1])
    move, moving = _moves(model, instance, tick_s, count, proj, ffn)
    objective = int(costs.weight) * sum(terms) + sum(moving)
    model.minimize(objective)
    return CountModel(instance, model, objective, tick_s, count, proj, ffn, move)


def _delay(model: Any, costs: HeadCosts, tick_s: float, t: int, heads: int, count: Any, proj: Any) -> Any:
    """Add when the heads are through (6), and return it."""
    size = costs.slope_s.shape[1]
    slope, fixed = (_ticks(table[t], tick_s) for table in (costs.slope_s, costs.fixed_s))
    latest = max(slope.values()) * heads + max(fixed.values())
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
    model: Any, instance: HeadMigrationInstance, tick_s: float, count: Any, proj: Any, ffn: Any
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
            time = _ticks(costs.move_s[t, part], tick_s)
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


def _coarse_tick(costs: HeadCosts, heads: int) -> float:
    """Return the unit in which the longest time has `LONGEST_BITS` bits, or the instance's tick if that is enough."""
    tables = (heads * costs.slope_s, costs.fixed_s, costs.after_s, costs.move_s)
    longest_s = max(float(table[np.isfinite(table)].max()) for table in tables)
    return costs.tick_s * 2.0 ** max(frexp(longest_s / costs.tick_s)[1] - LONGEST_BITS, 0)


def _ticks(table: Any, tick_s: float) -> dict[tuple[int, int], int]:
    """Return the finite entries in units, rounded down."""
    return {
        (k, j): floor(float(value) / tick_s) for (k, j), value in np.ndenumerate(table) if isfinite(value)
    }
