"""The instance file of DILEMMA."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from placewise.instances.formats.common import (
    WHOLE,
    Amount,
    Bytes,
    ClusterSpec,
    Count,
    DeviceSpec,
    Head,
    Name,
    Part,
    Positive,
    build_cluster,
    cluster_document,
    expand,
    require_shape,
    time_model_document,
)
from placewise.models.dilemma.data import MAX_LAYERS, Dilemma, QuantizableLayer

Whole = Annotated[float, Field(ge=0, le=2**47), *WHOLE]
Bits = Annotated[int, Field(ge=1, le=64)]


class ServerSpec(Part):
    """One server, or ``count`` equal ones."""

    name: Name
    count: Count = 1
    storage_bytes: Bytes
    flops_per_s: Positive
    memory_bytes_per_s: Positive | None = None


class ServersSpec(ClusterSpec):
    """Servers and bandwidths."""

    devices: Annotated[list[ServerSpec], Field(min_length=1, max_length=4096)]  # type: ignore[assignment]


class QuantizableLayerSpec(Part):
    """One layer, or ``repeat`` equal ones in a row."""

    name: Name
    flops: Amount
    parameters: Whole
    output_elements: Amount
    original_bits: Bits = 32
    repeat: Count = 1


class QuantizableModelSpec(Part):
    """The layers in order."""

    layers: Annotated[list[QuantizableLayerSpec], Field(min_length=1, max_length=4096)]


class DilemmaSpec(Head):
    """A file of ``dilemma``."""

    problem: Literal["dilemma"]
    cluster: ServersSpec
    mode: Literal["corrected", "as-printed"] = "corrected"
    time_model: Literal["flops", "roofline"] = "flops"
    tokens: Annotated[int, Field(ge=1, le=2**31)] = 1
    model: QuantizableModelSpec
    bit_widths: Annotated[list[Bits], Field(min_length=1, max_length=64)]
    quantization_error: list[list[Amount]]
    max_error: Amount | None = None
    error_budget: Amount | None = None


def build(spec: DilemmaSpec) -> Dilemma:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    layers = tuple(
        QuantizableLayer(s.name, s.flops, int(s.parameters), s.output_elements, s.original_bits)
        for s, _ in expand(spec.model.layers, "repeat", MAX_LAYERS, "model.layers")
    )
    require_shape(spec.quantization_error, (len(layers), len(spec.bit_widths)), "quantization_error")
    devices = [
        DeviceSpec(
            name=s.name,
            count=s.count,
            memory_bytes=s.storage_bytes,
            flops_per_s=s.flops_per_s,
            memory_bytes_per_s=s.memory_bytes_per_s,
        )
        for s in spec.cluster.devices
    ]
    cluster = ClusterSpec(
        devices=devices,
        bandwidth_bytes_per_s=spec.cluster.bandwidth_bytes_per_s,
        latency_s=spec.cluster.latency_s,
    )
    return Dilemma(
        name=spec.name,
        cluster=build_cluster(cluster),
        layers=layers,
        bit_widths=tuple(spec.bit_widths),
        quantization_error=np.array(spec.quantization_error, dtype=np.float64),
        mode=spec.mode,
        time_model=spec.time_model,
        tokens=spec.tokens,
        max_error=spec.max_error,
        error_budget=spec.error_budget,
        description=spec.description,
        reference=spec.reference,
    )


def document(instance: Dilemma) -> dict[str, Any]:
    """Return an instance as its file."""
    cluster = cluster_document(instance.cluster)
    for device in cluster["devices"]:
        device["storage_bytes"] = device.pop("memory_bytes")
    layers: list[dict[str, Any]] = []
    for position, layer in enumerate(instance.layers):
        if position and layer == instance.layers[position - 1]:
            layers[-1]["repeat"] = layers[-1].get("repeat", 1) + 1
        else:
            layers.append(dict(vars(layer)))
    return {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": cluster,
        "mode": instance.mode,
        **time_model_document(instance.time_model),
        "tokens": instance.tokens,
        "model": {"layers": layers},
        "bit_widths": list(instance.bit_widths),
        "quantization_error": instance.quantization_error.tolist(),
        "max_error": instance.max_error,
        "error_budget": instance.error_budget,
    }
