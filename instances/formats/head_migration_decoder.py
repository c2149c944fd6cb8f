"""The instance file of head-level placement with several decoder layers: that of one layer, and how many there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from placewise.instances.formats import head_migration
from placewise.instances.formats.head_migration import (
    InitialSpec,
    LayerOverTimeSpec,
    build_layer,
    initial_document,
    initial_form,
)
from placewise.models.errors import InstanceError
from placewise.models.head_migration.decoder import MAX_LAYERS, HeadMigrationDecoder


class DecoderSpec(LayerOverTimeSpec):
    """A file of ``head-migration-decoder``; ``initial_placement`` has an entry per layer."""

    problem: Literal["head-migration-decoder"]
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)]
    initial_placement: list[InitialSpec] | None = None


def build(spec: DecoderSpec) -> HeadMigrationDecoder:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    stated = spec.initial_placement
    if stated is None:
        return HeadMigrationDecoder(build_layer(spec), spec.layers)
    lengths = {placed.sequence_length for placed in stated}
    if len(lengths) > 1:
        raise InstanceError("initial_placement", "expected the same sequence_length in all layers")
    layer = build_layer(spec, None, next(iter(lengths), None))
    return HeadMigrationDecoder(layer, spec.layers, [initial_form(placed) for placed in stated])


def document(instance: HeadMigrationDecoder) -> dict[str, Any]:
    """Return an instance as its file."""
    length = instance.layer.initial_length
    head_migration.require_writable(instance.layer, placed=instance.initial is not None)
    content = head_migration.document(replace(instance.layer, initial_length=None))
    content |= {"problem": instance.problem, "name": instance.name, "layers": instance.layers}
    if instance.initial is not None:
        content["initial_placement"] = [
            initial_document(instance.cluster.device_names, now, length) for now in instance.initial
        ]
    return content
