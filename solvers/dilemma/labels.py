"""The strong method for DILEMMA: bounds by decomposition, passes over labels, a tree of visits, and the MILP where they stall.

Where the sum of errors is bounded, and as printed, passes and the tree go on side by side from the first placement (`partner`). Where that cannot
be they take turns, and else passes of growing width alternate with climbs of the bound; HiGHS on the flow model runs beside
them from the best placement found so far: in a thread of its own, or in its share of the time where only one thread is allowed.
"""

from __future__ import annotations

from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma.problems import DILEMMA
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.dilemma.partner import can_have_partner, partner_beside
from placewise.solvers.dilemma.search import Search
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.processes import is_worker
from placewise.solvers.execution.statement import run_formulation

if TYPE_CHECKING:
    from placewise.models.dilemma import DilemmaInstance

#: Shares of the time limit: labels alone, and HiGHS if it has no thread of its own.
LABELS_SHARE, HIGHS_SHARE = 0.08, 0.5
#: Seconds of the tree before HiGHS, which takes its time to begin.
FIRST_TURN_S = 3.0
#: Labels alone in any case: the first placement comes from them.
LEAST_ALONE_S = 2.0


def run(instance: DilemmaInstance, context: Context) -> Claim:
    """Search; optimal once the bound meets the best placement.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    search = Search(instance, context)
    one_thread = context.parameters.threads == 1
    search.by_labels(max(LABELS_SHARE * context.parameters.time_limit, LEAST_ALONE_S))
    if search.closed:
        return _claim(search)
    if search.branches and search.best is not None and not one_thread and can_have_partner():
        with partner_beside(search):
            search.by_passes()
        return _claim(search)
    if not search.passes_are_near():
        search.turn(FIRST_TURN_S)
    if one_thread:
        by_highs(search, min(HIGHS_SHARE * context.parameters.time_limit, context.remaining))
        search.by_turns()
    else:
        beside = Thread(target=by_highs, args=(search, context.remaining), daemon=True)
        beside.start()
        search.by_turns()
        beside.join(context.remaining)  # where the passes have reached their largest width
        search.done = True
        if not is_worker():  # whose end is its end: HiGHS may not look up for seconds
            beside.join()
    return _claim(search)


def by_highs(search: Search, seconds: float) -> None:
    """Run HiGHS on the flow model from the best placement.

    Parameters
    ----------
    search : Search
        What is known.
    seconds : float
        At most so long.
    """
    if seconds <= 1 or search.closed:
        return

    def pass_on(step: Progress) -> None:
        if step.objective is not None and step.placement is not None:
            search.take(step.placement)
        if step.dual_bound is not None:
            search.raise_bound(step.dual_bound)

    parameters = replace(search.context.parameters, time_limit=seconds)
    part = Context(parameters, search.best, pass_on)
    part.stopped = lambda: search.done or search.closed
    claim = run_formulation(DILEMMA, DILEMMA.formulations["flow"], HIGHS, search.instance, part)
    if claim.placement is not None:
        search.take(claim.placement)
    if claim.dual_bound is not None:
        search.raise_bound(claim.dual_bound)
    if claim.reason is Reason.INFEASIBLE and search.best is None:
        search.raise_bound(np.inf)


def _claim(search: Search) -> Claim:
    """Return what is known."""
    context = search.context
    if search.best is None and search.lower_s == np.inf:
        return Claim(
            Reason.INFEASIBLE, message="no partial placement can be completed", solve_s=context.elapsed
        )
    bound = min(search.lower_s, search.upper_s)
    return Claim(
        Reason.OPTIMAL if search.closed else Reason.LIMIT,
        search.best,
        None if search.best is None else search.upper_s,
        float(bound) if np.isfinite(bound) else None,
        solve_s=context.elapsed,
    )
