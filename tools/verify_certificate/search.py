"""Why nothing costs less than a bound: prices, what is left of a path at them, and partial placements."""

from __future__ import annotations

from itertools import accumulate
from math import gcd, inf
from typing import TYPE_CHECKING, Any

from .chains import furthest
from .reading import counted, goal_of, need, number, only, whole

if TYPE_CHECKING:
    from .chains import Case

#: Labels that a proof may take at most, whatever it states.
MOST_LABELS = 20_000_000
#: By visits: a device without a run, and one that takes nothing more.
NEW, USED = -1, -2
#: Devices whose visits the tables may remember.
MOST_REMEMBERED = 12
#: The least cost, the device that follows there, and the least with another one following.
Way = tuple[float, int, float]
NONE: Way = (inf, -1, inf)
#: What is free of each device; and, where it is kept count of, its layers and tensors.
Free = tuple[int, ...]
Kept = tuple[tuple[int, frozenset[str]], ...]


class Search:
    """The proof of one case: prices, what they make of the rest of a path, and the partial placements left to look at."""

    def __init__(self, case: Case, proof: Any) -> None:
        only(proof, "by bound unit price remembered credit least labels", "proof")
        need(isinstance(proof["price"], list), "proof.price: expected a list")
        chain, self.start, bound, self.limit = case
        self.chain = chain
        self.stated = whole(proof["labels"], "proof.labels")
        self.count, self.devices = len(chain.size), range(len(chain.space))
        self.unit, self.goal = goal_of(proof, bound, self.limit if bound is None else bound)
        need(proof["by"] in ("visits", "bytes"), "proof.by: expected visits or bytes")
        self.visits = proof["by"] == "visits"
        self.closing = self.visits and not chain.once
        # Devices that must be visited, so exactly once: their price may be one that is paid to them.
        self.must = [self.visits and chain.once and least > 0 for least in chain.least]
        self.shortest = [max(least, 1) if chain.once else 1 for least in chain.least]
        need(len(proof["price"]) == len(chain.space), "proof.price: expected one per device")
        prices = [number(value, "proof.price") for value in proof["price"]]
        for price, must in zip(prices, self.must, strict=True):
            need(price.denominator == 1 and (price >= 0 or must), "proof.price: expected whole numbers >= 0")
        self.price = [int(price) for price in prices]
        need(not self.visits or not self.price[self.start], "proof.price: the start pays for no visit")
        known = [whole(j, "proof.remembered") for j in proof.get("remembered", [])]
        need(all(j in self.devices for j in known), "proof.remembered: there is no such device")
        need(len(known) <= MOST_REMEMBERED * self.visits, "proof.remembered: too many devices")
        need(self.start not in known, "proof.remembered: the start is never entered again")
        self.bit = [1 << known.index(j) if j in known else 0 for j in self.devices]
        self.subsets = range(1 << len(known))
        self.tables()
        if self.closing:
            need(self.one_run_is_best(), "proof.by: visits prove nothing where a second run may pay")
        self.potentials()
        self.found = 0

    def tables(self) -> None:
        """Fill the tables: times in units, sums of bytes and times, how far runs may go."""
        chain = self.chain
        rows = {id(row): [int(counted(time, self.unit)) for time in row] for row in chain.cost}
        links = {
            id(matrix): [
                [inf if k == j else counted(time, self.unit) for j, time in enumerate(row)]
                for k, row in enumerate(matrix)
            ]
            for matrix in {id(matrix): matrix for matrix in chain.hop}.values()
        }
        self.cost = [rows[id(row)] for row in chain.cost]
        self.hop = [links[id(matrix)] for matrix in chain.hop]
        self.back = [counted(time, self.unit) for time in chain.back[self.start]]
        self.held = list(accumulate(chain.size, initial=0))
        self.before = [list(accumulate((row[j] for row in self.cost), initial=0)) for j in self.devices]
        self.reach = [
            [furthest(chain, self.held, i, j, self.limit) for j in self.devices] for i in range(self.count)
        ]
        #: Where devices may have several runs: whether their layers and tensors are kept count of.
        self.kept = not chain.once and (chain.ruled or any(chain.shared))
        tensors = {name: size for shared in chain.shared for name, size in shared.items()}
        # What layers from each on need at least and at most, and the steps that free memory counts in.
        self.least = [min(chain.size[i:], default=0) for i in range(self.count + 1)]
        self.rest = [self.held[-1] - held + sum(tensors.values()) for held in self.held]
        self.step = [gcd(*chain.size[i:], *tensors.values()) or 1 for i in range(self.count + 1)]
        self.tail = chain.size[-1] + sum(chain.shared[-1].values())

    def one_run_is_best(self) -> bool:
        """Whether a best placement has one run per device, but for the last layer.

        That is so without other rules if all layers but the first and the last are equal, their messages too, and between devices other
        than the start no way round is shorter than the link: docs/certificates.md has the argument.
        """
        size, cost, hop, shared = self.chain.size, self.cost, self.hop, self.chain.shared
        others = [j for j in self.devices if j != self.start]
        inner = range(2, self.count - 1)
        if self.chain.ruled or any(size[i] != size[1] or shared[i] != shared[1] for i in inner):
            return False
        if any(cost[i] != cost[1] for i in inner):
            return False
        if any(hop[i] != hop[0] for i in range(1, self.count - 1)):
            return False
        return not any(
            hop[0][p][via] + hop[0][via][x] < hop[0][p][x]
            for via in self.devices
            for p in others
            for x in others
            if via != p != x != via
        )

    def potentials(self) -> None:
        """Fill the least priced costs of the rest of a path, by layers done, remembered devices that it has visited, and device.

        ``begin[i][s][j]``: of layers i.. when a run on j begins there; ``to_go[i][s][k]``: when one has ended on k. By visits a path
        does not go back to the device it has just come from: where that follows at the least cost, the second number holds.
        """
        self.to_go: list[list[list[Way]]] = [[] for _ in range(self.count)]
        self.to_go.append([[(time, -1, time) for time in self.back] for _ in self.subsets])
        self.begin: list[list[list[Way]]] = [[] for _ in range(self.count)]
        for i in range(self.count - 1, -1, -1):
            self.begin[i] = [[self.beginning(i, s, j) for j in self.devices] for s in self.subsets]
            if i:
                self.to_go[i] = [[self.going_on(i, k, ways) for k in self.devices] for ways in self.begin[i]]

    def beginning(self, i: int, s: int, j: int) -> Way:
        """Return the least cost of a run on j from layer i on, and of what follows it."""
        rate = fee = 0
        if not self.visits:
            rate = self.price[j]
        elif not self.ending(i):
            if s & self.bit[j] or (i and j == self.start):
                return NONE
            s, fee = s | self.bit[j], 0 if j == self.start else self.price[j]
        before, held, best, others = self.before[j], self.held, NONE, inf
        for e in range(i + self.shortest[j], self.reach[i][j] + 1):
            time = before[e] - before[i] + rate * (held[e] - held[i]) + fee
            least, following, second = self.to_go[e][s][j]
            least, second = time + least, time + second
            if least < best[0]:
                # With another one following: the best so far, or this one's second way, or what the same one barred.
                others = min(second, best[0] if best[1] != following else others)
                best = least, following, others
            else:
                others = min(others, second if following == best[1] else least)
                best = best[0], best[1], others
        return best

    def going_on(self, i: int, k: int, ways: list[Way]) -> Way:
        """Return the least cost of going on from device k with layer i."""
        found = [
            hop + (second if following == k else least)
            for hop, (least, following, second) in zip(self.hop[i - 1][k], ways, strict=True)
        ]
        best = min(found)
        if not self.visits or self.ending(i):
            return best, -1, best
        j = found.index(best)
        found[j] = inf
        return best, j, min(found)

    def ending(self, i: int) -> bool:
        """Whether layer i is the last, which may go back to a device."""
        return self.closing and i == self.count - 1

    def seen(self, i: int, free: list[int]) -> Free:
        """Return free memory as layers from i on see it: in steps of theirs, at most all of them."""
        least, rest, step = self.least[i], self.rest[i], self.step[i]
        return tuple(0 if f < least else min(rest, f // step * step) for f in free)

    def credit(self, free: Free) -> int:
        """Return what the prices allow to what still comes: unvisited devices, or free bytes."""
        if self.visits:
            return sum(p for j, p in enumerate(self.price) if j != self.start and free[j] == NEW)
        return sum(p * f for p, f in zip(self.price, free, strict=True))

    def run(self) -> dict[str, int | None]:
        """Look at all partial placements that may cost less than the bound; return what a proof has to state.

        ``credit``: what all devices pay at most; ``least``: what a path costs and pays at least, None without one; ``labels``: how many
        partial placements there were.
        """
        first = tuple(NEW for _ in self.devices) if self.visits else self.seen(0, self.chain.space)
        # A label: layers done, device of the last run, what is free and kept count of; and the least cost of getting there.
        self.labels: list[dict[tuple[int, Free, Kept], float]] = [{} for _ in range(self.count)]
        self.grow(0, self.start, self.start, 0, first, ((0, frozenset()),) * len(self.devices) * self.kept)
        for i in range(1, self.count):
            for (k, free, kept), spent in self.labels[i].items():
                for j in self.devices:
                    again = self.chain.size[i] <= free[j] and (self.ending(i) or not self.visits)
                    if j != k and (free[j] == NEW or again):
                        self.grow(i, k, j, spent + self.hop[i - 1][k][j], free, kept)
            self.labels[i] = {}
        least = self.begin[0][0][self.start][0]
        return {
            "credit": self.credit(first),
            "least": None if least == inf else int(least),
            "labels": self.found,
        }

    def grow(self, i: int, k: int, j: int, spent: float, free: Free, kept: Kept) -> None:
        """Add the labels with one run more, of layers i.. on device j, after one on k."""
        s = sum(bit for bit, left in zip(self.bit, free, strict=True) if left != NEW)
        least, following, second = self.begin[i][s][j]
        if spent + (second if following == k else least) - self.credit(free) >= self.goal:
            return
        s |= self.bit[j]
        chain, room = self.chain, self.chain.space[j] if free[j] == NEW else free[j]
        hosted, tensors = kept[j] if kept else (0, frozenset())
        for e in range(i + self.shortest[j], self.reach[i][j] + 1):
            left, layers = room - (self.held[e] - self.held[i]), hosted
            if kept:
                new = {name: size for name, size in chain.shared[e - 1].items() if name not in tensors}
                room, left = room - sum(new.values()), left - sum(new.values())
                tensors, layers = tensors.union(new), hosted + (e - i) * chain.ruled
            if left < 0 or layers > chain.most[j]:
                break
            total = spent + self.before[j][e] - self.before[j][i]
            if e == self.count:
                missing = any(must and free[d] == NEW for d, must in enumerate(self.must) if d != j)
                for d, (number_of, _) in enumerate(kept):
                    missing |= (layers if d == j else number_of) < chain.least[d]
                least = total + self.back[j]
                need(missing or least >= self.goal, f"a placement that ends on device {j} is not excluded")
                break
            if self.visits:
                again = self.closing and left >= chain.size[-1]
                after = (*free[:j], min(left, self.tail) if again else USED, *free[j + 1 :])
            else:
                after = self.seen(e, [*free[:j], left, *free[j + 1 :]])
            still = (*kept[:j], (layers, tensors), *kept[j + 1 :]) if kept else kept
            key, bucket = (j, after, still), self.labels[e]
            least, following, second = self.to_go[e][s][j]
            rest = (second if following == k else least) - self.credit(after)
            if total + rest >= self.goal or total >= bucket.get(key, inf):
                continue
            self.found += key not in bucket
            most = min(self.stated, MOST_LABELS)
            need(self.found <= most, f"more than the {most} labels that the proof states")
            bucket[key] = total
