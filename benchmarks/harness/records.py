"""Records of runs: one line of JSON each, appended and never changed."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from placewise.instances.identity import instance_hash
from placewise.instances.strict_json import finite
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Conflict, Status, VerifiedResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.benchmarks.harness.suites import RunSpec

FORMAT = "placewise-record/1"
FILE = "records.jsonl"
SKIPPED = "skipped"
#: Points of a trace that are kept.
LONGEST_TRACE = 200


@dataclass(frozen=True)
class Record:
    """What a run left, as read back; `document` is the whole line.

    Parameters
    ----------
    key, group, problem, instance, instance_sha256, method : str
        Of the run.
    status : Status or None
        None for a run that was skipped.
    objective, dual_bound, relative_gap : float or None
        Verified, in the problem's unit.
    conflicts : tuple of Conflict
        Within the run.
    seconds : float
        To state and solve.
    wall_s : float
        From the harness' call to its return.
    """

    key: str
    group: str
    problem: str
    instance: str
    instance_sha256: str
    method: str
    status: Status | None
    objective: float | None
    dual_bound: float | None
    relative_gap: float | None
    conflicts: tuple[Conflict, ...]
    seconds: float
    wall_s: float
    document: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Record:
        """Read a line back."""
        status = document["status"]
        return cls(
            key=document["key"],
            group=document["run"]["group"],
            problem=document["problem"],
            instance=document["instance"],
            instance_sha256=document["instance_sha256"],
            method=document["method"],
            status=None if status == SKIPPED else Status(status),
            objective=document["objective"],
            dual_bound=document["dual_bound"],
            relative_gap=document["relative_gap"],
            conflicts=tuple(
                Conflict(c["kind"], tuple(c["methods"]), c["message"]) for c in document["conflicts"]
            ),
            seconds=sum(document["seconds"].values()),
            wall_s=document["wall_seconds"],
            document=document,
        )


def record_of(
    run: RunSpec, suite: str, instance: Any, result: VerifiedResult, wall_s: float
) -> dict[str, Any]:
    """Return the record of a result."""
    trace = [[p.seconds, p.objective, p.dual_bound] for p in result.trace]
    step = max(1, -(-len(trace) // LONGEST_TRACE))
    return (
        _common(run, suite, instance, wall_s)
        | result.to_json()
        | {
            "format": FORMAT,
            "conflicts": [conflict.to_json() for conflict in result.conflicts],
            "trace": trace[::step],
        }
    )


def skipped_record(run: RunSpec, suite: str, instance: Any, why: str) -> dict[str, Any]:
    """Return the record of a run that does not apply, or whose solver is missing."""
    return _common(run, suite, instance, 0.0) | {
        "format": FORMAT,
        "problem": instance.problem,
        "instance": instance.name,
        "method": run.method,
        "status": SKIPPED,
        "message": why,
        "objective": None,
        "dual_bound": None,
        "relative_gap": None,
        "placement": None,
        "conflicts": [],
        "trace": [],
        "seconds": {"build": 0.0, "solve": 0.0},
    }


def _common(run: RunSpec, suite: str, instance: Any, wall_s: float) -> dict[str, Any]:
    return {
        "key": run.key,
        "suite": suite,
        "run": asdict(run),
        "instance_sha256": instance_hash(instance),
        "wall_seconds": wall_s,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


@lru_cache(maxsize=1)
def machine() -> dict[str, Any]:
    """Return what a time depends on: processor, cores, system, commit."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(
            (line.partition(":")[2].strip() for line in lines if "model name" in line), processor
        )
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of a source tree, None for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def read_records(folder: Path) -> list[Record]:
    """Return the records of a folder; a line that a kill cut off is left out.

    Raises
    ------
    PlacewiseError
        Where there are none, or a line in the middle is no record.
    """
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise PlacewiseError(f"{path}: {error.strerror}; expected the folder of a bench run") from None
    records: dict[str, Record] = {}
    for number, line in enumerate(lines[:-1], 1):
        try:
            record = Record.of(json.loads(line))
        except (ValueError, KeyError, TypeError):
            raise PlacewiseError(f"{path}: line {number}: expected a record") from None
        records[record.key] = record
    return list(records.values())


class RecordFile:
    """The records of a folder, open for appending by one process.

    Raises
    ------
    PlacewiseError
        When another process has it open, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise PlacewiseError(f"{self.path}: {error.strerror}") from None
        self._lock()
        self._drop_partial_line()
        self.done = {record.key for record in read_records(folder)}

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # no such lock on Windows
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stream.close()
            raise PlacewiseError(f"{self.path}: another run writes to it") from None

    def _drop_partial_line(self) -> None:
        """Cut off what a kill left of a line."""
        self._stream.seek(0)
        content = self._stream.read()
        self._stream.truncate(content.rfind(b"\n") + 1)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record, all of it, to the disk; a run that is there already is not written again."""
        if record["key"] in self.done:
            return
        line = memoryview(json.dumps(finite(record), allow_nan=False).encode() + b"\n")
        end = os.fstat(self._stream.fileno()).st_size
        try:
            while line:
                line = line[self._stream.write(line) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._stream.truncate(end)
            raise PlacewiseError(f"{self.path}: cannot write: {error.strerror}") from None
        self.done.add(record["key"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def grouped(records: list[Record], attribute: str) -> Iterator[tuple[str, list[Record]]]:
    """Yield records by an attribute, in the order of first appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(getattr(record, attribute), []).append(record)
    yield from groups.items()
