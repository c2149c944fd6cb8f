"""A suite on a Dask cluster whose scheduler and workers are killed: resumed, its rows are those of an undisturbed run.

    python -m placewise.benchmarks.suite_faults --kills 10 --seed 1 [--local]

Kills Dask's workers, the solvers' and what forks these at random, and the scheduler once; with ``--local`` the cluster of
``--dask local:2``, whose scheduler is the command itself. Linux: it finds the processes below its own in ``/proc``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from placewise.benchmarks.harness.records import FILE, read_records
from placewise.benchmarks.harness.suites import expand, read_suite

#: What a row says that does not depend on the clock.
FIXED = (
    "instance_sha256",
    "instance",
    "method",
    "status",
    "objective",
    "dual_bound",
    "placement",
    "conflicts",
)
MOST_TRIES = 20
#: Seconds that one try may take: nothing hangs.
LONGEST_TRY_S = 300.0


def suite_document(seeds: int) -> dict[str, Any]:
    """Return a suite of five quick runs per seed."""

    def entry(problem: str, methods: list[str], **options: str) -> dict[str, Any]:
        source = {
            "problem": problem,
            "family": "tiny",
            "seeds": list(range(1, seeds + 1)),
            "options": options,
        }
        return {"group": problem, "instances": [source], "methods": methods}

    return {
        "format": "placewise-suite/1",
        "name": "faults",
        "time_limit": 20.0,
        "threads": 1,
        "entries": [
            entry("edgeshard-latency", ["labels", "greedy", "brute-force"]),
            entry("dilemma", ["brute-force", "greedy-bits"], kind="loose"),
        ],
    }


def rows(folder: Path) -> dict[str, list[Any]]:
    """Return what each run of a folder found, by key."""
    return {record.key: [record.document.get(name) for name in FIXED] for record in read_records(folder)}


def bench(suite: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    command = [sys.executable, "-m", "placewise.cli.main", "bench", str(suite), "--output", str(folder)]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def below(roots: list[int]) -> dict[int, str]:
    """Return the command lines of the processes below others, by process."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.name))
    found: dict[int, str] = {}
    queue = list(roots)
    for process in queue:
        for child in children.get(process, []):
            queue.append(child)
            with contextlib.suppress(OSError):
                found[child] = (Path("/proc") / str(child) / "cmdline").read_bytes().decode(errors="replace")
    return found


def nurseries(roots: list[int]) -> list[int]:
    """Return those that fork solvers' workers, below processes."""
    mark = "placewise.solvers.execution.nursery"
    found = below(roots)
    return [
        process
        for process, command in found.items()
        if mark in command and process not in _forks(found, mark)
    ]


def workers(roots: list[int]) -> list[int]:
    """Return Dask's workers and the solvers' below processes."""
    found = below(roots)
    started = [
        process
        for process, command in found.items()
        if "spawn_main" in command or "placewise.solvers.execution.worker" in command
    ]
    return started + sorted(_forks(found, "placewise.solvers.execution.nursery"))


def _forks(commands: dict[int, str], mark: str) -> set[int]:
    """Return those whose command has a mark, below another one."""
    marked = {process: command for process, command in commands.items() if mark in command}
    return {child for process in marked for child in below([process]) if child in marked}


@dataclass
class Cluster:
    """A scheduler and a supervisor of two workers, as processes of this one.

    Parameters
    ----------
    port : int
        Of the scheduler on this machine.
    """

    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start both; the workers wait for the scheduler."""
        dask = [sys.executable, "-m", "dask"]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        supervisor = ["worker", self.address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
        self.processes = [
            subprocess.Popen([*dask, *scheduler], **quiet),
            subprocess.Popen([*dask, *supervisor, "--death-timeout", "30"], **quiet),
        ]

    def stop(self) -> None:
        """End both, and what they started."""
        for process in self.processes:
            children = below([process.pid])
            for pid in (*children, process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def disturbed(suite: Path, folder: Path, kills: int, chance: random.Random, *, local: bool) -> list[str]:
    """Run a suite to its end while workers are killed, and the scheduler once; return what each try said.

    Kills are spread over the rows, so that some of them come before and some after the scheduler's end.

    Raises
    ------
    RuntimeError
        When a try hangs, ends in a traceback, or lost rows with exit status 0.
    """
    cluster = Cluster(free_port())
    said, killed, scheduler_dies = [], 0, chance.randrange(kills // 2, kills)
    spread = len(expand(read_suite(str(suite)))) // (kills + 1)
    next_at = 1
    if not local:
        cluster.start()
    try:
        for number in range(MOST_TRIES):
            options = [
                "--dask",
                "local:2" if local else cluster.address,
                *(["--retry-errors"] * (number > 0)),
            ]
            began, running = time.monotonic(), bench(suite, folder, *options)
            roots = [running.pid, *(process.pid for process in cluster.processes)]
            while running.poll() is None and killed < kills and time.monotonic() - began < LONGEST_TRY_S:
                time.sleep(chance.uniform(0.05, 0.3))
                if record_count(folder) < next_at or not (targets := workers(roots) + nurseries(roots)):
                    continue
                next_at = record_count(folder) + chance.randint(0, spread)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(targets), signal.SIGKILL)
                    killed += 1
                if killed == scheduler_dies:
                    scheduler_dies = -1
                    (running if local else cluster.processes[0]).kill()
            errors = running.communicate(timeout=LONGEST_TRY_S)[1].decode(errors="replace").strip()
            said.append(
                f"exit status {running.returncode}, {killed} killed, {record_count(folder)} rows: {errors}"
            )
            if "Traceback" in errors:
                raise RuntimeError(said[-1])
            if running.returncode == 0:
                if any(record.transient for record in read_records(folder)):
                    raise RuntimeError("exit status 0 with lost rows")
                return said
            if not local and cluster.processes[0].poll() is not None:
                cluster.stop()
                cluster.start()
    finally:
        cluster.stop()
    raise RuntimeError("\n".join([f"not done after {MOST_TRIES} tries", *said]))


def record_count(folder: Path) -> int:
    """Return how many lines a folder's records have."""
    path = folder / FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0


def compare_runs(
    place: Path, *, seeds: int, kills: int, seed: int, local: bool
) -> tuple[int, list[str], list[str]]:
    """Run a suite undisturbed and disturbed; return the number of rows, what the tries said, and the keys that differ."""
    suite = place / "suite.json"
    suite.write_text(json.dumps(suite_document(seeds)), encoding="utf-8")
    if bench(suite, place / "calm", "--jobs", "2").wait(LONGEST_TRY_S):
        raise RuntimeError("the undisturbed run failed")
    said = disturbed(suite, place / "disturbed", kills, random.Random(seed), local=local)  # noqa: S311 - no secret
    calm, stormy = rows(place / "calm"), rows(place / "disturbed")
    keys = {run.key for run in expand(read_suite(str(suite)))}
    if set(calm) != keys:
        raise RuntimeError("the undisturbed run lacks rows")
    return len(keys), said, [key for key in sorted(keys | set(stormy)) if calm.get(key) != stormy.get(key)]


def main() -> int:
    """Compare, and say what happened; 1 if a row differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="workers to kill (default 10)")
    parser.add_argument("--seeds", type=int, default=30, help="five runs each (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the times and victims (default 1)")
    parser.add_argument("--local", action="store_true", help="--dask local:2 instead of an own scheduler")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.environ["TMPDIR"] = place  # what is killed cleans nothing up
        count, said, different = compare_runs(
            Path(place), seeds=options.seeds, kills=options.kills, seed=options.seed, local=options.local
        )
    for number, line in enumerate(said, 1):
        print(f"try {number}: {line}")
    print(f"{count} rows, {len(different)} of them not as undisturbed")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
