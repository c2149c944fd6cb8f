"""The algorithms of each problem, imported when a problem is asked for; packages bring theirs by entry points."""

from __future__ import annotations

from functools import cache
from pkgutil import resolve_name
from typing import Any

from placewise.solvers import brute_force
from placewise.solvers.execution.method import Algorithm

#: Of every problem.
BRUTE_FORCE: Algorithm[Any] = Algorithm(
    "brute-force",
    brute_force.run,
    brute_force.guarantee,
    "every placement, evaluated; the oracle for tiny instances",
    honours=None,
)

#: Where those of the package are. A solve imports those of its problem alone.
_TABLES = {
    "edgeshard-latency": "edgeshard.methods:LATENCY",
    "edgeshard-throughput": "edgeshard.methods:THROUGHPUT",
    "edgeshard-batch": "edgeshard.methods:BATCH",
    "dilemma": "dilemma.methods:DILEMMA",
    "head-migration": "head_migration.methods:HEAD_MIGRATION",
    "head-migration-decoder": "head_migration.methods:DECODER",
    "replicated-throughput": "replicated.methods:REPLICATED_METHODS",
    "graph-throughput": "graph.methods:GRAPH_METHODS",
    "graph-latency": "graph.samples:LATENCY_METHODS",
}


def module_of(problem: str) -> str | None:
    """Return the module of a problem's own algorithms, if the package has any."""
    return f"placewise.solvers.{_TABLES[problem].partition(':')[0]}" if problem in _TABLES else None


@cache
def algorithms_of(problem: str) -> tuple[Algorithm[Any], ...]:
    """Return a problem's own algorithms, the default first; none of a problem of another package."""
    own: tuple[Algorithm[Any], ...] = ()
    if problem in _TABLES:
        own = resolve_name(f"placewise.solvers.{_TABLES[problem]}")
    return (*own, BRUTE_FORCE)
