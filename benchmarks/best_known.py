"""The best placements known for the shipped instances: kept, evaluated anew, and only ever replaced by better ones.

``python -m placewise.benchmarks.best_known --time-limit 60``
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from placewise.instances import read, shipped_instances
from placewise.instances.files import write_text
from placewise.instances.folder import DATA
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import differs
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from placewise.solvers.evidence.result import VerifiedResult

FILE = DATA / "best_known.json"


def best_known() -> dict[str, dict[str, Any]]:
    """Return by instance: status, objective, dual_bound in seconds, method, seconds, placement."""
    known: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return known


def faults(name: str, entry: dict[str, Any]) -> list[str]:
    """Evaluate an entry anew and return what is not as stated."""
    if entry["status"] == Status.INFEASIBLE.value:
        return []
    instance = read(name)
    problem = problem_of(instance)
    evaluation = problem.evaluate(instance, problem.from_json(instance, entry["placement"]))
    found = [f"{name}: {violation.message}" for violation in evaluation.violations]
    if evaluation.objective != entry["objective"]:
        found.append(f"{name}: states {entry['objective']!r}, its placement costs {evaluation.objective!r}")
    if entry["status"] == Status.OPTIMAL.value and differs(entry["objective"], entry["dual_bound"]):
        found.append(f"{name}: optimal, but the bound is {entry['dual_bound']!r}")
    return found


def regressions(result: VerifiedResult, entry: dict[str, Any]) -> list[str]:
    """Return by what a result is worse than what is known, or refutes it."""
    name, best = result.instance.name, entry["objective"]
    found = [f"{name}: {conflict.message}" for conflict in result.conflicts]
    if entry["status"] in ("optimal", "infeasible") and result.status.value != entry["status"]:
        found.append(f"{name}: {result.method} ends {result.status.value}, known is {entry['status']}")
    if best is None:
        return found
    if result.objective is None or (result.objective > best and differs(result.objective, best)):
        found.append(f"{name}: {result.method} finds {result.objective!r}, known is {best!r}")
    if result.dual_bound is not None and result.dual_bound > best and differs(result.dual_bound, best):
        found.append(f"{name}: {result.method} claims the bound {result.dual_bound!r}, known is {best!r}")
    return found


def _entry(result: VerifiedResult) -> dict[str, Any]:
    document = result.to_json()
    kept = ("status", "objective", "dual_bound", "method", "placement")
    return {key: document[key] for key in kept} | {"seconds": round(result.build_s + result.solve_s, 2)}


def main() -> int:
    """Solve the shipped instances by their default methods and keep what is better."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--missing", action="store_true", help="only instances without an entry")
    options = parser.parse_args()
    known = best_known() if FILE.exists() else {}
    for name in shipped_instances():
        if options.missing and name in known:
            continue
        result = solve(read(name), time_limit=options.time_limit)
        old = known.get(name)
        better = old is None or (
            result.objective is not None
            and (result.objective, -(result.dual_bound or 0.0))
            < (old["objective"], -(old["dual_bound"] or 0.0))
        )
        if better:
            known[name] = _entry(result)
            write_text(FILE, json.dumps(dict(sorted(known.items())), separators=(",", ":")) + "\n")
        print(f"{name:40} {result.status.value:10} {result.objective} {'kept' if better else ''}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
