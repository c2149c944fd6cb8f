"""Where a plan goes from one region to the next: which cells may follow each other over slow links.

Within a region any cell may follow any other. From one region to the next go the last cell of the one, perhaps a cell
whose chains are in several regions, and the first cell of the other; each hands its flow on over the links that there are.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placewise.solvers.replicated.cells import Cell

#: Cells of each number of chains that may stand at a crossing.
MOST_OF_A_KIND = 30


class Ends(NamedTuple):
    """Which cells stand at the ends of a region: Booleans by position in the pool.

    Parameters
    ----------
    enter, leave : dict of int to Boolean
        The first and the last cell.
    mixed : dict of int to Boolean
        The mixed cell after the last one.
    """

    enter: dict[int, Any]
    leave: dict[int, Any]
    mixed: dict[int, Any]


class Crossings:
    """Which cells may follow each other.

    Parameters
    ----------
    flow : int
        Units that must pass.
    region : sequence of int
        Of each group of nodes.
    slow : sequence of sequence of int
        ``slow[a][b]``: units that a link between two regions carries, roughly.
    worth : callable
        Layers less price of a cell.
    """

    def __init__(
        self,
        flow: int,
        region: Sequence[int],
        slow: Sequence[Sequence[int]],
        worth: Callable[[Cell], float],
    ) -> None:
        self.flow, self.region, self.slow, self.worth = flow, region, slow, worth
        self.known: dict[tuple[Any, Any], bool] = {}

    def follows(self, one: Cell, other: Cell) -> bool:
        """Return whether a cell hands the whole flow on to another one.

        Parameters
        ----------
        one, other : Cell
            In their order.
        """
        senders, receivers = (
            tuple(
                (rate, self.region[chain[0][0]]) for rate, chain in zip(cell.rates, cell.chains, strict=True)
            )
            for cell in (one, other)
        )
        key = (senders, receivers)
        if key not in self.known:
            self.known[key] = self.passes(senders, receivers) >= self.flow
        return self.known[key]

    def passes(self, senders: tuple[tuple[int, int], ...], receivers: tuple[tuple[int, int], ...]) -> int:
        """Return what some chains give to others: the least cut.

        Parameters
        ----------
        senders, receivers : tuple of (int, int)
            Units and region of each.
        """
        each = [[self.flow if a == b else self.slow[a][b] for _, b in receivers] for _, a in senders]
        least = self.flow
        for kept in product((False, True), repeat=len(senders)):
            left = sum(rate for (rate, _), keep in zip(senders, kept, strict=True) if not keep)
            for column, (rate, _) in enumerate(receivers):
                left += min(rate, sum(row[column] for row, keep in zip(each, kept, strict=True) if keep))
            least = min(least, left)
        return least

    def candidates(self, pool: Sequence[Cell]) -> list[int]:
        """Return the positions of the cells that may stand at a crossing: the best of each number of chains."""
        found: list[int] = []
        for chains in (1, 2, 3):
            own = [n for n, cell in enumerate(pool) if len(cell.chains) == chains]
            found += sorted(own, key=lambda n: -self.worth(pool[n]))[:MOST_OF_A_KIND]
        return found

    def add(
        self,
        model: Any,
        pools: Sequence[Sequence[Cell]],
        counts: Sequence[Sequence[Any]],
        mixed: Sequence[Cell],
    ) -> list[Ends]:
        """Add the first and last cell of each region, and mixed ones between, to a model of how often cells are used.

        Parameters
        ----------
        model : CpModel
            Gets Booleans and rows.
        pools : sequence of sequence of Cell
            Of each region, in order.
        counts : sequence of sequence
            The variables: how often each is used.
        mixed : sequence of Cell
            Whose chains are in several regions.

        Returns
        -------
        list of Ends
            Of each region; empty where there is no crossing.
        """
        ends = [Ends({}, {}, {}) for _ in pools]
        near = self.candidates(mixed)
        for a in range(len(pools) - 1):
            b = a + 1
            leave = {n: model.new_bool_var("") for n in self.candidates(pools[a])}
            enter = {n: model.new_bool_var("") for n in self.candidates(pools[b])}
            between = {n: model.new_bool_var("") for n in near}
            straight = model.new_bool_var("")
            for side in (leave.values(), enter.values(), [straight, *between.values()]):
                model.add_exactly_one(side)
            for n, last in leave.items():
                one = pools[a][n]
                fitting = [chosen for m, chosen in between.items() if self.follows(one, mixed[m])]
                model.add_bool_or([last.negated(), straight, *fitting])
                fitting = [chosen for m, chosen in enter.items() if self.follows(one, pools[b][m])]
                model.add_bool_or([last.negated(), straight.negated(), *fitting])
            for n, chosen in between.items():
                fitting = [first for m, first in enter.items() if self.follows(mixed[n], pools[b][m])]
                model.add_bool_or([chosen.negated(), *fitting])
            ends[a] = ends[a]._replace(leave=leave, mixed=between)
            ends[b] = ends[b]._replace(enter=enter)
        for (enter, leave, _), row in zip(ends, counts, strict=True):
            alone = model.new_bool_var("")
            model.add(sum(row) == 1).only_enforce_if(alone)
            for n in enter.keys() | leave.keys():
                used = [side[n] for side in (enter, leave) if n in side]
                model.add(row[n] >= sum(used)).only_enforce_if(alone.negated())
                for chosen in used:
                    model.add(row[n] >= 1).only_enforce_if([alone, chosen])
        return ends
