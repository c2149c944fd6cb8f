"""Trees of branchings for the verifier's statements: best first, by linear relaxations.

The bound is known, so nothing is searched for: a part is closed where its relaxation reaches the bound. Its duals are
rounded to as few digits as still contradict in whole numbers.

Sources: branch and bound, Land and Doig (1960); the variable chosen by trial, Applegate, Bixby, Chvátal and Cook (1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count
from math import inf, isfinite, log2
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.certificates.digits import rounded_down
from placewise.solvers.certificates.relaxation import Relaxation, Relaxed, StoppedError
from placewise.tools.verify_certificate import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.tools.verify_certificate import Statement

#: Seconds and parts that a tree may take.
SECONDS, MOST_PARTS = 60.0, 20_000
#: Bits of the bound in units: few where times are short numbers, else enough for its digits.
BITS = (16, 46)
#: A part is closed that lies below the bound by this share only, for which the certified bound makes room.
CLOSED = 1e-11
#: Variables that are tried before one is branched on, and what counts as a whole number.
TRIED, WHOLE = 4, 1e-6
#: What the least multiplier, or the bound's own, becomes in turn, and zeros at the end of the others.
SCALES = (*range(1, 13), *(10**digits for digits in (2, 4, 6, 9, 12, 15)))
ZEROS = (12, 10, 8, 6, 4, 2)


@dataclass(eq=False)
class Part:
    """A part of the tree.

    Parameters
    ----------
    low, high : list of int, shape (C,)
        Its box.
    relaxed : Relaxed
        The relaxation there.
    variable : int
        On which it was branched, -1 as long as it is not.
    below, above : Part or None
        What it was branched into.
    """

    low: list[int]
    high: list[int]
    relaxed: Relaxed
    variable: int = -1
    below: Part | None = None
    above: Part | None = None


Box = tuple[list[int], list[int]]


def split(low: list[int], high: list[int], variable: int, k: int) -> tuple[Box, Box]:
    """Return the parts of a box with a variable at most k, and above.

    Parameters
    ----------
    low, high : list of int, shape (C,)
        The box.
    variable, k : int
        Where it is split.
    """
    below, above = list(high), list(low)
    below[variable], above[variable] = min(high[variable], k), max(low[variable], k + 1)
    return (low, below), (above, high)


class Tree:
    """A search for a contradiction: `root`, and `excess`, what all parts have to spend beyond the bound at least, as a share.

    Where parts are left open, `stopped` says why.

    Parameters
    ----------
    statement : Statement
        Of a problem and the bound.
    """

    def __init__(self, statement: Statement) -> None:
        self.statement, self.relaxation = statement, Relaxation(statement, SECONDS)
        self.parts, self.stopped, self.excess = 0, "", -inf
        self.ends = perf_counter() + SECONDS
        low, high = statement.low, statement.high
        self.root = Part(low, high, self._relaxed(low, high))
        self._search()

    def _relaxed(self, low: list[int], high: list[int]) -> Relaxed:
        self.parts += 1
        return self.relaxation.at(low, high)

    def _search(self) -> None:
        """Branch the part with the least excess, until all are closed."""
        number = count()
        waiting = [(self.root.relaxed.excess, next(number), self.root)]
        while True:
            self.excess = waiting[0][0]
            if self.excess >= -CLOSED:
                return
            if self.parts > MOST_PARTS or perf_counter() > self.ends:
                within = f"{SECONDS:g} s" if self.parts <= MOST_PARTS else f"{MOST_PARTS:,} parts"
                self.stopped = f"the tree was not closed within {within}"
                return
            part = waiting[0][2]
            try:
                self._branch(part)
            except StoppedError as error:
                self.stopped = str(error)
                return
            heappop(waiting)
            for child in (part.below, part.above):
                assert child is not None
                heappush(waiting, (child.relaxed.excess, next(number), child))

    def _branch(self, part: Part) -> None:
        """Branch on the variable whose two parts have to spend most, of a few that are far from whole."""
        best, point = -inf, part.relaxed.point
        for variable in self._candidates(part):
            k = int(min(max(np.floor(point[variable] + WHOLE), part.low[variable]), part.high[variable] - 1))
            below, above = (
                Part(*box, self._relaxed(*box)) for box in split(part.low, part.high, variable, k)
            )
            excess = sorted((min(below.relaxed.excess, 0.0), min(above.relaxed.excess, 0.0)))
            score = excess[0] + 0.1 * excess[1] if isfinite(excess[0]) else -1e9
            if part.below is None or score > best:
                best, part.variable, part.below, part.above = score, variable, below, above
            if excess[0] >= -CLOSED:
                return

    def _candidates(self, part: Part) -> list[int]:
        """Return variables to branch on; where all are whole, one that is not fixed yet of a row that is broken."""
        point, statement = part.relaxed.point, self.statement
        far = np.abs(point - np.rint(point))
        free = [v for v, is_whole in enumerate(statement.whole) if is_whole and part.low[v] < part.high[v]]
        candidates = sorted((v for v in free if far[v] > WHOLE), key=lambda v: -far[v])[:TRIED]
        if candidates:
            return candidates
        values = [round(value) for value in point.tolist()]
        for terms, least, most, _ in statement.rows:
            if not all(statement.whole[v] for _, v in terms):
                continue
            total = sum(a * values[v] for a, v in terms)
            if (least is not None and total < least) or (most is not None and total > most):
                return [v for _, v in terms if part.low[v] < part.high[v]][:1]
        raise RefusedError("proof.tree: not excluded")


def proof_of(problem: Any, bound: Fraction | None) -> tuple[Fraction | None, list[dict[str, Any]]]:
    """Return a bound that a tree proves, in few digits, and the proof.

    Parameters
    ----------
    problem : object
        Of the verifier, with a statement.
    bound : Fraction or None
        Which to reach; None: that there is no placement.

    Returns
    -------
    (Fraction or None, list of dict)
        The bound, a little lower where rounding costs something, or lower by more where the search was stopped.

    Raises
    ------
    RefusedError
        Where the bound is wrong, or nothing was found within the limits.
    """
    tree = Tree(problem.statement(bound, None if bound is None else _unit(bound, BITS[-1])))
    if bound is None:
        if tree.stopped:
            raise RefusedError(tree.stopped)
        bounds: list[Fraction | None] = [None]
    elif tree.stopped:
        share = Fraction(1 + max(min(tree.excess, 0.0), -1.0))
        bounds = [rounded_down(bound * share * (1 - Fraction(1, 10**9)))]
    else:
        bounds = [bound, *(rounded_down(bound * (1 - Fraction(2, 10**d))) for d in (12, 11, 10))]
    for lower in bounds:
        for bits in BITS if lower else BITS[:1]:
            unit = None if lower is None else _unit(lower, bits)
            statement = problem.statement(lower, unit)
            nodes = list(_nodes(tree.root, statement))
            if None not in nodes:
                text = {} if unit is None else {"unit": str(unit)}
                return lower, [{"by": "tree", **text, "tree": nodes}]
    raise RefusedError(tree.stopped or "the leaves of the tree are lost to rounding")


def _unit(bound: Fraction, bits: int) -> Fraction:
    """Return a power of two, of which a bound is about two to the number of bits."""
    return Fraction(2) ** (int(log2(bound)) - bits) if bound > 0 else Fraction(1)


def _nodes(root: Part, statement: Statement) -> Iterator[list[int] | dict[str, int] | None]:
    """Yield a tree's nodes depth first, with multipliers for a statement; None, the last one, where there are none."""
    relaxation, waiting = Relaxation(statement, SECONDS), [(root, statement.low, statement.high)]
    while waiting:
        part, low, high = waiting.pop()
        if part.below is not None and part.above is not None:
            k = part.below.high[part.variable]
            below, above = split(low, high, part.variable, k)
            waiting += [(part.above, *above), (part.below, *below)]
            yield [part.variable, k]
            continue
        found = _leaf(relaxation, low, high)
        yield found
        if found is None:
            return


def _leaf(relaxation: Relaxation, low: list[int], high: list[int]) -> dict[str, int] | None:
    """Return multipliers of few digits by which the rows contradict each other in a box."""
    statement = relaxation.statement
    found = relaxation.at(low, high)
    shares = found.multipliers
    for row, (_, least, most, _) in enumerate(statement.rows):
        if (least if shares[row] > 0 else most) is None:
            shares[row] = 0.0
    size = np.abs(shares)
    if not size.any():
        return None
    spent = size[relaxation.bounded].max(initial=0.0)
    if isfinite(found.excess):  # the bound's own must not be rounded; duals are often simple fractions of it
        scales = [(1 / spent, 10**zeros) for zeros in ZEROS] + [(scale / spent, 1) for scale in SCALES]
    else:
        counting = size / relaxation.row  # rows of times have small multipliers, which count
        least = size[counting > 1e-9 * counting.max()].min()
        scales = [(scale / least, 1) for scale in SCALES]
    for scale, step in scales:
        whole = {row: round(share * scale / step) * step for row, share in enumerate(shares.tolist())}
        whole |= {row: round(shares[row] * scale) for row in relaxation.bounded}
        whole = {row: by for row, by in whole.items() if by}
        if statement.contradicts(low, high, whole):
            return {str(row): by for row, by in whole.items()}
    return None
