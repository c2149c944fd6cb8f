"""Pictures as SVG, PNG or PDF, drawn by Matplotlib without a display."""

from __future__ import annotations

import json
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.instances.files import write_bytes
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from placewise.models.edgeshard.schedule import Schedule

FORMATS = (".svg", ".png", ".pdf")
#: More rows or tasks than this are no picture.
LARGEST_TASK_COUNT = 5000
#: Distinguishable without colour vision too (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, list[Any]]:
    """Return a Matplotlib figure and its panels, row by row, sizes in inches.

    Raises
    ------
    PlacewiseError
        When Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise PlacewiseError("pictures need Matplotlib: pip install 'placewise[plot]'")
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    return drawing, list(drawing.subplots(rows, columns, squeeze=False).flat)


def plain(name: str) -> str:
    """Return a name as Matplotlib shows it as it is, not as a formula."""
    return name.replace("$", r"\$")


def series(name: str, part: str = "") -> str:
    """Return the gid of a line that a page can read at any x, and hide with its name's other parts."""
    return f"series {json.dumps([name, part])}"


def points(labels: Sequence[str]) -> str:
    """Return the gid of a row of markers, each of which a page can name."""
    return f"points {json.dumps(list(labels))}"


def hint(text: str) -> str:
    """Return the gid of something whose text a page can show."""
    return f"hint {json.dumps(text)}"


def require_format(target: str) -> None:
    """Check the suffix before hours of work."""
    if Path(target).suffix not in FORMATS:
        raise PlacewiseError(f"{target}: expected a name that ends with {', '.join(FORMATS)}")


def save(drawing: Any, target: str) -> None:
    """Write a figure in the format of its suffix, whole or not at all."""
    require_format(target)
    for artist in drawing.findobj(lambda artist: artist.get_gid() is not None):
        artist.set_gid(None)  # for pages only: they are no names that XML takes
    write_bytes(target, rendered(drawing, Path(target).suffix.removeprefix(".")))


def rendered(drawing: Any, kind: str) -> bytes:
    """Return a figure as the content of a file: the same data give the same bytes."""
    from matplotlib import rc_context

    content = BytesIO()
    # Text stays text, and numbers of elements are fixed.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "placewise"}):
        metadata = {"Date": None} if kind == "svg" else None
        drawing.savefig(content, format=kind, dpi=150, metadata=metadata)
    return content.getvalue()


def gantt(schedules: Sequence[Schedule]) -> Any:
    """Return the timeline of each schedule on one axis of time: a row per device and link, a colour per micro-batch."""
    count = sum(len(schedule.tasks) for schedule in schedules)
    if count > LARGEST_TASK_COUNT:
        raise PlacewiseError(
            f"{count:,} tasks are no picture; draw fewer tokens (up to {LARGEST_TASK_COUNT:,} tasks)"
        )
    rows = [list(dict.fromkeys(task.resource for task in schedule.tasks)) for schedule in schedules]
    drawing, panels = figure(11, sum(1.2 + 0.3 * len(resources) for resources in rows), len(schedules))
    end_s = max(schedule.makespan_s for schedule in schedules)
    for axes, schedule, resources in zip(panels, schedules, rows, strict=True):
        for task in schedule.tasks:
            row, length = resources.index(task.resource), task.end_s - task.start_s
            link = task.resource not in schedule.devices
            axes.broken_barh(
                [(task.start_s, length)],
                (row - 0.2, 0.4) if link else (row - 0.4, 0.8),
                facecolors=COLOURS[task.micro_batch % len(COLOURS)],
                edgecolor="white",
                linewidth=0.4,
                alpha=0.5 if link else 1.0,
                gid=hint(
                    f"{task.resource}: micro-batch {task.micro_batch + 1}, token {task.token}, "
                    f"{task.start_s:.4g} to {task.end_s:.4g} s"
                ),
            )
            if not link and length > end_s / 40:
                label = (
                    f"P{task.micro_batch + 1}" if task.token == 0 else f"{task.micro_batch + 1}.{task.token}"
                )
                axes.text(
                    task.start_s + length / 2, row, label, ha="center", va="center", fontsize=6, color="white"
                )
        axes.set_yticks(range(len(resources)), [plain(resource) for resource in resources], fontsize=7)
        axes.set_ylim(len(resources) - 0.5, -0.5)
        axes.set_xlim(0, end_s)
        axes.set_xlabel("seconds")
        axes.set_title(
            f"{schedule.strategy}: {schedule.micro_batches} micro-batches x {schedule.tokens} tokens in "
            f"{schedule.makespan_s:.4g} s, {schedule.tokens_per_s:.4g} tokens per second and sequence",
            fontsize=9,
            loc="left",
        )
    return drawing


def lines(
    series: Mapping[str, Mapping[float, float]], *, title: str, x_label: str, y_label: str, log: str = ""
) -> Any:
    """Return a chart with a line per series; ``log`` names the axes ("x", "y", "xy") with a logarithmic scale."""
    drawing, (axes,) = figure(6.4, 4)
    for number, (name, points) in enumerate(series.items()):
        axes.plot(
            list(points),
            list(points.values()),
            marker="osv^Dx"[number % 6],
            color=COLOURS[number % 8],
            label=plain(name),
        )
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return drawing


def scatter(x: Sequence[float], y: Sequence[float], *, title: str, x_label: str, y_label: str) -> Any:
    """Return a chart of points with the diagonal."""
    drawing, (axes,) = figure(5, 4.4)
    axes.scatter(x, y, color=COLOURS[0], s=22)
    largest = max(*x, *y)
    axes.plot([0, largest], [0, largest], color=COLOURS[7], linewidth=1, linestyle="--")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    return drawing
