"""``placewise``: one command per file; bad usage and bad input end with one line and exit status 2."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from placewise.cli import (
    bench,
    check,
    compare,
    convert,
    explain,
    export,
    generate,
    instances,
    methods,
    report,
    simulate,
    solve,
)
from placewise.cli.output import INTERRUPTED, MISUSE
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    solve,
    compare,
    check,
    explain,
    simulate,
    bench,
    report,
    methods,
    instances,
    generate,
    convert,
    export,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    top = argparse.ArgumentParser(
        prog="placewise",
        description="Decide, with proof, where the parts of a large language model go on unequal devices.",
        epilog="Exit status: 0 solved, 1 conflict or failed check, 2 bad usage or input, 3 proven infeasible, "
        "4 limit without a solution.",
    )
    top.add_argument("--version", action="version", version=f"placewise {version('placewise')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except PlacewiseError as error:
        line = " ".join(str(error).split())
        print(f"placewise {options.command}: {line}", file=sys.stderr)
        return MISUSE
    except BrokenPipeError:  # the reader of a pipe left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"placewise {options.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
