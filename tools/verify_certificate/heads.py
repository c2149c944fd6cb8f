"""Heads that move: what an interval costs at least, by places of projection and network."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

from .reading import Cluster, Links, counted, need, number, only, whole
from .walks import least

#: Where heads, projection and network were.
Placed = tuple[list[int], int, int]


class Heads:
    """A layer whose heads are placed one by one, over intervals."""

    def __init__(self, document: dict[str, Any]) -> None:
        only(
            document,
            "format problem name description reference cluster transformer intervals tokens_per_interval controller"
            " policy input_from_controller overlap time_model memory_bytes flops_per_s bandwidth_bytes_per_s"
            " initial_placement",
            "instance",
        )
        self.document, self.cluster = document, Cluster(document["cluster"])
        shape = document["transformer"]
        only(
            shape,
            "heads embedding_dim bytes_per_parameter prompt_tokens ffn_flops_factor kv execution parameters_in_memory"
            " kv_heads ffn_parameters",
            "transformer",
        )
        self.shape, self.count = shape, whole(document["intervals"], "intervals")
        self.tokens = whole(document.get("tokens_per_interval", 1), "tokens_per_interval")
        self.weight = self.tokens if document.get("policy", "lookahead") == "lookahead" else 1
        self.units = shape["heads"] if shape.get("kv_heads") is None else shape["kv_heads"]
        controller = document.get("controller")
        self.controller = 0 if controller is None else self.cluster.names.index(controller)
        stated = document.get("initial_placement")
        self.before = (
            None
            if stated is None
            else self.placed({k: v for k, v in stated.items() if k != "sequence_length"})
        )
        length = None if stated is None else stated.get("sequence_length")
        self.length = shape.get("prompt_tokens", 64) if length is None else length

    def placed(self, entry: Any) -> Placed:
        """Return where the blocks of an interval are."""
        only(entry, "heads proj ffn", "placement.intervals")
        proj, ffn = self.cluster.placed([entry["proj"], entry["ffn"]], 2)
        return self.cluster.placed(entry["heads"], self.units), proj, ffn

    def demands(self, t: int) -> list[tuple[int, Fraction, int, int]]:
        """Return bytes, FLOP, message and bytes read of a head, the projection and the network (Table I)."""
        shape, length = self.shape, self.length + self.tokens * (t + 1)
        wide, size, heads = shape["embedding_dim"], shape.get("bytes_per_parameter", 4), shape["heads"]
        need(wide % heads == 0 and heads % self.units == 0, "transformer: heads do not divide")
        width, group = wide // heads, heads // self.units
        generated = max(length - shape.get("prompt_tokens", 64), 0)
        printed, full = shape.get("kv", "table") == "table", shape.get("execution", "full") == "full"
        cache = generated * wide * size if printed else 2 * length * width * size
        computed = length if full else 1
        work = (group + 2) * computed * wide * width + group * width * (length**2 if full else 2 * length)
        counted = int(bool(shape.get("parameters_in_memory", False)))
        stated = shape.get("ffn_parameters")
        weights = [
            (group + 2) * wide * width * size,
            wide**2 * size,
            size * (8 * wide**2 if stated is None else stated),
        ]
        factor = number(shape.get("ffn_flops_factor", 8), "ffn_flops_factor")
        return [
            (
                (group + 2) * (length + wide) * width * size + cache,
                Fraction(work),
                computed * group * width * size,
                weights[0] + (0 if full else cache),
            ),
            (
                length * wide * size + counted * weights[1],
                Fraction(computed * wide**2),
                computed * wide * size,
                weights[1],
            ),
            (4 * length * wide * size + counted * weights[2], factor * computed * wide**2, 0, weights[2]),
        ]

    def over_time(self, key: str, t: int, depth: int) -> Any:
        """Return the values of an interval, None where the cluster's hold; one dimension less holds in all."""
        values = inner = self.document.get(key)
        if values is None:
            return None
        levels = 0
        while isinstance(inner, list):
            levels, inner = levels + 1, inner[0]
        need(levels in (depth, depth + 1), f"{key}: wrong shape")
        need(levels == depth or len(values) == self.count, f"{key}: expected one per interval")
        return values if levels == depth else values[t]

    def tables(self, t: int) -> Tables:
        """Return all numbers of an interval."""
        return Tables(self, t)

    def value(self, placement: Any) -> Fraction:
        """Return what a trajectory costs; refuse one that breaks a constraint."""
        only(placement, "intervals", "placement")
        need(len(placement["intervals"]) == self.count, f"placement: expected {self.count} intervals")
        total, before = Fraction(0), self.before
        for t, entry in enumerate(placement["intervals"]):
            now = self.placed(entry)
            total += Tables(self, t).cost(now, before)
            before = now
        return total

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proofs: prices of heads; or what each interval costs at least, moves after the first for nothing."""
        if bound is None:
            need(len(proofs) == 1, "proofs: expected one, of an interval without a placement")
            t = whole(proofs[0]["interval"], "proof.interval")
            need(t < self.count, "proof.interval: there is none")
            self.step(t, None, proofs[0])
            return
        if len(proofs) == 1 and "price" in proofs[0]:
            found = least(self, proofs[0])
            need(found >= bound, f"bound: the prices prove {float(found):.15g}")
            return
        need(len(proofs) == self.count, f"proofs: expected {self.count}, found {len(proofs)}")
        for t, proof in enumerate(proofs):
            need(proof["interval"] == t, f"proof.interval: expected {t}")
            self.step(t, number(proof["bound"], "proof.bound"), proof)
        parts = sum(number(proof["bound"], "proof.bound") for proof in proofs)
        need(parts == bound, f"bound: the intervals' bounds sum up to {parts}")

    def step(self, t: int, bound: Fraction | None, proof: Any) -> None:
        """Check that an interval costs the bound at least, wherever projection and network are."""
        only(proof, "interval bound unit prices", "proof")
        tables = Tables(self, t)
        prices = {(pair["proj"], pair["ffn"]): pair["price"] for pair in proof["prices"]}
        need(len(prices) == len(proof["prices"]), "proof.prices: a pair stands twice")
        unit = None if bound is None else number(proof["unit"], "proof.unit")
        need(unit is None or unit > 0, "proof.unit: expected > 0")
        names = range(self.cluster.size)
        for p in names:
            for f in names:
                listed = [[whole(v, "price") for v in price] for price in prices.pop((p, f), [])]
                left = tables.pair(p, f, bound, unit, self.before if t == 0 else None)
                need(
                    all(step.closed(listed) for step in left),
                    f"proof: projection on device {p} and network on {f} are not excluded",
                )
        need(not prices, "proof.prices: there is no such pair")


class Tables:
    """The times of an interval, exact."""

    def __init__(self, heads: Heads, t: int) -> None:
        cluster, document = heads.cluster, heads.document
        self.units, self.weight, self.size = heads.units, heads.weight, cluster.size
        devices = range(self.size)
        memory = heads.over_time("memory_bytes", t, 1)
        self.space = cluster.space if memory is None else [whole(value, "memory_bytes") for value in memory]
        rates, links = heads.over_time("flops_per_s", t, 1), heads.over_time("bandwidth_bytes_per_s", t, 2)
        net = Cluster(document["cluster"])
        if links is not None:
            net.rate = net.matrix(links, "bandwidth_bytes_per_s")
        demands = heads.demands(t)
        self.memory = [demand[0] for demand in demands]
        moved = [net.hops(Fraction(demand[0])) for demand in heads.demands(t - 1)]
        roofline = document.get("time_model", "flops") == "roofline"

        def compute(part: int, j: int) -> Fraction:
            rate = cluster.column("flops_per_s", j) if rates is None else number(rates[j], "flops_per_s")
            need(rate, f"flops_per_s: {cluster.names[j]} has none")
            assert rate
            reading = cluster.column("memory_bytes_per_s", j) if roofline else None
            return max(demands[part][1] / rate, demands[part][3] / reading if reading else Fraction(0))

        self.move = moved
        sent = net.hops(Fraction(demands[0][2]))
        #: Of the projection's message, and of what a network sends to a device with heads of the next layer.
        self.onward = onward = net.hops(Fraction(demands[1][2]))
        entry = (
            onward[heads.controller] if document.get("input_from_controller") else [Fraction(0)] * self.size
        )
        own = [compute(0, j) for j in devices]
        # n heads on j with the projection on q take slope n + fixed; None without a link.
        self.slope: Links = [[None] * self.size for _ in devices]
        self.fixed: Links = [[None] * self.size for _ in devices]
        for j in devices:
            for q in devices:
                message, first = sent[j][q], entry[j]
                if message is None or first is None:
                    continue
                overlap = document.get("overlap")
                self.slope[j][q] = max(own[j], message) if overlap else own[j] + message
                self.fixed[j][q] = (min(own[j], message) if overlap else 0) + first
        second, third = [compute(1, j) for j in devices], [compute(2, j) for j in devices]
        self.after: Links = [[None] * self.size for _ in devices]
        for q in devices:
            for r in devices:
                message = onward[q][r]
                self.after[q][r] = None if message is None else second[q] + message + third[r]

    def room(self, j: int, projections: int, networks: int, most: int) -> int:
        """Return how many heads a device holds beside others, -1 where those do not fit."""
        head, proj, ffn = self.memory
        left = self.space[j] - projections * proj - networks * ffn
        return -1 if left < 0 else min(left // head, most) if head else most

    def cost(self, now: Placed, before: Placed | None) -> Fraction:
        """Return what an interval costs; refuse a placement that breaks a constraint."""
        heads, p, f = now
        longest = Fraction(0)
        for j in range(self.size):
            n = heads.count(j)
            used = n * self.memory[0] + (j == p) * self.memory[1] + (j == f) * self.memory[2]
            need(used <= self.space[j], f"placement: device {j} needs {used} bytes and has {self.space[j]}")
            if n:
                slope, fixed = self.slope[j][p], self.fixed[j][p]
                need(slope is not None, "placement: a link is missing")
                assert slope is not None
                assert fixed is not None
                longest = max(longest, slope * n + fixed)
        after = self.after[p][f]
        need(after is not None, "placement: a link is missing")
        total = self.weight * (longest + (after or 0))
        if before is not None:
            moves = [(0, k, j) for k, j in zip(before[0], heads, strict=True)]
            for part, k, j in [*moves, (1, before[1], p), (2, before[2], f)]:
                time = self.move[part][k][j]
                need(time is not None, "placement: a block moves where there is no link")
                total += time or 0
        return total

    def pair(
        self, p: int, f: int, bound: Fraction | None, unit: Fraction | None, before: Placed | None
    ) -> list[Step]:
        """Return what is left to exclude with the projection on p and the network on f: a limit on the heads' time each."""
        goal = 1 if bound is None or unit is None else ceil(bound / unit)
        after = self.after[p][f]
        spent = counted(None if after is None else self.weight * after, unit)
        if before is not None:
            spent += counted(self.move[1][before[1]][p], unit) + counted(self.move[2][before[2]][f], unit)
        times: list[list[float]] = []
        for j in range(self.size):
            left = self.space[j] - (j == p) * self.memory[1] - (j == f) * self.memory[2]
            if left < 0 and j in (p, f):
                return []
            fit = min(left // self.memory[0] if self.memory[0] else self.units, self.units)
            slope, fixed = self.slope[j][p], self.fixed[j][p]
            row = [] if slope is None or fixed is None else [slope * n + fixed for n in range(1, fit + 1)]
            times.append([counted(self.weight * time, unit) for time in row])
        counts = [0 if before is None else before[0].count(k) for k in range(self.size)]
        move = [[counted(time, unit) for time in row] for row in self.move[0]]
        steps = []
        for limit in sorted({time for row in times for time in row if spent + time < goal}):
            caps = [sum(time <= limit for time in row) for row in times]
            if sum(caps) >= self.units:
                steps.append(Step(caps, counts, move, goal - spent - limit, moving=before is not None))
        return steps


class Step:
    """Heads within a limit on their time: how many each device takes, where they were, what moving one costs."""

    def __init__(
        self, caps: list[int], counts: list[int], move: list[list[float]], goal: float, *, moving: bool
    ) -> None:
        self.caps, self.counts, self.move, self.goal, self.moving = caps, counts, move, goal, moving

    def closed(self, prices: list[list[int]]) -> bool:
        """Whether the moves cost the rest of the bound: by one of the prices per head on a device."""
        return self.moving and any(self.bound(price) >= self.goal for price in prices)

    def bound(self, price: list[int]) -> float:
        """Return a bound on all moves: each head pays the price of where it goes, whose rooms are paid back."""
        devices = range(len(self.caps))
        need(len(price) == len(self.caps), "price: expected one per device")
        paid = sum(
            count * min(self.move[k][j] + price[j] for j in devices)
            for k, count in enumerate(self.counts)
            if count
        )
        return paid - sum(p * cap for p, cap in zip(price, self.caps, strict=True))
