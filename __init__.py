"""Which device runs which part of a large language model, with proof.

    import placewise

    result = placewise.solve(placewise.read("llama2-7b-testbed"))

Names are loaded when they are used: ``import placewise`` itself costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; `typing` is not loaded for it
if TYPE_CHECKING:
    from placewise import benchmarks as benchmarks
    from placewise import cli as cli
    from placewise import instances as instances
    from placewise import models as models
    from placewise import solvers as solvers
    from placewise.instances import (
        convert,
        generate,
        instance_hash,
        read,
        shipped_instances,
        to_document,
        write,
    )
    from placewise.models.cluster import Cluster
    from placewise.models.devices import Device
    from placewise.models.dilemma import Dilemma, QuantizableLayer
    from placewise.models.edgeshard import (
        EdgeShardBatch,
        EdgeShardLatency,
        EdgeShardThroughput,
        Roofline,
        Stated,
    )
    from placewise.models.errors import InstanceError, NotApplicableError, PlacewiseError
    from placewise.models.graph import GraphLatency, GraphThroughput
    from placewise.models.head_migration import (
        DevicesOverTime,
        HeadMigration,
        HeadMigrationDecoder,
        HeadTransformer,
        Interval,
    )
    from placewise.models.problem import Evaluation, Guarantee, Violation
    from placewise.models.registry import evaluate
    from placewise.models.replicated import NodeType, ReplicatedThroughput
    from placewise.models.workload import Layer, Transformer
    from placewise.solvers import Parameters, Status, VerifiedResult, compare, explain, solve
    from placewise.solvers.bridge import GapReport
    from placewise.solvers.certificates.make import certify
    from placewise.solvers.evidence.result import Conflict, Progress
    from placewise.solvers.explanation.explain import Explanation
    from placewise.solvers.solve import InterruptedResult

    __version__: str

#: The names of each module.
_HOMES = {
    "placewise.instances": "convert generate instance_hash read shipped_instances to_document write",
    "placewise.solvers": "Parameters Status VerifiedResult compare explain solve",
    "placewise.solvers.bridge": "GapReport",
    "placewise.solvers.certificates.make": "certify",
    "placewise.solvers.evidence.result": "Conflict Progress",
    "placewise.solvers.explanation.explain": "Explanation",
    "placewise.solvers.solve": "InterruptedResult",
    "placewise.models.cluster": "Cluster",
    "placewise.models.devices": "Device",
    "placewise.models.dilemma.data": "Dilemma QuantizableLayer",
    "placewise.models.edgeshard.batches": "EdgeShardBatch",
    "placewise.models.edgeshard.data": "EdgeShardLatency EdgeShardThroughput",
    "placewise.models.edgeshard.times": "Roofline Stated",
    "placewise.models.errors": "InstanceError NotApplicableError PlacewiseError",
    "placewise.models.head_migration.blocks": "HeadTransformer",
    "placewise.models.head_migration.data": "HeadMigration Interval",
    "placewise.models.head_migration.decoder": "HeadMigrationDecoder",
    "placewise.models.head_migration.over_time": "DevicesOverTime",
    "placewise.models.problem": "Evaluation Guarantee Violation",
    "placewise.models.registry": "evaluate",
    "placewise.models.graph.data": "GraphLatency GraphThroughput",
    "placewise.models.replicated.data": "NodeType ReplicatedThroughput",
    "placewise.models.workload": "Layer Transformer",
}
_NAMES = {name: module for module, names in _HOMES.items() for name in names.split()}
_ROOMS = ("benchmarks", "cli", "instances", "models", "solvers")

__all__ = [
    "Cluster",
    "Conflict",
    "Device",
    "DevicesOverTime",
    "Dilemma",
    "EdgeShardBatch",
    "EdgeShardLatency",
    "EdgeShardThroughput",
    "Evaluation",
    "Explanation",
    "GapReport",
    "GraphLatency",
    "GraphThroughput",
    "Guarantee",
    "HeadMigration",
    "HeadMigrationDecoder",
    "HeadTransformer",
    "InstanceError",
    "InterruptedResult",
    "Interval",
    "Layer",
    "NodeType",
    "NotApplicableError",
    "Parameters",
    "PlacewiseError",
    "Progress",
    "QuantizableLayer",
    "ReplicatedThroughput",
    "Roofline",
    "Stated",
    "Status",
    "Transformer",
    "VerifiedResult",
    "Violation",
    "__version__",
    "certify",
    "compare",
    "convert",
    "evaluate",
    "explain",
    "generate",
    "instance_hash",
    "read",
    "shipped_instances",
    "solve",
    "to_document",
    "write",
]


if not TYPE_CHECKING:  # a type checker finds a name that does not exist

    def __getattr__(name: str) -> object:
        """Load a name, or a room, when it is first used."""
        from importlib import import_module

        if name in _NAMES:
            value = getattr(import_module(_NAMES[name]), name)
        elif name in (*_ROOMS, "testing"):
            value = import_module(f"placewise.{name}")
        elif name == "__version__":
            from importlib.metadata import version

            value = version("placewise")
        else:
            raise AttributeError(f"module 'placewise' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS, "testing"})
