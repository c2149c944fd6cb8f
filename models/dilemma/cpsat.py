"""DILEMMA for CP-SAT: the server and width of consecutive layers stand in tables with the time of their hop.

Source: table constraints, Bessière and Régin (1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.dilemma.cost import delay_costs
from placewise.models.knapsack import reduced
from placewise.models.time_range import require_whole_numbers
from placewise.models.whole_times import finite_largest, whole_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement
    from placewise.models.whole_times import WholeTimes


@dataclass(frozen=True)
class DelayModel:
    """A CP-SAT model with the way back to a placement.

    Parameters
    ----------
    cp_model, objective : ortools CpModel, linear expression
        Minimises the delay.
    times : WholeTimes
        The unit of the objective.
    choice : dict
        ``x_lib`` as a literal by layer, server and width.
    """

    cp_model: Any
    objective: Any
    times: WholeTimes
    choice: dict[tuple[int, int, int], Any]

    def extract(self, value: Callable[[Any], int]) -> Placement:
        """Return the placement that the variables' values state."""
        return tuple((i, b) for (_, i, b), literal in sorted(self.choice.items()) if value(literal))

    def hint(self, placement: Placement) -> None:
        """Start from a placement."""
        for (layer, i, b), literal in self.choice.items():
            self.cp_model.add_hint(literal, int(placement[layer] == (i, b)))


def delay_tables(instance: DilemmaInstance, cap_s: float = inf) -> DelayModel:
    """Return the model in the instance's mode; all numbers are those of `evaluate`, in `whole_times`.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths: (L - 1) tables of M**2 B rows, M**2 B**2 as printed.
    cap_s : float
        Of placements that cost more, the model need not have any.
    """
    from ortools.sat.python import cp_model

    costs = delay_costs(instance)
    require_whole_numbers(costs.whole_numbers)
    model = cp_model.CpModel()
    layers, servers = range(len(instance.layers)), range(instance.cluster.size)
    widths = [costs.candidate[layer].nonzero()[0].tolist() for layer in layers]
    choice = {
        (layer, i, b): model.new_bool_var(f"x[{layer},{i},{b}]")
        for layer in layers
        for i in servers
        for b in widths[layer]
        if costs.compute_s[layer, i, b] <= cap_s
    }
    hops_s = [finite_largest(costs.transfer_s(layer), cap_s) for layer in layers[:-1]]
    times = whole_times(costs.tick_s, sum(float(costs.compute_s[key]) for key in choice) + sum(hops_s))
    host = [model.new_int_var(0, len(servers) - 1, f"host[{layer}]") for layer in layers]
    width = [model.new_int_var(0, len(instance.bit_widths) - 1, f"width[{layer}]") for layer in layers]
    for layer in layers:
        mine = [(i, b) for i in servers for b in widths[layer] if (layer, i, b) in choice]
        model.add_exactly_one([choice[layer, i, b] for i, b in mine])
        model.add(host[layer] == sum(i * choice[layer, i, b] for i, b in mine))
        model.add(width[layer] == sum(b * choice[layer, i, b] for i, b in mine))
    terms: list[Any] = [times.of(costs.compute_s[key]) * literal for key, literal in choice.items()]
    for layer in layers[:-1]:
        hop_s = costs.transfer_s(layer)
        rows = []
        for i, b, j, c in product(servers, widths[layer], servers, widths[layer + 1]):
            free = instance.printed and b != c
            if isfinite(hop_s[b, i, j]) and (free or hop_s[b, i, j] <= cap_s):
                ticks = 0 if free else times.of(hop_s[b, i, j])
                rows.append((i, b, j, c, ticks) if instance.printed else (i, b, j, ticks))
        hop = model.new_int_var(0, max((row[-1] for row in rows), default=0), f"hop[{layer}]")
        scope = [
            host[layer],
            width[layer],
            host[layer + 1],
            *([width[layer + 1]] if instance.printed else []),
            hop,
        ]
        model.add_allowed_assignments(scope, list(dict.fromkeys(rows)))
        terms.append(hop)
    for i in servers:
        needs = {key: int(costs.storage[key[0], key[2]]) for key in choice if key[1] == i}
        space = int(costs.capacity[i])
        if instance.printed:
            model.add_at_most_one([choice[key] for key in needs])
            for key, need in needs.items():
                if need > space:
                    model.add(choice[key] == 0)
        else:
            _at_most(model, list(needs.values()), [choice[key] for key in needs], space)
    if costs.error_budget is not None:
        errors = [int(costs.error[layer, b]) for layer, _, b in choice]
        _at_most(model, errors, list(choice.values()), costs.error_budget)
    objective = cp_model.LinearExpr.sum(terms)
    model.minimize(objective)
    return DelayModel(model, objective, times, choice)


def _at_most(model: Any, sizes: list[int], literals: list[Any], limit: int) -> None:
    """Add a knapsack row; what does not fit alone stands with the least size that does not, so that sums stay short."""
    if sum(sizes) <= limit:
        return
    whole, limit = reduced(tuple(sizes), limit) if limit >= 0 else ((0,) * len(sizes), limit)
    model.add(sum(size * literal for size, literal in zip(whole, literals, strict=True)) <= limit)
