"""The report's pictures: profiles, gaps, bounds over time, placements on the device graph."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.pictures import COLOURS, figure, hint, plain, points, series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from placewise.benchmarks.report.tables import Row

#: Gaps below this are drawn as this: zero has no place on a logarithmic axis.
SMALLEST_GAP = 1e-4
#: Inches of a chart: as wide as a phone, where its text is hardly smaller than the page's.
SIZE = (4.6, 3.0)
DASHES = ("-", "--", "-.", ":")


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
    }


def performance_profile(steps: Mapping[str, Sequence[tuple[float, float]]]) -> Any:
    """Draw the share of instances that a method proves within a factor of the fastest one."""
    drawing, (axes,) = figure(*SIZE)
    furthest = max((ratio for reached in steps.values() for ratio, _ in reached), default=1.0) * 1.5
    for number, (method, reached) in enumerate(steps.items()):
        x = [1.0, *(ratio for ratio, _ in reached), furthest]
        y = [0.0, *(share for _, share in reached), reached[-1][1]]
        axes.step(x, y, where="post", gid=series(method), **_style(number))
    axes.set_xscale("log")
    axes.set(xlabel="time / time of the fastest", ylabel="share of instances proven", ylim=(-0.02, 1.05))
    axes.set_xlim(1.0, max(furthest, 1.1))
    return _finished(drawing, axes)


def _finished(drawing: Any, axes: Any, grid: str = "both") -> Any:
    """Return a chart with its grid, and text that can be read on a phone too."""
    axes.grid(alpha=0.3, axis=grid)
    axes.tick_params(labelsize=8, which="both")
    if axes.get_xscale() == "log":
        from matplotlib.ticker import LogFormatter

        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.0, 0.4)))
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(8)
    return drawing


def gaps(rows: Sequence[Row]) -> Any:
    """Draw the gaps to the best proven bound by method: a point per run, a bar at the median of several."""
    by_method: dict[str, list[float]] = {}
    labels: dict[str, list[str]] = {}
    for row in rows:
        if row.gap is not None and math.isfinite(row.gap):
            method = row.record.method
            by_method.setdefault(method, []).append(100 * max(row.gap, SMALLEST_GAP))
            labels.setdefault(method, []).append(f"{row.record.instance}, {method}: {100 * row.gap:.3g} %")
    drawing, (axes,) = figure(SIZE[0], 1 + 0.28 * len(by_method))
    methods = sorted(by_method, key=lambda method: (median(by_method[method]), method))
    for place, method in enumerate(methods):
        found, name = by_method[method], points(labels[method])
        axes.plot(found, [place] * len(found), "o", color=COLOURS[0], markersize=5, alpha=0.5, gid=name)
        if len(found) > 1:
            axes.plot(median(found), place, "|", color=COLOURS[5], markersize=12, markeredgewidth=2)
    axes.set_yticks(range(len(methods)), [plain(method) for method in methods])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"gap to the best proven bound, % (less than {100 * SMALLEST_GAP:g} drawn there)")
    return _finished(drawing, axes, "x")


def bounds_over_time(rows: Sequence[Row]) -> Any:
    """Draw incumbents (solid) and dual bounds (dotted) of the methods on one instance."""
    drawing, (axes,) = figure(*SIZE)
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        trace, record = row.record.document["trace"], row.record
        for side, style, part in ((1, "-", ""), (2, ":", "bound")):
            steps = [(step[0], step[side]) for step in trace if step[side] is not None]
            if not steps:
                continue
            end = max(record.document["seconds"]["solve"], steps[-1][0])
            steps.append((end, steps[-1][1]))
            x, y = zip(*steps, strict=True)
            axes.step(x, y, where="post", color=colour, linestyle=style, gid=series(record.method, part))
    axes.set(xlabel="seconds", ylabel="objective, s")
    return _finished(drawing, axes)


def device_graph(names: Sequence[str], notes: Mapping[int, str], hops: Mapping[tuple[int, int], int]) -> Any:
    """Draw devices on a circle, what is on them, and arrows for what is sent.

    Parameters
    ----------
    names : sequence of str
        Of the devices.
    notes : mapping of int to str
        What a device hosts; those without are grey.
    hops : mapping of (int, int) to int
        How often something is sent from one to another.
    """
    drawing, (axes,) = figure(5.0, 3.4)
    places = [
        (math.sin(2 * math.pi * j / len(names)), math.cos(2 * math.pi * j / len(names)))
        for j in range(len(names))
    ]
    most = max(hops.values(), default=1)
    for (sender, receiver), count in hops.items():
        arrow = axes.annotate(
            "",
            places[receiver],
            places[sender],
            arrowprops={
                "arrowstyle": "-|>",
                "color": COLOURS[0],
                "linewidth": 0.8 + 2 * count / most,
                "shrinkA": 10,
                "shrinkB": 10,
                "connectionstyle": "arc3,rad=0.12",
            },
        )
        times = "once" if count == 1 else f"{count} times"
        arrow.arrow_patch.set_gid(hint(f"{names[sender]} to {names[receiver]}: {times}"))
    for j, (x, y) in enumerate(places):
        used = j in notes
        told = f"{names[j]}: {notes[j]}" if used else f"{names[j]}: nothing"
        size, colour = (13, COLOURS[2]) if used else (7, "#cccccc")
        axes.plot(x, y, "o", markersize=size, color=colour, gid=hint(told))
        text = plain(f"{names[j]}\n{notes[j]}" if used else names[j])
        axes.annotate(
            text,
            (x, y),
            (1.16 * x, 1.16 * y),
            ha="left" if x > 0.1 else "right" if x < -0.1 else "center",
            va="bottom" if y > 0 else "top",
            fontsize=8 if used else 6,
            color="black" if used else "#777777",
            parse_math=False,
        )
    axes.set(xlim=(-1.9, 1.9), ylim=(-1.35, 1.35))
    axes.axis("off")
    return drawing
