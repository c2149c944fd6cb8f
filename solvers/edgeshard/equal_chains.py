"""Latency with equal layers: chains of devices by labels under bounds with priced visits, then the ways to end elsewhere.

Where revisits never pay (`revisits_never_pay`), a best placement is a chain of distinct devices, each with a number of
equal layers, whose last device also hosts the last layer; or one that hands the last layer to another device, perhaps over
a relay that keeps a layer for it. The first kind is one search over chains. Each of the others is the same search with
another end: a host that is fixed leaves room for the last layer from the start, and a relay has two layers or more. They
are first refuted together, each end at its least cost and without its conditions; those that a bound cannot refute are
searched one by one.

A search climbs to good prices (`priced_visits`), drops devices through which no path is better than what is known, and
widens a beam of labels until none is left out (`chain_labels`). NumPy only.

Sources: reduced costs that fix variables, Dantzig, Fulkerson and Johnson (1954); decremental relaxation of the visits,
Righini and Salani (2008); steps of Polyak's length, Polyak (1969), halved where they stall, Held, Wolfe and Crowder (1974).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import latency_floor_s, time_tables
from placewise.models.edgeshard.cpsat import units_that_fit
from placewise.models.edgeshard.placement import evaluate_latency
from placewise.models.edgeshard.runs import require_equal_block, revisits_never_pay
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.chain_labels import ChainLabels
from placewise.solvers.edgeshard.priced_visits import Chains, PricedPaths
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.edgeshard.priced_visits import Array
    from placewise.solvers.execution.context import Context

#: Labels per hop of the beams, one after the other.
WIDTHS = (100, 1000, 10_000, 100_000, 1_000_000)
#: Steps of the ascent: twice before the first beam, and before each other one.
FIRST_STEPS, STEPS = 15, 40
#: Steps in a row that raise no bound before they are halved, and how small they get.
PATIENCE, LEAST_WEIGHT = 5, 1e-3
#: Devices whose visits are remembered at most, and entries of the tables by subset and pair of devices.
MOST_REMEMBERED, LARGEST_TABLE = 7, 100_000


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT where revisits never pay, else RESTRICTION.

    Raises
    ------
    NotApplicableError
        Where layers are not equal.
    """
    require_equal_block(instance)
    hop_s = time_tables(instance).transfer_s(0)
    return Guarantee.EXACT if revisits_never_pay(hop_s, instance.source) else Guarantee.RESTRICTION


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
        Are told of each better chain, its cost and the devices of the instance with their numbers of equal layers, and
        of each better bound.
    """

    def __init__(
        self,
        chains: Chains,
        context: Context,
        upper_s: float,
        on_chain: Callable[[float, list[tuple[int, int]]], None],
        on_bound: Callable[[float], None],
    ) -> None:
        self.context, self.upper_s, self.on_chain, self.on_bound = context, upper_s, on_chain, on_bound
        self.bound_s = -np.inf
        self.paths = PricedPaths(chains, np.zeros(len(chains.devices)))
        self._raised(self.paths.bound_s)

    def run(self) -> None:
        """Search until the bound meets what is known, or the widths or the time end."""
        if not np.isfinite(self.upper_s):
            self._beam(WIDTHS[0])
        self._drop_useless()
        self._climb(FIRST_STEPS)
        self._beam(WIDTHS[0])
        self._drop_useless()
        for width in WIDTHS:
            self._remember()
            self._climb(FIRST_STEPS)
            self._drop_useless()
            self._beam(width)
            if not self.open:
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
            self.on_chain(self.upper_s, [(int(devices[j]), count) for j, count in found.chain])
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

    def _remember(self) -> None:
        """Remember the visits of the devices whose prices are highest, as far as the tables stay small."""
        paths = self.paths
        if not self.open or not paths.price_s.any():
            return
        size = len(paths.price_s)
        most = int(np.log2(max(LARGEST_TABLE / (size * size), 1)))
        dear = np.argsort(-paths.price_s)[: min(most, MOST_REMEMBERED)]
        dear = dear[paths.price_s[dear] > paths.price_s.max() / 10]
        price_s = paths.price_s.copy()
        price_s[dear] = 0.0
        self.paths = PricedPaths(paths.chains, price_s, tuple(dear.tolist()))
        self._raised(self.paths.bound_s)

    def _climb(self, steps: int) -> None:
        """Raise the bound by better prices."""
        best, tried, weight, stalled = self.paths, self.paths, 1.0, 0
        for _ in range(steps):
            excess = tried.visits() - 1.0
            excess[0] = 0.0
            direction = np.where((tried.price_s > 0) | (excess > 0), excess, 0.0)
            direction[list(tried.remembered)] = 0.0
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
