"""A published model and a cluster file as an instance of any problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.instances.formats.common import ClusterSpec, build_cluster
from placewise.instances.importers.values import TOKEN_BYTES
from placewise.instances.schema import check
from placewise.models.dilemma.data import Dilemma, QuantizableLayer
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.data import EdgeShardInstance, chain_type
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.head_migration import HeadMigration, HeadMigrationDecoder, HeadTransformer

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.instances.importers.transformer_config import PublishedModel
    from placewise.models.cluster import Cluster

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
BIT_WIDTHS = (4, 6, 8, 16)


def read_cluster(document: Any) -> Cluster:
    """Return the devices and links of a cluster file: what an instance file has under ``cluster``."""
    if isinstance(document, dict) and "cluster" in document:
        document = document["cluster"]
    return build_cluster(check(ClusterSpec, document))


def instance_of(model: PublishedModel, cluster: Cluster, problem: str, sequence_length: int) -> Any:
    """Return the instance of a problem.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is the source, or the controller.
    problem : str
        Any but those of several decoder layers over time.
    sequence_length : int
        Tokens of KV cache per layer.

    Raises
    ------
    PlacewiseError
        For another problem.
    """
    if problem not in BUILDERS:
        raise PlacewiseError(f"--problem: expected one of {', '.join(BUILDERS)}, found {problem!r}")
    return BUILDERS[problem](model, cluster, problem, sequence_length)


def _common(model: PublishedModel, cluster: Cluster, problem: str) -> dict[str, Any]:
    name = f"{model.transformer.name}-{cluster.size}-devices-{problem}"
    stored = f"{model.bytes_per_parameter} bytes per parameter"
    if model.weight_bytes:
        stored = f"{sum(model.weight_bytes) / 1e9:.4g} GB of weights"
    text = f"{model.transformer.name} with {stored} on {cluster.size} devices"
    return {"name": name, "cluster": cluster, "description": text}


def _require_nominal(model: PublishedModel) -> None:
    if model.weight_bytes:
        raise PlacewiseError(
            "--problem: expected one of the EdgeShard problems for a file whose weights are quantised already; "
            "the others take a config.json"
        )


def _require_rates(cluster: Cluster, *, memory: bool) -> None:
    for key, values in (
        ("flops_per_s", cluster.flops_per_s),
        ("memory_bytes_per_s", cluster.memory_bytes_per_s),
    ):
        if (key == "flops_per_s" or memory) and (values is None or np.isnan(values).any()):
            raise InstanceError(f"devices.{key}", "expected it for every device: times follow from it")


def _chain(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> EdgeShardInstance:
    _require_rates(cluster, memory=True)
    layers = model.layers(length)
    return chain_type(problem)(
        **_common(model, cluster, problem),
        layers=layers,
        return_bytes=TOKEN_BYTES,
    )


def _batch(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> EdgeShardBatch:
    _require_rates(cluster, memory=True)
    layers = model.layers(length, separate_cache=True)
    return EdgeShardBatch(
        **_common(model, cluster, problem),
        layers=layers,
        batch_sizes=BATCH_SIZES,
        return_bytes=TOKEN_BYTES,
    )


def _widths(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> Dilemma:
    _require_nominal(model)
    _require_rates(cluster, memory=False)
    shape = model.transformer
    flops = 2.0 * shape.decoder_parameters + 4.0 * length * shape.width_of_head * shape.attention_heads
    layer = QuantizableLayer(
        "decoder", flops, shape.decoder_parameters, float(shape.hidden_size), 8 * model.bytes_per_parameter
    )
    widths = tuple(width for width in BIT_WIDTHS if width <= 8 * model.bytes_per_parameter)
    # Rounding to b bits leaves half a unit in the last place; weights are not read, so all layers are alike.
    error = np.array([[0.5 / 2.0**width for width in widths]] * shape.decoder_layers)
    return Dilemma(
        **_common(model, cluster, problem),
        layers=(layer,) * shape.decoder_layers,
        bit_widths=widths,
        quantization_error=error,
        error_budget=float(shape.decoder_layers * 0.5 / 2.0**8),
    )


def _heads(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> HeadMigration:
    _require_nominal(model)
    _require_rates(cluster, memory=False)
    shape = model.transformer
    if shape.head_size not in (None, shape.hidden_size // shape.attention_heads):
        raise InstanceError(
            "head_dim", "expected hidden_size / num_attention_heads: the paper's heads share D"
        )
    return HeadMigration(
        **_common(model, cluster, problem),
        transformer=HeadTransformer(
            shape.attention_heads,
            shape.hidden_size,
            bytes_per_parameter=model.bytes_per_parameter,
            prompt_tokens=length,
            kv="per-head",
            execution="cached",
            kv_heads=None if shape.key_value_heads == shape.attention_heads else shape.key_value_heads,
            parameters_in_memory=True,
        ),
        intervals=10,
    )


def _decoder(model: PublishedModel, cluster: Cluster, problem: str, length: int) -> HeadMigrationDecoder:
    layer = _heads(model, cluster, "head-migration", length)
    name = _common(model, cluster, problem)["name"]
    return HeadMigrationDecoder(layer, model.transformer.decoder_layers, name=name)


BUILDERS: dict[str, Callable[[PublishedModel, Cluster, str, int], Any]] = {
    "edgeshard-latency": _chain,
    "edgeshard-throughput": _chain,
    "edgeshard-batch": _batch,
    "dilemma": _widths,
    "head-migration": _heads,
    "head-migration-decoder": _decoder,
}
