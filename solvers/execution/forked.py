"""The caller's side of a nursery: start one, ask it for a worker, and hold that worker as `subprocess.Popen` would."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from placewise.solvers.execution import nursery, processes

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Set to start a process for each solve, as where a system cannot fork safely.
COLD = "PLACEWISE_COLD_WORKERS"
#: Seconds in which a worker that sent its answer ends by itself.
PARTING_S = 0.25
#: Nurseries of this process, by what they have imported; those of a process that was forked from it are not its own.
_nurseries: dict[tuple[str, ...], _Client] = {}
_owner = os.getpid()
_lock = threading.Lock()


class Forked:
    """A worker that a nursery forked.

    Parameters
    ----------
    told : socket
        On which the nursery says its process, then its exit status.
    folder : str
        Of its temporary files.
    stdin, stdout : binary files
        What it reads, and its answers.
    nursery : Popen
        What forks it.
    """

    def __init__(
        self,
        told: socket.socket,
        folder: str,
        stdin: IO[bytes],
        stdout: IO[bytes],
        nursery: subprocess.Popen[bytes],
    ) -> None:
        self._told, self.folder, self.stdin, self.stdout, self.nursery = told, folder, stdin, stdout, nursery
        self.returncode: int | None = None
        self.pid: int | None = None

    def _line(self, timeout_s: float | None) -> str | None:
        """Return the next line, or None at the end; raise ``TimeoutExpired`` where none comes."""
        if timeout_s is not None and not select.select([self._told], [], [], timeout_s)[0]:
            raise subprocess.TimeoutExpired("worker", timeout_s)
        return self._told.recv(64).decode() or None

    def poll(self) -> int | None:
        """Return the exit status if it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, negative for a signal; raise ``TimeoutExpired`` while it lives."""
        if self.pid is None:
            text = self._line(timeout)
            if text is None:  # the nursery died before
                self.returncode = -signal.SIGKILL
                return self.returncode
            self.pid = int(text)
        if self.returncode is None:
            text = self._line(timeout)
            self.returncode = int(text) if text else -signal.SIGKILL
        return self.returncode

    def end(self, *, answered: bool) -> None:
        """End it with all that it started, and remove its folder."""
        if self.returncode is None and answered:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(PARTING_S)
        if self.pid is None:
            self.poll()
        if self.returncode is None and self.pid is None:
            self.nursery.kill()  # it still imports, later than the time limit
        elif self.returncode is None and self.pid is not None:
            below = processes.relatives(
                self.folder, self.pid
            )  # while those that it adopted are still below it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            for process in below:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(processes.PATIENCE_S)
        self._told.close()
        processes.remove_folder(self.folder)


class _Client:
    """One nursery."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, nursery.LARGEST_REQUEST)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", nursery.COMMAND, str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the caller only
                pass_fds=[theirs.fileno()],
            )

    def fork(self, errors: IO[bytes]) -> Forked:
        """Return a new worker; raise `OSError` where the nursery is gone."""
        folder = processes.new_folder()
        told, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        stdin, stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb")
        try:
            Path(folder).mkdir(mode=0o700)
            request = {"folder": folder, "cwd": str(Path.cwd()), "environ": processes.environment(folder)}
            with _lock:
                socket.send_fds(
                    self.control,
                    [json.dumps(request).encode()],
                    [theirs_in, theirs_out, errors.fileno(), teller.fileno()],
                )
            teller.close()
            return Forked(told, folder, stdin, stdout, self.process)
        except BaseException:
            stdin.close()
            stdout.close()
            told.close()
            processes.remove_folder(folder)
            raise
        finally:
            teller.close()
            os.close(theirs_in)
            os.close(theirs_out)

    def close(self) -> None:
        """Let it end."""
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2 * processes.PATIENCE_S)


def available() -> bool:
    """Whether workers are forked here: elsewhere than on Linux a fork of what has threads or frameworks is not safe."""
    return sys.platform == "linux" and COLD not in os.environ


def fork_worker(modules: Sequence[str], errors: IO[bytes]) -> Forked | None:
    """Return a worker of the nursery that has imported some modules, or None where one must be started instead.

    Parameters
    ----------
    modules : sequence of str
        What the task needs; the nursery of these is started on first use.
    errors : binary file
        Takes the worker's standard error.
    """
    if not available():
        return None
    key = tuple(modules)
    for _ in range(2):  # one that was killed is replaced
        client = _client(key)
        try:
            return client.fork(errors)
        except (OSError, ValueError):
            _nurseries.pop(key, None)
            client.close()
    return None


def _client(modules: tuple[str, ...]) -> _Client:
    global _owner
    with _lock:
        if _owner != os.getpid():  # this process was forked: the sockets are its parent's
            _nurseries.clear()
            _owner = os.getpid()
        if not _nurseries:
            atexit.register(end_nurseries)
        if modules not in _nurseries:
            _nurseries[modules] = _Client(modules)
        return _nurseries[modules]


def end_nurseries() -> None:
    """End all nurseries of this process."""
    if _owner == os.getpid():
        while _nurseries:
            _nurseries.popitem()[1].close()
