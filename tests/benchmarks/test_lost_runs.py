"""Runs that something outside them ended: marked, said, no exit status 0, repeated on demand, and nothing else lost."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import pytest

from placewise.benchmarks import suite_faults
from placewise.benchmarks.harness import on_dask as dask_engine
from placewise.benchmarks.harness import runner
from placewise.benchmarks.harness.plain import plain
from placewise.benchmarks.harness.records import FILE, read_records
from placewise.benchmarks.harness.runner import in_threads, perform_run, run_suite
from placewise.benchmarks.harness.suites import RunSpec, SuiteSpec
from placewise.cli.main import main
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution import worker

SUITE = {"format": "placewise-suite/1", "name": "lost", "time_limit": 10.0, "threads": 1}
SPEC = RunSpec("hand", "hand-stay-home", "planted:good", 0, 5.0, 1e-6, 1, None)


def suite(*methods, **more):
    entries = [{"group": "hand", "instances": ["hand-stay-home"], "methods": list(methods)}]
    return SUITE | {"entries": entries} | more


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    """Give a command that runs a suite in one folder and returns exit status, what was said, and the lines."""
    monkeypatch.setenv("PLANTED_MARKER", str(tmp_path / "marker"))

    def run(document, *options):
        path = tmp_path / "suite.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        status = main(["bench", str(path), "--output", str(tmp_path / "runs"), *options])
        lines = (tmp_path / "runs" / FILE).read_text(encoding="utf-8").splitlines()
        return status, capsys.readouterr().err, [json.loads(line) for line in lines]

    return run


def test_a_killed_worker_is_repeated_on_demand(bench, tmp_path):
    """Marked, exit status 4 as long as it is there; a plain run leaves it; repeated, only the newer record counts."""
    document = suite("greedy", "planted_faults:killed_once", "planted:raises")
    status, said, first = bench(document)
    assert status == 4
    assert "SIGKILL" in said
    assert "--retry-errors" in said
    assert [line["transient"] for line in first] == [False, True, False]
    assert first[1]["status"] == "error"
    assert bench(document)[::2] == (4, first)
    status, said, again = bench(document, "--retry-errors")
    assert (status, said) == (0, "")
    assert again[:3] == first
    assert {line["method"] for line in again[3:]} == {"planted_faults:killed_once", "planted:raises"}
    found = {record.method: record for record in read_records(tmp_path / "runs")}
    assert found["planted_faults:killed_once"].status is Status.FEASIBLE
    assert not any(record.transient for record in found.values())


def test_an_error_is_repeated_on_demand(bench):
    """Whatever raised may have been mended; it is no reason for another exit status."""
    document = suite("planted_faults:fails_once")
    status, _, first = bench(document)
    assert (status, first[0]["status"], first[0]["transient"]) == (0, "error", False)
    assert len(bench(document)[2]) == 1
    assert bench(document, "--retry-errors")[2][1]["status"] == "feasible"
    assert len(bench(document, "--retry-errors")[2]) == 2


def test_a_killed_worker_with_a_placement_is_marked_too(monkeypatch):
    """What it reported is kept, and is not what an undisturbed run would have found."""
    started, start, solve = [], worker._start, runner.solve
    monkeypatch.setattr(worker, "_start", lambda *given: started.append(start(*given)) or started[-1])

    def kill(step):
        if step.dual_bound is not None and started and started[-1].poll() is None:
            os.killpg(started[-1].pid, signal.SIGKILL)

    monkeypatch.setattr(runner, "solve", lambda *given, **options: solve(*given, progress=kill, **options))
    spec = replace(SPEC, instance="llama2-70b-testbed", method="highs", time_limit=60.0)
    record = perform_run(spec, "suite")
    assert record["transient"] is True
    assert record["objective"] is not None


def test_a_fork_that_outlives_a_killed_worker_hides_nothing():
    """It holds the pipe open; the death is seen all the same, long before the time limit."""
    began = time.monotonic()
    record = perform_run(
        replace(SPEC, method="planted_faults:killed_beside_a_fork", time_limit=60.0), "suite"
    )
    assert record["transient"] is True
    assert time.monotonic() - began < 60


def test_a_killed_cbc_is_marked_too(tmp_path):
    """The kernel ends what takes most memory: the solver below the worker, which PuLP does not tell from an error."""
    path = tmp_path / "suite.json"
    document = suite("cbc", time_limit=60.0)
    document["entries"][0]["instances"] = ["llama2-70b-testbed"]
    path.write_text(json.dumps(document), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "placewise.cli.main",
        "bench",
        str(path),
        "--output",
        str(tmp_path / "runs"),
    ]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    found = []
    while time.monotonic() < end and not found:
        below = suite_faults.below([running.pid])
        found = [pid for pid, line in below.items() if line.partition("\0")[0].endswith("cbc")]
        time.sleep(0.02)
    os.kill(found[0], signal.SIGKILL)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 4
    assert "CBC: died by signal SIGKILL" in said
    (record,) = read_records(tmp_path / "runs")
    assert record.transient


def test_no_memory_and_no_processes_are_transient(monkeypatch):
    """What the harness itself runs out of is not the method's doing."""
    for error in (OSError(11, "Resource temporarily unavailable"), MemoryError()):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(runner, "solve", fail)
        record = perform_run(SPEC, "suite")
        assert (record["status"], record["transient"]) == ("error", True)


WHATEVER = [
    ("exits", "SystemExit"),
    ("interrupts", "KeyboardInterrupt"),
    ("closes_a_generator", "GeneratorExit"),
    ("raises_badly", "BadTextError"),
    ("raises_at_length", "zzz"),
    ("raises_control_characters", "ValueError"),
    ("raises_a_local_class", "LocalError"),
    ("asks", "EOFError"),
    ("shouts", ""),
    ("garbles", ""),
    ("silences", ""),
]
#: Whose outcome hangs on how a worker was started.
STARTED = ("exits", "interrupts", "asks", "garbles")


@pytest.mark.parametrize(
    ("name", "said", "start"),
    [(*fault, "forked") for fault in WHATEVER]
    + [(*fault, "started") for fault in WHATEVER if fault[0] in STARTED],
)
def test_whatever_a_method_does_is_a_row(name, said, start, monkeypatch):
    """One of JSON, in one line, not marked as somebody else's doing, and before the limit is long over."""
    if start == "started":
        monkeypatch.setenv("PLACEWISE_COLD_WORKERS", "1")
    monkeypatch.setattr(worker, "GRACE_S", 0.5)
    record = perform_run(replace(SPEC, method=f"planted_faults:{name}", time_limit=3.0), "suite")
    line = json.dumps(record, allow_nan=False)
    assert len(line) < 20_000
    assert record["transient"] is False
    assert said in record["message"]
    assert record["message"].isprintable()
    if name == "shouts":
        assert record["status"] == "feasible"
    else:
        assert record["status"] in ("error", "no-solution", "skipped")


def test_values_become_plain():
    """Numbers that are none, endless ones, strange keys, half characters, cycles, and too much."""
    cycle = []
    cycle.append(cycle)
    found = plain(
        {
            "a": [float("nan"), float("inf"), 10**400, True, 1.5],
            "b": {(1, 2): {3}, "\ud800": "\ud800"},
            "c": cycle,
            "d": [0] * 1_100_000,
            "e": object,
            "f": 7,
        }
    )
    assert found["a"] == [None, None, None, True, 1.5]
    assert found["b"] == {"(1, 2)": [3], "\\ud800": "\\ud800"}
    assert (found["c"], found["d"], found["f"]) == (None, None, 7)
    assert found["e"] == "<class 'object'>"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_suite_of_several_jobs_ends_at_once(number, tmp_path):
    """What is done is kept, no worker goes on, and no temporary file is left."""
    path, temporary = tmp_path / "suite.json", tmp_path / "temporary"
    temporary.mkdir()
    document = suite("greedy", "planted:sleeps", time_limit=100.0)
    document["entries"][0]["seeds"] = [1, 2, 3]
    path.write_text(json.dumps(document), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "placewise.cli.main",
        "bench",
        str(path),
        "--output",
        str(tmp_path / "runs"),
    ]
    running = subprocess.Popen(
        [*command, "--jobs", "3"],
        env=os.environ | {"TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and suite_faults.record_count(tmp_path / "runs") < 3:
        time.sleep(0.05)
    time.sleep(0.5)
    workers = suite_faults.workers([running.pid])
    assert len(workers) == 3
    running.send_signal(number)
    assert running.communicate(timeout=30)[1] == "placewise bench: interrupted\n"
    assert running.returncode == 130
    assert list(temporary.iterdir()) == []
    assert suite_faults.record_count(tmp_path / "runs") == 3


# Clusters.


def test_no_scheduler_is_one_line(tmp_path, capsys, monkeypatch):
    """Nobody listens, or it is no address."""
    monkeypatch.setattr(dask_engine, "ANSWER_S", 1.0)
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(suite("greedy")), encoding="utf-8")
    for address in ("tcp://127.0.0.1:1", "nonsense://x", "local:0", "local:x"):
        assert main(["bench", str(path), "--output", str(tmp_path / "runs"), "--dask", address]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"placewise bench: --dask {address}:")
        assert error.count("\n") == 1


def test_a_cluster_without_workers_is_left(tmp_path, monkeypatch):
    """After a while, not never; the run that was handed over is marked, the others are not begun."""
    from distributed import LocalCluster

    monkeypatch.setattr(dask_engine, "LONELY_S", 1.5)
    monkeypatch.setattr(dask_engine, "AHEAD", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    document = SuiteSpec.model_validate(suite("greedy", "labels", "brute-force"))
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        engine = dask_engine.on_dask(cluster.scheduler_address)
        with pytest.raises(PlacewiseError, match=r"no worker for 1\.5 s: 1 runs were lost, 2 were not begun"):
            run_suite(document, tmp_path / "runs", engine)
    assert [record.transient for record in read_records(tmp_path / "runs")] == [True]
    found = run_suite(document, tmp_path / "runs", in_threads(1))
    assert [record.transient for record in found] == [True, False, False]
    found = run_suite(document, tmp_path / "runs", in_threads(1), retry_errors=True)
    assert [(record.transient, record.failed) for record in found] == [(False, False)] * 3


def test_a_run_that_kills_its_workers_is_marked(tmp_path, monkeypatch):
    """Again and again: it is given up after some deaths, and the others are done."""
    monkeypatch.setattr(dask_engine, "MOST_DEATHS", 0)
    document = SuiteSpec.model_validate(suite("greedy", "planted:kills_caller"))
    found = {r.method: r for r in run_suite(document, tmp_path / "runs", dask_engine.on_dask("local:1"))}
    assert found["greedy"].status is Status.FEASIBLE
    lost = found["planted:kills_caller"]
    assert (lost.status, lost.transient) == (Status.ERROR, True)
    assert "KilledWorker" in lost.document["message"]


def test_a_killed_scheduler_and_killed_workers_change_no_row(tmp_path):
    """Resumed until done, all rows are those of an undisturbed run; each try ends, in one line, not with status 0."""
    count, said, different = suite_faults.compare_runs(tmp_path, seeds=3, kills=2, seed=1, local=False)
    assert count == 15
    assert different == []
    assert len(said) > 1
    assert all(line.count("\n") == 0 for line in said)
