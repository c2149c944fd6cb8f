"""Workers that start in milliseconds: a process that has its solvers imported, and forks one for each solve.

One nursery per set of imports, so that libraries which do not get along stay apart. It imports, freezes what it has, and
from then on only forks: it unpickles nothing and solves nothing, so no state goes from one solve to the next. A fork is a
worker like any other (`worker.main`): own session, own folder, killed with all below it. The nursery adopts what a dead
worker leaves, ends it, and says how the worker ended. Where a system has no such fork, workers are started.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

from placewise.solvers.execution.processes import PATIENCE_S, adopt_orphans, children

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a nursery runs, with the descriptor of its control socket and the modules to import.
COMMAND = "from placewise.solvers.execution.nursery import serve; serve()"
#: Bytes of the longest request: the environment goes with it.
LARGEST_REQUEST = 2**20


class Nursery:
    """The server: forks on request, reaps, and ends what the dead leave."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        #: Of each living worker: where its end is told, and its folder.
        self.living: dict[int, tuple[socket.socket, str]] = {}

    def run(self) -> None:
        """Serve until the control socket closes: then the one that asked is gone."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as ready:
            ready.register(self.control, selectors.EVENT_READ)
            ready.register(read, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self.control:
                        if not self._serve_one((read, write)):
                            return self._close()
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(read, 2**12)
                        self._reap()

    def _serve_one(self, private: Sequence[int]) -> bool:
        """Fork a worker; return False at the end of requests."""
        try:
            text, descriptors, _, _ = socket.recv_fds(self.control, LARGEST_REQUEST, 4)
        except OSError:
            return False
        if not text:
            return False
        request = json.loads(text)
        pid = os.fork()
        if pid == 0:
            _become_worker(request, descriptors, [*private, self.control.fileno(), *self._told()])
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        told = socket.socket(fileno=descriptors[3])
        self.living[pid] = told, request["folder"]
        with contextlib.suppress(OSError):
            told.send(f"{pid}\n".encode())
        return True

    def _told(self) -> list[int]:
        return [told.fileno() for told, _ in self.living.values()]

    def _reap(self) -> None:
        """Tell of the dead; what they left came to this process, and ends."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self.living:
                continue
            told, folder = self.living.pop(pid)
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            for orphan in children() - self.living.keys():
                with contextlib.suppress(OSError):
                    os.kill(orphan, signal.SIGKILL)
                    os.waitpid(orphan, 0)
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                told.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            told.close()

    def _close(self) -> None:
        """Let workers, which see that their caller is gone, end themselves; end those that do not."""
        end = time.monotonic() + PATIENCE_S
        while self.living and time.monotonic() < end:
            time.sleep(0.01)
            self._reap()
        for pid in self.living:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        while self.living and time.monotonic() < end + PATIENCE_S:
            time.sleep(0.01)
            self._reap()


def _become_worker(request: dict[str, Any], descriptors: Sequence[int], inherited: Sequence[int]) -> None:
    """Be a worker, in the forked process; does not return."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, source in enumerate(descriptors[:3]):
            os.dup2(source, target)
        for descriptor in (*descriptors, *inherited):
            os.close(descriptor)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environ"])
        tempfile.tempdir = None  # it was asked for before
        from placewise.solvers.execution.worker import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter's end would
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # the answer is sent; what was imported need not be taken apart


def serve() -> None:
    """Import what is asked for, then serve: ``-c COMMAND DESCRIPTOR MODULE...``."""
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        with contextlib.suppress(Exception):  # then the worker imports it, and says why it cannot
            import_module(module)
    sys.argv[1:] = []
    gc.collect()
    gc.freeze()
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is needed
        os.dup2(nothing.fileno(), 0)
    Nursery(control).run()
