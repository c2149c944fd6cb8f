"""How often the paper's algorithms fail, and by how much, on random instances with tight memory.

``python -m placewise.benchmarks.edgeshard_algorithms --problem edgeshard-latency --count 200``
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from statistics import mean, median

from placewise.instances.generation import generate
from placewise.solvers.evidence.result import Status, VerifiedResult
from placewise.solvers.solve import solve

#: Per problem an exact method and those that it judges.
JUDGED = {
    "edgeshard-latency": (
        "labels",
        ("algorithm-1-path", "algorithm-1", "algorithm-1-once", "greedy", "cloud-edge-opt", "edge-solo"),
    ),
    "edgeshard-throughput": (
        "thresholds",
        ("algorithm-2", "algorithm-2-repaired", "greedy", "cloud-edge-opt", "edge-solo"),
    ),
}


def outcome(result: VerifiedResult, truth: VerifiedResult) -> str:
    """Return what a heuristic made of an instance: optimal, suboptimal, breaks memory, or misses."""
    if result.violations:
        return "breaks memory"
    if result.objective is None:
        return "misses"
    return "optimal" if result.objective == truth.objective else "suboptimal"


def main() -> int:
    """Print outcomes and gaps per heuristic."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problem", choices=JUDGED, default="edgeshard-latency")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--devices", type=int, default=6)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--memory-factor", type=float, default=1.2)
    options = parser.parse_args()
    exact, judged = JUDGED[options.problem]
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    gaps: dict[str, list[float]] = defaultdict(list)
    feasible, seed = 0, 0
    while feasible < options.count:
        instance = generate(
            options.problem,
            "tight",
            seed=seed,
            devices=options.devices,
            layers=options.layers,
            memory_factor=options.memory_factor,
        )
        seed += 1
        truth = solve(instance, exact, isolate=False)
        if truth.status is not Status.OPTIMAL or truth.objective is None:
            continue
        feasible += 1
        for method in judged:
            result = solve(instance, method, isolate=False)
            outcomes[method][outcome(result, truth)] += 1
            if result.objective is not None:
                gaps[method].append(result.objective / truth.objective - 1)
    print(f"{feasible} feasible of {seed} instances, {options.devices} devices, {options.layers} layers")
    for method in judged:
        words = ", ".join(f"{count} {word}" for word, count in sorted(outcomes[method].items()))
        found = sorted(gaps[method])
        summary = (
            f"gap median {median(found):.1%}, mean {mean(found):.1%}, max {found[-1]:.1%}"
            if found
            else "no gap"
        )
        print(f"{method:22} {words}; {summary}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
