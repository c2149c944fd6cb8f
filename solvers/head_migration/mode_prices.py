"""The modes' relaxation by prices of heads: a bound in milliseconds, exact in ticks, and what no better trajectory has.

The statement on modes ties heads to limits by "the heads on j are at most u_j" only. With a price for each of these rows the
rest falls apart: every head walks from device to device on its own, paying its moves and the prices of where it is; and
projection and network walk together, each place of the projection with its cheapest mode, whose room earns the prices.
Both are shortest paths over the intervals, so any prices give a bound, at least as strong as the statement's relaxation
at its best, since the places of projection and network are one state here. Heads on the network's device may have less
room than the mode gives them; these rows have prices of their own.

Prices are whole ticks, as all times are, so the bound is a sum without rounding, or lower by a margin where sums are too large. What a path through a move, a place or a
mode costs more than the best path is what a trajectory with it costs above the bound, at least: what would cost more than
a known trajectory can be left out.

Sources: Lagrangian relaxation, Geoffrion (1974); fixing by reduced costs, Dantzig, Fulkerson and Johnson (1954).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.models.head_migration.cost import FFN, HEAD, PROJ, capacities, head_costs
from placewise.models.head_migration.modes import Kept, modes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance

    Array = NDArray[np.float64]
    Places = NDArray[np.intp]

#: Ticks up to which sums are exact, and what larger ones may be off by, of the largest.
EXACT, MARGIN = 2.0**52, 1e-9


class Bound(NamedTuple):
    """What prices prove, and the tables behind it.

    Parameters
    ----------
    value_s : float
        No trajectory costs less; infinite where there is none.
    mode_s : ndarray, shape (T, M, K)
        Priced limits.
    own_s : ndarray, shape (T, M, M)
        Of projection and network in an interval, with the cheapest mode.
    ahead_s : ndarray, shape (T, M, M)
        From there to the end.
    heads_s : ndarray, shape (T, M)
        Of one head from a device to the end.
    node_s : ndarray, shape (T, M)
        Prices of a head.
    """

    value_s: float
    mode_s: Array
    own_s: Array
    ahead_s: Array
    heads_s: Array
    node_s: Array


class Relaxation:
    """An instance without the ties between heads and modes.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals: 12 T M**2 H bytes, and as much for each evaluation.
    """

    def __init__(self, instance: HeadMigrationInstance) -> None:
        self.instance, self.costs, self.modes = instance, head_costs(instance), modes_of(instance)
        self.count, self.size, self.heads = (
            instance.intervals,
            instance.cluster.size,
            instance.transformer.units,
        )
        self.limit_s: Array = self.costs.weight * self.modes.limit_s
        self.head_s, self.proj_s, self.ffn_s = (self.costs.move_s[:, part] for part in (HEAD, PROJ, FFN))
        #: Heads that a device holds alone, and how many fewer where the network is, by places of both.
        self.room = np.zeros((self.count, self.size))
        self.spare = np.zeros((self.count, self.size, self.size))
        self.state_s: Array = self.costs.weight * self.costs.after_s
        along = np.arange(self.size)
        for t in range(self.count):
            fits = capacities(instance, t)
            beside = np.broadcast_to(fits[0, 1], (self.size, self.size)).copy()
            beside[along, along] = fits[1, 1]
            self.room[t] = np.maximum(fits[0, 0], 0)
            self.spare[t] = self.room[t] - np.maximum(beside, 0)
            own = self.room[t] - np.maximum(fits[1, 0], 0)  # what the projection takes, where it is alone
            total = self.room[t].sum() - self.spare[t] - np.where(np.eye(self.size), 0.0, own[:, None])
            nowhere = (beside < 0) | (fits[1, 0] < 0)[:, None] | (total < self.heads)
            self.state_s[t][nowhere] = np.inf
        #: Where everything was before: heads by device, and moves of projection and network from there.
        self.before: NDArray[np.int64] | None = None
        self.enter_s: Array = np.zeros((self.size, self.size))
        if instance.initial is not None:
            initial = instance.initial
            self.before = np.bincount(initial.heads, minlength=self.size)
            self.enter_s = self.proj_s[0, initial.proj][:, None] + self.ffn_s[0, initial.ffn]

    @property
    def layers(self) -> int:
        """How many prices a device has in an interval: a second one where the network takes room from heads."""
        return 2 if self.spare.any() else 1

    def whole(self, prices_s: Array) -> Array:
        """Return prices as whole ticks that sums of do not round, shape (layers, T, M).

        Parameters
        ----------
        prices_s : ndarray, shape (layers, T, M)
            Any numbers.
        """
        tick_s = self.costs.tick_s
        whole: Array = np.floor(np.clip(prices_s, 0.0, EXACT * tick_s) / tick_s) * tick_s
        return whole

    def _mode_s(self, prices_s: Array) -> Array:
        """Return the limits less what their room earns, shape (T, M, K)."""
        earned = np.take_along_axis(prices_s[:, None, :], self.modes.owner, axis=2)
        priced_s: Array = self.limit_s - np.cumsum(earned, axis=2)[:, :, self.heads - 1 :]
        return priced_s

    def bound(self, prices_s: Array) -> Bound:
        """Return what prices prove.

        Parameters
        ----------
        prices_s : ndarray, shape (layers, T, M)
            Seconds per head, 0 or more: of the room that modes give, and of that which the network leaves.
        """
        prices_s = self.whole(prices_s)
        mode_s = self._mode_s(prices_s[0])
        own_s = self.state_s + mode_s.min(axis=2)[:, :, None]
        node_s, constant_s = prices_s.sum(axis=0), 0.0
        if len(prices_s) > 1:
            own_s = own_s + prices_s[1][:, None, :] * self.spare
            constant_s = float((prices_s[1] * self.room).sum())
        ahead_s, heads_s = own_s.copy(), node_s.copy()
        for t in range(self.count - 2, -1, -1):
            to_go = (ahead_s[t + 1][:, None, :] + self.ffn_s[t + 1]).min(axis=2)
            ahead_s[t] += (to_go[None] + self.proj_s[t + 1][:, :, None]).min(axis=1)
            heads_s[t] += (self.head_s[t + 1] + heads_s[t + 1]).min(axis=1)
        walks_s = float(self.heads * heads_s[0].min())
        if self.before is not None:
            used = self.before > 0
            walks_s = float((self.before * self._first_s(heads_s))[used].sum())
        value_s = float((self.enter_s + ahead_s[0]).min()) + walks_s - constant_s
        tables = (own_s, mode_s, ahead_s, self.heads * heads_s)
        largest_s = max(
            constant_s, *(float(np.abs(table[np.isfinite(table)]).max(initial=0.0)) for table in tables)
        )
        if largest_s > EXACT * self.costs.tick_s:
            value_s -= MARGIN * largest_s
        return Bound(value_s, mode_s, own_s, ahead_s, heads_s, node_s)

    def _first_s(self, heads_s: Array) -> Array:
        """Return the least from each device before the first interval, shape (M,)."""
        first_s: Array = (self.head_s[0] + heads_s[0]).min(axis=1)
        return first_s

    def places(self, bound: Bound) -> Places:
        """Return a best walk of projection and network, shape (T, 2).

        Parameters
        ----------
        bound : Bound
            Finite.
        """
        walk = np.empty((self.count, 2), dtype=np.intp)
        onward_s = self.enter_s
        for t in range(self.count):
            walk[t] = np.unravel_index(int((onward_s + bound.ahead_s[t]).argmin()), onward_s.shape)
            if t + 1 < self.count:
                p, f = walk[t]
                onward_s = self.proj_s[t + 1, p][:, None] + self.ffn_s[t + 1, f]
        return walk

    def excess_s(self, bound: Bound) -> tuple[Array, Array, Array]:
        """Return what a best trajectory with something costs above the bound, at least.

        Parameters
        ----------
        bound : Bound
            Finite.

        Returns
        -------
        (ndarray, ndarray, ndarray)
            With a mode, shape (T, M, K); with projection and network at places, (T, M, M); with a move of a head,
            projection or network from k to j, (T, 3, M, M).
        """
        count, size = self.count, self.size
        move_s = np.zeros((count, 3, size, size))
        through_s = np.empty_like(bound.ahead_s)
        first_s = self.enter_s
        least_s = float((first_s + bound.ahead_s[0]).min())
        if self.before is None:
            head_s = bound.node_s[0] - bound.heads_s[0].min()
        else:
            # Of each origin's walks above its own best; where nobody was, nobody moves from.
            used = np.flatnonzero(self.before)
            above_s = self.head_s[0][used] - self._first_s(bound.heads_s)[used][:, None]
            move_s[0, HEAD][used] = above_s + bound.heads_s[0]
            head_s = above_s.min(axis=0) + bound.node_s[0]
        for t in range(count):
            if t:
                last_s = first_s + bound.own_s[t - 1]
                by_proj = (last_s[:, None, :] + self.proj_s[t][:, :, None]).min(axis=0)
                first_s = (by_proj[:, :, None] + self.ffn_s[t]).min(axis=1)
                to_go = (bound.ahead_s[t][:, None, :] + self.ffn_s[t]).min(axis=2)
                move_s[t, PROJ] = self.proj_s[t] + (last_s[:, None, :] + to_go[None]).min(axis=2) - least_s
                on_ffn = (by_proj[:, :, None] + bound.ahead_s[t][:, None, :]).min(axis=0)
                move_s[t, FFN] = self.ffn_s[t] + on_ffn - least_s
                onward_s = head_s[:, None] + self.head_s[t]
                move_s[t, HEAD] = onward_s + bound.heads_s[t]
                head_s = onward_s.min(axis=0) + bound.node_s[t]
            through_s[t] = first_s + bound.ahead_s[t] - least_s
        cheapest_s = bound.mode_s.min(axis=2)
        with np.errstate(invalid="ignore"):
            mode_s = through_s.min(axis=2)[:, :, None] + (bound.mode_s - cheapest_s[:, :, None])
        return np.where(np.isnan(mode_s), np.inf, mode_s), through_s, move_s

    def kept(self, bound: Bound, slack_s: float) -> Kept:
        """Return what trajectories that cost at most so much more than the bound may have.

        Parameters
        ----------
        bound : Bound
            Finite.
        slack_s : float
            Seconds.
        """
        mode_s, both_s, move_s = self.excess_s(bound)
        move = move_s <= slack_s
        move |= np.eye(self.size, dtype=bool)  # rows of devices that nothing leaves or reaches stay rows
        return Kept(mode_s <= slack_s, both_s <= slack_s, move)
