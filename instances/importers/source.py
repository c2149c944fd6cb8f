"""Where the input is: the device that a cluster file names as the source, or as the controller of heads."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from placewise.instances.formats.edgeshard import with_input
from placewise.instances.importers.values import TOKEN_BYTES
from placewise.models.dilemma.data import Dilemma
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.data import EdgeShardInstance
from placewise.models.errors import InstanceError
from placewise.models.head_migration import HeadMigrationDecoder


def with_source(instance: Any, source: int) -> Any:
    """Return an instance whose input is at another device.

    A chain's first layer stays at its source (Eq. 4 of EdgeShard). Where that has no memory, this layer is the number of
    a token, which it sends on, and the embedding may be anywhere else.

    Parameters
    ----------
    instance : Instance
        Of a published model on a cluster.
    source : int
        Index of the device.

    Raises
    ------
    InstanceError
        Where a problem of another package has no source to be named.
    """
    if isinstance(instance, EdgeShardInstance | EdgeShardBatch):
        first = instance.layers[0]
        if instance.cluster.memory_bytes[source] == 0 and (first.alone_bytes or first.flops):
            layers, _ = with_input(TOKEN_BYTES, instance.layers, None, instance.cluster.size)
            return replace(instance, source=source, layers=layers)
        return instance if source == instance.source else replace(instance, source=source)
    if source == 0 or isinstance(instance, Dilemma):  # whose servers are all alike to its requests
        return instance
    if isinstance(instance, HeadMigrationDecoder):
        return replace(instance, layer=with_source(instance.layer, source))
    if is_dataclass(instance) and not isinstance(instance, type):
        for name in ("source", "controller"):
            if name in {field.name for field in fields(instance)}:
                return replace(instance, **{name: source})
    raise InstanceError("source", f"expected none: {instance.problem} has no source")


def noted(instance: Any, note: str) -> Any:
    """Return an instance whose description also says what its devices' figures rest on.

    Parameters
    ----------
    instance : Instance
        Of any problem; one without a description stays as it is.
    note : str
        Empty for nothing.
    """
    if not note:
        return instance
    if isinstance(instance, HeadMigrationDecoder):
        return replace(instance, layer=noted(instance.layer, note))
    if not is_dataclass(instance) or isinstance(instance, type):
        return instance
    if "description" not in {field.name for field in fields(instance)}:
        return instance
    before: str = getattr(instance, "description")  # noqa: B009 - of whatever problem
    return replace(instance, description=f"{before}; {note}"[:10_000])
