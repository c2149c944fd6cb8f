"""Why no choice of servers and widths costs less than a bound: prices of storage and errors, and partial placements."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from .reading import counted, goal_of, need, only, whole

if TYPE_CHECKING:
    from fractions import Fraction

    from .reading import Links

    Table = list[list[float]]

#: Labels that a proof may take at most, and steps of a server's storage in the tables.
MOST_LABELS, MOST_STEPS = 20_000_000, 10_000
#: The next layer: the widths it may have, its server, and what is free on all; and what partial placements that lead there
#: have cost, in units, with their errors: those that no other beats in both.
State = tuple[int, int, tuple[int, ...]]
Front = list[tuple[float, int]]


class Choice(NamedTuple):
    """A width of a layer: its number, size and error, the seconds on each server and of its message; None where it may not be."""

    width: int
    size: int
    error: int
    cost: list[Fraction | None]
    hop: Links


class Layers(NamedTuple):
    """Layers in a row, with widths to choose.

    ``space``: of each server, in the unit of sizes; ``most``: what all errors sum to at most. ``given``: sets of widths that
    a layer may be left with, the first one of layer 0; ``onward``: by a layer's width, such sets for the next layer if it is
    on another server, and whether the message is paid then.
    """

    choices: list[list[Choice]]
    space: list[int]
    most: int
    given: list[list[int]]
    onward: list[list[tuple[int, bool]]]


class Option(NamedTuple):
    """A choice in whole units: what it costs, and pays for storage and error; how its message goes on."""

    width: int
    size: int
    error: int
    cost: list[float]
    paid: list[float]
    ways: list[tuple[int, Table]]


class Widths:
    """A proof: prices, what they make of the rest of a placement, and the partial placements left to look at."""

    def __init__(self, layers: Layers, bound: Fraction | None, proof: Any) -> None:
        only(proof, "bound unit price error_price grain credit least labels", "proof")
        self.layers, self.count, self.servers = layers, len(layers.choices), range(len(layers.space))
        self.unit, self.goal = goal_of(proof, bound, bound)
        need(len(proof["price"]) == len(layers.space), "proof.price: expected one per server")
        self.price = [whole(price, "proof.price") for price in proof["price"]]
        self.error_price = whole(proof["error_price"], "proof.error_price")
        self.grain = whole(proof["grain"], "proof.grain")
        need(self.grain and max(layers.space) // self.grain <= MOST_STEPS, "proof.grain: too fine")
        self.stated, self.found = min(whole(proof["labels"], "proof.labels"), MOST_LABELS), 0
        known: dict[Any, Table] = {}
        self.options = [[self.option(choice, known) for choice in row] for row in layers.choices]
        rest = [self.options[i:] for i in range(self.count + 1)]
        # Of the layers from each on: their least errors, the least size, and all of them at their largest.
        self.errors = [sum(min(option.error for option in row) for row in rows) for rows in rest]
        self.least = [min((option.size for row in rows for option in row), default=0) for rows in rest]
        self.largest = [sum(max(option.size for option in row) for row in rows) for rows in rest]
        self.potentials()

    def option(self, choice: Choice, known: dict[Any, Table]) -> Option:
        """Return a choice in units; tables of messages are kept."""
        for pays in (False, True):
            if (id(choice.hop), pays) not in known:
                times = [[counted(time, self.unit) for time in row] for row in choice.hop]
                free = [[0 if time < inf else inf for time in row] for row in times]
                known[id(choice.hop), pays] = times if pays else free
        ways = [(given, known[id(choice.hop), pays]) for given, pays in self.layers.onward[choice.width]]
        cost = [counted(time, self.unit) for time in choice.cost]
        # Of the price of all errors the share of this one, rounded down.
        fee = self.error_price * choice.error // max(self.layers.most, 1)
        paid = [time + price * choice.size + fee for time, price in zip(cost, self.price, strict=True)]
        return Option(choice.width, choice.size, choice.error, cost, paid, ways)

    def potentials(self) -> None:
        """Fill the least priced costs of a layer and all after it, by its widths, its server, and what is free there, in grains.

        Each later run of layers on a server finds it empty.
        """
        steps = [space // self.grain for space in self.layers.space]
        self.begin = [[[[0.0] * (step + 1) for step in steps] for _ in self.layers.given]]
        for options in reversed(self.options):
            after = self.begin[-1]
            table = [[[inf] * (step + 1) for step in steps] for _ in self.layers.given]
            for option in options:
                size = option.size // self.grain
                rows = [
                    row for row, given in zip(table, self.layers.given, strict=True) if option.width in given
                ]
                for j, paid in enumerate(option.paid):
                    moved = min(
                        links[j][k] + after[given][k][steps[k]] if k != j else inf
                        for given, links in option.ways
                        for k in self.servers
                    )
                    for free in range(size, steps[j] + 1):
                        stays = min(after[given][j][free - size] for given, _ in option.ways)
                        least = paid + min(moved, stays)
                        for row in rows:
                            row[j][free] = min(row[j][free], least)
            self.begin.append(table)
        self.begin.reverse()

    def seen(self, i: int, free: list[int]) -> tuple[int, ...]:
        """Return free storage as layers from i on see it: nothing if none of them fits, at most all of them."""
        return tuple(0 if f < self.least[i] else min(f, self.largest[i]) for f in free)

    def credit(self, free: tuple[int, ...]) -> int:
        """Return what the prices of storage allow to what still comes."""
        return sum(price * f for price, f in zip(self.price, free, strict=True))

    def root(self) -> tuple[float, int]:
        """Return what any placement costs and pays at least, and what may be paid at most."""
        first = self.seen(0, self.layers.space)
        least = min(self.begin[0][0][j][f // self.grain] for j, f in enumerate(first))
        return least, self.credit(first) + self.error_price

    def run(self) -> dict[str, int | None]:
        """Look at all partial placements that may cost less than the bound; return what a proof has to state."""
        first, (least, credit) = self.seen(0, self.layers.space), self.root()
        labels: dict[State, Front] = {}
        if self.errors[0] <= self.layers.most and least - credit < self.goal:
            labels = {(0, j, first): [(0, 0)] for j in self.servers}
        for i in range(self.count):
            following: dict[State, Front] = {}
            for state, front in labels.items():
                for option in self.options[i]:
                    if option.width in self.layers.given[state[0]] and option.size <= state[2][state[1]]:
                        self.grow(i, state, front, option, following)
            labels = following
        return {"credit": credit, "least": None if least == inf else int(least), "labels": self.found}

    def grow(self, i: int, state: State, front: Front, option: Option, following: dict[State, Front]) -> None:
        """Add the partial placements with layer i on its server with a width."""
        _, j, free = state
        left = self.seen(i + 1, [*free[:j], free[j] - option.size, *free[j + 1 :]])
        credit, most, last = self.credit(left), self.layers.most, i + 1 == self.count
        ahead = [
            ((given, k, left), (links[j][k] if k != j else 0), self.begin[i + 1][given][k][f // self.grain])
            for given, links in option.ways
            for k, f in enumerate(left)
        ]
        for before, errors in front:
            spent, error = before + option.cost[j], errors + option.error
            if error + self.errors[i + 1] > most:
                continue
            need(not last or spent >= self.goal, f"a placement that ends on server {j} is not excluded")
            open_to = self.goal + credit - (-self.error_price * (most - error) // max(most, 1))
            for key, hop, rest in ahead if not last else ():
                if spent + hop + rest < open_to:
                    self.add(following.setdefault(key, []), spent + hop, error)

    def add(self, front: Front, spent: float, error: int) -> None:
        """Keep a partial placement that no other one with the same rest beats in cost and error."""
        if any(other <= spent and errors <= error for other, errors in front):
            return
        front[:] = [pair for pair in front if pair[0] < spent or pair[1] < error]
        front.append((spent, error))
        self.found += 1
        need(self.found <= self.stated, f"more than the {self.stated} labels that the proof states")
