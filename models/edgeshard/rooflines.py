"""Compute times from peak rates: the longer of arithmetic and of reading weights and caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.workload import Layer


def prefill_time_s(instance: EdgeShardInstance, prompt_tokens: int) -> NDArray[np.float64]:
    """Return the compute times of a whole prompt: a roofline where decode times are one, else token by token.

    Parameters
    ----------
    instance : EdgeShardInstance
        Layers and devices.
    prompt_tokens : int
        Length of the prompt.

    Returns
    -------
    ndarray, shape (N, M)
        Seconds of layer i for all tokens of the prompt on device j.
    """
    layers, cluster = instance.layers, instance.cluster
    by_rates = roofline_time_s(layers, cluster) == instance.compute_time_s
    return np.where(
        by_rates, roofline_time_s(layers, cluster, prompt_tokens), instance.compute_time_s * prompt_tokens
    )


def roofline_time_s(layers: tuple[Layer, ...], cluster: Cluster, tokens: int = 1) -> NDArray[np.float64]:
    """Return compute times from rates: ``max(flops / flops_per_s, weight_bytes / memory_bytes_per_s) + layer_overhead_s``.

    Parameters
    ----------
    layers : tuple of Layer
        N layers.
    cluster : Cluster
        M devices.
    tokens : int
        Computed at once, of as many sequences: the work grows with them, the weights are read once, each cache once.

    Returns
    -------
    ndarray, shape (N, M)
        Seconds; NaN where a layer or a device does not say enough.
    """
    missing = np.full(cluster.size, np.nan)
    flops = np.array([np.nan if layer.flops is None else layer.flops * tokens for layer in layers])
    read = [layer.read_bytes(tokens) for layer in layers]
    weights = np.array([np.nan if size is None else size for size in read])
    rates = [missing if rate is None else rate for rate in (cluster.flops_per_s, cluster.memory_bytes_per_s)]
    with np.errstate(divide="ignore", invalid="ignore"):
        work_s = flops[:, None] / rates[0]
        read_s = weights[:, None] / rates[1]
    overhead_s = 0.0 if cluster.layer_overhead_s is None else cluster.layer_overhead_s
    return np.asarray(np.maximum(work_s, read_s) + overhead_s, dtype=np.float64)
