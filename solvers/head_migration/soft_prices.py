"""Prices for the modes' relaxation: its bound, smoothed at a temperature that falls, is climbed by a quasi-Newton method.

The best of many paths has no gradient. Their soft minimum has one: the difference between the heads expected on a device
and the room that modes are expected to give. Expectations are those of paths drawn with weights that fall with their cost
(a forward and a backward pass); as the temperature falls, the smoothed bound tends to the bound itself. What weighs nothing
at a temperature is left out until the next one. Whatever prices come out, their bound is `mode_prices`' and exact.

Sources: smoothing of a minimum, Nesterov (2005); forward and backward passes, Baum, Petrie, Soules and Weiss (1970);
quasi-Newton steps within bounds, Byrd, Lu, Nocedal and Zhu (1995).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from placewise.solvers.head_migration.mode_prices import Bound, Relaxation

    Array = NDArray[np.float64]
    Places = NDArray[np.intp]

#: Times of the mean interval: beyond it nothing is taken, so no link stands for it.
FAR = 1e6
#: The logarithm of a weight that is none.
LIGHTEST = -80.0
#: Of the temperature, and of the mean interval: what costs more above the best path is left out, the larger of both.
NEGLIGIBLE, SHARE = 200.0, 0.25


def weights(least: Array, values: Array) -> NDArray[np.float32]:
    """Return ``exp(least - values)``, in the digits that expectations need.

    Parameters
    ----------
    least, values : ndarray
        Costs, none below the least; shapes that broadcast.

    Returns
    -------
    ndarray of float32
        0 to 1, by values.
    """
    found: NDArray[np.float32] = np.exp(np.maximum(least - values, LIGHTEST).astype(np.float32))
    return found


def soft_least(values: Array, axis: int) -> Array:
    """Return ``-log(sum(exp(-values)))`` along an axis.

    Parameters
    ----------
    values : ndarray
        Finite.
    axis : int
        Which.

    Returns
    -------
    ndarray
        Without that axis.
    """
    least = values.min(axis=axis, keepdims=True)
    found: Array = np.squeeze(least, axis) - np.log(weights(least, values).sum(axis=axis))
    return found


class Soft:
    """A relaxation at a temperature, without what weighs nothing there.

    Parameters
    ----------
    relaxation : Relaxation
        Whose bound is smoothed.
    bound : Bound
        At the prices from which it starts.
    mean_s : float
        Of an interval: the unit of temperatures.
    temperature : float
        In means.
    """

    def __init__(self, relaxation: Relaxation, bound: Bound, mean_s: float, temperature: float) -> None:
        self.relaxation, self.mean_s, self.unit_s = relaxation, mean_s, mean_s * temperature
        mode_s, both_s, _ = relaxation.excess_s(bound)
        most_s = max(NEGLIGIBLE * self.unit_s, SHARE * mean_s)
        self.proj = np.flatnonzero((both_s.min(axis=2) <= most_s).any(axis=0))
        self.ffn = np.flatnonzero((both_s.min(axis=1) <= most_s).any(axis=0))
        #: Intervals and positions of places of the projection whose modes are looked at, (N,) each.
        self.pairs = np.nonzero(both_s[:, self.proj].min(axis=2) <= most_s)
        at = self.pairs[0], self.proj[self.pairs[1]]
        most = int(np.flatnonzero((mode_s[at] <= most_s).any(axis=0)).max()) + 1
        far_s = FAR * mean_s

        def scaled(table_s: Array, *axes: Places) -> Array:
            return np.ascontiguousarray(np.minimum(table_s[np.ix_(*axes)], far_s) / self.unit_s)

        times = np.arange(relaxation.count)
        self.enter = scaled(relaxation.enter_s, self.proj, self.ffn)
        self.state = scaled(relaxation.state_s, times, self.proj, self.ffn)
        self.proj_moves = scaled(relaxation.proj_s, times, self.proj, self.proj)
        self.ffn_moves = scaled(relaxation.ffn_s, times, self.ffn, self.ffn)
        self.head_moves = np.minimum(relaxation.head_s, far_s) * (relaxation.heads / self.unit_s)
        self.spare = relaxation.spare[np.ix_(times, self.proj, self.ffn)]
        self.far = far_s / self.unit_s
        self.limit = np.minimum(relaxation.limit_s[at][:, :most], far_s) / self.unit_s
        owner = relaxation.modes.owner[at][:, : most + relaxation.heads - 1]
        self.slot = at[0][:, None] * relaxation.size + owner

    def _modes(self, prices_s: Array) -> Array:
        """Return the limits less what their room earns, shape (N, K or less)."""
        earned = (prices_s[0] / self.unit_s).ravel()[self.slot]
        priced: Array = self.limit - np.cumsum(earned, axis=1)[:, self.relaxation.heads - 1 :]
        return priced

    def value(self, prices_s: Array) -> tuple[float, Array]:
        """Return the smoothed bound and its gradient by the prices.

        Parameters
        ----------
        prices_s : ndarray, shape (layers, T, M)
            Seconds per head.
        """
        relaxation = self.relaxation
        heads_s, expected = self._heads(prices_s.sum(axis=0))
        mode = self._modes(prices_s)
        least = mode.min(axis=1, keepdims=True)
        weight = weights(least, mode)
        total = weight.sum(axis=1, keepdims=True)
        weight /= total
        own = self._own((least - np.log(total))[:, 0], prices_s)
        places_s, share = self._places(own)
        given = np.ones(self.slot.shape)
        given[:, relaxation.heads - 1 :] = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
        given *= share.sum(axis=2)[self.pairs][:, None]
        shape = (relaxation.count, relaxation.size)
        room = np.bincount(self.slot.ravel(), given.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
        gradient = np.stack([expected - room, *[expected - relaxation.room] * (len(prices_s) - 1)])
        value_s = heads_s + places_s
        if len(prices_s) > 1:
            gradient[1][:, self.ffn] += (share * self.spare).sum(axis=1)
            value_s -= float((prices_s[1] * relaxation.room).sum())
        return value_s, gradient

    def _own(self, mode: Array, prices_s: Array) -> Array:
        """Return the cost of each state from that of modes, shape (T, P, F)."""
        cheapest = np.full(self.state.shape[:2], self.far)
        cheapest[self.pairs] = mode
        own: Array = self.state + cheapest[:, :, None]
        if len(prices_s) > 1:
            own = own + (prices_s[1] / self.unit_s)[:, self.ffn][:, None, :] * self.spare
        return own

    def _heads(self, node_s: Array) -> tuple[float, Array]:
        """Return the smoothed cost of all heads' walks, and how many heads are expected where, shape (T, M)."""
        relaxation, moves = self.relaxation, self.head_moves
        ahead = node_s * (relaxation.heads / self.unit_s)
        onward = np.empty_like(moves)
        for t in range(relaxation.count - 2, -1, -1):
            onward[t + 1] = moves[t + 1] + ahead[t + 1]
            ahead[t] += soft_least(onward[t + 1], 1)
        if relaxation.before is None:
            first = np.array([relaxation.heads], dtype=np.float64)
            onward_0 = ahead[:1]
        else:
            first, onward_0 = relaxation.before.astype(np.float64), moves[0] + ahead[0]
        expected = np.empty_like(ahead)
        value = soft_least(onward_0, 1)
        value_s = float((first * value).sum()) * self.unit_s / relaxation.heads
        expected[0] = first @ np.exp(value[:, None] - onward_0)
        for t in range(1, relaxation.count):
            least = soft_least(onward[t], 1)
            expected[t] = expected[t - 1] @ np.exp(least[:, None] - onward[t])
        return value_s, expected

    def _behind(self, own: Array) -> Array:
        """Return the soft cost from the beginning to each state, itself included."""
        behind = own.copy()
        behind[0] += self.enter
        for t in range(1, len(own)):
            by_proj = soft_least(behind[t - 1][:, None, :] + self.proj_moves[t][:, :, None], 0)
            behind[t] += soft_least(by_proj[:, :, None] + self.ffn_moves[t], 1)
        return behind

    def _places(self, own: Array) -> tuple[float, Array]:
        """Return the smoothed cost of the walk of projection and network, and the share of each state."""
        behind, ahead = self._behind(own), np.zeros_like(own)
        for t in range(len(own) - 2, -1, -1):
            following = own[t + 1] + ahead[t + 1]
            by_ffn = soft_least(following[:, None, :] + self.ffn_moves[t + 1], 2)
            ahead[t] = soft_least(by_ffn[None] + self.proj_moves[t + 1][:, :, None], 1)
        through = behind + ahead
        least = through.min(axis=(1, 2), keepdims=True)
        share = np.exp(least - through)
        total = share.sum(axis=(1, 2), keepdims=True)
        value_s = float(least[-1, 0, 0] - np.log(total[-1, 0, 0])) * self.unit_s
        return value_s, share / total

    def draw(self, prices_s: Array, draw: Generator, number: int) -> Iterator[Places]:
        """Yield walks of projection and network, drawn by their weights; shape (T, 2).

        Parameters
        ----------
        prices_s : ndarray, shape (layers, T, M)
            Seconds per head.
        draw : Generator
            Of random numbers.
        number : int
            How many.
        """
        behind = self._behind(self._own(soft_least(self._modes(prices_s), 1), prices_s))
        for _ in range(number):
            walk = np.empty((len(behind), 2), dtype=np.intp)
            to_go = np.zeros_like(self.enter)
            for t in range(len(behind) - 1, -1, -1):
                cost = behind[t] + to_go
                chance = np.exp(cost.min() - cost).ravel()
                p, f = divmod(int(draw.choice(chance.size, p=chance / chance.sum())), len(self.ffn))
                walk[t] = self.proj[p], self.ffn[f]
                to_go = self.proj_moves[t][:, p][:, None] + self.ffn_moves[t][:, f]
            yield walk


def climbed(soft: Soft, prices_s: Array, steps: int, late: Callable[[], bool]) -> Array:
    """Return prices whose smoothed bound is higher.

    Parameters
    ----------
    soft : Soft
        At its temperature.
    prices_s : ndarray, shape (layers, T, M)
        Where it begins.
    steps : int
        At most.
    late : callable
        Whether to stop.
    """
    from scipy.optimize import minimize

    heads, shape = soft.relaxation.heads, prices_s.shape
    unit_s = soft.mean_s / heads

    best: tuple[float, Array] = (np.inf, prices_s)

    def downhill(scaled: Array) -> tuple[float, Array]:
        nonlocal best
        if late():
            raise TimeoutError
        tried_s = scaled.reshape(shape) * unit_s
        value_s, gradient = soft.value(tried_s)
        if -value_s < best[0]:
            best = -value_s, tried_s
        return -value_s / soft.mean_s, -gradient.ravel() / heads

    with suppress(TimeoutError):
        minimize(
            downhill,
            prices_s.ravel() / unit_s,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * prices_s.size,
            options={"maxiter": steps, "maxcor": 20},
        )
    return best[1]
