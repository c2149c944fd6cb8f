"""One emulated device: what it does with the messages that reach it, each at the moment at which its link delivers it."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.benchmarks.runtime.links import SPIN_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from placewise.benchmarks.quantization.llama import Llama

    Floats = NDArray[np.float32]

#: The driver's number; the devices have 0, 1, ...
DRIVER = -1
TOKEN_BYTES = 4
#: Seconds without a message after which a worker is given up.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Block:
    """Where the parts of one decoder layer are.

    Parameters
    ----------
    heads : tuple of int
        The device of each group of heads that share keys and values.
    proj, ffn : int
        Of the projection and of the network.
    """

    heads: tuple[int, ...]
    proj: int
    ffn: int


@dataclass(frozen=True)
class Placed:
    """A whole model on devices.

    Parameters
    ----------
    source, last : int
        The device that embeds tokens, and that of the output head.
    blocks : tuple of Block
        Each decoder layer.
    """

    source: int
    last: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Network:
    """Devices and links.

    Parameters
    ----------
    bytes_per_s, latency_s : ndarray, shape (M, M)
        From row to column.
    share : sequence of float
        Of a core, each device.
    """

    bytes_per_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    share: Sequence[float]


def of_layers(layers: Sequence[int], groups: int) -> Placed:
    """Return an EdgeShard placement: embedding, decoder layers, head.

    Parameters
    ----------
    layers : sequence of int
        The device of each layer.
    groups : int
        Groups of heads of a decoder layer.
    """
    return Placed(layers[0], layers[-1], tuple(Block((j,) * groups, j, j) for j in layers[1:-1]))


@dataclass
class Worker:
    """One device, in a process of its own.

    Parameters
    ----------
    me : int
        Its number.
    model : Llama
        All weights; it reads those of what it hosts.
    network : Network
        M devices.
    plans : sequence of Placed
        By interval.
    peers : dict of int to Connection
        To the others and the driver.
    """

    me: int
    model: Llama
    network: Network
    plans: Sequence[Placed]
    peers: dict[int, Connection]
    now: int = 0
    caches: dict[tuple[int, int], list[Floats]] = field(default_factory=dict)
    waiting: dict[int, dict[Any, Floats]] = field(default_factory=dict)
    held: list[Any] = field(default_factory=list)
    free_s: dict[int, float] = field(default_factory=dict)
    order: Any = field(default_factory=count)

    def run(self) -> None:
        """Handle messages, each at its moment, until the driver ends it."""
        while True:
            left = self.held[0][0] - time.monotonic() - SPIN_S if self.held else PATIENCE_S
            ready = wait(list(self.peers.values()), max(left, 0.0))
            if not ready and not self.held:
                return
            for connection in ready:
                assert isinstance(connection, Connection)
                try:
                    moment_s, message = connection.recv()
                except EOFError:
                    return
                heapq.heappush(self.held, (moment_s, next(self.order), message))
            while self.held and self.held[0][0] - time.monotonic() <= SPIN_S:
                moment_s, _, message = heapq.heappop(self.held)
                wait_until(moment_s)
                if message[0] == "end":
                    return
                getattr(self, f"on_{message[0]}")(*message[1:])

    def send(self, to: int, size: int, *message: Any) -> None:
        """Send, or handle at once what stays here."""
        if to == self.me:
            getattr(self, f"on_{message[0]}")(*message[1:])
            return
        moment_s = time.monotonic()
        if to != DRIVER:
            moment_s = max(moment_s, self.free_s.get(to, 0.0)) + size / self.network.bytes_per_s[self.me, to]
            self.free_s[to] = moment_s
            moment_s += self.network.latency_s[self.me, to]
        self.peers[to].send((moment_s, message))

    def slowly(self, started_s: float) -> None:
        """Wait for what a slower device would still be computing."""
        took_s = time.monotonic() - started_s
        wait_until(started_s + took_s / self.network.share[self.me])

    @property
    def plan(self) -> Placed:
        """Where everything is now."""
        return self.plans[self.now]

    def on_token(self, token: int, position: int) -> None:
        """Embed it, on the source; the driver reads along."""
        if position >= 0:
            self.forward(0, self.model.start([token]), position)
        else:
            self.send(DRIVER, 0, "token", token)

    def forward(self, layer: int, hidden: Floats, position: int) -> None:
        """Send the residual stream to the next layer's heads and projection, or to the output head."""
        if layer == len(self.model.blocks):
            self.send(self.plan.last, hidden.nbytes, "last", hidden)
            return
        block = self.plan.blocks[layer]
        for device in dict.fromkeys((*block.heads, block.proj)):
            self.send(device, hidden.nbytes, "hidden", layer, hidden, position)

    def on_hidden(self, layer: int, hidden: Floats, position: int) -> None:
        """Attend with the groups that are here; their outputs go to the projection."""
        block = self.plan.blocks[layer]
        if block.proj == self.me:
            self.gather(layer, "hidden", hidden, position)
        for group, device in enumerate(block.heads):
            if device == self.me:
                started_s = time.monotonic()
                mixed = self.attended(layer, group, hidden, position)
                self.slowly(started_s)
                self.send(block.proj, mixed.nbytes, "mixed", layer, group, mixed, position)

    def attended(self, layer: int, group: int, hidden: Floats, position: int) -> Floats:
        """Return the output of a group of heads for the newest token."""
        model, weights = self.model, self.model.blocks[layer]
        normed, size = model.normed(hidden, weights["attn_norm"]), model.heads // model.key_value_heads
        width = weights["attn_q"].shape[0] // model.heads
        own = slice(group * width, (group + 1) * width)
        queries = slice(own.start * size, own.stop * size)
        query = model.rotated((normed @ weights["attn_q"][queries].T).reshape(1, size, width), position)[0]
        key = model.rotated((normed @ weights["attn_k"][own].T).reshape(1, 1, width), position)[0]
        value = normed @ weights["attn_v"][own].T
        before = self.caches.get((layer, group))
        keys, values = (
            (key, value) if before is None else (np.vstack([before[0], key]), np.vstack([before[1], value]))
        )
        self.caches[layer, group] = [keys, values]
        scores = query @ keys.T / np.sqrt(np.float32(width))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(
            (scores / scores.sum(axis=-1, keepdims=True) @ values).reshape(1, -1), dtype=np.float32
        )

    def on_mixed(self, layer: int, group: int, mixed: Floats, position: int) -> None:
        """Keep a group's output until all are here."""
        self.gather(layer, group, mixed, position)

    def gather(self, layer: int, what: Any, part: Floats, position: int) -> None:
        """Project once everything is here."""
        block, parts = self.plan.blocks[layer], self.waiting.setdefault(layer, {})
        parts[what] = part
        if len(parts) <= len(block.heads):
            return
        del self.waiting[layer]
        started_s = time.monotonic()
        mixed = np.hstack([parts[group] for group in range(len(block.heads))])
        hidden = parts["hidden"] + mixed @ self.model.blocks[layer]["attn_output"].T
        self.slowly(started_s)
        self.send(block.ffn, hidden.nbytes, "network", layer, hidden, position)

    def on_network(self, layer: int, hidden: Floats, position: int) -> None:
        """Run the feed-forward network."""
        started_s, weights = time.monotonic(), self.model.blocks[layer]
        normed = self.model.normed(hidden, weights["ffn_norm"])
        gate = normed @ weights["ffn_gate"].T
        active = gate / (1 + np.exp(-gate)) * (normed @ weights["ffn_up"].T)
        hidden = np.asarray(hidden + active @ weights["ffn_down"].T, dtype=np.float32)
        self.slowly(started_s)
        self.forward(layer + 1, hidden, position)

    def on_last(self, hidden: Floats) -> None:
        """Choose the token; it goes back to the source."""
        started_s = time.monotonic()
        token = int(np.argmax(self.model.normed(hidden, self.model.norm) @ self.model.embedding.T))
        self.slowly(started_s)
        self.send(self.plan.source, TOKEN_BYTES, "token", token, -1)

    def on_move(self, plan: int) -> None:
        """Send the caches of groups that are elsewhere from now on; tell the driver how many."""
        self.now = plan
        for (layer, group), cache in list(self.caches.items()):
            to = self.plan.blocks[layer].heads[group]
            if to != self.me:
                del self.caches[layer, group]
                self.send(to, sum(part.nbytes for part in cache), "cache", layer, group, cache)
        self.send(DRIVER, 0, "moved", self.me)

    def on_cache(self, layer: int, group: int, cache: list[Floats]) -> None:
        """Take over a cache."""
        self.caches[layer, group] = cache
        self.send(DRIVER, 0, "arrived", self.me)
