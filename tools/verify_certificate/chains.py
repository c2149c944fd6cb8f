"""Layers in a row on devices: memory, times, messages between them, rules; and what a placement costs."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from .reading import Links, need


class Chain(NamedTuple):
    """Layers in a row.

    ``size``: bytes of each layer; ``space``: of each device; ``cost[i][j]``: seconds of layer i on device j; ``hop[i][k][j]``: of its
    output from k to j; ``back[s][j]``: of the token from j to a source s; ``busy_hop``, ``busy_back``: how long they
    occupy the link; ``starts``: where layer 0 may be; ``once``:
    whether a device has at most one run of layers. ``shared``: tensors of each layer that a device stores once, in bytes; ``least``,
    ``most``: layers of a device, ``pinned``: layers with their devices.
    """

    size: list[int]
    space: list[int]
    cost: list[list[Fraction]]
    hop: list[Links]
    back: Links
    busy_hop: list[Links]
    busy_back: Links
    starts: list[int]
    once: bool
    shared: list[dict[str, int]]
    least: list[int]
    most: list[int]
    pinned: dict[int, int]

    @property
    def ruled(self) -> bool:
        """Whether pins or numbers of layers are asked for."""
        return bool(self.pinned) or any(self.least) or min(self.most) < len(self.size)

    def below(self, limit: Fraction | None) -> Chain:
        """Return the chain without links that a message occupies for a limit or longer."""
        if limit is None:
            return self

        def left(hop: Links, busy: Links) -> Links:
            return [
                [time if use is not None and use < limit else None for time, use in zip(*rows, strict=True)]
                for rows in zip(hop, busy, strict=True)
            ]

        pairs = {id(hop): (hop, busy) for hop, busy in zip(self.hop, self.busy_hop, strict=True)}
        known = {key: left(*pair) for key, pair in pairs.items()}
        return self._replace(hop=[known[id(hop)] for hop in self.hop], back=left(self.back, self.busy_back))

    def times(self, path: list[int], names: list[str]) -> tuple[Fraction, Fraction]:
        """Return the sum of all times of a placement, and that of its slowest stage or message; refuse one that breaks a constraint."""
        need(path[0] in self.starts, f"placement: layer 0 is not on {names[self.starts[0]]}")
        for j, name in enumerate(names):
            hosted = [i for i, k in enumerate(path) if k == j]
            tensors = {name: size for i in hosted for name, size in self.shared[i].items()}
            used = sum(self.size[i] for i in hosted) + sum(tensors.values())
            need(used <= self.space[j], f"placement: {name} needs {used} bytes and has {self.space[j]}")
            least, most = self.least[j], self.most[j]
            need(
                least <= len(hosted) <= most,
                f"placement: {name} has {len(hosted)} layers, not {least} to {most}",
            )
        for i, j in self.pinned.items():
            need(path[i] == j, f"placement: layer {i} is not on {names[j]}")
        stages: list[tuple[int, Fraction]] = []
        moves = [(self.back[path[0]][path[-1]], self.busy_back[path[0]][path[-1]])]
        for i, j in enumerate(path):
            if i and path[i - 1] == j:
                stages[-1] = j, stages[-1][1] + self.cost[i][j]
                continue
            stages.append((j, self.cost[i][j]))
            if i:
                k = path[i - 1]
                moves.append((self.hop[i - 1][k][j], self.busy_hop[i - 1][k][j]))
        need(not self.once or len({j for j, _ in stages}) == len(stages), "placement: a device has two runs")
        total = slowest = Fraction(0)
        for time, busy in [*moves, *((time, time) for _, time in stages)]:
            need(time is not None and busy is not None, "placement: a link is missing")
            total, slowest = total + (time or 0), max(slowest, busy or Fraction(0))
        return total, slowest


class Case(NamedTuple):
    """What must be proven: from a start no placement takes less time than a bound, with runs and messages that each take less than a limit.

    Without a bound times are not added: nothing is to be left within the limit.
    """

    chain: Chain
    start: int
    bound: Fraction | None
    limit: Fraction | None


def furthest(chain: Chain, held: list[int], i: int, j: int, limit: Fraction | None) -> int:
    """Return how far a run from layer i on device j may go: its memory, its most layers, pins, and a limit on its time."""
    time, tensors, last = Fraction(0), dict[str, int](), min(i + chain.most[j], len(chain.size))
    for end in range(i, last):
        tensors |= chain.shared[end]
        time += chain.cost[end][j] if limit is not None else 0
        fits = held[end + 1] - held[i] + sum(tensors.values()) <= chain.space[j]
        if not fits or chain.pinned.get(end, j) != j or (limit is not None and time >= limit):
            return end
    return last
