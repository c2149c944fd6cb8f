"""EdgeShard's problems: what their files say, and what must be proven of their chains."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from .chains import Case, Chain
from .reading import Cluster, Links, agree, need, number, only, roofline, whole
from .search import Search

#: By so much of itself a limit on the time per token may be exceeded: the package counts in multiples of a power of two.
TOLERANCE = Fraction(1, 10**9)
#: Tokens that draw experts at once, at most; and decimals that are kept of how many they read: exact, it has as many as tokens.
MOST_DRAWS, DIGITS = 100_000, 60


class EdgeShard:
    """EdgeShard's problems: one chain, or one per batch size, and number of micro-batches in flight."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.batches = document["problem"] == "edgeshard-batch"
        self.slowest = document["problem"] != "edgeshard-latency"
        own = " batch_sizes in_flight time_per_token_limit_s" if self.batches else ""
        only(
            document,
            "format problem name description reference cluster model compute_time_s source_device return_bytes"
            " input_bytes contiguous pinned min_layers max_layers must_use latency_occupies request" + own,
            "instance",
        )
        self.cluster = cluster = Cluster(document["cluster"])
        only(document["model"], "layers", "model")
        self.layers: list[dict[str, Any]] = []
        self.times, self.entry = document.get("compute_time_s"), document.get("input_bytes")
        if self.entry is not None:  # a first layer of nothing, which stays on the source
            self.layers += [{"memory_bytes": 0, "output_bytes": self.entry, "flops": 0, "weight_bytes": 0}]
        for layer in document["model"]["layers"]:
            only(
                layer,
                "name memory_bytes output_bytes flops weight_bytes cache_bytes shared experts repeat",
                "model.layers",
            )
            self.layers += [layer] * layer.get("repeat", 1)
        source = document["source_device"]
        self.starts = list(range(cluster.size)) if source is None else [cluster.names.index(source)]
        self.back = number(document.get("return_bytes", 0), "return_bytes")
        self.occupies = not self.slowest or bool(document.get("latency_occupies"))
        self.once = self.slowest or bool(document.get("contiguous"))
        self.rules(document)
        self.request(document.get("request"))
        self.sizes = [whole(size, "batch_sizes") for size in document["batch_sizes"]] if self.batches else [1]
        self.flights, limit = document.get("in_flight"), document.get("time_per_token_limit_s")
        if isinstance(self.flights, int):
            self.flights = list(range(1, self.flights + 1))
        need(
            limit is None or self.flights is not None, "time_per_token_limit_s: expected in_flight beside it"
        )
        self.longest = None if limit is None else number(limit, "time_per_token_limit_s") * (1 + TOLERANCE)

    def request(self, stated: dict[str, Any] | None) -> None:
        """Read how often the pass of a prompt counts, and that of one token: in pipelines per generated token."""
        self.passes = Fraction(0), Fraction(1)
        self.prompt = 1
        if stated is None:
            return
        only(stated, "prompt_tokens new_tokens counts", "request")
        counts = stated.get("counts", "decode")
        need(counts in ("decode", "prefill", "request"), f"request.counts: unknown {counts!r}")
        if counts == "decode":
            return
        self.prompt, new = (whole(stated[key], f"request.{key}") for key in ("prompt_tokens", "new_tokens"))
        need(self.prompt and new, "request: expected at least one token")
        rates = any("flops" in layer for layer in self.layers)
        need(self.times is None or not rates, "request: beside stated times and work it is not certified")
        share = Fraction(1, new if self.slowest else 1)
        self.passes = (Fraction(1), Fraction(0)) if counts == "prefill" else (share, share * (new - 1))

    def rules(self, document: dict[str, Any]) -> None:
        """Read pins and numbers of layers."""
        names, count = self.cluster.names, len(self.layers)
        self.least, self.most = [0] * len(names), [count] * len(names)
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

    def seconds(self, i: int, j: int, batch: int, tokens: int) -> Fraction:
        """Return how long a layer takes on a device for so many tokens of each sequence of a batch."""
        layer = self.layers[i]

        def amount(part: dict[str, Any], key: str) -> Fraction:
            return number(part.get(key, 0), f"model.layers.{key}")

        if self.times is not None:
            table = self.times[self.sizes.index(batch)] if self.batches else self.times
            need(
                len(table) + (self.entry is not None) == len(self.layers),
                "compute_time_s: expected a row per layer",
            )
            row = i - (self.entry is not None)
            return tokens * number(table[row][j], f"compute_time_s[{row}][{j}]") if row >= 0 else Fraction(0)
        need("flops" in layer and "weight_bytes" in layer, f"model.layers: layer {i} states no work")
        read = amount(layer, "weight_bytes") + batch * amount(layer, "cache_bytes")
        if layer.get("experts") is not None:
            only(layer["experts"], "count active each_bytes", "model.layers.experts")
            count, active = amount(layer["experts"], "count"), amount(layer["experts"], "active")
            need(batch * tokens <= MOST_DRAWS, "experts: too many tokens at once")
            # Those that all sequences read together, as expected where each draws its own.
            distinct = count * (1 - (1 - active / count) ** (batch * tokens))
            distinct = Fraction(floor(distinct * 10**DIGITS), 10**DIGITS)
            read += (distinct - active) * amount(layer["experts"], "each_bytes")
        return roofline(batch * tokens * amount(layer, "flops"), read, self.cluster, j)

    def passed(self, prompt: Fraction, token: Fraction) -> Fraction:
        """Return what counts of the pass of a prompt and of that of a token."""
        return self.passes[0] * prompt + self.passes[1] * token

    def messages(self, size: Fraction, batch: int, prompt: int, *, latency: bool) -> Links:
        """Return the seconds of messages of so many bytes per token over each link."""
        token = self.cluster.hops(batch * size, latency=latency)
        if not self.passes[0]:
            return token
        whole_prompt = self.cluster.hops(batch * prompt * size, latency=latency)
        return [
            [None if p is None or t is None else self.passed(p, t) for p, t in zip(*rows, strict=True)]
            for rows in zip(whole_prompt, token, strict=True)
        ]

    def links(self, batch: int, *, latency: bool) -> tuple[list[Links], Links]:
        """Return the seconds of each layer's message over each link, and of the token back to each source."""
        sent = [number(layer["output_bytes"], "model.layers.output_bytes") for layer in self.layers]
        hops = {size: self.messages(size, batch, self.prompt, latency=latency) for size in set(sent)}
        back: Links = [[Fraction(0)] * self.cluster.size for _ in self.cluster.names]
        if self.back:
            back = self.messages(self.back, batch, 1, latency=latency)
        return [hops[size] for size in sent], [list(column) for column in zip(*back, strict=True)]

    def held(self, batch: int, flights: int) -> list[int]:
        """Return the bytes of each layer, with its caches of so many micro-batches."""
        cached = batch * flights * self.batches
        return [
            whole(layer["memory_bytes"], "memory_bytes")
            + cached * whole(layer.get("cache_bytes", 0), "cache_bytes")
            for layer in self.layers
        ]

    def chain(self, batch: int, flights: int = 1) -> Chain:
        """Return the chain of a batch size, with the caches of so many micro-batches."""
        devices = range(self.cluster.size)
        # Equal layers in a row share their row, equal messages their matrix.
        rows: dict[Any, list[Fraction]] = {}
        cost = []
        for i, layer in enumerate(self.layers):
            key = id(layer) if self.times is None else i
            if key not in rows:
                prompt, token = (
                    [self.seconds(i, j, batch, tokens) for j in devices] for tokens in (self.prompt, 1)
                )
                rows[key] = [self.passed(*pair) for pair in zip(prompt, token, strict=True)]
            cost.append(rows[key])
        shared = [
            {name: whole(size, "shared") for name, size in layer.get("shared", {}).items()}
            for layer in self.layers
        ]
        links = self.links(batch, latency=True)
        busy = links if self.occupies else self.links(batch, latency=False)
        return Chain(
            self.held(batch, flights),
            self.cluster.space,
            cost,
            *links,
            *busy,
            starts=self.starts,
            once=self.once,
            shared=shared,
            least=self.least,
            most=self.most,
            pinned=self.pinned,
        )

    def value(self, placement: Any) -> Fraction:
        """Return what a placement costs; refuse one that breaks a constraint."""
        own = " batch_size" * self.batches + " in_flight" * (self.flights is not None)
        only(placement, "layers" + own, "placement")
        batch = whole(placement["batch_size"], "batch_size") if self.batches else 1
        need(batch in self.sizes, "placement.batch_size: expected one of the instance")
        flights = 1 if self.flights is None else placement["in_flight"]
        need(
            self.flights is None or flights in self.flights,
            "placement.in_flight: expected one of the instance",
        )
        chain = self.chain(batch, flights)
        total, slowest = chain.times(
            self.cluster.placed(placement["layers"], len(chain.size)), self.cluster.names
        )
        if self.flights is None:
            return (slowest if self.slowest else total) / batch
        cycle = max(flights * slowest, total)
        need(self.longest is None or cycle <= self.longest, "placement: a token takes longer than the limit")
        return cycle / (flights * batch)

    def cases(self, bound: Fraction | None) -> list[Case]:
        """Return what must be proven: for each batch size, number in flight, and source; none where layers need more than all devices have."""
        found = []
        for batch in self.sizes:
            chain = self.chain(batch)
            for flights in self.flights or [1]:
                held = self.held(batch, flights)
                if sum(held) > sum(self.cluster.space):
                    continue
                most = None if bound is None else bound * flights * batch
                ends = [None, most] if self.slowest else [most, None]
                if self.flights is not None:
                    most = min((end for end in (most, self.longest) if end is not None), default=None)
                    ends = [most, None if most is None else most / flights]
                left = chain._replace(size=held).below(ends[1])
                found += [Case(left, start, *ends) for start in self.starts]
        return found

    def prove(self, bound: Fraction | None, proofs: list[Any]) -> None:
        """Check the proofs, one per case."""
        cases = self.cases(bound)
        need(len(proofs) == len(cases), f"proofs: expected {len(cases)}, found {len(proofs)}")
        for case, proof in zip(cases, proofs, strict=True):
            agree(proof, Search(case, proof).run())
