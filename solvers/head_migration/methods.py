"""The methods of head-level placement, of one layer and of several; the first of each table are exact."""

from __future__ import annotations

from placewise.models.problem import Guarantee
from placewise.solvers.execution.method import BOUND, PROGRESS, SEED, THREADS, WARM_START, Algorithm
from placewise.solvers.head_migration import (
    baselines,
    cpsat,
    decoder,
    horizon,
    lookahead,
    modes,
    resource_aware,
    step,
)

HEAD_MIGRATION = (
    Algorithm(
        "step",
        step.run,
        step.guarantee,
        "limits on the heads' time with transports; exact for one interval, else the paper's myopic policy",
    ),
    Algorithm(
        "lookahead",
        lookahead.run,
        lookahead.guarantee,
        "dynamic programming over head counts, projection and network; few devices and heads",
        abilities=frozenset({BOUND}),
    ),
    Algorithm(
        "modes",
        modes.run,
        modes.guarantee,
        "prices of heads bound the statement on modes, walks along them, HiGHS on what is left; long horizons",
        ("numpy", "scipy", "highspy", "pyomo"),
        frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED}),
    ),
    Algorithm(
        "horizon",
        horizon.run,
        Guarantee.EXACT,
        "steps and chunks of the horizon, HiGHS on what it can take at once; any size, with a gap",
        ("numpy", "highspy", "pyomo"),
        frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED}),
    ),
    Algorithm(
        "counts-cp",
        cpsat.counts,
        Guarantee.EXACT,
        "CP-SAT on head counts, delays enforced by where projection and network are",
        ("ortools",),
        frozenset({WARM_START, PROGRESS, BOUND, SEED}),
    ),
    Algorithm(
        "receding",
        baselines.receding,
        Guarantee.HEURISTIC,
        "exact steps whose moves are spread over a window; the best of six windows",
    ),
    Algorithm(
        "greedy-delay",
        baselines.greedy_delay,
        Guarantee.HEURISTIC,
        "network, projection, then each head where delay and its move grow least",
    ),
    Algorithm(
        "resource-aware",
        resource_aware.literal,
        Guarantee.HEURISTIC,
        "the paper's Algorithm 1, each block scored alone",
    ),
    Algorithm(
        "resource-aware-residual",
        resource_aware.residual,
        Guarantee.HEURISTIC,
        "the paper's Algorithm 1 with a score that counts what is placed, and moves",
    ),
    *(
        Algorithm(name, function, Guarantee.UNSAFE, f"the paper's baseline: {summary}")
        for name, function, summary in (
            ("greedy", baselines.greedy, "the first device that fits, in every interval"),
            ("round-robin", baselines.round_robin, "blocks in turn"),
            ("static", baselines.static, "the first placement of resource-aware, kept"),
            ("dynamic", baselines.dynamic, "the layer as one block, placed anew in every interval"),
            ("edgeshard-like", baselines.edgeshard_like, "the layer on the fastest device, kept"),
            (
                "edgeshard-source",
                baselines.edgeshard_source,
                "the layer on the controller, where EdgeShard's Eq. 4 puts a first layer, kept",
            ),
            ("galaxy-like", baselines.galaxy_like, "two stages of two devices, kept"),
        )
    ),
)

DECODER = (
    Algorithm(
        "bounded",
        decoder.bounded,
        Guarantee.EXACT,
        "the heuristics below, then HiGHS where a bound of the equations leaves a gap",
        ("numpy", "highspy", "pyomo"),
        frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED}),
    ),
    Algorithm(
        "one-device",
        decoder.one_device,
        Guarantee.HEURISTIC,
        "all layers on one device that holds them, kept there",
    ),
    Algorithm(
        "layer-by-layer",
        decoder.run,
        Guarantee.HEURISTIC,
        "the exact step of each layer in turn, in the memory that the layers before it leave",
    ),
)
