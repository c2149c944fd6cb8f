"""Rows on the choices of a DILEMMA placement that mixtures of paths break: storage, errors, roundings, widths, and packings.

With whole sizes and a whole capacity C, ``sum size x <= C`` says that ``sum k size / (C + 1) x < k``, so every placement has
``sum floor(k size / (C + 1)) x <= k - 1``: for each k a rounding of rank 1, on the storage of each server and on the errors.

A budget of errors asks for wide layers: no choice of widths within it has less than a certain sum of sizes, a whole number, which a mixture
undercuts by a part of a layer's width. Where layers have equal sizes and only their errors differ, that is most of what it gains.

A packing row is what the knapsacks of `Decomposition` say of a server at some prices p: ``sum p x`` over the layers on it is at
least their least sum. `packing_cuts` finds the prices.

Sources: roundings, Gomory (1958), Chvátal (1973); the least sum, by dynamic programming over whole sizes, Bellman (1957); rows from multipliers, Benders (1962).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.dilemma.decomposition import Decomposition

    Array = NDArray[np.float64]

#: Multipliers k of roundings, at most.
LARGEST_MULTIPLIER = 64
#: By how much a rounding has to be broken to become a row, and how many become one per server at a time.
LEAST_BREACH, ROWS_AT_ONCE = 0.02, 2
#: The server of a row that holds for all together.
ALL = -1


class Row(NamedTuple):
    """``sum weight[l, b] x_lib <= limit`` on one server, or with all servers together.

    Parameters
    ----------
    server : int
        Its index, or `ALL`.
    weight : ndarray, shape (L, B)
        None is negative.
    limit : float
        At most so much.
    """

    server: int
    weight: Array
    limit: float

    def held(self, servers: NDArray[np.intp], widths: NDArray[np.intp]) -> Array:
        """Return what paths have of it, shape (C,).

        Parameters
        ----------
        servers, widths : ndarray of int, shape (C, L)
            Of each path.
        """
        weight = self.weight[np.arange(len(self.weight)), widths]
        held: Array = (weight if self.server == ALL else weight * (servers == self.server)).sum(axis=1)
        return held

    def add_to(self, priced_s: Array, price_s: float) -> None:
        """Add its price to the cost of each choice.

        Parameters
        ----------
        priced_s : ndarray, shape (L, M, B)
            Changed in place.
        price_s : float
            Seconds per unit of the row.
        """
        if self.server == ALL:
            priced_s += price_s * self.weight[:, None, :]
        else:
            priced_s[:, self.server] += price_s * self.weight


class Rounding(NamedTuple):
    """Whole sizes and the whole capacity that they share.

    Parameters
    ----------
    server : int
        As in `Row`.
    size : ndarray of int64, shape (L, B)
        Of each choice.
    capacity : int
        Of all together.
    """

    server: int
    size: NDArray[np.int64]
    capacity: int

    def row(self, multiplier: int) -> Row:
        """Return the rounding by a multiplier k.

        Parameters
        ----------
        multiplier : int
            At least 2; exact as long as it is below 2**13, as sizes have at most `BUDGET_BITS` bits.
        """
        # What exceeds the capacity alone is chosen by none.
        size = np.minimum(self.size, self.capacity + 1)
        return Row(
            self.server, (multiplier * size // (self.capacity + 1)).astype(np.float64), multiplier - 1.0
        )


def first_rows(model: Decomposition) -> list[Row]:
    """Return storage, as shares of each server's, and with a budget of errors these, as shares of it, and the least sizes.

    Parameters
    ----------
    model : Decomposition
        Of the instance, in units of its tables.
    """
    rows = [
        Row(i, model.size / max(space, 1), 1.0 if space else 0.0)
        for i, space in enumerate(model.space.tolist())
    ]
    if model.budget is not None:
        rows.append(Row(ALL, model.error / max(model.budget, 1), 1.0 if model.budget else 0.0))
        rows.append(_least_sizes(model, model.budget))
    return rows


def _least_sizes(model: Decomposition, budget: int) -> Row:
    """Return what the errors ask of the sum of sizes: how much all layers together may be below their largest."""
    size = np.where(model.allowed, model.size, 0)
    largest = size.max(axis=1)
    levels = int(largest.sum()) + 1
    # Least error of the layers so far, by the sum of their sizes; all beyond the budget are alike.
    least = np.full(levels, budget + 1, dtype=np.int64)
    least[0] = 0
    for layer in range(model.count):
        before, least = least, np.full_like(least, budget + 1)
        for width in np.flatnonzero(model.allowed[layer]):
            taken = size[layer, width]
            error = before[: levels - taken] + min(int(model.costs.error[layer, width]), budget + 1)
            np.minimum(least[taken:], error, out=least[taken:])
    below = levels - 1 - int((least <= budget).argmax())
    weight = np.where(model.allowed, largest[:, None] - size, 0) / max(below, 1)
    return Row(ALL, weight, 1.0 if below else 0.0)


def roundings(model: Decomposition) -> list[Rounding]:
    """Return what may be rounded.

    Parameters
    ----------
    model : Decomposition
        Of the instance.
    """
    found = [Rounding(i, model.size, space) for i, space in enumerate(model.space.tolist())]
    if model.budget is not None:
        found.append(Rounding(ALL, model.costs.error, model.budget))
    return found


def broken_roundings(sources: list[Rounding], mixed: Array, known: set[tuple[int, int]]) -> list[Row]:
    """Return the roundings that a mixture breaks most, which are known from then on.

    Parameters
    ----------
    sources : list of Rounding
        What may be rounded.
    mixed : ndarray, shape (L, M, B)
        Share of each choice.
    known : set of (int, int)
        Servers and multipliers of rows that there are.
    """
    found = []
    for source in sources:
        share = mixed.sum(axis=1) if source.server == ALL else mixed[:, source.server]
        broken = []
        for multiplier in range(2, min(source.capacity + 1, LARGEST_MULTIPLIER) + 1):
            if (source.server, multiplier) not in known:
                row = source.row(multiplier)
                breach = float((row.weight * share).sum()) - row.limit
                if breach > LEAST_BREACH:
                    broken.append((breach, multiplier, row))
        for _, multiplier, row in sorted(broken, key=lambda entry: -entry[0])[:ROWS_AT_ONCE]:
            known.add((source.server, multiplier))
            found.append(row)
    return found


def packing_rows(model: Decomposition, choice_s: Array) -> list[Row]:
    """Return what the knapsacks say at some prices, a row for each server on which they pay.

    Parameters
    ----------
    model : Decomposition
        Of the instance.
    choice_s : ndarray, shape (L, M, B)
        As in `Prices`. Where a choice would cost, 0 is as valid and says no less of what fits.
    """
    gain_s = np.maximum(-choice_s, 0.0)
    least_s = model.packings_s(-gain_s)
    return [Row(i, gain_s[:, i] / -least_s[i], 1.0) for i in range(model.servers) if least_s[i] < 0]
