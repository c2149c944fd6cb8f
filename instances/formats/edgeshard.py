"""The instance file of the EdgeShard problems."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from placewise.instances.formats.common import (
    Amount,
    Bytes,
    Count,
    Head,
    Name,
    Part,
    Positive,
    build_cluster,
    cluster_document,
    expand,
    known,
    require_shape,
)
from placewise.instances.formats.rules import RulesSpec, build_rules, rules_document
from placewise.models.edgeshard.data import MAX_LAYERS, EdgeShardInstance, chain_type
from placewise.models.edgeshard.request import MOST_TOKENS, Request
from placewise.models.edgeshard.times import Stated
from placewise.models.workload import Experts, Layer


class ExpertsSpec(Part):
    """Experts of a layer; ``weight_bytes`` are those of the active ones, and of what every token reads."""

    count: Count
    active: Positive
    each_bytes: Amount


class LayerSpec(Part):
    """One layer, or ``repeat`` equal ones in a row."""

    name: Name
    memory_bytes: Bytes
    output_bytes: Amount
    flops: Amount | None = None
    weight_bytes: Amount | None = None
    #: Tensors that other layers use too, with bytes that ``memory_bytes`` leaves out.
    shared: dict[Name, Bytes] = Field(default_factory=dict)
    experts: ExpertsSpec | None = None
    repeat: Count = 1


#: Rows of seconds.
Table = list[list[float]]
LayerSpecT = TypeVar("LayerSpecT", bound=LayerSpec)


class ModelSpec(Part):
    """The layers in order."""

    layers: Annotated[list[LayerSpec], Field(min_length=1, max_length=4096)]


class RequestSpec(Part):
    """Prompt and answer of each sequence, and which of its passes the objective counts."""

    prompt_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    new_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    counts: Literal["decode", "prefill", "request"] = "decode"

    def build(self) -> Request:
        """Return what it states."""
        return Request(self.prompt_tokens, self.new_tokens, self.counts)


class EdgeShardSpec(Head, RulesSpec):
    """A file of ``edgeshard-latency`` or ``edgeshard-throughput``."""

    problem: Literal["edgeshard-latency", "edgeshard-throughput"]
    model: ModelSpec
    compute_time_s: list[list[Amount]] | None = None
    source_device: Name | None
    #: Sent by a source that computes nothing to wherever the first layer is.
    input_bytes: Amount | None = None
    return_bytes: Amount = 0.0
    request: RequestSpec | None = None
    latency_occupies: bool = False


def build(spec: EdgeShardSpec) -> EdgeShardInstance:
    """Build an instance from a checked file; raise `InstanceError` with the path of what is wrong."""
    cluster = build_cluster(spec.cluster)
    layers = tuple(build_layer(s) for s in repeated(spec.model.layers))
    if spec.compute_time_s is not None:
        require_shape(spec.compute_time_s, (len(layers), cluster.size), "compute_time_s")
    layers, times = with_input(spec.input_bytes, layers, spec.compute_time_s, cluster.size)
    return chain_type(spec.problem)(
        cluster,
        layers,
        source=spec.source_device,
        compute_time_s=times,
        return_bytes=spec.return_bytes,
        rules=build_rules(spec),
        request=None if spec.request is None else spec.request.build(),
        latency_occupies=spec.latency_occupies,
        name=spec.name,
        description=spec.description,
        reference=spec.reference,
    )


def build_layer(spec: LayerSpec, cache_bytes: float = 0) -> Layer:
    """Build one layer.

    Parameters
    ----------
    spec : LayerSpec
        As checked.
    cache_bytes : float
        KV cache per sequence.
    """
    return Layer(
        spec.name,
        int(spec.memory_bytes),
        spec.output_bytes,
        spec.flops,
        spec.weight_bytes,
        cache_bytes=int(cache_bytes),
        shared=spec.shared,
        experts=None if spec.experts is None else Experts(**spec.experts.model_dump()),
    )


def with_input(
    input_bytes: float | None, layers: tuple[Layer, ...], times: Table | None, size: int
) -> tuple[tuple[Layer, ...], Table | None]:
    """Return layers and times with a first layer of nothing, which stays on the source and sends the input on.

    Parameters
    ----------
    input_bytes : float or None
        Of the input per token; None: the first layer itself stays on the source.
    layers : tuple of Layer
        N of them.
    times : list of list or None
        Seconds, N rows of M.
    size : int
        M.

    Returns
    -------
    (tuple of Layer, list of list or None)
        The same, or both with the first layer before them.
    """
    if input_bytes is None:
        return layers, times
    first = Layer("input", 0, input_bytes, flops=0, weight_bytes=0)
    return (first, *layers), None if times is None else [[0.0] * size, *times]


def repeated(specs: list[LayerSpecT]) -> list[LayerSpecT]:
    """Return the layers in order, each as often as it says."""
    return [spec for spec, _ in expand(specs, "repeat", MAX_LAYERS, "model.layers")]


def document(instance: EdgeShardInstance) -> dict[str, Any]:
    """Return an instance as its file."""
    cluster = instance.cluster
    content: dict[str, Any] = {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": cluster_document(cluster),
        "model": {"layers": layers_document(instance.layers)},
        "source_device": None if instance.source is None else cluster.device_names[instance.source],
        "return_bytes": instance.return_bytes,
    }
    content |= rules_document(instance.rules, cluster.device_names)
    if isinstance(instance.times, Stated):
        content["compute_time_s"] = instance.times.time_s.tolist()
    return content | passes_document(instance.request, latency_occupies=instance.latency_occupies)


def passes_document(request: Request | None, *, latency_occupies: bool) -> dict[str, Any]:
    """Return what an instance says about requests and links, as its file; nothing where it says nothing.

    Parameters
    ----------
    request : Request or None
        Prompt and answer of each sequence.
    latency_occupies : bool
        Whether a link's latency occupies it.
    """
    content: dict[str, Any] = {}
    if request is not None:
        content["request"] = asdict(request)
    if latency_occupies:
        content["latency_occupies"] = True
    return content


def layers_document(layers: tuple[Layer, ...]) -> list[dict[str, Any]]:
    """Return layers as their file, equal ones in a row once."""
    specs: list[dict[str, Any]] = []
    for position, layer in enumerate(layers):
        if position and layer == layers[position - 1]:
            specs[-1]["repeat"] = specs[-1].get("repeat", 1) + 1
            continue
        spec: dict[str, Any] = {
            "name": layer.name,
            "memory_bytes": layer.memory_bytes,
            "output_bytes": layer.output_bytes,
        }
        if layer.cache_bytes:
            spec["cache_bytes"] = layer.cache_bytes
        if layer.shared:
            spec["shared"] = dict(layer.shared)
        if layer.experts is not None:
            spec["experts"] = dict(vars(layer.experts))
        specs.append(spec | known(flops=layer.flops, weight_bytes=layer.weight_bytes))
    return specs
