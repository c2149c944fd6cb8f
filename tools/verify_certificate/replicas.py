"""Nodes that hold intervals of layers, each layer on as many as one likes: the time per token of the largest flow."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

from .reading import Cluster, need, number, only, whole
from .tree import Statement, prove

#: Where tokens come from and go to, among nodes.
SOURCE, SINK = -1, -2
Capacities = dict[tuple[int, int], Fraction | None]


class Replicas:
    """Plans of replicated throughput."""

    def __init__(self, document: dict[str, Any]) -> None:
        only(
            document,
            "format problem name description reference cluster node_types model partial_inference",
            "instance",
        )
        spec, model = document["cluster"], document["model"]
        only(
            spec,
            "devices bandwidth_bytes_per_s latency_s source_bandwidth_bytes_per_s sink_bandwidth_bytes_per_s",
            "cluster",
        )
        only(model, "layers activation_bytes token_bytes", "model")
        own = ("source_bandwidth_bytes_per_s", "sink_bandwidth_bytes_per_s")
        plain = {key: value for key, value in spec.items() if key not in own}
        plain["devices"] = [
            {key: value for key, value in node.items() if key != "type"} | {"memory_bytes": 0}
            for node in spec["devices"]
        ]
        self.cluster = Cluster(plain)
        self.nodes, self.layers = range(self.cluster.size), whole(model["layers"], "model.layers")
        tables: dict[str, list[Fraction]] = {}
        for kind in document["node_types"]:
            only(kind, "name tokens_per_s", "node_types")
            need(kind["name"] not in tables, "node_types: a name stands twice")
            tables[kind["name"]] = [number(rate, "node_types.tokens_per_s") for rate in kind["tokens_per_s"]]
            need(all(rate > 0 for rate in tables[kind["name"]]), "node_types.tokens_per_s: expected > 0")
        kinds = [node["type"] for node in spec["devices"] for _ in range(node.get("count", 1))]
        self.rate = [tables[kind][: self.layers] for kind in kinds]
        self.partial = bool(document.get("partial_inference", False))
        self.sent = number(model["activation_bytes"], "model.activation_bytes")
        token = number(model.get("token_bytes", 0), "model.token_bytes")
        self.ends: Capacities = {}
        for key, end in zip(own, (SOURCE, SINK), strict=True):
            rates = spec[key] if isinstance(spec[key], list) else [spec[key]] * self.cluster.size
            need(len(rates) == self.cluster.size, f"cluster.{key}: expected one per node")
            for i, value in enumerate(rates):
                rate = number(value, f"cluster.{key}")
                if rate:
                    self.ends[(end, i) if end == SOURCE else (i, end)] = rate / token if token else None

    def links(self) -> Capacities:
        """Return the tokens per second that each link carries, None for any number."""
        return {
            (i, j): self.cluster.rate[i][j] / self.sent if self.sent else None
            for i in self.nodes
            for j in self.nodes
            if i != j and self.cluster.rate[i][j]
        }

    def value(self, placement: Any) -> Fraction:
        """Return the time per token of a plan; refuse one that breaks a constraint."""
        only(placement, "nodes", "placement")
        held: dict[int, tuple[int, int]] = {}
        for entry in placement["nodes"]:
            only(entry, "node first last", "placement.nodes")
            i = self.cluster.names.index(entry["node"])
            first, end = whole(entry["first"], "first"), whole(entry["last"], "last") + 1
            need(i not in held, "placement: a node stands twice")
            need(first < end <= self.layers, "placement: there are no such layers")
            need(end - first <= len(self.rate[i]), f"placement: node {i} does not hold so many layers")
            held[i] = first, end
        arcs: Capacities = {(2 * i, 2 * i + 1): self.rate[i][e - s - 1] for i, (s, e) in held.items()}
        links = self.links()
        for i, (first, end) in held.items():
            if first == 0 and (SOURCE, i) in self.ends:
                arcs[SOURCE, 2 * i] = self.ends[SOURCE, i]
            if end == self.layers and (i, SINK) in self.ends:
                arcs[2 * i + 1, SINK] = self.ends[i, SINK]
            for j, (s, e) in held.items():
                if (i, j) in links and (s <= end < e if self.partial else s == end):
                    arcs[2 * i + 1, 2 * j] = links[i, j]
        flow = largest_flow(arcs)
        need(flow > 0, "placement: nothing passes")
        return 1 / flow

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proof, a tree."""
        need(len(proofs) == 1, "proofs: expected one")
        prove(self, bound, proofs[0])

    def statement(self, bound: Fraction | None, unit: Fraction | None) -> Statement:
        """State what plans below a bound obey: a token's way, in shares, and the time that it takes at least.

        What carries C tokens per second carries at most C times the time: in units, a share times the units of 1 / C.
        """
        found = Statement(bound, unit)
        most = max(found.most or 0, 0)
        time = found.variable(0, 2 * most + 2, whole=False)
        found.cheaper([(1, time)], parts=True)

        def slow(shares: list[tuple[int, Fraction | None]]) -> None:
            """Add that shares, each with what takes so many tokens per second, take no more than the time."""
            found.row(
                [(1, time), *((-found.units(1 / rate), v) for v, rate in shares if rate)],
                0 if bound is not None else None,
            )

        carry: dict[tuple[int, int, int], int] = {}
        enters, leaves = [], []
        come: dict[tuple[int, int], list[int]] = {
            (i, b): [] for i in self.nodes for b in range(self.layers + 1)
        }
        go: dict[tuple[int, int], list[int]] = {key: [] for key in come}
        for i in self.nodes:
            one = []
            for first in range(self.layers):
                for size in range(1, min(len(self.rate[i]), self.layers - first) + 1):
                    hold, share = found.variable(), found.variable(whole=False)
                    found.row([(1, hold), (-1, share)], 0)
                    one.append((1, hold))
                    carry[i, first, first + size] = share
            found.row(one, None, 1)
            slow([(v, self.rate[n][e - s - 1]) for (n, s, e), v in carry.items() if n == i])
        for (i, j), rate in self.links().items():
            shares = [found.variable(whole=False) for _ in range(1, self.layers)]
            for b, share in enumerate(shares, 1):
                go[i, b].append(share)
                come[j, b].append(share)
            slow([(share, rate) for share in shares])
        for (i, j), rate in self.ends.items():
            share = found.variable(whole=False)
            if i == SOURCE:
                come[j, 0].append(share)
                enters.append(share)
            else:
                go[i, self.layers].append(share)
                leaves.append(share)
            slow([(share, rate)])
        found.equal([(1, v) for v in enters], 1)
        found.equal([(1, v) for v in leaves], 1)
        for i in self.nodes:
            own = {(s, e): v for (n, s, e), v in carry.items() if n == i}
            for b in range(self.layers + 1):
                found.equal([(1, v) for v in go[i, b]] + [(-1, v) for (_, e), v in own.items() if e == b])
                there = [v for (s, e), v in own.items() if s == b or (self.partial and s < b < e)]
                found.row([(1, v) for v in come[i, b]] + [(-1, v) for v in there], None, 0)
            arriving = [(1, v) for b in range(self.layers + 1) for v in come[i, b]]
            found.equal(arriving + [(-1, v) for v in own.values()])
        return found


def largest_flow(arcs: Capacities) -> Fraction:
    """Return the largest flow from source to sink, over arcs of any capacity (None) or so much; shortest ways first."""
    scale = lcm(*(rate.denominator for rate in arcs.values() if rate is not None))
    any_of_them = sum(int(rate * scale) for rate in arcs.values() if rate is not None) + 1
    left: dict[int, dict[int, int]] = {SOURCE: {}, SINK: {}}
    for (a, b), rate in arcs.items():
        left.setdefault(a, {})[b] = any_of_them if rate is None else int(rate * scale)
        left.setdefault(b, {}).setdefault(a, 0)
    flow = 0
    while True:
        before, reached = {SOURCE: SOURCE}, [SOURCE]
        for a in reached:
            for b, free in left[a].items():
                if free and b not in before:
                    before[b] = a
                    reached.append(b)
        if SINK not in before:
            return Fraction(flow, scale)
        way = [SINK]
        while way[-1] != SOURCE:
            way.append(before[way[-1]])
        steps = list(zip(way[1:], way, strict=False))
        passed = min(left[a][b] for a, b in steps)
        for a, b in steps:
            left[a][b] -= passed
            left[b][a] += passed
        flow += passed
