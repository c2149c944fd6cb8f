"""``placewise``: one command per file; bad usage and bad input end with one line and exit status 2."""

from __future__ import annotations

import argparse
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
    devices,
    explain,
    export,
    frontier,
    generate,
    instances,
    largest,
    methods,
    plan,
    profile,
    report,
    residual,
    simulate,
    solve,
    streams,
)
from placewise.cli.output import INTERRUPTED, MISUSE
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

COMMANDS = (
    solve,
    compare,
    check,
    plan,
    explain,
    largest,
    frontier,
    simulate,
    bench,
    report,
    methods,
    instances,
    devices,
    profile,
    residual,
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
        "4 limit without a solution, or runs of a suite that something outside them ended.",
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
    streams.prepare()
    try:
        return _run(parser().parse_args(arguments))
    finally:
        streams.settle()


def _run(options: argparse.Namespace) -> int:
    try:
        with _ended_like_interrupted():
            status: int = options.run(options)
            sys.stdout.flush()
    except PlacewiseError as error:
        return _failed(options.command, " ".join(str(error).split()), MISUSE)
    except BrokenPipeError:  # the reader of a pipe left
        streams.drop(sys.stdout)
        return 0
    except OSError as error:  # above all a full disk behind the standard output
        streams.drop(sys.stdout)
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
    """Let a scheduler's "end" (SIGTERM) keep what Ctrl-C keeps; a second one does not stop what cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failed(command: str, line: str, status: int) -> int:
    streams.note(f"placewise {command}: {line}")
    return status


if __name__ == "__main__":
    sys.exit(main())
