"""Helix' clusters: its published plans evaluated, and ours with their bounds; tiny instances by brute force.

``python -m placewise.benchmarks.replicated --time-limit 100``, ``--published FOLDER``, ``--tiny 500``

All values are of the planning objective, without partial inference: not tokens per second measured on GPUs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from placewise.benchmarks.agreement import judge
from placewise.instances import read, shipped_instances
from placewise.instances.generators import generate
from placewise.instances.importers.helix_replicas import read_plan_ini
from placewise.models.registry import evaluate
from placewise.solvers import solve
from placewise.solvers.replicated import completion

#: Folder of plans, as Helix publishes them, by shipped instance.
FOLDERS = {
    "helix-single24-70b": "single_cluster_layout_llama70b",
    "helix-ablation10-30b": "ablation_layouts_quality",
    "helix-het42-70b": "high_heterogeneity_layout_llama70b",
    "helix-dist24-70b": "distributed_clusters_layout_llama70b",
}


def published(folder: Path) -> list[str]:
    """Return a line per published plan: instance, planner, tokens per second.

    Parameters
    ----------
    folder : Path
        With `FOLDERS` in it.
    """
    lines = []
    for name, where in FOLDERS.items():
        instance: Any = read(name)
        for path in sorted((folder / where).glob("*_sol.ini")):
            objective = evaluate(instance, read_plan_ini(instance, path)).objective
            flow = "nothing passes" if objective is None else f"{1 / objective:.3f}"
            lines.append(f"{name:22} {path.stem.removesuffix('_sol'):8} {flow}")
    return lines


def solved(time_limit: float) -> list[str]:
    """Return a line per shipped instance: tokens per second of plan and bound, gap, seconds.

    Parameters
    ----------
    time_limit : float
        Seconds for each.
    """
    lines = []
    for name in shipped_instances():
        if name in FOLDERS or name.startswith("helix-"):
            result = solve(read(name), time_limit=time_limit)
            objective, bound = result.objective or float("inf"), result.dual_bound or float("inf")
            gap = f"{100 * (objective / bound - 1):.4f} %"
            lines.append(
                f"{name:22} {1 / objective:10.3f} {1 / bound:10.3f} {gap:>10} {result.solve_s:6.1f} s"
            )
    return lines


def disagreements(count: int, first: int = 0) -> list[str]:
    """Return what exact methods say otherwise than brute force on tiny instances.

    Parameters
    ----------
    count, first : int
        How many seeds, and from which on.
    """
    found: list[str] = []
    for seed in range(first, first + count):
        instance = generate("replicated-throughput", "tiny", seed=seed)
        found += judge(instance, ["brute-force", "plans", "highs", "highs/textbook"], Counter())
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-limit", type=float, default=100.0, metavar="S", help="for each instance")
    parser.add_argument("--published", type=Path, metavar="D", help="folder of Helix' published plans")
    parser.add_argument(
        "--tiny", type=int, metavar="N", help="compare exact methods on N tiny instances instead"
    )
    options = parser.parse_args()
    if options.tiny:
        completion.TINY = 0  # plans are looked for first, as on large ones
        print("\n".join(disagreements(options.tiny) or [f"{options.tiny} tiny instances: all methods agree"]))
        return
    for line in [*(published(options.published) if options.published else []), *solved(options.time_limit)]:
        print(line, flush=True)


if __name__ == "__main__":
    main()
