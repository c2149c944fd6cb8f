"""Local search over chains: which devices, in which order; where each run ends is optimal by dynamic programming.

A chain visits each device once. Sums from the front and from the back of the current chain price every insertion,
replacement and removal of a device by one minimum over (start, end) of its run, for all devices at once.

Source: iterated local search, Lourenço, Martin and Stützle (2003).
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.edgeshard.baselines import greedy
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context

    Chain = tuple[int, ...]
    Array = NDArray[np.float64]

#: Local optima in a row without a better one after which the search ends.
PATIENCE = 30


class ChainSearch:
    """Iterated local search; every value is the exact cost of the best placement along a chain.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers, M devices.
    context : Context
        Clock, and where better placements are reported.
    """

    def __init__(self, instance: EdgeShardInstance, context: Context) -> None:
        paths = RunPaths(instance)
        self.context, self.paths = context, paths
        self.source, self.count, self.devices = paths.source, paths.count, np.arange(paths.size)
        steps = np.arange(self.count + 1)
        time = paths.time_before.T
        least = instance.rules.least(paths.size)
        #: Devices that stay in every chain.
        self.required = set(np.flatnonzero(least).tolist()) - {self.source}
        fits = np.zeros((paths.size, self.count + 1, self.count + 1), dtype=bool)
        fits[:, :-1] = (steps >= steps[:-1, None] + np.maximum(least, 1)[:, None, None]) & (
            steps <= paths.last_end.T[:, :, None]
        )
        # Time of a run by device, first layer and end; infinite where it does not fit.
        self.run_s: Array = np.where(fits, time[:, None, :] - time[:, :, None], np.inf)
        # Transfer by sender, receiver and first layer of the receiver's run.
        sizes = paths.costs.message[:-1]
        self.hop_s: Array = np.full((paths.size, paths.size, self.count + 1), np.inf)
        self.hop_s[:, :, 1:-1] = paths.costs.messages_s[sizes].transpose(1, 2, 0)
        self.hop_s[self.devices, self.devices] = np.inf
        self.best: Chain = ()
        self.best_s = np.inf

    def search(self, start: Chain, until: float, seed: int) -> None:
        """Descend from a chain, then from random changes of the best one, until time or patience end.

        Parameters
        ----------
        start : tuple of int
            Different devices, the source first.
        until : float
            Seconds, as `Context.elapsed` counts them.
        seed : int
            Of the random changes.
        """
        draw = random.Random(seed)  # noqa: S311 - not for secrets
        start = (*start, *sorted(self.required - set(start)))
        chain, patience = self._completed(start), PATIENCE
        while patience and self.context.elapsed < until:
            found, cost = self._descend(chain, until)
            patience -= 1
            if cost < self.best_s:
                self.best, self.best_s, patience = found, cost, PATIENCE
                self.context.report(objective=cost, placement=self.placement(found))
            chain = self._shake(self.best or start, draw)

    def cost(self, chain: Chain) -> float:
        """Return the least cost of a placement along a chain, each of its devices used; infinity if none fits."""
        return float(self._from_back(chain)[0][0])

    def placement(self, chain: Chain) -> tuple[int, ...]:
        """Return a placement that attains the cost of a chain."""
        back = self._from_back(chain)
        layers: list[int] = []
        for position, device in enumerate(chain):
            finish = self.run_s[device, len(layers)] + self._after(chain, position, back)
            layers += [device] * (int(finish.argmin()) - len(layers))
        return tuple(layers)

    def _completed(self, chain: Chain) -> Chain:
        """Return a chain with the nearest devices added at its end until it holds all layers."""
        while not np.isfinite(self.cost(chain)) and len(chain) < self.devices.size:
            nearest = self.hop_s[chain[-1], :, 1:-1].min(axis=1, initial=np.inf)
            chain = (*chain, min(set(self.devices.tolist()) - set(chain), key=nearest.__getitem__))
        return chain

    def _descend(self, chain: Chain, until: float) -> tuple[Chain, float]:
        cost = self.cost(chain)
        while self.context.elapsed < until:
            better, value = min(
                self._neighbours(chain), key=lambda neighbour: neighbour[1], default=(chain, np.inf)
            )
            if not value < cost:
                better, value = self._best_reordering(chain)
            if not value < cost:
                break
            chain, cost = better, value
        return chain, cost

    def _neighbours(self, chain: Chain) -> list[tuple[Chain, float]]:
        """Return, for each place in the chain, its best insertion and replacement, and the removal."""
        front, back = self._from_front(chain), self._from_back(chain)
        outside = np.setdiff1d(self.devices, chain)
        neighbours = []
        for position in range(1, len(chain) + 1):
            for following in (position, position + 1):  # insert before it, or replace it
                if following > len(chain) or not outside.size:
                    continue
                if following > position and chain[position] in self.required:
                    continue
                before = front[position - 1] + self.hop_s[chain[position - 1], outside]
                if following == len(chain):
                    after = np.full((len(outside), self.count + 1), np.inf)
                    after[:, -1] = self.paths.costs.return_s[outside]
                else:
                    after = self.hop_s[outside, chain[following]] + back[following]
                values = (before[:, :, None] + self.run_s[outside] + after[:, None, :]).min(axis=(1, 2))
                device = int(values.argmin())
                changed = (*chain[:position], int(outside[device]), *chain[following:])
                neighbours.append((changed, float(values[device])))
        neighbours += [
            (shorter, self.cost(shorter))
            for p in range(1, len(chain))
            if chain[p] not in self.required
            for shorter in [chain[:p] + chain[p + 1 :]]
        ]
        return neighbours

    def _best_reordering(self, chain: Chain) -> tuple[Chain, float]:
        """Return the best chain with one device moved to another place, or two swapped."""
        changed = set()
        for p in range(1, len(chain)):
            rest = chain[:p] + chain[p + 1 :]
            changed |= {(*rest[:q], chain[p], *rest[q:]) for q in range(1, len(chain))}
            for q in range(p + 1, len(chain)):
                swapped = list(chain)
                swapped[p], swapped[q] = swapped[q], swapped[p]
                changed.add(tuple(swapped))
        return min(
            ((other, self.cost(other)) for other in sorted(changed)),
            key=lambda x: x[1],
            default=(chain, np.inf),
        )

    def _shake(self, chain: Chain, draw: random.Random) -> Chain:
        """Return a chain after two or three random steps: a device put in, exchanged, or moved."""
        changed = list(chain)
        for _ in range(draw.randint(2, 3)):
            outside = sorted(set(self.devices.tolist()) - set(changed))
            if outside and (len(changed) == 1 or draw.random() < 1 / 3):
                changed.insert(draw.randint(1, len(changed)), draw.choice(outside))
            elif outside:
                place, device = draw.randrange(1, len(changed)), draw.choice(outside)
                if changed[place] not in self.required:
                    changed[place] = device
            if len(changed) > 2:
                changed.insert(draw.randrange(1, len(changed)), changed.pop(draw.randrange(1, len(changed))))
        return tuple(changed)

    def _from_front(self, chain: Chain) -> list[Array]:
        """Cost of layers 0..i-1 on the first devices of a chain, by position and i."""
        sums = [self.run_s[chain[0], 0]]
        for sender, device in pairwise(chain):
            sums.append(((sums[-1] + self.hop_s[sender, device])[:, None] + self.run_s[device]).min(axis=0))
        return sums

    def _from_back(self, chain: Chain) -> list[Array]:
        """Cost of layers i..N-1 when the run of a position starts at i, and of the return."""
        sums: list[Array] = [np.empty(0)] * len(chain)
        for position in range(len(chain) - 1, -1, -1):
            after = self._after(chain, position, sums)
            sums[position] = (self.run_s[chain[position]] + after[None, :]).min(axis=1)
        return sums

    def _after(self, chain: Chain, position: int, back: list[Array]) -> Array:
        """Cost of everything after the end of a position's run, by that end."""
        if position + 1 < len(chain):
            after: Array = self.hop_s[chain[position], chain[position + 1]] + back[position + 1]
            return after
        after = np.full(self.count + 1, np.inf)
        after[-1] = self.paths.costs.return_s[chain[position]]
        return after


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Search chains from the greedy one until patience or time end.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    search = ChainSearch(instance, context)
    first = greedy(instance, context).placement
    start = tuple(dict.fromkeys(first)) if first is not None else (search.source,)
    search.search(start, context.parameters.time_limit, context.parameters.seed)
    if not search.best:
        return Claim(Reason.FINISHED, message="no chain of devices holds the layers", solve_s=context.elapsed)
    return Claim(Reason.FINISHED, search.placement(search.best), search.best_s, solve_s=context.elapsed)
