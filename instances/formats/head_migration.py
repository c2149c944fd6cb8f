"""The instance file of head-level placement with migration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from placewise.instances.formats.common import (
    Amount,
    Bytes,
    Head,
    Name,
    Part,
    build_cluster,
    cluster_document,
    require_shape,
)
from placewise.models.cluster import require_tables, whole_bytes
from placewise.models.errors import InstanceError
from placewise.models.head_migration.blocks import HeadTransformer
from placewise.models.head_migration.data import MAX_INTERVALS, HeadMigrationInstance, Interval
from placewise.models.head_migration.placement import interval_json

Positive = Annotated[int, Field(ge=1, le=2**20)]


class TransformerSpec(Part):
    """The layer and how it is read."""

    heads: Annotated[int, Field(ge=1, le=4096)]
    kv_heads: Annotated[int, Field(ge=1, le=4096)] | None = None
    embedding_dim: Positive
    bytes_per_parameter: Annotated[int, Field(ge=1, le=16)] = 4
    prompt_tokens: Annotated[int, Field(ge=0, le=2**24)] = 64
    ffn_flops_factor: Amount = 8.0
    kv: Literal["table", "per-head"] = "table"
    execution: Literal["full", "cached"] = "full"
    parameters_in_memory: bool = False


class InitialSpec(Part):
    """Where the blocks are before the first interval."""

    heads: list[Name]
    proj: Name
    ffn: Name
    sequence_length: Annotated[int, Field(ge=0, le=2**24)] | None = None


class LayerOverTimeSpec(Head):
    """A layer and devices over time; arrays are M, or T x M, and M x M, or T x M x M."""

    transformer: TransformerSpec
    intervals: Annotated[int, Field(ge=1, le=MAX_INTERVALS)]
    tokens_per_interval: Annotated[int, Field(ge=1, le=2**20)] = 1
    controller: Name | None = None
    policy: Literal["lookahead", "myopic"] = "lookahead"
    input_from_controller: bool = False
    overlap: bool = False
    memory_bytes: list[Bytes] | list[list[Bytes]] | None = None
    flops_per_s: list[Amount] | list[list[Amount]] | None = None
    bandwidth_bytes_per_s: list[list[Amount | None]] | list[list[list[Amount | None]]] | None = None


class HeadMigrationSpec(LayerOverTimeSpec):
    """A file of ``head-migration``."""

    problem: Literal["head-migration"]
    initial_placement: InitialSpec | None = None


#: What `placewise.instances.schema` checks a document against.
SPEC = HeadMigrationSpec


def build(spec: HeadMigrationSpec) -> HeadMigrationInstance:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    names = cluster_names(spec)
    initial, length = None, None
    if spec.initial_placement is not None:
        initial = read_initial(spec, spec.initial_placement, names, "initial_placement")
        length = spec.initial_placement.sequence_length
    return build_layer(spec, initial, length)


def build_layer(
    spec: LayerOverTimeSpec, initial: Interval | None, initial_length: int | None
) -> HeadMigrationInstance:
    """Build the layer and the devices over time."""
    cluster = build_cluster(spec.cluster)
    names, size, count = cluster.device_names, cluster.size, spec.intervals
    require_tables("intervals", count, size, size)
    memory = cluster.memory_bytes if spec.memory_bytes is None else spec.memory_bytes
    if spec.flops_per_s is None and (cluster.flops_per_s is None or np.isnan(cluster.flops_per_s).any()):
        raise InstanceError("flops_per_s", "expected FLOP/s here, or of every device of the cluster")
    speed = cluster.flops_per_s if spec.flops_per_s is None else spec.flops_per_s
    links = (
        cluster.bandwidth_bytes_per_s if spec.bandwidth_bytes_per_s is None else spec.bandwidth_bytes_per_s
    )
    return HeadMigrationInstance(
        name=spec.name,
        problem="head-migration",
        cluster=cluster,
        transformer=HeadTransformer(**spec.transformer.model_dump()),
        memory_bytes=whole_bytes(
            _over_time(memory, (count, size), "memory_bytes"), (count, size), "memory_bytes"
        ),
        flops_per_s=_over_time(speed, (count, size), "flops_per_s"),
        bandwidth_bytes_per_s=_over_time(links, (count, size, size), "bandwidth_bytes_per_s"),
        controller=0 if spec.controller is None else _device(names, spec.controller, "controller"),
        tokens_per_interval=spec.tokens_per_interval,
        initial=initial,
        initial_length=initial_length,
        policy=spec.policy,
        input_from_controller=spec.input_from_controller,
        overlap=spec.overlap,
        description=spec.description,
        reference=spec.reference,
    )


def _device(names: tuple[str, ...], name: str, path: str) -> int:
    if name not in names:
        raise InstanceError(path, f"expected a device of the cluster, found {name!r}")
    return names.index(name)


def cluster_names(spec: LayerOverTimeSpec) -> tuple[str, ...]:
    """Return the devices' names."""
    return build_cluster(spec.cluster).device_names


def read_initial(spec: LayerOverTimeSpec, stated: InitialSpec, names: tuple[str, ...], path: str) -> Interval:
    """Return the stated placement of one layer."""
    units = spec.transformer.kv_heads or spec.transformer.heads
    if len(stated.heads) != units:
        raise InstanceError(f"{path}.heads", f"expected {units} devices, found {len(stated.heads)}")
    heads = tuple(_device(names, name, f"{path}.heads[{i}]") for i, name in enumerate(stated.heads))
    proj, ffn = (_device(names, getattr(stated, key), f"{path}.{key}") for key in ("proj", "ffn"))
    return Interval(heads, proj, ffn)


def _over_time(values: Any, shape: tuple[int, ...], path: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values per interval; what has one dimension less holds in all of them."""
    if isinstance(values, list):
        depth = 1
        inner = values[0] if values else None
        while isinstance(inner, list):
            depth, inner = depth + 1, inner[0] if inner else None
        expected = shape if depth == len(shape) else shape[1:]
        if len(expected) == 1:
            if len(values) != expected[0]:
                raise InstanceError(path, f"expected {expected[0]} values, found {len(values)}")
        elif len(expected) == 2:
            require_shape(values, (expected[0], expected[1]), path)
        else:
            if len(values) != expected[0]:
                raise InstanceError(path, f"expected {expected[0]} matrices, found {len(values)}")
            for t, matrix in enumerate(values):
                require_shape(matrix, (expected[1], expected[2]), f"{path}[{t}]")
    array = np.array(values, dtype=np.float64)  # null becomes NaN
    if np.isnan(array).any():
        diagonal = np.zeros(array.shape, dtype=bool)
        if array.ndim >= 2 and array.shape[-1] == array.shape[-2]:
            diagonal[..., np.arange(array.shape[-1]), np.arange(array.shape[-1])] = True
        if (np.isnan(array) & ~diagonal).any():
            raise InstanceError(path, "expected numbers, found null (only the diagonal is null)")
        array = np.where(np.isnan(array), 0.0, array)
    return np.broadcast_to(array, shape).copy()


def document(instance: HeadMigrationInstance) -> dict[str, Any]:
    """Return an instance as its file."""
    names, cluster = instance.cluster.device_names, instance.cluster
    content: dict[str, Any] = {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": cluster_document(cluster),
        "transformer": dict(vars(instance.transformer)),
        "intervals": instance.intervals,
        "tokens_per_interval": instance.tokens_per_interval,
        "controller": names[instance.controller],
        "policy": instance.policy,
        "input_from_controller": instance.input_from_controller,
        "overlap": instance.overlap,
    }
    for key, usual in (
        ("memory_bytes", cluster.memory_bytes),
        ("flops_per_s", cluster.flops_per_s),
        ("bandwidth_bytes_per_s", cluster.bandwidth_bytes_per_s),
    ):
        values = getattr(instance, key)
        if usual is None or not (values == usual).all():
            steady = values[0] if (values == values[0]).all() else values
            content[key] = steady.tolist()
    if instance.initial is not None:
        content["initial_placement"] = interval_json(names, instance.initial)
        if instance.initial_length is not None:
            content["initial_placement"]["sequence_length"] = instance.initial_length
    return content
