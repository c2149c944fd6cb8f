"""Every problem's file format: those of the package, and those that other packages bring."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from placewise.instances.folder import DATA
from placewise.instances.format import Format
from placewise.instances.formats import (
    dilemma,
    edgeshard,
    edgeshard_batch,
    graph,
    head_migration,
    head_migration_decoder,
    replicated,
)
from placewise.instances.generators import alike, numbers, pipeedge
from placewise.instances.generators import dilemma as dilemma_family
from placewise.instances.generators import edgeshard as edgeshard_family
from placewise.instances.generators import edgeshard_batch as batch_family
from placewise.instances.generators import graph as graph_family
from placewise.instances.generators import head_migration as heads_family
from placewise.instances.generators import head_migration_decoder as decoder_family
from placewise.instances.generators import replicated as replicated_family
from placewise.instances.generators import rules as rules_family
from placewise.instances.importers import replicas, with_cluster
from placewise.models.dilemma.problems import DILEMMA
from placewise.models.edgeshard.data import EdgeShardInstance, EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.problems import BATCH, LATENCY, THROUGHPUT
from placewise.models.errors import PlacewiseError
from placewise.models.graph.problems import GRAPH, GRAPH_LATENCY
from placewise.models.head_migration.problems import DECODER, HEAD_MIGRATION
from placewise.models.plugins import offered
from placewise.models.registry import problem_named
from placewise.models.replicated.problems import REPLICATED

if TYPE_CHECKING:
    from collections.abc import Callable

#: Group of the entry points, ``NAME = module:FORMAT``, by which packages bring formats of their problems.
ENTRY_POINTS = "placewise.formats"

_CHAINS: dict[str, Callable[..., EdgeShardInstance]] = {
    "alike": alike.alike,
    "slow-source": alike.slow_source,
    "testbed": edgeshard_family.paper_testbed,
    "tight": edgeshard_family.tight,
    "tiny": edgeshard_family.tiny,
    "zeros": numbers.zeros,
    "tiny-rules": rules_family.tiny,
}

#: The formats of the package, in the order of its problems.
FORMATS: dict[str, Format[Any]] = {
    described.problem.name: described
    for described in (
        Format(
            LATENCY,
            edgeshard.EdgeShardSpec,
            edgeshard.build,
            edgeshard.document,
            _CHAINS,
            partial(with_cluster.chain, EdgeShardLatency),
            DATA / "edgeshard",
        ),
        Format(
            THROUGHPUT,
            edgeshard.EdgeShardSpec,
            edgeshard.build,
            edgeshard.document,
            {**_CHAINS, "pipeedge": pipeedge.measured},
            partial(with_cluster.chain, EdgeShardThroughput),
            DATA / "edgeshard",
        ),
        Format(
            BATCH,
            edgeshard_batch.EdgeShardBatchSpec,
            edgeshard_batch.build,
            edgeshard_batch.document,
            {
                "testbed": batch_family.paper_testbed,
                "tiny": batch_family.tiny,
                "tiny-rules": rules_family.tiny,
                "tiny-in-flight": batch_family.tiny_in_flight,
            },
            with_cluster.batch,
            DATA / "edgeshard",
        ),
        Format(
            DILEMMA,
            dilemma.DilemmaSpec,
            dilemma.build,
            dilemma.document,
            {
                "decimals": numbers.decimals,
                "opt": dilemma_family.opt,
                "smollm2": dilemma_family.smollm2,
                "tiny": dilemma_family.tiny,
            },
            with_cluster.widths,
            DATA / "dilemma",
        ),
        Format(
            HEAD_MIGRATION,
            head_migration.HeadMigrationSpec,
            head_migration.build,
            head_migration.document,
            {"network": heads_family.network, "tiny": heads_family.tiny},
            with_cluster.heads,
            DATA / "head_migration",
        ),
        Format(
            DECODER,
            head_migration_decoder.DecoderSpec,
            head_migration_decoder.build,
            head_migration_decoder.document,
            {"network": decoder_family.network, "tiny": decoder_family.tiny},
            with_cluster.decoder,
            DATA / "head_migration",
        ),
        Format(
            REPLICATED,
            replicated.ReplicatedSpec,
            replicated.build,
            replicated.document,
            {"clusters": replicated_family.clusters, "tiny": replicated_family.tiny},
            replicas.replicated,
            DATA / "replicated",
        ),
        Format(
            GRAPH,
            graph.GraphSpec,
            graph.build,
            graph.document,
            {"tiny": graph_family.tiny, "branches": graph_family.branches},
            None,
            DATA / "graph",
        ),
        Format(
            GRAPH_LATENCY,
            graph.LatencySpec,
            graph.build_latency,
            graph.document,
            {"tiny": graph_family.tiny_latency, "branches": graph_family.branches_latency},
            None,
            DATA / "graph_latency",
        ),
    )
}


@cache
def formats() -> dict[str, Format[Any]]:
    """Return all formats by their problem's name, those of other packages last.

    Raises
    ------
    PlacewiseError
        Where a package brings a second format of a problem, or something that is none.
    """
    found = dict(FORMATS)
    for point, described in offered(ENTRY_POINTS):
        if not isinstance(described, Format):
            raise PlacewiseError(f"{point}: expected a Format, found {type(described).__name__}")
        if described.problem.name in found:
            raise PlacewiseError(f"{point}: {described.problem.name} has a format")
        found[described.problem.name] = described
    return found


def format_named(problem: str) -> Format[Any]:
    """Return the format of a problem, or say which problems there are, or that this one brings none."""
    described = problem_named(problem)
    known = FORMATS.get(problem) or formats().get(problem)
    if known is None:
        raise PlacewiseError(f"{described.name}: no package brings its file format ({ENTRY_POINTS})")
    return known
