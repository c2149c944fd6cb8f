"""run a suite of instances, methods and limits; what is done stays done"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from placewise.cli import output
from placewise.cli.streams import note
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    import argparse

    from placewise.benchmarks.harness.records import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "suite", metavar="SUITE", nargs="?", help="a shipped suite (without it: list them), or a suite file"
    )
    parser.add_argument("--output", metavar="DIR", help="folder of the records (default bench-SUITE)")
    parser.add_argument(
        "--methods", metavar="A,B", help="instead of the suite's, e.g. labels,mymodule:myfunction"
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="seconds per run, instead of the suite's"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (default 1)")
    parser.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler, or local:N worker processes")
    parser.add_argument(
        "--retry-errors",
        action="store_true",
        help="also repeat runs that ended in an error, or that something outside them ended",
    )
    parser.add_argument("--list", action="store_true", help="list the runs, or without SUITE the suites")
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Run what is not done yet; return 1 on any conflict, 4 if something outside them ended runs."""
    # Imported here: no other command needs them to start.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from placewise.benchmarks.harness.on_dask import on_dask
    from placewise.benchmarks.harness.runner import in_threads, run_suite
    from placewise.benchmarks.harness.suites import expand, read_suite, shipped_suites, with_methods

    if options.suite is None:
        suites = {name: read_suite(name) for name in shipped_suites()}
        if options.json:
            listed = {
                name: {"description": suite.description, "runs": len(expand(suite))}
                for name, suite in suites.items()
            }
            output.print_json({"format": "placewise-suites/1", "suites": listed})
            return output.SOLVED
        for name, suite in suites.items():
            print(f"{name}: {suite.description} ({len(expand(suite))} runs)")
        return output.SOLVED
    suite = read_suite(options.suite)
    if options.methods:
        suite = with_methods(suite, options.methods.split(","))
    if options.time_limit is not None:
        if not options.time_limit > 0:
            raise PlacewiseError(f"--time-limit: expected seconds > 0, found {options.time_limit:g}")
        entries = [entry.model_copy(update={"time_limit": options.time_limit}) for entry in suite.entries]
        suite = suite.model_copy(update={"entries": entries})
    if options.list:
        if options.json:
            runs = [{"key": spec.key, **asdict(spec)} for spec in expand(suite)]
            output.print_json({"format": "placewise-runs/1", "suite": suite.name, "runs": runs})
            return output.SOLVED
        for spec in expand(suite):
            print(f"{spec.key}  {spec.group}  {spec.instance}  {spec.method}  {spec.time_limit:g} s")
        return output.SOLVED
    if options.jobs < 1:
        raise PlacewiseError(f"--jobs: expected at least 1, found {options.jobs}")
    engine = on_dask(options.dask) if options.dask else in_threads(options.jobs)
    folder = Path(options.output or f"bench-{suite.name}")
    console = Console(stderr=True, emoji=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(suite.name, total=None)
        records = run_suite(
            suite,
            folder,
            engine,
            retry_errors=options.retry_errors,
            started=lambda total, done: progress.update(task, total=total, completed=done),
            finished=lambda record: progress.update(
                task, advance=1, description=f"{record['instance']}  {record['method']}"
            ),
            rejected=note,
        )
    return _told(options, suite.name, folder, records)


def _told(options: argparse.Namespace, suite: str, folder: Path, records: list[Record]) -> int:
    """Say what the records come to; return the exit status."""
    from placewise.benchmarks.harness.runner import all_conflicts

    counts = dict(sorted(Counter(record.document["status"] for record in records).items()))
    conflicts = all_conflicts(records)
    for record, conflict in conflicts:
        note(f"conflict, {conflict.kind}, {record.instance}: {conflict.message}")
    lost = [record for record in records if record.transient]
    if lost:
        note(
            f"{len(lost)} runs were ended by something outside them, the first by: {lost[0].document['message']}; "
            "--retry-errors repeats them"
        )
    if options.json:
        output.print_json(
            {
                "format": "placewise-bench/1",
                "suite": suite,
                "folder": str(folder),
                "runs": len(records),
                "statuses": counts,
                "lost": len(lost),
                "conflicts": [
                    {"instance": record.instance, **conflict.to_json()} for record, conflict in conflicts
                ],
            }
        )
    else:
        stated = ", ".join(f"{count} {status}" for status, count in counts.items())
        print(f"{len(records)} runs in {folder}: {stated}; {len(conflicts)} conflicts")
    if conflicts:
        return output.CONFLICT
    return output.LIMIT if lost else output.SOLVED
