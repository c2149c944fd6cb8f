"""Results for people: numbers with units, one line, a few lines, and HTML that needs no style sheet."""

from __future__ import annotations

from dataclasses import fields
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from placewise.solvers.evidence.result import VerifiedResult

#: Rows of a table that are shown; `to_frame` has all.
MOST_ROWS = 12
#: Longer cells may be broken into lines.
LONGEST_WORD = 30
#: White on these can be read on a light and on a dark page.
_BADGES = {"optimal": "#1b7837", "feasible": "#8a6d00"}
_ALARM = "#b2182b"
_CELL = "padding:.2em .7em;text-align:left;border-bottom:1px solid rgba(128,128,128,.4)"


def duration(seconds: float | None) -> str:
    """Return a time for people, four digits and a fitting unit."""
    if seconds is None:
        return "-"
    size = abs(seconds)
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if size * factor >= 1 or unit == "us":
            return f"{seconds * factor:.4g} {unit}" if size else "0 s"
    raise AssertionError


def percent(gap: float | None) -> str:
    """Return a relative gap for people."""
    return "-" if gap is None else f"{gap * 100:.3g} %"


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.3g} B"


def quantity(value: float | None, unit: str) -> str:
    """Return a value of a problem in its unit, for people.

    Parameters
    ----------
    value : float or None
        None, where there is none, is a dash.
    unit : str
        Of the value; ``s`` is shown as a duration.
    """
    if value is None or unit == "s":
        return duration(value)
    return f"{value:.4g} {unit}"


def stopped(result: VerifiedResult) -> list[str]:
    """Return what the status does not say: the limit at which a method stopped, and who else found the incumbent."""
    parts, end = [], result.termination
    if end is not None and end.limit is not None:
        parts.append(f"stopped at: {end.limit} limit")
    elif end is not None and end.reason.value in ("interrupted", "error"):
        parts.append(f"stopped by: {end.reason.value}")
    if result.incumbent_by not in (None, result.method):
        parts.append(f"incumbent by {result.incumbent_by}")
    return parts


def values(result: VerifiedResult) -> list[str]:
    """Return status with value, bound and gap."""
    head = [result.status.value]
    if result.objective is not None:
        head.append(quantity(result.objective, problem_of(result.instance).unit))
    return [" ".join(head), *bound_and_gap(result)]


def bound_and_gap(result: VerifiedResult) -> list[str]:
    """Return the bound and the gap, where there is something to bound."""
    if result.dual_bound is None:
        return [] if result.objective is None else ["no bound"]
    bound = f"bound {quantity(result.dual_bound, problem_of(result.instance).unit)}"
    return [bound] if result.objective is None else [bound, f"gap {percent(result.relative_gap)}"]


def line_of(result: VerifiedResult) -> str:
    """Return a result in one line, the first conflict in a second."""
    parts = [*values(result), f"by {result.method} ({result.guarantee.value})", *stopped(result)]
    line = f"<VerifiedResult {result.instance.name!r}: {', '.join(parts)}>"
    return "\n".join([line, *_alarms(result)[:1]])


def lines_of(result: VerifiedResult) -> str:
    """Return a result in a few lines: instance, values, method, what is wrong, and the first stages."""
    head = f"{result.instance.name} ({result.instance.problem})"
    method = f"method {result.method} ({result.guarantee.value}), solved in {result.solve_s:.2f} s"
    lines = [head, "   ".join(values(result)), ", ".join([method, *stopped(result)])]
    if result.objective is None and result.message:
        lines.append(result.message)
    lines += _alarms(result)[:1]
    stages = result.stages
    lines += [f"  {stage}" for stage in stages[:MOST_ROWS]]
    if len(stages) > MOST_ROWS:
        lines.append(f"  and {len(stages) - MOST_ROWS} more")
    return "\n".join(lines)


def _alarms(result: VerifiedResult) -> list[str]:
    found = [f"conflict, {conflict.kind}: {conflict.message}" for conflict in result.conflicts]
    return found + [f"violated, {broken.constraint}: {broken.message}" for broken in result.violations]


def html_of(result: VerifiedResult) -> str:
    """Return a result as a small piece of HTML: values, what is wrong, and the stages."""
    unit, status = problem_of(result.instance).unit, result.status.value
    facts = [
        ("value", quantity(result.objective, unit)),
        ("bound", quantity(result.dual_bound, unit)),
        ("gap", percent(result.relative_gap)),
        ("method", f"{result.method} ({result.guarantee.value})"),
        ("time", f"build {duration(result.build_s)}, solve {duration(result.solve_s)}"),
    ]
    more = [*stopped(result), *([result.message] if result.objective is None and result.message else [])]
    title = heading(result.instance.name, result.instance.problem, status)
    parts = [title, alarms_html(_alarms(result)[:MOST_ROWS])]
    parts.append(table([name for name, _ in facts], [[value for _, value in facts]]))
    parts.append(paragraphs(more))
    stages = result.stages
    if stages:
        parts.append(table([field.name for field in fields(stages[0])], map(_cells, stages[:MOST_ROWS])))
    if len(stages) > MOST_ROWS:
        parts.append(paragraphs([f"and {len(stages) - MOST_ROWS} more"]))
    return f"<div>{''.join(parts)}</div>"


def _badge(text: str, colour: str) -> str:
    style = f"background:{colour};color:#fff;padding:.1em .5em;border-radius:.3em"
    return f'<span style="{style}">{escape(text)}</span>'


def alarms_html(alarms: Iterable[str]) -> str:
    """Return lines that say what is wrong, each with a mark."""
    return "".join(f"<p>{_badge('!', _ALARM)} {escape(text)}</p>" for text in alarms)


def paragraphs(texts: Iterable[str]) -> str:
    """Return each text as a paragraph."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def heading(name: str, text: str, status: str | None = None) -> str:
    """Return a bold name, a text, and a status as a badge.

    Parameters
    ----------
    name, text : str
        Plain text, escaped here.
    status : str, optional
        A `Status` by its value; what is neither optimal nor feasible has the colour of an alarm.
    """
    badge = "" if status is None else " " + _badge(status, _BADGES.get(status, _ALARM))
    return f"<p><b>{escape(name)}</b> {escape(text)}{badge}</p>"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return an HTML table in the colours of the page around it; every text is escaped.

    Parameters
    ----------
    columns : sequence of str
        Titles.
    rows : iterable of sequence
        One entry per column.
    """
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        '<table style="border-collapse:collapse;background:transparent"><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: Any) -> str:
    text = str(value)
    style = _CELL if len(text) > LONGEST_WORD else f"{_CELL};white-space:nowrap"
    return f'<td style="{style}">{escape(text)}</td>'


def _cells(stage: Any) -> list[str]:
    """Return a stage's fields for people: times and sizes by the units in their names."""
    cells = []
    for field in fields(stage):
        value = getattr(stage, field.name)
        if field.name.endswith("_per_s"):
            cells.append(f"{value:.4g}")
        elif field.name.endswith("_s"):
            cells.append(duration(value))
        elif isinstance(value, bool):
            cells.append("yes" if value else "")
        elif isinstance(value, int) and field.name.endswith("_bytes"):
            cells.append(f"{value:,}")
        elif isinstance(value, tuple):
            cells.append(" ".join(map(str, value)))
        else:
            cells.append(str(value))
    return cells


def frame(rows: Sequence[Any]) -> Any:
    """Return rows as a pandas DataFrame.

    Parameters
    ----------
    rows : sequence of dataclass or dict
        A row each, all of one kind.

    Raises
    ------
    PlacewiseError
        Without pandas, with the line that installs it.
    """
    if find_spec("pandas") is None:
        raise PlacewiseError("a DataFrame needs pandas: pip install 'placewise[frame]'")
    from pandas import DataFrame

    return DataFrame(list(rows))
