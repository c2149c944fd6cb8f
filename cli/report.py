"""make an HTML page and tables from the records of a suite"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from placewise.cli import output
from placewise.cli.streams import note

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="DIR", help="folder of a bench run")
    parser.add_argument("--output", metavar="F", help="the page (default DIR/report.html)")


def run(options: argparse.Namespace) -> int:
    """Write the page; return 1 if it shows a conflict."""
    from placewise.benchmarks.harness.records import read_records
    from placewise.benchmarks.harness.runner import all_conflicts
    from placewise.benchmarks.report.page import write_report

    folder = Path(options.folder)
    records = read_records(folder, rejected=note)
    page, others = write_report(folder, Path(options.output) if options.output else None)
    print(f"{page} (beside it: {', '.join(others)})")
    return output.CONFLICT if all_conflicts(records) else output.SOLVED
