"""The standard streams, whatever the caller gave: closed ones, and ones in an encoding without our signs."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What stands for the signs of pictures and tables in an encoding that lacks them; others show as ``\\u7aef``.
ASCII = {"█": "#", "░": ".", "↓": "v", "↺": "<", "·": ".", "×": "x", "…": ".", "–": "-", "−": "-", "≤": "<="}
SUBSTITUTE = "placewise-substitute"
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare() -> None:
    """Open what the caller closed, and let no character fail."""
    codecs.register_error(SUBSTITUTE, _substitute)
    Console.on_broken_pipe = left  # type: ignore[assignment, method-assign]
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # not a file: what a caller put there
            stream.reconfigure(errors=SUBSTITUTE)  # type: ignore[union-attr]


def _occupy(number: int) -> None:
    """Let a closed descriptor lead nowhere: the next file would get its number, and a solver's messages with it."""
    with contextlib.suppress(OSError):
        os.fstat(number)
        return
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _substitute(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = [ASCII.get(sign) or _escaped(sign) for sign in error.object[error.start : error.end]]
    return "".join(signs), error.end


def _escaped(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode("ascii")


def note(line: str) -> None:
    """Print a line to the standard error; one that cannot be written is no failure of the command."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def drop(stream: Any) -> None:
    """Lead what is still buffered nowhere, so that the interpreter's end does not fail on it again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def left(console: Console) -> NoReturn:
    """Say that the reader of a pipe left as Python says it: Rich ends the program with the status of a conflict."""
    console.quiet = True
    raise BrokenPipeError


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Go on where the reader of a pipe leaves: what else is to be written is written all the same."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)


def settle() -> None:
    """Flush the standard error, or drop what it does not take."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        drop(sys.stderr)
