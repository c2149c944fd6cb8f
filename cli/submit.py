"""evaluate a result of a library's instance and enter it where it is better than the best that is known"""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.benchmarks.library.records import FILE, records, save, submitted
from placewise.cli import output
from placewise.instances.files import blaming, read_text
from placewise.instances.library import library
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.solvers.evidence.reading import parsed, with_head

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "result", metavar="RESULT", help="a result file, as solve --output writes it, or a placement"
    )
    parser.add_argument("--instance", metavar="NAME", help="of the library, where the file does not name it")
    parser.add_argument("--by", metavar="WHO", help="who or what found it (default: the file's method)")
    parser.add_argument(
        "--records", metavar="F", default=str(FILE), help="a file of records (default: the package's)"
    )
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Judge, show, and return 1 for a false result, or one that refutes a bound."""
    found = records(options.records)
    with blaming(options.result):
        document = with_head(loads(read_text(options.result)))
        name = options.instance or (document.get("instance") if isinstance(document, dict) else None)
        if not isinstance(name, str) or name not in library():
            raise InstanceError(
                "instance", f"expected the name of one of the library, found {name!r}; --instance names it"
            )
        instance = library()[name].instance()
        result, placement = parsed(instance, document)
    if placement is None:
        raise PlacewiseError(f"{options.result}: expected a placement: a bound alone cannot be checked")
    by = options.by or result.method or "unknown"
    outcome = submitted(instance, found.get(name), placement, result.objective, by)
    if outcome.changed:
        found[name] = outcome.record
        save(found, options.records)
    if options.json:
        document = {"instance": name, "verdict": outcome.verdict, "message": outcome.message}
        output.print_json({"format": "placewise-submission/1", **document})
    else:
        print(f"{name}: {outcome.verdict}: {outcome.message}")
    return output.CONFLICT if outcome.verdict in ("false", "refutes") else output.SOLVED
