"""A Matplotlib figure as part of a page: SVG whose series, points and hints the page's script knows.

Charts name what they draw by gids (`series`, `points` and `hint` of `pictures`). Numbers are not written twice: the script
reads them off the drawn paths by the axes' ranges.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any

from placewise.benchmarks.pictures import rendered

#: What a gid begins with; the attributes that the script looks for.
KINDS = ("series", "points", "hint")


@dataclass(frozen=True)
class Inline:
    """A picture and the entries of its legend.

    Parameters
    ----------
    svg : str
        An ``svg`` element, to be written into a page as it is.
    legend : tuple of (str, str, str)
        Name, colour and dashes of each series, in order.
    """

    svg: str
    legend: tuple[tuple[str, str, str], ...]


def inline(drawing: Any, caption: str) -> Inline:
    """Return a figure as part of a page; an empty one where Matplotlib overflows.

    Parameters
    ----------
    drawing : matplotlib.figure.Figure
        With artists named by `series`, `points` and `hint`.
    caption : str
        What it shows, for those who do not see it.
    """
    try:
        root = ET.fromstring(rendered(drawing, "svg"))  # noqa: S314 - Matplotlib's own
        frames = [_frame(axes) for axes in drawing.axes]
    except (ArithmeticError, ValueError, ET.ParseError):  # times of 1e308 s
        return Inline("<svg></svg>", ())
    _strip(root)
    root.set("data-axes", json.dumps(frames))
    root.set("role", "img")
    root.set("aria-label", caption)
    legend: dict[str, tuple[str, str]] = {}
    for line in (line for axes in drawing.axes for line in axes.lines):
        kind, _, told = (line.get_gid() or "").partition(" ")
        if kind == "series":
            legend.setdefault(json.loads(told)[0], (line.get_color(), str(line.get_linestyle())))
    return Inline(
        ET.tostring(root, encoding="unicode"), tuple((name, *style) for name, style in legend.items())
    )


def _frame(axes: Any) -> dict[str, Any]:
    """Return where an axes' frame is, in the picture's points from its upper left corner, and what its ends mean."""
    scale = 72 / axes.figure.dpi
    box, height = axes.get_window_extent(), axes.figure.get_figheight() * 72
    return {
        "x": [
            round(box.x0 * scale, 2),
            round(box.x1 * scale, 2),
            *map(float, axes.get_xlim()),
            axes.get_xscale(),
        ],
        "y": [
            round(height - box.y0 * scale, 2),
            round(height - box.y1 * scale, 2),
            *map(float, axes.get_ylim()),
            axes.get_yscale(),
        ],
        "labels": [axes.get_xlabel(), axes.get_ylabel()],
    }


def _strip(root: ET.Element) -> None:
    """Leave out what a page does not need, or what would reach beyond the picture; name what the script knows."""
    used = set()
    for element in root.iter():
        # In a page, SVG needs no namespaces.
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if name.startswith("{")]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))
        used.add(element.get("href", "").removeprefix("#"))
        used.add(element.get("clip-path", "").removeprefix("url(#").removesuffix(")"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        name = element.get("id", "")
        kind, _, told = name.partition(" ")
        if told and kind in KINDS:
            element.set(f"data-{kind}", told)
        if name and name not in used:
            del element.attrib["id"]
