"""check a result file: recompute all that it states from its placement, and say what no file can prove"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.cli.split import placement_of_split
from placewise.cli.streams import note
from placewise.instances.files import blaming, read_text
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers import solve
from placewise.solvers.certificates.files import read_certificate, verdict_on
from placewise.solvers.evidence.audit import Audit, Certified, audit
from placewise.solvers.evidence.reading import parsed, with_head
from placewise.solvers.evidence.verify import CLAIM_TOLERANCE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from placewise.instances.formats.result import ResultSpec
    from placewise.models.problem import Instance

#: Seconds for each heuristic that may refute a bound.
PROBE_S = 10.0
_COLOURS = {"holds": "green", "fails": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "instance", metavar="INSTANCE", help="a path, or a shipped name; with --cluster a model's file"
    )
    parser.add_argument(
        "result",
        metavar="RESULT",
        nargs="?",
        help='a result file, as solve --output writes it, {"placement": ...}, or a placement alone',
    )
    parser.add_argument(
        "--split",
        metavar="N,N,...",
        help="instead of RESULT: so many layers for each device, in the order of the cluster, as in 18,21,21,21",
    )
    parser.add_argument(
        "--certificate",
        metavar="F",
        help="of the result's bound, or that there is no placement, as solve --certificate writes it",
    )
    parser.add_argument(
        "--gap",
        type=float,
        default=CLAIM_TOLERANCE,
        metavar="G",
        help="relative gap up to which 'optimal' is right (default 1e-6, as for solve)",
    )
    output.add_json_option(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Check, show, and return 1 when anything is wrong or nothing could be checked."""
    if not 0 <= options.gap < 1:
        raise PlacewiseError(f"--gap: expected 0 <= G < 1, found {options.gap:g}")
    if (options.result is None) == (options.split is None):
        raise PlacewiseError("RESULT: expected a result file, or --split")
    instance = instance_of(options, options.instance)
    if options.split is not None:
        placement, counted = placement_of_split(instance, options.split)
        document = {"placement": problem_of(instance).to_json(instance, placement)}
        found = _examined(instance, *parsed(instance, document), options.gap, options.certificate)
        note(f"--split: {counted}")
    else:
        found = examine(instance, options.result, options.gap, options.certificate)
    if options.json:
        output.print_json(_document(instance, *found))
    else:
        _show(instance, found[1])
    return output.SOLVED if found[1].verdict == "holds" else output.CONFLICT


def examine(
    instance: Instance, source: str, tolerance: float = CLAIM_TOLERANCE, certificate: str | None = None
) -> tuple[ResultSpec, Audit]:
    """Return a result file and what is left of it; raise `PlacewiseError` where it is no result of the instance."""
    with blaming(source):
        result, placement = _parsed(instance, source)
    return _examined(instance, result, placement, tolerance, certificate)


def _examined(
    instance: Any, result: ResultSpec, placement: Any, tolerance: float, certificate: str | None
) -> tuple[ResultSpec, Audit]:
    certified = None if certificate is None else _certified(instance, placement, certificate)
    found = audit(
        instance, result, placement, tolerance=tolerance, known=_probes(instance), certified=certified
    )
    return result, found


def _certified(instance: Any, placement: Any, source: str) -> Certified:
    """Return what the verifier makes of a certificate beside a placement."""
    document = read_certificate(source)
    if placement is not None:
        placement = problem_of(instance).gate(instance, placement)[0]
        if placement is None:
            return Certified(refusal="the placement is none of the instance")
        placement = problem_of(instance).placement_json(instance, placement)
    verdict = verdict_on(instance, placement, document)
    return Certified(refusal=verdict) if isinstance(verdict, str) else Certified(*verdict)


def read_result(instance: Instance, source: str) -> tuple[Any, ResultSpec]:
    """Return the placement in a result file, in canonical form, and the file; raise one line where there is none."""
    with blaming(source):
        result, given = _parsed(instance, source)
        if given is None:
            raise InstanceError("placement", "expected a placement, found none")
        placement, violations = problem_of(instance).gate(instance, given)
        if violations:
            raise InstanceError("placement", violations[0].message)
        return placement, result


def _parsed(instance: Instance, source: str) -> tuple[ResultSpec, Any]:
    """Return a checked result of an instance, and its placement as read from its names."""
    return parsed(instance, with_head(loads(read_text(source))))


def _probes(instance: Instance) -> Iterator[Any]:
    """Yield placements of fast heuristics, which may refute a bound or an infeasibility."""
    for name in problem_of(instance).probing_methods:
        try:
            found = solve(instance, name, time_limit=PROBE_S, isolate=False)
        except PlacewiseError:  # it does not apply
            continue
        if found.objective is not None:
            yield found.placement


def _document(instance: Instance, result: ResultSpec, found: Audit) -> dict[str, Any]:
    """Return the document, format ``placewise-check/1``."""
    evaluation = found.evaluation
    return {
        "format": "placewise-check/1",
        "instance": instance.name,
        "verdict": found.verdict,
        "feasible": None if evaluation is None else evaluation.feasible,
        "objective": None if evaluation is None else evaluation.objective,
        "claimed_objective": result.objective,
        "violations": []
        if evaluation is None
        else [violation.message for violation in evaluation.violations],
        "faults": list(found.faults),
        "unproven": list(found.unproven),
        "proof": found.proof,
        "evidence": found.evidence,
    }


def _show(instance: Instance, found: Audit) -> None:
    """Print the faults, what is unproven, and the verdict."""
    console = Console(highlight=False, emoji=False)
    for fault in found.faults:
        console.print(f"[red]{escape(fault)}[/red]", soft_wrap=True)
    for line in found.unproven:
        console.print(f"[yellow]{escape(line)}[/yellow]", soft_wrap=True)
    value = (
        f"no placement, proven: {found.proof}"
        if found.proof
        else f"objective {output.duration(None if found.evaluation is None else found.evaluation.objective)}"
    )
    if found.evidence and not found.proof:
        value += f", {found.evidence}"
    colour = _COLOURS.get(found.verdict, "yellow")
    console.print(
        f"{escape(instance.name)}: [{colour}]{found.verdict}[/{colour}], {escape(value)}", soft_wrap=True
    )
