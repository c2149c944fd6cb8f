"""A worker and all that it starts: one mark, one temporary folder, one end.

A killed solver leaves its files, and a process that left the group (``fork``, ``setsid``, ``fork``) outlives a
signal to it. So the parent owns the folder that the worker and its children write temporary files to, and its path
in their environment marks them. On Linux the worker adopts its orphans besides, so that those which wiped their
environment are found below it; what does both after the worker crashed is not found. Elsewhere the group is ended.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names the family's folder in the environment of each member.
MARK = "PLACEWISE_WORKER"
#: Seconds that killed processes may take to disappear.
PATIENCE_S = 5.0
_PROC = Path("/proc")
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
#: Folders of living families, with the process that started each: a fork of it does not own them.
_owners: dict[str, int] = {}
_folders: dict[int, str] = {}


class Head(Protocol):
    """A worker that does not carry the mark itself."""

    def ask_end(self) -> None:
        """Let whoever started it end its family."""


#: Such workers by folder.
heads: WeakValueDictionary[str, Head] = WeakValueDictionary()


def start_family(
    command: list[str], env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a worker in a session, with a temporary folder, of its own; `options` are those of ``Popen``.

    Parameters
    ----------
    command : list of str
        Program and arguments.
    env : mapping, optional
        Environment of the worker, to which mark and temporary folder are added; by default that of this process.
    **options
        Of `subprocess.Popen`.
    """
    folder = new_folder()
    try:
        Path(folder).mkdir(mode=0o700)
        worker = subprocess.Popen(command, env=environment(folder, env), start_new_session=True, **options)
    except BaseException:
        _end(folder, None)
        raise
    _folders[worker.pid] = folder
    return worker


def new_folder() -> str:
    """Return the path of a family's folder, which is not made yet; it is removed when this process ends."""
    folder = str(Path(tempfile.gettempdir()).absolute() / f"placewise-{secrets.token_hex(8)}")
    if not _owners:
        atexit.register(end_all)  # also after an interruption at the worst moment
    _owners[folder] = os.getpid()  # before it exists, so that nothing is left in between
    return folder


def environment(folder: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment with a family's mark and temporary folder.

    Parameters
    ----------
    folder : str
        Of the family.
    env : mapping, optional
        What is added to; by default the environment of this process.
    """
    own = {MARK: folder, "TMPDIR": folder, "TEMP": folder, "TMP": folder}
    return {**(os.environ if env is None else env), **own}


def remove_folder(folder: str) -> None:
    """Remove the folder of a family that has ended."""
    shutil.rmtree(folder, ignore_errors=True)
    _owners.pop(folder, None)
    heads.pop(folder, None)


def end_lost(folder: str, root: int | None) -> None:
    """End a family whose head is no child of this process, and whose parent was killed.

    Parameters
    ----------
    folder : str
        Its mark.
    root : int or None
        Its head, where it still lives.
    """
    if root is not None:
        found = _relatives(folder, root)
        with contextlib.suppress(OSError):
            os.killpg(root, signal.SIGKILL)
        _kill(found | {root})
    _kill_relatives(folder, None)


def end_family(worker: subprocess.Popen[bytes]) -> None:
    """End a worker with everything that it started, and remove its temporary folder; twice is as good as once."""
    _end(_folders.pop(worker.pid, None), worker)


def end_all() -> None:
    """End every family that this process started: what waits for one of them sees that its worker died."""
    for folder, owner in list(_owners.items()):
        if owner == os.getpid():
            if (head := heads.get(folder)) is not None:
                head.ask_end()
            _end(folder, None)


def exit_words(code: int) -> str:
    """Return for people how a process ended: a signal of ours or of the kernel, or its exit status."""
    return f" by signal {signal.Signals(-code).name}" if code < 0 else f" with exit status {code}"


def adopt_orphans() -> None:
    """Let processes below this one that lose their parent become its children, where the system can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _adopts() -> bool:
    """Whether orphans below this process become its children, and it can see them."""
    found = ctypes.c_int(0)
    if can_see_children():
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0)
    return bool(found)


def is_worker() -> bool:
    """Whether this process is a worker, or of its family: what it leaves ends with its solve."""
    return MARK in os.environ


def can_see_children() -> bool:
    """Whether this system is Linux, and tells a process its children."""
    return sys.platform == "linux" and (_PROC / "self" / "task" / str(os.getpid()) / "children").exists()


def end_children() -> None:
    """End what a worker started, from within it."""
    if _adopts() and not children():  # then nothing is below it: what loses its parent would be its child
        return
    _kill_relatives(os.environ.get(MARK), os.getpid())


def children() -> set[int]:
    """Return the children of this process, where the system tells; raise `OSError` elsewhere."""
    found: set[int] = set()
    for task in (_PROC / "self" / "task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text(encoding="ascii").split()))
    return found


def end_own_family() -> NoReturn:
    """End a worker from within it, as its parent would: the parent is gone."""
    folder = os.environ.get(MARK)
    _kill_relatives(folder, os.getpid())
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _end(folder: str | None, worker: subprocess.Popen[bytes] | None) -> None:
    root = None
    if worker is not None and worker.poll() is None:
        root = worker.pid
        relatives = _relatives(folder, root)  # while those that it adopted are still below it
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, signal.SIGKILL)
        worker.kill()
        _kill(relatives)
        worker.wait()
    _kill_relatives(folder, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        _owners.pop(folder, None)


def _kill_relatives(folder: str | None, root: int | None) -> None:
    """Kill until none is left; each round also finds what was started during the last one."""
    end = time.monotonic() + PATIENCE_S
    while (found := _relatives(folder, root)) and time.monotonic() < end:
        _kill(found)
        time.sleep(0.005)


def _kill(processes: set[int]) -> None:
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def _relatives(folder: str | None, root: int | None) -> set[int]:
    """Return the processes with a family's mark, or below a root, without the root and the caller."""
    marks = () if folder is None else tuple(f"\0{MARK}={folder}{end}".encode() for end in ("\0", "/"))
    found, children = set[int](), dict[int, list[int]]()
    try:
        names = [path.name for path in _PROC.iterdir() if path.name.isdigit()]
    except OSError:  # no such thing on this system
        return set()
    for name in names:
        with contextlib.suppress(OSError):
            stat = (_PROC / name / "stat").read_bytes()
            state, parent = stat[stat.rindex(b")") + 1 :].split()[:2]
            if state == b"Z":
                continue
            children.setdefault(int(parent), []).append(int(name))
            environment = b"\0" + (_PROC / name / "environ").read_bytes()
            if any(mark in environment for mark in marks):
                found.add(int(name))
    below = [] if root is None else [root]
    for process in below:
        below += children.get(process, ())
    return (found | set(below)) - {root, os.getpid()}
