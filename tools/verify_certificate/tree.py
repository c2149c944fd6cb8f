"""Bounds by branching: in each leaf of a tree the rows of a statement contradict each other."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Any

from .reading import need, number, only, whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

Terms = list[tuple[int, int]]
#: Variables that a statement may have.
LARGEST = 50_000


class Statement:
    """Rows over variables in a box, all in whole numbers: each placement that costs less than the bound obeys them.

    Times are in whole units, rounded down, and a placement that is allowed costs `most` units at most. Which variables
    and rows there are depends on the instance alone, never on bound and unit.
    """

    def __init__(self, bound: Fraction | None, unit: Fraction | None) -> None:
        self.unit = unit
        self.most = None if bound is None or unit is None else ceil(bound / unit) - 1
        self.low: list[int] = []
        self.high: list[int] = []
        self.whole: list[bool] = []
        #: Terms, the least and the most that they may sum up to, and whether that is the bound.
        self.rows: list[tuple[Terms, int | None, int | None, bool]] = []

    def units(self, time: Fraction) -> int:
        """Return a time in whole units, rounded down; 0 where times do not count."""
        need(time >= 0, "times: expected >= 0")
        return floor(time / self.unit) if self.unit else 0

    def variable(self, low: int = 0, high: int = 1, *, whole: bool = True, time: int = 0) -> int:
        """Add a variable, 0 where it alone takes too much time; return its number."""
        need(len(self.low) < LARGEST, f"the statement for a tree has more than {LARGEST:,} variables")
        self.low.append(low)
        self.high.append(0 if self.most is not None and time > max(self.most, 0) else high)
        self.whole.append(whole)
        return len(self.low) - 1

    def row(
        self,
        terms: Iterable[tuple[int, int]],
        least: int | None = None,
        most: int | None = None,
        *,
        bound: bool = False,
    ) -> None:
        """Add a row of pairs of a coefficient and a variable."""
        summed: dict[int, int] = {}
        for factor, variable in terms:
            summed[variable] = summed.get(variable, 0) + factor
        self.rows.append(([(a, v) for v, a in summed.items() if a], least, most, bound))

    def equal(self, terms: Iterable[tuple[int, int]], value: int = 0) -> None:
        """Add an equation."""
        self.row(terms, value, value)

    def cheaper(self, terms: Iterable[tuple[int, int]], *, parts: bool = False) -> None:
        """Add that a sum of times stays below the bound: a whole number of units, or with parts of them."""
        most = None if self.most is None else self.most + parts
        self.row(terms, None, most, bound=most is not None)

    def contradicts(self, low: list[int], high: list[int], multipliers: dict[int, int]) -> bool:
        """Whether the rows, each times its multiplier, sum up to what no point of a box obeys.

        Of `multiplier * terms >= multiplier * side` the sum says `0 >= value + net x`; x is put where that is least.
        """
        value, net = 0, dict[int, int]()
        for row, by in multipliers.items():
            need(row < len(self.rows), f"proof.tree: there is no row {row}")
            terms, least, most, _ = self.rows[row]
            side = least if by > 0 else most
            if side is None:
                return False
            value += by * side
            for factor, variable in terms:
                net[variable] = net.get(variable, 0) - by * factor
        return value + sum(a * (low[v] if a > 0 else high[v]) for v, a in net.items()) > 0


def prove(problem: Any, bound: Fraction | None, proof: Any) -> None:
    """Check that a problem's statement has no solution in any leaf of the proof's tree.

    The nodes come depth first: [variable, k] has two following parts, with the variable at most k and above; {row:
    multiplier} is a leaf.
    """
    only(proof, "by unit tree", "proof")
    need(proof["by"] == "tree", "proof.by: expected tree")
    unit = None if bound is None else number(proof["unit"], "proof.unit")
    need(unit is None or unit > 0, "proof.unit: expected > 0")
    statement = problem.statement(bound, unit)
    boxes = [(statement.low, statement.high)]
    for node in proof["tree"]:
        need(boxes, "proof.tree: nodes are left over")
        low, high = boxes.pop()
        if isinstance(node, dict):
            need(all(type(by) is int for by in node.values()), "proof.tree: expected whole multipliers")
            multipliers = {whole(row, "proof.tree"): by for row, by in node.items()}
            need(statement.contradicts(low, high, multipliers), "proof.tree: a leaf is not excluded")
            continue
        variable, k = node
        need(type(k) is int and statement.whole[whole(variable, "proof.tree")], "proof.tree: not whole")
        above, below = list(low), list(high)
        above[variable], below[variable] = max(low[variable], k + 1), min(high[variable], k)
        boxes += [(above, high), (low, below)]
    need(not boxes, "proof.tree: a part is not excluded")
