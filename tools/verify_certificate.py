"""Check a placement and a certificate: ``verify_certificate.py INSTANCE RESULT CERTIFICATE``.

Reads the three files, computes everything anew in whole numbers and fractions, and says "the placement costs v; nothing
costs less than b", or what is wrong first. Uses the standard library alone. docs/certificates.md says what a certificate
states and why it proves its bound.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor, gcd, inf
from typing import Any, NamedTuple

FORMAT = "placewise-certificate/1"
#: Labels that a proof may take at most, whatever it states.
MOST_LABELS = 20_000_000
#: Decimal places and digits that a number may have.
LONGEST = 400
#: By visits: a device without a run, and one that takes nothing more.
NEW, USED = -1, -2
Links = list[list[Fraction | None]]


class RefusedError(Exception):
    """Why nothing is certified; the first reason."""


class Verdict(NamedTuple):
    """What was checked: the placement's cost, None without a placement; the bound, None if nothing is feasible."""

    cost: Fraction | None
    bound: Fraction | None

    def __str__(self) -> str:
        if self.bound is None:
            return "there is no placement"
        nothing = f"nothing costs less than {shown(self.bound)}"
        return nothing if self.cost is None else f"the placement costs {shown(self.cost)}; {nothing}"


def need(condition: object, message: str) -> None:
    """Raise `RefusedError` unless a condition holds."""
    if not condition:
        raise RefusedError(message)


def shown(value: Fraction) -> str:
    """Return 15 digits of a number."""
    return f"{float(value):.15g}"


def number(value: Any, where: str) -> Fraction:
    """Return a number of a file as it is written, a fraction; certificates write fractions as text."""
    kind = isinstance(value, int | Fraction | str) and not isinstance(value, bool)
    need(kind and len(str(value)) <= LONGEST, f"{where}: expected a number")
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise RefusedError(f"{where}: expected a number, found {value!r}") from None


def whole(value: Any, where: str) -> int:
    """Return a whole number >= 0."""
    found = number(value, where)
    need(found.denominator == 1 and found >= 0, f"{where}: expected a whole number >= 0")
    return int(found)


def only(part: Any, known: str, where: str) -> None:
    """Refuse keys that this program does not know: they may change what the numbers mean."""
    need(isinstance(part, dict), f"{where}: expected an object")
    for key in part:
        need(key in known.split(), f"{where}.{key}: this program does not know it, so it certifies nothing")


def load(path: str) -> Any:
    """Read a JSON file, gzip or not; decimals become fractions, a key that stands twice is refused."""
    with open(path, "rb") as file:  # noqa: PTH123 - the standard library in its plainest form
        raw = file.read()
    return parse(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def parse(text: bytes | str) -> Any:
    """Read JSON: decimals become fractions, a key that stands twice is refused."""

    def decimal(digits: str) -> Fraction:
        exponent = digits.lower().partition("e")[2]
        need(len(digits) <= LONGEST and abs(int(exponent or 0)) <= LONGEST, f"{digits[:20]}: too long")
        return Fraction(digits)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({key for key, _ in pairs}) == len(pairs), "a key stands twice in an object")
        return dict(pairs)

    def constant(word: str) -> None:
        raise RefusedError(f"{word} is no number")

    try:
        return json.loads(text, parse_float=decimal, parse_constant=constant, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"no JSON: {error}") from None


def digest(certificate: dict[str, Any]) -> str:
    """Return the SHA-256 of a certificate without its own: keys sorted, no spaces."""
    rest = {key: value for key, value in certificate.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# ---- what the files of all problems share: devices, links, layers


class Cluster:
    """Devices and links of a file."""

    def __init__(self, spec: Any, space: str = "memory_bytes") -> None:
        only(spec, "devices bandwidth_bytes_per_s latency_s", "cluster")
        self.devices: list[dict[str, Any]] = []
        self.names: list[str] = []
        for device in spec["devices"]:
            only(
                device,
                f"name count {space} flops_per_s memory_bytes_per_s layer_overhead_s",
                "cluster.devices",
            )
            count = device.get("count", 1)
            self.devices += [device] * count
            self.names += [device["name"]] if count == 1 else [f"{device['name']}-{n}" for n in range(count)]
        need(len(set(self.names)) == len(self.names), "cluster.devices: a name stands twice")
        self.size = len(self.names)
        self.space = [whole(device[space], f"cluster.devices.{space}") for device in self.devices]
        self.rate = self.matrix(spec.get("bandwidth_bytes_per_s", 0), "bandwidth_bytes_per_s")
        self.latency = self.matrix(spec.get("latency_s", 0), "latency_s")

    def column(self, key: str, j: int) -> Fraction | None:
        """Return a number of a device, None where it states none."""
        value = self.devices[j].get(key)
        return None if value is None else number(value, f"cluster.devices.{key}")

    def matrix(self, spec: Any, where: str) -> list[list[Fraction]]:
        """Return a number per link, row = sender: one for all, M x M, or a default and links that differ."""
        if isinstance(spec, list):
            need(len(spec) == self.size and all(len(row) == self.size for row in spec), f"{where}: not M x M")
            return [
                [Fraction(0) if k == j else number(value, where) for j, value in enumerate(row)]
                for k, row in enumerate(spec)
            ]
        listed = spec if isinstance(spec, dict) else {"default": spec}
        only(listed, "default links symmetric", where)
        found = [[number(listed["default"], where)] * self.size for _ in self.names]
        for sender, receiver, value in listed.get("links", []):
            k, j = self.names.index(sender), self.names.index(receiver)
            found[k][j] = number(value, where)
            if listed.get("symmetric"):
                found[j][k] = found[k][j]
        return found

    def hops(self, message: Fraction, *, latency: bool = True) -> Links:
        """Return the seconds of a message over each link; None without a link."""

        def hop(k: int, j: int) -> Fraction | None:
            if k == j:
                return Fraction(0)
            rate = self.rate[k][j]
            return message / rate + (self.latency[k][j] if latency else 0) if rate else None

        return [[hop(k, j) for j in range(self.size)] for k in range(self.size)]

    def placed(self, names: Any, count: int) -> list[int]:
        """Return the devices of a list of names."""
        need(isinstance(names, list) and len(names) == count, f"placement: expected {count} device names")
        for name in names:
            need(name in self.names, f"placement: there is no device {name!r}")
        return [self.names.index(name) for name in names]


def roofline(work: Fraction, read: Fraction, cluster: Cluster, j: int) -> Fraction:
    """Return the longer of arithmetic and of reading, with the overhead of a layer."""
    flops, rate = cluster.column("flops_per_s", j), cluster.column("memory_bytes_per_s", j)
    need(flops and rate, f"cluster.devices: {cluster.names[j]} states no rates")
    assert flops
    assert rate
    return max(work / flops, read / rate) + (cluster.column("layer_overhead_s", j) or 0)


# ---- chains: layers in a row on devices, messages between them, memory cumulative


class Chain(NamedTuple):
    """Layers in a row.

    ``size``: bytes of each layer; ``space``: of each device; ``cost[i][j]``: seconds of layer i on device j; ``hop[i][k][j]``: of its
    output from k to j; ``back[s][j]``: of the token from j to a source s; ``starts``: where layer 0 may be; ``once``:
    whether a device has at most one run of layers.
    """

    size: list[int]
    space: list[int]
    cost: list[list[Fraction]]
    hop: list[Links]
    back: Links
    starts: list[int]
    once: bool

    def total(self, path: list[int], names: list[str], *, slowest: bool) -> Fraction:
        """Return what a placement costs: the sum of all times, or the time of the slowest stage or message."""
        need(path[0] in self.starts, f"placement: layer 0 is not on {names[self.starts[0]]}")
        for j, name in enumerate(names):
            used = sum(size for size, k in zip(self.size, path, strict=True) if k == j)
            need(used <= self.space[j], f"placement: {name} needs {used} bytes and has {self.space[j]}")
        stages: list[tuple[int, Fraction]] = []
        moves = [self.back[path[0]][path[-1]]]
        for i, j in enumerate(path):
            if i and path[i - 1] == j:
                stages[-1] = j, stages[-1][1] + self.cost[i][j]
                continue
            stages.append((j, self.cost[i][j]))
            if i:
                moves.append(self.hop[i - 1][path[i - 1]][j])
        need(not self.once or len({j for j, _ in stages}) == len(stages), "placement: a device has two runs")
        times = [time for _, time in stages]
        for move in moves:
            need(move is not None, "placement: a link is missing")
            times += [] if move is None else [move]
        return max(times) if slowest else sum(times, Fraction(0))


#: A chain, where it starts, and what no placement may cost less than.
Case = tuple[Chain, int, Fraction | None]


class Search:
    """The proof of one case: prices, what they make of the rest of a path, and the partial placements left to look at.

    Parameters: the chain, where layer 0 is, and the bound; None: that there is no placement. Where the slowest stage or
    message counts, only those below the bound exist, and times are left out.
    """

    def __init__(self, case: Case, proof: Any, *, slowest: bool) -> None:
        only(proof, "unit by price labels", "proof")
        need(isinstance(proof["price"], list), "proof.price: expected a list")
        chain, self.start, bound = case
        self.chain = chain
        self.price = [whole(value, "proof.price") for value in proof["price"]]
        self.stated = whole(proof["labels"], "proof.labels")
        need(len(self.price) == len(chain.space), "proof.price: expected one per device")
        self.count, self.devices = len(chain.size), range(len(chain.space))
        self.limit = bound if slowest else None
        self.unit: Fraction | None = None
        self.goal = 1  # all costs are 0: whatever is left is a placement
        if bound is not None and not slowest:
            self.unit = number(proof["unit"], "proof.unit")
            need(self.unit > 0, "proof.unit: expected > 0")
            self.goal = ceil(bound / self.unit)
        need(proof["by"] in ("visits", "bytes"), "proof.by: expected visits or bytes")
        self.visits = proof["by"] == "visits"
        self.closing = self.visits and not chain.once
        self.tables()
        if self.closing:
            need(self.one_run_is_best(), "proof.by: visits prove nothing where a second run may pay")
        self.potentials()
        self.found = 0

    def counted(self, time: Fraction | None) -> float:
        """Return a time in units, rounded down; infinite for what is not there or too long."""
        if time is None or (self.limit is not None and time >= self.limit):
            return inf
        return floor(time / self.unit) if self.unit else 0

    def tables(self) -> None:
        """Fill the tables: times in units, sums of bytes and times, how far runs may go."""
        chain = self.chain
        rows = {id(row): [floor(t / self.unit) if self.unit else 0 for t in row] for row in chain.cost}
        links = {
            id(matrix): [[self.counted(time) for time in row] for row in matrix]
            for matrix in {id(matrix): matrix for matrix in chain.hop}.values()
        }
        self.cost = [rows[id(row)] for row in chain.cost]
        self.hop = [links[id(matrix)] for matrix in chain.hop]
        self.back = [self.counted(time) for time in chain.back[self.start]]
        self.held = list(accumulate(chain.size, initial=0))
        self.before = [list(accumulate((row[j] for row in self.cost), initial=0)) for j in self.devices]
        self.reach = [
            [furthest(chain, self.held, i, j, self.limit) for j in self.devices] for i in range(self.count)
        ]
        # What layers from each on need at least and at most, and the steps that free memory counts in.
        self.least = [min(chain.size[i:], default=0) for i in range(self.count + 1)]
        self.rest = [self.held[-1] - held for held in self.held]
        self.step = [gcd(*chain.size[i:]) or 1 for i in range(self.count + 1)]

    def one_run_is_best(self) -> bool:
        """Whether a best placement has one run per device, but for the last layer.

        That is so if all layers but the first and the last are equal, their messages too, and between devices other
        than the start no way round is shorter than the link: docs/certificates.md has the argument.
        """
        size, cost, hop = self.chain.size, self.cost, self.hop
        others = [j for j in self.devices if j != self.start]
        if any(size[i] != size[1] or cost[i] != cost[1] for i in range(2, self.count - 1)):
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
        """Fill the least priced costs of the rest of a path.

        ``begin[i][j][k]``: of layers i.. when a run on j begins there that came from k; ``to_go[i][k][p]``: when one has ended on k
        that came from p. By visits the next device is not p, so that priced paths do not turn back at once.
        """
        price, devices, held = self.price, self.devices, self.held
        self.to_go: list[list[list[float]]] = [[] for _ in range(self.count)]
        self.to_go.append([[time] * len(price) for time in self.back])
        self.begin: list[list[list[float]]] = [[] for _ in range(self.count)]
        for i in range(self.count - 1, -1, -1):
            ending = self.closing and i == self.count - 1
            for j in devices:
                if self.visits and j == self.start and i and not ending:
                    self.begin[i].append([inf] * len(price))
                    continue
                fee = 0 if not self.visits or j == self.start or ending else price[j]
                rate = 0 if self.visits else price[j]
                runs = [
                    (
                        self.before[j][e] - self.before[j][i] + rate * (held[e] - held[i]) + fee,
                        self.to_go[e][j],
                    )
                    for e in range(i + 1, self.reach[i][j] + 1)
                ]
                self.begin[i].append([min((t + after[k] for t, after in runs), default=inf) for k in devices])
            for k in devices if i else ():
                ways = sorted((self.hop[i - 1][k][j] + self.begin[i][j][k], j) for j in devices if j != k)
                (best, j), (second, _) = [*ways, (inf, k), (inf, k)][:2]
                turn = self.visits and not ending
                self.to_go[i].append([second if turn and p == j else best for p in devices])

    def seen(self, i: int, free: list[int]) -> tuple[int, ...]:
        """Return free memory as layers from i on see it: in steps of theirs, at most all of them."""
        least, rest, step = self.least[i], self.rest[i], self.step[i]
        return tuple(0 if f < least else min(rest, f // step * step) for f in free)

    def credit(self, free: tuple[int, ...]) -> int:
        """Return what the prices allow to what still comes: unvisited devices, or free bytes."""
        if self.visits:
            return sum(p for j, p in enumerate(self.price) if j != self.start and free[j] == NEW)
        return sum(p * f for p, f in zip(self.price, free, strict=True))

    def run(self) -> int:
        """Look at all partial placements that may cost less than the bound; return how many."""
        first = tuple(NEW for _ in self.devices) if self.visits else self.seen(0, self.chain.space)
        # A label: layers done, device of the last run, what is free; and the least cost of getting there.
        self.labels: list[dict[tuple[int, tuple[int, ...]], float]] = [{} for _ in range(self.count)]
        self.grow(0, self.start, self.start, 0, first)
        for i in range(1, self.count):
            for (k, free), spent in self.labels[i].items():
                for j in self.devices:
                    again = self.chain.size[i] <= free[j] and (i == self.count - 1 or not self.visits)
                    if j != k and (free[j] == NEW or again):
                        self.grow(i, k, j, spent + self.hop[i - 1][k][j], free)
            self.labels[i] = {}
        return self.found

    def grow(self, i: int, k: int, j: int, spent: float, free: tuple[int, ...]) -> None:
        """Add the labels with one run more, of layers i.. on device j, after one on k."""
        if spent + self.begin[i][j][k] - self.credit(free) >= self.goal:
            return
        room, last = self.chain.space[j] if free[j] == NEW else free[j], self.chain.size[-1]
        for e in range(i + 1, self.reach[i][j] + 1):
            left = room - (self.held[e] - self.held[i])
            if left < 0:
                break
            total = spent + self.before[j][e] - self.before[j][i]
            if e == self.count:
                need(
                    total + self.back[j] >= self.goal, f"a placement that ends on device {j} is not excluded"
                )
                break
            if self.visits:
                after = (*free[:j], last if self.closing and left >= last else USED, *free[j + 1 :])
            else:
                after = self.seen(e, [*free[:j], left, *free[j + 1 :]])
            key, bucket = (j, after), self.labels[e]
            if total >= bucket.get(key, inf) or total + self.to_go[e][j][k] - self.credit(after) >= self.goal:
                continue
            self.found += key not in bucket
            most = min(self.stated, MOST_LABELS)
            need(self.found <= most, f"more than the {most} labels that the proof states")
            bucket[key] = total


def furthest(chain: Chain, held: list[int], i: int, j: int, limit: Fraction | None) -> int:
    """Return how far a run from layer i on device j may go in its memory, and below a limit for its time."""
    time, end = Fraction(0), i
    while end < len(chain.size) and held[end + 1] - held[i] <= chain.space[j]:
        time += chain.cost[end][j] if limit is not None else 0
        if limit is not None and time >= limit:
            break
        end += 1
    return end


# ---- the problems


class Chains:
    """A problem of chains."""

    slowest = False

    def cases(self, bound: Fraction | None) -> list[Case]:
        """Return what must be proven: no placement of a chain from a start costs less than a bound."""
        raise NotImplementedError

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proofs, one per case."""
        cases = self.cases(bound)
        need(len(proofs) == len(cases), f"proofs: expected {len(cases)}, found {len(proofs)}")
        for (chain, start, limit), proof in zip(cases, proofs, strict=True):
            found = Search((chain, start, limit), proof, slowest=self.slowest).run()
            need(found == proof["labels"], f"proof.labels: {found}, the proof states {proof['labels']}")


class EdgeShard(Chains):
    """EdgeShard's problems: one chain, or one per batch size."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.batches = document["problem"] == "edgeshard-batch"
        self.slowest = document["problem"] != "edgeshard-latency"
        own = " batch_sizes" if self.batches else ""
        only(
            document,
            "format problem name description reference cluster model compute_time_s source_device return_bytes"
            " input_bytes contiguous latency_occupies" + own,
            "instance",
        )
        self.cluster = cluster = Cluster(document["cluster"])
        only(document["model"], "layers", "model")
        layers: list[dict[str, Any]] = []
        for layer in document["model"]["layers"]:
            only(
                layer, "name memory_bytes output_bytes flops weight_bytes cache_bytes repeat", "model.layers"
            )
            layers += [layer] * layer.get("repeat", 1)
        self.layers, self.times = layers, document.get("compute_time_s")
        self.entry = document.get("input_bytes")
        source = document["source_device"]
        self.starts = list(range(cluster.size)) if source is None else [cluster.names.index(source)]
        self.back = number(document.get("return_bytes", 0), "return_bytes")
        self.occupies = not self.slowest or bool(document.get("latency_occupies"))
        self.once = self.slowest or bool(document.get("contiguous"))
        self.sizes = [whole(size, "batch_sizes") for size in document["batch_sizes"]] if self.batches else [1]

    def chain(self, batch: int) -> Chain:
        """Return the chain of a batch size."""
        cluster, devices = self.cluster, range(self.cluster.size)
        table = self.times[self.sizes.index(batch)] if self.batches and self.times is not None else self.times

        def amount(layer: dict[str, Any], key: str) -> Fraction:
            return number(layer.get(key, 0), f"model.layers.{key}")

        def seconds(i: int, layer: dict[str, Any], j: int) -> Fraction:
            if table is not None:
                return number(table[i][j], f"compute_time_s[{i}][{j}]")
            need("flops" in layer and "weight_bytes" in layer, f"model.layers: layer {i} states no work")
            read = amount(layer, "weight_bytes") + batch * amount(layer, "cache_bytes")
            return roofline(batch * amount(layer, "flops"), read, cluster, j)

        # Equal layers in a row share their row, equal messages their matrix.
        rows: dict[Any, list[Fraction]] = {}
        sizes, cost, sent = [], [], []
        for i, layer in enumerate(self.layers):
            key = id(layer) if table is None else i
            if key not in rows:
                rows[key] = [seconds(i, layer, j) for j in devices]
            cost.append(rows[key])
            cache = whole(layer.get("cache_bytes", 0), "model.layers.cache_bytes") if self.batches else 0
            sizes.append(whole(layer["memory_bytes"], "model.layers.memory_bytes") + batch * cache)
            sent.append(amount(layer, "output_bytes"))
        if table is not None:
            need(len(table) == len(sizes), "compute_time_s: expected a row per layer")
        if self.entry is not None:
            sizes, cost = [0, *sizes], [[Fraction(0)] * cluster.size, *cost]
            sent = [number(self.entry, "input_bytes"), *sent]
        hops = {size: cluster.hops(batch * size, latency=self.occupies) for size in set(sent)}
        nothing: Links = [[Fraction(0)] * cluster.size for _ in devices]
        back = cluster.hops(batch * self.back, latency=self.occupies) if self.back else nothing
        back = [[back[j][s] for j in devices] for s in devices]
        return Chain(sizes, cluster.space, cost, [hops[size] for size in sent], back, self.starts, self.once)

    def value(self, placement: Any) -> Fraction:
        """Return what a placement costs; refuse one that breaks a constraint."""
        only(placement, "layers" + " batch_size" * self.batches, "placement")
        batch = whole(placement["batch_size"], "batch_size") if self.batches else 1
        need(batch in self.sizes, "placement.batch_size: expected one of the instance")
        chain = self.chain(batch)
        path = self.cluster.placed(placement["layers"], len(chain.size))
        return chain.total(path, self.cluster.names, slowest=self.slowest) / batch

    def cases(self, bound: Fraction | None) -> list[Case]:
        """Return what must be proven: for each batch size and source."""
        return [
            (chain, start, None if bound is None else bound * size)
            for size in self.sizes
            for chain in [self.chain(size)]
            for start in self.starts
        ]


class Dilemma(Chains):
    """DILEMMA, corrected, with a bound on each layer's error: the smallest width within it is best for every layer."""

    def __init__(self, document: dict[str, Any]) -> None:
        only(
            document,
            "format problem name description reference cluster mode time_model tokens model bit_widths"
            " quantization_error max_error error_budget",
            "instance",
        )
        need(document.get("mode", "corrected") == "corrected", "mode: only corrected is certified")
        need(document.get("error_budget") is None, "error_budget: a bound on the sum is not certified")
        self.cluster = cluster = Cluster(document["cluster"], "storage_bytes")
        self.widths = [whole(width, "bit_widths") for width in document["bit_widths"]]
        self.tokens, self.read = (
            whole(document.get("tokens", 1), "tokens"),
            document.get("time_model") == "roofline",
        )
        self.layers: list[dict[str, Any]] = []
        for layer in document["model"]["layers"]:
            only(layer, "name flops parameters output_elements original_bits repeat", "model.layers")
            self.layers += [layer] * layer.get("repeat", 1)
        errors, most = document["quantization_error"], document.get("max_error")
        need(len(errors) == len(self.layers), "quantization_error: expected a row per layer")
        self.admitted = [
            [w for w, e in zip(self.widths, row, strict=True) if most is None or e <= most] for row in errors
        ]
        self.starts = list(range(cluster.size))

    def chain(self, widths: list[int]) -> Chain:
        """Return the chain in which each layer has one width."""
        cluster, devices = self.cluster, range(self.cluster.size)
        sizes, cost, sent, rows = [], [], [], {}
        for layer, width in zip(self.layers, widths, strict=True):
            held = whole(layer["parameters"], "parameters") * width
            sizes.append(held)
            sent.append(number(layer["output_elements"], "output_elements") * width / 8)
            if (id(layer), width) not in rows:
                bits = Fraction(width, layer.get("original_bits", 32))
                row = []
                for j in devices:
                    flops, rate = cluster.column("flops_per_s", j), cluster.column("memory_bytes_per_s", j)
                    assert flops
                    read = Fraction(held, 8) / rate if self.read and rate else Fraction(0)
                    row.append(self.tokens * max(number(layer["flops"], "flops") / flops * bits, read))
                rows[id(layer), width] = row
            cost.append(rows[id(layer), width])
        hops = {
            size: [[None if t is None else self.tokens * t for t in row] for row in cluster.hops(size)]
            for size in set(sent)
        }
        nothing: Links = [[Fraction(0)] * cluster.size for _ in devices]
        space = [8 * held for held in cluster.space]
        return Chain(sizes, space, cost, [hops[s] for s in sent], nothing, self.starts, once=False)

    def value(self, placement: Any) -> Fraction:
        """Return what a placement costs; refuse one that breaks a constraint."""
        only(placement, "layers bits", "placement")
        names, widths = placement["layers"], placement["bits"]
        need(len(widths) == len(self.layers), "placement.bits: expected one per layer")
        path = self.cluster.placed(names, len(self.layers))
        for i, width in enumerate(widths):
            need(width in self.admitted[i], f"placement: layer {i} may not have {width} bits")
        return self.chain(widths).total(path, self.cluster.names, slowest=False)

    def cases(self, bound: Fraction | None) -> list[Case]:
        """Return what must be proven: for each server of the first layer; nothing where a layer has no width."""
        if not all(self.admitted):
            return []
        chain = self.chain([min(widths) for widths in self.admitted])
        return [(chain, start, bound) for start in self.starts]


PROBLEMS: dict[str, Any] = {
    "edgeshard-latency": EdgeShard,
    "edgeshard-throughput": EdgeShard,
    "edgeshard-batch": EdgeShard,
    "dilemma": Dilemma,
}


def verify(instance: Any, result: Any, certificate: Any) -> Verdict:
    """Check parsed files, see `parse`; the result may be None where there is no placement."""
    try:
        return _verify(instance, result, certificate)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise RefusedError(f"malformed: {type(error).__name__}: {error}") from None


def _verify(instance: Any, result: Any, certificate: Any) -> Verdict:
    only(certificate, "format problem instance bound proofs sha256", "certificate")
    need(certificate["format"] == FORMAT, f"format: expected {FORMAT}")
    need(certificate["sha256"] == digest(certificate), "sha256: the certificate was changed")
    need(certificate["problem"] == instance["problem"], "problem: the certificate is of another problem")
    need(certificate["instance"] == instance["name"], "instance: the certificate is of another instance")
    need(instance["problem"] in PROBLEMS, f"problem: {instance['problem']} is not certified")
    problem = PROBLEMS[instance["problem"]](instance)
    placement = result.get("placement", result) if isinstance(result, dict) else None
    cost = None if placement is None else problem.value(placement)
    bound = None if certificate["bound"] is None else number(certificate["bound"], "bound")
    need(cost is None or bound is not None, "there is a placement, the certificate says that there is none")
    need(cost is None or bound <= cost, "bound: the placement costs less")
    problem.prove(bound, certificate["proofs"])
    return Verdict(cost, bound)


def main(paths: list[str]) -> int:
    """Say what is certified, or what is wrong first; 0 or 1."""
    if len(paths) != 3:
        print(__doc__)
        return 2
    try:
        print(verify(*map(load, paths)))
    except (RefusedError, OSError) as error:
        print(f"refused: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
