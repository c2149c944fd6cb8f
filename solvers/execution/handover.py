"""What goes between the caller and a worker process: pickles, search paths, and the script whose functions are meant."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import runpy
import select
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import IO, TYPE_CHECKING

from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.solvers.execution.worker import Work

#: Set while a worker runs its caller's script, which then may not solve anything.
IN_SCRIPT = "PLACEWISE_IN_SCRIPT"


def packed(task: Work) -> bytes:
    """Return a task as bytes; raise `PlacewiseError` where a function in it has no name to find it by."""
    try:
        return pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise PlacewiseError(
            f"this cannot be handed to a worker process: {error}; expected a function that a module defines, "
            "or isolate=False"
        ) from None


def hand_over(stream: IO[bytes], content: bytes, deadline: float) -> None:
    """Write to a worker what it is to do; if it is gone, whoever reads its answers sees that.

    Parameters
    ----------
    stream : binary file
        Its standard input.
    content : bytes
        What it reads; more than a pipe holds waits until it reads.
    deadline : float
        By `perf_counter`.

    Raises
    ------
    queue.Empty
        Where it takes nothing until the deadline.
    """
    with contextlib.suppress(BrokenPipeError):
        if not hasattr(select, "poll"):  # Windows
            stream.write(content)
            stream.flush()
            return
        os.set_blocking(stream.fileno(), False)
        room = select.poll()
        room.register(stream, select.POLLOUT)
        left = memoryview(content)
        while left:
            if not room.poll(max(deadline - perf_counter(), 0.0) * 1000):
                raise queue.Empty
            with contextlib.suppress(BlockingIOError):  # some room, but not for a page
                left = left[os.write(stream.fileno(), left) :]


def packed_answer(message: object) -> bytes:
    """Return a message as bytes; of a claim that cannot be handed over, what is wrong with it."""
    try:
        return pickle.dumps(message)
    except Exception as error:
        if not isinstance(message, Claim):
            raise
        why = f"what it returned cannot be handed over: {type(error).__name__}"
        return pickle.dumps(
            replace(message, reason=Reason.ERROR, placement=None, objective=None, message=why)
        )


def introduction(content: bytes) -> bytes:
    """Return what a worker reads before its task: where the caller finds modules, and the script that runs.

    Parameters
    ----------
    content : bytes
        The task. Where it mentions functions of the script, the worker runs that under another name to find them.
    """
    paths = [path or str(Path.cwd()) for path in sys.path]
    script = getattr(sys.modules["__main__"], "__file__", None) if b"__main__" in content else None
    return pickle.dumps((paths, script))


def run_script(path: str) -> None:
    """Run the caller's script as a module, so that its functions can be found; what its main guard holds is not run."""
    os.environ[IN_SCRIPT] = path
    module = ModuleType("__main__")
    module.__dict__.update(runpy.run_path(path, run_name="__placewise_main__"))
    sys.modules["__main__"] = module
    del os.environ[IN_SCRIPT]


def require_guard() -> None:
    """Refuse to solve while a worker runs its caller's script to find a function: that would nest without end."""
    if IN_SCRIPT in os.environ:
        raise PlacewiseError(
            f"{os.environ[IN_SCRIPT]} solves when it is imported, and a worker process imports it to find its functions: "
            "put what it does under if __name__ == '__main__':"
        )
