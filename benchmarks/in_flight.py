"""Micro-batches in flight: every exact method against brute force, the simulation against the proven rate, and what it gains.

``python -m placewise.benchmarks.in_flight --tiny 1000 --simulate 50 --devices 15,30,50,100 --context``
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from placewise.instances.generation import generate
from placewise.models.cluster import Cluster
from placewise.models.devices import Device
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardThroughput, simulate
from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.registry import problem_of
from placewise.models.workload import Transformer
from placewise.solvers.edgeshard.single_flights import best_number
from placewise.solvers.evidence.verify import differs
from placewise.solvers.solve import solve

PROBLEM = "edgeshard-batch"
#: Rounds after which a simulated pipeline is steady.
ROUNDS = 240


def tiny(count: int, methods: list[str], first: int = 0) -> int:
    """Compare methods with brute force on tiny instances; print and return how many differ."""
    statuses: Counter[str] = Counter()
    wrong = 0
    for seed in range(first, first + count):
        instance = generate(PROBLEM, "tiny-in-flight", seed=seed)
        known = solve(instance, "brute-force", isolate=False, time_limit=600)
        statuses[known.status.value] += 1
        for method in methods:
            found = solve(instance, method, isolate=False, threads=1)
            same = (known.objective is None) == (found.objective is None)
            if same and known.objective is not None and found.objective is not None:
                same = not differs(known.objective, found.objective)
            if not same or found.status is not known.status or found.conflicts:
                wrong += 1
                print(f"seed {seed}: {found!r}, brute force {known!r}")
    print(f"{count} tiny instances ({dict(statuses)}), {', '.join(methods)}: {wrong} differ from brute force")
    return wrong


def drawn(seed: int) -> EdgeShardBatch:
    """Return a drawn pipeline's instance: links with latency, micro-batches in flight."""
    draw = random.Random(f"simulated-{seed}")  # noqa: S311 - not for secrets
    model = draw.choice(["llama2-7b", "llama2-13b"])
    instance: EdgeShardBatch = generate(
        PROBLEM,
        "testbed",
        seed=seed,
        model=model,
        devices=draw.randint(4, 12),
        batch_sizes="1,4",
        in_flight=12,
    )
    latency_s = draw.choice([0.0, 0.002, 0.02, 0.2])
    return replace(
        instance,
        cluster=replace(instance.cluster, latency_s=np.full((instance.cluster.size,) * 2, latency_s)),
    )


def simulated(count: int) -> tuple[float, float]:
    """Simulate the best pipeline of drawn instances; print and return the least and the largest rate over the proven one."""
    ratios: list[float] = []
    seed = 0
    while len(ratios) < count:
        instance, seed = drawn(seed), seed + 1
        result = solve(instance, isolate=False, time_limit=3.0)  # any pipeline will do
        if result.objective is None:
            continue
        draw = random.Random(seed)  # noqa: S311
        number, size, layers = parts_of(result.placement)
        assert number is not None
        for in_flight in {number, draw.randint(1, number)}:  # also where the cycle is the limit
            value = problem_of(instance).evaluate(instance, (in_flight, size, layers)).objective
            assert value is not None
            run = simulate(instance, (in_flight, size, layers), tokens=ROUNDS, prompt_tokens=1)
            ratios.append(run.steady_tokens_per_s * size * value)
    print(
        f"{len(ratios)} pipelines simulated: {min(ratios):.6f} to {max(ratios):.9f} of the rate of the equations"
    )
    return min(ratios), max(ratios)


def gains(model: str, devices: list[int], limit: float) -> None:
    """Print a table: the best (n, m) beside what the pipeline of Eq. 11 carries with the caches that fit."""
    print("| devices | n x m | stages | tokens/s | proven in | Eq. 11 claims | carries, n x m | gain |")
    print("|---:|---|---:|---:|---|---:|---|---:|")
    for size in devices:
        instance: EdgeShardBatch = generate(
            PROBLEM, "testbed", seed=1, model=model, devices=size, in_flight=256
        )
        began = perf_counter()
        result = solve(instance, time_limit=limit, isolate=False)
        seconds = perf_counter() - began
        paper = solve(replace(instance, in_flight=None), time_limit=limit, isolate=False)
        assert result.objective is not None
        assert paper.objective is not None
        number, batch, layers = parts_of(result.placement)
        _, old_batch, old = parts_of(paper.placement)
        held = best_number(instance, old_batch, old)
        carries = None
        if held is not None:
            carries = problem_of(instance).evaluate(instance, (held, old_batch, old)).objective
        proven = (
            f"{seconds:.1f} s" if result.proven else f"gap {result.relative_gap:.2%} after {seconds:.0f} s"
        )
        rest = (
            "nothing | |"
            if carries is None
            else (f"{1 / carries:.1f} ({held} x {old_batch}) | {carries / result.objective - 1:+.0%} |")
        )
        print(
            f"| {size} | {number} x {batch} | {len(set(layers))} | {1 / result.objective:.1f} | {proven} | "
            f"{1 / paper.objective:.1f} | {rest}"
        )


def long_context() -> None:
    """Print an 8B model at 262,144 tokens on four cards of 16 GB: what Eq. 11 claims, and what fits."""
    cards = Cluster(
        devices=[Device("card", 16e9, flops_per_s=112e12, memory_bytes_per_s=900e9) * 4],
        bandwidth_bytes_per_s=12e9,
        latency_s=10e-6,
    )
    shape: dict[str, Any] = {"bytes_per_parameter": 2, "sequence_length": 262_144}
    model = Transformer("llama3-8b", 4096, 14336, 128_256, 32, 32, 8)
    full = EdgeShardThroughput(cards, model.layers(**shape), return_bytes=4, name="8b-262144")
    claimed = solve(full, isolate=False)
    layers = model.layers(**shape, separate_cache=True)
    free = EdgeShardBatch(cards, layers, [1, 2, 4], return_bytes=4, in_flight=16, name="8b-262144-in-flight")
    result = solve(free, isolate=False)
    assert claimed.objective is not None
    assert result.objective is not None
    number, size, _ = parts_of(result.placement)
    print(
        f"8B at 262,144 tokens on 4 cards: Eq. 11 {1 / claimed.objective:.2f} tokens/s ({claimed.status.value}); the caches "
        f"that fit carry {1 / result.objective:.2f} ({result.status.value}, {number} x {size} in flight)"
    )


def main() -> int:
    """Run what is asked for; return 1 where something differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", type=int, default=0, help="tiny instances against brute force")
    parser.add_argument("--first", type=int, default=0, help="their first seed")
    parser.add_argument("--methods", default="batches,highs", help="of those that are exact")
    parser.add_argument("--simulate", type=int, default=0, help="drawn pipelines")
    parser.add_argument("--devices", default="", help="device counts of the testbed for the table")
    parser.add_argument("--model", default="llama2-70b")
    parser.add_argument("--time-limit", type=float, default=100.0)
    parser.add_argument("--context", action="store_true", help="8B at 262,144 tokens")
    options = parser.parse_args()
    failed = False
    if options.tiny:
        failed = tiny(options.tiny, options.methods.split(","), options.first) > 0
    if options.simulate:
        least, most = simulated(options.simulate)
        failed = failed or least < 0.99 or most > 1 + 1e-9
    if options.devices:
        gains(options.model, [int(size) for size in options.devices.split(",")], options.time_limit)
    if options.context:
        long_context()
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
