"""Subgradient steps towards the best prices of DILEMMA's decomposition, each deflected by the step before.

Sources: steps of Polyak's length, Polyak (1969), shortened where they stall, Held, Wolfe and Crowder (1974); deflection,
Camerini, Fratta and Maffioli (1975).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.dilemma.decomposition import Decomposition, Prices, Tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: The share of the step before in a direction.
DEFLECTION = 0.8


def climb_storage(model: Decomposition, upper_s: float, stop: Callable[[], bool], steps: int = 600) -> Prices:
    """Return `unit_prices` as prices of choices: they start the climb over all prices near the linear relaxation's bound.

    Parameters
    ----------
    model, upper_s, stop, steps
        As `unit_prices` takes them.
    """
    price_s, error_price_s = unit_prices(model, upper_s, stop, steps)
    size = model.size.astype(np.float64)
    choice_s = -price_s[None, :, None] * np.broadcast_to(size[:, None, :], model.compute_s.shape)
    return Prices(choice_s, error_price_s)


def unit_prices(
    model: Decomposition, upper_s: float, stop: Callable[[], bool], steps: int
) -> tuple[NDArray[np.float64], float]:
    """Return prices per unit of storage and of error, by subgradient steps in these few dimensions.

    Parameters
    ----------
    model : Decomposition
        Of the instance: M servers, B widths, L layers.
    upper_s : float
        Delay of a known placement, seconds, or infinity.
    stop : callable
        Whether the time is over.
    steps : int
        At most so many.

    Returns
    -------
    ndarray, shape (M,)
        Seconds per unit of a server's storage, in the tables' units.
    float
        Seconds per unit of error.
    """
    space, size = model.space.astype(np.float64), model.size.astype(np.float64)
    price_s, error_price_s = np.zeros(model.servers), 0.0
    best_s, best = -np.inf, (price_s, error_price_s)
    direction, error_direction = np.zeros(model.servers), 0.0
    weight, stalled = 0.5, 0
    for _ in range(steps):
        if stop() or weight < 1e-3:
            break
        priced_s = (
            model.compute_s
            + error_price_s * model.error[:, None, :]
            + price_s[None, :, None] * size[:, None, :]
        )
        _, _, first_s, path = model.path(priced_s)
        bound_s = first_s - float(price_s @ space) - error_price_s * (model.budget or 0)
        if not np.isfinite(bound_s):
            break
        stalled = 0 if bound_s > best_s + 1e-5 * abs(best_s) else stalled + 1
        if bound_s > best_s:
            best_s, best = bound_s, (price_s, error_price_s)
        if stalled >= 25:
            weight, stalled = weight * 0.65, 0
            (price_s, error_price_s), direction, error_direction = best, np.zeros(model.servers), 0.0
        used = (path * size[:, None, :]).sum(axis=(0, 2))
        direction = (used - space) / np.maximum(space, 1) + DEFLECTION * direction
        error_direction = model.error_excess(path) + DEFLECTION * error_direction
        excess = np.where((price_s > 0) | (direction > 0), direction, 0.0)
        error_excess = error_direction if error_price_s > 0 or error_direction > 0 else 0.0
        length = float(excess @ excess) + error_excess**2
        if length == 0:
            break
        target_s = upper_s if np.isfinite(upper_s) else best_s * 1.05
        step = weight * max(target_s - bound_s, 1e-6 * abs(target_s)) / length
        price_s = np.maximum(price_s + step * excess / np.maximum(space, 1), 0.0)
        error_price_s = max(error_price_s + step * error_excess / max(model.budget or 1, 1), 0.0)
    return best


def climb(
    model: Decomposition, start: Prices, upper_s: float, stop: Callable[[], bool], steps: int = 1000
) -> tuple[Tables, Prices]:
    """Raise the bound by deflected subgradient steps towards an upper bound.

    Parameters
    ----------
    model : Decomposition
        Of the instance.
    start : Prices
        Where to begin.
    upper_s : float
        Delay of a known placement, or infinity.
    stop : callable
        Whether the time is over.
    steps : int
        At most so many.

    Returns
    -------
    Tables, Prices
        The best bound's.
    """
    prices = best_prices = start
    best, path, packed = model.solve(prices)
    direction, error_direction = np.zeros_like(prices.choice_s), 0.0
    weight, stalled = 0.1, 0
    for _ in range(steps):
        if stop() or not np.isfinite(best.bound_s) or best.bound_s >= upper_s or weight < 1e-3:
            break
        direction = packed - path + DEFLECTION * direction
        # A whole budget of errors counts like four layers.
        error_direction = 4 * model.error_excess(path) + DEFLECTION * error_direction
        length = float((direction**2).sum()) + error_direction**2
        if length < 1e-12:
            break
        target_s = upper_s if np.isfinite(upper_s) else best.bound_s * 1.05
        step = weight * max(target_s - best.bound_s, 1e-5 * abs(target_s)) / length
        prices = Prices(
            prices.choice_s + step * direction,
            max(prices.error_s + 4 * step * error_direction / max(model.budget or 1, 1), 0.0),
        )
        tried, path, packed = model.solve(prices)
        stalled = 0 if tried.bound_s > best.bound_s + 1e-5 * abs(best.bound_s) else stalled + 1
        if tried.bound_s > best.bound_s:
            best, best_prices = tried, prices
        if stalled >= 30:
            weight, stalled, prices = weight * 0.7, 0, best_prices
    return best, best_prices
