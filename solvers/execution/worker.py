"""A process per solve: a hard wall limit, a memory cap, and a crash that is a result.

The parent has a nursery fork one, or starts ``python -P`` where there is none, hands it a pickled task, and reads
pickled progress and the claim. The time limit counts from the call on, so starting, importing and building count. A method that
overruns it or dies is stopped together with its children. A worker whose parent disappears ends itself.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any, Protocol

from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.forked import Forked, fork_worker
from placewise.solvers.execution.handover import (
    hand_over,
    introduction,
    packed,
    packed_answer,
    require_guard,
    run_script,
)
from placewise.solvers.execution.processes import (
    adopt_orphans,
    end_children,
    end_family,
    end_own_family,
    exit_words,
    start_family,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from placewise.solvers.execution.parameters import Parameters

    Worker: TypeAlias = subprocess.Popen[bytes] | Forked

#: What a worker process runs; by -m the module would be there twice.
COMMAND = "from placewise.solvers.execution.worker import main; main()"
#: Beyond the time limit, for a solver's own overrun and for handing over what it found: seconds, and a share of the limit.
GRACE_S, GRACE_SHARE = 1.0, 0.02
#: Seconds after a worker's death in which what it sent before can still be read.
SILENCE_S = 2.0


class Work(Protocol):
    """What a worker can be asked to do."""

    @property
    def parameters(self) -> Parameters:
        """Options; the time limit counts from `started`."""

    @property
    def imports(self) -> tuple[str, ...]:
        """Modules that it needs, and that may be imported before it is known."""

    @property
    def own_modules(self) -> tuple[str, ...]:
        """Modules of the package that it needs, of which a nursery may have those of several problems."""

    @property
    def started(self) -> float:
        """When the time limit began to count, by `perf_counter`."""

    def perform(self, report: Callable[[Progress], None] | None = None) -> Claim:
        """Do it and return what came out; misuse is raised as `PlacewiseError`."""


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


def perform_isolated(
    task: Work, report: Callable[[Progress], None], meanwhile: Callable[[], None] = lambda: None
) -> Claim:
    """Run a task in a worker process.

    Parameters
    ----------
    task : Work
        What to do; its time limit counts from ``task.started``.
    report : callable
        Receives the worker's progress.
    meanwhile : callable
        Called while the worker starts.

    Raises
    ------
    PlacewiseError
        What the worker refused, e.g. a method that does not apply.
    InterruptedSolve
        On Ctrl-C, after the worker was stopped.
    """
    require_guard()
    limit_s = task.parameters.time_limit
    deadline = task.started + limit_s + GRACE_S + GRACE_SHARE * limit_s
    last = Progress(0.0)
    content = packed(task)
    worker: Worker | None = None
    with tempfile.TemporaryFile() as errors:
        try:
            worker = _start(task, errors)
            messages: queue.Queue[Any] = queue.Queue()
            threading.Thread(target=_receive, args=(worker.stdout, messages), daemon=True).start()
            assert worker.stdin is not None
            hand_over(worker.stdin, introduction(content) + content, deadline)
            meanwhile()
            while True:
                message = _next(messages, worker, deadline)
                if isinstance(message, Progress):
                    last = _latest(last, message)
                    report(message)
                elif isinstance(message, Claim):
                    return message
                elif isinstance(message, PlacewiseError):
                    raise message
                else:
                    said = message or _tail(errors)
                    reason = f"the worker died{_exit_words(worker, deadline)}{said}"
                    return _kept(last, Reason.ERROR, reason, task.started)
        except queue.Empty:
            return _kept(last, Reason.LIMIT, "stopped: it overran its time limit", task.started)
        except KeyboardInterrupt:
            raise InterruptedSolve(_kept(last, Reason.INTERRUPTED, "interrupted", task.started)) from None
        finally:
            if worker is not None:
                _stop(worker)


def _kept(last: Progress, reason: Reason, message: str, began: float) -> Claim:
    """Return what a stopped worker leaves: its last incumbent and bound."""
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


def _start(task: Work, errors: IO[bytes]) -> Worker:
    return fork_worker(task.imports, errors, task.own_modules) or start_family(
        # In a session of its own: Ctrl-C reaches the parent only. -P: a numpy.py in the current folder is not NumPy.
        [sys.executable, "-P", "-c", COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def _receive(stream: Any, messages: queue.Queue[Any]) -> None:
    try:
        while True:
            messages.put(pickle.load(stream))
    except (EOFError, OSError, ValueError):
        messages.put(None)
    except Exception as error:  # noqa: BLE001 - what a user's object does when it is unpickled
        messages.put(f": what it sent cannot be read: {type(error).__name__}")


def _next(messages: queue.Queue[Any], worker: Worker, deadline: float) -> Any:
    """Return the next message; raise ``queue.Empty`` at the deadline.

    A process that the worker forked may hold its end of the pipe open after its death: then silence is the end.
    """
    while True:
        dead, left = worker.poll() is not None, max(deadline - perf_counter(), 0.0)
        try:
            return messages.get(timeout=min(left, SILENCE_S))
        except queue.Empty:
            if dead:
                return None
            if left <= SILENCE_S:
                raise


def _stop(worker: Worker) -> None:
    if isinstance(worker, Forked):
        worker.end()
    else:
        end_family(worker)
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _exit_words(worker: Worker, deadline: float) -> str:
    try:
        code = worker.wait(max(deadline - perf_counter(), 0.0))
    except subprocess.TimeoutExpired:  # it closed its answers, or garbled them, and goes on
        return ""
    return exit_words(code)


def _tail(errors: IO[bytes]) -> str:
    errors.seek(max(errors.seek(0, os.SEEK_END) - 4000, 0))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def _given() -> Any:
    """Return what the parent hands over next; if it was killed while this started, leave nothing behind."""
    try:
        return pickle.load(sys.stdin.buffer)
    except EOFError:
        end_own_family()


def main() -> None:
    """Serve one task: standard input gives it, standard output takes progress and the claim."""
    adopt_orphans()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a solver prints must not mix with the answers
    # The caller's own modules, last: they take no installed module's place.
    paths, script = _given()
    sys.path += [path for path in paths if path not in sys.path]
    if script is not None:
        try:
            run_script(script)
        except PlacewiseError as error:
            answers.write(pickle.dumps(error))
            answers.flush()
            return
    task: Work = _given()
    parent = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # or a method that asks for input waits for the parent's end
    parameters = task.parameters
    if parameters.log is not None:
        log = os.open(parameters.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
    # Before the limit: a thread that has no memory to begin is waited for without end.
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    if parameters.memory_limit_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (parameters.memory_limit_bytes, parameters.memory_limit_bytes))
    lock = threading.Lock()

    def send(message: object) -> None:
        text = packed_answer(message)
        with lock:
            answers.write(text)
            answers.flush()

    try:
        claim = task.perform(send)
        end_children()
        send(claim)
    except PlacewiseError as error:
        send(error)


def _end_with_parent(parent: int) -> None:
    while os.read(parent, 2**16):  # not by a buffer, whose lock makes the interpreter's end an abort
        pass
    end_own_family()
