"""The methods of EdgeShard's problems; the first of each table are exact."""

from __future__ import annotations

from typing import Any

from placewise.models.edgeshard import pipeline_cpsat, runs
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard import (
    algorithm_1,
    algorithm_2,
    baselines,
    batches,
    chains,
    cpsat,
    labels,
    thresholds,
    types,
)
from placewise.solvers.execution.method import BOUND, PROGRESS, SEED, THREADS, WARM_START, Algorithm

_CP = frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED})
_SEARCH = frozenset({WARM_START, PROGRESS, BOUND})


def _baselines(module: object, addition: str = "") -> tuple[Algorithm[Any], ...]:
    """Return the paper's baselines (Section V), and a greedy chain."""
    summaries = {
        "greedy": "fill the device, go on to the cheapest next one",
        "edge-solo": "the paper's baseline: all on the source",
        "cloud-edge-even": "the paper's baseline: half on the source, half on the fastest device",
        "cloud-edge-nearest": "the split of source and fastest device that is nearest to even and fits",
        "edgeshard-even": "the paper's variant: equal shares on as few devices as hold them",
        "cloud-edge-opt": "the paper's baseline: the best split between source and fastest device",
    }
    return tuple(
        Algorithm(name, getattr(module, name.replace("-", "_")), Guarantee.HEURISTIC, summary + addition)
        for name, summary in summaries.items()
    )


LATENCY = (
    Algorithm(
        "run-length",
        cpsat.latency,
        runs.run_length_guarantee,
        "CP-SAT circuit through the devices with layer counts; for equal layers",
        ("ortools",),
        _CP,
    ),
    Algorithm(
        "labels",
        labels.run,
        Guarantee.EXACT,
        "the paper's DP repaired: memory kept per path, Lagrangian bounds, local search, best first",
        abilities=_SEARCH | {SEED},
    ),
    Algorithm(
        "chains",
        chains.run,
        Guarantee.HEURISTIC,
        "local search over the order of devices, run ends by dynamic programming",
        abilities=frozenset({PROGRESS, SEED}),
    ),
    Algorithm(
        "algorithm-1",
        algorithm_1.run,
        Guarantee.UNSAFE,
        "the paper's Algorithm 1 as printed",
    ),
    Algorithm(
        "algorithm-1-once",
        algorithm_1.run_once,
        Guarantee.UNSAFE,
        "Algorithm 1, memory updated once per table entry",
    ),
    *_baselines(baselines),
)

THROUGHPUT = (
    Algorithm(
        "run-length",
        cpsat.throughput,
        pipeline_cpsat.run_length_guarantee,
        "CP-SAT circuit through the stages' devices with layer counts; for equal layers",
        ("ortools",),
        _CP,
    ),
    Algorithm(
        "stages",
        cpsat.stages,
        pipeline_cpsat.stages_guarantee,
        "CP-SAT circuit with the first layer and the end of each stage; any layers",
        ("ortools",),
        _CP,
    ),
    Algorithm(
        "thresholds",
        thresholds.run,
        thresholds.guarantee,
        "bisection over bottlenecks, each decided by counting equal layers, or by reachability over sets of devices",
        ("numpy", "ortools"),
        _SEARCH,
    ),
    Algorithm(
        "types",
        types.run,
        types.guarantee,
        "bisection over bottlenecks, each decided by counts of devices used per type; many devices of few types",
        ("numpy",),
        _SEARCH,
    ),
    Algorithm(
        "algorithm-2-repaired",
        algorithm_2.run_repaired,
        algorithm_2.repaired_guarantee,
        "the paper's Algorithm 2 in its sensible reading, vectorised over sets of devices",
    ),
    Algorithm(
        "algorithm-2",
        algorithm_2.run,
        algorithm_2.printed_guarantee,
        "the paper's Algorithm 2 as printed",
    ),
    *_baselines(baselines),
)

BATCH = (
    Algorithm(
        "batches",
        batches.run,
        Guarantee.EXACT,
        "the best pipeline of each batch size that can still win",
        ("numpy", "ortools"),
        _SEARCH,
    ),
    Algorithm(
        "largest-batch",
        batches.largest_batch,
        Guarantee.HEURISTIC,
        "the paper's way: the largest batch that fits, then its best pipeline",
        ("numpy", "ortools"),
    ),
    *_baselines(batches, "; the largest batch that fits"),
)
