"""EdgeShard's Figs. 7-10: bandwidth to the cloud, source nodes, bubbles; what the paper says of them in words, judged."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from placewise.benchmarks import pictures
from placewise.benchmarks.edgeshard_testbed import chosen, setting, value

if TYPE_CHECKING:
    from pathlib import Path

    from placewise.benchmarks.edgeshard_testbed import Calibration, Setting

MODELS = ("llama2-7b", "llama2-13b", "llama2-70b")
#: The rows of Table IV and our methods for them; None is the default method, the optimum.
ROWS: dict[str, str | None] = {
    "Edge-Solo": "edge-solo",
    "Cloud-Edge-Even": "cloud-edge-even",
    "Cloud-Edge-Opt": "cloud-edge-opt",
    "EdgeShard": None,
}
#: Fig. 10 in words: by how many tokens per second running without bubbles is faster.
BUBBLES_COST = {
    ("llama2-7b", "Cloud-Edge-Even"): 0.36,
    ("llama2-7b", "Cloud-Edge-Opt"): 0.0,
    ("llama2-7b", "EdgeShard"): 6.96,
    ("llama2-13b", "Cloud-Edge-Even"): 1.69,
    ("llama2-13b", "Cloud-Edge-Opt"): 1.89,
    ("llama2-13b", "EdgeShard"): 5.21,
}
BANDWIDTHS_MBPS = (1.0, 5.0, 10.0, 25.0, 50.0)


def measured(problem: Setting, kind: str, method: str | None, strategy: str = "no-bubbles") -> float | None:
    """Return milliseconds per token or tokens per second of what a method chooses, None for out of memory."""
    choice = chosen(problem, kind, method)
    return None if choice is None else value(problem, kind, choice, strategy)


def sweeps(calibration: Calibration, folder: Path | None) -> dict[tuple[str, str, str], dict[float, float]]:
    """Compute Figs. 7 and 8, latency and throughput by bandwidth to the cloud; draw them where a folder is given."""
    found: dict[tuple[str, str, str], dict[float, float]] = {}
    for model in MODELS:
        rows = (
            dict(ROWS) if model != "llama2-70b" else {"EdgeShard": None, "EdgeShard-Even": "edgeshard-even"}
        )
        for mbps in BANDWIDTHS_MBPS:
            problem = setting(model, calibration, cloud_mbps=mbps)
            for row, method in rows.items():
                for kind in ("latency", "throughput"):
                    point = measured(problem, kind, method)
                    if point is not None:
                        found.setdefault((model, kind, row), {})[mbps] = point
        for kind, unit, number in (("latency", "ms per token", 7), ("throughput", "tokens per second", 8)):
            series = {row: values for (m, k, row), values in found.items() if (m, k) == (model, kind)}
            if folder is not None:
                drawing = pictures.lines(
                    series,
                    title=f"{model}: {kind} (Fig. {number})",
                    x_label="bandwidth from source to cloud, Mbps",
                    y_label=unit,
                )
                pictures.save(drawing, str(folder / f"figure-{number}-{model}.svg"))
    return found


def claims(
    calibration: Calibration, sweep: dict[tuple[str, str, str], dict[float, float]]
) -> list[tuple[str, str, str, bool]]:
    """Return what Sections V-C and V-D say in words: claim, paper, ours, whether it holds."""

    def at(model: str, row: str, mbps: float, kind: str = "latency") -> float:
        return sweep[model, kind, row][mbps]

    rows: list[tuple[str, str, str, bool]] = []
    for model in MODELS[:2]:
        for row in ("Cloud-Edge-Even", "EdgeShard"):
            points = sweep.get((model, "latency", row), {})
            if points:
                early, late = points[1.0] - points[10.0], points[10.0] - points[50.0]
                rows.append(
                    (
                        f"{model}, {row}: latency falls from 1 to 10 Mbps more than from 10 to 50",
                        "in words",
                        f"{early:.1f}, {late:.1f} ms",
                        early > late,
                    )
                )
        same = at(model, "Cloud-Edge-Opt", 25.0) / at(model, "EdgeShard", 25.0) - 1
        rows.append(
            (
                f"{model}: beyond 10 Mbps EdgeShard is Cloud-Edge-Opt",
                "the same placement",
                f"{same:.1%} slower at 25 Mbps",
                same < 0.01,
            )
        )
    solo = at("llama2-7b", "Edge-Solo", 1.0)
    even, opt = at("llama2-7b", "Cloud-Edge-Even", 1.0), at("llama2-7b", "Cloud-Edge-Opt", 1.0)
    rows.append(
        (
            "7B, 1 Mbps: Even is slower than Solo, Opt stays local",
            "in words",
            f"{even:.0f} > {solo:.0f} = {opt:.0f} ms",
            even > solo == opt,
        )
    )
    both = max(at("llama2-7b", row, 10.0) for row in ("Cloud-Edge-Even", "Cloud-Edge-Opt"))
    rows.append(
        ("7B, from 10 Mbps: the cloud beats Solo", "in words", f"{both:.0f} < {solo:.0f} ms", both < solo)
    )
    gain = at("llama2-70b", "EdgeShard-Even", 1.0) / at("llama2-70b", "EdgeShard", 1.0) - 1
    rows.append(
        (
            "70B: EdgeShard beats EdgeShard-Even, not by much",
            "in words",
            f"{gain:.1%} faster",
            0 < gain < 0.25,
        )
    )
    agx, nx = (setting("llama2-7b", calibration, source=name) for name in ("agx-0", "nx-0"))
    oom = [row for row in ("Edge-Solo", "Cloud-Edge-Even") if measured(nx, "latency", ROWS[row]) is None]
    rows.append(("7B from an NX: Solo and Even do not fit", "OOM", f"OOM: {', '.join(oom)}", len(oom) == 2))
    for row, gap, ratio in (("Cloud-Edge-Opt", 60.0, 6.0), ("EdgeShard", 5.0, 2.0)):
        (slow, few), (fast, many) = (
            (
                measured(problem, "latency", ROWS[row]) or nan,
                measured(problem, "throughput", ROWS[row]) or nan,
            )
            for problem in (nx, agx)
        )
        rows.append(
            (
                f"7B, {row}: an NX as source costs",
                f"{gap:.0f} ms",
                f"{slow - fast:.1f} ms",
                abs(slow - fast - gap) < gap / 2,
            )
        )
        rows.append(
            (
                f"7B, {row}: throughput, AGX over NX",
                f"{ratio:.0f} x",
                f"{many / few:.1f} x",
                abs(many / few / ratio - 1) < 0.25,
            )
        )
    return rows


def bubbles(calibration: Calibration) -> list[tuple[str, str, float, float]]:
    """Return by how many tokens per second no-bubbles is faster (Fig. 10): model, row, paper, ours."""
    rows = []
    for (model, row), paper in BUBBLES_COST.items():
        problem = setting(model, calibration)
        method = ROWS[row]
        if row == "Cloud-Edge-Even" and model == "llama2-13b":
            method = "cloud-edge-nearest"
        with_none, with_some = (
            measured(problem, "throughput", method, strategy) for strategy in ("no-bubbles", "bubbles")
        )
        assert with_none is not None
        assert with_some is not None
        rows.append((model, row, paper, with_none - with_some))
    return rows
