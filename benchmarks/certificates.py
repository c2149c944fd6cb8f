"""Certificates measured: sizes and seconds beside solving, random tiny instances, one number changed.

``python -m placewise.benchmarks.certificates shipped`` certifies every shipped instance; ``testbeds`` EdgeShard's on 15
and 30 devices, and DILEMMA's of 5 and 10 servers; ``tiny 1000`` that many random instances of each problem; ``changed 200`` changes one number in that many
certificates.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
from fractions import Fraction
from itertools import product
from time import process_time
from typing import TYPE_CHECKING, Any

from placewise.instances import generate, read, shipped_instances
from placewise.instances.generators.dilemma import BOUNDS
from placewise.models.errors import PlacewiseError
from placewise.solvers import solve
from placewise.solvers.certificates.files import verdict_on
from placewise.solvers.certificates.make import certify
from placewise.solvers.evidence.result import Status
from placewise.tools import verify_certificate as verifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult

TINY = (
    "edgeshard-latency",
    "edgeshard-throughput",
    "edgeshard-batch",
    "dilemma",
    "head-migration",
    "head-migration-decoder",
    "graph-throughput",
    "graph-latency",
    "replicated-throughput",
)
FAMILIES = (
    *((problem, "tiny") for problem in TINY),
    *((problem, "tiny-rules") for problem in TINY[:3]),
    ("edgeshard-batch", "tiny-in-flight"),
)
#: Micro-batches at most.
IN_FLIGHT = 8
TESTBEDS = ("edgeshard-latency", "edgeshard-throughput", "edgeshard-batch")


def row(instance: Instance, method: str | None = None) -> str:
    """Return a line of the table of one instance: seconds are of the processor.

    Parameters
    ----------
    instance : Instance
        To be solved, certified, and checked.
    method : str, optional
        Its default without one.

    Returns
    -------
    str
        Of a Markdown table.
    """
    result = solve(instance, method, time_limit=60)
    began = process_time()
    try:
        certificate = certify(instance, result)
    except PlacewiseError as error:
        return f"| {instance.name} | {result.status.value} | - | - | {result.solve_s:.2f} | - | {str(error)[13:]} |"
    made = process_time()
    verdict = verdict_on(instance, result.to_json()["placement"], verifier.parse(json.dumps(certificate)))
    seconds = process_time() - made
    labels = sum(proof.get("labels", 0) for proof in certificate["proofs"])
    return (
        f"| {instance.name} | {result.status.value} | {len(json.dumps(certificate)):,} | {labels:,} | "
        f"{result.solve_s:.2f} | {seconds:.2f} ({made - began:.2f}) | {verdict} |"
    )


def testbeds(problems: Sequence[str]) -> Iterator[Instance]:
    """Yield EdgeShard's testbeds, and OPT-350m on 5 and 10 servers with a bound on each layer's error or on their sum.

    Parameters
    ----------
    problems : sequence of str
        Which.
    """
    in_flight = ("edgeshard-batch", {"in_flight": IN_FLIGHT})
    for problem, options in (*((problem, {}) for problem in TESTBEDS), in_flight):
        if problem not in problems:
            continue
        for model, devices in product(("7b", "13b", "70b"), (15, 30)):
            name = " ".join([problem, model, str(devices), *options])
            yield generate(
                problem, "testbed", seed=1, model=f"llama2-{model}", devices=devices, name=name, **options
            )
    for bound, servers in product(BOUNDS, (5, 10)) if "dilemma" in problems else ():
        for seed in (1, 2, 3):
            name = f"dilemma {servers} servers, bound on {bound}, seed {seed}"
            yield generate("dilemma", "opt", seed=seed, servers=servers, bound=bound, name=name)


def tiny(count: int, problems: Sequence[str] = TINY) -> Iterator[str]:
    """Yield what became of random tiny instances of each problem, solved by enumeration.

    Parameters
    ----------
    count : int
        Instances of each problem.
    problems : sequence of str
        Which.
    """
    for problem, family in FAMILIES:
        if problem not in problems:
            continue
        seen = dict.fromkeys(("certified", "weaker", "infeasible", "refused", "wrong"), 0)
        for seed in range(1, count + 1):
            result = solve(generate(problem, family, seed=seed), "brute-force", isolate=False)
            seen[outcome(result)] += 1
        yield f"{problem}, {family}: " + ", ".join(
            f"{number} {name}" for name, number in seen.items() if number
        )


def outcome(result: VerifiedResult) -> str:
    """Return what became of one result.

    Parameters
    ----------
    result : VerifiedResult
        By enumeration.

    Returns
    -------
    str
        A word or two.
    """
    try:
        certificate = certify(result.instance, result)
    except PlacewiseError:
        return "refused"
    verdict = verdict_on(result.instance, result.to_json()["placement"], certificate)
    if isinstance(verdict, str):
        return "wrong"
    if result.status is Status.INFEASIBLE:
        return "infeasible" if verdict.bound is None else "wrong"
    assert verdict.bound is not None
    assert result.objective is not None
    gap = (result.objective - float(verdict.bound)) / max(result.objective, 1e-30)
    return "wrong" if gap < -1e-9 else "certified" if gap < 1e-9 else "weaker"


def changed(count: int) -> Iterator[str]:
    """Yield what became of certificates with one number changed, as they stand and with the hash made anew.

    Parameters
    ----------
    count : int
        Certificates.
    """
    draw = random.Random(1)  # noqa: S311 - not for secrets
    seen = {"refused by its hash": 0, "refused anew": 0, "nothing changed": 0, "weaker": 0, "false": 0}
    seed = 0
    while seen["refused by its hash"] < count:
        seed += 1
        result = solve(generate(*draw.choice(FAMILIES), seed=seed), "brute-force", isolate=False)
        try:
            certificate = certify(result.instance, result)
        except PlacewiseError:
            continue
        paths = list(_numbers(certificate))
        if not paths:
            continue
        part = other = copy.deepcopy(certificate)
        *before, last = draw.choice(paths)
        for key in before:
            part = part[key]
        old = Fraction(part[last])
        new = old + draw.choice([Fraction(1), Fraction(2), Fraction(1, 100)])
        part[last] = str(new) if isinstance(part[last], str) else int(old) + 1
        placement = result.to_json()["placement"]
        seen["refused by its hash"] += "was changed" in str(verdict_on(result.instance, placement, other))
        other["sha256"] = verifier.digest(other)
        honest = verdict_on(result.instance, placement, certificate)
        seen[_change(honest, verdict_on(result.instance, placement, other), result)] += 1
    yield ", ".join(f"{number} {name}" for name, number in seen.items())


def _change(before: verifier.Verdict | str, after: verifier.Verdict | str, result: VerifiedResult) -> str:
    """Say what a change made of a verdict, against the optimum known by enumeration."""
    if isinstance(after, str):
        return "refused anew"
    if after == before:
        return "nothing changed"
    optimum = result.objective
    true = after.bound is not None and optimum is not None and float(after.bound) <= optimum * (1 + 1e-9)
    return "weaker" if true else "false"


def _numbers(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all numbers, also those written as text."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(value, dict | list):
            yield from _numbers(value, (*path, key))
        elif isinstance(value, int) or (isinstance(value, str) and value[:1].isdigit() and key != "sha256"):
            yield (*path, key)


def main() -> int:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", choices=("shipped", "testbeds", "tiny", "changed"))
    parser.add_argument("count", type=int, nargs="?", default=100, help="of tiny or changed (default 100)")
    parser.add_argument("--problems", help="of testbeds or tiny: comma-separated (default: all)")
    options = parser.parse_args()
    wanted = options.problems.split(",") if options.problems else list(TINY)
    if options.table in ("shipped", "testbeds"):
        print(
            "| instance | status | bytes | labels | solve, s | check (make), s | verdict |\n|---|---|---|---|---|---|---|"
        )
        shipped = (read(name) for name in shipped_instances())
        for instance in shipped if options.table == "shipped" else testbeds(wanted):
            print(row(instance), flush=True)
        return 0
    for line in tiny(options.count, wanted) if options.table == "tiny" else changed(options.count):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
