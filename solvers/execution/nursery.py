"""Workers that start in milliseconds: a process that has its solvers imported, and forks one for each solve.

One nursery per set of imports, so that libraries which do not get along stay apart. It imports, freezes what it has, and
from then on only forks: it unpickles nothing and solves nothing, so no state goes from one solve to the next. A fork is a
worker like any other (`worker.main`), with the folder, limits, processors and priority that its caller has by then. The
nursery adopts what a dead worker leaves, ends it, removes its folder, and then says how the worker ended. When its
caller is gone it ends all of them, and itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
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
from typing import TYPE_CHECKING, Any, NoReturn

from placewise.solvers.execution.processes import PATIENCE_S, adopt_orphans, children

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a nursery runs, with its control socket, its caller, and the modules to import.
COMMAND = "from placewise.solvers.execution.nursery import serve; serve()"
#: Bytes of the longest request.
LARGEST_REQUEST = 2**16
#: What comes with a request: standard input, output and error, the socket of its end, the current folder.
DESCRIPTORS = 5


class Nursery:
    """The server: forks on request, ends on request, reaps, and ends what the dead leave.

    Parameters
    ----------
    control : socket
        Takes requests; its end is the caller's.
    caller : int
        The process that asks: one that was killed may leave a fork which holds the socket open.
    """

    def __init__(self, control: socket.socket, caller: int) -> None:
        self.control = control
        self.ready = selectors.DefaultSelector()
        #: Of each living worker: the socket on which its end is told, or asked for, and its folder.
        self.living: dict[int, tuple[socket.socket, str]] = {}
        self.woken, self.waker = os.pipe()
        for end in (self.woken, self.waker):
            os.set_blocking(end, False)
        self.ready.register(control, selectors.EVENT_READ, self._fork)
        self.ready.register(self.woken, selectors.EVENT_READ, self._reap)
        self._caller: int | None = None
        with contextlib.suppress(OSError, AttributeError):  # an old kernel: then the socket's end must do
            self._caller = os.pidfd_open(caller)
            self.ready.register(self._caller, selectors.EVENT_READ, sys.exit)
        if os.getppid() != caller:
            sys.exit()

    def run(self) -> NoReturn:
        """Serve until the caller is gone."""
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            while True:
                for key, _ in self.ready.select():
                    key.data()
        finally:
            self._close()

    def _fork(self) -> None:
        """Fork a worker; leave at the end of requests."""
        try:
            text, descriptors, _, _ = socket.recv_fds(
                self.control, LARGEST_REQUEST, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            sys.exit()
        if not text:
            sys.exit()
        request = json.loads(text)
        told = socket.socket(fileno=descriptors.pop(3))
        _import(request["modules"])
        try:
            pid = os.fork()
            if pid == 0:
                _become_worker(request, descriptors, [told.fileno(), *self._private()])
        except OSError:  # no process can be had: its stream ends, and the worker counts as killed
            shutil.rmtree(request["folder"], ignore_errors=True)
            told.close()
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self.living[pid] = told, request["folder"]
        self.ready.register(told, selectors.EVENT_READ, lambda: self._end(pid))
        with contextlib.suppress(OSError):
            told.send(f"{pid}\n".encode())

    def _private(self) -> list[int]:
        """Return what a worker has no business with."""
        own = [self.control.fileno(), self.ready.fileno(), self.woken, self.waker]
        return own + [told.fileno() for told, _ in self.living.values()] + [self._caller or self.woken]

    def _end(self, pid: int) -> None:
        """Kill a worker whose caller asks for it, or has let go of it; what is left of it goes with the reaping."""
        if pid in self.living:  # or it was reaped since the last look
            self.ready.unregister(self.living[pid][0])
            _kill(pid)

    def _reap(self) -> None:
        """Tell of the dead; what they left came to this process, and ends."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.woken, 2**12)
        while self._reap_one():
            pass

    def _reap_one(self) -> bool:
        """Reap one process; return False where none is dead."""
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if dead is None:
            return False
        if dead.si_pid in self.living:
            with contextlib.suppress(OSError):  # its number is not free yet
                os.killpg(dead.si_pid, signal.SIGKILL)
        _, status = os.waitpid(dead.si_pid, 0)
        if dead.si_pid in self.living:
            told, folder = self.living.pop(dead.si_pid)
            self._end_orphans()
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(KeyError):  # it was asked to end
                self.ready.unregister(told)
            with contextlib.suppress(OSError):
                told.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            told.close()
        return True

    def _end_orphans(self) -> None:
        """End what came to this process, and what came through that."""
        end = time.monotonic() + PATIENCE_S
        while (orphans := children() - self.living.keys()) and time.monotonic() < end:
            for orphan in orphans:
                with contextlib.suppress(OSError):
                    os.kill(orphan, signal.SIGKILL)
                    if os.waitpid(orphan, os.WNOHANG) == (0, 0):
                        time.sleep(0.001)

    def _close(self) -> None:
        """End all."""
        for pid in self.living:
            _kill(pid)
        end = time.monotonic() + PATIENCE_S
        while self.living and time.monotonic() < end:
            if not self._reap_one():
                time.sleep(0.001)


def _kill(pid: int) -> None:
    """Kill a child that was not reaped, with its group, if it has one already."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def _become_worker(request: dict[str, Any], descriptors: Sequence[int], private: Sequence[int]) -> NoReturn:
    """Be a worker, in the forked process."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, source in enumerate(descriptors[:3]):
            os.dup2(source, target)
        os.fchdir(descriptors[3])
        for descriptor in {*descriptors, *private}:
            os.close(descriptor)
        _take_over(request)
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


def _take_over(request: dict[str, Any]) -> None:
    """Take over what the caller has now and this process may have otherwise."""
    import resource

    os.environ.update(request["environ"])
    os.umask(request["umask"])
    with contextlib.suppress(OSError):  # what may not be raised again stays
        os.sched_setaffinity(0, request["processors"])
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, request["priority"])
    for kind, limits in request["limits"]:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, limits)
    tempfile.tempdir = None  # it was asked for before
    importlib.invalidate_caches()
    if "numpy.random" in sys.modules:  # as `random` does by itself: no two workers draw the same
        sys.modules["numpy.random"].seed()


def serve() -> None:
    """Import what is asked for, then serve: ``-c COMMAND DESCRIPTOR CALLER MODULE...``."""
    descriptor, caller, *modules = sys.argv[1:]
    sys.argv[1:] = []
    _serve(int(descriptor), int(caller), modules)


def serve_forked(descriptor: int, caller: int, modules: Sequence[str]) -> NoReturn:
    """Serve, in a fork of a caller that is a command of ours, with its signals blocked.

    Parameters
    ----------
    descriptor, caller : int
        The control socket, and the process that asks.
    modules : sequence of str
        To import; what the caller has imported is there.
    """
    try:
        gc.freeze()  # nothing of the caller's is taken apart here: it would close what has its numbers now
        os.setsid()
        for ending in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers
            if int(name) > 2 and int(name) != descriptor:
                with contextlib.suppress(OSError):  # the one that lists them
                    os.close(int(name))
        # What the caller has not written yet is not ours to write.
        _CALLERS.extend([sys.stdin, sys.stdout, sys.stderr])
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout, sys.stderr = (
            open(number, "w", encoding=stream.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
            for number, stream in ((1, sys.stdout), (2, sys.stderr))
        )
        if not sys.flags.safe_path:  # -P: a highspy.py in the current folder is not HiGHS
            del sys.path[:1]
        sys.argv[:] = ["-c"]
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _serve(descriptor, caller, modules)
    finally:
        os._exit(0)


#: Streams of the caller, which its fork keeps and leaves alone.
_CALLERS: list[Any] = []


def _import(modules: Sequence[str]) -> None:
    """Import what is not there yet, for all workers to come."""
    absent = [module for module in modules if module not in sys.modules]
    for module in absent:
        with contextlib.suppress(Exception):  # then the worker imports it, and says why it cannot
            importlib.import_module(module)
    if absent:
        gc.collect()
        gc.freeze()


def _serve(descriptor: int, caller: int, modules: Sequence[str]) -> NoReturn:
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=descriptor)
    _import(modules)
    try:
        Nursery(control, caller).run()
    finally:
        os._exit(0)  # what was imported need not be taken apart
