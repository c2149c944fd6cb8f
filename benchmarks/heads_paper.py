"""The head-level paper's claims beside ours: Section V-C, Figs. 3 and 4, and what looking ahead is worth.

``python -m placewise.benchmarks.heads_paper --output figures``
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import accumulate
from math import inf
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks import pictures
from placewise.benchmarks.heads_scaling import BURSTS, network, step_of
from placewise.models.head_migration import block_demands
from placewise.models.head_migration.placement import walk
from placewise.solvers.evidence.result import Status
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Iterable

METHODS = (
    "step",
    "receding",
    "greedy-delay",
    "resource-aware",
    "resource-aware-residual",
    "greedy",
    "round-robin",
    "static",
    "dynamic",
    "edgeshard-like",
    "edgeshard-source",
    "galaxy-like",
)
FAMILIES: dict[str, dict[str, Any]] = {
    "paper-small, phi 8": {},
    "paper-small, phi 0.8": {"ffn_flops_factor": 0.8},
    "slow with bursts": BURSTS,
    "tight memory": {"memory_factor": 1.35},
    "cached execution": {"execution": "cached", "kv": "per-head"},
}
GIGABYTE = 1e9
#: Work of the network in units of L D^2: by Vaswani et al. (2017), and in the author's simulator.
FACTORS = (8.0, 0.8)


def small(runs: int, intervals: int) -> None:
    """Print by how much each method exceeds the optimum: over the horizon, and from the same placement before."""
    print("| network | method | feasible | excess over horizon: median | mean | max | of one step: median |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for family, options in FAMILIES.items():
        cases = [network(3 + seed % 3, 8, intervals, seed, **options) for seed in range(1, runs + 1)]
        optima = [solve(case, isolate=False) for case in cases]
        assert all(best.status is Status.OPTIMAL for best in optima)
        single = [step for case in cases if (step := step_of(case)) is not None]
        least = [solve(step, "step", isolate=False).objective for step in single]
        for method in METHODS:
            excess = list(_excess(method, cases, [best.objective for best in optima]))
            one = list(_excess(method, single, least))
            numbers = (
                f"{median(excess):.1%} | {mean(excess):.1%} | {max(excess):.1%}" if excess else "- | - | -"
            )
            print(
                f"| {family} | {method} | {len(excess)} of {runs} | {numbers} "
                f"| {f'{median(one):.1%}' if one else '-'} |",
                flush=True,
            )


def _excess(method: str, cases: list[Any], optima: list[float | None]) -> Iterable[float]:
    """Yield the relative excess on the cases where a method returns what is feasible."""
    for case, best in zip(cases, optima, strict=True):
        result = solve(case, method, isolate=False)
        if result.status in (Status.FEASIBLE, Status.OPTIMAL) and result.objective and best:
            yield result.objective / best - 1


def medium(tokens: int, factor: float, output: Path | None) -> None:
    """Print and draw time and memory over the tokens on 25 devices (Figs. 3, 4), with one factor of the network."""
    case = network(25, 32, tokens, 1, background=0.5, ffn_flops_factor=factor)
    shown = ("step", "resource-aware", "edgeshard-like", "galaxy-like")
    times: dict[str, dict[float, float]] = {}
    memory: dict[str, dict[float, float]] = {}
    exact_s = inf
    print(
        f"\n| 25 devices, {tokens} tokens, phi {factor:g} | total, s | last token, s | migration, s | most on a device, GB |"
    )
    print("|---|---:|---:|---:|---:|")
    for method in shown:
        result = solve(case, method, isolate=False, time_limit=600)
        if not isinstance(result.placement, tuple):
            print(f"| {method} | {result.message} | | | |")
            continue
        walked = list(walk(case, result.placement, case.initial))
        total = list(accumulate(step.inference_s + step.migration_s for step in walked))
        peak = [float(step.memory_bytes.max()) / GIGABYTE for step in walked]
        times[method] = {t + 1.0: total[t] for t in range(0, tokens, max(tokens // 50, 1))}
        memory[method] = {t + 1.0: peak[t] for t in range(0, tokens, max(tokens // 50, 1))}
        last = walked[-1].inference_s + walked[-1].migration_s
        moved = sum(step.migration_s for step in walked)
        print(f"| {method} | {total[-1]:.1f} | {last:.2f} | {moved:.2f} | {max(peak):.3f} |", flush=True)
        if method == "step":
            exact_s = total[-1]
    _everywhere(case, exact_s)
    head, proj, ffn = block_demands(case.transformer, case.length(tokens - 1))
    whole = case.transformer.units * head.memory_bytes + proj.memory_bytes + ffn.memory_bytes
    serial = proj.flops + ffn.flops
    print(
        f"\nTable I at the last token: all blocks need {whole / GIGABYTE:.3f} GB; heads, projection and network on the "
        f"fastest device take at most {1 + case.transformer.units * head.flops / serial:.2f} times what any placement "
        "takes, since projection and network run one after the other"
    )
    if output:
        for number, series, label in (
            (3, times, "seconds so far"),
            (4, memory, "most memory on a device, GB"),
        ):
            drawing = pictures.lines(
                series,
                title=f"25 devices, 32 heads, phi {factor:g} (Fig. {number})",
                x_label="token",
                y_label=label,
            )
            pictures.save(drawing, str(output / f"heads-figure-{number}-phi-{factor:g}.svg"))


def _everywhere(case: Any, exact_s: float) -> None:
    """Print what a layer that stays on the source takes, over the exact steps, with each device as the source."""
    ratios = []
    for source in range(case.cluster.size):
        result = solve(replace(case, controller=source), "edgeshard-source", isolate=False)
        if result.objective is not None:
            ratios.append(result.objective / exact_s)
    print(
        f"\nthe layer on the source (EdgeShard's Eq. 4), each of {case.cluster.size} devices as the source: "
        f"{min(ratios):.2f} to {max(ratios):.1f} times the exact steps, median {median(ratios):.1f}; "
        f"{len(ratios)} sources hold it"
    )


def ahead(runs: int) -> None:
    """Print what knowing the future saves over the myopic policy."""
    print("\n| network, 5 devices, 8 heads, 60 intervals | myopic over lookahead: median | mean | max |")
    print("|---|---:|---:|---:|")
    for name, options in (("1-10 Gbps", {"background": 0.3}), ("0.1-0.5 Gbps with bursts", BURSTS)):
        cases = [network(5, 8, 60, seed, **options) for seed in range(1, runs + 1)]
        excess = list(_excess("step", cases, [solve(case, isolate=False).objective for case in cases]))
        print(f"| {name} | {median(excess):.1%} | {mean(excess):.1%} | {max(excess):.1%} |", flush=True)


def main() -> int:
    """Print the tables; draw where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=30, help="networks per family (default 30)")
    parser.add_argument("--intervals", type=int, default=20, help="of the small networks (default 20)")
    parser.add_argument("--tokens", type=int, default=1000, help="of the medium network (default 1000)")
    parser.add_argument("--only", choices=("small", "medium", "ahead"), help="one of the tables")
    parser.add_argument("--output", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    if options.only in (None, "small"):
        small(options.runs, options.intervals)
    for factor in FACTORS if options.only in (None, "medium") else ():
        medium(options.tokens, factor, options.output)
    if options.only in (None, "ahead"):
        ahead(options.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
