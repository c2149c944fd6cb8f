"""DILEMMA's Figs. 5 and 6, delay by link speed and by computation, and what the printed transfers hide.

``python -m placewise.benchmarks.dilemma_paper --runs 100 --output figures``
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

from placewise.benchmarks import pictures
from placewise.instances.generation import generate
from placewise.models.dilemma import DilemmaInstance, evaluate
from placewise.solvers.solve import solve

LINKS_MBPS = (1.0, 10.0, 100.0, 1000.0, 10000.0)
COMPUTE_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
#: As printed each of the 24 layers has a server of its own.
PRINTED_SERVERS = 26


def instance_of(seed: int, options: argparse.Namespace, **changes: float | str) -> DilemmaInstance:
    """Return a Monte Carlo draw with each layer's error bounded, as in the paper."""
    settings = {"servers": options.servers, "bound": "layer", "min_mbps": 1.0, "max_bits": 32, **changes}
    drawn: DilemmaInstance = generate("dilemma", "opt", seed=seed, **settings)
    return drawn


def sweep(name: str, values: tuple[float, ...], options: argparse.Namespace) -> dict[float, float]:
    """Print and return the mean delay by an option of the generator, with the mean gap that is left."""
    means: dict[float, float] = {}
    for value in values:
        delays, gaps = [], []
        for seed in range(1, options.runs + 1):
            result = solve(
                instance_of(seed, options, **{name: value}), time_limit=options.time_limit, isolate=False
            )
            assert result.objective is not None
            delays.append(result.objective)
            gaps.append(result.relative_gap if result.relative_gap is not None else float("inf"))
        means[value] = mean(delays)
        print(
            f"| {name} | {value:g} | {means[value]:.4f} | {mean(gaps):.3%} | {max(gaps):.3%} |",
            flush=True,
        )
    return means


def loophole(min_mbps: float, options: argparse.Namespace) -> None:
    """Print what plans that are best as printed claim, what they take, and the corrected optimum."""
    claims, truths, bests, gaps = [], [], [], []
    for seed in range(1, options.printed_runs + 1):
        printed = instance_of(seed, options, servers=PRINTED_SERVERS, mode="as-printed", min_mbps=min_mbps)
        plan = solve(printed, time_limit=10 * options.time_limit)
        corrected = replace(printed, mode="corrected")
        best = solve(corrected, time_limit=10 * options.time_limit)
        assert plan.objective is not None
        assert best.objective is not None
        claims.append(plan.objective)
        truths.append(plan.terms["true_delay"])
        bests.append(best.objective)
        gaps.append(max(plan.relative_gap or 0.0, best.relative_gap or 0.0))
        # A printed plan is a corrected placement: one layer per server, each of which fits.
        assert evaluate(corrected, plan.placement).feasible
    excess = [truth / best - 1 for truth, best in zip(truths, bests, strict=True)]
    print(
        f"| {min_mbps:g} to {10 * min_mbps:g} Mbps | {mean(claims):.4g} | {mean(truths):.4g} | {mean(bests):.4g} "
        f"| {median(excess):+.1%} | {min(excess):+.1%} to {max(excess):+.1%} | {max(gaps):.1%} |",
        flush=True,
    )


def main() -> int:
    """Print the tables; draw where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="draws per point (default 100; 0 = none)")
    parser.add_argument(
        "--printed-runs",
        type=int,
        default=10,
        help="draws per link speed of the plans as printed (default 10)",
    )
    parser.add_argument("--servers", type=int, default=5)
    parser.add_argument("--time-limit", type=float, default=2.0, help="seconds per draw (default 2)")
    parser.add_argument("--output", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    print("| | value | mean delay, s | mean gap | worst gap |\n|---|---:|---:|---:|---:|")
    links = sweep("min_mbps", LINKS_MBPS, options) if options.runs else {}
    compute = sweep("compute_scale", COMPUTE_SCALES, options) if options.runs else {}
    if options.output and options.runs:
        options.output.mkdir(parents=True, exist_ok=True)
        for number, series, label in (
            (5, links, "slowest link, Mbps"),
            (6, compute, "speed of the servers, relative"),
        ):
            drawing = pictures.lines(
                {f"optimum, {options.servers} servers": series},
                title=f"OPT-350m: delay of {options.runs} draws (Fig. {number})",
                x_label=label,
                y_label="mean delay, s",
                log="xy",
            )
            pictures.save(drawing, str(options.output / f"dilemma-figure-{number}.svg"))
    print(
        f"\nplans that are best for the ILP as printed, {PRINTED_SERVERS} servers, {options.printed_runs} draws\n\n"
        "| links | claimed, s | true, s | corrected optimum, s | excess: median | range | worst gap |\n"
        "|---|---:|---:|---:|---:|---|---:|"
    )
    for min_mbps in LINKS_MBPS:
        loophole(min_mbps, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
