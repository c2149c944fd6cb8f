"""EdgeShard's Table IV and Figs. 7-10 beside what the model gives, fitted and predicted apart, and pictures.

``python -m placewise.benchmarks.edgeshard_paper --output figures``
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from placewise.benchmarks.edgeshard_figures import MODELS, ROWS, bubbles, claims, measured, sweeps
from placewise.benchmarks.edgeshard_testbed import (
    PROMPT,
    Calibration,
    best_pipeline,
    chosen,
    fitted,
    setting,
    value,
)

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
#: What is fitted by default, and the published numbers that it is fitted to; Cloud-Edge-Opt of 7B is the same placement.
PARAMETERS = ("bandwidth_efficiency", "compute_efficiency", "hop_s")
FITTED: dict[tuple[str, str, str | None], float] = {
    ("llama2-7b", "latency", "edge-solo"): 140.34,
    ("llama2-7b", "throughput", "edge-solo"): 24.36,
    ("llama2-7b", "latency", "cloud-edge-even"): 227.35,
}
SAME_AS_FITTED: set[tuple[str, str, str | None]] = {
    ("llama2-7b", "latency", "cloud-edge-opt"),
    ("llama2-7b", "throughput", "cloud-edge-opt"),
}


def published() -> dict[tuple[str, str, str | None], float | None]:
    """Return Table IV by model, kind and method."""
    cells: dict[tuple[str, str, str | None], float | None] = {}
    for row, method in ROWS.items():
        for position, model in enumerate(MODELS):
            cells[model, "latency", method] = LATENCY_MS[row][position]
            cells[model, "throughput", method] = TOKENS_PER_S[row][position]
    return cells


def table(
    calibration: Calibration, prompt_tokens: int = 1
) -> tuple[list[str], dict[tuple[str, str], list[float]], dict[str, list[str]]]:
    """Return Table IV as lines of Markdown, the errors of predictions by model and kind, and what is out of memory.

    Parameters
    ----------
    calibration : Calibration
        Of the testbed.
    prompt_tokens : int
        Of each request; 1 counts decode rounds alone.
    """
    lines = [
        "| method | model | number | published | ours | error | which | in flight x batch, devices |",
        "|---|---|---|---:|---:|---:|---|---|",
    ]
    errors: dict[tuple[str, str], list[float]] = {}
    memory: dict[str, list[str]] = {"both": [], "published alone": [], "ours alone": []}
    names = {method: row for row, method in ROWS.items()}
    settings = {model: setting(model, calibration, prompt_tokens=prompt_tokens) for model in MODELS}
    for (model, kind, method), stated in published().items():
        problem, note = settings[model], ""
        choice = chosen(problem, kind, method)
        if kind == "latency" and None in (choice, stated):
            sides = "both" if choice is stated else "published alone" if stated is None else "ours alone"
            memory[sides].append(f"{model} {names[method]}")
        if choice is None and stated is not None and method == "cloud-edge-even":
            choice, note = chosen(problem, kind, "cloud-edge-nearest"), " (nearest to even)"
        found = None if choice is None else value(problem, kind, choice)
        which = error = ""
        if stated is not None and found is not None:
            is_fitted = (model, kind, method) in SAME_AS_FITTED or (model, kind, method) in FITTED
            which, error = "fitted" if is_fitted else "predicted", f"{found / stated - 1:+.1%}"
            if not is_fitted:
                errors.setdefault((model, kind), []).append(found / stated - 1)
        how = "" if choice is None else _how(choice)
        unit = "ms per token" if kind == "latency" else "tokens/s"
        lines.append(
            f"| {names[method]}{note} | {model} | {unit} | {_number(stated)} | {_number(found)} | {error} | {which} | {how} |"
        )
    return lines, errors, memory


def _how(choice: Any) -> str:
    if isinstance(choice, tuple):
        return f"{len(set(choice))}"
    return f"{choice.in_flight} x {choice.size}, {len(set(choice.layers))}"


def without_one_model(start: Calibration, parameters: tuple[str, ...], prompt_tokens: int = 1) -> list[str]:
    """Return lines of Markdown: parameters fitted to two models' numbers, and the errors on the third one's.

    Parameters
    ----------
    start : Calibration
        Where each fit begins.
    parameters : tuple of str
        What is fitted.
    prompt_tokens : int
        Of each request.
    """
    cells = {
        key if key != ("llama2-13b", key[1], "cloud-edge-even") else (*key[:2], "cloud-edge-nearest"): stated
        for key, stated in published().items()
        if stated is not None
    }
    lines = [
        "| left out | fitted: " + ", ".join(parameters) + " | latency | throughput |",
        "|---|---|---|---|",
    ]
    for model in MODELS:
        rest = {key: stated for key, stated in cells.items() if key[0] != model}
        found = fitted(parameters, rest, start, prompt_tokens)
        problem = setting(model, found, prompt_tokens=prompt_tokens)
        errors: dict[str, list[str]] = {"latency": [], "throughput": []}
        for (_, kind, method), stated in ((k, v) for k, v in cells.items() if k[0] == model):
            ours = measured(problem, kind, method)
            name = "EdgeShard" if method is None else method
            errors[kind].append(f"{name} " + ("OOM" if ours is None else f"{ours / stated - 1:+.0%}"))
        values = ", ".join(f"{getattr(found, name):.3g}" for name in parameters)
        lines.append(
            f"| {model} | {values} | {', '.join(errors['latency'])} | {', '.join(errors['throughput'])} |"
        )
    return lines


def _number(value: float | None) -> str:
    return "OOM" if value is None else f"{value:.4g}"


def main() -> int:
    """Print Markdown, and draw where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    defaults = Calibration()
    for name, default in vars(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    parser.add_argument("--output", type=Path, help="folder for the pictures")
    parser.add_argument(
        "--only-table", action="store_true", help="Table IV and the fits, without the figures"
    )
    options: dict[str, Any] = vars(parser.parse_args())
    folder: Path | None = options.pop("output")
    only_table = options.pop("only_table")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    calibration = Calibration(**options)
    by_layer = (*PARAMETERS[:2], "layer_overhead_s"), replace(calibration, layer_overhead_s=5e-4, hop_s=1e-9)
    for title, prompt_tokens, (parameters, start) in (
        ("decode rounds alone", 1, (PARAMETERS, calibration)),
        ("decode rounds alone, a time per layer in place of one per hop", 1, by_layer),
        (f"prompts of {PROMPT} counted", PROMPT, (PARAMETERS, calibration)),
    ):
        fit = fitted(parameters, FITTED, start, prompt_tokens)
        print(f"\n{title}, 96 new tokens, at most 4 in flight; fitted: {fit}\n")
        lines, errors, memory = table(fit, prompt_tokens)
        print("\n".join(lines))
        for (model, kind), values in errors.items():
            print(
                f"predicted, {model}, {kind}: {median(map(abs, values)):.1%} in the median of {len(values)}"
            )
        for sides, placements in memory.items():
            print(f"out of memory, {sides}: {len(placements)} ({', '.join(placements)})")
    decoding = fitted(PARAMETERS, FITTED, calibration)
    print(
        "\n| at most 4 in flight | pipeline of Eq. 11, tokens/s | best, tokens/s | in flight x batch, devices | proven |"
    )
    print("|---|---:|---:|---|---|")
    for model in MODELS:
        problem = setting(model, decoding)
        paper, (best, proven) = measured(problem, "throughput", None), best_pipeline(problem)
        rate = value(problem, "throughput", best)
        print(
            f"| {model} | {_number(paper)} | {_number(rate)} | {_how(best)} | {'yes' if proven else 'no'} |"
        )
    print("\nOne model left out, decode rounds alone\n")
    print("\n".join(without_one_model(calibration, PARAMETERS)))
    print("\nThe same with a time per layer in place of one per hop\n")
    print("\n".join(without_one_model(by_layer[1], by_layer[0])))
    if only_table:
        return 0
    calibration = decoding
    print("\n| no-bubbles over bubbles, tokens/s (Fig. 10) | model | paper | ours |\n|---|---|---:|---:|")
    for model, row, paper, ours in bubbles(calibration):
        print(f"| {row} | {model} | {paper:.2f} | {ours:.2f} |")
    judged = claims(calibration, sweeps(calibration, folder))
    print(f"\n{sum(holds for *_, holds in judged)} of {len(judged)} claims hold")
    print("\n| claim of Figs. 7-9 | paper | ours | holds |\n|---|---|---|---|")
    for claim, stated, found, holds in judged:
        print(f"| {claim} | {stated} | {found} | {'yes' if holds else 'no'} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
