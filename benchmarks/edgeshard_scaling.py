"""The testbed's models by device count: time, gap, and the ratio to the default method.

``python -m placewise.benchmarks.edgeshard_scaling --devices 15,30,50 --methods run-length,highs --time-limit 120``
"""

from __future__ import annotations

import argparse

from placewise.instances.generation import generate
from placewise.solvers.registry import default_method
from placewise.solvers.solve import solve


def main() -> int:
    """Print one line per instance and method, all measured in this run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problem", default="edgeshard-latency")
    parser.add_argument("--models", default="llama2-7b,llama2-13b,llama2-70b")
    parser.add_argument("--devices", default="15,30,50")
    parser.add_argument("--seeds", default="1")
    parser.add_argument(
        "--spread", type=float, default=0.0, help="share by which layers differ (default 0: equal)"
    )
    parser.add_argument("--methods", help="comma-separated, beside the default method")
    parser.add_argument("--time-limit", type=float, default=120.0)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    print(
        f"{'instance':44} {'method':16} {'status':9} {'value ms':>10} {'gap':>9} {'build s':>8} {'solve s':>8} {'ratio':>7}"
    )
    for model in options.models.split(","):
        for devices in map(int, options.devices.split(",")):
            for seed in map(int, options.seeds.split(",")):
                instance = generate(
                    options.problem,
                    "testbed",
                    seed=seed,
                    model=model,
                    devices=devices,
                    spread=options.spread,
                )
                first = default_method(instance).name
                methods = [first, *(m for m in (options.methods or "").split(",") if m and m != first)]
                base_s = None
                for method in methods:
                    result = solve(instance, method, time_limit=options.time_limit, threads=options.threads)
                    base_s = base_s or result.solve_s
                    value = "-" if result.objective is None else f"{result.objective * 1e3:.3f}"
                    gap = "-" if result.relative_gap is None else f"{result.relative_gap:.2%}"
                    print(
                        f"{instance.name:44} {method:16} {result.status.value:9} {value:>10} {gap:>9} "
                        f"{result.build_s:8.2f} {result.solve_s:8.2f} {result.solve_s / base_s:7.1f}",
                        flush=True,
                    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
