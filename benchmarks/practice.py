"""Rules by which runtimes split a model beside proven optima, on instances from files or by name.

``python -m placewise.benchmarks.practice home4.json llama2-7b-testbed ... --time-limit 30``
"""

from __future__ import annotations

import argparse
from statistics import median

from placewise.instances import read
from placewise.solvers import solve

RULES = ("exo", "llama-cpp", "parallax", "water-filling")


def gaps(sources: list[str], time_limit: float) -> dict[str, dict[str, list[float | None]]]:
    """Return what each rule costs over the proven optimum, by problem: a share, None where it does not fit.

    Parameters
    ----------
    sources : list of str
        Paths or names of instances of EdgeShard's latency or throughput.
    time_limit : float
        Seconds for each optimum; an instance that is not proven in it is left out.
    """
    found: dict[str, dict[str, list[float | None]]] = {}
    for source in sources:
        instance = read(source)
        best = solve(instance, time_limit=time_limit)
        if best.objective is None or not best.proven:
            print(f"{instance.name:40} {best.status.value}: left out", flush=True)
            continue
        rows = found.setdefault(instance.problem, {rule: [] for rule in RULES})
        cells = []
        for rule in RULES:
            value = solve(instance, rule, isolate=False).objective
            gap = None if value is None else value / best.objective - 1
            rows[rule].append(gap)
            cells.append("     -" if gap is None else f"{100 * gap:5.0f} %")
        print(f"{instance.name:40} {1e3 * best.objective:9.3f} ms " + "  ".join(cells), flush=True)
    return found


def main() -> None:
    """Print a line per instance, then medians and worst per problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("instances", nargs="+", help="paths, or shipped names")
    parser.add_argument("--time-limit", type=float, default=30.0, metavar="S", help="for each optimum")
    options = parser.parse_args()
    print(f"{'':40} {'optimum':>12} " + "  ".join(f"{rule:>7}" for rule in RULES))
    for problem, rows in gaps(options.instances, options.time_limit).items():
        print(problem)
        for rule, every in rows.items():
            known = [100 * gap for gap in every if gap is not None]
            told = f"median {median(known):.0f} %, worst {max(known):.0f} %" if known else "none"
            print(f"  {rule:14} {told}, fits on {len(known)} of {len(every)}")


if __name__ == "__main__":
    main()
