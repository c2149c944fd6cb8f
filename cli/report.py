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
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Write the page; return 1 if it shows a conflict."""
    from placewise.benchmarks.harness.records import read_records
    from placewise.benchmarks.harness.runner import all_conflicts
    from placewise.benchmarks.report.page import write_report

    folder = Path(options.folder)
    records = read_records(folder, rejected=note)
    page, others = write_report(folder, Path(options.output) if options.output else None)
    conflicts = all_conflicts(records)
    if options.json:
        output.print_json(
            {
                "format": "placewise-report/1",
                "page": str(page),
                "tables": [str(folder / name) for name in others],
                "runs": len(records),
                "conflicts": len(conflicts),
            }
        )
    else:
        print(f"{page} (beside it: {', '.join(others)})")
    return output.CONFLICT if conflicts else output.SOLVED
