"""The caller's side of a nursery: start one, ask it for a worker, and hold that worker as `subprocess.Popen` would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import weakref
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from placewise.solvers.execution import nursery, processes
from placewise.solvers.execution.nursery_start import forked_nursery, let_end, started_nursery

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Set to start a process for each solve, as where a system cannot fork safely.
COLD = "PLACEWISE_COLD_WORKERS"
#: Variables that change from solve to solve and that nothing reads when it is imported.
PASSING = frozenset({"PYTEST_CURRENT_TEST"})


class Forked:
    """A worker that a nursery forked.

    Parameters
    ----------
    told : socket
        On which the nursery says its process, then its exit status, and is asked to end it.
    folder : str
        Of its temporary files.
    stdin, stdout : binary files
        What it reads, and its answers.
    held : object
        Its nursery, which lives as long as this.
    """

    def __init__(
        self, told: socket.socket, folder: str, stdin: IO[bytes], stdout: IO[bytes], held: object
    ) -> None:
        self._told, self.folder, self.stdin, self.stdout, self._held = told, folder, stdin, stdout, held
        self.returncode: int | None = None
        self._pid: int | None = None
        self._disowned = False

    @property
    def pid(self) -> int:
        """Its process; this waits until it is forked, and raises `ProcessLookupError` if it never is."""
        while self._pid is None and self.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(0.01)
        if self._pid is None:
            raise ProcessLookupError
        return self._pid

    def poll(self) -> int | None:
        """Return the exit status if it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, negative for a signal; raise ``TimeoutExpired`` while it lives.

        By then all that it started has ended, and its folder is gone.
        """
        while self.returncode is None:
            try:
                self._told.settimeout(timeout)
                text = self._told.recv(64)
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("worker", timeout or 0.0) from None
            except OSError:
                text = b""
            if not text:  # the nursery died, or could not fork
                self._disowned = True
                self.returncode = -signal.SIGKILL
            elif self._pid is None:
                self._pid = int(text)
            else:
                self.returncode = int(text)
        return self.returncode

    def ask_end(self) -> None:
        """Let the nursery end it with all that it started."""
        with contextlib.suppress(OSError):
            self._told.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """End it with all that it started, and remove its folder."""
        self.poll()
        if self.returncode is None and self._pid is not None:
            self.ask_end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(2 * processes.PATIENCE_S)
        # Without a process yet, the nursery is still importing, and will see that nobody waits for it.
        self._told.close()
        if self._disowned or (self.returncode is None and self._pid is not None):
            processes.end_lost(self.folder, self._pid if self._pid and _is_fork(self._pid) else None)
        processes.remove_folder(self.folder)


class _Client:
    """One nursery; it ends when nothing holds this any more, or this process ends."""

    def __init__(self, modules: Sequence[str], surroundings: tuple[Any, ...], *, here: bool) -> None:
        self.surroundings = surroundings
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = forked_nursery(theirs, modules) if here else started_nursery(theirs, modules)
        self.end = weakref.finalize(self, let_end, os.getpid(), self.control, process)

    def fork(self, errors: IO[bytes], own_modules: Sequence[str]) -> Forked:
        """Return a new worker, before which the nursery imports some modules; raise `ConnectionError` where it is gone."""
        folder = processes.new_folder()
        with contextlib.ExitStack() as lent, contextlib.ExitStack() as ours:
            ours.callback(processes.remove_folder, folder)
            told, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.enter_context(told)
            lent.enter_context(teller)
            theirs_in, ours_in = os.pipe()
            lent.callback(os.close, theirs_in)
            stdin = ours.enter_context(os.fdopen(ours_in, "wb"))
            ours_out, theirs_out = os.pipe()
            lent.callback(os.close, theirs_out)
            stdout = ours.enter_context(os.fdopen(ours_out, "rb"))
            here = os.open(".", os.O_PATH)
            lent.callback(os.close, here)
            Path(folder).mkdir(mode=0o700)
            socket.send_fds(
                self.control,
                [json.dumps(_request(folder) | {"modules": list(own_modules)}).encode()],
                [theirs_in, theirs_out, errors.fileno(), teller.fileno(), here],
            )
            worker = Forked(told, folder, stdin, stdout, self)
            processes.heads[folder] = worker
            ours.pop_all()
        return worker


def _request(folder: str) -> dict[str, Any]:
    """Return what a worker takes over from this process as it is now."""
    import resource

    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    mask = re.search(r"^Umask:\s*([0-7]+)", status, re.MULTILINE)
    passing = {name: os.environ[name] for name in PASSING if name in os.environ}
    return {
        "folder": folder,
        "environ": processes.environment(folder, passing),
        "umask": int(mask[1], 8) if mask else 0o022,
        "processors": sorted(os.sched_getaffinity(0)),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "limits": [
            (kind, resource.getrlimit(kind)) for name, kind in vars(resource).items() if "RLIMIT_" in name
        ],
    }


def _surroundings() -> tuple[Any, ...]:
    """Return what a process cannot take over later: what libraries read as they are imported, and whose it is."""
    variables = {name: value for name, value in os.environ.items() if name not in PASSING}
    return variables, os.getresuid(), os.getresgid(), os.getgroups()


class _Nurseries:
    """Those of this process, by what they have imported."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: dict[tuple[str, ...], _Client] = {}
        #: Whether this process is a command of ours, which imports nothing of users that could change.
        self.is_command = False

    def one(self, modules: tuple[str, ...]) -> _Client:
        """Return the nursery of some modules; where the surroundings have changed, it is a new one."""
        surroundings = _surroundings()
        with self.lock:
            client = self.known.get(modules)
            if client is None or client.surroundings != surroundings:
                # An old one may have workers of other threads: it ends with the last that holds it.
                client = self.known[modules] = _Client(modules, surroundings, here=self._forks_itself())
            return client

    def _forks_itself(self) -> bool:
        """Whether a fork of this process makes a nursery: it then need not import anew what is here."""
        solvers = {"ortools", "highspy", "pulp"}  # keep apart
        return self.is_command and threading.active_count() == 1 and not solvers & sys.modules.keys()

    def drop(self, modules: tuple[str, ...], client: _Client) -> None:
        """Forget a nursery that is gone."""
        with self.lock:
            if self.known.get(modules) is client:
                del self.known[modules]

    def forget(self) -> None:
        """Have none, in a fork of the process that has them."""
        self.lock, self.known, self.is_command = threading.Lock(), {}, False


_nurseries = _Nurseries()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_nurseries.forget)


#: Elsewhere a fork of what has frameworks or threads is not safe, or children cannot be found.
_can_fork = cache(processes.can_see_children)


def _is_fork(pid: int) -> bool:
    """Whether a process still is what a nursery forked, and its number not somebody else's."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return nursery.COMMAND.encode() in command or command == Path("/proc/self/cmdline").read_bytes()
    return False


def be_command() -> None:
    """Say that this process is a command of ours: its nurseries may be forks of itself."""
    _nurseries.is_command = True


def prepare(modules: Sequence[str]) -> None:
    """Let a nursery import some modules before it is asked for a worker.

    Parameters
    ----------
    modules : sequence of str
        What a task will need.
    """
    if COLD not in os.environ and _can_fork():
        _nurseries.one(tuple(modules))


def fork_worker(modules: Sequence[str], errors: IO[bytes], own_modules: Sequence[str] = ()) -> Forked | None:
    """Return a worker of the nursery that has imported some modules, or None where one must be started instead.

    Parameters
    ----------
    modules : sequence of str
        What the task needs; the nursery of these is started on first use.
    errors : binary file
        Takes the worker's standard error.
    own_modules : sequence of str
        Of the package, without a solver: what the nursery has not imported yet, it imports now.
    """
    if COLD in os.environ or not _can_fork():
        return None
    key = tuple(modules)
    for _ in range(2):  # one that was killed is replaced
        client = _nurseries.one(key)
        try:
            return client.fork(errors, own_modules)
        except ConnectionError:
            _nurseries.drop(key, client)
    return None
