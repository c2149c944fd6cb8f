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
    time_model_document,
)
from placewise.models.cluster import require_tables
from placewise.models.errors import InstanceError
from placewise.models.head_migration.blocks import HeadTransformer
from placewise.models.head_migration.data import MAX_INTERVALS, DevicesOverTime, HeadMigration, Interval
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
    ffn_parameters: Annotated[int, Field(ge=0, le=2**47)] | None = None


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
    time_model: Literal["flops", "roofline"] = "flops"
    memory_bytes: list[Bytes] | list[list[Bytes]] | None = None
    flops_per_s: list[Amount] | list[list[Amount]] | None = None
    bandwidth_bytes_per_s: list[list[Amount | None]] | list[list[list[Amount | None]]] | None = None


class HeadMigrationSpec(LayerOverTimeSpec):
    """A file of ``head-migration``."""

    problem: Literal["head-migration"]
    initial_placement: InitialSpec | None = None


def build(spec: HeadMigrationSpec) -> HeadMigration:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    stated = spec.initial_placement
    if stated is None:
        return build_layer(spec)
    return build_layer(spec, initial_form(stated), stated.sequence_length)


def build_layer(
    spec: LayerOverTimeSpec, initial: dict[str, Any] | None = None, initial_length: int | None = None
) -> HeadMigration:
    """Build the layer and the devices over time.

    Parameters
    ----------
    spec : LayerOverTimeSpec
        The checked document.
    initial : dict, optional
        Where the blocks are before the first interval, as `initial_form` returns it.
    initial_length : int, optional
        Tokens in the KV cache by then.
    """
    cluster = build_cluster(spec.cluster)
    size, count = cluster.size, spec.intervals
    require_tables("intervals", count, size, size)
    shapes: dict[str, tuple[int, ...]] = {
        "memory_bytes": (count, size),
        "flops_per_s": (count, size),
        "bandwidth_bytes_per_s": (count, size, size),
    }
    tables = {
        key: _over_time(getattr(spec, key), shape, key)
        for key, shape in shapes.items()
        if getattr(spec, key) is not None
    }
    return HeadMigration(
        name=spec.name,
        cluster=cluster,
        transformer=HeadTransformer(**spec.transformer.model_dump()),
        over_time=DevicesOverTime(count, **tables),
        controller=0 if spec.controller is None else spec.controller,
        tokens_per_interval=spec.tokens_per_interval,
        initial=initial,
        initial_length=initial_length,
        policy=spec.policy,
        input_from_controller=spec.input_from_controller,
        overlap=spec.overlap,
        time_model=spec.time_model,
        description=spec.description,
        reference=spec.reference,
    )


def initial_form(stated: InitialSpec) -> dict[str, Any]:
    """Return the stated placement of one layer as the instance takes it."""
    return stated.model_dump(exclude={"sequence_length"})


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


def document(instance: HeadMigration) -> dict[str, Any]:
    """Return an instance as its file."""
    names, cluster = instance.cluster.device_names, instance.cluster
    require_writable(instance, placed=instance.initial is not None)
    content: dict[str, Any] = {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": cluster_document(cluster),
        "transformer": _transformer_document(instance.transformer),
        "intervals": instance.intervals,
        "tokens_per_interval": instance.tokens_per_interval,
        "controller": names[instance.controller],
        "policy": instance.policy,
        "input_from_controller": instance.input_from_controller,
        "overlap": instance.overlap,
        **time_model_document(instance.time_model),
    }
    for key, values in instance.over_time.stated.items():
        steady = values[0] if (values == values[0]).all() else values
        content[key] = steady.tolist()
    if instance.initial is not None:
        content["initial_placement"] = initial_document(names, instance.initial, instance.initial_length)
    return content


def _transformer_document(transformer: HeadTransformer) -> dict[str, Any]:
    """Return a layer as its file, which says nothing of the network's weights where they are the paper's."""
    return {
        key: value for key, value in vars(transformer).items() if (key, value) != ("ffn_parameters", None)
    }


def require_writable(instance: HeadMigration, *, placed: bool) -> None:
    """Refuse what no file can say: a length at a placement that is not stated.

    Parameters
    ----------
    instance : HeadMigration
        What is to be written.
    placed : bool
        Whether a placement before the first interval is stated.

    Raises
    ------
    InstanceError
        At ``initial_length``.
    """
    if instance.initial_length is not None and not placed:
        raise InstanceError("initial_length", "expected None without a placement before the first interval")


def initial_document(names: tuple[str, ...], placed: Interval, length: int | None) -> dict[str, Any]:
    """Return the placement of one layer before the first interval.

    Parameters
    ----------
    names : tuple of str
        Of the M devices.
    placed : Interval
        Where the blocks are.
    length : int or None
        Tokens in the KV cache; None is not written.
    """
    return interval_json(names, placed) | ({} if length is None else {"sequence_length": length})
