"""DILEMMA's equations as tables; everything else reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma.errors import whole_errors
from placewise.models.time_model import slower
from placewise.models.time_range import (
    TimeRange,
    fits_whole_numbers,
    least_sufficient,
    reachable,
    require_finite,
)
from placewise.models.units import common_unit, to_ticks

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from placewise.models.dilemma.data import DilemmaInstance

#: Of a layer as printed: one differs from the widths of both neighbours.
PRINTED_WIDTHS = 3


@dataclass(frozen=True, eq=False)
class DelayCosts:
    """All numbers of an instance: times in multiples of a tick, storage and errors in exact integers.

    Parameters
    ----------
    compute_s : ndarray, shape (L, M, B)
        Eq. 3 for all tokens: layer l on server i with the b-th width; with the time model ``roofline`` at least the
        time of reading its weights for each.
    messages_s : ndarray, shape (U, B, M, M)
        Eq. 4 for all tokens and each distinct number of output elements; infinity without a link.
    message : ndarray of int, shape (L,)
        Which message a layer's output is; read it through `transfer_s`.
    storage, capacity : ndarray of int64, shapes (L, B) and (M,)
        ``W_l b`` and ``kappa_i`` in units of `storage_unit_bits`; capacities are floored, which loses nothing.
    storage_unit_bits : int
        The largest number of bits that divides every ``W_l b``.
    admissible : ndarray of bool, shape (L, B)
        Eq. 5: whether the width keeps the layer's error within ``delta``.
    candidate : ndarray of bool, shape (L, B)
        Admissible widths within the budget that some best placement may need. Corrected, fewer bits compute, store and send less, so a
        width is none if a smaller admissible one has no more error (or any, without a budget): the per-layer bound
        alone leaves one width. As printed a hop between widths that differ is free, and the three smallest admissible
        ones are candidates: a wider one gives way to the one of them that neither neighbour has, at no cost.
    error : ndarray of int64, shape (L, B)
        ``error[l,b]`` in whole units, one above the budget where it alone exceeds that.
    error_budget : int or None
        ``epsilon`` in the same unit.
    error_unit : Fraction
        That unit; see `whole_errors`.
    tick_s : float
        A power of two; sums of less than 2**53 ticks are exact.
    whole_numbers : bool
        Whether 64-bit solvers can count the ticks of any placement.
    """

    compute_s: NDArray[np.float64]
    messages_s: NDArray[np.float64]
    message: NDArray[np.intp]
    storage: NDArray[np.int64]
    capacity: NDArray[np.int64]
    storage_unit_bits: int
    admissible: NDArray[np.bool_]
    candidate: NDArray[np.bool_]
    error: NDArray[np.int64]
    error_budget: int | None
    error_unit: Fraction
    tick_s: float
    whole_numbers: bool

    def transfer_s(self, layer: int) -> NDArray[np.float64]:
        """``cm`` of a layer's output, shape (B, M, M): width, sender, receiver; infinity without a link."""
        matrix: NDArray[np.float64] = self.messages_s[self.message[layer]]
        return matrix


@lru_cache(maxsize=16)
def delay_costs(instance: DilemmaInstance) -> DelayCosts:
    """Return the tables behind Eq. 1 to 5 (kept for instances in use)."""
    cluster, layers, tokens = instance.cluster, instance.layers, instance.tokens
    widths = np.array(instance.bit_widths, dtype=np.float64)
    assert cluster.flops_per_s is not None
    work = np.array([layer.flops for layer in layers])
    original = np.array([layer.original_bits for layer in layers], dtype=np.float64)
    with np.errstate(over="ignore"):
        compute_s = (
            tokens
            * (work[:, None] / cluster.flops_per_s)[:, :, None]
            * (widths / original[:, None])[:, None, :]
        )
        read_bytes = np.array([layer.parameters for layer in layers])[:, None] * widths / 8
        compute_s = slower(
            compute_s.transpose(0, 2, 1), tokens * read_bytes, cluster, instance.time_model
        ).transpose(0, 2, 1)
    outputs = [layer.output_elements for layer in layers]
    sizes = sorted(set(outputs))
    with np.errstate(over="ignore"):
        messages_s = tokens * np.stack(
            [np.stack([cluster.transfer_time_s(size * bits / 8) for bits in widths]) for size in sizes]
        )
    require_finite(messages_s, cluster.bandwidth_bytes_per_s)
    message = np.array([sizes.index(size) for size in outputs], dtype=np.intp)
    admissible = np.ones(instance.quantization_error.shape, dtype=bool)
    if instance.max_error is not None:
        admissible = instance.quantization_error <= instance.max_error

    bits = [[layer.parameters * width for width in instance.bit_widths] for layer in layers]
    unit = common_unit(size for row in bits for size in row)
    budget, error, error_unit = whole_errors(instance)
    storage = np.array([[size // unit for size in row] for row in bits], dtype=np.int64)
    capacity = np.array([8 * int(space) // unit for space in cluster.memory_bytes], dtype=np.int64)
    largest_s = np.where(np.isfinite(messages_s), messages_s, 0).max(axis=(1, 2, 3))
    horizon_s = float(compute_s.max(axis=(1, 2)).sum() + largest_s[message[:-1]].sum())
    usable = admissible[:, None, :] & (storage[:, None, :] <= capacity[None, :, None])
    links_s = messages_s[np.unique(message[:-1])]
    tick_s = TimeRange(
        reference_s=float(compute_s.min(axis=(1, 2)).sum()),
        horizon_s=horizon_s,
        summed_s=0.0,  # no differences of sums are taken
        entries=2 * len(layers),
        scale_s=lambda: _scale_s(instance, usable, compute_s, links_s, storage, capacity),
        least_s=lambda: min(
            float(times[(times > 0) & np.isfinite(times)].min(initial=horizon_s))
            for times in (compute_s[usable], links_s)
        ),
    ).tick()
    return DelayCosts(
        compute_s=to_ticks(compute_s, tick_s),
        messages_s=to_ticks(messages_s, tick_s),
        message=message,
        storage=storage,
        capacity=capacity,
        storage_unit_bits=unit,
        admissible=admissible,
        candidate=(
            admissible & (admissible.cumsum(axis=1) <= PRINTED_WIDTHS)
            if instance.printed
            else _candidates(admissible, error, budget)
        ),
        error=error,
        error_budget=budget,
        error_unit=error_unit,
        tick_s=tick_s,
        whole_numbers=fits_whole_numbers(horizon_s, tick_s),
    )


def floor_s(instance: DilemmaInstance) -> float:
    """Return a bound on the delay: every layer on the server and with the admissible width that are fastest for it."""
    costs = delay_costs(instance)
    fastest_s = np.where(costs.admissible, costs.compute_s.min(axis=1), np.inf).min(axis=1)
    return float(fastest_s[np.isfinite(fastest_s)].sum())


def _scale_s(
    instance: DilemmaInstance,
    usable: NDArray[np.bool_],
    compute_s: NDArray[np.float64],
    links_s: NDArray[np.float64],
    storage: NDArray[np.int64],
    capacity: NDArray[np.int64],
) -> float | None:
    """Return a time that some part of every placement takes at least; None where there is no placement.

    With less, no servers that are linked hold all layers: those links and layers that take no longer are looked at.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths.
    usable : ndarray of bool, shape (L, M, B)
        Which layers can be on which servers with which widths.
    compute_s : ndarray, shape (L, M, B)
        Eq. 3.
    links_s : ndarray, shape (U, B, M, M)
        Eq. 4 for the messages between layers.
    storage, capacity : ndarray of int64, shapes (L, B) and (M,)
        As in `DelayCosts`.
    """
    link_s = links_s.min(axis=(0, 1), initial=np.inf)
    if instance.printed and len(instance.bit_widths) > 1:  # hops between widths are free
        link_s = np.where(np.isfinite(link_s), 0.0, np.inf)
    narrow = usable.any(axis=1)
    need = np.where(narrow, storage, np.iinfo(np.int64).max).min(axis=1).astype(np.float64)

    def holds(group: NDArray[np.bool_], hosts: NDArray[np.bool_]) -> bool:
        if not hosts[:, group].any(axis=1).all():
            return False
        if instance.printed:
            return int(hosts[:, group].any(axis=0).sum()) >= len(hosts)
        held = np.minimum((need[:, None] * hosts).sum(axis=0), capacity)[group].sum()
        return bool(held >= need.sum() * (1 - 1e-12))

    def suffices(time_s: float) -> bool:
        hosts: NDArray[np.bool_] = np.asarray((usable & (compute_s <= time_s)).any(axis=2))
        quick = np.asarray(link_s <= time_s)
        left = np.ones(len(capacity), dtype=bool)
        while left.any():
            group = reachable(quick | quick.T, int(left.argmax()))
            left &= ~group
            if holds(group, hosts):
                return True
        return False

    return least_sufficient(np.concatenate([compute_s[usable], link_s.ravel()]), suffices)


def _candidates(
    admissible: NDArray[np.bool_], error: NDArray[np.int64], budget: int | None
) -> NDArray[np.bool_]:
    """Return the admissible widths within the budget that no smaller admissible width beats in error."""
    reached = np.where(admissible, error, np.iinfo(np.int64).max)
    least_before = np.minimum.accumulate(reached, axis=1)[:, :-1]
    candidate = admissible.copy()
    candidate[:, 1:] &= error[:, 1:] < least_before
    return candidate if budget is None else candidate & (error <= budget)
