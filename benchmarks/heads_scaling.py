"""Head-level placement by devices, heads and intervals: steps by three exact methods, and horizons.

``python -m placewise.benchmarks.heads_scaling --steps 200``, and the same horizons by several methods:
``python -m placewise.benchmarks.heads_scaling --compare 25x32x20 --methods horizon,modes --seeds 5``
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from statistics import mean
from typing import TYPE_CHECKING, Any

from placewise.instances.generation import generate
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.head_migration.horizon import cut
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from placewise.models.head_migration import HeadMigrationInstance

NETWORKS: dict[str, dict[str, Any]] = {
    "fast": {"background": 0.5},
    "slow": {"background": 0.5, "low_gbps": 0.1, "high_gbps": 0.5},
    "tight memory": {"background": 0.5, "memory_factor": 1.35},
    "tight and slow": {"background": 0.5, "memory_factor": 1.35, "low_gbps": 0.1, "high_gbps": 0.5},
}
#: Devices, heads and intervals, and how the network is.
HORIZONS = (
    (5, 8, 100, "fast"),
    (5, 8, 100, "bursts"),
    (10, 8, 5, "fast"),
    (10, 8, 5, "bursts"),
    (5, 32, 20, "fast"),
    (5, 32, 20, "bursts"),
    (25, 32, 5, "fast"),
    (25, 32, 5, "bursts"),
    (25, 32, 20, "bursts"),
    (25, 32, 100, "fast"),
    (25, 32, 100, "bursts"),
)
BURSTS = {"burst_share": 0.2, "background": 0.3, "low_gbps": 0.1, "high_gbps": 0.5}


def network(devices: int, heads: int, intervals: int, seed: int, **options: Any) -> Any:
    """Return a network whose heads are 64 wide, as in the paper's setups."""
    return generate(
        "head-migration",
        "network",
        seed=seed,
        devices=devices,
        heads=heads,
        embedding_dim=64 * heads,
        intervals=intervals,
        **options,
    )


def step_of(instance: HeadMigrationInstance) -> Any | None:
    """Return the second interval after the best placement of the first, or None without one."""
    first = solve(cut(instance, 0, 1, None), "step", isolate=False)
    return None if first.placement is None else cut(instance, 1, 2, first.placement[0])


def steps(count: int, devices: int, heads: int, methods: list[str]) -> int:
    """Solve random steps by each method; print mean and worst seconds and how many disagree; return that."""
    faults = 0
    for name, options in NETWORKS.items():
        seconds: dict[str, list[float]] = defaultdict(list)
        wrong = infeasible = 0
        for seed in range(1, count // len(NETWORKS) + 1):
            step = step_of(network(devices, heads, 2, seed, **options))
            if step is None:
                infeasible += 1
                continue
            results = [solve(step, method, isolate=False, time_limit=60) for method in methods]
            for result in results:
                seconds[result.method].append(result.solve_s)
            wrong += len({(result.status, result.objective) for result in results}) > 1
            infeasible += results[0].objective is None
        faults += wrong
        for method, times in seconds.items():
            print(
                f"| {devices} x {heads} | {name} | {method} | {len(times)} | {1e3 * mean(times):.2f} "
                f"| {1e3 * max(times):.2f} | {infeasible} | {wrong} |",
                flush=True,
            )
    return faults


def horizons(time_limit: float) -> None:
    """Solve horizons by the default method."""
    print("\n| devices x heads x intervals | network | method | status | value, s | gap | seconds |")
    print("|---|---|---|---|---:|---:|---:|")
    for devices, heads, intervals, name in HORIZONS:
        options = BURSTS if name == "bursts" else {}
        result = solve(network(devices, heads, intervals, 1, **options), time_limit=time_limit)
        value = "-" if result.objective is None else f"{result.objective:.4f}"
        gap = "-" if result.relative_gap is None else f"{result.relative_gap:.2%}"
        print(
            f"| {devices} x {heads} x {intervals} | {name} | {result.method} | {result.status.value} "
            f"| {value} | {gap} | {result.build_s + result.solve_s:.2f} |",
            flush=True,
        )


def compared(sizes: list[str], methods: list[str], seeds: int, time_limit: float) -> int:
    """Solve slow networks with bursts by each method; return how many proofs another method refutes.

    Parameters
    ----------
    sizes : list of str
        Devices x heads x intervals.
    methods : list of str
        That prove something.
    seeds : int
        How many networks of a size.
    time_limit : float
        Seconds for each.
    """
    faults = 0
    print("\n| devices x heads x intervals | seed | method | status | value, s | bound, s | gap | seconds |")
    print("|---|---:|---|---|---:|---:|---:|---:|")
    for size in sizes:
        devices, heads, intervals = map(int, size.split("x"))
        for seed in range(1, seeds + 1):
            results = []
            for method in methods:
                instance = network(devices, heads, intervals, seed, **BURSTS)
                result = solve(instance, method, time_limit=time_limit)
                results.append(result)
                value = "-" if result.objective is None else f"{result.objective:.5f}"
                bound = "-" if result.dual_bound is None else f"{result.dual_bound:.5f}"
                gap = "-" if result.relative_gap is None else f"{result.relative_gap:.3%}"
                print(
                    f"| {size} | {seed} | {method} | {result.status.value} | {value} | {bound} | {gap} "
                    f"| {result.build_s + result.solve_s:.1f} |",
                    flush=True,
                )
            faults += bool(find_conflicts(results))
    return faults


def main() -> int:
    """Print the tables; 1 if two exact methods disagree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="random steps per size (default 200)")
    parser.add_argument("--sizes", default="25x32", help="devices x heads of steps, comma-separated")
    parser.add_argument("--methods", default="step,highs,counts-cp")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds per horizon; 0 = none")
    parser.add_argument("--compare", help="devices x heads x intervals by --methods, comma-separated")
    parser.add_argument("--seeds", type=int, default=5, help="networks per size of --compare")
    options = parser.parse_args()
    if options.compare:
        methods = options.methods.split(",")
        return bool(compared(options.compare.split(","), methods, options.seeds, options.time_limit))
    print("| devices x heads | network | method | steps | mean ms | worst ms | infeasible | disagree |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    faults = 0
    for size in options.sizes.split(",") if options.steps else ():
        devices, heads = map(int, size.split("x"))
        faults += steps(options.steps, devices, heads, options.methods.split(","))
    if options.time_limit:
        horizons(options.time_limit)
    return bool(faults)


if __name__ == "__main__":
    raise SystemExit(main())
