"""export an instance's MILP as MPS or LP, for any other solver"""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.instances.identity import instance_hash
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected
from placewise.models.registry import problem_of
from placewise.solvers.execution.statement import write_model

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "instance", metavar="INSTANCE", help="a path, - for standard input, or a shipped name"
    )
    parser.add_argument("--to", choices=("mps", "lp"), required=True, help="file format")
    parser.add_argument("--formulation", metavar="FORMULATION", help="default: the problem's first")
    parser.add_argument("--output", metavar="F", required=True, help="file to write")
    output.add_json_option(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Write the model; its objective is in milliseconds, its names are the declarative model's."""
    instance = instance_of(options, options.instance)
    formulations = problem_of(instance).formulations
    if not formulations:
        raise PlacewiseError(f"{instance.name}: {instance.problem} has no declarative model to export")
    name = options.formulation or next(iter(formulations))
    if name not in formulations:
        raise PlacewiseError(f"--formulation: {expected(name, formulations)}")
    write_model(instance, name, options.to, options.output)
    if options.json:
        output.print_json(
            {
                "format": "placewise-export/1",
                "instance": instance.name,
                "instance_hash": instance_hash(instance),
                "problem": instance.problem,
                "formulation": name,
                "to": options.to,
                "file": options.output,
                "objective_unit": "ms",
            }
        )
    return output.SOLVED
