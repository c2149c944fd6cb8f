"""Graphs that branch: the load of the busiest device, or the time of one sample."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations
from typing import Any

from .reading import Cluster, need, number, only, whole
from .tree import Statement, prove

Terms = list[tuple[int, int]]


class Graph:
    """Nodes, messages between them, and devices; what both problems have."""

    def __init__(self, document: dict[str, Any]) -> None:
        only(
            document,
            "format problem name description reference cluster nodes messages compute_time_s",
            "instance",
        )
        only(document["cluster"], "devices", "cluster")
        devices = document["cluster"]["devices"]
        self.cluster = Cluster(
            {"devices": [{key: value for key, value in entry.items() if key != "host"} for entry in devices]}
        )
        hosts = [entry.get("host", False) for entry in devices for _ in range(entry.get("count", 1))]
        self.devices = range(self.cluster.size)
        self.hosts = [d for d in self.devices if hosts[d]]
        self.alone = [d for d in self.devices if not hosts[d]]
        for node in document["nodes"]:
            only(node, "name memory_bytes", "nodes")
        self.sizes = [whole(node.get("memory_bytes", 0), "nodes.memory_bytes") for node in document["nodes"]]
        self.count = len(self.sizes)
        table = document["compute_time_s"]
        need(len(table) == self.count, "compute_time_s: expected a row per node")
        need(
            all(len(row) == self.cluster.size for row in table), "compute_time_s: expected a time per device"
        )
        self.times = [[number(time, "compute_time_s") for time in row] for row in table]
        self.messages: list[tuple[int, list[int], Fraction]] = []
        for message in document.get("messages", []):
            only(message, "source targets time_s", "messages")
            source = whole(message["source"], "messages.source")
            targets = sorted({whole(target, "messages.targets") for target in message["targets"]})
            need(max(source, *targets) < self.count, "messages: there is no such node")
            self.messages.append((source, targets, number(message["time_s"], "messages.time_s")))
        self.edges = sorted({(u, v) for u, targets, _ in self.messages for v in targets})
        self.order = in_order(self.count, self.edges)

    def placed(self, placement: Any) -> tuple[list[int], list[Fraction]]:
        """Return the device of each node, and the load of each device; refuse what does not fit."""
        only(placement, "nodes", "placement")
        at = self.cluster.placed(placement["nodes"], self.count)
        load = [Fraction(0)] * self.cluster.size
        for d, space in enumerate(self.cluster.space):
            here = [v for v in range(self.count) if at[v] == d]
            load[d] = sum((self.times[v][d] for v in here), Fraction(0))
            used = sum(self.sizes[v] for v in here)
            need(used <= space, f"placement: device {d} needs {used} bytes and has {space}")
        for source, targets, time in self.messages:
            receivers = {at[v] for v in targets} - {at[source]}
            for d in receivers | ({at[source]} if receivers else set()):
                load[d] += 0 if d in self.hosts else time
        return at, load

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proof, a tree."""
        need(len(proofs) == 1, "proofs: expected one")
        prove(self, bound, proofs[0])

    def statement(self, bound: Fraction | None, unit: Fraction | None) -> Statement:
        """State what placements below a bound obey."""
        raise NotImplementedError

    def parts(self, found: Statement) -> tuple[list[list[int]], list[Terms]]:
        """Add a device for each node, memory, and messages that leave and come; return the nodes' variables and the loads."""
        on = [[found.variable(time=found.units(time)) for time in row] for row in self.times]
        for row in on:
            found.equal([(1, x) for x in row], 1)
        loads: list[Terms] = []
        for d in self.devices:
            found.row([(size, on[v][d]) for v, size in enumerate(self.sizes)], None, self.cluster.space[d])
            loads.append([(found.units(self.times[v][d]), on[v][d]) for v in range(self.count)])
            for source, targets, time in self.messages if d in self.alone else []:
                ends = found.variable(whole=False), found.variable(whole=False)  # it leaves, it comes
                loads[d] += [(found.units(time), end) for end in ends]
                for v in targets:
                    found.row([(1, ends[0]), (-1, on[source][d]), (1, on[v][d])], 0)
                    found.row([(1, ends[1]), (1, on[source][d]), (-1, on[v][d])], 0)
        return on, loads


def in_order(count: int, edges: Any) -> list[int]:
    """Return numbers so that every edge goes forward; refuse a circle."""
    before: list[set[int]] = [set() for _ in range(count)]
    for u, v in edges:
        before[v].add(u)
    found: list[int] = []
    left = set(range(count))
    while left:
        ready = sorted(v for v in left if not before[v] & left)
        need(ready, "messages go round")
        found += ready
        left -= set(ready)
    return found


class GraphThroughput(Graph):
    """The load of the busiest device; nothing is sent back."""

    def value(self, placement: Any) -> Fraction:
        """Return what a placement costs; refuse one that breaks a constraint."""
        at, load = self.placed(placement)
        in_order(self.cluster.size, {(at[u], at[v]) for u, v in self.edges if at[u] != at[v]})
        return max(load)

    def statement(self, bound: Fraction | None, unit: Fraction | None) -> Statement:
        """State what placements below a bound obey: devices stand in an order in which nothing is sent back.

        Equal devices stand as they are numbered: what they hold may be exchanged.
        """
        found = Statement(bound, unit)
        on, loads = self.parts(found)
        for load in loads:
            found.cheaper(load)
        alike = [
            (self.cluster.space[d], d in self.hosts, [row[d] for row in self.times]) for d in self.devices
        ]
        first = {
            (d, e): found.variable(int(alike[d] == alike[e]), 1) for d, e in combinations(self.devices, 2)
        }
        for d, e, f in combinations(self.devices, 3):
            found.row([(1, first[d, e]), (1, first[e, f]), (-1, first[d, f])], 0, 1)
        for d, e in permutations(self.devices, 2):
            for u, v in self.edges if alike[d] != alike[e] else []:
                pair = [(1, on[u][d]), (1, on[v][e])]
                found.row(
                    [*pair, (-1, first[d, e])] if d < e else [*pair, (1, first[e, d])], None, 1 + (d > e)
                )
        for d in self.devices:
            equal = [e for e in self.devices if alike[e] == alike[d]]
            later, earlier = [e for e in equal if e >= d], [e for e in equal if e < d]
            for u, v in self.edges if earlier else []:
                found.row([(1, on[u][e]) for e in later] + [(1, on[v][e]) for e in earlier], None, 1)
        return found


class GraphLatency(Graph):
    """The time of one sample: a device does all that it has at once, a host each node as soon as it can."""

    def value(self, placement: Any) -> Fraction:
        """Return what a placement costs; refuse one that breaks a constraint."""
        at, load = self.placed(placement)
        size = self.cluster.size
        part = [size + v if at[v] in self.hosts else at[v] for v in range(self.count)]
        edges = {(part[u], part[v]) for u, v in self.edges if part[u] != part[v]}
        done = [Fraction(0)] * (size + self.count)
        for b in in_order(size + self.count, edges):
            own = load[b] if b < size else self.times[b - size][at[b - size]]
            done[b] = max([done[a] for a, c in edges if c == b], default=Fraction(0)) + own
        return max(done[b] for b in part)

    def statement(self, bound: Fraction | None, unit: Fraction | None) -> Statement:
        """State what placements below a bound obey: when devices begin and nodes are done, and ranks in an order of parts."""
        found = Statement(bound, unit)
        on, loads = self.parts(found)
        most, nodes = max(found.most or 0, 0), range(self.count)
        least = [Fraction(0)] * self.count  # until a node is done, it and all before it at their best
        for v in self.order:
            least[v] = min(self.times[v]) + max(
                [least[u] for u, w in self.edges if w == v], default=Fraction(0)
            )
        done = [found.variable(found.units(time), 2 * most, whole=False) for time in least]
        begin = {d: found.variable(0, 2 * most, whole=False) for d in self.alone}
        rank = [found.variable(0, self.count - 1, whole=False) for _ in nodes]
        position = {d: found.variable(0, self.count - 1, whole=False) for d in self.alone}
        hosted = [[(-found.units(self.times[v][h]), on[v][h]) for h in self.hosts] for v in nodes]
        for v in nodes:
            found.cheaper([(1, done[v])])
            found.row([(1, done[v]), *hosted[v]], 0)
            found.row([(1, done[v]), *((-found.units(self.times[v][d]), on[v][d]) for d in self.devices)], 0)
        for d in self.alone:
            ends = [(1, begin[d]), *loads[d]]
            found.cheaper(ends)
            for v in nodes:
                found.row([(-1, done[v]), *ends, (most, on[v][d])], None, most)
                for sign in (1, -1):
                    apart = [(sign, rank[v]), (-sign, position[d]), (self.count - 1, on[v][d])]
                    found.row(apart, None, self.count - 1)
        for u, v in self.edges:
            found.row([(1, done[v]), (-1, done[u]), *hosted[v]], 0)
            found.row([(1, rank[v]), (-1, rank[u]), *((-1, on[u][h]) for h in self.hosts)], 0)
            for d in self.alone:
                found.row([(1, rank[v]), (-1, rank[u]), (-1, on[u][d]), (1, on[v][d])], 0)
                found.row([(1, done[u]), (-1, begin[d]), (most, on[v][d]), (-most, on[u][d])], None, most)
        return found
