"""A worker ends with all that it started, and leaves no file, whatever way it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from placewise.instances import read
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution import processes, worker

COMMAND = [sys.executable, "-m", "placewise.cli.main"]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Give an empty folder for temporary files, and a file in which planted daemons note their ids."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("PLANTED_NOTE", str(tmp_path / "note"))
    yield folder
    if (tmp_path / "note").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "note").read_text(encoding="utf-8")), signal.SIGKILL)


def noted():
    return int(Path(os.environ["PLANTED_NOTE"]).read_text(encoding="utf-8"))


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a group is ended, and no more")
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("forks_a_daemon", Status.FEASIBLE),
        ("starts_a_daemon", Status.FEASIBLE),
        ("starts_a_bare_daemon", Status.FEASIBLE),
        ("crashes_beside_a_daemon", Status.ERROR),
        ("sleeps_beside_a_daemon", Status.NO_SOLUTION),
    ],
)
def test_a_daemon_ends_with_its_worker(name, status, temporary, monkeypatch, both):
    """Forked twice in a session of its own, with the worker's environment or none: ended, and its files removed."""
    monkeypatch.setattr(worker, "GRACE_S", 0.5)
    result = solve(read("hand-stay-home"), f"planted_daemons:{name}", time_limit=2.0)
    assert result.status is status
    assert not alive(noted())
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not processes.can_see_children(), reason="workers are not forked here")
def test_nothing_hides_from_what_forks_workers(temporary):
    """In a session of its own, its environment wiped, the worker crashed: what is left comes to the nursery."""
    result = solve(read("hand-stay-home"), "planted_daemons:crashes_beside_a_bare_daemon")
    assert result.message == "the worker died with exit status 3"
    assert not alive(noted())
    assert list(temporary.iterdir()) == []


def test_a_forsaken_worker_ends_its_daemons_and_removes_its_folder(temporary, both):
    """When the parent is killed, the worker itself does what its parent would have done."""
    script = (
        "from placewise.instances import read\n"
        "from placewise.solvers import solve\n"
        "solve(read('hand-stay-home'), 'planted_daemons:sleeps_beside_a_daemon', time_limit=600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait(
        lambda: Path(os.environ["PLANTED_NOTE"]).exists() and Path(os.environ["PLANTED_NOTE"]).stat().st_size
    )
    assert len(list(temporary.iterdir())) == 1
    parent.kill()
    parent.wait()
    wait(lambda: not alive(noted()))
    wait(lambda: not list(temporary.iterdir()))


def test_a_worker_forsaken_while_it_starts_removes_its_folder(temporary):
    """When the parent is killed before it handed over a task, nothing is left either."""
    script = (
        "import os, subprocess, sys\n"
        "from placewise.solvers.execution import processes\n"
        "worker = [sys.executable, '-P', '-c', 'from placewise.solvers.execution.worker import main; main()']\n"
        "processes.start_family(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    wait(lambda: not list(temporary.iterdir()))


@pytest.mark.parametrize(
    ("command", "method", "number", "start"),
    [
        ("solve", "cbc", signal.SIGTERM, "forked"),
        ("solve", "cbc", signal.SIGINT, "forked"),
        ("compare", "cbc", signal.SIGTERM, "forked"),
        ("compare", "highs", signal.SIGINT, "forked"),
        ("solve", "highs", signal.SIGTERM, "forked"),
        ("solve", "cp-sat", signal.SIGTERM, "forked"),
        ("solve", "cbc", signal.SIGTERM, "started"),
        ("compare", "cp-sat", signal.SIGINT, "started"),
    ],
)
def test_an_interruption_leaves_no_temporary_file(command, method, number, start, temporary, monkeypatch):
    """SIGTERM or Ctrl-C while the worker has files: exit status 130, an empty folder, no process."""
    if start == "started":
        monkeypatch.setenv("PLACEWISE_COLD_WORKERS", "1")
    option = "--method" if command == "solve" else "--methods"
    arguments = [command, "llama2-70b-testbed", option, method, "--time-limit", "100"]
    running = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    inside = "*/*" if method == "cbc" else "*"
    wait(lambda: list(temporary.glob(inside)))
    running.send_signal(number)
    assert b"Traceback" not in running.communicate(timeout=30)[1]
    assert running.returncode == 130
    assert list(temporary.iterdir()) == []


def test_what_cannot_start_leaves_nothing(temporary):
    """A command that there is not: the error, no folder, and nothing kept."""
    with pytest.raises(FileNotFoundError):
        processes.start_family(["/no/such/program"])
    assert list(temporary.iterdir()) == []
    assert str(temporary) not in "".join(processes._owners)


def test_all_families_end_at_once(temporary):
    """Two workers of one process; what one of them started is no member of the other."""
    sleepers = [processes.start_family(["sleep", "600"]) for _ in range(2)]
    assert len(list(temporary.iterdir())) == 2
    processes.end_family(sleepers[0])
    assert not alive(sleepers[0].pid)
    assert alive(sleepers[1].pid)
    processes.end_all()
    assert sleepers[1].wait(10) == -signal.SIGKILL
    processes.end_family(sleepers[1])
    assert list(temporary.iterdir()) == []


def test_a_fork_of_the_parent_ends_nothing(temporary):
    """A forked child that leaves by the interpreter's end does not own the workers of its parent."""
    script = (
        "import os, sys\n"
        "from placewise.solvers.execution import processes\n"
        "worker = processes.start_family(['sleep', '600'])\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    sys.exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(worker.poll())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "None"
    assert list(temporary.iterdir()) == []  # the parent's own end removed it
