"""compare all methods on instances: value, status, gap to the best proven bound, conflicts"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.solvers import compare as compare_methods
from placewise.solvers.bridge import note

if TYPE_CHECKING:
    import argparse

    from placewise.solvers.bridge import GapReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("instances", metavar="INSTANCE", nargs="+", help="paths or shipped names")
    parser.add_argument(
        "--methods", metavar="A,B", help="comma-separated (default: all that are installed and apply)"
    )
    output.add_solve_options(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Compare, show, and return 1 on any conflict."""
    methods = options.methods.split(",") if options.methods else None
    settings = output.solve_options(options)
    instances = [
        instance_of(options, name) for name in options.instances
    ]  # a bad file fails before hours of solving
    reports = []
    for instance in instances:
        with output.live_progress(instance.name) as progress:
            report = compare_methods(instance, methods, started=progress.start, progress=progress, **settings)
        reports.append(report)
        if not options.json:
            show(report)
    if options.json:
        documents = [report.to_json() for report in reports]
        output.print_json(
            documents[0]
            if len(documents) == 1
            else {"format": "placewise-comparisons/1", "comparisons": documents}
        )
    return output.CONFLICT if any(report.conflicts for report in reports) else output.SOLVED


def show(report: GapReport) -> None:
    """Print a comparison for people."""
    console = output.table_console()
    for conflict in report.conflicts:
        console.print(f"[red]conflict, {conflict.kind}: {escape(conflict.message)}[/red]", soft_wrap=True)
    bound, best = report.best_bound, report.best_objective
    title = (
        f"{report.instance.name}: best {output.duration(best)}, best proven bound {output.duration(bound)}"
    )
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    left_out = ("guarantee", "bound", "build") if console.width < output.NARROW else ()
    columns = [
        name
        for name in ("method", "guarantee", "status", "value", "bound", "gap", "build", "solve")
        if name not in left_out
    ]
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("method", "guarantee", "status") else "right", no_wrap=True
        )
    table.add_column("note")
    for result in report.results:
        cells = {
            "method": escape(result.method),
            "guarantee": result.guarantee.value,
            "status": result.status.value,
            "value": output.duration(result.objective),
            "bound": output.duration(result.dual_bound),
            "gap": output.percent(report.gaps[result.method]),
            "build": f"{result.build_s:.2f} s",
            "solve": f"{result.solve_s:.2f} s",
        }
        table.add_row(*(cells[name] for name in columns), escape(note(result)))
    console.print(table)
    for name, reason in report.skipped.items():
        console.print(f"[dim]{escape(name)} skipped: {escape(reason)}[/dim]", soft_wrap=True)
