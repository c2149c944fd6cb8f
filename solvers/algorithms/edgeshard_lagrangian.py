"""Lagrangian relaxation of memory (Eq. 5): a layered shortest path with a price per byte on each device.

For prices ``p >= 0``, ``min over paths of (cost + sum_j p_j used_j) - sum_j p_j Mem_j`` bounds the latency from
below. The path problem is a min-plus recursion over layers, O(N M^2), vectorised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import latency_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.run import Run


@dataclass(frozen=True, eq=False)
class PricedBound:
    """A dual bound and the completion costs behind it.

    Parameters
    ----------
    dual_bound : float
        Seconds; no placement costs less.
    price_s : ndarray, shape (M,)
        Seconds per byte of each device's memory.
    to_go_s : ndarray, shape (N, M)
        Least priced cost of layers i+1..N-1 and the return, with layer i on device j.
    """

    dual_bound: float
    price_s: NDArray[np.float64]
    to_go_s: NDArray[np.float64]


def priced_bound(
    instance: EdgeShardInstance, price_s: NDArray[np.float64]
) -> tuple[PricedBound, tuple[int, ...]]:
    """Return the bound at given prices and the path that attains it."""
    costs, need = latency_costs(instance), instance.memory_bytes
    budget, source = instance.cluster.memory_bytes, instance.source
    stays = np.where(
        need[:, None] <= budget[None, :], costs.compute_s + need[:, None] * price_s[None, :], np.inf
    )
    count = len(need)
    to_go = np.empty_like(stays)
    to_go[-1] = costs.return_s
    following = np.empty(stays.shape, dtype=np.intp)
    rows = np.arange(instance.cluster.size)
    for i in range(count - 2, -1, -1):
        through = costs.transfer_s(i) + (stays[i + 1] + to_go[i + 1])[None, :]
        following[i] = through.argmin(axis=1)
        to_go[i] = through[rows, following[i]]
    path = [source]
    for i in range(count - 1):
        path.append(int(following[i, path[-1]]))
    bound = float(stays[0, source] + to_go[0, source] - price_s @ budget)
    return PricedBound(bound, price_s, to_go), tuple(path)


def best_bound(instance: EdgeShardInstance, run: Run, upper_s: float, steps: int = 300) -> PricedBound:
    """Climb the Lagrangian dual by subgradient steps (Polyak's length) towards an upper bound.

    Parameters
    ----------
    instance : EdgeShardInstance
        Any layers, any links.
    run : Run
        Its clock stops the climb.
    upper_s : float
        Cost of a known placement, or infinity.
    steps : int
        At most so many paths.
    """
    budget = instance.cluster.memory_bytes.astype(np.float64)
    need = instance.memory_bytes
    price = np.zeros(instance.cluster.size)
    best, path = priced_bound(instance, price)
    if not np.isfinite(best.dual_bound):
        return best
    weight, stalled = 1.0, 0
    for _ in range(steps):
        used = np.bincount(path, weights=need, minlength=len(budget))
        excess = (used - budget) / np.maximum(budget, 1.0)
        direction = np.where((price > 0) | (excess > 0), excess, 0.0)
        length = float(direction @ direction)
        if length == 0 or not run.remaining:
            break
        target = upper_s if np.isfinite(upper_s) else best.dual_bound * 1.05
        step = weight * max(target - best.dual_bound, 1e-4 * target) / length
        price = np.maximum(price + step * direction / np.maximum(budget, 1.0), 0.0)
        tried, path = priced_bound(instance, price)
        if tried.dual_bound > best.dual_bound:
            best, stalled = tried, 0
            run.report(dual_bound=best.dual_bound)
        else:
            stalled += 1
        if stalled >= 10:
            weight, stalled, price = weight / 2, 0, best.price_s
    return best
