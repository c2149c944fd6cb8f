"""DILEMMA for CP-SAT: the server and width of consecutive layers stand in tables with the time of their hop.

Source: table constraints, Bessière and Régin (1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import TYPE_CHECKING, Any

from placewise.models.dilemma.cost import delay_costs
from placewise.models.time_range import require_whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement


@dataclass(frozen=True)
class DelayModel:
    """A CP-SAT model with the way back to a placement.

    Parameters
    ----------
    cp_model, objective : ortools CpModel, linear expression
        Minimises the delay.
    tick_s : float
        Seconds per unit of the objective.
    choice : dict
        ``x_lib`` as a literal by layer, server and width.
    """

    cp_model: Any
    objective: Any
    tick_s: float
    choice: dict[tuple[int, int, int], Any]

    def extract(self, value: Callable[[Any], int]) -> Placement:
        """Return the placement that the variables' values state."""
        return tuple((i, b) for (_, i, b), literal in sorted(self.choice.items()) if value(literal))

    def hint(self, placement: Placement) -> None:
        """Start from a placement."""
        for (layer, i, b), literal in self.choice.items():
            self.cp_model.add_hint(literal, int(placement[layer] == (i, b)))


def delay_tables(instance: DilemmaInstance) -> DelayModel:
    """Return the model in the instance's mode; all numbers are those of `evaluate`, tick for tick.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths: (L - 1) tables of M**2 B rows, M**2 B**2 as printed.
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
    }
    host = [model.new_int_var(0, len(servers) - 1, f"host[{layer}]") for layer in layers]
    width = [model.new_int_var(0, len(instance.bit_widths) - 1, f"width[{layer}]") for layer in layers]
    for layer in layers:
        mine = [(i, b) for i in servers for b in widths[layer]]
        model.add_exactly_one([choice[layer, i, b] for i, b in mine])
        model.add(host[layer] == sum(i * choice[layer, i, b] for i, b in mine))
        model.add(width[layer] == sum(b * choice[layer, i, b] for i, b in mine))
    terms: list[Any] = [
        round(costs.compute_s[key] / costs.tick_s) * literal for key, literal in choice.items()
    ]
    for layer in layers[:-1]:
        hop_s = costs.transfer_s(layer)
        rows = []
        for i, b, j, c in product(servers, widths[layer], servers, widths[layer + 1]):
            if isfinite(hop_s[b, i, j]):
                ticks = 0 if instance.printed and b != c else round(float(hop_s[b, i, j]) / costs.tick_s)
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
            model.add(sum(need * choice[key] for key, need in needs.items()) <= space)
    if costs.error_budget is not None:
        model.add(
            sum(int(costs.error[layer, b]) * literal for (layer, _, b), literal in choice.items())
            <= costs.error_budget
        )
    objective = sum(terms)
    model.minimize(objective)
    return DelayModel(model, objective, costs.tick_s, choice)
