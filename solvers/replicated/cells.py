"""Cells: nodes that carry a flow over consecutive layers: one chain of nodes, or several chains side by side.

At given prices of nodes the cheapest cell over K layers is found exactly for up to three chains: the cheapest chain of
each least rate is a dynamic programme over layers, and rates are combined in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import inf
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from placewise.solvers.replicated.groups import Groups

    Floats = NDArray[np.float64]
    #: Group and number of layers of each node, in the order of the layers.
    Chain = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Cell:
    """Chains side by side over the same layers.

    Parameters
    ----------
    chains : tuple of Chain
        Each over all `layers`.
    rates : tuple of int
        What each carries, in units.
    layers : int
        How many.
    """

    chains: tuple[Chain, ...]
    rates: tuple[int, ...]
    layers: int

    @cached_property
    def use(self) -> dict[int, int]:
        """How many nodes of each group it takes."""
        found: dict[int, int] = {}
        for chain in self.chains:
            for g, _ in chain:
                found[g] = found.get(g, 0) + 1
        return found


class ChainTable:
    """The cheapest chain of each least rate over each number of layers, at given prices.

    Parameters
    ----------
    found : Groups
        Whose nodes.
    members : tuple of int
        The groups that may be used.
    prices : ndarray
        Of a node of each group.
    longest : int
        Most layers.
    """

    def __init__(self, found: Groups, members: tuple[int, ...], prices: Floats, longest: int) -> None:
        self.longest = longest
        items = sorted(
            ((rate, g, k) for g in members for k, rate in enumerate(found.rates[g], 1) if k <= longest),
            reverse=True,
        )
        rates = sorted({min(rate, found.flow) for rate, _, _ in items}, reverse=True)
        self.rates = np.array(rates, dtype=np.int64)
        self.cost = np.full((len(rates), longest + 1), inf)
        self.last: list[list[tuple[int, int] | None]] = []
        for at, rate in enumerate(rates):
            usable = [(g, k, float(prices[g])) for r, g, k in items if r >= rate]
            cost = [0.0] + [inf] * longest
            last: list[tuple[int, int] | None] = [None] * (longest + 1)
            for layers in range(1, longest + 1):
                for g, k, price in usable:
                    if k <= layers and cost[layers - k] + price < cost[layers]:
                        cost[layers], last[layers] = cost[layers - k] + price, (g, k)
            self.cost[at] = cost
            self.last.append(last)

    def chain(self, at: int, layers: int) -> Chain:
        """Return the chain of a rate, largest nodes first.

        Parameters
        ----------
        at : int
            Position of the rate.
        layers : int
            Over how many.
        """
        parts = []
        while layers:
            part = self.last[at][layers]
            if part is None:
                return ()
            parts.append(part)
            layers -= part[1]
        return tuple(sorted(parts, key=lambda part: (-part[1], part[0])))


def cells(
    found: Groups, members: tuple[int, ...], prices: Floats, longest: int, most_each: int | None = None
) -> Iterator[tuple[float, Cell]]:
    """Yield the cheapest cell of one, two and three chains over each number of layers, with its price.

    Parameters
    ----------
    found : Groups
        With the flow.
    members : tuple of int
        The groups that may be used.
    prices : ndarray
        Of a node of each group.
    longest : int
        Most layers of a cell.
    most_each : int, optional
        Units that each chain gets at most, where links before or after it are slow.

    Yields
    ------
    (float, Cell)
        Price and cell.
    """
    table = ChainTable(found, members, prices, longest)
    for count in (1, 2, 3):
        yield from side_by_side(found, [table] * count, [most_each or found.flow] * count)


def side_by_side(
    found: Groups, tables: Sequence[ChainTable], most: Sequence[int]
) -> Iterator[tuple[float, Cell]]:
    """Yield the cheapest cell with a chain of each table, over each number of layers, with its price.

    Parameters
    ----------
    found : Groups
        With the flow.
    tables : sequence of ChainTable
        One, two or three, as long as one another.
    most : sequence of int
        Units that each chain gets at most.

    Yields
    ------
    (float, Cell)
        Price and cell.
    """
    best: dict[int, tuple[float, tuple[int, ...]]] = {}
    given = [np.minimum(table.rates, limit) for table, limit in zip(tables, most, strict=True)]
    for group in _combinations(given, found.flow):
        total = sum(table.cost[at] for table, at in zip(tables, group, strict=True))
        for layers in np.flatnonzero(np.isfinite(total)).tolist():
            if layers and total[layers] < best.get(layers, (inf,))[0]:
                best[layers] = (float(total[layers]), group)
    for layers, (price, group) in best.items():
        chains = tuple(table.chain(at, layers) for table, at in zip(tables, group, strict=True))
        rates = tuple(min(found.rates[g][k - 1] for g, k in chain) for chain in chains)
        yield price, Cell(chains, rates, layers)


def _combinations(given: Sequence[NDArray[np.int64]], flow: int) -> Iterator[tuple[int, ...]]:
    """Yield a position in each of some descending rows of rates, such that they just carry a flow together."""
    if any(not len(rates) for rates in given):
        return
    *others, last = given
    for group in product(*(range(len(rates)) for rates in others)):
        need = flow - sum(int(rates[at]) for rates, at in zip(others, group, strict=True))
        position = int(np.searchsorted(-last, -need, side="right")) - 1
        if position >= 0:
            yield (*group, position)
