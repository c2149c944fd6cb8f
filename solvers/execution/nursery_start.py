"""How a nursery comes to be: a program of its own, or a fork of a command of ours, and how it is let go."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from placewise.solvers.execution import nursery, processes

if TYPE_CHECKING:
    from collections.abc import Sequence


class Child:
    """A fork of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self, timeout: float) -> None:
        """Reap it, if it ends in time."""
        end = time.monotonic() + timeout
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0) and time.monotonic() < end:
                time.sleep(0.001)


def started_nursery(theirs: socket.socket, modules: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start one as a program of its own.

    Parameters
    ----------
    theirs : socket
        Its end of the control socket.
    modules : sequence of str
        That it imports.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-c", nursery.COMMAND, str(theirs.fileno()), str(os.getpid()), *modules],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the caller only
        pass_fds=[theirs.fileno()],
    )


def forked_nursery(theirs: socket.socket, modules: Sequence[str]) -> Child:
    """Fork one from this process, which has one thread and no solver, and keep its imports.

    Parameters
    ----------
    theirs : socket
        Its end of the control socket.
    modules : sequence of str
        That it imports.
    """
    caller = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        pid = os.fork()
        if pid == 0:
            nursery.serve_forked(theirs.fileno(), caller, modules)
        return Child(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_end(owner: int, control: socket.socket, process: subprocess.Popen[bytes] | Child) -> None:
    """Let a nursery end, with its workers, unless this process is a fork of the one that has it.

    Parameters
    ----------
    owner : int
        The process that has it.
    control : socket
        The caller's end.
    process : Popen or Child
        The nursery.
    """
    if owner == os.getpid():
        with contextlib.suppress(OSError):
            control.shutdown(socket.SHUT_RDWR)  # a fork of this process may hold it open
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2 * processes.PATIENCE_S)
    control.close()
