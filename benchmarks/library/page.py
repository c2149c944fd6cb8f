"""The library's page: what is open first, then what a minute or seconds prove, and where the facts are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.benchmarks.library.records import TIERS, gap, tier
from placewise.instances.library import Entry, library
from placewise.models.registry import problem_named
from placewise.solvers.evidence.shown import percent, quantity

if TYPE_CHECKING:
    from placewise.benchmarks.library.records import Record

_HEADINGS = {
    "open": "Open: value and bound do not meet yet",
    "minute": "Proven in more than 5 seconds",
    "seconds": "Proven in 5 seconds",
}
_INTRODUCTION = """# Library of instances

Real models, machines and measurements, each with the best value that is known, with its placement, and the best bound that was
proven. This page is generated: `placewise library --page`. `placewise library` lists and filters, `placewise library NAME --solve`
solves, `placewise solve NAME` and every other command take the names as they are. Found a better placement?
`placewise submit RESULT` evaluates it and enters it. Values are seconds of each problem's objective (of `replicated-throughput`: per
token of the planning objective, whose inverse is the flow), not of runs on the machines.

{counts}
"""


def page(found: dict[str, Record]) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    found : dict
        Records by instance.
    """
    entries = library()
    by_tier: dict[str, list[Entry]] = {name: [] for name in TIERS}
    for entry in entries.values():
        by_tier[tier(found.get(entry.name, {}))].append(entry)
    told = ", ".join(f"{len(by_tier[name])} {words}" for name, words in _WORDS.items())
    lines = [_INTRODUCTION.format(counts=f"{len(entries)} instances: {told}.")]
    for name, heading in _HEADINGS.items():
        if by_tier[name]:
            lines += [f"## {heading}", "", *_table(by_tier[name], found), ""]
    lines += ["## Sources", "", "| class | figures | source | licence |", "|---|---|---|---|"]
    lines += sorted({f"| {e.kind} | {e.data} | {e.source} | {e.licence} |" for e in entries.values()})
    return "\n".join(lines) + "\n"


_WORDS = {
    "open": "open",
    "minute": "proven in more than 5 seconds",
    "seconds": "in 5 seconds",
}


def _table(entries: list[Entry], found: dict[str, Record]) -> list[str]:
    rows = [
        "| instance | problem | class | devices | best value | by | bound | by | gap |",
        "|---|---|---|---:|---:|---|---:|---|---:|",
    ]
    for entry in entries:
        record = found.get(entry.name, {})
        instance = entry.instance()
        unit = problem_named(instance.problem).unit
        cells = [
            f"`{entry.name}`",
            instance.problem,
            entry.kind,
            str(instance.cluster.size),
            quantity(record.get("value"), unit),
            _by(record.get("value_by")),
            quantity(record.get("bound"), unit),
            _by(record.get("bound_by")),
            percent(gap(record)),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _by(stamp: dict[str, str] | None) -> str:
    return "-" if not stamp else f"{stamp['by']}, {stamp['date']}, {stamp['version']}"
