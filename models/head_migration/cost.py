"""The equations of head-level placement as tables; everything else reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.head_migration.blocks import block_demands
from placewise.models.time_model import slower
from placewise.models.time_range import require_finite
from placewise.models.units import (
    MAX_BYTES,
    RANGE_BITS,
    ROUNDING_TOLERANCE,
    choose_tick,
    tick_between,
    to_ticks,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration.data import HeadMigrationInstance

    Floats = NDArray[np.float64]


#: More heads than any decoder has on a device.
MAX_HEADS = 2**30
#: Numbers of heads, devices squared and intervals whose product a floor looks at.
LARGEST_FLOOR = 2 * 10**7
#: Kinds of blocks, in the order of the tables.
HEAD, PROJ, FFN = range(3)


def parts(instance: HeadMigrationInstance) -> tuple[int, ...]:
    """Return the kind of each block: the heads, then projection and network."""
    return (HEAD,) * instance.transformer.units + (PROJ, FFN)


@dataclass(frozen=True, eq=False)
class HeadCosts:
    """All numbers of an instance; times are multiples of a tick, infinite without a link.

    Parameters
    ----------
    memory : ndarray of int64, shape (T, 3)
        Bytes of a head, the projection, the network in each interval (Table I), at most one above `MAX_BYTES`.
    slope_s, fixed_s : ndarray, shape (T, M, M)
        ``n`` heads on device j with the projection on q take ``slope[j,q] n + fixed[j,q]`` (3, 5, 6).
    compute_s : ndarray, shape (T, 3, M)
        A head, the projection, the network on a device (5); with the time model ``roofline`` at least their reading.
    message_s : ndarray, shape (T, 2, M, M)
        From a head to the projection (3), from there to the network (4).
    after_s : ndarray, shape (T, M, M)
        Projection on q, its message, network on r (4, 5).
    move_s : ndarray, shape (T, 3, M, M)
        A head's, the projection's, the network's move from k to j: footprint before, bandwidth now (2).
    weight : float
        Of an interval's delay in the objective.
    tick_s : float
        A power of two; every sum is exact.
    """

    memory: NDArray[np.int64]
    slope_s: Floats
    fixed_s: Floats
    compute_s: Floats
    message_s: Floats
    after_s: Floats
    move_s: Floats
    weight: float
    tick_s: float

    def heads_s(
        self, interval: int, counts: NDArray[np.int64], proj: int, source: int | None = None
    ) -> float:
        """Return when the last head's output is at the projection (the maximum of 6).

        With a source, each device with heads first receives their input from it, as large as the projection's output.

        Parameters
        ----------
        interval : int
            Which.
        counts : ndarray of int, shape (M,)
            Heads on each device.
        proj : int
            The projection's device.
        source : int or None
            The device that sends the input; None where nobody is waited for.

        Returns
        -------
        float
            Seconds; infinite where a link is missing.
        """
        used = counts > 0
        time_s = self.slope_s[interval, used, proj] * counts[used] + self.fixed_s[interval, used, proj]
        if source is not None:
            time_s = time_s + self.message_s[interval, 1, source, used]
        return float(time_s.max(initial=0.0))


@lru_cache(maxsize=16)
def head_costs(instance: HeadMigrationInstance) -> HeadCosts:
    """Return the tables behind Table I and (1)-(7) (kept for instances in use)."""
    count, size, heads = instance.intervals, instance.cluster.size, instance.transformer.units
    demands = [block_demands(instance.transformer, instance.length(t)) for t in range(-1, count)]
    # A block larger than any device has room nowhere: its digits beyond that would leave 64 bits.
    memory = np.array(
        [[min(block.memory_bytes, MAX_BYTES + 1) for block in blocks] for blocks in demands], dtype=np.int64
    )
    now = demands[1:]
    latency_s = instance.cluster.latency_s

    def transfer_s(message: Floats) -> Floats:
        """Return times of one message per interval, shape (T, M, M)."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            time_s = message[:, None, None] / instance.bandwidth_bytes_per_s + latency_s
        require_finite(time_s, instance.bandwidth_bytes_per_s)
        time_s[instance.bandwidth_bytes_per_s == 0] = np.inf
        time_s[:, np.arange(size), np.arange(size)] = 0.0
        return time_s

    def column(part: int, key: str) -> Floats:
        return np.array([getattr(blocks[part], key) for blocks in now], dtype=np.float64)

    compute_s = [
        slower(
            column(part, "flops")[:, None] / instance.flops_per_s,
            column(part, "read_bytes"),
            instance.cluster,
            instance.time_model,
        )
        for part in range(3)
    ]
    sent_s = transfer_s(column(0, "message_bytes"))
    own_s = np.broadcast_to(compute_s[0][:, :, None], sent_s.shape)
    onward_s = transfer_s(column(1, "message_bytes"))
    slope_s, fixed_s = own_s + sent_s, np.zeros_like(sent_s)
    if instance.overlap:  # the slower of computing and sending paces the heads
        slope_s, fixed_s = np.maximum(own_s, sent_s), np.minimum(own_s, sent_s)
    if instance.input_from_controller:
        fixed_s = fixed_s + onward_s[:, instance.controller, :, None]
    after_s = compute_s[1][:, :, None] + onward_s + compute_s[2][:, None, :]
    move_s = np.stack([transfer_s(memory[:-1, part].astype(np.float64)) for part in range(3)], axis=1)
    weight = float(instance.tokens_per_interval if instance.policy == "lookahead" else 1)
    finite = [np.where(np.isfinite(table), table, 0.0) for table in (slope_s, fixed_s, after_s, move_s)]
    horizon_s = sum(
        weight * (heads * finite[0][t].max() + finite[1][t].max() + finite[2][t].max())
        + (heads + 2) * finite[3][t].max()
        for t in range(count)
    )
    reference_s = weight * float(sum(after_s[t].min() + slope_s[t].min() for t in range(count)))
    tick_s = choose_tick(reference_s, float(horizon_s), (heads + 4) * count)
    # The weight multiplies the roundings of an interval's delay as well.
    entries = count * ((heads + 4) * int(weight) + heads + 2)
    if tick_s * entries > ROUNDING_TOLERANCE * reference_s:
        # So fine at most that the delay, of 2**52 ticks then, is exact in float64.
        tick_s = tick_between(reference_s, min(entries, 2**28), 0.0, RANGE_BITS) or tick_s
    return HeadCosts(
        memory=memory[1:],
        slope_s=to_ticks(slope_s, tick_s),
        fixed_s=to_ticks(fixed_s, tick_s),
        compute_s=to_ticks(np.stack(compute_s, axis=1), tick_s),
        message_s=to_ticks(np.stack([sent_s, onward_s], axis=1), tick_s),
        after_s=to_ticks(after_s, tick_s),
        move_s=to_ticks(move_s, tick_s),
        weight=weight,
        tick_s=tick_s,
    )


def floor_s(instance: HeadMigrationInstance) -> float:
    """Return a bound on the objective: in every interval the best place of projection and network, heads wherever.

    All heads must be through, each device with as many as it holds; moves, and what else is in memory, are left out.
    Where devices are many, or there is no placement, one head alone where it is fastest stands for all.

    Parameters
    ----------
    instance : HeadMigrationInstance
        Blocks and devices.
    """
    costs, size = head_costs(instance), instance.cluster.size
    least_s = (costs.slope_s + costs.fixed_s).min(axis=1)
    if instance.transformer.units * size**2 * instance.intervals <= LARGEST_FLOOR:
        all_s = np.array([heads_least_s(instance, t) for t in range(instance.intervals)])
        least_s = np.where(np.isfinite(all_s).any(axis=1)[:, None], all_s, least_s)
    return float(costs.weight * (least_s + costs.after_s.min(axis=2)).min(axis=1).sum())


def head_times_s(instance: HeadMigrationInstance, interval: int) -> Floats:
    """Return the time of 1 to H heads on a device with the projection on another, beside nothing else in memory.

    Parameters
    ----------
    instance : HeadMigrationInstance
        Blocks and devices.
    interval : int
        Which.

    Returns
    -------
    ndarray, shape (M, M, H)
        Seconds by the heads' device, the projection's, and the number; infinite beyond what fits.
    """
    costs, size = head_costs(instance), instance.cluster.size
    number = np.arange(1, instance.transformer.units + 1)
    with np.errstate(invalid="ignore"):
        times_s = costs.slope_s[interval][:, :, None] * number + costs.fixed_s[interval][:, :, None]
    room = capacities(instance, interval)[0, 0]
    times_s[number > room[:, None, None] + np.zeros((1, size, 1), dtype=np.int64)] = np.inf
    return np.asarray(times_s)


def heads_least_s(instance: HeadMigrationInstance, interval: int) -> Floats:
    """Return the least time in which all heads are through, by the projection's device; shape (M,).

    Parameters
    ----------
    instance : HeadMigrationInstance
        Blocks and devices.
    interval : int
        Which.
    """
    times_s, heads = head_times_s(instance, interval), instance.transformer.units
    by_projection = times_s.transpose(1, 0, 2).reshape(instance.cluster.size, -1)
    return np.asarray(np.partition(by_projection, heads - 1, axis=1)[:, heads - 1])


def heads_beside(
    instance: HeadMigrationInstance, interval: int, projections: int, networks: int
) -> NDArray[np.int64]:
    """Return how many heads each device holds beside so many projections and networks; -1 if not even those.

    Exact for (1): bytes become small whole numbers, of which no solver's tolerance makes anything else.

    Parameters
    ----------
    instance : HeadMigrationInstance
        Blocks and devices.
    interval : int
        Which.
    projections, networks : int
        How many of each a device has.

    Returns
    -------
    ndarray of int, shape (M,)
        Heads, at most `MAX_HEADS`.
    """
    head, proj, ffn = (int(size) for size in head_costs(instance).memory[interval])
    left = instance.memory_bytes[interval] - projections * proj - networks * ffn
    fit = np.full_like(left, MAX_HEADS) if head == 0 else np.minimum(left // head, MAX_HEADS)
    return np.where(left < 0, -1, fit)


def capacities(instance: HeadMigrationInstance, interval: int) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Return `heads_beside` for 0 or 1 projection and 0 or 1 network, at most H.

    Parameters
    ----------
    instance : HeadMigrationInstance
        Blocks and devices.
    interval : int
        Which.

    Returns
    -------
    dict of (int, int) to ndarray of int, shape (M,)
        By numbers of projections and networks.
    """
    heads = instance.transformer.units
    return {(p, f): np.minimum(heads_beside(instance, interval, p, f), heads) for p in (0, 1) for f in (0, 1)}
