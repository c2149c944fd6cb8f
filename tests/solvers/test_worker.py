"""A process per solve: crashes, overruns, memory and Ctrl-C are results, and nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from placewise.instances import read
from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution import worker


def test_a_users_function_is_a_method(split):
    """Named by module and function, its placement is verified like any other."""
    home = read("hand-stay-home")
    result = solve(home, "planted:good")
    assert (result.status, result.objective, result.guarantee.value) == (Status.FEASIBLE, 13.0, "heuristic")
    assert solve(split, "planted:nothing").status is Status.NO_SOLUTION


@pytest.mark.parametrize("name", ["good", "wrong_length", "unknown_device", "no_sequence"])
def test_placements_of_users_are_verified(split, name):
    """Whatever a function returns, its violations are named."""
    result = solve(split, f"planted:{name}")
    assert (result.status, result.conflicts[0].kind) == (Status.ERROR, "infeasible-solution")


def test_an_exception_is_a_result(split):
    """With its message."""
    result = solve(split, "planted:raises")
    assert result.status is Status.ERROR
    assert re.fullmatch(r"RuntimeError: planted \(\w+\.py, line \d+\)", result.message)


def test_a_crash_is_a_result(split, both):
    """A worker that dies says how."""
    result = solve(split, "planted:dies")
    assert result.status is Status.ERROR
    assert "exit status 7" in result.message


def test_noise_on_standard_output_is_harmless(both):
    """What a solver prints does not mix with its answers."""
    assert solve(read("hand-stay-home"), "planted:prints").objective == 13.0


def test_an_overrun_is_stopped(split, monkeypatch, both):
    """The wall limit holds for a method that ignores its time limit."""
    monkeypatch.setattr(worker, "GRACE_S", 0.2)
    result = solve(split, "planted:sleeps", time_limit=1.0)
    assert (result.status, result.message) == (Status.NO_SOLUTION, "stopped: it overran its time limit")


def test_a_memory_cap_is_a_result(split, both):
    """Eight terabytes do not fit."""
    result = solve(split, "planted:eats_memory", memory_limit_bytes=4 * 10**9)
    assert result.status is Status.ERROR
    assert "memory" in result.message.lower()


def test_misuse_is_raised(split):
    """Unknown methods, unknown functions and methods that do not apply are the caller's mistakes."""
    with pytest.raises(PlacewiseError, match="unknown method 'simplex'"):
        solve(split, "simplex")
    with pytest.raises(PlacewiseError, match="cannot import"):
        solve(split, "planted:absent")
    with pytest.raises(NotApplicableError, match="layer 2 differs"):
        solve(read("hand-revisit"), "run-length")
    with pytest.raises(PlacewiseError, match="time limit"):
        solve(split, time_limit=-1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_incumbent_survives_an_interruption(tmp_path, number):
    """Ctrl-C, or a scheduler's end, during a long solve: the best placement is shown, written, and passes a check."""
    instance, log, output = "llama2-7b-testbed", tmp_path / "log", tmp_path / "result.json"
    start = tmp_path / "start.json"
    command = [sys.executable, "-m", "placewise.cli.main"]
    subprocess.run([*command, "solve", instance, "--method", "greedy", "--output", start], check=True)
    solving = subprocess.Popen(
        [
            *command,
            "solve",
            instance,
            "--method",
            "highs/textbook",
            "--warm-start",
            start,
            "--log",
            log,
            "--output",
            output,
            "--time-limit",
            "120",
        ]
    )
    _wait(lambda: log.exists() and "Solution" in log.read_text(encoding="utf-8"))  # it runs, with the start
    time.sleep(1)
    solving.send_signal(number)
    assert solving.wait(30) == 130
    assert json.loads(output.read_text(encoding="utf-8"))["status"] == "feasible"
    subprocess.run([*command, "check", instance, output], check=True)


def test_a_worker_ends_with_its_parent(tmp_path, both):
    """When the parent is killed, no solver keeps running."""
    script = (
        "import os, sys\n"
        "from placewise.instances import read\n"
        "from placewise.solvers import solve\n"
        "solve(read('hand-split'), 'planted_long:run', time_limit=600)\n"
    )
    note = tmp_path / "pid"
    (tmp_path / "planted_long.py").write_text(
        f"import os, time\ndef run(i, p):\n    open({str(note)!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    _wait(lambda: note.exists() and note.read_text(encoding="utf-8"))
    parent.kill()
    parent.wait()
    child = int(note.read_text(encoding="utf-8"))
    _wait(lambda: not _alive(child))


def _wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.05)


def _alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.split(")")[1].split()[0] != "Z"


def test_a_worker_starts_with_little():
    """Neither file formats nor solvers are imported before they are needed: every run of a suite starts one."""
    script = (
        "import sys, placewise.solvers.execution.worker; "
        "print(sorted({'pydantic', 'scipy', 'pyomo', 'ortools', 'highspy', 'rich'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
