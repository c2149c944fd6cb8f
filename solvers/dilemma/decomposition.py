"""Lagrangian decomposition of DILEMMA: a path that pays for its hops, and a knapsack per server, that must agree.

Two copies of ``x_lib`` are tied by prices. One is a path through the layers whose every run of layers fits its server;
it pays compute times and transfers. The other is, per server, any choice of layers and widths that fits its storage.
For prices ``p`` and a price ``q >= 0`` on errors,

    min path (delay + q error - p) + sum over servers (min knapsack p) - q budget

bounds the delay from below (as printed, the knapsacks hold one layer each), and the tables behind it bound every continuation of a partial placement, given what is
left on each server. Both subproblems are dynamic programmes over storage in at most `LARGEST_UNITS` units: sizes and
capacities are divided and floored, which only relaxes them.

Sources: Lagrangian decomposition, Guignard and Kim (1987); knapsacks by dynamic programming, Bellman (1957), Martello and
Toth (1990), with one of several widths per layer, Kellerer, Pferschy and Pisinger (2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.models.dilemma.cost import delay_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.dilemma import DilemmaInstance

    Floats = NDArray[np.float64]

#: Storage levels per server in the tables.
LARGEST_UNITS = 256


class Prices(NamedTuple):
    """Multipliers of the relaxed constraints.

    Parameters
    ----------
    choice_s : ndarray, shape (L, M, B)
        ``p``: seconds by which the path is paid, and the knapsacks pay, for a layer on a server with a width.
    error_s : float
        ``q``: seconds per unit of error.
    """

    choice_s: Floats
    error_s: float


@dataclass(frozen=True, eq=False)
class Tables:
    """The bound at given prices, and what it says about continuations.

    Parameters
    ----------
    bound_s : float
        No placement has less delay.
    error_price_s : float
        ``q``, seconds per unit of error.
    stay_s : ndarray, shape (L, M, U)
        Least priced cost after layer l on server i with u units left, if layer l + 1 stays there.
    move_s : ndarray, shape (L, M, B)
        The same if it moves away, by the width of layer l.
    knapsack_s : ndarray, shape (L + 1, M, U)
        Least sum of prices of layers l and after on server i, with u units left.
    """

    bound_s: float
    error_price_s: float
    stay_s: Floats
    move_s: Floats
    knapsack_s: Floats


class Decomposition:
    """The two subproblems of an instance.

    Parameters
    ----------
    instance : DilemmaInstance
        In either mode: as printed, every layer takes the one unit that a server has, if it fits at all.
    widths : ndarray of bool, shape (L, B), optional
        The widths to choose from, of those that are admissible; all candidates if absent.
    """

    def __init__(self, instance: DilemmaInstance, widths: NDArray[np.bool_] | None = None) -> None:
        costs = delay_costs(instance)
        self.costs = costs
        self.allowed = costs.candidate if widths is None else costs.admissible & widths
        self.count, self.servers, self.widths = costs.compute_s.shape
        self.budget = costs.error_budget
        self.printed = instance.printed
        usable = self.allowed[:, None, :]
        self.storage, capacity = costs.storage, costs.capacity
        if self.printed:
            usable = usable & (costs.storage[:, None, :] <= capacity[None, :, None])
            self.storage, capacity = np.ones_like(costs.storage), np.ones_like(capacity)
        self.compute_s = np.where(usable, costs.compute_s, np.inf)
        self.transfer_s = np.stack([costs.transfer_s(layer) for layer in range(self.count)])
        diagonal = np.arange(self.servers)
        self.away_s = self.transfer_s.copy()
        self.away_s[:, :, diagonal, diagonal] = np.inf
        # What no server can use more than: all layers at their largest widths.
        most = min(sum(self.storage.max(axis=1).tolist()), int(capacity.max()))
        self.capacity = np.minimum(capacity, most)
        self.grain = max(-(-int(self.capacity.max()) // LARGEST_UNITS), 1)
        self.size = self.storage // self.grain
        self.space = self.capacity // self.grain
        self.levels = int(self.space.max()) + 1
        self.error = costs.error.astype(np.float64)

    def no_prices(self) -> Prices:
        """Return prices of 0: a path that only its runs' storage bounds."""
        return Prices(np.zeros_like(self.compute_s), 0.0)

    def units(self, free: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return storage in the tables' units."""
        return free // self.grain

    def solve(self, prices: Prices) -> tuple[Tables, Floats, Floats]:
        """Return the bound's tables at given prices, the path and the knapsacks that attain it as 0/1 arrays."""
        prices_s, error_price_s = prices.choice_s, prices.error_s
        knapsack_s, packed = self.knapsacks(prices_s)
        priced_s = self.compute_s + error_price_s * self.error[:, None, :] - prices_s
        stay_s, move_s, first_s, path = self.path(priced_s)
        bound_s = first_s + float(knapsack_s[0, np.arange(self.servers), self.space].sum())
        if self.budget is not None:
            bound_s -= error_price_s * self.budget
        return Tables(bound_s, error_price_s, stay_s, move_s, knapsack_s), path, packed

    def packings_s(self, prices_s: Floats) -> Floats:
        """Return the least sum of prices of what fits each server, shape (M,).

        Parameters
        ----------
        prices_s : ndarray, shape (L, M, B)
            Of each choice.
        """
        least_s: Floats = self.knapsacks(prices_s)[0][0, np.arange(self.servers), self.space]
        return least_s

    def _shifted(self, table: Floats, layer: int, width: int) -> Floats:
        """Return a table by units left, read after a layer has taken its share; infinite where it does not fit."""
        size = int(self.size[layer, width])
        shifted = np.full_like(table, np.inf)
        if size == 0:
            shifted[:] = table
        elif size < self.levels:
            shifted[:, size:] = table[:, :-size]
        return shifted

    def knapsacks(self, prices_s: Floats) -> tuple[Floats, Floats]:
        """Return ``knapsack_s`` of `Tables`, and what whole servers choose as a 0/1 array, shape (L, M, B).

        Parameters
        ----------
        prices_s : ndarray, shape (L, M, B)
            Of each choice.
        """
        table = np.zeros((self.count + 1, self.servers, self.levels))
        choice = np.full((self.count, self.servers, self.levels), -1, dtype=np.int8)
        for layer in range(self.count - 1, -1, -1):
            best = table[layer + 1].copy()
            for width in range(self.widths):
                if not self.allowed[layer, width]:
                    continue
                taken = prices_s[layer, :, width, None] + self._shifted(table[layer + 1], layer, width)
                better = taken < best
                best[better] = taken[better]
                choice[layer][better] = width
            table[layer] = best
        packed = np.zeros_like(self.compute_s)
        for server in range(self.servers):
            left = int(self.space[server])
            for layer in range(self.count):
                width = int(choice[layer, server, left])
                if width >= 0:
                    packed[layer, server, width] = 1.0
                    left -= int(self.size[layer, width])
        return table, packed

    def path(
        self,
        priced_s: Floats,
        visit_s: Floats | float = 0.0,
        room: NDArray[np.int64] | None = None,
    ) -> tuple[Floats, Floats, float, Floats]:
        """Return ``stay_s`` and ``move_s`` of `Tables`, the least cost of all layers, and a path as a 0/1 array.

        Parameters
        ----------
        priced_s : ndarray, shape (L, M, B)
            Cost of a layer on a server with a width, prices included; transfers are added.
        visit_s : ndarray, shape (M,), or float
            Price of each run of layers on a server.
        room : ndarray of int, shape (M,), optional
            What a run may take of each server, in the tables' units; all of it if absent.
        """
        room = self.space if room is None else room
        shape = (self.count, self.servers)
        stay_s = np.full((*shape, self.levels), np.inf)
        move_s = np.full((*shape, self.widths), np.inf)
        stay_s[-1] = 0.0  # after the last layer, which need not move away
        staying = np.zeros((*shape, self.levels), dtype=np.int8)
        entered = np.empty((self.count, self.widths, self.servers))
        moving = np.zeros((*shape, self.widths), dtype=np.int32)
        servers = np.arange(self.servers)
        for layer in range(self.count - 1, -1, -1):
            # After this layer with each width, by units left once it has taken its own.
            onward = np.minimum(stay_s[layer][:, None, :], move_s[layer][:, :, None])
            options = np.stack(
                [
                    priced_s[layer, :, width, None] + self._shifted(onward[:, width], layer, width)
                    for width in range(self.widths)
                ]
            )
            best = options.min(axis=0)
            entered[layer] = options[:, servers, room] + visit_s
            if layer:
                stay_s[layer - 1] = best
                staying[layer - 1] = options.argmin(axis=0)
                through = self._through(layer, entered[layer])
                following = through.reshape(self.widths, self.servers, -1)
                moving[layer - 1] = following.argmin(axis=2).T
                move_s[layer - 1] = following.min(axis=2).T
        path = np.zeros_like(priced_s)
        if not np.isfinite(entered[0]).any():
            return stay_s, move_s, np.inf, path
        width, server = divmod(int(entered[0].argmin()), self.servers)
        left = int(room[server])
        for layer in range(self.count):
            path[layer, server, width] = 1.0
            left -= int(self.size[layer, width])
            if layer + 1 == self.count:
                break
            if stay_s[layer, server, left] <= move_s[layer, server, width]:
                width = int(staying[layer, server, left])
            else:
                width, server = divmod(int(moving[layer, server, width]), self.servers)
                left = int(room[server])
        return stay_s, move_s, float(entered[0].min()), path

    def _through(self, layer: int, entered_s: Floats) -> Floats:
        """Return the cost of moving to a layer and beyond, shape (width before, sender, width, receiver)."""
        through_s: Floats = self.hops_s(self.away_s[layer - 1]).transpose(0, 2, 1, 3) + entered_s
        return through_s

    def hops_s(self, transfer_s: Floats) -> Floats:
        """Return what is charged for a message by both widths, shape (width before, width after, sender, receiver).

        Parameters
        ----------
        transfer_s : ndarray, shape (B, M, M)
            By the sender's width, as `DelayCosts.transfer_s`; one value per pair of widths only where they matter.
        """
        if not self.printed:
            return transfer_s[:, None]
        return self.charged_s(transfer_s[:, None], np.eye(self.widths, dtype=bool)[:, :, None, None])

    def charged_s(self, hop_s: Floats, same: NDArray[np.bool_]) -> Floats:
        """Return what hops cost: as printed, one between different widths is free, if there is a link.

        Parameters
        ----------
        hop_s : ndarray
            Their transfers.
        same : ndarray of bool
            Whether the widths of both layers are the same; broadcast with them.
        """
        return np.where(same | np.isinf(hop_s), hop_s, 0.0) if self.printed else hop_s

    def delay_s(self, server: NDArray[np.intp], width: NDArray[np.intp]) -> float:
        """Return the delay of a path.

        Parameters
        ----------
        server, width : ndarray of int, shape (L,)
            Of each layer.
        """
        layers = np.arange(self.count)
        hop_s = self.transfer_s[layers[:-1], width[:-1], server[:-1], server[1:]]
        charged_s = self.charged_s(hop_s, width[1:] == width[:-1])
        return float(self.compute_s[layers, server, width].sum() + charged_s.sum())

    def error_excess(self, path: Floats) -> float:
        """Return by what share of the budget a path's errors exceed it."""
        if self.budget is None:
            return 0.0
        return (float((path.sum(axis=1) * self.error).sum()) - self.budget) / max(self.budget, 1)
