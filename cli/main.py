"""``placewise``: one command per file; bad usage and bad input end with one line and exit status 2."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from placewise.cli import completion, streams
from placewise.cli.output import INTERRUPTED, MISUSE
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant
from placewise.solvers.execution.forked import be_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

COMMANDS = (
    "solve",
    "compare",
    "check",
    "plan",
    "explain",
    "largest",
    "frontier",
    "simulate",
    "bench",
    "report",
    "methods",
    "instances",
    "library",
    "submit",
    "devices",
    "profile",
    "residual",
    "generate",
    "convert",
    "export",
)
#: Commands that nobody edits a method under, while they run.
SINGLE = frozenset({"solve", "compare", "explain"})


class Parser(argparse.ArgumentParser):
    """One that names what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, with the nearest choice, and leave with status 2."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong:
            message += meant(wrong[1], re.findall(r"[\w.-]+", wrong[2]))
        unknown = re.search(r"unrecognized arguments: .*?(--[\w-]+)", message)
        if unknown:
            message += meant(unknown[1], self.all_options())
        super().error(message)

    def all_options(self) -> list[str]:
        """Return the options of this parser and of its commands."""
        found = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other name for it
                for command in action.choices.values():
                    found += command.all_options()
        return list(dict.fromkeys(found))


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser with all commands.

    Parameters
    ----------
    only : str, optional
        A command; where it is one, the others are not imported.
    """
    top = Parser(
        prog="placewise",
        description="Decide, with proof, where the parts of a large language model go on unequal devices.",
        epilog="Exit status: 0 solved, 1 conflict or failed check, 2 bad usage or input, 3 proven infeasible, "
        "4 limit without a solution, or runs of a suite that something outside them ended.",
    )
    top.add_argument("--version", action="version", version=f"placewise {version('placewise')}")
    completing = only not in COMMANDS and find_spec("shtab") is not None
    if completing:
        completion.add_to(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in (only,) if only in COMMANDS else COMMANDS:
        module = import_module(f"placewise.cli.{name}")
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        if completing and only == "--print-completion":
            completion.complete_names(command)
        command.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    streams.prepare()
    given = sys.argv[1:] if arguments is None else arguments
    if arguments is None:
        # Methods as ``mymodule:function``: last, so that nothing of the folder stands before a package.
        with suppress(OSError):  # a folder that is gone
            sys.path.append(str(Path.cwd()))
    try:
        options = parser(given[0] if given else None).parse_args(given)
        if arguments is None and options.command in SINGLE:
            be_command()
        return _run(options)
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
