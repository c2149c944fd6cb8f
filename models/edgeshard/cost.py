"""EdgeShard's equations as tables; everything else reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.time_range import (
    TimeRange,
    fits_whole_numbers,
    least_sufficient,
    reachable,
    require_finite,
)
from placewise.models.units import to_ticks

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
        The tick, a power of two; sums of less than 2**53 ticks are exact in float64.
    whole_numbers : bool
        Whether 64-bit solvers can count the ticks of any placement.
    """

    compute_s: NDArray[np.float64]
    messages_s: NDArray[np.float64]
    message: NDArray[np.intp]
    return_s: NDArray[np.float64]
    tick_s: float
    whole_numbers: bool

    def transfer_s(self, layer: int) -> NDArray[np.float64]:
        """``t_comm^(i,k,j)`` of a layer's output, shape (M, M): row = sender, infinity without a link."""
        matrix: NDArray[np.float64] = self.messages_s[self.message[layer]]
        return matrix

    @property
    def hops_s(self) -> NDArray[np.float64]:
        """Times of the messages between layers, shape (U', M, M): what only the last layer sends goes nowhere."""
        return np.asarray(self.messages_s[np.unique(self.message[:-1])])


@lru_cache(maxsize=16)
def time_tables(instance: EdgeShardInstance) -> TimeTables:
    """Return the tables behind Eq. 2 and the return trip of Eq. 6 (kept for instances in use)."""
    cluster, source = instance.cluster, instance.source
    outputs = [layer.output_bytes for layer in instance.layers]
    sizes = sorted(set(outputs))
    compute_s = instance.compute_time_s
    with np.errstate(over="ignore"):
        messages_s = np.stack([cluster.transfer_time_s(size) for size in sizes])
    require_finite(messages_s, cluster.bandwidth_bytes_per_s)
    message = np.array([sizes.index(size) for size in outputs], dtype=np.intp)
    if instance.return_bytes > 0:
        with np.errstate(over="ignore"):
            token_s = cluster.transfer_time_s(instance.return_bytes)
        to_source = np.where(np.arange(cluster.size) == source, cluster.bandwidth_bytes_per_s, 0.0)
        require_finite(token_s, to_source)
        return_s = token_s[:, source]
    else:
        return_s = np.zeros(cluster.size)

    largest_s = np.where(np.isfinite(messages_s), messages_s, 0).max(axis=(1, 2))
    horizon_s = float(
        compute_s.max(axis=1).sum()
        + largest_s[message[:-1]].sum()
        + return_s[np.isfinite(return_s)].max(initial=0)
    )
    usable, links_s = _usable(instance), messages_s[np.unique(message[:-1])]
    latency = instance.problem == "edgeshard-latency"
    tick_s = TimeRange(
        reference_s=float(compute_s[0, source] + compute_s[1:].min(axis=1).sum()),
        horizon_s=horizon_s,
        summed_s=float(compute_s.sum(axis=0).max()),
        # A bottleneck sums one stage, and is at least the share of it among all stages.
        entries=len(outputs) * (2 if latency else min(len(outputs), cluster.size)),
        scale_s=lambda: _scale_s(instance, usable, links_s.min(axis=0, initial=np.inf), return_s),
        least_s=lambda: min(
            float(times[(times > 0) & np.isfinite(times)].min(initial=horizon_s))
            for times in (compute_s[usable], links_s, return_s)
        ),
    ).tick()
    return TimeTables(
        compute_s=to_ticks(compute_s, tick_s),
        messages_s=to_ticks(messages_s, tick_s),
        message=message,
        return_s=to_ticks(return_s, tick_s),
        tick_s=tick_s,
        whole_numbers=fits_whole_numbers(horizon_s, tick_s),
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


def _usable(instance: EdgeShardInstance) -> NDArray[np.bool_]:
    """Return which layers can be on which devices, beside layer 0 on the source; shape (N, M)."""
    need, source = instance.memory_bytes, instance.source
    left = instance.cluster.memory_bytes.copy()
    left[source] -= need[0]
    usable: NDArray[np.bool_] = (need[:, None] <= left[None, :]) & (left[source] >= 0)
    usable[0] = False
    usable[0, source] = left[source] >= 0
    return usable


def _scale_s(
    instance: EdgeShardInstance,
    usable: NDArray[np.bool_],
    link_s: NDArray[np.float64],
    return_s: NDArray[np.float64],
) -> float | None:
    """Return a time that some part of every placement takes at least; None where there is no placement.

    With less, the devices within reach of the source do not hold all layers: those links, layers and returns that take
    no longer are looked at.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    usable : ndarray of bool, shape (N, M)
        Which layers can be on which devices.
    link_s : ndarray, shape (M, M)
        Least time of any message over each link.
    return_s : ndarray, shape (M,)
        Of the generated token.
    """
    need, memory = instance.memory_bytes, instance.cluster.memory_bytes

    def suffices(time_s: float) -> bool:
        hosts = usable & (instance.compute_time_s <= time_s)
        hosts[-1] &= return_s <= time_s
        hosts &= reachable(link_s <= time_s, instance.source)
        held = np.minimum((need[:, None] * hosts).sum(axis=0), memory)
        return bool(hosts.any(axis=1).all() and sum(held.tolist()) >= sum(need.tolist()))

    times = (instance.compute_time_s[usable], link_s.ravel(), return_s)
    return least_sufficient(np.concatenate([[0.0], *times]), suffices)


def bottleneck_values_s(instance: EdgeShardInstance) -> NDArray[np.float64]:
    """Return all values that the bottleneck of a pipeline can have, ascending: times of runs, transfers, returns."""
    costs = time_tables(instance)
    before = np.vstack([np.zeros(instance.cluster.size), np.cumsum(costs.compute_s, axis=0)])
    runs = [before[i + 1 :] - before[i] for i in range(len(instance.layers))]
    values = np.concatenate([*(run.ravel() for run in runs), costs.messages_s.ravel(), costs.return_s])
    return np.unique(values[np.isfinite(values)])


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
    overhead_s = 0.0 if cluster.layer_overhead_s is None else cluster.layer_overhead_s
    return np.asarray(np.maximum(work_s, read_s) + overhead_s, dtype=np.float64)
