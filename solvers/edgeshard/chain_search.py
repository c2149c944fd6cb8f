"""The search over the chains of one kind: prices, devices left out, wider and wider beams of labels.

It climbs to good prices (`priced_visits`), remembers the visits of the devices whose prices are highest, drops devices
through which no path is better than what is known, and widens a beam until nothing is left out (`chain_labels`).

Sources: steps of Polyak's length, Polyak (1969), halved where they stall, Held, Wolfe and Crowder (1974); visits remembered
where the relaxation repeats them, Righini and Salani (2008); what no better solution uses is fixed by its bound, Dantzig,
Fulkerson and Johnson (1954).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.edgeshard.chain_labels import ChainLabels
from placewise.solvers.edgeshard.priced_visits import PricedPaths

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.solvers.edgeshard.priced_visits import Chains
    from placewise.solvers.execution.context import Context

    #: Devices of the instance with their numbers of equal layers.
    Chain = list[tuple[int, int]]

#: Labels per hop of the beams, one after the other.
WIDTHS = (100, 10_000, 100_000, 400_000)
#: Labels per hop of the beams before visits are remembered.
FIRST_WIDTH = 100
#: Devices from which on a first beam costs less than prices.
MANY = 150
#: Steps of the ascent before each beam.
STEPS = 15
#: Steps in a row that raise no bound before they are halved, and how small they get.
PATIENCE, LEAST_WEIGHT = 5, 1e-3
#: Entries of the tables by subset and pair of devices before each beam, and devices whose visits are remembered at most.
TABLES, MOST_REMEMBERED = (100_000, 1_600_000, 1_600_000, 1_600_000), 7


class Search:
    """The search over the chains of one kind.

    Parameters
    ----------
    chains : Chains
        Of the kind.
    context : Context
        Clock.
    upper_s : float
        What is known, without the first layer.
    on_chain, on_bound : callable
        Are told of each better chain and of each better bound.
    price_s : dict of int to float, optional
        First prices of devices of the instance.
    """

    def __init__(
        self,
        chains: Chains,
        context: Context,
        upper_s: float,
        on_chain: Callable[[Chain], None],
        on_bound: Callable[[float], None],
        price_s: dict[int, float] | None = None,
    ) -> None:
        self.context, self.upper_s, self.on_chain, self.on_bound = context, upper_s, on_chain, on_bound
        self.bound_s = -np.inf
        #: Of devices of the instance, also of those that are remembered instead.
        self.price_s: dict[int, float] = dict(price_s or {})
        first = np.array([self.price_s.get(int(j), 0.0) for j in chains.devices])
        self.paths = PricedPaths(chains, first)
        self._raised(self.paths.bound_s)

    def run(self, widest: int | None = None) -> None:
        """Search until the bound meets what is known, or the widths or the time end.

        Parameters
        ----------
        widest : int, optional
            Labels per hop of the last beam.
        """
        self._drop_useless()
        if not np.isfinite(self.upper_s) or len(self.paths.price_s) > MANY:
            self._beam(FIRST_WIDTH)
            self._drop_useless()
        self._climb()
        self._beam(FIRST_WIDTH)
        self._drop_useless()
        for width, table in zip(WIDTHS, TABLES, strict=True):
            self._remember(table)
            self._climb()
            self._drop_useless()
            self._beam(width)
            if not self.open or width == widest:
                return

    @property
    def open(self) -> bool:
        """Whether there is a gap, and time."""
        gap_s = self.context.parameters.relative_gap * self.upper_s if np.isfinite(self.upper_s) else 0.0
        return bool(self.bound_s < self.upper_s - gap_s) and self.context.remaining > 0

    def _raised(self, bound_s: float) -> None:
        if bound_s > self.bound_s:
            self.bound_s = bound_s
            self.on_bound(bound_s)

    def _beam(self, width: int) -> None:
        if not self.open:
            return
        found = ChainLabels(self.paths, self.context).search(self.upper_s, width)
        if found.chain is not None:
            self.upper_s = found.cost_s
            devices = self.paths.chains.devices
            self.on_chain([(int(devices[j]), count) for j, count in found.chain])
        self._raised(min(found.missed_s, self.upper_s))

    def _drop_useless(self) -> None:
        """Keep the devices through which some path may be better than what is known."""
        if not self.open or not np.isfinite(self.upper_s):
            return
        paths = self.paths
        keep = paths.through_s()[0] < self.upper_s
        keep[0] = True
        if not keep.all():
            place = np.cumsum(keep) - 1
            remembered = tuple(int(place[j]) for j in paths.remembered if keep[j])
            self.paths = PricedPaths(paths.chains.kept(keep), paths.price_s[keep], remembered)
            self._raised(self.paths.bound_s)

    def _remember(self, table: int) -> None:
        """Remember the visits of the devices whose prices are highest, as far as the tables stay small."""
        paths = self.paths
        price_s = np.array([self.price_s.get(int(j), 0.0) for j in paths.chains.devices])
        if not self.open or not price_s.any():
            return
        most = int(np.log2(max(table / len(price_s) ** 2, 1)))
        dear = np.argsort(-price_s, kind="stable")[: min(most, MOST_REMEMBERED)]
        dear = dear[price_s[dear] > price_s.max() / 10]
        price_s[dear] = 0.0
        if len(dear) > len(paths.remembered):
            self.paths = PricedPaths(paths.chains, price_s, tuple(dear.tolist()))
            self._raised(self.paths.bound_s)

    def _climb(self) -> None:
        """Raise the bound by better prices."""
        best, tried, weight, stalled = self.paths, self.paths, 1.0, 0
        for _ in range(STEPS):
            excess = tried.visits() - 1.0
            excess[0] = 0.0
            excess[list(tried.remembered)] = 0.0
            direction = np.where((tried.price_s > 0) | (excess > 0), excess, 0.0)
            length = float(direction @ direction)
            if not self.open or not length or weight < LEAST_WEIGHT:
                break
            target_s = self.upper_s if np.isfinite(self.upper_s) else best.bound_s * 1.01
            step = weight * max(target_s - tried.bound_s, 1e-6 * abs(target_s)) / length
            tick_s = best.chains.tick_s
            price_s = np.clip(tried.price_s + step * direction, 0.0, abs(target_s))
            tried = PricedPaths(best.chains, np.rint(price_s / tick_s) * tick_s, best.remembered)
            if tried.bound_s > best.bound_s:
                best, stalled = tried, 0
                self._raised(best.bound_s)
            else:
                stalled += 1
            if stalled >= PATIENCE:
                weight, stalled, tried = weight / 2, 0, best
        self.paths = best
        for position, device in enumerate(best.chains.devices.tolist()):
            if position not in best.remembered:
                self.price_s[device] = float(best.price_s[position])
