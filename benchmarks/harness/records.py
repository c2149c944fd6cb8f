"""Records of runs: one line of JSON each, appended and never changed; the newest of a run counts."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.harness.plain import one_line, plain
from placewise.benchmarks.harness.provenance import machine
from placewise.instances.identity import instance_hash
from placewise.models.errors import PlacewiseError
from placewise.models.problem import Guarantee
from placewise.solvers.evidence.result import Conflict, Reason, Status, VerifiedResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from placewise.benchmarks.harness.suites import RunSpec
    from placewise.models.problem import Instance

FORMAT = "placewise-record/1"
FILE = "records.jsonl"
SKIPPED = "skipped"
#: Points of a trace that are kept.
LONGEST_TRACE = 200
#: What a line raises that is something else.
NO_RECORD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


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
    transient : bool
        Whether something outside the run ended it: its worker was killed, its scheduler died. Not the answer of an
        undisturbed run, even where it has a placement.
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
    transient: bool
    document: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Record:
        """Read a line back; raise one of `NO_RECORD` if it is none that a report can show."""
        status, seconds = document["status"], document["seconds"]
        for part, names in (
            (document, ("suite", "finished", "message", "machine", "placement")),
            (document["run"], ("instance", "group")),
            (document["machine"], ("commit",)),
        ):
            if not part.keys() >= set(names):
                raise KeyError
        for text in (document["suite"], document["finished"]):
            _text(text)
        if not isinstance(document["message"], str) or not all(
            len(point) == 3 for point in document["trace"]
        ):
            raise TypeError
        for number in chain.from_iterable(document["trace"]):
            _number(number)
        return cls(
            key=_text(document["key"]),
            group=_text(document["run"]["group"]),
            problem=_text(document["problem"]),
            instance=_text(document["instance"]),
            instance_sha256=_text(document["instance_sha256"]),
            method=_text(document["method"]),
            status=None if status == SKIPPED else Status(status),
            objective=_number(document["objective"]),
            dual_bound=_number(document["dual_bound"]),
            relative_gap=_number(document["relative_gap"]),
            conflicts=tuple(
                Conflict(_text(c["kind"]), tuple(map(_text, c["methods"])), _text(c["message"]))
                for c in document["conflicts"]
            ),
            seconds=_time(seconds["build"]) + _time(seconds["solve"]),
            wall_s=_time(document["wall_seconds"]),
            transient=document.get("transient") is True,
            document=document,
        )

    @property
    def failed(self) -> bool:
        """Whether another try may end better: something outside ended the run, or its method failed.

        A method that failed may have a status all the same, by what it reported or what went before it.
        """
        termination = self.document.get("termination")
        stopped = termination.get("reason") if isinstance(termination, dict) else None
        return self.transient or self.status is Status.ERROR or stopped == Reason.ERROR.value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # half a character is a `ValueError`
    return value


def _number(value: Any) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError
    return None if value is None else value + 0.0


def _time(value: Any) -> float:
    seconds = _number(value)
    if seconds is None or seconds < 0:
        raise ValueError
    return seconds


def record_of(
    run: RunSpec,
    suite: str,
    instance: Instance,
    result: VerifiedResult,
    wall_s: float,
    *,
    transient: bool = False,
) -> dict[str, Any]:
    """Return the record of a result, of values that JSON has."""
    trace = [[p.seconds, p.objective, p.dual_bound] for p in result.trace]
    step = max(1, -(-len(trace) // LONGEST_TRACE))
    return plain(
        _common(run, suite, instance, wall_s)
        | result.to_json()
        | {
            "format": FORMAT,
            "message": one_line(result.message, 1000),
            "conflicts": [conflict.to_json() for conflict in result.conflicts],
            "trace": trace[::step],
            "transient": transient,
        }
    )


def failed_record(
    run: RunSpec,
    suite: str,
    instance: Instance,
    message: str,
    wall_s: float = 0.0,
    *,
    transient: bool = False,
) -> dict[str, Any]:
    """Return the record of a run that came to no result."""
    result = VerifiedResult(
        instance, run.method, Guarantee.HEURISTIC, Status.ERROR, message=one_line(message), solve_s=wall_s
    )
    return record_of(run, suite, instance, result, wall_s, transient=transient)


def skipped_record(run: RunSpec, suite: str, instance: Instance, why: str) -> dict[str, Any]:
    """Return the record of a run that does not apply, or whose solver is missing."""
    return _common(run, suite, instance, 0.0) | {
        "format": FORMAT,
        "problem": instance.problem,
        "instance": instance.name,
        "method": run.method,
        "status": SKIPPED,
        "message": one_line(why, 1000),
        "objective": None,
        "dual_bound": None,
        "relative_gap": None,
        "placement": None,
        "conflicts": [],
        "trace": [],
        "seconds": {"build": 0.0, "solve": 0.0},
        "transient": False,
    }


def _common(run: RunSpec, suite: str, instance: Instance, wall_s: float) -> dict[str, Any]:
    return {
        "key": run.key,
        "suite": suite,
        "run": asdict(run),
        "instance_sha256": instance_hash(instance),
        "wall_seconds": wall_s,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


def record_in(line: bytes) -> Record | None:
    """Return the record that a line holds, or None: it is empty, torn, or something else."""
    try:
        return Record.of(json.loads(line, parse_constant=_no_number))
    except NO_RECORD:
        return None


def _no_number(text: str) -> float:
    raise ValueError(text)


def read_records(folder: Path, rejected: Callable[[str], None] | None = None) -> list[Record]:
    """Return the newest record of each run of a folder; what a kill cut off at the end is left out.

    Parameters
    ----------
    folder : Path
        Of a bench run.
    rejected : callable, optional
        Told in one line if there are lines that are no records; they are left out.

    Raises
    ------
    PlacewiseError
        Where there is no such file.
    """
    path = folder / FILE
    try:
        *lines, tail = path.read_bytes().split(b"\n")
    except OSError as error:
        raise PlacewiseError(f"{path}: {error.strerror}; expected the folder of a bench run") from None
    found = [(number, record_in(line)) for number, line in enumerate(lines, 1)]
    bad = [number for number, record in found if record is None]
    if bad and rejected:
        rejected(f"{path}: {lines_words(bad)}: expected a record; left out")
    last = record_in(tail)
    records = [record for _, record in found if record is not None] + ([last] if last else [])
    return list({record.key: record for record in records}.values())


def lines_words(numbers: list[int]) -> str:
    """Return numbers of lines for people."""
    shown = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"line {shown}" if len(numbers) == 1 else f"{len(numbers)} lines ({shown})"


def grouped(records: list[Record], attribute: str) -> Iterator[tuple[str, list[Record]]]:
    """Yield records by an attribute, in the order of first appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(getattr(record, attribute), []).append(record)
    yield from groups.items()
