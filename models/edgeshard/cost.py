"""EdgeShard's equations as tables; everything else reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.units import choose_tick, to_ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.workload import Layer


@dataclass(frozen=True, eq=False)
class TimeTables:
    """All times of an instance, each rounded once to a multiple of the tick.

    Parameters
    ----------
    compute_s : ndarray, shape (N, M)
        ``t_comp^(i,j)``: layer i on device j.
    messages_s : ndarray, shape (U, M, M)
        Eq. 1 for each distinct message size.
    message : ndarray of int, shape (N,)
        Which message a layer's output is; read it through `transfer_s`.
    return_s : ndarray, shape (M,)
        ``t_comm^(N-1,j,0)``: the generated token from device j to the source (Eq. 6).
    tick_s : float
        The tick, a power of two; every sum of entries is exact in float64.
    """

    compute_s: NDArray[np.float64]
    messages_s: NDArray[np.float64]
    message: NDArray[np.intp]
    return_s: NDArray[np.float64]
    tick_s: float

    def transfer_s(self, layer: int) -> NDArray[np.float64]:
        """``t_comm^(i,k,j)`` of a layer's output, shape (M, M): row = sender, infinity without a link."""
        matrix: NDArray[np.float64] = self.messages_s[self.message[layer]]
        return matrix


@lru_cache(maxsize=16)
def time_tables(instance: EdgeShardInstance) -> TimeTables:
    """Return the tables behind Eq. 2 and the return trip of Eq. 6 (kept for instances in use)."""
    cluster, source = instance.cluster, instance.source
    outputs = [layer.output_bytes for layer in instance.layers]
    sizes = sorted(set(outputs))
    compute_s = instance.compute_time_s
    messages_s = np.stack([cluster.transfer_time_s(size) for size in sizes])
    message = np.array([sizes.index(size) for size in outputs], dtype=np.intp)
    if instance.return_bytes > 0:
        return_s = cluster.transfer_time_s(instance.return_bytes)[:, source]
    else:
        return_s = np.zeros(cluster.size)

    largest_s = np.where(np.isfinite(messages_s), messages_s, 0).max(axis=(1, 2))
    horizon_s = (
        compute_s.max(axis=1).sum()
        + largest_s[message[:-1]].sum()
        + return_s[np.isfinite(return_s)].max(initial=0)
    )
    reference_s = compute_s[0, source] + compute_s[1:].min(axis=1).sum()
    tick_s = choose_tick(float(reference_s), float(horizon_s), entries=2 * len(outputs))
    return TimeTables(
        compute_s=to_ticks(compute_s, tick_s),
        messages_s=to_ticks(messages_s, tick_s),
        message=message,
        return_s=to_ticks(return_s, tick_s),
        tick_s=tick_s,
    )


def latency_floor_s(instance: EdgeShardInstance) -> float:
    """Return a bound on the latency: layer 0 on the source, every other layer where it is fastest, no transfers."""
    costs = time_tables(instance)
    rest_s = costs.compute_s[1:].min(axis=1).sum()
    return float(costs.compute_s[0, instance.source] + rest_s + costs.return_s.min())


def bottleneck_floor_s(instance: EdgeShardInstance) -> float:
    """Return a bound on the bottleneck: the slowest layer where it is fastest, and an even share of all layers."""
    costs = time_tables(instance)
    fastest_s = costs.compute_s.min(axis=1)
    share_s = fastest_s.sum() / min(instance.cluster.size, len(fastest_s))
    return float(max(costs.compute_s[0, instance.source], fastest_s.max(), share_s))


def bottleneck_values_s(instance: EdgeShardInstance) -> NDArray[np.float64]:
    """Return all values that the bottleneck of a pipeline can have, ascending: times of runs, transfers, returns."""
    costs = time_tables(instance)
    before = np.vstack([np.zeros(instance.cluster.size), np.cumsum(costs.compute_s, axis=0)])
    runs = [before[i + 1 :] - before[i] for i in range(len(instance.layers))]
    values = np.concatenate([*(run.ravel() for run in runs), costs.messages_s.ravel(), costs.return_s])
    return np.unique(values[np.isfinite(values)])


def prefill_time_s(instance: EdgeShardInstance, prompt_tokens: int) -> NDArray[np.float64]:
    """Return the compute times of a whole prompt: a roofline where decode times are one, else token by token.

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
    """Return compute times from peak rates: ``max(flops / flops_per_s, weight_bytes / memory_bytes_per_s)``.

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
    weights = np.array(
        [
            np.nan if layer.weight_bytes is None else layer.weight_bytes + layer.cache_bytes * tokens
            for layer in layers
        ]
    )
    rates = [missing if rate is None else rate for rate in (cluster.flops_per_s, cluster.memory_bytes_per_s)]
    with np.errstate(divide="ignore", invalid="ignore"):
        work_s = flops[:, None] / rates[0]
        read_s = weights[:, None] / rates[1]
    return np.asarray(np.maximum(work_s, read_s), dtype=np.float64)
