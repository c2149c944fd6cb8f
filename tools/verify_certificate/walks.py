"""Heads that move over several intervals: what all walks cost at least, by prices of heads."""

from __future__ import annotations

from math import floor, inf
from typing import TYPE_CHECKING, Any

from .reading import counted, need, number, only, whole

if TYPE_CHECKING:
    from fractions import Fraction

    from .heads import Heads, Tables

    Rows = list[list[float]]


def least(heads: Heads, proof: Any) -> Fraction:
    """Return what no trajectory costs less than, by the prices of a proof."""
    only(proof, "unit price network", "proof")
    unit = number(proof["unit"], "proof.unit")
    need(unit > 0, "proof.unit: expected > 0")
    price, network = (rows(heads, proof[key], f"proof.{key}") for key in ("price", "network"))
    size, devices = heads.cluster.size, range(heads.cluster.size)
    constant = 0
    ahead: Rows = [[0] * size for _ in devices]  # of projection and network, from an interval on
    walk: list[float] = [0] * size  # of one head
    for t in range(heads.count - 1, -1, -1):
        tables = heads.tables(t)
        own, room = Interval(tables, unit).states(price[t], network[t])
        constant += sum(k * most for k, most in zip(network[t], room, strict=True))
        ahead = [[own[p][f] + ahead[p][f] for f in devices] for p in devices]
        walk = [price[t][j] + network[t][j] + walk[j] for j in devices]
        if t or heads.before is not None:  # back over the moves to where everything was before
            move = [[[counted(time, unit) for time in row] for row in part] for part in tables.move]
            by_ffn = [[min(map(sum, zip(row, move[2][f], strict=True))) for f in devices] for row in ahead]
            columns = list(zip(*by_ffn, strict=True))
            ahead = [
                [min(map(sum, zip(columns[f], move[1][p], strict=True))) for f in devices] for p in devices
            ]
            walk = [min(map(sum, zip(move[0][k], walk, strict=True))) for k in devices]
    if heads.before is None:
        total = min(map(min, ahead)) + heads.units * min(walk)
    else:
        before, proj, ffn = heads.before
        total = ahead[proj][ffn] + sum(walk[k] for k in before)
    need(total < inf, "proof: there is no trajectory")
    return (int(total) - constant) * unit


def rows(heads: Heads, value: Any, where: str) -> list[list[int]]:
    """Return a price per interval and device."""
    need(len(value) == heads.count, f"{where}: expected {heads.count} rows")
    need(all(len(row) == heads.cluster.size for row in value), f"{where}: expected a number per device")
    return [[whole(entry, where) for entry in row] for row in value]


class Interval:
    """What an interval costs under prices, in whole units."""

    def __init__(self, tables: Tables, unit: Fraction) -> None:
        self.tables, self.unit = tables, unit

    def states(self, price: list[int], network: list[int]) -> tuple[Rows, list[int]]:
        """Return the cost of each place of projection and network, and the heads that devices hold alone."""
        devices, room, units = range(self.tables.size), self.tables.room, self.tables.units
        alone = [max(room(j, 0, 0, units), 0) for j in devices]
        found: Rows = []
        for p in devices:
            mode = self.mode(p, price)
            row: list[float] = []
            for f in devices:
                after, beside = self.tables.after[p][f], room(f, int(p == f), 1, units)
                own = beside if p == f else room(p, 1, 0, units)
                # Of all devices, with what projection and network leave: too little, and no heads are placed so.
                total = sum(alone) - alone[f] + beside - (p != f) * (alone[p] - own)
                if after is None or min(own, beside) < 0 or mode == inf or total < units:
                    row.append(inf)
                    continue
                spared = network[f] * (alone[f] - min(beside, alone[f]))
                row.append(mode + counted(self.tables.weight * after, self.unit) + spared)
            found.append(row)
        return found, alone

    def mode(self, p: int, price: list[int]) -> float:
        """Return the least limit on the heads' time, less the prices of the room that it gives."""
        times: list[tuple[int, int]] = []
        for j in range(self.tables.size):
            slope, fixed = self.tables.slope[j][p], self.tables.fixed[j][p]
            room = self.tables.room(j, int(j == p), 0, self.tables.units)
            if j == p and room < 0:
                return inf
            if slope is not None and fixed is not None:
                times += [
                    (floor(self.tables.weight * (slope * n + fixed) / self.unit), price[j])
                    for n in range(1, room + 1)
                ]
        best, earned = inf, 0
        for count, (time, worth) in enumerate(sorted(times), 1):
            earned += worth
            if count >= self.tables.units:
                best = min(best, time - earned)
        return best
