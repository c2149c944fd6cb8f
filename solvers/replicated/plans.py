"""Plans by cells, and bounds by patterns, until they meet; what is left to a complete search goes to HiGHS.

The largest flow for which cells make a plan is looked for by bisection, from the bound down. A plan counts with the
flow that it has, evaluated; a bound with the flow that is refuted. Where the two leave a gap and the instance is small,
the interval model closes it, started from the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.replicated.cost import capacities, volume_flow
from placewise.models.replicated.flow import maximum_flow
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.replicated import completion, rules
from placewise.solvers.replicated.completion import small
from placewise.solvers.replicated.groups import groups, slow_links
from placewise.solvers.replicated.layout import exchanged, laid_out
from placewise.solvers.replicated.patterns import Patterns
from placewise.solvers.replicated.selection import Selection

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement
    from placewise.solvers.execution.context import Context

#: Seconds of CP-SAT for one flow and order of regions, at first; relative width of a bisection's end.
CHOICE_S, WIDTH = 3.0, 1e-5
#: Share of the time limit for bounds.
BOUND_SHARE = 0.5
#: Of the links between two regions, that are taken to be slower than those that a plan uses.
SHARES = (0.5, 0.85, 0.95)


class PlanSearch:
    """The best plan and the least bound of an instance so far.

    Parameters
    ----------
    instance : ReplicatedThroughput
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """

    def __init__(self, instance: ReplicatedThroughput, context: Context) -> None:
        self.instance, self.context, self.costs = instance, context, capacities(instance)
        self.plan: Placement | None = None
        self.flow = 0
        self.bound = volume_flow(instance)
        self._report()

    @property
    def closed(self) -> bool:
        """Whether plan and bound meet, up to the gap that is asked for."""
        if not self.bound:
            return True
        return self.flow >= self.bound * (1 - self.context.parameters.relative_gap)

    def late(self) -> bool:
        """Whether time is up."""
        return not self.context.remaining

    def offer(self, plan: Placement | None) -> bool:
        """Take a plan if it carries more than the best one."""
        if plan is None:
            return False
        flow = maximum_flow(self.instance, plan).value
        if flow <= self.flow:
            return False
        self.plan, self.flow = plan, flow
        self._report()
        return True

    def _report(self) -> None:
        seconds = self.costs.seconds
        self.context.report(
            objective=seconds(self.flow) if self.flow else None,
            dual_bound=seconds(self.bound) if self.bound else None,
            placement=self.plan,
        )

    def tighten(self, *, links: bool) -> None:
        """Lower the bound by patterns."""
        stop = self.context.elapsed + BOUND_SHARE * self.context.remaining
        patterns = Patterns(
            self.instance, links=links, late=lambda: self.late() or self.context.elapsed > stop
        )
        relative = min(max(self.context.parameters.relative_gap, 1e-9), 1e-6)
        self.bound = min(self.bound, patterns.bound(self.flow, self.bound, relative))
        self._report()

    def attempt(self, flow: int, limit_s: float = CHOICE_S) -> bool:
        """Look for a plan of cells that carries a flow; take it, or whatever carries more than the best one.

        Parameters
        ----------
        flow : int
            In units.
        limit_s : float
            Seconds of CP-SAT for each order of regions.
        """
        found = groups(self.instance, flow)
        parameters = self.context.parameters
        for share in SHARES:
            selection = Selection(
                found,
                self.instance.layers,
                slow_links(self.costs.link, found, share),
                seed=parameters.seed,
                threads=parameters.thread_count,
                remaining=lambda: self.context.remaining,
            )
            if selection.fill() < self.instance.layers - 1e-6:
                return False
            for chosen in selection.plans(limit_s):
                plan = laid_out(self.instance, found, chosen)
                plan, carried = exchanged(self.instance, found, plan, flow, self.late)
                self.offer(plan)
                if carried >= flow:
                    return True
            if found.regions < 2:
                break
        return False

    def search(self) -> None:
        """Bisect from the bound down for the largest flow that cells carry."""
        failed = self.bound + 1
        target = self.bound
        while target > self.flow and not self.late():
            if not self.attempt(target):
                failed = target
            low = self.flow
            if failed - low <= max(WIDTH * low, 1) or self.closed:
                break
            target = (low + failed) // 2


def run(instance: ReplicatedThroughput, context: Context) -> Claim:
    """Find a plan, bound it, and close the gap where that is possible.

    Parameters
    ----------
    instance, context : ReplicatedThroughput, Context
        What is solved; options, clock and reports.
    """
    search = PlanSearch(instance, context)
    search.offer(context.warm_start)
    for rule in (rules.swarm_plan, rules.petals_plan):
        if not search.closed:
            search.offer(rule(instance))
    if not search.closed:
        search.attempt(search.bound)
    if not search.closed:
        search.tighten(links=True)
    if not search.closed and not small(instance, completion.TINY):
        search.search()
    if not search.closed and not search.late() and small(instance):
        return completion.complete(search)
    return claim(search, Reason.OPTIMAL if search.closed else Reason.LIMIT)


def claim(search: PlanSearch, reason: Reason) -> Claim:
    """Return what is known as a claim.

    Parameters
    ----------
    search : PlanSearch
        With its plan and bound.
    reason : Reason
        Why it ended.
    """
    if search.plan is None:
        reason = Reason.INFEASIBLE if search.closed else Reason.LIMIT
    seconds = search.costs.seconds
    return Claim(
        reason,
        search.plan,
        seconds(search.flow) if search.plan is not None else None,
        seconds(search.bound) if search.bound else None,
        solve_s=search.context.elapsed,
        limit="cells" if reason is Reason.LIMIT and not search.late() else "time",
    )
