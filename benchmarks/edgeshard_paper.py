"""EdgeShard's Table IV and Figs. 7-10 beside what the model gives, with relative errors and pictures.

``python -m placewise.benchmarks.edgeshard_paper --output figures``
"""

from __future__ import annotations

import argparse
from math import nan
from pathlib import Path
from statistics import median
from typing import Any

from placewise.benchmarks import pictures
from placewise.benchmarks.edgeshard_testbed import Calibration, latency_ms, setting, tokens_per_s

MODELS = ("llama2-7b", "llama2-13b", "llama2-70b")
#: The rows of Table IV and our methods for them; None is the default method, the optimum.
ROWS: dict[str, str | None] = {
    "Edge-Solo": "edge-solo",
    "Cloud-Edge-Even": "cloud-edge-even",
    "Cloud-Edge-Opt": "cloud-edge-opt",
    "EdgeShard": None,
}
#: Table IV: milliseconds per token and tokens per second; None is OOM.
LATENCY_MS: dict[str, tuple[float | None, ...]] = {
    "Edge-Solo": (140.34, None, None),
    "Cloud-Edge-Even": (227.35, 319.44, None),
    "Cloud-Edge-Opt": (140.34, 243.45, None),
    "EdgeShard": (75.88, 173.43, 3086.43),
}
TOKENS_PER_S: dict[str, tuple[float | None, ...]] = {
    "Edge-Solo": (24.36, None, None),
    "Cloud-Edge-Even": (7.56, 4.68, None),
    "Cloud-Edge-Opt": (24.36, 4.74, None),
    "EdgeShard": (52.45, 10.45, 1.25),
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


def table(calibration: Calibration) -> tuple[list[str], dict[tuple[str, str], list[float]], int, int]:
    """Return Table IV as lines of Markdown, the relative errors per column, how many OOMs agree, and of how many."""
    lines = [
        "| method | model | latency, paper ms | ours ms | error | tokens/s, paper | ours | error |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    errors: dict[tuple[str, str], list[float]] = {
        (model, kind): [] for model in MODELS for kind in ("latency", "throughput")
    }
    agreed = published = 0
    for row, method in ROWS.items():
        for position, model in enumerate(MODELS):
            problem = setting(model, calibration)
            paper = (LATENCY_MS[row][position], TOKENS_PER_S[row][position])
            ours = [latency_ms(problem, method), tokens_per_s(problem, method)]
            note = ""
            if ours[0] is None and paper[0] is not None and row == "Cloud-Edge-Even":
                note = " (nearest to even)"
                ours = [
                    latency_ms(problem, "cloud-edge-nearest"),
                    tokens_per_s(problem, "cloud-edge-nearest"),
                ]
            cells = []
            for kind, stated, found in zip(("latency", "throughput"), paper, ours, strict=True):
                error = ""
                if stated is not None and found is not None:
                    errors[model, kind].append(abs(found / stated - 1))
                    error = f"{found / stated - 1:+.1%}"
                published += stated is None
                agreed += stated is None and found is None
                cells += [_number(stated), _number(found), error]
            lines.append(f"| {row}{note} | {model} | {' | '.join(cells)} |")
    return lines, errors, agreed, published


def _number(value: float | None) -> str:
    return "OOM" if value is None else f"{value:.4g}"


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
                for kind, value in (
                    ("latency", latency_ms(problem, method)),
                    ("throughput", tokens_per_s(problem, method)),
                ):
                    if value is not None:
                        found.setdefault((model, kind, row), {})[mbps] = value
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
    oom = [row for row in ("Edge-Solo", "Cloud-Edge-Even") if latency_ms(nx, ROWS[row]) is None]
    rows.append(("7B from an NX: Solo and Even do not fit", "OOM", f"OOM: {', '.join(oom)}", len(oom) == 2))
    for row, gap, ratio in (("Cloud-Edge-Opt", 60.0, 6.0), ("EdgeShard", 5.0, 2.0)):
        (slow, few), (fast, many) = (
            (latency_ms(problem, ROWS[row]) or nan, tokens_per_s(problem, ROWS[row]) or nan)
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
        with_none, with_some = (tokens_per_s(problem, method, kind) for kind in ("no-bubbles", "bubbles"))
        assert with_none is not None
        assert with_some is not None
        rows.append((model, row, paper, with_none - with_some))
    return rows


def main() -> int:
    """Print Markdown, and draw where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    defaults = Calibration()
    for name, value in vars(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=value)
    parser.add_argument("--output", type=Path, help="folder for the pictures")
    options: dict[str, Any] = vars(parser.parse_args())
    folder: Path | None = options.pop("output")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    calibration = Calibration(**options)
    lines, errors, agreed, published = table(calibration)
    print("\n".join(lines))
    print("\n| column | median relative error | numbers |\n|---|---:|---:|")
    for (model, kind), values in errors.items():
        print(f"| {model}, {kind} | {median(values):.1%} | {len(values)} |")
    print(f"\nOOM: {agreed} of {published} reproduced\n")
    print("| no-bubbles over bubbles, tokens/s (Fig. 10) | model | paper | ours |\n|---|---|---:|---:|")
    for model, row, paper, ours in bubbles(calibration):
        print(f"| {row} | {model} | {paper:.2f} | {ours:.2f} |")
    print("\n| claim of Figs. 7-9 | paper | ours | holds |\n|---|---|---|---|")
    for claim, stated, found, holds in claims(calibration, sweeps(calibration, folder)):
        print(f"| {claim} | {stated} | {found} | {'yes' if holds else 'no'} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
