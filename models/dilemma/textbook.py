"""The paper's ILP in PuLP, the tool that its authors used: Eq. 1 and 2 with the product ``y b_l`` resolved.

``hop[l,i,j,b]`` is the paper's ``y``, with a layer and the sender's width as indices, since Eq. 1 multiplies ``y`` by
``b_l`` and would charge every layer's tensor. Weak, and meant for small instances.

Sources: Hosseinzadeh and Khamfroush (2025); products of binaries, Glover and Woolsey (1974); covers, Balas (1975).
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.dilemma.cost import delay_costs
from placewise.models.errors import NotApplicableError
from placewise.models.knapsack import small_rows
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.dilemma.cost import DelayCosts
    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement

#: Of the largest time to the least delay: beyond it CBC's answers are noise.
LARGEST_RATIO = 1e6


def textbook_ilp(  # noqa: PLR0912 - the paper's list of constraints
    instance: DilemmaInstance,
) -> tuple[Any, dict[tuple[int, int, int], Any]]:
    """Return the paper's ILP in the instance's mode.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths.

    Returns
    -------
    (pulp.LpProblem, dict)
        The problem in milliseconds, and the binary ``x_lib`` by layer, server and width.
    """
    import pulp

    costs = delay_costs(instance)
    _require_range(costs)
    count, servers, widths = (range(size) for size in costs.compute_s.shape)
    problem = pulp.LpProblem("dilemma", pulp.LpMinimize)
    x = {
        (layer, i, b): pulp.LpVariable(f"x_{layer}_{i}_{b}", cat="Binary")
        for layer in count
        for i in servers
        for b in widths
    }
    delay = [float(costs.compute_s[key]) * MILLISECONDS * variable for key, variable in x.items()]
    for layer in count:
        problem += pulp.lpSum(x[layer, i, b] for i in servers for b in widths) == 1, f"one_{layer}"  # (2c)
        for b in widths:
            if not costs.admissible[layer, b]:  # (6), (7)
                problem += pulp.lpSum(x[layer, i, b] for i in servers) <= 0, f"error_{layer}_{b}"
    for layer in count[:-1]:
        for i in servers:
            for b in widths:
                hop_s = costs.transfer_s(layer)[b, i]
                for j in servers:
                    # As printed, a transfer counts between equal widths only; a missing link forbids it at any.
                    linked = isfinite(hop_s[j])
                    following = (
                        [x[layer + 1, j, b]]
                        if instance.printed and linked
                        else [x[layer + 1, j, c] for c in widths]
                    )
                    both = x[layer, i, b] + pulp.lpSum(following) - 1
                    if not linked:
                        problem += both <= 0, f"no_link_{layer}_{i}_{j}_{b}"
                    elif i != j and hop_s[j] > 0:
                        hop = pulp.LpVariable(f"hop_{layer}_{i}_{j}_{b}", 0, 1)
                        problem += both <= hop, f"hop_{layer}_{i}_{j}_{b}"  # (2f)
                        delay.append(float(hop_s[j]) * MILLISECONDS * hop)
    for i in servers:
        needs = {key: int(costs.storage[key[0], key[2]]) for key in x if key[1] == i}
        space = int(costs.capacity[i])
        if instance.printed:
            problem += pulp.lpSum(x[key] for key in needs) <= 1, f"layer_of_{i}"  # (2d)
            problem += pulp.lpSum(x[key] for key, need in needs.items() if need > space) <= 0, f"storage_{i}"
        else:
            for row in _at_most(pulp, f"storage_{i}", [(need, x[key]) for key, need in needs.items()], space):
                problem += row  # (2e)
    if costs.error_budget is not None:
        errors = [(int(costs.error[layer, b]), variable) for (layer, _, b), variable in x.items()]
        for row in _at_most(pulp, "error_budget", errors, costs.error_budget):
            problem += row  # (2g)
    problem.setObjective(pulp.lpSum(delay))
    return problem, x


def _require_range(costs: DelayCosts) -> None:
    """Refuse times that lie too far apart: the dearest choice would drown the others in the solver's tolerances."""
    least = float(costs.compute_s.min(axis=(1, 2)).sum())
    hops = costs.messages_s[np.isfinite(costs.messages_s)]
    most = max(float(costs.compute_s.max()), float(hops.max(initial=0.0)))
    if most > LARGEST_RATIO * least:
        raise NotApplicableError(
            f"times lie too far apart for a MILP solver: from {least:.2g} s in all on the fastest servers to {most:.2g} s "
            f"for one layer, expected at most a factor of {LARGEST_RATIO:.0e}"
        )


def _at_most(pulp: Any, name: str, terms: list[tuple[int, Any]], limit: int) -> Iterator[tuple[Any, str]]:
    """Yield a knapsack row in small whole numbers: with 1e7 in a row CBC calls feasible instances infeasible."""
    carry = None
    for place, row in enumerate(small_rows(tuple(size for size, _ in terms), limit, tuple(1 for _ in terms))):
        body = [size * variable for size, (_, variable) in zip(row.coefficients, terms, strict=True)]
        if carry is not None:
            body.append(carry)
        if row.base:
            carry = pulp.LpVariable(f"carry_{name}_{place}", 0, cat="Integer")
            body.append(-row.base * carry)
        yield pulp.lpSum(body) <= row.limit, f"{name}_{place}"


def tighten(
    problem: Any, x: dict[tuple[int, int, int], Any], instance: DilemmaInstance, placement: Placement
) -> bool:
    """Forbid what CBC's tolerance let through: the choices that overload a server, or the budget, are a cover.

    Parameters
    ----------
    problem : pulp LpProblem
        It gets the cuts.
    x : dict
        The variable of each (layer, server, width).
    instance : DilemmaInstance
        What the problem states.
    placement : tuple of (int, int)
        What CBC returned: server and width of each layer.

    Returns
    -------
    bool
        Whether a cut was added.
    """
    import pulp

    costs = delay_costs(instance)
    chosen = [(layer, i, b) for layer, (i, b) in enumerate(placement)]
    covers = [] if costs.error_budget is None else [(costs.error, chosen, costs.error_budget)]
    if not instance.printed:
        for i, space in enumerate(costs.capacity.tolist()):
            covers.append((costs.storage, [key for key in chosen if key[1] == i], space))
    added = False
    for weight, keys, limit in covers:
        if sum(int(weight[layer, b]) for layer, _, b in keys) > limit:
            problem += pulp.lpSum(x[key] for key in keys) <= len(keys) - 1
            added = True
    return added


def extract(x: dict[tuple[int, int, int], Any]) -> Placement:
    """Return the placement in a solved problem: for each layer the largest ``x_lib``."""
    best: dict[int, tuple[float, tuple[int, int]]] = {}
    for (layer, i, b), variable in x.items():
        value = variable.varValue or 0.0
        if layer not in best or value > best[layer][0]:
            best[layer] = (value, (i, b))
    return tuple(choice for _, (_, choice) in sorted(best.items()))
