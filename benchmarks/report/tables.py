"""What records say in numbers: gaps to the best proven bound, means of times, performance profiles, files."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.harness.plain import whole
from placewise.benchmarks.harness.records import Record, grouped
from placewise.benchmarks.report.html import template
from placewise.instances.files import write_bytes, write_text
from placewise.solvers.bridge import excess
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import differs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Added to times before their geometric mean is taken, so that milliseconds do not decide: the usual 1 s.
SHIFT_S = 1.0
#: What stands behind a proof.
CERTIFIED, TWICE, ONCE = "certified", "claimed twice", "claimed once"
#: Beginnings of a cell that a spreadsheet runs as a formula, with the wide forms that some take for the same.
RUN = tuple("=+-@\t\r\n＝＋－＠")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Row:
    """A run beside the best that all runs on its instance know.

    Parameters
    ----------
    record : Record
        The run.
    best_objective, best_bound : float or None
        Over all runs on the instance.
    gap : float or None
        Excess of its objective over the best proven bound.
    confirmed : bool
        Whether a run of another method came to the same proof.
    """

    record: Record
    best_objective: float | None
    best_bound: float | None
    confirmed: bool = False

    @property
    def proof(self) -> str | None:
        """What stands behind a proof: a certificate, a second method, or the claim alone; None without a proof."""
        if not self.proven:
            return None
        if self.record.document.get("certified") is True:
            return CERTIFIED
        return TWICE if self.confirmed else ONCE

    @property
    def gap(self) -> float | None:
        """Excess over the best proven bound; None without one or the other."""
        if self.record.objective is None or self.best_bound is None:
            return None
        return excess(self.record.objective, self.best_bound)

    @property
    def proven(self) -> bool:
        """Whether the run ended with a proof."""
        return self.record.status in (Status.OPTIMAL, Status.INFEASIBLE)


def rows_of(records: Iterable[Record]) -> list[Row]:
    """Return the runs that were not skipped, each beside the best of its instance."""
    rows = []
    for _, same in grouped([r for r in records if r.status is not None], "instance_sha256"):
        objective = min((r.objective for r in same if r.objective is not None), default=None)
        bound = max((r.dual_bound for r in same if r.dual_bound is not None), default=None)
        rows += [
            Row(record, objective, bound, any(_agree(record, other) for other in same)) for record in same
        ]
    return rows


def _agree(one: Record, other: Record) -> bool:
    """Whether two methods prove the same of an instance."""
    if one.method == other.method or one.status is not other.status:
        return False
    if one.objective is None or other.objective is None:
        return one.status is Status.INFEASIBLE
    return one.status is Status.OPTIMAL and not differs(one.objective, other.objective)


def shifted_geometric_mean(seconds: list[float]) -> float:
    """Return the geometric mean of times plus `SHIFT_S`, less it."""
    return math.exp(sum(math.log(time + SHIFT_S) for time in seconds) / len(seconds)) - SHIFT_S


def shared(rows: list[Row]) -> list[Row]:
    """Return the runs on the instances that every method of the rows was run on, one per method and instance."""
    methods = dict.fromkeys(row.record.method for row in rows)
    of: dict[str, dict[str, Row]] = {}
    for row in rows:
        of.setdefault(row.record.instance_sha256, {}).setdefault(row.record.method, row)
    return [row for each in of.values() if len(each) == len(methods) for row in each.values()]


@dataclass(frozen=True)
class Summary:
    """One method: what it was run on, and gaps and times on the instances that all methods share."""

    method: str
    runs: int
    proven: int
    placed: int
    errors: int
    median_gap: float | None
    worst_gap: float | None
    mean_s: float | None


def summaries(rows: list[Row]) -> list[Summary]:
    """Return a line per method, the most proven and fastest first; runs that prove nothing count with their limit.

    Gaps and times are over the instances that all methods share; None where there are none.
    """
    found, common = [], shared(rows)
    for method in dict.fromkeys(row.record.method for row in rows):
        mine = [row for row in rows if row.record.method == method]
        compared = [row for row in common if row.record.method == method]
        gaps = [row.gap for row in compared if row.gap is not None]
        found.append(
            Summary(
                method,
                len(mine),
                sum(row.proven for row in mine),
                sum(row.record.objective is not None for row in mine),
                sum(row.record.status is Status.ERROR for row in mine),
                median(gaps) if gaps else None,
                max(gaps, default=None),
                shifted_geometric_mean([row.record.seconds for row in compared]) if compared else None,
            )
        )
    return sorted(found, key=lambda line: (-line.proven / line.runs, line.mean_s or 0.0))


SUMMARY = (
    "method",
    "runs",
    "proven",
    "placed",
    "errors",
    "median gap, %",
    "worst gap, %",
    "time, s",
)


def summary_cells(line: Summary) -> list[Any]:
    """Return a summary's cells by `SUMMARY`, gaps in percent."""
    gaps = [None if gap is None else 100 * gap for gap in (line.median_gap, line.worst_gap)]
    return [line.method, line.runs, line.proven, line.placed, line.errors, *gaps, line.mean_s]


def profile(rows: list[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return Dolan and More's performance profile: by method, steps of (time over the fastest, share solved).

    An instance is solved by a run that proves its answer. Instances that nobody solves are left out, and so are
    those that some method was not run on: what was not run is no failure.
    """
    rows = shared(rows)
    solved: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.proven:
            times = solved.setdefault(row.record.instance_sha256, {})
            times[row.record.method] = min(row.record.seconds, times.get(row.record.method, math.inf))
    steps = {}
    for method in dict.fromkeys(row.record.method for row in rows):
        ratios = sorted(
            times[method] / max(min(times.values()), 1e-6) if min(times.values()) > 1e-6 else 1.0
            for times in solved.values()
            if method in times
        )
        if ratios:
            steps[method] = [(ratio, (n + 1) / len(solved)) for n, ratio in enumerate(ratios)]
    return steps


COLUMNS = (
    "key",
    "group",
    "problem",
    "instance",
    "method",
    "status",
    "proof",
    "objective",
    "dual_bound",
    "relative_gap",
    "gap_to_best_bound",
    "best_objective",
    "best_bound",
    "build_s",
    "solve_s",
    "wall_s",
    "message",
    "transient",
)


def table(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the runs as flat rows."""
    return [
        {
            "key": row.record.key,
            "group": row.record.group,
            "problem": row.record.problem,
            "instance": row.record.instance,
            "method": row.record.method,
            "status": row.record.document["status"],
            "proof": row.proof,
            "objective": row.record.objective,
            "dual_bound": row.record.dual_bound,
            "relative_gap": row.record.relative_gap,
            "gap_to_best_bound": row.gap,
            "best_objective": row.best_objective,
            "best_bound": row.best_bound,
            "build_s": row.record.document["seconds"]["build"],
            "solve_s": row.record.document["seconds"]["solve"],
            "wall_s": row.record.wall_s,
            "message": whole(row.record.document["message"]),
            "transient": row.record.transient,
        }
        for row in rows
    ]


def harmless(value: Any) -> Any:
    """Return a cell that a spreadsheet shows as it is: an apostrophe goes before what it would run."""
    if not isinstance(value, str) or NUMBER.fullmatch(value):
        return value
    return f"'{value}" if value.startswith(RUN) or value.lstrip().startswith(RUN) else value


def write_tables(rows: list[Row], folder: Path) -> list[str]:
    """Write ``records.csv``, ``summary.tex``, and ``records.parquet`` where pyarrow is installed; return their names."""
    content, text = table(rows), io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(cell) for name, cell in line.items()} for line in content)
    write_text(folder / "records.csv", text.getvalue())
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(f"{row.record.problem}: {row.record.group}", []).append(row)
    blocks = [
        (title, SUMMARY, [summary_cells(line) for line in summaries(part)]) for title, part in parts.items()
    ]
    write_text(folder / "summary.tex", template("tables.tex.jinja").render(tables=blocks))
    if find_spec("pyarrow") is None:
        return ["records.csv", "summary.tex"]
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [line[name] for line in content] for name in COLUMNS}
    target = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), target)
    write_bytes(folder / "records.parquet", target.getvalue().to_pybytes())
    return ["records.csv", "records.parquet", "summary.tex"]
