"""The methods of replicated throughput; the first of the table is exact."""

from __future__ import annotations

from typing import Any

from placewise.models.problem import Guarantee
from placewise.models.replicated.data import PARTIAL_INFERENCE
from placewise.solvers.execution.method import BOUND, PROGRESS, SEED, THREADS, WARM_START, Algorithm
from placewise.solvers.replicated import plans, rules

_BOTH = frozenset({PARTIAL_INFERENCE})

REPLICATED_METHODS: tuple[Algorithm[Any], ...] = (
    Algorithm(
        "plans",
        plans.run,
        Guarantee.EXACT,
        "plans by cells in series, bounds by patterns of a layer, and the interval MILP where they leave a gap",
        ("numpy", "scipy", "ortools", "highspy"),
        frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED}),
        _BOTH,
    ),
    Algorithm(
        "petals",
        rules.petals,
        Guarantee.HEURISTIC,
        "servers join one by one, each where layers are served worst",
        honours=_BOTH,
    ),
    Algorithm(
        "swarm",
        rules.swarm,
        Guarantee.HEURISTIC,
        "equal stages, nodes go where tokens per second are fewest",
        honours=_BOTH,
    ),
)
