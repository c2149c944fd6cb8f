"""The report as one HTML page that needs no network: conflicts first, then tables, profiles and pictures."""

from __future__ import annotations

from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.drawings.registry import picture_of
from placewise.benchmarks.harness.records import NO_RECORD, Record, grouped, read_records
from placewise.benchmarks.harness.runner import all_conflicts
from placewise.benchmarks.harness.suites import load_instance
from placewise.benchmarks.report import charts, tables
from placewise.benchmarks.report.html import Page
from placewise.benchmarks.report.statistics import LEVEL, critical_difference, ranking
from placewise.instances.files import write_text
from placewise.instances.identity import instance_hash
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_named
from placewise.solvers.evidence.result import Status

if TYPE_CHECKING:
    from pathlib import Path

    from placewise.benchmarks.report.tables import Row

SUMMARY = list(tables.SUMMARY)
#: Placements and timelines drawn per problem, and instances with bounds over time.
MOST_PICTURES = 6


def percent(gap: float | None) -> float | None:
    """Return a gap in percent."""
    return None if gap is None else 100 * gap


def write_report(folder: Path, target: Path | None = None) -> tuple[Path, list[str]]:
    """Write ``report.html`` and the tables of a folder of records; return the page and the other files.

    Raises
    ------
    PlacewiseError
        Without records, or without the packages of the extra `report`.
    """
    for needed in ("jinja2", "matplotlib", "scikit_posthocs"):  # said before any work
        if find_spec(needed) is None:
            raise PlacewiseError("reports need more packages: pip install 'placewise[report]'")
    records = read_records(folder)
    if not records:
        raise PlacewiseError(f"{folder}: expected at least one finished run")
    page = Page()
    rows = tables.rows_of(records)
    _head(page, records, rows)
    _conflicts(page, records)
    for problem, _ in grouped([row.record for row in rows], "problem"):
        _problem(page, problem, [row for row in rows if row.record.problem == problem])
    _overhead(page, rows)
    _skipped(page, [record for record in records if record.status is None])
    path = target or folder / "report.html"
    write_text(path, page.html(f"placewise: {records[0].document['suite']}"))
    return path, tables.write_tables(rows, folder)


def _head(page: Page, records: list[Record], rows: list[Row]) -> None:
    first = records[0].document
    page.heading(1, f"Suite {first['suite']}")
    versions: dict[str, str] = {}
    for record in records:
        versions |= record.document.get("versions", {})
    machines = dict.fromkeys(
        f"{m.get('processor')}, {m.get('cores')} cores, {m.get('system')}"
        for m in (r.document["machine"] for r in records)
    )
    commits = dict.fromkeys(str(r.document["machine"].get("commit") or "installed")[:12] for r in records)
    proven = sum(row.proven for row in rows)
    page.paragraph(
        f"{len(rows)} runs, {proven} with a proof, on {len({row.record.instance_sha256 for row in rows})} instances; "
        f"{_minute(min(r.document['finished'] for r in records))} to "
        f"{_minute(max(r.document['finished'] for r in records))} UTC"
    )
    lost = sum(record.transient for record in records)
    if lost:
        page.paragraph(
            f"{lost} runs were ended by something outside them, and say nothing about their methods; "
            "placewise bench --retry-errors repeats them."
        )
    stated = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    page.paragraph(f"{'; '.join(machines)}. Commit {', '.join(commits)}. {stated}.", "dim")


def _minute(finished: str) -> str:
    """Return a time of a record as people write it."""
    return finished[:16].replace("T", " ")


def _conflicts(page: Page, records: list[Record]) -> None:
    page.heading(2, "Conflicts")
    found = all_conflicts(records)
    if not found:
        page.paragraph("None: no two methods contradict each other, and no claim was refuted.", "clean")
        return
    told = f"{len(found)} statements cannot be true together; conflicts/ has what reproduces each."
    page.paragraph(told, "conflicts")
    page.table(
        ["", "kind", "instance", "methods", "what"],
        [
            [number, conflict.kind, record.instance, ", ".join(conflict.methods), conflict.message]
            for number, (record, conflict) in enumerate(found, 1)
        ],
        "conflicts",
    )


def _problem(page: Page, problem: str, rows: list[Row]) -> None:
    page.heading(2, problem)
    page.paragraph(problem_named(problem).title, "dim")
    _summary(page, rows)
    together = bool(tables.shared(rows))
    if together:
        _pictures(page, rows)
    groups = list(dict.fromkeys(row.record.group for row in rows))
    for group in groups:
        mine = [row for row in rows if row.record.group == group]
        page.heading(3, group)
        if len(groups) > 1:
            _summary(page, mine)
        if not together:
            _pictures(page, mine)
        _runs(page, mine)
    _over_time(page, rows)
    _placements(page, rows)


def _pictures(page: Page, rows: list[Row]) -> None:
    """Draw what compares methods on the instances that they share."""
    drawings = []
    if steps := tables.profile(rows):
        drawings.append((charts.performance_profile(steps), "Performance profile (Dolan and More)"))
    common = [row for row in tables.shared(rows) if row.gap is not None]
    if common:
        drawings.append((charts.gaps(common), "Gaps to the best proven bound"))
    page.figures(drawings)
    _ranks(page, rows)


def _summary(page: Page, rows: list[Row]) -> None:
    page.table(SUMMARY, [tables.summary_cells(line) for line in tables.summaries(rows)])
    count = len({row.record.instance_sha256 for row in tables.shared(rows)})
    all_of = len({row.record.instance_sha256 for row in rows})
    if not count:
        page.paragraph(
            "No instance is shared by all of these methods: they are compared group by group.", "dim"
        )
        return
    page.paragraph(
        f"Gaps and times are over the {count} of {all_of} instances that all of these methods were run on. Gap: excess over the best "
        f"bound that any method proved. Time: geometric mean, shifted by {tables.SHIFT_S:g} s, to state and solve; runs "
        "without a proof count with the time they took.",
        "dim",
    )


def _ranks(page: Page, rows: list[Row]) -> None:
    """Say and draw which methods differ by more than chance."""
    for by, what in (("gap", "gap"), ("time", "time to a proof")):
        found = ranking(rows, by)
        if found is None:
            continue
        instances, level = len(found.scores), f"{LEVEL:g}"
        page.heading(3, f"Ranks by {what}")
        told = (
            f"{len(found.methods)} methods on {instances} instances; Friedman's test: p = {found.p_value:.2g}"
        )
        if found.p_value >= LEVEL:
            page.paragraph(f"{told}: their ranks do not differ by more than chance at {level}.")
            continue
        page.paragraph(f"{told}. Methods that a bar joins cannot be told apart at {level} (Nemenyi's test).")
        page.figures([(critical_difference(found), f"Mean ranks by {what}, the best one left")])


def _runs(page: Page, rows: list[Row]) -> None:
    lines: list[list[Any]] = []
    for row in rows:
        record = row.record
        status = record.document["status"]
        style = "proven" if row.proven else "error" if record.status is Status.ERROR else ""
        lines.append(
            [
                record.instance,
                record.method,
                (status, style),
                row.proof,
                (record.objective if record.objective is not None else None, ""),
                record.dual_bound,
                percent(row.gap),
                record.document["seconds"]["build"],
                record.document["seconds"]["solve"],
                ("" if row.proven else _note(record.document["message"]), "dim"),
            ]
        )
    page.table(
        [
            "instance",
            "method",
            "status",
            "proof",
            "value, s",
            "bound, s",
            "gap, %",
            "build, s",
            "solve, s",
            "note",
        ],
        lines,
    )


def _note(message: str) -> str:
    """Return a message of at most 90 characters: its end, the file and line of a crash, stays."""
    return message if len(message) <= 90 else f"{message[:50]} ... {message[-35:]}"


def _by_instance(rows: list[Row]) -> list[list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.record.instance_sha256, []).append(row)
    return list(found.values())


def _over_time(page: Page, rows: list[Row]) -> None:
    moving = [[row for row in same if len(row.record.document["trace"]) > 1] for same in _by_instance(rows)]
    moving = sorted((same for same in moving if same), key=len, reverse=True)[:MOST_PICTURES]
    if moving:
        page.heading(3, "Incumbents and bounds over time")
        page.figures(
            [
                (
                    charts.bounds_over_time(same[:8]),
                    f"{same[0].record.instance}: incumbent solid, bound dotted",
                )
                for same in moving
            ]
        )


def _placements(page: Page, rows: list[Row]) -> None:
    """Draw the best placement of the first instances."""
    problem = problem_named(rows[0].record.problem)
    graphs, timelines = [], []
    for same in _by_instance(rows)[:MOST_PICTURES]:
        placed = [row for row in same if row.record.objective is not None]
        if not placed:
            continue
        best = min(placed, key=lambda row: (row.record.objective or 0.0, not row.proven)).record
        source = best.document["run"]["instance"]
        try:
            instance = load_instance(source)
            placement = problem.from_json(instance, best.document["placement"])
        except (PlacewiseError, *NO_RECORD):  # its file is gone or another one by now; the numbers stay
            continue
        if isinstance(source, str) and instance_hash(instance) != best.instance_sha256:
            continue
        caption = f"{best.instance}: {best.method}, {best.objective:.4g} s"
        picture = picture_of(instance)
        hosted, sent = picture.graph(instance, placement)
        if hosted or sent:
            graphs.append((charts.device_graph(instance.cluster.device_names, hosted, sent), caption))
        timeline = None if picture.timeline is None else picture.timeline(instance, placement)
        if timeline is not None:
            timelines.append((timeline, f"{caption}: 4 micro-batches, with and without bubbles"))
    if graphs:
        page.heading(3, "Best placements")
        page.figures(graphs)
    if timelines:
        page.figures(timelines[:2], wide=True)


def _overhead(page: Page, rows: list[Row]) -> None:
    extra = [row.record.wall_s - row.record.seconds for row in rows if row.record.wall_s]
    if extra:
        page.heading(2, "Overhead of the harness")
        page.paragraph(
            f"Beside stating and solving, a run took {1e3 * median(extra):.0f} ms in the median and "
            f"{1e3 * max(extra):.0f} ms at most: starting a worker process, loading the solver, verifying the answer."
        )


def _skipped(page: Page, records: list[Record]) -> None:
    if records:
        page.heading(2, "Not run")
        page.table(
            ["instance", "method", "why"], [[r.instance, r.method, r.document["message"]] for r in records]
        )
