"""Every algorithm by problem and name: adding one is one file and one entry here."""

from __future__ import annotations

from placewise.models.problem import Guarantee
from placewise.solvers.execution.method import Algorithm

_EDGESHARD, _DILEMMA, _HEADS = (
    f"placewise.solvers.{room}" for room in ("edgeshard", "dilemma", "head_migration")
)

_BRUTE_FORCE = Algorithm(
    "placewise.solvers.brute_force:run",
    "placewise.solvers.brute_force:guarantee",
    "every placement, evaluated; the oracle for tiny instances",
)

_EDGESHARD_BASELINES = {
    "greedy": Algorithm(
        f"{_EDGESHARD}.baselines:greedy",
        Guarantee.HEURISTIC,
        "fill the device, go on to the cheapest next one",
    ),
    "edge-solo": Algorithm(
        f"{_EDGESHARD}.baselines:edge_solo",
        Guarantee.HEURISTIC,
        "the paper's baseline: all on the source",
    ),
    "cloud-edge-even": Algorithm(
        f"{_EDGESHARD}.baselines:cloud_edge_even",
        Guarantee.HEURISTIC,
        "the paper's baseline: half on the source, half on the fastest device",
    ),
    "cloud-edge-nearest": Algorithm(
        f"{_EDGESHARD}.baselines:cloud_edge_nearest",
        Guarantee.HEURISTIC,
        "the split of source and fastest device that is nearest to even and fits",
    ),
    "edgeshard-even": Algorithm(
        f"{_EDGESHARD}.baselines:edgeshard_even",
        Guarantee.HEURISTIC,
        "the paper's variant: equal shares on as few devices as hold them",
    ),
    "cloud-edge-opt": Algorithm(
        f"{_EDGESHARD}.baselines:cloud_edge_opt",
        Guarantee.HEURISTIC,
        "the paper's baseline: the best split between source and fastest device",
    ),
}

ALGORITHMS: dict[str, dict[str, Algorithm]] = {
    "edgeshard-latency": {
        "run-length": Algorithm(
            f"{_EDGESHARD}.cpsat:latency",
            "placewise.models.edgeshard.runs:run_length_guarantee",
            "CP-SAT circuit through the devices with layer counts; for equal layers",
            ("ortools",),
        ),
        "labels": Algorithm(
            f"{_EDGESHARD}.labels:run",
            Guarantee.EXACT,
            "the paper's DP repaired: memory kept per path, Lagrangian bounds, local search, best first",
        ),
        "chains": Algorithm(
            f"{_EDGESHARD}.chains:run",
            Guarantee.HEURISTIC,
            "local search over the order of devices, run ends by dynamic programming",
        ),
        "brute-force": _BRUTE_FORCE,
        "algorithm-1": Algorithm(
            f"{_EDGESHARD}.algorithm_1:run",
            Guarantee.UNSAFE,
            "the paper's Algorithm 1 as printed",
        ),
        "algorithm-1-once": Algorithm(
            f"{_EDGESHARD}.algorithm_1:run_once",
            Guarantee.UNSAFE,
            "Algorithm 1, memory updated once per table entry",
        ),
        **_EDGESHARD_BASELINES,
    },
    "edgeshard-throughput": {
        "run-length": Algorithm(
            f"{_EDGESHARD}.cpsat:throughput",
            "placewise.models.edgeshard.pipeline_cpsat:run_length_guarantee",
            "CP-SAT circuit through the stages' devices with layer counts; for equal layers",
            ("ortools",),
        ),
        "stages": Algorithm(
            f"{_EDGESHARD}.cpsat:stages",
            Guarantee.EXACT,
            "CP-SAT circuit with the first layer and the end of each stage; any layers",
            ("ortools",),
        ),
        "thresholds": Algorithm(
            f"{_EDGESHARD}.thresholds:run",
            "placewise.solvers.edgeshard.thresholds:guarantee",
            "bisection over bottlenecks, each decided by counting equal layers, or by reachability over sets of devices",
            ("numpy", "ortools"),
        ),
        "brute-force": _BRUTE_FORCE,
        "algorithm-2-repaired": Algorithm(
            f"{_EDGESHARD}.algorithm_2:run_repaired",
            f"{_EDGESHARD}.algorithm_2:repaired_guarantee",
            "the paper's Algorithm 2 in its sensible reading, vectorised over sets of devices",
        ),
        "algorithm-2": Algorithm(
            f"{_EDGESHARD}.algorithm_2:run",
            f"{_EDGESHARD}.algorithm_2:printed_guarantee",
            "the paper's Algorithm 2 as printed",
        ),
        **_EDGESHARD_BASELINES,
    },
    "edgeshard-batch": {
        "batches": Algorithm(
            f"{_EDGESHARD}.batches:run",
            Guarantee.EXACT,
            "the best pipeline of each batch size that can still win",
            ("numpy", "ortools"),
        ),
        "brute-force": _BRUTE_FORCE,
        "largest-batch": Algorithm(
            f"{_EDGESHARD}.batches:largest_batch",
            Guarantee.HEURISTIC,
            "the paper's way: the largest batch that fits, then its best pipeline",
            ("numpy", "ortools"),
        ),
        **{
            name: Algorithm(
                baseline.run.replace("edgeshard.baselines", "edgeshard.batches"),
                Guarantee.HEURISTIC,
                f"{baseline.summary}; the largest batch that fits",
            )
            for name, baseline in _EDGESHARD_BASELINES.items()
        },
    },
    "dilemma": {
        "labels": Algorithm(
            f"{_DILEMMA}.labels:run",
            Guarantee.EXACT,
            "labels bounded by a decomposition into a path and knapsacks, beside HiGHS; both modes",
            ("numpy", "highspy", "pyomo"),
        ),
        "tables": Algorithm(
            f"{_DILEMMA}.models:tables",
            Guarantee.EXACT,
            "CP-SAT with a table of hops between consecutive layers; both modes",
            ("ortools",),
        ),
        "textbook": Algorithm(
            f"{_DILEMMA}.models:textbook",
            Guarantee.EXACT,
            "the paper's ILP in PuLP, solved by CBC; both modes",
            ("pulp",),
        ),
        **{
            name: Algorithm(
                f"{_DILEMMA}.heuristics:{name.replace('-', '_')}",
                f"{_DILEMMA}.heuristics:guarantee",
                summary,
            )
            for name, summary in {
                "uniform-width": "one width for all layers, then servers",
                "greedy-bits": "bits lowered where that saves most computation per error, then servers",
                "quantize-then-place": "the smallest model that the bounds allow, then servers",
                "place-then-quantize": "servers and widths in turn, five times",
            }.items()
        },
        "brute-force": _BRUTE_FORCE,
    },
    "head-migration": {
        "step": Algorithm(
            f"{_HEADS}.step:run",
            f"{_HEADS}.step:guarantee",
            "limits on the heads' time with transports; exact for one interval, else the paper's myopic policy",
        ),
        "lookahead": Algorithm(
            f"{_HEADS}.lookahead:run",
            f"{_HEADS}.lookahead:guarantee",
            "dynamic programming over head counts, projection and network; few devices and heads",
        ),
        "horizon": Algorithm(
            f"{_HEADS}.horizon:run",
            Guarantee.EXACT,
            "steps and chunks of the horizon, HiGHS on what it can take at once; any size, with a gap",
            ("numpy", "highspy", "pyomo"),
        ),
        "counts-cp": Algorithm(
            f"{_HEADS}.cpsat:counts",
            Guarantee.EXACT,
            "CP-SAT on head counts, delays enforced by where projection and network are",
            ("ortools",),
        ),
        **{
            name: Algorithm(f"{_HEADS}.baselines:{name.replace('-', '_')}", Guarantee.HEURISTIC, summary)
            for name, summary in {
                "receding": "exact steps whose moves are spread over a window; the best of six windows",
                "greedy-delay": "network, projection, then each head where delay and its move grow least",
            }.items()
        },
        "resource-aware": Algorithm(
            f"{_HEADS}.resource_aware:literal",
            Guarantee.HEURISTIC,
            "the paper's Algorithm 1, each block scored alone",
        ),
        "resource-aware-residual": Algorithm(
            f"{_HEADS}.resource_aware:residual",
            Guarantee.HEURISTIC,
            "the paper's Algorithm 1 with a score that counts what is placed, and moves",
        ),
        **{
            name: Algorithm(
                f"{_HEADS}.baselines:{name.replace('-', '_')}",
                Guarantee.UNSAFE,
                f"the paper's baseline: {summary}",
            )
            for name, summary in {
                "greedy": "the first device that fits, in every interval",
                "round-robin": "blocks in turn",
                "static": "the first placement of resource-aware, kept",
                "dynamic": "the layer as one block, placed anew in every interval",
                "edgeshard-like": "the layer on the fastest device, kept",
                "galaxy-like": "two stages of two devices, kept",
            }.items()
        },
        "brute-force": _BRUTE_FORCE,
    },
    "head-migration-decoder": {
        "layer-by-layer": Algorithm(
            f"{_HEADS}.decoder:run",
            Guarantee.HEURISTIC,
            "the exact step of each layer in turn, in the memory that the layers before it leave",
        ),
        "brute-force": _BRUTE_FORCE,
    },
}

#: Tried in this order: the first that is exact for an instance is the default method.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "edgeshard-latency": ("run-length", "labels"),
    "edgeshard-throughput": ("thresholds", "run-length", "stages"),
    "edgeshard-batch": ("batches",),
    "dilemma": ("labels",),
    "head-migration": ("step", "lookahead", "horizon"),
    "head-migration-decoder": ("highs",),
}
#: Quick heuristics that go before every method that proves something, so that none ends empty-handed.
FIRST: dict[str, tuple[str, ...]] = {
    "edgeshard-latency": ("greedy",),
    "edgeshard-throughput": ("greedy",),
    "edgeshard-batch": ("greedy",),
    "dilemma": ("quantize-then-place",),
    "head-migration": ("greedy-delay",),
    "head-migration-decoder": ("layer-by-layer",),
}
#: Fast heuristics whose placements refute a false "infeasible".
PROBES: dict[str, tuple[str, ...]] = {
    "edgeshard-latency": ("greedy", "cloud-edge-opt", "algorithm-1-once"),
    "edgeshard-throughput": ("greedy", "cloud-edge-opt"),
    "edgeshard-batch": ("largest-batch", "cloud-edge-opt"),
    "dilemma": ("quantize-then-place", "uniform-width"),
    "head-migration": ("step", "receding"),
    "head-migration-decoder": ("layer-by-layer",),
}
