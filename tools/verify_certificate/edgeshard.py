"""EdgeShard's problems: what their files say, and what must be proven of their chains."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .chains import Chain
from .reading import Cluster, Links, need, number, only, roofline, whole
from .search import Case, Search


class EdgeShard:
    """EdgeShard's problems: one chain, or one per batch size."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.batches = document["problem"] == "edgeshard-batch"
        self.slowest = document["problem"] != "edgeshard-latency"
        own = " batch_sizes" if self.batches else ""
        only(
            document,
            "format problem name description reference cluster model compute_time_s source_device return_bytes"
            " input_bytes contiguous pinned min_layers max_layers must_use latency_occupies" + own,
            "instance",
        )
        self.cluster = cluster = Cluster(document["cluster"])
        only(document["model"], "layers", "model")
        layers: list[dict[str, Any]] = []
        for layer in document["model"]["layers"]:
            only(
                layer,
                "name memory_bytes output_bytes flops weight_bytes cache_bytes shared repeat",
                "model.layers",
            )
            layers += [layer] * layer.get("repeat", 1)
        self.layers, self.times = layers, document.get("compute_time_s")
        self.entry = document.get("input_bytes")
        source = document["source_device"]
        self.starts = list(range(cluster.size)) if source is None else [cluster.names.index(source)]
        self.back = number(document.get("return_bytes", 0), "return_bytes")
        self.occupies = not self.slowest or bool(document.get("latency_occupies"))
        self.once = self.slowest or bool(document.get("contiguous"))
        self.rules(document)
        self.sizes = [whole(size, "batch_sizes") for size in document["batch_sizes"]] if self.batches else [1]

    def rules(self, document: dict[str, Any]) -> None:
        """Read pins and numbers of layers."""
        names, count = self.cluster.names, len(self.layers)
        self.least, self.most = [0] * len(names), [count + (self.entry is not None)] * len(names)
        self.pinned = {}
        for name in document.get("must_use", []):
            self.least[names.index(name)] = 1
        for name, number_of in document.get("min_layers", {}).items():
            j = names.index(name)
            self.least[j] = max(self.least[j], whole(number_of, "min_layers"))
        for name, number_of in document.get("max_layers", {}).items():
            self.most[names.index(name)] = min(whole(number_of, "max_layers"), count)
        for layer, name in document.get("pinned", {}).items():
            self.pinned[whole(layer, "pinned")] = names.index(name)
            need(whole(layer, "pinned") < count, "pinned: there is no such layer")
        ruled = any(self.least) or self.pinned or document.get("max_layers")
        need(self.entry is None or not ruled, "input_bytes: with rules it is not certified")

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
        shared = [
            {name: whole(size, "shared") for name, size in layer.get("shared", {}).items()}
            for layer in self.layers
        ]
        if self.entry is not None:
            shared = [{}, *shared]
            sizes, cost = [0, *sizes], [[Fraction(0)] * cluster.size, *cost]
            sent = [number(self.entry, "input_bytes"), *sent]
        hops = {size: cluster.hops(batch * size, latency=self.occupies) for size in set(sent)}
        nothing: Links = [[Fraction(0)] * cluster.size for _ in devices]
        back = cluster.hops(batch * self.back, latency=self.occupies) if self.back else nothing
        back = [[back[j][s] for j in devices] for s in devices]
        hop = [hops[size] for size in sent]
        rules = self.once, shared, self.least, self.most, self.pinned
        return Chain(sizes, cluster.space, cost, hop, back, self.starts, *rules)

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

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proofs, one per case."""
        cases = self.cases(bound)
        need(len(proofs) == len(cases), f"proofs: expected {len(cases)}, found {len(proofs)}")
        for case, proof in zip(cases, proofs, strict=True):
            for key, value in Search(case, proof, slowest=self.slowest).run().items():
                need(proof[key] == value, f"proof.{key}: {value}, the proof states {proof[key]}")
