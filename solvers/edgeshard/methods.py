"""The methods of EdgeShard's problems; the first of each table are exact."""

from __future__ import annotations

from typing import Any

from placewise.models.edgeshard import pipeline_cpsat, runs
from placewise.models.edgeshard.problems import KNOWN
from placewise.models.edgeshard.rules import LIMITS, MUST_USE, PINNED
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard import (
    algorithm_1,
    algorithm_2,
    baselines,
    batches,
    branch_and_price,
    chains,
    cpsat,
    equal_chains,
    labels,
    practice,
    starts,
    subsets,
    thresholds,
    types,
    visit_branching,
)
from placewise.solvers.edgeshard.sources import for_sources, over_sources
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
    runs_of = {name: getattr(module, name.replace("-", "_")) for name in summaries}
    if module is baselines:
        runs_of = {name: over_sources(run) for name, run in (runs_of | {"greedy": starts.greedy}).items()}
    return tuple(
        Algorithm(name, runs_of[name], Guarantee.HEURISTIC, summary + addition, honours=KNOWN)
        for name, summary in summaries.items()
    )


#: Rules by which runtimes split a model.
_PRACTICE: tuple[Algorithm[Any], ...] = tuple(
    Algorithm(name, over_sources(run), Guarantee.HEURISTIC, summary, honours=KNOWN)
    for name, run, summary in (
        ("exo", practice.exo, "exo's rule: in proportion to memory, round the ring"),
        (
            "llama-cpp",
            practice.llama_cpp,
            "llama.cpp's rule: in proportion to free memory, in the given order",
        ),
        ("parallax", practice.parallax, "Parallax' rule: the fewest devices, filled in proportion to speed"),
        ("water-filling", practice.water_filling, "all devices, filled in proportion to speed"),
    )
)

LATENCY = (
    Algorithm(
        "run-length",
        over_sources(cpsat.latency),
        for_sources(runs.run_length_guarantee),
        "CP-SAT circuit through the devices with layer counts; for equal layers",
        ("ortools",),
        _CP,
        KNOWN,
    ),
    Algorithm(
        "equal-chains",
        over_sources(equal_chains.run),
        for_sources(equal_chains.guarantee),
        "chains of devices by labels under bounds that price visits, ends elsewhere included; for equal layers",
        distributions=("numpy", "ortools"),
        abilities=_SEARCH,
        honours=KNOWN - {PINNED, LIMITS, MUST_USE},
        modules=(),  # CP-SAT is its last resort
    ),
    Algorithm(
        "branch-and-price",
        over_sources(branch_and_price.run),
        for_sources(visit_branching.guarantee),
        "paths of runs in a linear master, branched on how often a device is visited, in turns with labels; any layers",
        ("numpy", "highspy"),
        _SEARCH | {SEED},
        KNOWN - {LIMITS, MUST_USE},
    ),
    Algorithm(
        "labels",
        over_sources(labels.run),
        for_sources(labels.guarantee),
        "the paper's DP repaired: memory kept per path, Lagrangian bounds, local search, best first",
        abilities=_SEARCH | {SEED},
        honours=KNOWN,
    ),
    Algorithm(
        "subsets",
        over_sources(subsets.run),
        for_sources(subsets.guarantee),
        "dynamic programme over sets of devices, equal ones counted; contiguous placements",
        abilities=_SEARCH | {SEED},
        honours=KNOWN,
    ),
    Algorithm(
        "subsets-bounded",
        over_sources(subsets.run),
        for_sources(subsets.bounded_guarantee),
        "the same for more devices: what cannot win by priced visits is left out, until memory or time ends",
        abilities=_SEARCH | {SEED},
        honours=KNOWN,
    ),
    Algorithm(
        "chains",
        over_sources(chains.run),
        Guarantee.HEURISTIC,
        "local search over the order of devices, run ends by dynamic programming",
        abilities=frozenset({PROGRESS, SEED}),
        honours=KNOWN,
    ),
    Algorithm(
        "algorithm-1-path",
        algorithm_1.run_path,
        Guarantee.HEURISTIC,
        "Algorithm 1 in its kindest reading: each table entry keeps its own path's memory",
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
    *_PRACTICE,
)

THROUGHPUT = (
    Algorithm(
        "run-length",
        over_sources(cpsat.throughput),
        for_sources(pipeline_cpsat.run_length_guarantee),
        "CP-SAT circuit through the stages' devices with layer counts; for equal layers",
        ("ortools",),
        _CP,
        KNOWN,
    ),
    Algorithm(
        "stages",
        over_sources(cpsat.stages),
        for_sources(pipeline_cpsat.stages_guarantee),
        "CP-SAT circuit with the first layer and the end of each stage; any layers",
        ("ortools",),
        _CP,
        KNOWN,
    ),
    Algorithm(
        "thresholds",
        over_sources(thresholds.run),
        for_sources(thresholds.guarantee),
        "bisection over bottlenecks, each decided by counting equal layers, or by reachability over sets of devices",
        ("numpy", "ortools"),
        _SEARCH,
        KNOWN,
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
        over_sources(algorithm_2.run_repaired),
        for_sources(algorithm_2.repaired_guarantee),
        "the paper's Algorithm 2 in its sensible reading, vectorised over sets of devices",
        honours=KNOWN,
    ),
    Algorithm(
        "algorithm-2",
        algorithm_2.run,
        algorithm_2.printed_guarantee,
        "the paper's Algorithm 2 as printed",
    ),
    *_baselines(baselines),
    *_PRACTICE,
)

BATCH = (
    Algorithm(
        "batches",
        batches.run,
        Guarantee.EXACT,
        "the best pipeline of each batch size that can still win",
        ("numpy", "ortools"),
        _SEARCH,
        KNOWN,
    ),
    Algorithm(
        "largest-batch",
        batches.largest_batch,
        Guarantee.HEURISTIC,
        "the paper's way: the largest batch that fits, then its best pipeline",
        ("numpy", "ortools"),
        honours=KNOWN,
    ),
    *_baselines(batches, "; the largest batch that fits"),
)
