"""list the methods of a problem, what they guarantee, and what is missing"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from placewise.cli import output
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_named, problems
from placewise.solvers.registry import methods_of

if TYPE_CHECKING:
    import argparse

    from placewise.solvers.execution.method import Method


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("problem", metavar="PROBLEM", nargs="?", help="default: all problems")
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """List the methods."""
    names = [problem_named(options.problem).name] if options.problem else list(problems())
    rows = {problem: [_row(method) for method in methods_of(problem).values()] for problem in names}
    if options.json:
        output.print_json({"format": "placewise-methods/1", **rows})
        return output.SOLVED
    console = output.table_console()
    for problem in names:
        console.print(
            f"[bold]{problem}[/bold]  {problem_named(problem).title}  "
            f"(default: {', else '.join(problem_named(problem).default_methods)})"
        )
        table = Table(box=None, pad_edge=False)
        narrow = console.width < output.NARROW
        for name in ("method", "guarantee", *(() if narrow else ("takes and tells",)), "what it is"):
            table.add_column(name, no_wrap=name != "what it is")
        for row in rows[problem]:
            missing = f" [yellow]missing: {escape(row['missing'])}[/yellow]" if row["missing"] else ""
            table.add_row(
                row["method"],
                row["guarantee"],
                *(() if narrow else (", ".join(row["abilities"]),)),
                escape(row["summary"]) + missing,
            )
        console.print(table)
    return output.SOLVED


def _row(method: Method[Any, Any]) -> dict[str, Any]:
    without = Guarantee.EXACT if method.backend else Guarantee.HEURISTIC
    stated = method.algorithm.guarantee if method.algorithm else without
    return {
        "method": method.name,
        "guarantee": stated.value if isinstance(stated, Guarantee) else "by instance",
        "abilities": sorted(method.abilities),
        "summary": method.summary,
        "missing": method.missing,
    }
