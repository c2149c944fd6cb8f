"""A placement drawn by Matplotlib: a token's way over the devices, or who hosts what over time."""

from __future__ import annotations

import math
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.models.stages import Part, Replica, Share, Stage
from placewise.solvers.evidence.shown import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.solvers.evidence.result import VerifiedResult

#: More rows than this are no picture.
LARGEST_STAGE_COUNT = 5000
#: Inches of a token's way.
WIDTH = 8.0
#: Distinguishable without colour vision too (Okabe and Ito): what is computed, and what is sent.
COMPUTED, SENT = "#56B4E9", "#D55E00"


def plain(name: str) -> str:
    """Return a name as Matplotlib shows it as it is, not as a formula."""
    return name.replace("$", r"\$")


def figure(width: float, height: float) -> Any:
    """Return a Matplotlib figure, sizes in inches, that notebooks show without `pyplot`.

    Parameters
    ----------
    width, height : float
        Inches.

    Raises
    ------
    PlacewiseError
        When Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise PlacewiseError("pictures need Matplotlib: pip install 'placewise[plot]'")
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that shows itself."""

        def _repr_png_(self) -> bytes:
            content = BytesIO()
            self.savefig(content, format="png", dpi=100)
            return content.getvalue()

    return Picture(figsize=(width, height), layout="constrained", facecolor="white")


def plot(result: VerifiedResult) -> Any:
    """Draw the placement of a result.

    Parameters
    ----------
    result : VerifiedResult
        With a placement, feasible or not.

    Returns
    -------
    matplotlib.figure.Figure
        Of layers: a row per device and a bar per stage along the time of one token, arrows for what is sent. Of heads
        over time: a row per device and a cell per interval with the number of heads, p the projection, f the network. Of
        replicas: a row per device and a bar over the layers that it holds, fuller where more of its tokens are used. Of
        parts of a graph: a row per device and a bar of its load.

    Raises
    ------
    PlacewiseError
        Without Matplotlib, without a placement, or with more stages than a picture can show.
    """
    stages = result.stages
    if not stages:
        raise PlacewiseError(f"{result.instance.name}: there is no placement with stages to draw")
    if len(stages) > LARGEST_STAGE_COUNT:
        raise PlacewiseError(f"{len(stages):,} stages are no picture (up to {LARGEST_STAGE_COUNT:,})")
    if all(isinstance(stage, Stage) for stage in stages):
        drawing = _way(stages)
    elif all(isinstance(stage, Share) for stage in stages):
        drawing = _shares(stages)
    elif all(isinstance(stage, Replica) for stage in stages):
        drawing = _replicas(stages)
    elif all(isinstance(stage, Part) for stage in stages):
        drawing = _parts(stages)
    else:
        raise PlacewiseError(f"no picture is known for stages of {type(stages[0]).__name__}")
    title = f"{result.instance.name}, {problem_of(result.instance).name}: {', '.join(values(result))}"
    drawing.suptitle(plain(title), fontsize=9, ha="left", x=0.02)
    return drawing


def _rows(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [plain(name) for name in names], fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _way(stages: Sequence[Stage]) -> Any:
    """Draw a token's way: a bar per stage, an arrow per message, a row per device in the order of their use."""
    names = list(dict.fromkeys(stage.device for stage in stages))
    drawing = figure(WIDTH, 1.2 + 0.42 * len(names))
    axes = drawing.subplots()
    starts, clock_s = [], 0.0
    for stage in stages:
        starts.append(clock_s + (stage.transfer_s if math.isfinite(stage.transfer_s) else 0.0))
        clock_s = starts[-1] + stage.compute_s
    factor, unit = (1.0, "s") if clock_s >= 1 else (1e3, "ms")
    before: tuple[float, int] | None = None
    for stage, start_s in zip(stages, starts, strict=True):
        row, start, length = names.index(stage.device), start_s * factor, stage.compute_s * factor
        if before is not None:
            missing = not math.isfinite(stage.transfer_s)
            style = {"color": SENT, "linestyle": ":" if missing else "-", "linewidth": 1.2}
            axes.annotate("", (start, row), before, arrowprops={"arrowstyle": "-|>", "shrinkA": 0} | style)
        axes.barh(row, length, left=start, height=0.6, color=COMPUTED, edgecolor="black", linewidth=0.5)
        inside = stage.compute_s * WIDTH > 0.08 * len(stage.label) * clock_s
        at = (start + length / 2, row) if inside else (start, row - 0.3)  # arrows come from the upper left
        axes.annotate(
            stage.label,
            at,
            (0, 0 if inside else 1.5),
            textcoords="offset points",
            ha="center" if inside else "left",
            va="center" if inside else "bottom",
            fontsize=7,
        )
        before = (start + length, row)
    _rows(axes, names)
    axes.set_xlim(0, clock_s * factor * 1.02 or 1)
    axes.set_xlabel(
        f"time of one pass, {unit}; bars compute the layers written on them, arrows send", fontsize=8
    )
    axes.tick_params(axis="x", labelsize=8)
    return drawing


def _shares(stages: Sequence[Share]) -> Any:
    """Draw who hosts what: a panel per decoder layer, a row per device, a column per interval."""
    layers = sorted({stage.layer for stage in stages})
    names = list(dict.fromkeys(stage.device for stage in stages))
    intervals = 1 + max(stage.interval for stage in stages)
    most = max(stage.heads for stage in stages) or 1
    drawing = figure(min(max(6.4, 2 + 0.36 * intervals), 10), (0.8 + 0.3 * len(names)) * len(layers) + 0.6)
    panels = drawing.subplots(len(layers), 1, squeeze=False, sharex=True)[:, 0]
    for axes, layer in zip(panels, layers, strict=True):
        for stage in (stage for stage in stages if stage.layer == layer):
            row = names.index(stage.device)
            share = stage.heads / most
            axes.barh(
                row, 0.94, left=stage.interval - 0.47, height=0.9, color=COMPUTED, alpha=0.15 + 0.85 * share
            )
            if intervals <= 40:  # later ones would overlap
                axes.text(
                    stage.interval, row, stage.label, ha="center", va="center", fontsize=7, color="black"
                )
        _rows(axes, names)
        axes.set_xlim(-0.6, intervals - 0.4)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(axis="x", labelsize=8)
        if len(layers) > 1:
            axes.set_title(f"layer {layer}", fontsize=8, loc="left")
    panels[-1].set_xlabel("interval; numbers are heads, p the projection, f the network", fontsize=8)
    return drawing


def _parts(stages: Sequence[Part]) -> Any:
    """Draw the load of each device: a bar of what it computes, sends and gets."""
    drawing = figure(WIDTH, 1.2 + 0.42 * len(stages))
    axes = drawing.subplots()
    loads_s = [stage.compute_s + stage.messages_s for stage in stages]
    factor, unit = (1.0, "s") if max(loads_s) >= 1 else (1e3, "ms")
    for row, (stage, load_s) in enumerate(zip(stages, loads_s, strict=True)):
        axes.barh(row, load_s * factor, height=0.6, color=COMPUTED, edgecolor="black", linewidth=0.5)
        axes.text(load_s * factor, row, stage.label, va="center", fontsize=6, color="black")
    _rows(axes, [stage.device for stage in stages])
    axes.set_xlim(0, max(max(loads_s) * factor * 1.15, 1e-9))
    axes.set_xlabel(f"load per sample, {unit}", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    return drawing


def _replicas(stages: Sequence[Replica]) -> Any:
    """Draw who holds which layers: a bar per device, its colour by how much of what it takes passes it."""
    names = [stage.device for stage in stages]
    drawing = figure(WIDTH, 1.2 + 0.24 * len(names))
    axes = drawing.subplots()
    for row, stage in enumerate(stages):
        share = stage.tokens_per_s / stage.most_tokens_per_s
        length, left = stage.last + 1 - stage.first, stage.first - 0.5
        style = {"edgecolor": "black", "linewidth": 0.5}
        axes.barh(row, length, left=left, height=0.8, color=COMPUTED, alpha=0.15 + 0.85 * share, **style)
        axes.text(left + length + 0.3, row, stage.label, va="center", fontsize=6, color="black")
    _rows(axes, names)
    axes.set_xlim(-0.6, max(stage.last for stage in stages) * 1.15 + 1)
    text = "layers; bars are fuller where more of what a node takes passes it, by the planning objective"
    axes.set_xlabel(text, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    return drawing
