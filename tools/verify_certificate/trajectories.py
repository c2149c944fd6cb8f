"""Heads that move over several intervals, through one layer or several: the statement for trees of branchings."""

from __future__ import annotations

from copy import copy
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

from .heads import Heads, Placed, Tables
from .reading import need, only, whole
from .tree import Statement, prove

#: Times that are spent, each as often as a variable says.
Times = list[tuple[int, int]]


class Places(NamedTuple):
    """The variables of a layer in an interval: heads on each device, and whether projection and network are there."""

    heads: list[int]
    proj: list[int]
    ffn: list[int]


class Trajectories(Heads):
    """Heads of one layer, with trees beside the other proofs."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document)
        #: Where the blocks of each layer were, None where they may begin anywhere.
        self.befores = [self.before]

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proofs: a tree, or those of `Heads`."""
        if len(proofs) == 1 and "tree" in proofs[0]:
            prove(self, bound, proofs[0])
        else:
            super().prove(bound, proofs)

    def statement(self, bound: Fraction | None, unit: Fraction | None) -> Statement:
        """State what trajectories below a bound obey."""
        found, times = Statement(bound, unit), Times()
        before: list[Placed | Places | None] = list(self.befores)
        for t in range(self.count):
            tables, now = Tables(self, t), list[Places]()
            for at in before:
                now.append(_layer(found, times, tables, now[-1].ffn if now else None))
                if at is not None:
                    _moves(found, times, tables, at, now[-1])
            _memory(found, tables, now)
            before = list(now)
        found.cheaper(times)
        return found


def _layer(found: Statement, times: Times, tables: Tables, fed: list[int] | None) -> Places:
    """Add the places of a layer, and one mode: where the projection is, and a limit on the time of the heads.

    It says how many heads each device has done by then; only times at which a device is done with one more are limits.
    Where heads wait for the network of the layer before, its place is part of the mode.
    """
    devices = range(tables.size)
    now = Places(
        [found.variable(0, tables.units) for _ in devices],
        [found.variable() for _ in devices],
        [found.variable() for _ in devices],
    )
    for part, total in zip(now, (tables.units, 1, 1), strict=True):
        found.equal([(1, v) for v in part], total)
    rows: dict[Any, Times] = {("proj", p): [(-1, v)] for p, v in enumerate(now.proj)}
    rows |= {("ffn", f): [(-1, v)] for f, v in enumerate(now.ffn)}
    for p, f in product(devices, devices):
        after = tables.after[p][f]
        if after is not None:
            time = found.units(tables.weight * after)
            both = found.variable(whole=False, time=time)
            times.append((time, both))
            rows["proj", p].append((1, both))
            rows["ffn", f].append((1, both))
    modes: dict[Any, Times] = {("proj", p): [(-1, v)] for p, v in enumerate(now.proj)}
    modes |= {("fed", s): [(-1, v)] for s, v in enumerate(fed or [])}
    within: list[Times] = [[(1, v)] for v in now.heads]
    feeds = {s: fed_from(tables, s) for s in (devices if fed else [None])}
    for p, s in product(devices, feeds):
        done = sorted(_done(feeds[s], p))
        caps = [0] * tables.size
        for n, (limit, j) in enumerate(done, 1):
            caps[j] += 1
            if n < tables.units or (n < len(done) and done[n][0] == limit):
                continue
            time = found.units(tables.weight * limit)
            mode = found.variable(time=time)
            times.append((time, mode))
            for key in (("proj", p), *([] if s is None else [("fed", s)])):
                modes[key].append((1, mode))
            for k, most in enumerate(caps):
                within[k].append((-most, mode))
    for terms in (*rows.values(), *modes.values()):
        found.equal(terms)
    for terms in within:
        found.row(terms, None, 0)
    return now


def fed_from(tables: Tables, s: int | None) -> Tables:
    """Return the times of an interval with the input of the heads from a device, None where they do not wait for it."""
    if s is None:
        return tables
    found, devices = copy(tables), range(tables.size)
    found.slope = [
        tables.slope[j] if tables.onward[s][j] is not None else [None] * tables.size for j in devices
    ]
    found.fixed = [
        [None if time is None else time + (tables.onward[s][j] or 0) for time in tables.fixed[j]]
        for j in devices
    ]
    return found


def _done(tables: Tables, p: int) -> list[tuple[Fraction, int]]:
    """Return when each device is done with 1, 2, ... heads with the projection on p, as many as it holds."""
    found = list[tuple[Fraction, int]]()
    for j in range(tables.size):
        slope, fixed = tables.slope[j][p], tables.fixed[j][p]
        if slope is not None and fixed is not None:
            room = tables.room(j, int(j == p), 0, tables.units)
            found += [(slope * n + fixed, j) for n in range(1, room + 1)]
    return found


def _moves(found: Statement, times: Times, tables: Tables, before: Placed | Places, now: Places) -> None:
    """Add what moves from where it was to where it is; where there is no link, nothing."""
    devices = range(tables.size)
    for part, there in enumerate(now):
        out: list[Times] = [[] for _ in devices]
        come: list[Times] = [[(-1, v)] for v in there]
        for k, j in product(devices, devices):
            time = tables.move[part][k][j]
            if time is not None:
                units = found.units(time)
                moved = found.variable(0, 1 if part else tables.units, whole=False)
                times.append((units, moved))
                out[k].append((1, moved))
                come[j].append((1, moved))
        for k, terms in enumerate(out):
            if isinstance(before, Places):
                found.equal([*terms, (-1, before[part][k])])
            else:
                found.equal(terms, before[0].count(k) if part == 0 else int(before[part] == k))
        for terms in come:
            found.equal(terms)


def _memory(found: Statement, tables: Tables, layers: list[Places]) -> None:
    """Add that a device holds heads of all layers beside so many projections and networks."""
    numbers, most = range(len(layers) + 1), len(layers) * tables.units
    for j in range(tables.size):
        if tables.room(j, len(layers), len(layers), most) == most:
            continue
        rows: list[Times] = [[(1, now[part][j]) for now in layers] for part in (1, 2, 0)]
        one: Times = []
        for p, f in product(numbers, numbers):
            room = tables.room(j, p, f, most)
            if room >= 0:
                holds = found.variable()
                one.append((1, holds))
                for terms, held in zip(rows, (p, f, room), strict=True):
                    terms.append((-held, holds))
        found.equal(one, 1)
        found.equal(rows[0])
        found.equal(rows[1])
        found.row(rows[2], None, 0)


class Decoder(Trajectories):
    """Several layers that share the devices' memory, each fed by the network of the one before."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.layers = whole(document["layers"], "layers")
        before = document.get("initial_placement")
        need(before is None or len(before) == self.layers, "initial_placement: expected one per layer")
        one = {key: value for key, value in document.items() if key not in ("layers", "initial_placement")}
        super().__init__(one | {"initial_placement": before[0] if before else None})
        self.befores = [None] * self.layers
        if before:
            lengths = {entry.get("sequence_length") for entry in before}
            need(len(lengths) == 1, "initial_placement: expected one sequence_length")
            self.befores = [
                self.placed({key: value for key, value in entry.items() if key != "sequence_length"})
                for entry in before
            ]

    def value(self, placement: Any) -> Fraction:
        """Return what a trajectory costs; refuse one that breaks a constraint."""
        only(placement, "intervals", "placement")
        need(len(placement["intervals"]) == self.count, f"placement: expected {self.count} intervals")
        total, before = Fraction(0), self.befores
        for t, entry in enumerate(placement["intervals"]):
            only(entry, "layers", "placement.intervals")
            need(len(entry["layers"]) == self.layers, f"placement: expected {self.layers} layers")
            tables, now = Tables(self, t), [self.placed(part) for part in entry["layers"]]
            for g, (at, was) in enumerate(zip(now, before, strict=True)):
                total += fed_from(tables, now[g - 1][2] if g else None).cost(at, was)
            head, proj, ffn = tables.memory
            for j, space in enumerate(tables.space):
                used = sum(at[0].count(j) * head + (at[1] == j) * proj + (at[2] == j) * ffn for at in now)
                need(used <= space, f"placement: device {j} needs {used} bytes and has {space}")
            before = list(now)
        return total

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proof, a tree."""
        need(len(proofs) == 1, "proofs: expected one")
        prove(self, bound, proofs[0])
