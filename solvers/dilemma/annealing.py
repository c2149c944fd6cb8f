"""Simulated annealing of DILEMMA placements: incumbents where partial placements say little about whole ones.

A move changes a width, shifts one from a layer to another, moves a layer or exchanges two, reverses or rotates some layers in
a row, or exchanges all that two servers have. What storage or the error budget does not hold is refused; what costs more is
taken with probability ``exp(-more / temperature)`` while the temperature falls. A move costs about 2 microseconds: only what
it touches is summed anew, from the tables of `Decomposition`. The same seed gives the same placements.

Sources: Kirkpatrick, Gelatt and Vecchi (1983); what is taken, Metropolis, Rosenbluth, Rosenbluth, Teller and Teller (1953).
"""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from math import exp
from random import Random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from placewise.models.dilemma.placement import Placement
    from placewise.solvers.dilemma.decomposition import Decomposition

    #: Layers with the server and width that they get.
    Move = list[tuple[int, int, int]]

#: First and last temperature, as shares of the mean delay of a layer.
HOT, COLD = 1.0, 0.02
#: Moves between two looks at the clock.
LOOKS = 2_000
#: Shares of the kinds of moves: width, shift, move, exchange of two layers, a row, exchange of two servers.
SHARES = (0.15, 0.2, 0.2, 0.2, 0.17, 0.08)
#: Of a moved layer: to the server of the layer before, or after; other choices between two.
NEIGHBOUR, HALF = 0.3, 0.5
#: Layers of a row at most.
LONGEST_ROW = 7
#: Entries of the tables from which on they are too large as lists.
LARGEST_TABLES = 3_000_000


class Annealing:
    """The placements of an instance, one of which is changed step by step.

    Parameters
    ----------
    model : Decomposition
        Tables of the instance: L layers, M servers, B widths; in either mode.
    seed : int
        Of the moves.
    """

    def __init__(self, model: Decomposition, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - not for secrets
        self.count, self.servers, self.budget = model.count, model.servers, model.budget
        self.compute_s = model.compute_s.tolist()
        self.size, self.error = model.storage.tolist(), model.costs.error.tolist()
        self.capacity = model.capacity.tolist()
        self.allowed = [np.flatnonzero(row).tolist() for row in model.allowed]
        # By both widths, which are the same lists where only the sender's counts.
        messages = [
            [by_next * (model.widths // len(by_next)) for by_next in model.hops_s(hop_s).tolist()]
            for hop_s in model.costs.messages_s
        ]
        self.hop_s = [messages[message] for message in model.costs.message.tolist()]

    @staticmethod
    def applies(model: Decomposition) -> bool:
        """Whether the tables of an instance are small enough.

        Parameters
        ----------
        model : Decomposition
            Of the instance.

        Returns
        -------
        bool
        """
        pairs = model.widths if model.printed else 1
        return model.compute_s.size + model.costs.messages_s.size * pairs <= LARGEST_TABLES

    def run(
        self, placement: Placement, moves: int, stop: Callable[[], bool], hot: float = HOT
    ) -> tuple[float, Placement]:
        """Return the best placement that was met, with its delay in seconds.

        Parameters
        ----------
        placement : tuple of (int, int)
            Where to begin: a placement that breaks no constraint.
        moves : int
            That are tried.
        stop : callable
            Whether the time is over.
        hot : float
            First temperature.

        Returns
        -------
        (float, placement)
        """
        self.server, self.width = (list(column) for column in zip(*placement, strict=True))
        self.used, self.spent = [0] * self.servers, 0
        for layer, (server, width) in enumerate(placement):
            self.used[server] += self.size[layer][width]
            self.spent += self.error[layer][width]
        delay_s = best_s = self._sum_s(
            [(layer, *at) for layer, at in enumerate(placement)], range(self.count)
        )
        best = placement
        temperature_s = hot * delay_s / self.count
        cooling = (COLD / hot) ** (1 / moves)
        draw, shares = self.random.random, list(accumulate(SHARES[:-1]))
        kinds = (self._other_width, self._shift, self._move, self._exchange, self._row, self._servers)
        for step in range(moves):
            if step % LOOKS == 0 and stop():
                break
            temperature_s *= cooling
            # Drawn at random; it may be none, or break a constraint.
            move = kinds[bisect(shares, draw())](int(draw() * self.count))
            if not move or not self._take(move):
                continue
            hops = {layer for layer, _, _ in move} | {layer - 1 for layer, _, _ in move}
            before_s = self._sum_s(move, hops)
            undo = self._place(move)
            more_s = self._sum_s(move, hops) - before_s
            if more_s <= 0 or (temperature_s > 0 and draw() < exp(-more_s / temperature_s)):
                delay_s += more_s
                if delay_s < best_s:
                    best_s, best = delay_s, tuple(zip(self.server, self.width, strict=True))
            else:
                self._take(undo)
                self._place(undo)
        return best_s, best

    def _sum_s(self, move: Move, hops: Iterable[int]) -> float:
        """Return the delay of the layers that a move changes, and of the hops after some layers."""
        server, width, last = self.server, self.width, self.count - 1
        total_s: float = 0.0
        for layer, _, _ in move:
            total_s += self.compute_s[layer][server[layer]][width[layer]]
        for layer in hops:
            if 0 <= layer < last:
                onward = layer + 1
                total_s += self.hop_s[layer][width[layer]][width[onward]][server[layer]][server[onward]]
        return total_s

    def _take(self, move: Move) -> bool:
        """Count the storage and the errors of a move; return False, and count nothing, where they are too much."""
        error, size, used = self.error, self.size, self.used
        spent = self.spent
        for layer, _, width in move:
            spent += error[layer][width] - error[layer][self.width[layer]]
        if self.budget is not None and spent > self.budget:
            return False
        for layer, server, width in move:
            used[self.server[layer]] -= size[layer][self.width[layer]]
            used[server] += size[layer][width]
        for _, server, _ in move:
            if used[server] > self.capacity[server]:
                for layer, there, width in move:
                    used[self.server[layer]] += size[layer][self.width[layer]]
                    used[there] -= size[layer][width]
                return False
        self.spent = spent
        return True

    def _place(self, move: Move) -> Move:
        """Set the layers of a move; return the move that undoes it."""
        undo = []
        for layer, server, width in move:
            undo.append((layer, self.server[layer], self.width[layer]))
            self.server[layer], self.width[layer] = server, width
        return undo

    def _other_width(self, layer: int) -> Move:
        width = self._any_width(layer)
        return [(layer, self.server[layer], width)] if width != self.width[layer] else []

    def _shift(self, layer: int) -> Move:
        other = int(self.random.random() * self.count)
        wider, narrower = self._step(layer, 1), self._step(other, -1)
        if layer == other or wider is None or narrower is None:
            return []
        return [(layer, self.server[layer], wider), (other, self.server[other], narrower)]

    def _move(self, layer: int) -> Move:
        draw, server = self.random.random, self.server
        beside = draw()
        if beside < NEIGHBOUR and layer:
            to = server[layer - 1]
        elif beside < 2 * NEIGHBOUR and layer + 1 < self.count:
            to = server[layer + 1]
        else:
            to = int(draw() * self.servers)
        width = self.width[layer] if draw() < HALF else self._any_width(layer)
        return [(layer, to, width)] if to != server[layer] else []

    def _exchange(self, layer: int) -> Move:
        other = int(self.random.random() * self.count)
        return self._arranged([layer, other], [other, layer]) if layer != other else []

    def _row(self, layer: int) -> Move:
        draw = self.random.random
        end = layer + 2 + int(draw() * (LONGEST_ROW - 1))
        if end > self.count:
            return []
        row = list(range(layer, end))
        turn = 1 + int(draw() * (len(row) - 1))
        return self._arranged(row, row[::-1] if draw() < HALF else row[turn:] + row[:turn])

    def _servers(self, layer: int) -> Move:
        at, to = self.server[layer], int(self.random.random() * self.servers)
        both = {at: to, to: at}
        return (
            [(x, both[i], self.width[x]) for x, i in enumerate(self.server) if i in both] if to != at else []
        )

    def _any_width(self, layer: int) -> int:
        allowed = self.allowed[layer]
        return allowed[int(self.random.random() * len(allowed))]

    def _step(self, layer: int, step: int) -> int | None:
        """Return the next width of a layer, wider or narrower, if there is one."""
        allowed = self.allowed[layer]
        place = allowed.index(self.width[layer]) + step
        return allowed[place] if 0 <= place < len(allowed) else None

    def _arranged(self, layers: list[int], order: list[int]) -> Move:
        """Return the move that gives layers the servers of others; or the widths too, where they have them."""
        server, width = self.server, self.width
        if self.random.random() < HALF:
            return [(x, server[y], width[x]) for x, y in zip(layers, order, strict=True)]
        return [
            (x, server[y], width[y])
            for x, y in zip(layers, order, strict=True)
            if width[y] in self.allowed[x]
        ]
