"""DILEMMA on OPT-350m by servers, links and bound: gaps and times of several methods in one table.

``python -m placewise.benchmarks.dilemma_scaling --servers 5,10,20 --seeds 1,2,3 --methods labels,highs,scip,cbc``
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from statistics import mean

from placewise.instances.generation import generate
from placewise.solvers.solve import solve

#: Slowest link in Mbps; the fastest has ten times as much.
LINKS = {"slow": 1.0, "fast": 100.0}


def main() -> int:
    """Print a line per run, then per group and method how many are proven, mean time, mean and worst gap."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bounds", default="layer,budget")
    parser.add_argument("--servers", default="5,10,20")
    parser.add_argument("--links", default="slow,fast")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--methods", default="labels")
    parser.add_argument("--mode", default="corrected")
    parser.add_argument("--time-limit", type=float, default=60.0)
    options = parser.parse_args()
    groups: dict[tuple[str, int, str, str], list[tuple[float, float]]] = defaultdict(list)
    for bound in options.bounds.split(","):
        for servers in map(int, options.servers.split(",")):
            for links in options.links.split(","):
                for seed in map(int, options.seeds.split(",")):
                    instance = generate(
                        "dilemma",
                        "opt",
                        seed=seed,
                        servers=servers,
                        layers=options.layers,
                        min_mbps=LINKS[links],
                        bound=bound,
                        mode=options.mode,
                    )
                    for method in options.methods.split(","):
                        result = solve(instance, method, time_limit=options.time_limit)
                        gap = float("inf") if result.relative_gap is None else result.relative_gap
                        groups[bound, servers, links, method].append((gap, result.solve_s))
                        value = "-" if result.objective is None else f"{result.objective:.6f}"
                        print(
                            f"{instance.name:62} {method:8} {result.status.value:9} {value:>10} s {gap:8.3%} "
                            f"{result.solve_s:7.1f} s",
                            flush=True,
                        )
    print("\n| bound | servers | links | method | proven | mean time, s | mean gap | worst gap |")
    print("|---|---:|---|---|---:|---:|---:|---:|")
    for (bound, servers, links, method), runs in groups.items():
        gaps, seconds = zip(*runs, strict=True)
        proven = sum(gap <= 1e-6 for gap in gaps)
        print(
            f"| {bound} | {servers} | {links} | {method} | {proven} of {len(runs)} | {mean(seconds):.1f} "
            f"| {mean(gaps):.2%} | {max(gaps):.2%} |"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
