"""What the commands share: exit statuses, options of a solve, numbers for people, live progress."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status as Spinner
from rich.text import Text

from placewise.instances.files import write_text
from placewise.instances.strict_json import dumps
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.shown import duration, percent, size
from placewise.solvers.evidence.verify import relative_gap

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from placewise.solvers.evidence.result import Progress, VerifiedResult

__all__ = [
    "CONFLICT",
    "INFEASIBLE",
    "INTERRUPTED",
    "LIMIT",
    "MISUSE",
    "NARROW",
    "PIPE_WIDTH",
    "SOLVED",
    "LiveProgress",
    "add_json_option",
    "add_solve_options",
    "duration",
    "exit_status",
    "live_progress",
    "percent",
    "print_json",
    "save",
    "size",
    "solve_options",
    "table_console",
]

SOLVED, CONFLICT, MISUSE, INFEASIBLE, LIMIT = range(5)
INTERRUPTED = 130
PIPE_WIDTH = 160
_EXIT = {
    Status.OPTIMAL: SOLVED,
    Status.FEASIBLE: SOLVED,
    Status.INFEASIBLE: INFEASIBLE,
    Status.NO_SOLUTION: LIMIT,
    Status.ERROR: CONFLICT,
}


def exit_status(result: VerifiedResult) -> int:
    """Return the exit status for a result; any conflict fails."""
    return CONFLICT if result.conflicts else _EXIT[result.status]


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option by which a command prints a document, whose `format` says what it is."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def add_solve_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `solve` and `compare` share."""
    parser.add_argument(
        "--time-limit", type=float, default=60.0, metavar="S", help="seconds per method (default 60)"
    )
    parser.add_argument(
        "--gap",
        type=float,
        default=1e-6,
        metavar="G",
        help="relative gap that counts as optimal (default 1e-6)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of a solver (default: as it likes)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of a solver (default 0)")
    parser.add_argument(
        "--memory-limit", type=float, metavar="GB", help="memory of a worker process in 1e9 bytes"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="append the solver's own output to a file")
    add_json_option(parser)


def solve_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `solve` that the command line states."""
    log = options.log
    if log is not None and not log.absolute().parent.is_dir():
        raise PlacewiseError(f"--log {log}: expected a file in an existing folder")
    return {
        "time_limit": options.time_limit,
        "relative_gap": options.gap,
        "threads": options.threads,
        "seed": options.seed,
        "log": None if log is None else log.absolute(),
        "memory_limit_bytes": None if options.memory_limit is None else int(options.memory_limit * 1e9),
    }


#: Below this many columns a table leaves out what a person can do without; `--json` has it all.
NARROW = 110


def table_console() -> Console:
    """Return a console for tables: a pipe has no width, so lines are as long as they need to be."""
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document."""
    print(dumps(document))


def save(target: str, document: dict[str, Any]) -> None:
    """Write a JSON document, whole or not at all."""
    write_text(target, dumps(document) + "\n")


class LiveProgress:
    """Incumbent, bound and gap of the running method, on one line of a terminal.

    Parameters
    ----------
    name : str
        The instance.
    spinner : rich Status or None
        Where to show it; None in a pipe, which stays quiet.
    """

    def __init__(self, name: str, spinner: Spinner | None) -> None:
        self._name = name
        self._spinner = spinner
        self.start()

    def start(self, method: str = "") -> None:
        """Forget the numbers: another method runs."""
        self._label, self._since = f"{self._name}  {method}", perf_counter()
        self._best: dict[str, float] = {}
        self._show()

    def __call__(self, step: Progress) -> None:
        """Take a step of the running method."""
        for name in ("objective", "dual_bound"):
            value = getattr(step, name)
            if value is not None:
                self._best[name] = value
        self._show()

    def _show(self) -> None:
        if self._spinner is None:
            return
        self._spinner.update(self)

    def __rich__(self) -> Text:
        """Return the line as it is now: the clock goes on where nothing else does."""
        parts, best = (
            [f"[bold]{escape(self._label)}[/bold]  {perf_counter() - self._since:.0f} s"],
            self._best,
        )
        if "objective" in best:
            parts.append(f"incumbent {duration(best['objective'])}")
        if "dual_bound" in best:
            parts.append(f"bound {duration(best['dual_bound'])}")
        if len(best) == 2:
            parts.append(f"gap {percent(relative_gap(best['objective'], best['dual_bound']))}")
        return Text.from_markup("   ".join(parts), overflow="ellipsis")


@contextmanager
def live_progress(name: str) -> Iterator[LiveProgress]:
    """Show progress on a terminal while something runs; stay quiet in a pipe."""
    if not sys.stderr.isatty():
        yield LiveProgress(name, None)
        return
    with Spinner("", console=Console(stderr=True, emoji=False)) as spinner:
        yield LiveProgress(name, spinner)
