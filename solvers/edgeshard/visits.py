"""Contiguous chains over kinds of devices: tables of runs and hops, and a Lagrangian bound that prices visits.

Each run alone fits its device, which the tables see to; that a device is visited once is priced: for prices ``v >= 0``
in seconds per visit, ``min over paths of (cost + sum_k v_k visits_k) - sum_k v_k devices_k`` bounds the latency of
contiguous placements from below, and so does its rest from any point of a path on, over the devices not visited yet.

Sources: Lagrangian relaxation, Held and Karp (1970, 1971); subgradient steps of Polyak's length, Polyak (1969).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.kinds import kinds_of
from placewise.models.edgeshard.memory import furthest_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context


@dataclass(frozen=True, eq=False)
class VisitBound:
    """A dual bound and the completions behind it.

    Parameters
    ----------
    dual_bound : float
        Seconds; no contiguous placement costs less.
    price_s : ndarray, shape (K + 1,)
        Seconds per visit of each kind; the last is the source, whose price is 0.
    to_go_s : ndarray, shape (K + 1, N + 1)
        Least priced cost of layers i..N-1 and the return, when a run on a kind has ended before layer i.
    visits : ndarray of int, shape (K + 1,)
        How often the path of the bound visits each kind.
    """

    dual_bound: float
    price_s: NDArray[np.float64]
    to_go_s: NDArray[np.float64]
    visits: NDArray[np.int64]


class KindTables:
    """Runs and hops of an instance by kind of device; the source is the last kind, and only it begins.

    Parameters
    ----------
    instance : EdgeShardInstance
        Its source is given.
    """

    def __init__(self, instance: EdgeShardInstance) -> None:
        costs, source = time_tables(instance), instance.source_index
        self.tick_s, self.count = costs.tick_s, len(instance.layers)
        members: dict[int, list[int]] = {}
        for device, kind in enumerate(kinds_of(instance)):
            if device != source:
                members.setdefault(kind, []).append(device)
        size, count = instance.cluster.size, self.count
        least, ends = instance.rules.least(size), instance.rules.ends(size, count)
        ends = np.minimum(ends, furthest_ends(instance)[:-1])
        useful = (ends > np.arange(count)[:, None]).any(axis=0) | (least > 0)
        self.members = [devices for kind, devices in sorted(members.items()) if useful[kind]]
        first = [devices[0] for devices in self.members] + [source]
        second = [devices[-1] for devices in self.members] + [source]
        self.size = np.array([len(devices) for devices in self.members], dtype=np.int64)
        #: Kinds whose devices must all be used.
        self.required = least[first[:-1]] > 0
        self.time_before = np.vstack([np.zeros(size), np.cumsum(costs.compute_s, axis=0)]).T[first]
        self.return_s = costs.return_s[first]
        #: Furthest end and least length of a run, by kind and first layer.
        self.end, self.least = ends.T[first], np.maximum(least[first], 1)
        # Transfer by sender, receiver and first layer of the receiver's run; the source is entered by none.
        self.hop_s = np.full((len(first), len(first) - 1, count + 1), np.inf)
        table = costs.messages_s[costs.message[:-1]].transpose(1, 2, 0)
        self.hop_s[:, :, 1:-1] = table[np.ix_(first, second[:-1])]
        for kind, devices in enumerate(self.members):
            if len(devices) == 1:
                self.hop_s[kind, kind] = np.inf
        steps = np.arange(count + 1)
        #: First and last start of a run that ends before each layer, by kind, shape (K + 1, N + 1).
        self.earliest = np.vstack([np.searchsorted(end, steps) for end in self.end])
        self.latest = steps[None, :] - self.least[:, None]

    @property
    def states(self) -> int:
        """How many numbers all states have: sets, last devices, and ends."""
        return math.prod(int(size) + 1 for size in self.size) * len(self.size) * (self.count + 1)

    def bound(self, price_s: NDArray[np.float64]) -> VisitBound:
        """Return the bound at given prices, multiples of the tick.

        Parameters
        ----------
        price_s : ndarray, shape (K + 1,)
            Seconds per visit, 0 for the source.
        """
        kinds, count = len(self.return_s), self.count
        to_go = np.full((kinds, count + 1), np.inf)
        finish = np.full((kinds, count + 1), np.inf)  # time before an end plus what follows it
        to_go[:, -1] = self.return_s
        finish[:, -1] = self.time_before[:, -1] + self.return_s
        follower = np.zeros((kinds, count + 1), dtype=np.intp)
        until = np.zeros((kinds, count + 1), dtype=np.intp)
        steps = np.arange(count + 1)[None, :]
        for i in range(count - 1, -1, -1):
            inside = (steps[:, i + 1 :] >= i + self.least[:, None]) & (
                steps[:, i + 1 :] <= self.end[:, i, None]
            )
            window = np.where(inside, finish[:, i + 1 :], np.inf)
            best = window.argmin(axis=1)
            until[:, i] = best + i + 1
            run_s = window[np.arange(kinds), best] - self.time_before[:, i] + price_s
            if i and kinds > 1:
                through = self.hop_s[:, :, i] + run_s[None, :-1]
                follower[:, i] = through.argmin(axis=1)
                to_go[:, i] = through[np.arange(kinds), follower[:, i]]
                finish[:, i] = self.time_before[:, i] + to_go[:, i]
        total = float(run_s[-1])
        visits = np.zeros(kinds, dtype=np.int64)
        if np.isfinite(total):
            kind, layer = kinds - 1, int(until[-1, 0])
            while layer < count:
                kind = int(follower[kind, layer])
                visits[kind] += 1
                layer = int(until[kind, layer])
        return VisitBound(total - float(price_s[:-1] @ self.size), price_s, to_go, visits)

    def best_bound(self, context: Context, upper_s: float, steps: int, until: float) -> VisitBound:
        """Climb the Lagrangian dual by subgradient steps of Polyak's length towards an upper bound.

        Parameters
        ----------
        context : Context
            Its clock, and where better bounds are reported.
        upper_s : float
            Cost of a known placement, or infinity.
        steps : int
            At most so many paths.
        until : float
            Seconds, as `Context.elapsed` counts them.
        """
        best = found = self.bound(np.zeros(len(self.return_s)))
        size, weight, stalled = np.append(self.size, 0), 1.0, 0
        for _ in range(steps):
            if not np.isfinite(found.dual_bound) or context.elapsed >= until or weight < 1e-3:
                break
            excess = (found.visits - size).astype(np.float64)
            direction = np.where((found.price_s > 0) | (excess > 0), excess, 0.0)
            direction[-1] = 0.0
            if not direction.any():
                break
            target = upper_s if np.isfinite(upper_s) else best.dual_bound * 1.05
            step = (
                weight * max(target - best.dual_bound, 1e-6 * target) / max(float(direction @ direction), 1.0)
            )
            price = np.floor(np.maximum(found.price_s + step * direction, 0.0) / self.tick_s) * self.tick_s
            found = self.bound(price)
            if found.dual_bound > best.dual_bound:
                best, stalled = found, 0
                context.report(dual_bound=min(best.dual_bound, upper_s))
            else:
                stalled += 1
            if stalled >= 10:
                weight, stalled, found = weight / 2, 0, best
        return best
