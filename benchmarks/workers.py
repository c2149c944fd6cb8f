"""What an isolated solve costs beside its solving, forked and started, and what many of them leave.

    python -m placewise.benchmarks.workers [--instance hand-split] [--methods labels,run-length,highs,cp-sat]
    python -m placewise.benchmarks.workers --curve 5000

The first prints for each method the milliseconds of the first solve, of further ones, of ones whose worker is started
as where a system cannot fork, and of ones in the same process, as medians, with processor time each; the second open files, threads, children and memory of the
caller and of what forks its workers, as solves go by. Linux.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from placewise.instances import read
from placewise.solvers import solve
from placewise.solvers.execution.forked import COLD
from placewise.solvers.execution.processes import children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.problem import Instance

METHODS = "labels,run-length,highs,cp-sat"
#: Solves between two lines of the curve, at least.
LINES = 10


def milliseconds(instance: Instance, method: str, count: int, *, isolate: bool = True) -> tuple[float, float]:
    """Return the median of what so many solves took, one after the other, and their processor time each."""
    took = []
    before = processor_s()
    for _ in range(count):
        began = time.perf_counter()
        result = solve(instance, method, isolate=isolate)
        took.append((time.perf_counter() - began) * 1e3)
        if result.conflicts or result.placement is None:
            raise RuntimeError(f"{method}: {result.status.value} {result.message}")
    return statistics.median(took), (processor_s() - before) / count * 1e3


def processor_s() -> float:
    """Return the processor time of this process, of those that fork its workers, and of all that they waited for."""
    ticks = 0
    for child in children():
        fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return sum(os.times()[:4]) + ticks / os.sysconf("SC_CLK_TCK")


def costs(instance: Instance, methods: list[str], count: int) -> Iterator[tuple[str, list[float]]]:
    """Yield per method the milliseconds of a first solve, of further ones, of started ones, and without a worker."""
    for method in methods:
        first = milliseconds(instance, method, 1)[0]
        further = milliseconds(instance, method, count)
        os.environ[COLD] = "1"
        try:
            started = milliseconds(instance, method, max(count // 20, 3))
        finally:
            del os.environ[COLD]
        inside = milliseconds(instance, method, max(count // 5, 3), isolate=False)[0]
        yield method, [first, *further, *started, started[1] / further[1], inside]


def memory_kib(process: int) -> int:
    """Return what a process holds in memory and shares with no other."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(number) for number in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))


def files(process: int) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def curve(instance: Instance, method: str, count: int) -> Iterator[tuple[int, int, int, int, int, int, int]]:
    """Yield after so many solves: files, threads and KiB of the caller, its children, their files and KiB."""
    milliseconds(instance, method, 1)
    own = os.getpid()
    for done in range(0, count + 1, max(count // LINES, 1)):
        if done:
            milliseconds(instance, method, count // LINES)
        below = sorted(children())
        yield (
            done,
            files(own),
            threading.active_count(),
            memory_kib(own),
            len(below),
            sum(map(files, below)),
            sum(map(memory_kib, below)),
        )


def main() -> int:
    """Print either table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instance", default="hand-split", help="(default hand-split)")
    parser.add_argument("--methods", default=METHODS, help=f"(default {METHODS})")
    parser.add_argument("--solves", type=int, default=100, help="per method, after the first (default 100)")
    parser.add_argument("--curve", type=int, default=0, metavar="SOLVES", help="by the first method only")
    options = parser.parse_args()
    instance, methods = read(options.instance), options.methods.split(",")
    if options.curve:
        print("| solves | files | threads | KiB | children | their files | their KiB |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        for line in curve(instance, methods[0], options.curve):
            print("| " + " | ".join(map(str, line)) + " |", flush=True)
        return 0
    print(
        "| method | first, ms | further, ms | CPU ms | started, ms | CPU ms | ratio of CPU | in process, ms |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for method, numbers in costs(instance, methods, options.solves):
        print(
            f"| {method} | "
            + " | ".join(f"{number:,.{0 if number >= 100 else 1}f}" for number in numbers)
            + " |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
