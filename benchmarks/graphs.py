"""Graphs of dnn-partitioning on its accelerators and cores, and tiny graphs by brute force.

``python -m placewise.benchmarks.graphs FOLDER --time-limit 100``, ``--tiny 500``, either ``--problem graph-latency``

Values are those of its objectives in milliseconds, with contiguous splits: the largest load of a device, or the time of one
sample.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from placewise.benchmarks.agreement import judge
from placewise.instances import convert
from placewise.instances.generators import generate
from placewise.models.errors import PlacewiseError
from placewise.solvers import solve


def solved(path: Path, time_limit: float, problem: str) -> str:
    """Return a line: milliseconds of split and bound, gap, seconds.

    Parameters
    ----------
    path : Path
        Of a graph.
    time_limit : float
        Seconds.
    problem : str
        Which one of graphs.
    """
    name = "/".join(path.parts[-3:])
    try:
        instance = convert(path, problem=problem)
    except PlacewiseError as error:
        return f"{name:60} {str(error).rsplit(': ', 1)[-1]}"
    result = solve(instance, "ideals", time_limit=time_limit)
    load, bound = (
        "-" if value is None else f"{1e3 * value:.4f}" for value in (result.objective, result.dual_bound)
    )
    gap = "-" if result.relative_gap is None else f"{100 * result.relative_gap:.3f} %"
    return f"{name:60} {load:>10} {bound:>10} {gap:>9} {result.solve_s:6.1f} s {result.message}"


def disagreements(count: int, problem: str) -> list[str]:
    """Return what exact methods say otherwise than brute force on tiny instances.

    Parameters
    ----------
    count : int
        How many seeds.
    problem : str
        Which one of graphs.
    """
    found: list[str] = []
    for seed in range(count):
        instance = generate(problem, "tiny", seed=seed)
        found += judge(instance, ["brute-force", "ideals", "highs"], Counter())
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="with graphs as JSON, at any depth")
    parser.add_argument("--time-limit", type=float, default=100.0, metavar="S", help="for each graph")
    parser.add_argument("--tiny", type=int, metavar="N", help="compare exact methods on N tiny instances")
    parser.add_argument(
        "--problem",
        default="graph-throughput",
        choices=["graph-throughput", "graph-latency"],
        help="objective",
    )
    options = parser.parse_args()
    if options.tiny:
        print(
            "\n".join(
                disagreements(options.tiny, options.problem)
                or [f"{options.tiny} tiny graphs: all methods agree"]
            )
        )
    for path in sorted(options.folder.rglob("*.json")) if options.folder else ():
        print(solved(path, options.time_limit, options.problem), flush=True)


if __name__ == "__main__":
    main()
