"""Why an answer is what it is: the smallest reason of an infeasible instance, and what an optimum waits for.

Everything is found by solving changed instances, so it holds for every problem and needs no dual values, which
integer models do not have. The reason is irreducible as an infeasible subsystem is.

Source: Junker (2004), QuickXplain, in `infeasibility`; sensitivity is no more than solving anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.models.resources import Resource
from placewise.solvers.evidence import shown
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import differs
from placewise.solvers.explanation.infeasibility import IrreducibleLimits
from placewise.solvers.explanation.inquiry import Effect, Inquiry, OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult

#: So much more of everything of a kind: what a limit costs at most.
PLENTY = 1000.0


@dataclass(repr=False)
class Explanation:
    """What `explain` found.

    Parameters
    ----------
    result : VerifiedResult
        The instance as it is.
    binding : list of Resource
        Less of any of these makes the placement worse or impossible.
    effects : list of Effect
        The sensitivity table, what pays most first.
    reason : list of Resource or None
        Of an infeasible instance: limits that together leave no placement, while without any one of them there is
        one; empty where the reason lies in none of them.
    repairs : list of Effect
        For each limit of the reason the least factor, to 1 %, with which the instance has a placement, where there
        is one.
    complete : bool
        False after Ctrl-C or when the time was up.
    """

    result: VerifiedResult
    binding: list[Resource] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    reason: list[Resource] | None = None
    repairs: list[Effect] = field(default_factory=list)
    complete: bool = True

    def to_frame(self) -> Any:
        """Return the effects as a pandas DataFrame, a row each; raise `PlacewiseError` without pandas."""
        return shown.frame([effect.to_json() for effect in self.effects])

    def __repr__(self) -> str:
        result, parts = self.result, shown.values(self.result)
        if self.reason is not None:
            parts.append(f"reason: {_titles(self.reason) or 'none of the limits'}")
        elif result.objective is not None:
            parts.append(f"binding: {_titles(self.binding) or 'nothing'}")
            parts.append(f"{len(self.effects)} effects")
        parts += [] if self.complete else ["not all was tried"]
        return f"<Explanation of {result.instance.name!r}: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        result, unit = self.result, problem_of(self.result.instance).unit
        value = [] if result.objective is None else [shown.quantity(result.objective, unit)]
        text = ", ".join([*value, *shown.bound_and_gap(result)])
        parts = [shown.heading(result.instance.name, text, result.status.value)]
        if self.reason is not None:
            parts.append(shown.paragraphs([f"reason: {_titles(self.reason) or 'none of the limits'}"]))
        elif result.objective is not None:
            parts.append(shown.paragraphs([f"binding: {_titles(self.binding) or 'nothing'}"]))
        rows = [
            (
                *(effect.resource.title, f"x {effect.factor:.4g}"),
                "refused" if effect.status is None else effect.status.value,
                shown.quantity(effect.objective, unit),
                "" if effect.change is None else f"{effect.change:+.1%}" if effect.change else "no change",
            )
            for effect in (*self.repairs, *self.effects[: shown.MOST_ROWS])
        ]
        parts.append(shown.table(("what if", "factor", "status", "value", "change"), rows) if rows else "")
        left_out = len(self.effects) - shown.MOST_ROWS
        notes = [f"and {left_out} more"] if left_out > 0 else []
        parts.append(shown.paragraphs(notes + ([] if self.complete else ["not all was tried"])))
        return f"<div>{''.join(parts)}</div>"

    def to_json(self) -> dict[str, Any]:
        """Return the document, format ``placewise-explanation/1``."""
        reason = None if self.reason is None else [resource.title for resource in self.reason]
        return {
            "format": "placewise-explanation/1",
            "result": self.result.to_json(),
            "binding": [resource.title for resource in self.binding],
            "effects": [effect.to_json() for effect in self.effects],
            "reason": reason,
            "repairs": [effect.to_json() for effect in self.repairs],
            "complete": self.complete,
        }


def _titles(resources: list[Resource]) -> str:
    return ", ".join(resource.title for resource in resources)


def explain(
    instance: Instance,
    method: str | None = None,
    *,
    change: float = 1.25,
    time_limit: float = 60.0,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """Solve an instance and say why its answer is no better.

    Parameters
    ----------
    instance : Instance
        As `placewise.instances.read` returns it.
    method : str, optional
        As for `solve`; by default the best exact one for each changed instance.
    change : float
        Each resource is multiplied and divided by this.
    time_limit : float
        Seconds for all; what is not done by then is left out.
    progress : callable, optional
        Receives what is tried.

    Returns
    -------
    Explanation
        Also after Ctrl-C, with what was found until then.

    Raises
    ------
    PlacewiseError
        On a factor that is not finite and above 1, or a time limit that is not finite and positive.
    """
    if not (math.isfinite(change) and change > 1):
        raise PlacewiseError(f"change: expected a factor above 1, found {change}")
    if not (math.isfinite(time_limit) and time_limit > 0):
        raise PlacewiseError(f"time limit: expected seconds > 0, found {time_limit}")
    inquiry = Inquiry(instance, method, time_limit, progress or (lambda _: None))
    explanation = Explanation(inquiry.solved(instance, "as it is", share=0.5))
    try:
        if explanation.result.status is Status.INFEASIBLE:
            found = IrreducibleLimits(inquiry)
            explanation.reason = found.limits()
            for limit in explanation.reason:
                repair = found.repair(limit)
                if repair is not None:
                    explanation.repairs.append(repair)
        elif explanation.result.objective is not None:
            _find_binding(inquiry, explanation, change)
            _find_effects(inquiry, explanation, change)
    except (OutOfTimeError, KeyboardInterrupt):
        explanation.complete = False
    explanation.effects.sort(key=lambda effect: 0.0 if effect.change is None else effect.change)
    return explanation


def _find_binding(inquiry: Inquiry, explanation: Explanation, change: float) -> None:
    """List what the placement needs in full: less of it, and the same placement is worse or impossible."""
    resources, links = _with_links_apart(inquiry)
    tied = [resource for resource in resources if _hurts(inquiry, explanation, resource, 1 / change)]
    touched = {resource.devices[0] for resource in tied if resource.kind == "links"}
    links = [link for link in links if touched.issuperset(link.devices)]
    tied = [resource for resource in tied if resource.kind != "links"]
    explanation.binding = tied + [link for link in links if _hurts(inquiry, explanation, link, 1 / change)]


def _with_links_apart(inquiry: Inquiry) -> tuple[list[Resource], list[Resource]]:
    found = inquiry.problem.resources(inquiry.instance)
    return [r for r in found if r.kind != "link"], [r for r in found if r.kind == "link"]


def _hurts(inquiry: Inquiry, explanation: Explanation, resource: Resource, factor: float) -> bool:
    inquiry.seconds_left()
    try:
        changed = inquiry.problem.evaluate(inquiry.scaled(resource, factor), explanation.result.placement)
    except PlacewiseError:  # numbers too far apart for one tick
        return True
    before = explanation.result.objective
    if not changed.feasible or changed.objective is None or before is None:
        return True
    return changed.objective > before and differs(changed.objective, before)


def _find_effects(inquiry: Inquiry, explanation: Explanation, change: float) -> None:
    """Solve with more of everything of a kind, then with more and with less of each resource."""
    everything = [
        Resource("memory", (), "memory of all devices"),
        Resource("speed", (), "speed of all devices"),
    ]
    if inquiry.instance.cluster.size > 1:
        everything.append(Resource("links", (), "links of all devices"))
    for resource in everything:
        _try(inquiry, explanation, resource, math.inf if resource.kind == "memory" else PLENTY)
    for resource in explanation.binding:  # of what is not binding, a little less changes nothing
        _try(inquiry, explanation, resource, change)
        _try(inquiry, explanation, resource, 1 / change)
    for resource in _with_links_apart(inquiry)[0]:
        if resource not in explanation.binding:
            _try(inquiry, explanation, resource, change)


def _try(inquiry: Inquiry, explanation: Explanation, resource: Resource, factor: float) -> None:
    before, title = explanation.result, f"{resource.title} x {factor:.3g}"
    try:
        changed = inquiry.scaled(resource, factor)
        same = inquiry.problem.evaluate(changed, before.placement)
        start = before.placement if same.feasible else None
        result = inquiry.solved(changed, title, warm_start=start)
    except PlacewiseError:  # numbers too far apart for one tick
        explanation.effects.append(Effect(resource, factor, None))
        return
    values = [result.objective, same.objective if same.feasible else None]
    objective = min((value for value in values if value is not None), default=None)
    change = None
    if objective is not None and before.objective:
        moved = differs(objective, before.objective)
        change = (objective - before.objective) / before.objective if moved else 0.0
    explanation.effects.append(Effect(resource, factor, result.status, objective, change))
