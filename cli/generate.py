"""generate a seeded instance of any size and write it to a file"""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.cli import output
from placewise.instances import to_document, write
from placewise.instances.generation import family_options, generate
from placewise.instances.registry import format_named
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_named

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("problem", metavar="PROBLEM", help="see: placewise methods")
    parser.add_argument(
        "family", metavar="FAMILY", nargs="?", help="without it: list the families and their options"
    )
    parser.add_argument(
        "option", metavar="KEY=VALUE", nargs="*", help="options of the family, e.g. devices=30"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--name", metavar="NAME", help="name of the instance")
    parser.add_argument("--output", metavar="F", help="write to a file (default: standard output)")
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Generate an instance, or list the families."""
    problem = problem_named(options.problem).name
    if options.family is None:
        families = {family: family_options(problem, family) for family in format_named(problem).families}
        if options.json:
            output.print_json({"format": "placewise-families/1", "problem": problem, "families": families})
            return output.SOLVED
        for family, defaults in families.items():
            print(f"{family}  {' '.join(f'{key}={value}' for key, value in defaults.items())}")
        return output.SOLVED
    for option in options.option:
        if "=" not in option:
            raise PlacewiseError(f"expected KEY=VALUE, found {option!r}")
    for key in ("name", "seed"):
        if any(option.startswith(f"{key}=") for option in options.option):
            raise PlacewiseError(f"{key}: expected as --{key}")
    settings = dict(option.split("=", 1) for option in options.option)
    instance = generate(problem, options.family, seed=options.seed, name=options.name, **settings)
    if options.output:
        write(instance, options.output)
    if options.json or not options.output:
        output.print_json(to_document(instance))
    return output.SOLVED
