"""Do all exact methods agree with an oracle on random instances? Counts, disagreements, conflicts.

``python -m placewise.benchmarks.agreement edgeshard-latency --count 1000`` asks brute force, on tiny instances; larger ones
need another exact method: ``--family tight --set devices=8 --set layers=16 --oracle labels --methods branch-and-price``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from placewise.instances.generation import generate
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.registry import problems
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.evidence.result import Status
from placewise.solvers.registry import methods_of
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult

ORACLE = "brute-force"
#: Of the bound; the placement must cost the optimum to the last bit, and tiny instances have no near misses.
BOUND_TOLERANCE = 1e-6


def judge(
    instance: Instance,
    methods: Iterable[str],
    counts: Counter[tuple[str, str]],
    truth: VerifiedResult | None = None,
    threads: int | None = 1,
    time_limit: float | None = None,
    tolerance: float = 0.0,
    oracle: str = ORACLE,
) -> list[str]:
    """Solve one instance by the oracle and by each method; return what does not agree.

    Parameters
    ----------
    instance : Instance
        A tiny one.
    methods : iterable of str
        Names of methods; heuristics must not beat the optimum, exact ones must meet it exactly.
    counts : Counter
        Is told each method's status.
    truth : VerifiedResult, optional
        What the oracle said, if it was asked before.
    threads : int, optional
        As in `solve`.
    time_limit : float, optional
        Seconds after which an exact method may end without a proof; by default it has to have one.
    tolerance : float
        By how much an exact method's objective may exceed the optimum where placements nearly tie: at most the gap
        that is asked for.
    oracle : str
        The exact method that is asked first; where it proves nothing, that is a fault.
    """
    truth = truth or solve(instance, oracle, isolate=False, relative_gap=0.0, threads=threads, time_limit=600)
    if not truth.proven:
        return [f"{instance.name}: {oracle} proves nothing: {truth!r}"]
    results, faults = [truth], []
    for method in methods:
        try:
            # The bound may be off by floating point, the placement must cost the optimum itself.
            result = solve(
                instance,
                method,
                isolate=False,
                relative_gap=BOUND_TOLERANCE,
                threads=threads,
                time_limit=time_limit or 60.0,
            )
        except NotApplicableError:
            counts[method, "not applicable"] += 1
            continue
        counts[method, f"{result.guarantee.value}: {result.status.value}"] += 1
        results.append(result)
        stopped = time_limit is not None and result.status in (Status.FEASIBLE, Status.NO_SOLUTION)
        exact = result.guarantee is Guarantee.EXACT and not stopped
        if (exact and not _agrees(result, truth, tolerance)) or (
            result.objective is not None and (truth.objective is None or result.objective < truth.objective)
        ):
            faults.append(_fault(instance, result, truth))
    return faults + [f"{instance.name}: {c.kind}: {c.message}" for c in find_conflicts(results)]


def _agrees(result: VerifiedResult, truth: VerifiedResult, tolerance: float) -> bool:
    if result.status is not truth.status or result.objective is None or truth.objective is None:
        return (result.status, result.objective) == (truth.status, truth.objective)
    return result.objective <= truth.objective + tolerance * abs(truth.objective)


def _fault(instance: Instance, result: VerifiedResult, truth: VerifiedResult) -> str:
    return (
        f"{instance.name}: {result.method} says {result.status.value} {result.objective!r}, "
        f"{truth.method} {truth.status.value} {truth.objective!r}"
    )


def default_methods(problem: str) -> list[str]:
    """Return every installed method but the oracle."""
    return [name for name, method in methods_of(problem).items() if name != ORACLE and not method.missing]


def main() -> int:
    """Judge so many instances and print the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("problem", choices=list(problems()))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--family", default="tiny", help="of instances (default: tiny)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the family; may be repeated",
    )
    parser.add_argument("--oracle", default=ORACLE, help=f"an exact method (default: {ORACLE})")
    parser.add_argument("--methods", help="comma-separated (default: all that are installed)")
    options = parser.parse_args()
    chosen = dict(setting.split("=", 1) for setting in options.set)
    methods = options.methods.split(",") if options.methods else default_methods(options.problem)
    counts: Counter[tuple[str, str]] = Counter()
    faults = []
    for seed in range(options.first_seed, options.first_seed + options.count):
        instance = generate(options.problem, options.family, seed=seed, **chosen)
        found = judge(instance, methods, counts, oracle=options.oracle)
        for fault in found:
            print(fault, flush=True)
        faults += found
    for (method, outcome), count in sorted(counts.items()):
        print(f"{method:22} {outcome:28} {count:6}")
    print(f"{options.count} instances, {len(faults)} disagreements or conflicts")
    return bool(faults)


if __name__ == "__main__":
    raise SystemExit(main())
