"""``placewise``: one command per file; bad usage and bad input end with one line and exit status 2."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from contextlib import contextmanager
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
    from collections.abc import Iterator, Sequence

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
        with _ended_like_interrupted():
            status: int = options.run(options)
            if sys.stdout is not None:  # closed by the caller
                sys.stdout.flush()
    except PlacewiseError as error:
        return _failed(options.command, " ".join(str(error).split()), MISUSE)
    except BrokenPipeError:  # the reader of a pipe left
        _drop_output()
        return 0
    except OSError as error:  # above all a full disk behind the standard output
        _drop_output()
        return _failed(
            options.command, f"{error.filename or 'standard output'}: {error.strerror or error}", MISUSE
        )
    except MemoryError:
        return _failed(options.command, "out of memory", MISUSE)
    except KeyboardInterrupt:
        return _failed(options.command, "interrupted", INTERRUPTED)
    return status


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Let a scheduler's "end" (SIGTERM) keep what Ctrl-C keeps."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failed(command: str, line: str, status: int) -> int:
    print(f"placewise {command}: {line}", file=sys.stderr)
    return status


def _drop_output() -> None:
    """Lead what is still buffered nowhere, so that the interpreter's end does not fail on it again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
