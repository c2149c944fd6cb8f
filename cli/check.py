"""check a result file: evaluate its placement anew, list all violations, compare the claims"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from placewise.cli import output
from placewise.instances import read
from placewise.instances.files import read_text
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers.evidence.verify import differs

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("instance", metavar="INSTANCE", help="a path, or a shipped name")
    parser.add_argument("result", metavar="RESULT", help="a result file, as solve --output writes it")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(options: argparse.Namespace) -> int:
    """Check, show, and return 1 when anything is wrong."""
    instance = read(options.instance)
    placement, document = read_result(instance, options.result)
    evaluation = problem_of(instance).evaluation(instance, placement)
    faults = [violation.message for violation in evaluation.violations]
    faults += _false_claims(document, evaluation.objective, feasible=evaluation.feasible)
    if options.json:
        output.print_json(
            {
                "format": "placewise-check/1",
                "instance": instance.name,
                "feasible": evaluation.feasible,
                "objective": evaluation.objective,
                "claimed_objective": document.get("objective"),
                "violations": [violation.message for violation in evaluation.violations],
                "faults": faults,
            }
        )
    else:
        console = Console(highlight=False)
        for fault in faults:
            console.print(f"[red]{escape(fault)}[/red]", soft_wrap=True)
        verdict = "[red]fails[/red]" if faults else "[green]holds[/green]"
        console.print(
            f"{escape(instance.name)}: {verdict}, objective {output.duration(evaluation.objective)}",
            soft_wrap=True,
        )
    return output.CONFLICT if faults else output.SOLVED


def read_result(instance: Any, source: str) -> tuple[Any, dict[str, Any]]:
    """Return the placement in a result file, and the file."""
    try:
        document = loads(read_text(source))
        if not isinstance(document, dict) or document.get("format") != "placewise-result/1":
            raise InstanceError("format", "expected 'placewise-result/1'")
        for key, expected in (("instance", instance.name), ("problem", instance.problem)):
            if document.get(key) != expected:
                raise InstanceError(key, f"expected {expected!r}, found {document.get(key)!r}")
        if document.get("placement") is None:
            raise InstanceError("placement", "expected a placement, found none")
        return problem_of(instance).read_placement(instance, document["placement"]), document
    except InstanceError as error:
        raise PlacewiseError(f"{source}: {error}") from None


def _false_claims(document: dict[str, Any], objective: float | None, *, feasible: bool) -> list[str]:
    faults = []
    claimed, bound = document.get("objective"), document.get("dual_bound")
    for key, value in (("objective", claimed), ("dual_bound", bound)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InstanceError(key, f"expected a number or null, found {value!r}")
    if claimed is not None and (objective is None or differs(claimed, objective)):
        faults.append(f"the file claims {claimed!r}, the placement costs {objective!r}")
    if (
        feasible
        and objective is not None
        and bound is not None
        and bound > objective
        and differs(bound, objective)
    ):
        faults.append(f"the file claims that nothing is below {bound!r}, the placement costs {objective!r}")
    return faults
