"""DILEMMA: what its files say, what a placement with widths costs, and the layers that a proof is about."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor, gcd, lcm
from typing import Any

from .reading import Cluster, agree, need, number, only, whole
from .widths import Choice, Layers, Widths

#: Errors and their bound of at most so many digits were written, and count exactly while the bound has less than so many units.
WRITTEN_DIGITS, MOST_UNITS = 15, 2**50
#: By so much of itself a bound on computed errors may be exceeded: their last digits are noise.
TOLERANCE = Fraction(1, 10**9)
#: As printed, a layer needs no more widths than these, the smallest.
PRINTED_WIDTHS = 3


class Dilemma:
    """DILEMMA, corrected or as printed."""

    def __init__(self, document: dict[str, Any]) -> None:
        only(
            document,
            "format problem name description reference cluster mode time_model tokens model bit_widths"
            " quantization_error max_error error_budget",
            "instance",
        )
        mode = document.get("mode", "corrected")
        need(mode in ("corrected", "as-printed"), f"mode: unknown {mode!r}")
        self.printed = mode == "as-printed"
        self.cluster = Cluster(document["cluster"], "storage_bytes")
        self.widths = [whole(width, "bit_widths") for width in document["bit_widths"]]
        need(
            self.widths == sorted(set(self.widths)), "bit_widths: expected distinct ones in increasing order"
        )
        self.tokens = whole(document.get("tokens", 1), "tokens")
        self.read = document.get("time_model") == "roofline"
        self.blocks: list[dict[str, Any]] = []
        for layer in document["model"]["layers"]:
            only(layer, "name flops parameters output_elements original_bits repeat", "model.layers")
            self.blocks += [layer] * layer.get("repeat", 1)
        errors = [
            [number(error, "quantization_error") for error in row] for row in document["quantization_error"]
        ]
        need(len(errors) == len(self.blocks), "quantization_error: expected a row per layer")
        need(
            all(len(row) == len(self.widths) for row in errors), "quantization_error: expected one per width"
        )
        most, bound = document.get("max_error"), document.get("error_budget")
        need(bound is None or not self.printed, "error_budget: as printed there is none")
        self.admitted = [
            [b for b, error in enumerate(row) if most is None or error <= most] for row in errors
        ]
        self.budget(errors, bound)
        self.known: dict[Any, Any] = {}

    def budget(self, errors: list[list[Fraction]], stated: Any) -> None:
        """Take errors and the bound on their sum in whole units; without a bound all errors are 0."""
        self.most, self.errors = 0, [[0] * len(self.widths) for _ in errors]
        if stated is None:
            return
        bound = number(stated, "error_budget")
        counted = [bound, *(error for row in errors for error in row if error <= bound)]
        scale = lcm(*(error.denominator for row in errors for error in row), bound.denominator)
        units = bound * scale / (gcd(*(int(error * scale) for error in counted)) or 1)
        written = all(map(is_written, counted)) and units < MOST_UNITS
        self.most = floor(bound * scale * (1 if written else 1 + TOLERANCE))
        self.errors = [[int(error * scale) for error in row] for row in errors]

    def choice(self, i: int, b: int) -> Choice:
        """Return a layer with a width, its size in bits; equal ones share their times."""
        layer, width, cluster = self.blocks[i], self.widths[b], self.cluster
        held = whole(layer["parameters"], "parameters") * width
        if (id(layer), b) not in self.known:
            bits, row = Fraction(width, layer.get("original_bits", 32)), list[Fraction | None]()
            for j in range(cluster.size):
                flops, rate = cluster.column("flops_per_s", j), cluster.column("memory_bytes_per_s", j)
                assert flops
                read = Fraction(held, 8) / rate if self.read and rate else Fraction(0)
                time = self.tokens * max(number(layer["flops"], "flops") / flops * bits, read)
                row.append(None if self.printed and held > 8 * cluster.space[j] else time)
            sent = number(layer["output_elements"], "output_elements") * width / 8
            if sent not in self.known:
                self.known[sent] = [
                    [None if time is None else self.tokens * time for time in row]
                    for row in cluster.hops(sent)
                ]
            self.known[id(layer), b] = row, self.known[sent]
        return Choice(b, held, self.errors[i][b], *self.known[id(layer), b])

    def value(self, placement: Any) -> Fraction:
        """Return what a placement costs; refuse one that breaks a constraint."""
        only(placement, "layers bits", "placement")
        count, names = len(self.blocks), self.cluster.names
        path = self.cluster.placed(placement["layers"], count)
        need(len(placement["bits"]) == count, "placement.bits: expected one per layer")
        chosen = []
        for i, width in enumerate(placement["bits"]):
            need(width in self.widths, f"placement: there is no width of {width} bits")
            b = self.widths.index(width)
            need(b in self.admitted[i], f"placement: layer {i} may not have {width} bits")
            chosen.append(self.choice(i, b))
        for j, name in enumerate(names):
            hosted = [choice.size for choice, k in zip(chosen, path, strict=True) if k == j]
            need(len(hosted) <= 1 or not self.printed, f"placement: {name} hosts {len(hosted)} layers")
            used, space = sum(hosted), 8 * self.cluster.space[j]
            need(used <= space, f"placement: {name} needs {used} bits and has {space}")
        need(sum(choice.error for choice in chosen) <= self.most, "placement: the errors exceed their bound")
        total = Fraction(0)
        for choice, j in zip(chosen, path, strict=True):
            total += choice.cost[j] or 0
        for (choice, k), (following, j) in pairwise(zip(chosen, path, strict=True)):
            time = choice.hop[k][j]
            need(time is not None, "placement: a link is missing")
            free = self.printed and choice.width != following.width
            total += 0 if free else time or 0
        return total

    def layers(self) -> Layers:
        """Return layers with those widths that a best placement may need."""
        rows = [self.needed([self.choice(i, b) for b in row]) for i, row in enumerate(self.admitted)]
        every = list(range(len(self.widths)))
        if not self.printed:
            unit = gcd(*(choice.size for row in rows for choice in row)) or 1
            space = [8 * held // unit * unit for held in self.cluster.space]
            return Layers(rows, space, self.most, [every], [[(0, True)] for _ in every])
        # One layer per server; a message is paid where the next layer has the same width, and is free where it has another.
        rows = [[choice._replace(size=1) for choice in row] for row in rows]
        same, other = [[b] for b in every], [[a for a in every if a != b] for b in every]
        onward = [[(1 + b, True), (1 + len(every) + b, False)] for b in every]
        return Layers(rows, [1] * self.cluster.size, self.most, [every, *same, *other], onward)

    def needed(self, row: list[Choice]) -> list[Choice]:
        """Leave out what a smaller width makes needless: it takes no more time and space.

        Where all messages are paid, one whose error is no larger; as printed, a fourth, since of three smaller ones one
        differs from both neighbours and makes their messages free.
        """
        if self.printed:
            return row[:PRINTED_WIDTHS]
        return [
            choice for n, choice in enumerate(row) if all(smaller.error > choice.error for smaller in row[:n])
        ]

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proof; none is needed where a layer has no width."""
        need(len(proofs) == all(self.admitted), "proofs: expected one, or none if a layer has no width")
        for proof in proofs:
            agree(proof, Widths(self.layers(), bound, proof).run())


def is_written(value: Fraction) -> bool:
    """Whether a number is a decimal of at most `WRITTEN_DIGITS` digits."""
    scaled = value * 10**400
    return scaled.denominator == 1 and len(str(scaled).rstrip("0")) <= WRITTEN_DIGITS
