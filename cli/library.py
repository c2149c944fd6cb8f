"""list, filter and solve the library of real instances, whose best values and bounds are kept"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from placewise.benchmarks.library.page import page
from placewise.benchmarks.library.records import FILE, TIERS, gap, records, save, tier, updated
from placewise.cli import output
from placewise.instances.library import library
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant
from placewise.solvers import solve

if TYPE_CHECKING:
    import argparse

    from placewise.benchmarks.library.records import Record
    from placewise.instances.library import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these instances")
    parser.add_argument("--tier", choices=TIERS, help="proven in seconds, in a minute or more, or open")
    parser.add_argument("--problem", metavar="P", help="only those of a problem")
    parser.add_argument("--class", dest="kind", metavar="C", help="only those whose class has this in it")
    parser.add_argument(
        "--data", metavar="D", help="only those whose figures are: measured, data sheets, ..."
    )
    parser.add_argument("--solve", action="store_true", help="solve them and say what is new")
    parser.add_argument("--update", action="store_true", help="with --solve: enter what is new")
    parser.add_argument("--method", metavar="M", help="with --solve (default: the best exact one)")
    parser.add_argument(
        "--records", metavar="F", default=str(FILE), help="a file of records (default: the package's)"
    )
    parser.add_argument("--page", action="store_true", help="print the library's page as Markdown")
    output.add_solve_options(parser)


def run(options: argparse.Namespace) -> int:
    """List, print the page, or solve."""
    found = records(options.records)
    if options.page:
        print(page(found), end="")
        return output.SOLVED
    entries = _chosen(options, found)
    if options.solve:
        return _solve(options, entries, found)
    if options.json:
        listed = {entry.name: _document(entry, found.get(entry.name, {})) for entry in entries}
        output.print_json({"format": "placewise-library/1", **listed})
        return output.SOLVED
    table = Table(box=None, pad_edge=False)
    for column in ("name", "class", "figures", "tier", "best value", "bound", "gap"):
        right = column in ("best value", "bound", "gap")
        table.add_column(column, no_wrap=True, justify="right" if right else "left")
    for entry in entries:
        record = found.get(entry.name, {})
        values = (output.duration(record.get("value")), output.duration(record.get("bound")))
        table.add_row(
            entry.name, escape(entry.kind), entry.data, tier(record), *values, output.percent(gap(record))
        )
    output.table_console().print(table)
    return output.SOLVED


def _chosen(options: argparse.Namespace, found: dict[str, Record]) -> list[Entry]:
    known = library()
    for name in options.names:
        if name not in known:
            raise PlacewiseError(f"{name}: not in the library{meant(name, known)} (see: placewise library)")
    return [
        entry
        for entry in (known[name] for name in options.names or known)
        if options.tier in (None, tier(found.get(entry.name, {})))
        and (options.kind or "") in entry.kind
        and options.data in (None, entry.data)
        and options.problem in (None, entry.instance().problem)
    ]


def _document(entry: Entry, record: Record) -> dict[str, object]:
    about = {"class": entry.kind, "data": entry.data, "source": entry.source, "licence": entry.licence}
    return {**about, "tier": tier(record), "gap": gap(record), **record}


def _solve(options: argparse.Namespace, entries: list[Entry], found: dict[str, Record]) -> int:
    """Solve each, say what is new, and enter it where that is asked for; 1 on any conflict."""
    settings, conflict = output.solve_options(options), False
    solved: list[dict[str, object]] = []
    for entry in entries:
        instance = entry.instance()
        with output.live_progress(entry.name) as progress:
            result = solve(instance, options.method, progress=progress, **settings)
        conflict = conflict or bool(result.conflicts)
        outcome = updated(found.get(entry.name), result)
        solved.append({"verdict": outcome.verdict, "message": outcome.message, "result": result.to_json()})
        gap_text = output.percent(result.relative_gap)
        if not options.json:
            print(
                f"{entry.name}: {result.status.value}, gap {gap_text}, {result.solve_s:.1f} s; {outcome.message}",
                flush=True,
            )
        if options.update and outcome.changed:
            found[entry.name] = outcome.record
            save(found, options.records)
    if options.json:
        output.print_json({"format": "placewise-library-solve/1", "solved": solved})
    return output.CONFLICT if conflict else output.SOLVED
