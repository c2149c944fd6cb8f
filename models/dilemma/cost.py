"""DILEMMA's equations as tables; everything else reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.dilemma.errors import whole_errors
from placewise.models.units import choose_tick, common_unit, to_ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.dilemma.data import DilemmaInstance


@dataclass(frozen=True, eq=False)
class DelayCosts:
    """All numbers of an instance: times in multiples of a tick, storage and errors in exact integers.

    Parameters
    ----------
    compute_s : ndarray, shape (L, M, B)
        Eq. 3 for all tokens: layer l on server i with the b-th width.
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
        alone leaves one width. As printed, a hop may need two widths that differ.
    error : ndarray of int64, shape (L, B)
        ``error[l,b]`` in whole units, one above the budget where it alone exceeds that.
    error_budget : int or None
        ``epsilon`` in the same unit; see `whole_errors`.
    tick_s : float
        A power of two; every sum is exact.
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
    tick_s: float

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
    compute_s = (
        tokens * (work[:, None] / cluster.flops_per_s)[:, :, None] * (widths / original[:, None])[:, None, :]
    )
    outputs = [layer.output_elements for layer in layers]
    sizes = sorted(set(outputs))
    messages_s = tokens * np.stack(
        [np.stack([cluster.transfer_time_s(size * bits / 8) for bits in widths]) for size in sizes]
    )
    message = np.array([sizes.index(size) for size in outputs], dtype=np.intp)
    largest_s = np.where(np.isfinite(messages_s), messages_s, 0).max(axis=(1, 2, 3))
    tick_s = choose_tick(
        float(compute_s.min(axis=(1, 2)).sum()),
        float(compute_s.max(axis=(1, 2)).sum() + largest_s[message[:-1]].sum()),
        entries=2 * len(layers),
    )
    admissible = np.ones(instance.quantization_error.shape, dtype=bool)
    if instance.max_error is not None:
        admissible = instance.quantization_error <= instance.max_error

    bits = [[layer.parameters * width for width in instance.bit_widths] for layer in layers]
    unit = common_unit(size for row in bits for size in row)
    budget, error = whole_errors(instance)
    return DelayCosts(
        compute_s=to_ticks(compute_s, tick_s),
        messages_s=to_ticks(messages_s, tick_s),
        message=message,
        storage=np.array([[size // unit for size in row] for row in bits], dtype=np.int64),
        capacity=np.array([8 * int(space) // unit for space in cluster.memory_bytes], dtype=np.int64),
        storage_unit_bits=unit,
        admissible=admissible,
        candidate=admissible if instance.printed else _candidates(admissible, error, budget),
        error=error,
        error_budget=budget,
        tick_s=tick_s,
    )


def floor_s(instance: DilemmaInstance) -> float:
    """Return a bound on the delay: every layer on the server and with the admissible width that are fastest for it."""
    costs = delay_costs(instance)
    fastest_s = np.where(costs.admissible, costs.compute_s.min(axis=1), np.inf).min(axis=1)
    return float(fastest_s[np.isfinite(fastest_s)].sum())


def _candidates(
    admissible: NDArray[np.bool_], error: NDArray[np.int64], budget: int | None
) -> NDArray[np.bool_]:
    """Return the admissible widths within the budget that no smaller admissible width beats in error."""
    reached = np.where(admissible, error, np.iinfo(np.int64).max)
    least_before = np.minimum.accumulate(reached, axis=1)[:, :-1]
    candidate = admissible.copy()
    candidate[:, 1:] &= error[:, 1:] < least_before
    return candidate if budget is None else candidate & (error <= budget)
