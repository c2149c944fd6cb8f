"""The instance file of head-level placement with several decoder layers: that of one layer, and how many there are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from placewise.instances.formats import head_migration
from placewise.instances.formats.head_migration import (
    InitialSpec,
    LayerOverTimeSpec,
    build_layer,
    cluster_names,
    read_initial,
)
from placewise.models.errors import InstanceError
from placewise.models.head_migration.decoder import MAX_LAYERS, DecoderInstance
from placewise.models.head_migration.placement import interval_json


class DecoderSpec(LayerOverTimeSpec):
    """A file of ``head-migration-decoder``; ``initial_placement`` has an entry per layer."""

    problem: Literal["head-migration-decoder"]
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)]
    initial_placement: list[InitialSpec] | None = None


#: What `placewise.instances.schema` checks a document against.
SPEC = DecoderSpec


def build(spec: DecoderSpec) -> DecoderInstance:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    names, initial, length = cluster_names(spec), None, None
    if spec.initial_placement is not None:
        lengths = {stated.sequence_length for stated in spec.initial_placement}
        if len(lengths) > 1:
            raise InstanceError("initial_placement", "expected the same sequence_length in all layers")
        length = next(iter(lengths), None)
        initial = tuple(
            read_initial(spec, stated, names, f"initial_placement[{n}]")
            for n, stated in enumerate(spec.initial_placement)
        )
    return DecoderInstance(
        name=spec.name,
        problem=spec.problem,
        layer=build_layer(spec, None, length),
        layers=spec.layers,
        initial=initial,
    )


def document(instance: DecoderInstance) -> dict[str, Any]:
    """Return an instance as its file."""
    content = head_migration.document(instance.layer)
    content |= {"problem": instance.problem, "name": instance.name, "layers": instance.layers}
    if instance.initial is not None:
        names, length = instance.cluster.device_names, instance.layer.initial_length
        content["initial_placement"] = [
            interval_json(names, now) | ({} if length is None else {"sequence_length": length})
            for now in instance.initial
        ]
    return content
