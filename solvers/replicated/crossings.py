"""Where a plan goes from one region to the next: the last cell of one and the first of the other, over slow links."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placewise.solvers.replicated.cells import Cell

#: Cells of each number of chains that may stand at a crossing.
MOST_OF_A_KIND = 30


def passes(senders: tuple[int, ...], receivers: tuple[int, ...], each: int) -> int:
    """Return what so many chains give so many others, over a link of the same rate between each two.

    Parameters
    ----------
    senders, receivers : tuple of int
        Units that each chain carries.
    each : int
        Units of a link.
    """
    # The least cut of a complete bipartite network takes the smallest of either side out, in order.
    left, right = sorted(senders), sorted(receivers)
    return min(
        sum(left[:a]) + sum(right[:b]) + (len(left) - a) * (len(right) - b) * each
        for a in range(len(left) + 1)
        for b in range(len(right) + 1)
    )


def candidates(pool: Sequence[Cell], worth: Callable[[Cell], float]) -> list[int]:
    """Return the positions of the cells that may stand at a crossing: the best of each number of chains.

    Parameters
    ----------
    pool : sequence of Cell
        Of a region.
    worth : callable
        Layers less price.
    """
    found: list[int] = []
    for chains in (1, 2, 3):
        own = [n for n, cell in enumerate(pool) if len(cell.chains) == chains]
        found += sorted(own, key=lambda n: -worth(pool[n]))[:MOST_OF_A_KIND]
    return found


def add_crossings(
    model: Any,
    pools: Sequence[Sequence[Cell]],
    counts: Sequence[Sequence[Any]],
    each: Sequence[int],
    flow: int,
    worth: Callable[[Cell], float],
) -> list[tuple[dict[int, Any], dict[int, Any]]]:
    """Add the first and last cell of each region to a model of how often each cell is used.

    Parameters
    ----------
    model : CpModel
        Gets Booleans and rows.
    pools : sequence of sequence of Cell
        Of each region, in order.
    counts : sequence of sequence
        The variables: how often each is used.
    each : sequence of int
        Units of a link from each region to the next.
    flow : int
        Units that must pass.
    worth : callable
        Layers less price of a cell.

    Returns
    -------
    list of (dict, dict)
        Of each region: Booleans of its first cell, and of its last one, by position; empty where there is no crossing.
    """
    ends: list[tuple[dict[int, Any], dict[int, Any]]] = [({}, {}) for _ in pools]
    for a, b in pairwise(range(len(pools))):
        leave = {n: model.new_bool_var("") for n in candidates(pools[a], worth)}
        enter = {n: model.new_bool_var("") for n in candidates(pools[b], worth)}
        for side in (leave, enter):
            model.add_exactly_one(side.values())
        for n, chosen in leave.items():
            fitting = [
                other
                for m, other in enter.items()
                if passes(pools[a][n].rates, pools[b][m].rates, each[a]) >= flow
            ]
            model.add_bool_or([chosen.negated(), *fitting])
        ends[a], ends[b] = (ends[a][0], leave), (enter, ends[b][1])
    for (enter, leave), row in zip(ends, counts, strict=True):
        alone = model.new_bool_var("")
        model.add(sum(row) == 1).only_enforce_if(alone)
        for n in enter.keys() | leave.keys():
            used = [side[n] for side in (enter, leave) if n in side]
            model.add(row[n] >= sum(used)).only_enforce_if(alone.negated())
            model.add(row[n] >= 1).only_enforce_if([alone, used[0]])
            model.add(row[n] >= 1).only_enforce_if([alone, used[-1]])
    return ends
