"""What goes wrong around a solve, really done: dying workers, full and read-only disks, signals, races, hostile names."""

import contextlib
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from placewise.benchmarks.harness import records
from placewise.cli.main import main
from placewise.instances import read, to_document, write
from placewise.solvers import solve
from placewise.solvers.evidence.result import Reason, Status
from placewise.solvers.execution import worker

SUITE = {"format": "placewise-suite/1", "name": "small", "time_limit": 10.0, "threads": 1}
COMMAND = [sys.executable, "-m", "placewise.cli.main"]


def run(*arguments, **options):
    """Run a command in a process of its own."""
    command = [*COMMAND, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def one_line(done):
    """Whether a command failed as bad input does: exit status 2, one line, no traceback."""
    return done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


# Workers that die.


@pytest.mark.parametrize(
    ("name", "said"), [("segfaults", "SIGSEGV"), ("aborts", "SIGABRT"), ("hoards", "memory")]
)
def test_a_crash_says_how(split, name, said, both):
    """A broken pointer, a failed assertion, memory step by step: results with the reason, in one process of many."""
    result = solve(split, f"planted:{name}", memory_limit_bytes=2 * 10**9)
    assert result.status is Status.ERROR
    assert said in result.message


def test_a_solver_out_of_memory_is_a_result():
    """HiGHS on a model of 40,000 columns in less memory than it needs."""
    result = solve(read("llama2-70b-testbed"), "highs", memory_limit_bytes=300 * 10**6, time_limit=30)
    assert result.termination.reason is Reason.ERROR
    assert result.message
    assert result.incumbent_by == "greedy"  # what went first is not lost


def test_a_killed_solver_leaves_its_incumbent(monkeypatch, both):
    """SIGKILL while it works: the warm start is kept, and called feasible."""
    workers = []
    start = worker._start

    def caught(*arguments):
        workers.append(start(*arguments))
        return workers[-1]

    monkeypatch.setattr(worker, "_start", caught)

    def kill(step):
        if step.dual_bound is not None:
            with contextlib.suppress(ProcessLookupError):  # dead already
                os.killpg(workers[-1].pid, signal.SIGKILL)

    instance = read("llama2-70b-testbed")
    start_from = solve(instance, "greedy").placement
    result = solve(instance, "highs", time_limit=60, warm_start=start_from, progress=kill)
    assert result.status is Status.FEASIBLE
    assert result.objective is not None
    assert "SIGKILL" in result.message


INTERRUPTED = """
import signal
from placewise.instances import read
from placewise.solvers import solve
from placewise.solvers.solve import InterruptedResult

known = set()

def interrupt(step):
    known.update(key for key in ("objective", "dual_bound") if getattr(step, key) is not None)
    if len(known) == 2:
        signal.raise_signal(signal.SIGINT)

try:
    solve(read("llama2-7b-testbed"), "highs", relative_gap=0.0, progress=interrupt)
except InterruptedResult as stop:
    result = stop.result
    print(result.status.value, result.message, 0 < result.dual_bound <= result.objective)
"""


def test_an_interruption_keeps_incumbent_and_bound(both):
    """Ctrl-C as soon as both are known: both are in the result, and in order."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "feasible interrupted True", done.stderr


STILL_CTRL_C = """
import signal
from placewise.instances import read
from placewise.solvers import solve

for method in ("run-length", "cp-sat", "scip", "highs", "cbc", "scipy"):
    try:
        solve(read("hand-split"), method, isolate=False)
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print(method)
"""


def test_no_solver_takes_ctrl_c_over():
    """After a solve in the same process Ctrl-C is still an exception; CP-SAT's own handler would leave it deadly."""
    done = subprocess.run([sys.executable, "-c", STILL_CTRL_C], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["run-length", "cp-sat", "scip", "highs", "cbc", "scipy"]


# Disks.


@pytest.fixture
def small_disk(tmp_path):
    """Give a file system of 256 KiB; the caller may remount it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "placewise", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up_costs_the_file_only(small_disk):
    """The result is shown, the failure said, and nothing half-written is left."""
    target = small_disk / "result.json"
    environment = {**os.environ, "PLANTED_DISK": str(small_disk)}
    command = ("solve", "hand-stay-home", "--method", "planted:fills_disk", "--output", target)
    done = run(*command, env=environment)
    assert one_line(done)
    assert f"{target}: cannot write: No space left on device" in done.stderr
    assert "feasible" in done.stdout
    assert [path.name for path in small_disk.iterdir()] == ["fill"]


def test_records_on_a_full_disk_are_whole(small_disk, tmp_path):
    """The run stops with one line; with room again it goes on to the same records as elsewhere."""
    suite = tmp_path / "suite.json"
    runs = {"group": "hand", "instances": ["hand-split", "hand-tie"], "methods": ["greedy", "labels"]}
    suite.write_text(
        json.dumps(SUITE | {"entries": [runs]}),
        encoding="utf-8",
    )
    folder, fill = small_disk / "runs", small_disk / "fill"
    assert run("bench", suite, "--output", folder, "--list").returncode == 0
    with fill.open("wb", buffering=0) as stream:  # room for the suite and about one record
        stream.write(b"x" * (256 - 2 * 4) * 1024)
    done = run("bench", suite, "--output", folder)
    assert one_line(done)
    assert "No space left on device" in done.stderr
    before = (folder / records.FILE).read_bytes()
    assert before == b"" or before.endswith(b"\n")
    fill.unlink()
    assert run("bench", suite, "--output", folder).returncode == 0
    assert (folder / records.FILE).read_bytes().startswith(before)
    assert len(records.read_records(folder)) == 4


def test_a_read_only_folder_is_said_before_any_work(small_disk, tmp_path):
    """Each command that writes: one line that names the file, and no solve."""
    (small_disk / "runs").mkdir()
    (small_disk / "runs" / "records.jsonl").touch()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    file = small_disk / "x.json"
    for command in (
        ("solve", "llama2-70b-testbed", "--method", "highs", "--time-limit", "100", "--output", file),
        ("generate", "edgeshard-latency", "testbed", "--output", file),
        ("export", "hand-split", "--to", "lp", "--output", small_disk / "x.lp"),
        ("simulate", "hand-pipeline", "--picture", small_disk / "x.svg"),
        ("bench", "smoke", "--output", small_disk / "new"),
        ("bench", "smoke", "--output", small_disk / "runs"),
    ):
        began = time.monotonic()
        done = run(*command)
        assert one_line(done), (command, done.stderr)
        assert "Read-only file system" in done.stderr
        assert str(small_disk) in done.stderr
        assert time.monotonic() - began < 60
    assert names_in(small_disk) == ["runs"]


def test_a_file_too_large_leaves_the_old_one(tmp_path):
    """A quota in the middle of the writing: the file that was there is as it was, and nothing lies beside it."""
    target = tmp_path / "instance.json"
    target.write_text("precious", encoding="utf-8")

    def quota():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = ("generate", "edgeshard-latency", "testbed", "devices=30", "--output", target)
    done = run(*command, preexec_fn=quota)
    assert one_line(done)
    assert "File too large" in done.stderr
    assert target.read_text(encoding="utf-8") == "precious"
    assert names_in(tmp_path) == ["instance.json"]


@pytest.mark.parametrize(
    "command", [["solve", "hand-split"], ["solve", "hand-split", "--json"], ["instances"]]
)
def test_a_full_standard_output_is_one_line(command):
    """No traceback, neither in the command nor at the interpreter's end."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert one_line(done)
    assert "No space left on device" in done.stderr


def test_links_devices_and_pipes_stay_what_they_are(tmp_path):
    """A link's target is replaced, not the link; a pipe is written to; a folder is refused."""
    real, link, pipe = tmp_path / "real.json", tmp_path / "link.json", tmp_path / "pipe"
    link.symlink_to(real)
    assert main(["generate", "edgeshard-latency", "tiny", "--output", str(link)]) == 0
    assert link.is_symlink()
    assert read(real).problem == "edgeshard-latency"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    assert main(["solve", "hand-split", "--output", str(pipe)]) == 0
    assert json.loads(reader.communicate(timeout=30)[0])["objective"] == 7.0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert main(["solve", "hand-split", "--output", str(tmp_path)]) == 2


def test_concurrent_writers_leave_one_whole_file(tmp_path):
    """Four at once on one name: the file is one of theirs."""
    target = tmp_path / "instance.json"
    command = [*COMMAND, "generate", "edgeshard-latency", "testbed", "--output", str(target), "--seed"]
    writers = [subprocess.Popen([*command, str(seed)]) for seed in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    found = read(target)
    assert names_in(tmp_path) == ["instance.json"]
    assert any(
        to_document(read(path)) == to_document(found)
        for path in (_generated(tmp_path / f"{seed}.json", seed) for seed in range(4))
    )


def _generated(path, seed):
    assert main(["generate", "edgeshard-latency", "testbed", "--output", str(path), "--seed", str(seed)]) == 0
    return path


# Names.

EVIL = [
    "[red]../../etc[/red]",
    "<script>alert(1)</script>",
    "$\\frac{$ 50% & `rm` $(reboot)",
    "=1+1;DROP TABLE\u202e",
]


@pytest.fixture
def hostile(tmp_path):
    """Give a file whose names look like markup, paths and formulas."""
    document = to_document(read("hand-pipeline"))
    new = dict(zip([device["name"] for device in document["cluster"]["devices"]], EVIL, strict=False))
    for device in document["cluster"]["devices"]:
        device["name"] = new[device["name"]]
    document["source_device"] = new[document["source_device"]]
    document["name"] = "../../[bold]x</title>$\\x$:bomb:"
    for layer in document["model"]["layers"]:
        layer["name"] = EVIL[2]
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_hostile_names_are_shown_as_they_are(hostile, tmp_path, capsys):
    """On the terminal, in pictures, and in what is exported."""
    for command in (["solve"], ["compare", "--methods", "thresholds,greedy"], ["explain"]):
        assert main([command[0], str(hostile), *command[1:]]) == 0
        out = capsys.readouterr().out
        assert "../../[bold]x</title>$\\x$:bomb:" in out
    picture = tmp_path / "timeline.svg"
    assert main(["simulate", str(hostile), "--picture", str(picture)]) == 0
    drawn = picture.read_text(encoding="utf-8")
    assert "<script>" not in drawn
    assert "../../etc" in drawn
    for kind in ("lp", "mps"):
        target = tmp_path / f"model.{kind}"
        assert main(["export", str(hostile), "--to", kind, "--output", str(target)]) == 0


def test_hostile_names_lead_nowhere(hostile, tmp_path):
    """A suite on it with a conflict, and its report: all files are where they were asked for."""
    folder = tmp_path / "deep" / "er" / "runs"
    suite = tmp_path / "suite.json"
    entry = {"group": EVIL[1], "instances": [str(hostile)], "methods": ["thresholds", "planted:good"]}
    suite.write_text(
        json.dumps(SUITE | {"name": "evil", "entries": [entry]}),
        encoding="utf-8",
    )
    before = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    status = main(["bench", str(suite), "--output", str(folder)])
    assert status == 1  # the planted method overloads a device
    assert main(["report", str(folder)]) in (0, 1)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script>alert|</title>\$", page)
    after = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    assert after - before <= {folder, *folder.parents}


@pytest.mark.parametrize("name", ["\x1b[2Jgone", "two\nlines", "\x00", "bell\a", "\ud800"])
def test_names_a_terminal_would_obey_are_refused(name, tmp_path, capsys):
    """Control characters and half characters are no names."""
    document = to_document(read("hand-pipeline"))
    document["name"] = name
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert main(["solve", str(path)]) == 2
    assert "name: expected printable text" in capsys.readouterr().err


def test_names_from_other_tools_are_cleaned(tmp_path):
    """What a profile or a folder is called becomes a name that the format takes."""
    write(read("hand-split"), tmp_path / "x.json")
    folder = tmp_path / "mis\x1btral\n"
    folder.mkdir()
    config, cluster = folder / "config.json", tmp_path / "cluster.json"
    shape = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 2, "vocab_size": 100}
    config.write_text(json.dumps(shape), encoding="utf-8")
    device = {"name": "d", "memory_bytes": 1e9, "flops_per_s": 1e9, "memory_bytes_per_s": 1e9}
    cluster.write_text(json.dumps({"devices": [device], "bandwidth_bytes_per_s": 1}), encoding="utf-8")
    target = tmp_path / "out.json"
    assert main(["convert", str(config), "--cluster", str(cluster), "--output", str(target)]) == 0
    assert read(target).name == "mistral-1-devices-edgeshard-latency"
