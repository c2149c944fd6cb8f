"""Workers that are forked: each is as new, sees what its caller has by then, and nothing is left of it or of its nursery."""

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from placewise.instances import read
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution import forked, processes, worker
from placewise.solvers.execution.handover import hand_over

pytestmark = pytest.mark.skipif(not processes.can_see_children(), reason="workers are not forked here")


def said(method, instance="hand-stay-home"):
    """Return what a planted method says."""
    message = solve(read(instance), f"planted_looks:{method}").message
    return json.loads(message.removeprefix("RuntimeError: ").rpartition(" (")[0])


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.02)


def held():
    """Return how many files and threads this process has, and its children."""
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), processes.children()


def test_one_process_forks_them():
    """Several solves, one parent, which is not the caller."""
    assert said("parent") == said("parent") != os.getpid()


def test_a_worker_sees_what_its_caller_has_by_then(tmp_path, monkeypatch, both):
    """Folder, variables, mask, limits, processors and paths as they are at the time of the solve, not of the fork."""
    said("parent")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANTED_VARIABLE", "now \u7aef")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(str(tmp_path))
    processors, limits = os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_NOFILE)
    mask = os.umask(0o027)
    os.sched_setaffinity(0, {min(processors)})
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        seen = said("surroundings")
    finally:
        os.umask(mask)
        os.sched_setaffinity(0, processors)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert seen.pop("path")
    assert seen == {
        "folder": str(tmp_path),
        "variable": "now \u7aef",
        "threads": "1",
        "mask": 0o027,
        "processors": [min(processors)],
        "files": 200,
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "home": True,
        "group": True,
    }


def test_nothing_goes_from_one_solve_to_the_next(monkeypatch):
    """Modules, variables and descriptors are as new; random numbers are no other worker's."""
    monkeypatch.delenv("PLANTED_LEFT", raising=False)
    first, second = said("leaves"), said("leaves")
    assert first[:2] == second[:2]
    assert first[0] == 1
    assert not set(first[2:]) & set(second[2:])
    assert "PLANTED_LEFT" not in os.environ


def test_a_worker_need_not_import_its_problems_methods():
    """One nursery imports those of each problem that is asked of it, once, and not each of its workers."""
    from placewise.solvers.execution.forked import _nurseries

    of_heads = said("imports", "heads-medium-step")
    assert "placewise.solvers.head_migration.methods" in of_heads
    known = set(_nurseries.known.values())
    of_both = said("imports")
    assert {*of_heads, "placewise.solvers.edgeshard.methods"} <= set(of_both)
    assert set(_nurseries.known.values()) == known


def test_an_edited_module_is_the_new_one(tmp_path, monkeypatch, both):
    """Between two solves of one process a user changes a method, and adds a module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for number, text in enumerate(("first", "the second"), 1):
        (tmp_path / f"edited_help_{number}.py").write_text(f"text = {text!r}\n", encoding="utf-8")
        (tmp_path / "edited.py").write_text(
            f"from edited_help_{number} import text\ndef run(instance, parameters):\n    raise RuntimeError(text)\n",
            encoding="utf-8",
        )
        assert solve(read("hand-split"), "edited:run").message.startswith(f"RuntimeError: {text} (")


def test_a_method_may_solve():
    """A worker asks for a worker: of its own, which ends with it."""
    assert solve(read("hand-stay-home"), "planted_looks:solves").objective == 13.0


def test_a_folder_that_was_removed(tmp_path, monkeypatch):
    """The caller stands in a folder that is gone."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "gone").rmdir()
    assert solve(read("hand-stay-home"), "planted:good").objective == 13.0


def test_many_solves_leave_no_descriptor_and_no_process():
    """As many open files, threads and children as before; no folder."""
    instance = read("hand-split")
    solve(instance, "labels")
    before = held()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: solve(instance, "labels").objective, range(24)))
    assert results == [7.0] * 24
    wait(lambda: held() == before)
    assert not processes._owners
    assert not processes.heads


def test_a_killed_nursery_is_replaced():
    """Between two solves."""
    first = said("parent")
    os.kill(first, signal.SIGKILL)
    wait(lambda: not alive(first))
    assert said("parent") != first


def test_a_nursery_killed_during_a_solve_leaves_nothing(tmp_path, monkeypatch):
    """The worker counts as killed, ends, and its folder is removed; the next solve has a new one."""
    monkeypatch.setenv("PLANTED_NOTE", str(tmp_path / "note"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(worker, "SILENCE_S", 0.2)
    (tmp_path / "temporary").mkdir()
    found = []

    def kill():
        wait(lambda: (tmp_path / "note").exists() and (tmp_path / "note").read_text(encoding="utf-8"))
        found.extend(map(int, (tmp_path / "note").read_text(encoding="utf-8").split()))
        os.kill(found[1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = solve(read("hand-split"), "planted_looks:sleeps_and_says", time_limit=100)
    killer.join()
    assert (result.status, result.message) == (Status.ERROR, "the worker died by signal SIGKILL")
    wait(lambda: not alive(found[0]))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert solve(read("hand-stay-home"), "planted:good").objective == 13.0


def test_a_short_limit_ends_no_other_solve(monkeypatch):
    """One that is over while the nursery still imports, and one of another thread that waits for the same nursery."""
    monkeypatch.setattr(worker, "GRACE_S", 0.0)
    monkeypatch.setenv("PLANTED_VARIABLE", "a new nursery")
    with ThreadPoolExecutor(2) as pool:
        short = pool.submit(solve, read("hand-split"), "planted:sleeps", time_limit=0.001)
        long = pool.submit(solve, read("hand-stay-home"), "planted:good", time_limit=60.0)
        assert short.result().message == "stopped: it overran its time limit"
        assert long.result().objective == 13.0


def test_nobody_reads():
    """More than a pipe holds, for a process that takes nothing: over at the deadline; for none: nothing is raised."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as stream:
        with pytest.raises(queue.Empty):
            hand_over(stream, b"x" * 10**6, time.perf_counter() + 0.1)
        os.close(read_end)
        hand_over(stream, b"x" * 10**6, time.perf_counter() + 60)


FORKING = """
import os, sys
from placewise.instances import read
from placewise.solvers import solve

def parent():
    return solve(read("hand-split"), "planted_looks:parent").message

first = parent()
child = os.fork()
if not child:
    os._exit(0 if parent() != first else 1)
print(os.waitpid(child, 0)[1], parent() == first)
"""


def test_a_fork_of_the_caller_has_nurseries_of_its_own():
    """And leaves those of the caller alone."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["0", "True"]


FORSAKEN = """
import os, time
from placewise.instances import read
from placewise.solvers import solve

solve(read("hand-split"), "labels")
if not os.fork():
    time.sleep(600)
    os._exit(0)
solve(read("hand-split"), "planted_looks:sleeps_and_says", time_limit=600)
"""


def test_a_killed_caller_whose_fork_lives(tmp_path):
    """It holds all that was open, so that no stream ends; the nursery and its worker end all the same."""
    note = tmp_path / "note"
    environment = os.environ | {"PLANTED_NOTE": str(note)}
    caller = subprocess.Popen([sys.executable, "-c", FORSAKEN], env=environment, start_new_session=True)
    wait(lambda: note.exists() and note.read_text(encoding="utf-8"))
    found = list(map(int, note.read_text(encoding="utf-8").split()))
    assert all(map(alive, found))
    caller.kill()
    caller.wait()
    try:
        wait(lambda: not any(map(alive, found)))
    finally:
        os.killpg(caller.pid, signal.SIGKILL)


def test_a_nursery_ends_with_its_caller():
    """At the interpreter's end, before it: no process is left."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_warm_workers as t; print(t.said('parent'))"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", script, here], capture_output=True, text=True, check=True)
    assert not alive(int(done.stdout))


def test_without_a_way_to_fork_workers_are_started(monkeypatch):
    """Where a system does not tell a process its children, the caller starts each worker itself."""
    monkeypatch.setattr(forked, "_can_fork", lambda: False)
    assert said("parent") == os.getpid()


ALONE = """
import sys
import placewise.solvers.backends.cp_alone
from placewise.instances import read
from placewise.solvers import solve
from ortools.sat.python import cp_model

print(solve(read("hand-revisit"), "cp-sat", isolate=False).objective, "pandas" in sys.modules)
print([n for n, m in sys.modules.items() if "pandas" in vars(m) and not n.startswith("pyomo")])
import pandas

series = cp_model.CpModel().new_bool_var_series("x", pandas.Index(["a", "b"]))
print(type(series) is pandas.Series, list(series.index))
"""


def test_cp_sat_alone_is_cp_sat():
    """Without pandas until that is asked for; then with it, and the stand-in is nowhere."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=True, timeout=60
    )
    objective = solve(read("hand-revisit"), "labels").objective
    assert done.stdout.splitlines() == [f"{objective} False", "[]", "True ['a', 'b']"]
