"""The report's pictures: profiles, gaps, bounds over time, placements on the device graph."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.pictures import COLOURS, figure, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from placewise.benchmarks.report.tables import Row

#: Gaps below this are drawn as this: zero has no place on a logarithmic axis.
SMALLEST_GAP = 1e-4
DASHES = ("-", "--", "-.", ":")


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
    }


def performance_profile(steps: Mapping[str, Sequence[tuple[float, float]]]) -> Any:
    """Draw the share of instances that a method proves within a factor of the fastest one."""
    drawing, (axes,) = figure(6.4, 3.6)
    furthest = max((ratio for points in steps.values() for ratio, _ in points), default=1.0) * 1.5
    for number, (method, points) in enumerate(steps.items()):
        x = [1.0, *(ratio for ratio, _ in points), furthest]
        y = [0.0, *(share for _, share in points), points[-1][1]]
        axes.step(x, y, where="post", label=plain(method), **_style(number))
    axes.set_xscale("log")
    axes.set(xlabel="time / time of the fastest", ylabel="share of instances proven", ylim=(-0.02, 1.05))
    axes.set_xlim(1.0, max(furthest, 1.1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return drawing


def gaps(rows: Sequence[Row]) -> Any:
    """Draw the gaps to the best proven bound by method: a point per run, a bar at the median of several."""
    by_method: dict[str, list[float]] = {}
    for row in rows:
        if row.gap is not None and math.isfinite(row.gap):
            by_method.setdefault(row.record.method, []).append(100 * max(row.gap, SMALLEST_GAP))
    drawing, (axes,) = figure(6.4, 1 + 0.28 * len(by_method))
    methods = sorted(by_method, key=lambda method: (median(by_method[method]), method))
    for place, method in enumerate(methods):
        found = by_method[method]
        axes.plot(found, [place] * len(found), "o", color=COLOURS[0], markersize=4, alpha=0.5)
        if len(found) > 1:
            axes.plot(median(found), place, "|", color=COLOURS[5], markersize=12, markeredgewidth=2)
    axes.set_yticks(range(len(methods)), [plain(method) for method in methods], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"gap to the best proven bound, % (less than {100 * SMALLEST_GAP:g} drawn there)")
    axes.grid(alpha=0.3, axis="x")
    return drawing


def bounds_over_time(rows: Sequence[Row]) -> Any:
    """Draw incumbents (solid) and dual bounds (dotted) of the methods on one instance."""
    drawing, (axes,) = figure(6.4, 3.2)
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        trace, record = row.record.document["trace"], row.record
        for side, style in ((1, "-"), (2, ":")):
            points = [(step[0], step[side]) for step in trace if step[side] is not None]
            if not points:
                continue
            end = max(record.document["seconds"]["solve"], points[-1][0])
            points.append((end, points[-1][1]))
            x, y = zip(*points, strict=True)
            label = plain(record.method) if side == 1 else None
            axes.step(x, y, where="post", color=colour, linestyle=style, label=label)
    axes.set(xlabel="seconds", ylabel="objective, s")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return drawing


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
    drawing, (axes,) = figure(5.6, 4.4)
    places = [
        (math.sin(2 * math.pi * j / len(names)), math.cos(2 * math.pi * j / len(names)))
        for j in range(len(names))
    ]
    most = max(hops.values(), default=1)
    for (sender, receiver), count in hops.items():
        axes.annotate(
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
    for j, (x, y) in enumerate(places):
        used = j in notes
        axes.plot(x, y, "o", markersize=13 if used else 7, color=COLOURS[2] if used else "#cccccc")
        text = plain(f"{names[j]}\n{notes[j]}" if used else names[j])
        axes.annotate(
            text,
            (x, y),
            (1.16 * x, 1.16 * y),
            ha="left" if x > 0.1 else "right" if x < -0.1 else "center",
            va="bottom" if y > 0 else "top",
            fontsize=7 if used else 5,
            color="black" if used else "#888888",
            parse_math=False,
        )
    axes.set(xlim=(-1.9, 1.9), ylim=(-1.5, 1.5))
    axes.axis("off")
    return drawing
