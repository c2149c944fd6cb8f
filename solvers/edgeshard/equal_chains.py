"""Latency with equal layers: the best chain of devices, and the chains whose last layer is elsewhere.

Where revisits never pay (`revisits_never_pay`), a best placement is a chain of distinct devices, each with a number of
equal layers, whose last device hosts the last layer too; or one that hands the last layer to a device before it, perhaps
over a relay that keeps a layer for that. The first kind is one search (`chain_search`). Each of the others is the same
search with other ends: a host that is fixed leaves room for the last layer from the start, and a relay takes two layers or
more. Those that the prices of the first search do not refute are first searched together, each end at its least cost and
without its conditions, which bounds them all; what is left then is searched host by host and relay by relay.

With the order of the devices given, their numbers of layers matter to the cost only as a sum over devices, so one label
per set, last device and number of layers placed loses nothing. NumPy only, on one thread; where all devices differ and
most are needed, so that bounds leave a gap, CP-SAT's circuit goes on for up to 60 devices.

Sources: the constrained path over states of layers placed and last device, Zhang, Cao, Shen and Cui (2024), Algorithm 1; the
bound and the labels as `priced_visits` and `chain_labels` say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import equal_layers_that_fit, require_shared_with_first
from placewise.models.edgeshard.placement import evaluate_latency
from placewise.models.edgeshard.runs import require_equal_block, revisits_never_pay, useful_devices
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard import cpsat
from placewise.solvers.edgeshard.baselines import greedy
from placewise.solvers.edgeshard.chain_search import Search
from placewise.solvers.edgeshard.priced_visits import Chains, PricedPaths
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.edgeshard.chain_search import Chain
    from placewise.solvers.edgeshard.priced_visits import Array, Ints
    from placewise.solvers.execution.context import Context


#: Kinds of chains: the last layer is on their end, or not.
OWN, ELSEWHERE = "own", "elsewhere"
#: Where beams of so many labels, or so many hosts, leave a gap, CP-SAT goes on for up to so many devices.
BEFORE_CIRCUIT, MOST_HOSTS, LARGEST_CIRCUIT = 10_000, 4, 60
#: Steps of one bound.
LARGEST_TABLE = 1_000_000_000


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT where revisits never pay or are not wanted, else RESTRICTION.

    Raises
    ------
    NotApplicableError
        Where layers are not equal, or too many with the devices for tables of both.
    """
    require_equal_block(instance)
    require_shared_with_first(instance)
    devices, layers = instance.cluster.size, len(instance.layers)
    if layers * devices * (devices + layers) > LARGEST_TABLE:
        raise NotApplicableError(
            f"chains take up to {LARGEST_TABLE:.0e} steps from state to state; {layers} layers on {devices} devices are "
            f"{layers * devices * (devices + layers):.0e}"
        )
    if instance.rules.contiguous:
        return Guarantee.EXACT
    hop_s = time_tables(instance).transfer_s(0)
    return Guarantee.EXACT if revisits_never_pay(hop_s, instance.source_index) else Guarantee.RESTRICTION


def own_chains(instance: EdgeShardInstance) -> Chains:
    """Return the chains of distinct devices whose last one hosts the last layer, on the devices of use.

    Parameters
    ----------
    instance : EdgeShardInstance
        Two layers or more, equal but for the first and the last.
    """
    costs, source = time_tables(instance), instance.source_index
    devices = np.array([source, *(j for j in useful_devices(instance) if j != source)])
    alone, with_last = equal_layers_that_fit(instance)
    hop_s = costs.transfer_s(0)[np.ix_(devices, devices)].copy()
    hop_s[:, 0] = np.inf
    np.fill_diagonal(hop_s, np.inf)
    least = np.ones(len(devices), dtype=np.intp)
    least[0] = 0
    return Chains(
        devices,
        len(instance.layers) - 2,
        costs.compute_s[min(1, len(instance.layers) - 1), devices],
        hop_s,
        least,
        alone[devices],
        np.zeros(len(devices), dtype=np.intp),
        with_last[devices],
        (costs.compute_s[-1] + costs.return_s)[devices],
        None,
        costs.tick_s,
    )


class EqualChains:
    """The search of one instance.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved, two layers or more; options, clock and reports.
    """

    def __init__(self, instance: EdgeShardInstance, context: Context) -> None:
        self.instance, self.context = instance, context
        costs, self.chains = time_tables(instance), own_chains(instance)
        devices = self.chains.devices
        self.first_s = float(costs.compute_s[0, devices[0]])
        hop_s = costs.transfer_s(len(instance.layers) - 2)[np.ix_(devices, devices)].copy()
        np.fill_diagonal(hop_s, np.inf)
        hop_s[0] = np.inf  # the last layer leaves the end of a chain, which is not the source
        host_s = np.where(self.chains.last_most >= 0, self.chains.close_s, np.inf)
        #: What follows the equal layers by end and host, and by end and relay before the source.
        self.to_host_s: Array = hop_s + host_s
        over_s = hop_s + hop_s[:, 0]
        self.over_relay_s: Array = np.where(over_s < hop_s[:, :1], over_s, np.inf) + host_s[0]
        self.bound_s = {OWN: -np.inf, ELSEWHERE: np.inf if instance.rules.contiguous else -np.inf}
        self.circuit = len(devices) <= LARGEST_CIRCUIT and costs.whole_numbers
        self.best: tuple[int, ...] | None = None
        self.upper_s = np.inf
        for known in (context.warm_start, greedy(instance, context).placement):
            if known is not None:
                self._offer(tuple(known))

    def solve(self) -> Claim:
        """Search the chains that end where their last layer is, then the others."""
        own = self._search(self.chains, OWN)
        if not self.instance.rules.contiguous and not (own.open and self.circuit):
            self._elsewhere(own.price_s)
        if self.open and self.circuit:
            return self._circuit()
        bound_s = min(self.upper_s, *self.bound_s.values())
        if self.best is None and bound_s == np.inf:
            message = "no chain of devices holds the layers"
            return Claim(Reason.INFEASIBLE, message=message, solve_s=self.context.elapsed)
        gap_s = self.context.parameters.relative_gap * (self.upper_s + self.first_s) if self.best else 0.0
        reason = Reason.OPTIMAL if self.best and bound_s >= self.upper_s - gap_s else Reason.LIMIT
        objective = self.upper_s + self.first_s if self.best else None
        limit = "labels" if reason is Reason.LIMIT and self.context.remaining else "time"
        return Claim(
            reason, self.best, objective, self.first_s + bound_s, solve_s=self.context.elapsed, limit=limit
        )

    @property
    def open(self) -> bool:
        """Whether there is a gap, and time."""
        gap_s = self.context.parameters.relative_gap * (self.upper_s + self.first_s) if self.best else 0.0
        return min(self.upper_s, *self.bound_s.values()) < self.upper_s - gap_s and self.context.remaining > 0

    def _circuit(self) -> Claim:
        """Return what CP-SAT makes of it from here on, with what is known."""
        self.context.warm_start = self.best
        claim = cpsat.latency(self.instance, self.context)
        bound_s = max(claim.dual_bound or 0.0, self.first_s + min(self.bound_s.values()))
        claim = replace(claim, message=f"CP-SAT's circuit went on; {claim.message}".rstrip("; "))
        if claim.reason is not Reason.LIMIT or self.best is None:
            return claim
        best_s = self.upper_s + self.first_s
        if claim.objective is None or claim.objective > best_s:
            claim = replace(claim, placement=self.best, objective=best_s)
        return replace(claim, dual_bound=min(bound_s, claim.objective or bound_s))

    def _elsewhere(self, price_s: dict[int, float]) -> None:
        """Bound and search the chains whose last layer is on another device than their end."""
        every_s = np.minimum(self.to_host_s.min(axis=1), self.over_relay_s.min(axis=1))
        together = self._search(self._closed(every_s), ELSEWHERE, price_s=price_s)
        if together.bound_s >= self.upper_s or not self.context.remaining:
            return
        devices = self.chains.devices
        price = np.array([together.price_s.get(int(j), 0.0) for j in devices])
        ended_s = PricedPaths(self._closed(every_s), price).through_s()[1]
        least_s = np.concatenate([(ended_s[:, None] + table).min(axis=0) for table in self._tables()])
        bounds_s = np.maximum(least_s, together.bound_s)
        if self.circuit and (bounds_s < self.upper_s).sum() > MOST_HOSTS:
            return
        for number in np.argsort(bounds_s, kind="stable").tolist():
            if bounds_s[number] >= self.upper_s or not self.context.remaining:
                break
            relayed, device = divmod(number, len(devices))
            most, least = self.chains.most.copy(), self.chains.least.copy()
            host = 0 if relayed else device
            most[host] = min(most[host], self.chains.last_most[host])
            if relayed:
                least[device] = 2
            chains = self._closed(self._tables()[relayed][:, device], least, most)
            chains = replace(chains, required=int(devices[device]) if relayed else None)
            relay = int(devices[device]) if relayed else None
            found = self._search(chains, None, int(devices[host]), relay, together.price_s)
            bounds_s[number] = max(bounds_s[number], found.bound_s)
            self._raised(ELSEWHERE, float(bounds_s.min()))
        self._raised(ELSEWHERE, min(float(bounds_s.min()), self.upper_s))

    def _tables(self) -> tuple[Array, Array]:
        return self.to_host_s, self.over_relay_s

    def _closed(self, close_s: Array, least: Ints | None = None, most: Ints | None = None) -> Chains:
        """Return the chains that end otherwise: each device has what it has where another one follows, none is alone."""
        least = self.chains.least if least is None else least
        most = self.chains.most if most is None else most
        last_most = most.copy()
        last_most[0] = -1
        return replace(
            self.chains, least=least, most=most, last_least=least, last_most=last_most, close_s=close_s
        )

    def _search(
        self,
        chains: Chains,
        kind: str | None,
        host: int | None = None,
        relay: int | None = None,
        price_s: dict[int, float] | None = None,
    ) -> Search:
        """Search one kind of chains; ends of no kind but all have the last layer on a host, perhaps over a relay."""

        def on_chain(chain: Chain) -> None:
            for last, over in self._hosts(chain) if kind == ELSEWHERE else [(host, relay)]:
                self._offer(_placement(chain, last, over))

        def on_bound(bound_s: float) -> None:
            if kind is not None:
                self._raised(kind, bound_s)

        search = Search(chains, self.context, self.upper_s, on_chain, on_bound, price_s)
        search.run(BEFORE_CIRCUIT if self.circuit else None)
        if kind is not None:
            self._raised(kind, search.bound_s)
        return search

    def _hosts(self, chain: Chain) -> list[tuple[int | None, int | None]]:
        """Return the best host of the last layer after a chain, and the best relay to the source."""
        devices = self.chains.devices
        end = int(np.flatnonzero(devices == chain[-1][0])[0])
        host, relay = (int(devices[table[end].argmin()]) for table in self._tables())
        found: list[tuple[int | None, int | None]] = [(host, None)]
        return [*found, (int(devices[0]), relay)] if dict(chain).get(relay, 0) > 1 else found

    def _raised(self, kind: str, bound_s: float) -> None:
        self.bound_s[kind] = max(self.bound_s[kind], bound_s)
        bound_s = min(self.upper_s, *self.bound_s.values())
        self.context.report(dual_bound=self.first_s + bound_s)

    def _offer(self, placement: tuple[int, ...]) -> None:
        known = evaluate_latency(self.instance, placement)
        if known.feasible and known.objective is not None and known.objective - self.first_s < self.upper_s:
            self.best, self.upper_s = placement, known.objective - self.first_s
            self.context.report(objective=known.objective, placement=placement)


def _placement(chain: Chain, host: int | None, relay: int | None) -> tuple[int, ...]:
    """Return the devices of all layers: the first one, the equal ones, and the last one on its host or the chain's end."""
    layers = [chain[0][0]]
    for device, count in chain:
        layers += [device] * (count - (device == relay))
    if relay is not None:
        layers.append(relay)
    return (*layers, chain[-1][0] if host is None else host)


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Search the chains of an instance.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    if len(instance.layers) > 1:
        return EqualChains(instance, context).solve()
    alone = evaluate_latency(instance, (instance.source_index,))
    if not alone.feasible or alone.objective is None:
        return Claim(Reason.INFEASIBLE, message="the layer is not on the source", solve_s=context.elapsed)
    return Claim(
        Reason.OPTIMAL, (instance.source_index,), alone.objective, alone.objective, solve_s=context.elapsed
    )
