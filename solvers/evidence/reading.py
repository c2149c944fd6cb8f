"""A result file read back: nothing in it is believed but the placement, which is evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.instances.files import blaming, read_text
from placewise.instances.formats.result import parse_result
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.audit import audit
from placewise.solvers.evidence.result import Conflict, Reason, Status, Termination, VerifiedResult
from placewise.solvers.evidence.verify import CLAIM_TOLERANCE, differs, relative_gap

if TYPE_CHECKING:
    from placewise.instances.formats.result import ResultSpec
    from placewise.models.problem import Instance


def with_head(document: Any) -> Any:
    """Return a placement alone, a list or an object without a head, as the document of a result; others as they are.

    Parameters
    ----------
    document : object
        As parsed from JSON.
    """
    bare = isinstance(document, list) or (
        isinstance(document, dict) and document and not {"format", "placement"} & document.keys()
    )
    return {"placement": document} if bare else document


def parsed(instance: Instance, document: Any) -> tuple[ResultSpec, Any]:
    """Return a checked result document of an instance, and its placement as read from its names.

    Parameters
    ----------
    instance : Instance
        Whose result it should be.
    document : object
        As parsed from JSON.

    Returns
    -------
    result : ResultSpec
        Checked in form, and to name the instance and its problem.
    placement : object or None
        In the problem's form, not evaluated yet.

    Raises
    ------
    InstanceError
        Naming the path of what is wrong, also where it is a result of another instance.
    """
    result = parse_result(document)
    for key, expected in (("instance", instance.name), ("problem", instance.problem)):
        stated = getattr(result, key)
        if stated != expected and (stated is not None or result.format is not None):
            raise InstanceError(key, f"expected {expected!r}, found {stated!r}")
    placement = result.placement
    if isinstance(placement, dict) or (placement is not None and result.format is not None):
        placement = problem_of(instance).from_json(instance, placement)
    return result, placement


def result_of(instance: Instance, source: Mapping[str, Any] | str | Path) -> VerifiedResult:
    """Return what is left of a result that was written down, see `VerifiedResult.from_json`.

    Parameters
    ----------
    instance : Instance
        Whose result it should be.
    source : mapping, str or path
        A document, or the file that holds one.
    """
    if isinstance(source, str | Path):
        with blaming(source):
            return _reverified(instance, loads(read_text(source)))
    return _reverified(instance, dict(source) if isinstance(source, Mapping) else source)


def _reverified(instance: Instance, document: Any) -> VerifiedResult:
    spec, given = parsed(instance, document)
    problem = problem_of(instance)
    found = audit(instance, spec, given)
    evaluation = found.evaluation
    method = spec.method or "a file"
    broken = () if evaluation is None else evaluation.violations
    stated = {violation.message for violation in broken}
    conflicts = tuple(
        Conflict("file-refuted", (method,), fault) for fault in found.faults if fault not in stated
    )
    objective = None if evaluation is None or broken else evaluation.objective
    bound = None if objective is None else _proven_bound(problem.floor(instance), objective)
    gap = None if objective is None or bound is None else relative_gap(objective, bound)
    if gap is not None:
        status = Status.OPTIMAL if gap <= CLAIM_TOLERANCE else Status.FEASIBLE
    elif evaluation is None and found.proof:
        status = Status.INFEASIBLE
    else:
        status = Status.ERROR if conflicts else Status.NO_SOLUTION
    seconds, by = spec.seconds or {}, document.get("incumbent_by")
    return VerifiedResult(
        instance=instance,
        method=method,
        guarantee=_word(Guarantee, spec.guarantee) or Guarantee.HEURISTIC,
        status=status,
        objective=objective,
        dual_bound=bound,
        relative_gap=gap,
        terms={} if evaluation is None else evaluation.terms,
        placement=None if given is None else problem.gate(instance, given)[0],
        violations=broken,
        conflicts=conflicts,
        message="; ".join([*([found.proof] if found.proof else []), *found.unproven]),
        build_s=float(seconds.get("build", 0.0)),
        solve_s=float(seconds.get("solve", 0.0)),
        versions=dict(spec.versions or {}),
        termination=_termination(spec.termination),
        incumbent_by=by if isinstance(by, str) and objective is not None else None,
    )


def _proven_bound(floor: float, objective: float) -> float | None:
    """Return what the equations alone prove; a bound that a solver found would have to be believed."""
    if not math.isfinite(floor) or (floor > objective and differs(floor, objective)):
        return None
    return min(floor, objective)


def _word(kind: Any, stated: object) -> Any:
    return next((word for word in kind if word.value == stated), None)


def _termination(stated: dict[str, Any] | None) -> Termination | None:
    reason, limit = _word(Reason, (stated or {}).get("reason")), (stated or {}).get("limit")
    return None if reason is None else Termination(reason, limit if isinstance(limit, str) else None)
