"""A published model and a cluster file as an instance of each problem; the first device is the source, or the controller."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.instances.importers.values import TOKEN_BYTES
from placewise.models.dilemma.data import Dilemma, QuantizableLayer
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.head_migration import HeadMigration, HeadMigrationDecoder, HeadTransformer
from placewise.models.time_model import left_out

if TYPE_CHECKING:
    from placewise.instances.importers.transformer_config import PublishedModel
    from placewise.models.cluster import Cluster
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.time_model import TimeModel

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
BIT_WIDTHS = (4, 6, 8, 16)


def read_cluster(document: Any) -> Cluster:
    """Return the devices and links of a cluster file: what an instance file has under ``cluster``, or with units."""
    return read_cluster_file(document).cluster


def _common(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> dict[str, Any]:
    return {
        "name": f"{model.name}-{cluster.size}-devices-{problem}",
        "cluster": cluster,
        "description": model.description(length),
    }


def _require_nominal(model: PublishedModel) -> None:
    if model.quantized:
        raise PlacewiseError(
            "--problem: expected one of the EdgeShard problems for a file whose weights are quantised already; "
            "the others take a config.json"
        )


def require_rates(cluster: Cluster, *, memory: bool) -> None:
    """Refuse a device that does not state how fast it is, by `InstanceError` with the way on.

    Parameters
    ----------
    cluster : Cluster
        Of M devices.
    memory : bool
        Whether they must also state how fast they read.
    """
    for key, values in (
        ("flops_per_s", cluster.flops_per_s),
        ("memory_bytes_per_s", cluster.memory_bytes_per_s),
    ):
        unknown = np.ones(cluster.size, dtype=bool) if values is None else np.isnan(values)
        if (key == "flops_per_s" or memory) and unknown.any():
            name = cluster.device_names[int(np.argmax(unknown))]
            raise InstanceError(
                f"devices.{key}",
                f"expected it for every device: times follow from it; {name!r} states none (placewise devices lists "
                "what makers state, placewise profile measures)",
            )


def _time_model(cluster: Cluster) -> TimeModel:
    """Return ``roofline`` where all devices say how fast they read: decoding is bound by it."""
    rates = cluster.memory_bytes_per_s
    return "flops" if rates is None or np.isnan(rates).any() else "roofline"


def _timed(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> dict[str, Any]:
    """Return what is common to problems with a time model, and what their times leave out."""
    common, time_model = _common(model, cluster, problem, length), _time_model(cluster)
    common["description"] += f"; the times leave out {', '.join(left_out(time_model))}"
    return common | {"time_model": time_model}


def chain(
    kind: type[EdgeShardInstance], model: PublishedModel, cluster: Cluster, length: int
) -> EdgeShardInstance:
    """Return an instance of one of the problems of a chain of layers.

    Parameters
    ----------
    kind : type
        Class of the instance.
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is the source.
    length : int
        Tokens of KV cache per layer.

    Raises
    ------
    InstanceError
        Where a device's rates are not stated.
    """
    require_rates(cluster, memory=True)
    layers = model.layers(length)
    return kind(
        **_common(model, cluster, kind.problem, length),
        layers=layers,
        return_bytes=TOKEN_BYTES,
    )


def batch(model: PublishedModel, cluster: Cluster, length: int) -> EdgeShardBatch:
    """Return an instance with the batch sizes `BATCH_SIZES`.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is the source.
    length : int
        Tokens of KV cache per layer.

    Raises
    ------
    InstanceError
        Where a device's rates are not stated.
    """
    require_rates(cluster, memory=True)
    layers = model.layers(length, separate_cache=True)
    return EdgeShardBatch(
        **_common(model, cluster, EdgeShardBatch.problem, length),
        layers=layers,
        batch_sizes=BATCH_SIZES,
        return_bytes=TOKEN_BYTES,
    )


def widths(model: PublishedModel, cluster: Cluster, length: int) -> Dilemma:
    """Return an instance with the widths `BIT_WIDTHS`, as far as the model's own.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where.
    length : int
        Tokens of KV cache per layer.

    Raises
    ------
    InstanceError
        Where a device's rates are not stated.
    PlacewiseError
        On a file whose weights are quantised already.
    """
    _require_nominal(model)
    if model.experts:
        raise PlacewiseError(
            "--problem: expected one of the EdgeShard problems for a model with experts: a layer of DILEMMA reads all "
            "its weights"
        )
    require_rates(cluster, memory=False)
    bits = 8 * model.bytes_per_parameter
    layers = tuple(
        QuantizableLayer(
            layer.name,
            float(layer.flops or 0),
            sum(tensor.parameters for tensor in block.tensors),
            float(model.hidden_size),
            bits,
        )
        for layer, block in zip(
            replace(model, split_experts=False).layers(length)[1:-1], model.blocks, strict=True
        )
    )
    widths = tuple(width for width in BIT_WIDTHS if width <= bits)
    # Rounding to b bits leaves half a unit in the last place; weights are not read, so all layers are alike.
    error = np.array([[0.5 / 2.0**width for width in widths]] * len(layers))
    return Dilemma(
        **_timed(model, cluster, Dilemma.problem, length),
        layers=layers,
        bit_widths=widths,
        quantization_error=error,
        error_budget=float(len(layers) * 0.5 / 2.0**8),
    )


def heads(model: PublishedModel, cluster: Cluster, length: int) -> HeadMigration:
    """Return an instance of one decoder layer over ten intervals.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is the controller.
    length : int
        Tokens of the prompt.

    Raises
    ------
    InstanceError
        Where a device's rates are not stated, or the heads have a size of their own.
    PlacewiseError
        On a file whose weights are quantised already.
    """
    _require_nominal(model)
    require_rates(cluster, memory=False)
    shape = model.transformer
    if shape is None:
        raise PlacewiseError(
            "--problem: expected another one: the paper's layer has one feed-forward network, and heads that keep keys "
            "and values of their own"
        )
    # Table I counts a multiply-add as one, so as many as there are weights.
    network = (3 if shape.gated else 2) * shape.hidden_size * shape.intermediate_size
    if shape.head_size not in (None, shape.hidden_size // shape.attention_heads):
        raise InstanceError(
            "head_dim", "expected hidden_size / num_attention_heads: the paper's heads share D"
        )
    return HeadMigration(
        **_timed(model, cluster, HeadMigration.problem, length),
        transformer=HeadTransformer(
            shape.attention_heads,
            shape.hidden_size,
            bytes_per_parameter=model.bytes_per_parameter,
            prompt_tokens=length,
            kv="per-head",
            execution="cached",
            kv_heads=None if shape.key_value_heads == shape.attention_heads else shape.key_value_heads,
            parameters_in_memory=True,
            ffn_parameters=network,
            ffn_flops_factor=network / shape.hidden_size**2,
        ),
        intervals=10,
    )


def decoder(model: PublishedModel, cluster: Cluster, length: int) -> HeadMigrationDecoder:
    """Return an instance of all decoder layers over ten intervals.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is the controller.
    length : int
        Tokens of the prompt.

    Raises
    ------
    InstanceError, PlacewiseError
        As `heads`.
    """
    layer = heads(model, cluster, length)
    name = _common(model, cluster, HeadMigrationDecoder.problem, length)["name"]
    return HeadMigrationDecoder(layer, len(model.blocks), name=name)
