"""The records of the library: for each instance the best value with its placement, the best bound, and their history.

A value is evaluated anew whenever it is read, so that a record cannot lie; a bound is what a verified run of this package
proved, with its method, date and version. A placement below a bound refutes it: the placement stays, the bound goes.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from placewise.instances.files import read_json, write_text
from placewise.instances.folder import DATA
from placewise.models.errors import PlacewiseError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import CLAIM_TOLERANCE, differs, relative_gap

if TYPE_CHECKING:
    from pathlib import Path

    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult

FILE = DATA / "library" / "records.json"
#: Of instances that are proven in 5 seconds, in longer, and not yet.
TIERS = ("seconds", "minute", "open")
QUICK_S = 5.0

Record = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a result that was handed in.

    Parameters
    ----------
    verdict : str
        ``better``, ``equal``, ``worse``, ``false`` (a placement that breaks a constraint or costs something else than it
        states), or ``refutes`` (better than what was proven).
    message : str
        One line.
    record : dict
        As it is now.
    """

    verdict: str
    message: str
    record: Record

    @property
    def changed(self) -> bool:
        """Whether the record is another one."""
        return self.verdict in ("better", "refutes")


def records(source: str | Path = FILE) -> dict[str, Record]:
    """Return the records by instance.

    Parameters
    ----------
    source : str or Path
        The package's, or a copy.
    """
    found = read_json(source)
    if not isinstance(found, dict) or not all(isinstance(record, dict) for record in found.values()):
        raise PlacewiseError(f"{source}: expected an object with a record per instance")
    return found


def save(found: dict[str, Record], target: str | Path = FILE) -> None:
    """Write records, a line each.

    Parameters
    ----------
    found : dict
        By instance.
    target : str or Path
        The package's, or a copy.
    """
    lines = [f"{json.dumps(name)}:{json.dumps(found[name], separators=(',', ':'))}" for name in sorted(found)]
    write_text(target, "{\n" + ",\n".join(lines) + "\n}\n")


def gap(record: Record) -> float | None:
    """Return the relative gap of a record, None without value or bound."""
    if record.get("value") is None or record.get("bound") is None:
        return None
    return relative_gap(record["value"], record["bound"])


def tier(record: Record) -> str:
    """Return where an instance stands: ``seconds`` or ``minute`` where value and bound meet, else ``open``."""
    found = gap(record)
    if found is None or found > CLAIM_TOLERANCE:
        return "open"
    return "seconds" if record.get("seconds", QUICK_S + 1) <= QUICK_S else "minute"


def faults(instance: Instance, record: Record) -> list[str]:
    """Evaluate a record anew and return what is not as stated.

    Parameters
    ----------
    instance : Instance
        Of the library.
    record : dict
        Its record.
    """
    if record.get("placement") is None:
        return [] if record.get("value") is None else [f"{instance.name}: a value without a placement"]
    problem = problem_of(instance)
    evaluation = problem.evaluate(instance, problem.from_json(instance, record["placement"]))
    found = [f"{instance.name}: {violation.message}" for violation in evaluation.violations]
    if evaluation.objective != record["value"]:
        found.append(f"{instance.name}: states {record['value']!r}, costs {evaluation.objective!r}")
    bound = record.get("bound")
    if bound is not None and bound > record["value"] and differs(bound, record["value"]):
        found.append(f"{instance.name}: its bound {bound!r} is above its value")
    return found


def submitted(
    instance: Instance, record: Record | None, placement: Any, claimed: float | None, by: str
) -> Outcome:
    """Judge a placement that was handed in: only what it costs here counts.

    Parameters
    ----------
    instance : Instance
        Of the library.
    record : dict or None
        Its record so far.
    placement : object
        In any form that the problem's gate takes.
    claimed : float or None
        What it is said to cost.
    by : str
        Method or person, for the history.
    """
    known = dict(record or {"history": []})
    problem = problem_of(instance)
    canonical, violations = problem.gate(instance, placement)
    evaluation = problem.evaluate(instance, placement)
    broken = violations or evaluation.violations
    value = evaluation.objective
    if canonical is None or broken or value is None:
        reason = broken[0].message if broken else "it costs nothing that can be stated"
        return Outcome("false", f"no placement of {instance.name}: {reason}", known)
    if claimed is not None and differs(claimed, value):
        return Outcome("false", f"it states {claimed!r} and costs {value!r}", known)
    best = known.get("value")
    if best is not None and not differs(value, best):
        return Outcome("equal", f"costs {value!r}, as the best that is known", known)
    if best is not None and value > best:
        return Outcome("worse", f"costs {value!r}, the best that is known {best!r}", known)
    stamp = _stamp(by)
    bound = known.get("bound")
    refuted = bound is not None and value < bound and differs(value, bound)
    history = [*known.get("history", []), {"value": value} | stamp]
    if refuted:
        history.append({"refuted_bound": bound} | stamp)
        known |= {"bound": None, "bound_by": None}
    known |= {
        "value": value,
        "value_by": stamp,
        "placement": problem.to_json(instance, canonical),
        "history": history,
    }
    if refuted:
        return Outcome(
            "refutes", f"costs {value!r}, below the bound {bound!r} that was taken for proven", known
        )
    return Outcome("better", f"costs {value!r}, was {best!r}", known)


def updated(record: Record | None, result: VerifiedResult) -> Outcome:
    """Return a record with what a verified run of this package adds: a better placement, or a better bound.

    Parameters
    ----------
    record : dict or None
        Of the instance so far.
    result : VerifiedResult
        With its guarantee and conflicts.
    """
    instance, outcome = result.instance, None
    if result.objective is not None:
        outcome = submitted(instance, record, result.placement, result.objective, result.method)
    known = dict(outcome.record if outcome else record or {"history": []})
    changed = outcome is not None and outcome.changed
    stamp = _stamp(result.method)
    bound = result.dual_bound if result.guarantee.bounds and not result.conflicts else None
    value, old = known.get("value"), known.get("bound")
    sound = bound is not None and (value is None or bound <= value or not differs(bound, value))
    if sound and bound is not None and (old is None or (bound > old and differs(bound, old))):
        changed = True
        known |= {"bound": bound, "bound_by": stamp}
        known["history"] = [*known.get("history", []), {"bound": bound} | stamp]
    if result.status is Status.OPTIMAL and result.guarantee is Guarantee.EXACT and tier(known) != "open":
        seconds = round(result.build_s + result.solve_s, 2)
        if seconds < known.get("seconds", math.inf) / 2:
            changed, known["seconds"] = True, seconds
    words = "nothing new" if not changed else f"value {known.get('value')!r}, bound {known.get('bound')!r}"
    return Outcome("better" if changed else "equal", words, known)


def _stamp(by: str) -> dict[str, str]:
    return {"by": by, "date": datetime.now(tz=UTC).date().isoformat(), "version": version("placewise")}
