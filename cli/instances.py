"""list the shipped instances, or print the JSON Schema of instance files"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from placewise.cli import output
from placewise.instances import read, shipped_instances
from placewise.instances.schema import json_schema

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of instance files")
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """List the instances."""
    if options.schema:
        output.print_json(json_schema())
        return output.SOLVED
    loaded = {name: read(path) for name, path in shipped_instances().items()}
    if options.json:
        output.print_json(
            {"format": "placewise-instances/1"}
            | {
                name: {"problem": i.problem, "devices": i.cluster.size, "description": i.description}
                for name, i in loaded.items()
            }
        )
        return output.SOLVED
    table = Table(box=None, pad_edge=False)
    console = output.table_console()
    narrow = console.width < output.NARROW
    for column in ("name", "problem", "devices", "description")[: 3 if narrow else 4]:
        table.add_column(
            column, no_wrap=column in ("name", "problem"), justify="right" if column == "devices" else "left"
        )
    for name, instance in loaded.items():
        cells = (name, instance.problem, str(instance.cluster.size), escape(instance.description))
        table.add_row(*cells[: len(table.columns)])
    console.print(table)
    return output.SOLVED
