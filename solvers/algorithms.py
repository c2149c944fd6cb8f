"""The algorithms of each problem; a package that brings a problem brings its algorithms by entry points."""

from __future__ import annotations

from typing import Any

from placewise.models.dilemma.problems import DILEMMA
from placewise.models.edgeshard.problems import BATCH, LATENCY, THROUGHPUT
from placewise.models.graph.problems import GRAPH, GRAPH_LATENCY
from placewise.models.head_migration.problems import DECODER, HEAD_MIGRATION
from placewise.models.replicated.problems import REPLICATED
from placewise.solvers import brute_force
from placewise.solvers.dilemma import methods as dilemma
from placewise.solvers.edgeshard import methods as edgeshard
from placewise.solvers.execution.method import Algorithm
from placewise.solvers.graph import methods as graph
from placewise.solvers.graph import samples
from placewise.solvers.head_migration import methods as head_migration
from placewise.solvers.replicated import methods as replicated

#: Of every problem.
BRUTE_FORCE: Algorithm[Any] = Algorithm(
    "brute-force",
    brute_force.run,
    brute_force.guarantee,
    "every placement, evaluated; the oracle for tiny instances",
    honours=None,
)

ALGORITHMS: dict[str, tuple[Algorithm[Any], ...]] = {
    LATENCY.name: edgeshard.LATENCY,
    THROUGHPUT.name: edgeshard.THROUGHPUT,
    BATCH.name: edgeshard.BATCH,
    DILEMMA.name: dilemma.DILEMMA,
    HEAD_MIGRATION.name: head_migration.HEAD_MIGRATION,
    DECODER.name: head_migration.DECODER,
    REPLICATED.name: replicated.REPLICATED_METHODS,
    GRAPH.name: graph.GRAPH_METHODS,
    GRAPH_LATENCY.name: samples.LATENCY_METHODS,
}
