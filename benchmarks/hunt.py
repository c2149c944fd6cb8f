"""Do all exact methods say the same on instances that hurt? Counts, and each disagreement as a file.

``python -m placewise.benchmarks.hunt byte-tight-latency --count 500 --seed 0``
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from placewise.benchmarks import asked, traps
from placewise.benchmarks.agreement import BOUND_TOLERANCE, ORACLE, default_methods, judge
from placewise.instances import write
from placewise.models.errors import InstanceError
from placewise.models.registry import problem_of
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from placewise.benchmarks.traps import Trap
    from placewise.solvers.evidence.result import VerifiedResult

#: What instances are drawn from.
KINDS = traps.KINDS | asked.KINDS
PROOFS = ("exact: optimal", "exact: infeasible")


def truth_of(trap: Trap) -> VerifiedResult:
    """Return what the oracle says about the core, for the instance itself."""
    truth = solve(trap.core, ORACLE, isolate=False, time_limit=600)
    if truth.objective is None:
        return replace(truth, instance=trap.instance)
    evaluation = problem_of(trap.instance).evaluate(trap.instance, truth.placement)
    return replace(
        truth, instance=trap.instance, objective=evaluation.objective, dual_bound=evaluation.objective
    )


def hunt(
    kind: str,
    seeds: range,
    counts: Counter[tuple[str, str]],
    methods: list[str] | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
) -> dict[int, list[str]]:
    """Judge the traps of a kind by every method; return what does not agree, by seed.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    seeds : range
        One instance each.
    counts : Counter
        Is told each method's status.
    methods : list of str, optional
        All that are installed, if none are given.
    threads : int, optional
        As in `solve`.
    time_limit : float, optional
        Seconds after which a method may end without a proof.
    """
    faults = {}
    for seed in seeds:
        try:
            trap = KINDS[kind](seed)
            truth = truth_of(trap)
        except InstanceError:  # times too far apart for any method
            counts["", "instance refused"] += 1
            continue
        chosen = methods or default_methods(trap.instance.problem)
        found = judge(trap.instance, chosen, counts, truth, threads, time_limit, BOUND_TOLERANCE)
        if found:
            faults[seed] = found
    return faults


def main() -> int:
    """Hunt, print the counts, and save what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="+", choices=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the first instance")
    parser.add_argument("--methods", help="comma-separated (default: all that are installed)")
    parser.add_argument("--threads", type=int, help="default: what each solver takes by itself")
    parser.add_argument("--time-limit", type=float, default=20.0, help="seconds for each method")
    parser.add_argument("--output", type=Path, help="folder for the instances on which methods disagree")
    options = parser.parse_args()
    methods = options.methods.split(",") if options.methods else None
    wrong = 0
    for kind in options.kinds:
        counts: Counter[tuple[str, str]] = Counter()
        differ = 0
        for seed in range(options.seed, options.seed + options.count):
            only = range(seed, seed + 1)
            faults = hunt(kind, only, counts, methods, options.threads, options.time_limit)
            for found in faults.values():
                differ += 1
                print(*found, sep="\n", flush=True)
                if options.output:
                    options.output.mkdir(parents=True, exist_ok=True)
                    write(KINDS[kind](seed).instance, options.output / f"{kind}-{seed}.json")
        for (method, outcome), count in sorted(counts.items()):
            print(f"{method:22} {outcome:28} {count:6}")
        exact = sum(count for (_, outcome), count in counts.items() if outcome in PROOFS)
        refused = counts["", "instance refused"]
        print(
            f"{options.count} instances of {kind} ({refused} refused), {exact} proofs by exact methods, "
            f"{differ} with disagreements or conflicts",
            flush=True,
        )
        wrong += differ
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
