"""The methods of DILEMMA; the first are exact."""

from __future__ import annotations

from placewise.models.problem import Guarantee
from placewise.solvers.dilemma import heuristics, labels, models
from placewise.solvers.execution.method import BOUND, PROGRESS, SEED, THREADS, WARM_START, Algorithm

DILEMMA = (
    Algorithm(
        "labels",
        labels.run,
        Guarantee.EXACT,
        "labels bounded by a path and knapsacks, annealing, branch and price, HiGHS; both modes",
        ("numpy", "highspy", "pyomo"),
        frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED}),
    ),
    Algorithm(
        "tables",
        models.tables,
        Guarantee.EXACT,
        "CP-SAT with a table of hops between consecutive layers; both modes",
        ("ortools",),
        frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED}),
    ),
    Algorithm(
        "textbook",
        models.textbook,
        Guarantee.EXACT,
        "the paper's ILP in PuLP, solved by CBC; both modes",
        ("pulp",),
        frozenset({BOUND, THREADS, SEED}),
    ),
    *(
        Algorithm(name, function, heuristics.guarantee, summary)
        for name, function, summary in (
            ("uniform-width", heuristics.uniform_width, "one width for all layers, then servers"),
            (
                "greedy-bits",
                heuristics.greedy_bits,
                "bits lowered where that saves most computation per error, then servers",
            ),
            (
                "quantize-then-place",
                heuristics.quantize_then_place,
                "the smallest model that the bounds allow, then servers",
            ),
            (
                "place-then-quantize",
                heuristics.place_then_quantize,
                "servers and widths in turn, five times",
            ),
        )
    ),
)
