"""EdgeShard's equations as tables; everything else reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.memory import bytes_beside_first, used_bytes
from placewise.models.edgeshard.rooflines import prefill_time_s
from placewise.models.time_range import (
    TimeRange,
    fits_whole_numbers,
    least_sufficient,
    reachable,
    require_finite,
)
from placewise.models.units import ROUNDING_TOLERANCE, to_ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.models.edgeshard.data import EdgeShardInstance


@dataclass(frozen=True, eq=False)
class TimeTables:
    """All times of an instance, each rounded once to a multiple of the tick.

    Parameters
    ----------
    compute_s : ndarray, shape (N, M)
        ``t_comp^(i,j)``: layer i on device j.
    messages_s : ndarray, shape (U, M, M)
        Eq. 1 for each distinct message size; in a pipeline how long it occupies the link.
    message : ndarray of int, shape (N,)
        Which message a layer's output is; read it through `transfer_s` and `delay_s`.
    return_s : ndarray, shape (M,)
        ``t_comm^(N-1,j,0)``: the generated token from device j to the source (Eq. 6), likewise.
    delays_s, return_delay_s : ndarray, shapes (U, M, M) and (M,)
        How long the same messages are under way: with the link's latency.
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
    delays_s: NDArray[np.float64]
    return_delay_s: NDArray[np.float64]

    def transfer_s(self, layer: int) -> NDArray[np.float64]:
        """``t_comm^(i,k,j)`` of a layer's output, shape (M, M): row = sender, infinity without a link."""
        matrix: NDArray[np.float64] = self.messages_s[self.message[layer]]
        return matrix

    def delay_s(self, layer: int) -> NDArray[np.float64]:
        """How long a layer's output is under way, shape (M, M): `transfer_s`, with the latency in a pipeline too."""
        matrix: NDArray[np.float64] = self.delays_s[self.message[layer]]
        return matrix

    @property
    def hops_s(self) -> NDArray[np.float64]:
        """Times of the messages between layers, shape (U', M, M): what only the last layer sends goes nowhere."""
        return np.asarray(self.messages_s[np.unique(self.message[:-1])])


@lru_cache(maxsize=16)
def time_tables(instance: EdgeShardInstance) -> TimeTables:
    """Return the tables behind Eq. 2 and the return trip of Eq. 6 (kept for instances in use)."""
    cluster, source = instance.cluster, instance.source_index
    outputs = [layer.output_bytes for layer in instance.layers]
    sizes = sorted(set(outputs))
    compute_s = weighted_compute_s(instance)
    with np.errstate(over="ignore"):
        delays_s = np.stack([_weighted_s(instance, cluster.transfer_time_s, size) for size in sizes])
    require_finite(delays_s, cluster.bandwidth_bytes_per_s)
    message = np.array([sizes.index(size) for size in outputs], dtype=np.intp)
    return_delay_s = np.zeros(cluster.size)
    if instance.return_bytes > 0:
        with np.errstate(over="ignore"):
            token_s = _weighted_s(instance, cluster.transfer_time_s, instance.return_bytes, prompt=False)
        to_source = np.where(np.arange(cluster.size) == source, cluster.bandwidth_bytes_per_s, 0.0)
        require_finite(token_s, to_source)
        return_delay_s = token_s[:, source]
    messages_s, return_s = delays_s, return_delay_s
    if not _latency_occupies(instance) and cluster.latency_s.any():
        occupied = cluster.occupation_time_s
        messages_s = np.stack([_weighted_s(instance, occupied, size) for size in sizes])
        if instance.return_bytes > 0:
            return_s = _weighted_s(instance, occupied, instance.return_bytes, prompt=False)[:, source]

    largest_s = np.where(np.isfinite(delays_s), delays_s, 0).max(axis=(1, 2))
    horizon_s = float(
        compute_s.max(axis=1).sum()
        + largest_s[message[:-1]].sum()
        + return_delay_s[np.isfinite(return_delay_s)].max(initial=0)
    )
    usable, links_s = _usable(instance), messages_s[sorted(set(message[:-1].tolist()))]
    latency = instance.problem == "edgeshard-latency"
    tick_s = TimeRange(
        reference_s=float(compute_s[0, source] + compute_s[1:].min(axis=1).sum()),
        horizon_s=horizon_s,
        summed_s=float(compute_s.sum(axis=0).max()),
        # A bottleneck sums one stage, and is at least the share of it among all stages.
        entries=len(outputs) * (2 if latency else min(len(outputs), cluster.size)),
        scale_s=lambda: _scale_s(instance, compute_s, usable, links_s.min(axis=0, initial=np.inf), return_s),
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
        delays_s=to_ticks(delays_s, tick_s),
        return_delay_s=to_ticks(return_delay_s, tick_s),
    )


def _latency_occupies(instance: EdgeShardInstance) -> bool:
    """Whether a link's latency counts like the time that a message occupies it: where all of it is waited for."""
    return instance.problem == "edgeshard-latency" or instance.latency_occupies


def weighted_compute_s(instance: EdgeShardInstance) -> NDArray[np.float64]:
    """Return the compute times that the objective counts: of a decode round, or of what the request says.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.

    Returns
    -------
    ndarray, shape (N, M)
        Seconds.
    """
    request = instance.request
    if request is None or request.counts == "decode":
        return instance.compute_time_s
    prefill_s = prefill_time_s(instance, request.prompt_tokens)
    return _passes_s(instance, prefill_s, instance.compute_time_s)


def _weighted_s(
    instance: EdgeShardInstance,
    time_s: Callable[[float], NDArray[np.float64]],
    size_bytes: float,
    *,
    prompt: bool = True,
) -> NDArray[np.float64]:
    """Return what a message costs over each link, shape (M, M); of a prompt each token has one, if so stated."""
    request = instance.request
    if request is None or request.counts == "decode":
        return time_s(size_bytes)
    tokens = request.prompt_tokens if prompt else 1
    return _passes_s(instance, time_s(size_bytes * tokens), time_s(size_bytes))


def _passes_s(
    instance: EdgeShardInstance, prefill_s: NDArray[np.float64], decode_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a request's prefill pass, or all its passes: together for latency, per generated token in a pipeline."""
    request = instance.request
    assert request is not None
    if request.counts == "prefill":
        return prefill_s
    with np.errstate(invalid="ignore"):
        later_s = np.where(np.isfinite(decode_s), (request.new_tokens - 1) * decode_s, np.inf)
    together_s = prefill_s + later_s
    return together_s if instance.problem == "edgeshard-latency" else together_s / request.new_tokens


def latency_floor_s(instance: EdgeShardInstance) -> float:
    """Return a bound on the latency: layer 0 on the source, every other layer where it is fastest, nothing sent."""
    if instance.source is None:
        return float(weighted_compute_s(instance).min(axis=1).sum()) * (1 - ROUNDING_TOLERANCE)
    costs = time_tables(instance)
    rest_s = costs.compute_s[1:].min(axis=1).sum()
    return float(costs.compute_s[0, instance.source] + rest_s)


def bottleneck_floor_s(instance: EdgeShardInstance) -> float:
    """Return a bound on the bottleneck: the slowest layer where it is fastest, and an even share of all layers."""
    free = instance.source is None
    compute_s = (
        weighted_compute_s(instance) * (1 - ROUNDING_TOLERANCE) if free else time_tables(instance).compute_s
    )
    fastest_s = compute_s.min(axis=1)
    share_s = fastest_s.sum() / min(instance.cluster.size, len(fastest_s))
    least_s = max(fastest_s.max(), share_s)
    return float(least_s if free else max(least_s, compute_s[0, instance.source_index]))


def _usable(instance: EdgeShardInstance) -> NDArray[np.bool_]:
    """Return which layers can be on which devices, beside layer 0 on the source; shape (N, M)."""
    need, source = bytes_beside_first(instance), instance.source_index
    left = instance.cluster.memory_bytes.copy()
    left[source] -= need[0, source]
    usable: NDArray[np.bool_] = (need <= left[None, :]) & (left[source] >= 0)
    usable[0] = False
    usable[0, source] = left[source] >= 0
    return usable


def _scale_s(
    instance: EdgeShardInstance,
    compute_s: NDArray[np.float64],
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
    compute_s : ndarray, shape (N, M)
        Of layer i on device j.
    usable : ndarray of bool, shape (N, M)
        Which layers can be on which devices.
    link_s : ndarray, shape (M, M)
        Least time of any message over each link.
    return_s : ndarray, shape (M,)
        Of the generated token.
    """
    need, memory = instance.memory_bytes, instance.cluster.memory_bytes
    least = used_bytes(instance.layers)

    def suffices(time_s: float) -> bool:
        hosts = usable & (compute_s <= time_s)
        hosts[-1] &= return_s <= time_s
        hosts &= reachable(link_s <= time_s, instance.source_index)
        held = np.minimum((need[:, None] * hosts).sum(axis=0), memory)
        return bool(hosts.any(axis=1).all() and sum(held.tolist()) >= least)

    times = (compute_s[usable], link_s.ravel(), return_s)
    return least_sufficient(np.concatenate(times), suffices)


def bottleneck_values_s(instance: EdgeShardInstance) -> NDArray[np.float64]:
    """Return all values that the bottleneck of a pipeline can have, ascending: times of runs, transfers, returns."""
    costs = time_tables(instance)
    before = np.vstack([np.zeros(instance.cluster.size), np.cumsum(costs.compute_s, axis=0)])
    runs = [before[i + 1 :] - before[i] for i in range(len(instance.layers))]
    values = np.concatenate([*(run.ravel() for run in runs), costs.messages_s.ravel(), costs.return_s])
    return np.unique(values[np.isfinite(values)])
