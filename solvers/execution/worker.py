"""A process per solve: a hard wall limit, a memory cap, and a crash that is a result.

The parent starts ``python -m placewise.solvers.execution.worker``, hands it a pickled task, and reads pickled progress and
the claim. A method that overruns its limit or dies is stopped together with its children; the last placement and
bound that it reported are kept. A worker whose parent disappears ends itself.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.lazy import load
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.formulation import run_formulation
from placewise.solvers.execution.processes import (
    adopt_orphans,
    end_children,
    end_family,
    end_own_family,
    start_family,
)
from placewise.solvers.execution.run import Run
from placewise.solvers.registry import find_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.solvers.execution.parameters import Parameters

#: Seconds beyond the time limit for starting, building a large model, and a solver's own overrun.
GRACE_S = 10.0


@dataclass(frozen=True)
class Task:
    """What a worker is asked to do."""

    instance: Any
    method: str
    parameters: Parameters
    warm_start: Any = None


class InterruptedSolve(KeyboardInterrupt):
    """Ctrl-C during a solve; carries the claim with the last incumbent and bound.

    Parameters
    ----------
    claim : Claim
        What was known when it came.
    """

    def __init__(self, claim: Claim) -> None:
        super().__init__("interrupted")
        self.claim = claim


def perform(task: Task, report: Callable[[Progress], None] | None = None) -> Claim:
    """Run a task in this process; errors of a method become a claim, misuse is raised."""
    method = find_method(task.instance.problem, task.method)
    run = Run(task.parameters, task.warm_start, report)
    try:
        if method.function is not None:
            return _run_function(method.function, task, run)
        if method.algorithm is None:
            return run_formulation(task.instance, method, run)
        claim: Claim = load(method.algorithm.run)(task.instance, run)
    except PlacewiseError:
        raise
    except MemoryError:
        return Claim(Reason.ERROR, message="out of memory", solve_s=run.elapsed)
    except Exception as error:  # noqa: BLE001 - whatever a solver raises is its result
        return Claim(Reason.ERROR, message=f"{type(error).__name__}: {error}", solve_s=run.elapsed)
    return claim


def _run_function(reference: str, task: Task, run: Run) -> Claim:
    """Run a user's ``(instance, parameters) -> placement``; None means that it found nothing."""
    try:
        function = load(reference)
    except (ImportError, AttributeError, ValueError) as error:
        raise PlacewiseError(f"method {reference!r}: cannot import it: {error}") from None
    placement = function(task.instance, task.parameters)
    return Claim(Reason.FINISHED, placement, solve_s=run.elapsed)


def perform_isolated(task: Task, report: Callable[[Progress], None]) -> Claim:
    """Run a task in a worker process.

    Raises
    ------
    PlacewiseError
        What the worker refused, e.g. a method that does not apply.
    InterruptedSolve
        On Ctrl-C, after the worker was stopped.
    """
    began = perf_counter()
    deadline = began + task.parameters.time_limit + GRACE_S
    last = Progress(0.0)
    with tempfile.TemporaryFile() as errors:
        worker = _start(task, errors)
        messages: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=_receive, args=(worker.stdout, messages), daemon=True).start()
        try:
            while True:
                try:
                    message = messages.get(timeout=max(deadline - perf_counter(), 0.0))
                except queue.Empty:
                    return _kept(last, Reason.LIMIT, "stopped: it overran its time limit", began)
                if isinstance(message, Progress):
                    last = _latest(last, message)
                    report(message)
                elif isinstance(message, Claim):
                    return message
                elif isinstance(message, PlacewiseError):
                    raise message
                else:
                    reason = f"the worker died{_exit_words(worker.wait())}{_tail(errors)}"
                    return _kept(last, Reason.ERROR, reason, began)
        except KeyboardInterrupt:
            raise InterruptedSolve(_kept(last, Reason.LIMIT, "interrupted", began)) from None
        finally:
            _stop(worker)


def _kept(last: Progress, reason: Reason, message: str, began: float) -> Claim:
    """Return what a stopped worker leaves: a crash with an incumbent still has the incumbent."""
    reason = Reason.LIMIT if last.placement is not None else reason
    return Claim(
        reason,
        last.placement,
        last.objective,
        last.dual_bound,
        message=message,
        solve_s=perf_counter() - began,
    )


def _latest(last: Progress, new: Progress) -> Progress:
    placed = new.placement is not None
    return Progress(
        new.seconds,
        new.objective if placed else last.objective,
        last.dual_bound if new.dual_bound is None else new.dual_bound,
        new.placement if placed else last.placement,
    )


def _start(task: Task, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    worker = start_family(  # in a session of its own: Ctrl-C reaches the parent only
        [sys.executable, "-m", "placewise.solvers.execution.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # then the receiver sees its end
        pickle.dump(task, worker.stdin)
        worker.stdin.flush()
    return worker


def _receive(stream: Any, messages: queue.Queue[Any]) -> None:
    try:
        while True:
            messages.put(pickle.load(stream))
    except (EOFError, pickle.UnpicklingError, OSError, ValueError):
        messages.put(None)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    end_family(worker)
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _exit_words(code: int) -> str:
    return f" by signal {signal.Signals(-code).name}" if code < 0 else f" with exit status {code}"


def _tail(errors: IO[bytes]) -> str:
    errors.seek(max(errors.seek(0, os.SEEK_END) - 4000, 0))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def main() -> None:
    """Serve one task: standard input gives it, standard output takes progress and the claim."""
    adopt_orphans()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a solver prints must not mix with the answers
    task: Task = pickle.load(sys.stdin.buffer)
    parent = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # or a method that asks for input waits for the parent's end
    parameters = task.parameters
    if parameters.log is not None:
        log = os.open(parameters.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
    if parameters.memory_limit_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (parameters.memory_limit_bytes, parameters.memory_limit_bytes))
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    lock = threading.Lock()

    def send(message: object) -> None:
        with lock:
            pickle.dump(message, answers)
            answers.flush()

    try:
        claim = perform(task, send)
        end_children()
        send(claim)
    except PlacewiseError as error:
        send(error)


def _end_with_parent(parent: int) -> None:
    while os.read(parent, 2**16):  # not by a buffer, whose lock makes the interpreter's end an abort
        pass
    end_own_family()


if __name__ == "__main__":
    main()
