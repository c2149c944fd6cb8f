"""print the flags or the file with which a runtime carries out a result's placement"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.cli.check import read_result
from placewise.cli.convert import add_instance_options, instance_of
from placewise.cli.runtimes import add_runtime_options, planned, settings_of, show_plan
from placewise.cli.split import placement_of_split
from placewise.cli.streams import note
from placewise.instances import read
from placewise.instances.files import blaming, read_json, require_writable, write_text
from placewise.instances.formats.result import parse_result
from placewise.instances.shipped import shipped_instances
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.models.stages import layer_names

if TYPE_CHECKING:
    import argparse

    from placewise.models.problem import Instance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "files",
        metavar="[INSTANCE] RESULT",
        nargs="+",
        help="a result file, as solve --output writes it; or an instance, or with --cluster a model's file, and a result "
        "or a placement alone",
    )
    add_runtime_options(parser, required=True)
    parser.add_argument(
        "--split",
        metavar="N,N,...",
        help="with INSTANCE instead of RESULT: layers for each device, as check takes them",
    )
    parser.add_argument("--output", metavar="F", help="write what the runtime takes to a file")
    output.add_json_option(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    if options.output:
        require_writable(options.output)
    source = None if len(options.files) == 1 and options.split is None else options.files[0]
    settings_of(options, source)
    document = _of_result(options) if source is None else _of_instance(options, source)
    plan = planned(document, options, source)
    if options.json:
        output.print_json(plan.to_json())
    else:
        show_plan(plan)
    if options.output:
        write_text(options.output, plan.text + "\n")
    return output.SOLVED


def _of_result(options: argparse.Namespace) -> dict[str, Any]:
    """Return the document of a result file alone; of an older one with the shipped instance's names."""
    (file,) = options.files
    document: dict[str, Any] = read_json(file)
    with blaming(file):
        spec = parse_result(document)
    if options.cluster:
        raise PlacewiseError("RESULT: expected a model's file and a result beside --cluster, found one file")
    if document.get("layer_names") is None and spec.instance in shipped_instances():
        return _named(read(spec.instance), file)
    return document


def _of_instance(options: argparse.Namespace, source: str) -> dict[str, Any]:
    """Return the document of an instance's placement, which is evaluated."""
    if len(options.files) != (2 if options.split is None else 1):
        raise PlacewiseError("RESULT: expected one result file, or --split, after INSTANCE")
    instance = instance_of(options, source)
    if options.split is None:
        return _named(instance, options.files[1])
    placement, counted = placement_of_split(instance, options.split)
    note(f"--split: {counted}")
    return _document(instance, placement)


def _named(instance: Instance, file: str) -> dict[str, Any]:
    return _document(instance, read_result(instance, file)[0])


def _document(instance: Instance, placement: Any) -> dict[str, Any]:
    """Return what a plan needs; a placement that breaks something is told."""
    problem = problem_of(instance)
    for violation in problem.evaluate(instance, placement).violations:
        note(f"violated, {violation.constraint}: {violation.message}")
    return {
        "problem": instance.problem,
        "placement": problem.to_json(instance, placement),
        "layer_names": layer_names(instance),
    }
