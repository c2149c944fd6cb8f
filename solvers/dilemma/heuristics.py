"""What one would do without a model: choose widths and servers one after the other; each returns a placement or none.

Servers for given widths come from one narrow pass over labels; the widths from greedy steps on an error budget.

Source: greedy steps by gain per weight on a multiple-choice knapsack, Kellerer, Pferschy and Pisinger (2004).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma import evaluate
from placewise.models.dilemma.cost import delay_costs
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.dilemma.beam import Beam
from placewise.solvers.dilemma.decomposition import Decomposition
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from placewise.models.dilemma import DilemmaInstance
    from placewise.models.dilemma.placement import Placement
    from placewise.solvers.execution.context import Context

    Widths = NDArray[np.intp]

WIDTH = 50
#: Alternations of placing and quantising.
ROUNDS = 5


def guarantee(instance: DilemmaInstance) -> Guarantee:
    """Return HEURISTIC for corrected instances; raise `NotApplicableError` as printed."""
    if instance.printed:
        raise NotApplicableError("the heuristics are for the mode corrected")
    return Guarantee.HEURISTIC


def uniform_width(instance: DilemmaInstance, context: Context) -> Claim:
    """One width for all layers, the best of those that keep the bounds.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    count, choices = len(instance.layers), range(len(instance.bit_widths))
    plans = [np.full(count, b) for b in choices]
    return _best(
        instance, context, (_place(instance, context, plan) for plan in plans if _keeps(instance, plan))
    )


def greedy_bits(instance: DilemmaInstance, context: Context) -> Claim:
    """Lower the width that saves most computation per error, as long as the budget lasts; then place.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    costs = delay_costs(instance)
    widths = _lowered(instance, costs.compute_s.mean(axis=1))
    return _best(instance, context, [None if widths is None else _place(instance, context, widths)])


def quantize_then_place(instance: DilemmaInstance, context: Context) -> Claim:
    """Make the model as small as the bounds allow, then place it.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    widths = _lowered(instance, delay_costs(instance).storage.astype(np.float64))
    return _best(instance, context, [None if widths is None else _place(instance, context, widths)])


def place_then_quantize(instance: DilemmaInstance, context: Context) -> Claim:
    """Place for small widths, lower the widths for that placement, place anew, and so on.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    costs = delay_costs(instance)
    widths = _lowered(instance, costs.storage.astype(np.float64))
    found: list[Placement | None] = []
    for _ in range(ROUNDS):
        placement = None if widths is None else _place(instance, context, widths)
        found.append(placement)
        if placement is None:
            break
        layers = np.arange(len(placement))
        servers = np.array([server for server, _ in placement])
        saved_s = costs.compute_s[layers, servers]
        for layer, (sender, receiver) in enumerate(pairwise(servers)):
            saved_s[layer] += costs.transfer_s(layer)[:, sender, receiver]
        widths = _lowered(instance, saved_s)
    return _best(instance, context, found)


def _keeps(instance: DilemmaInstance, widths: Widths) -> bool:
    """Whether widths keep each layer's bound and the budget."""
    costs, layers = delay_costs(instance), np.arange(len(widths))
    if not costs.admissible[layers, widths].all():
        return False
    return costs.error_budget is None or int(costs.error[layers, widths].sum()) <= costs.error_budget


def _lowered(instance: DilemmaInstance, weight: NDArray[np.float64]) -> Widths | None:
    """Start at the least errors and lower widths by the most weight saved per error; weight has shape (L, B)."""
    costs = delay_costs(instance)
    if not costs.admissible.any(axis=1).all():
        return None
    layers = np.arange(len(instance.layers))
    error = np.where(costs.admissible, costs.error, np.iinfo(np.int64).max)
    weight = np.where(costs.admissible, weight, np.inf)
    # Of the widths with the least error the lightest.
    least = error == error.min(axis=1, keepdims=True)
    widths: Widths = np.where(least, weight, np.inf).argmin(axis=1)
    if not _keeps(instance, widths):
        return None
    while True:
        spent = error[layers, widths]
        left = np.inf if costs.error_budget is None else costs.error_budget - int(spent.sum())
        extra = np.where(costs.admissible, costs.error - spent[:, None], 0)
        saved = weight[layers, widths][:, None] - weight
        fits = costs.admissible & (saved > 0) & (extra <= left)
        if not fits.any():
            return widths
        ratio = np.where(fits, saved / np.maximum(extra, 1e-9), -np.inf)
        layer, width = np.unravel_index(int(ratio.argmax()), ratio.shape)
        widths[layer] = width


def _place(instance: DilemmaInstance, context: Context, widths: Widths) -> Placement | None:
    """Return servers for given widths by one narrow pass."""
    allowed = np.zeros((len(widths), len(instance.bit_widths)), dtype=bool)
    allowed[np.arange(len(widths)), widths] = True
    model = Decomposition(instance, allowed)
    tables = model.solve(model.no_prices())[0]
    found = Beam(model, tables).run(WIDTH, np.inf, lambda: not context.remaining)
    return None if found is None else found[1]


def _best(instance: DilemmaInstance, context: Context, placements: Iterable[Placement | None]) -> Claim:
    best: tuple[float, Placement] | None = None
    for placement in placements:
        if placement is None:
            continue
        objective = evaluate(instance, placement).objective
        if objective is not None and (best is None or objective < best[0]):
            best = (objective, placement)
    if best is None:
        return Claim(Reason.FINISHED, message="no such placement found", solve_s=context.elapsed)
    return Claim(Reason.FINISHED, best[1], best[0], solve_s=context.elapsed)
