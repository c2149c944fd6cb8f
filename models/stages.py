"""A placement as people read it: what is on which device, by names, a row each.

A problem's `stages` returns rows of these types, or of its own dataclass with a `device`; a problem of another package
that uses these is drawn like those here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """Consecutive layers on one device, in the order in which a token passes them.

    Parameters
    ----------
    device : str
        By name; a device that is visited twice has two stages.
    first, last : int
        The layers, both inclusive, from 0.
    compute_s : float
        Seconds that they take.
    transfer_s : float
        Seconds of the message from the stage before; 0 for the first, infinite without a link.
    memory_bytes : int
        What they need.
    """

    device: str
    first: int
    last: int
    compute_s: float
    transfer_s: float
    memory_bytes: int

    @property
    def label(self) -> str:
        """The layers, e.g. ``0-26``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __str__(self) -> str:
        return f"{self.device}: {'layer' if self.first == self.last else 'layers'} {self.label}"


@dataclass(frozen=True)
class QuantizedStage(Stage):
    """A stage whose layers are stored with so many bits.

    Parameters
    ----------
    bits : tuple of int
        Width of each layer, from `first` to `last`.
    """

    bits: tuple[int, ...]

    @property
    def label(self) -> str:
        """The layers and their widths, e.g. ``0-2: 8 4 bits``."""
        widths = self.bits if len(set(self.bits)) > 1 else self.bits[:1]
        return f"{super().label}: {' '.join(map(str, widths))} bits"


@dataclass(frozen=True)
class Share:
    """What one device hosts of a decoder layer's blocks in one interval.

    Parameters
    ----------
    interval : int
        From 0.
    layer : int
        From 0.
    device : str
        By name; a device without a block has no row.
    heads : int
        How many.
    proj, ffn : bool
        Whether it hosts the projection, and the network.
    memory_bytes : int
        What they need in this interval.
    """

    interval: int
    layer: int
    device: str
    heads: int
    proj: bool
    ffn: bool
    memory_bytes: int

    @property
    def label(self) -> str:
        """Heads, projection and network, e.g. ``3pf``."""
        return (str(self.heads) if self.heads else "") + "p" * self.proj + "f" * self.ffn

    def __str__(self) -> str:
        parts = [f"{self.heads} {'head' if self.heads == 1 else 'heads'}"] if self.heads else []
        parts += ["projection"] * self.proj + ["network"] * self.ffn
        return f"interval {self.interval}, layer {self.layer}, {self.device}: {', '.join(parts)}"


@dataclass(frozen=True)
class Replica:
    """Consecutive layers on one node.

    Parameters
    ----------
    device : str
        By name.
    kind : str
        Its type.
    first, last : int
        The layers, both inclusive, from 0.
    tokens_per_s : float
        What passes it in a maximum flow of the planning objective; not a measurement.
    most_tokens_per_s : float
        What it takes with so many layers.
    """

    device: str
    kind: str
    first: int
    last: int
    tokens_per_s: float
    most_tokens_per_s: float

    @property
    def label(self) -> str:
        """The layers, e.g. ``0-26``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __str__(self) -> str:
        word = "layer" if self.first == self.last else "layers"
        rates = f"{self.tokens_per_s:.4g} of {self.most_tokens_per_s:.4g} tokens/s"
        return f"{self.device} ({self.kind}): {word} {self.label}, {rates}"


@dataclass(frozen=True)
class Part:
    """The nodes on one device.

    Parameters
    ----------
    device : str
        By name.
    nodes : int
        How many.
    compute_s, messages_s : float
        Seconds per sample of computing, and of what leaves the device or comes to it.
    memory_bytes : int
        What they need.
    """

    device: str
    nodes: int
    compute_s: float
    messages_s: float
    memory_bytes: int

    @property
    def label(self) -> str:
        """How many nodes."""
        return f"{self.nodes} nodes"

    def __str__(self) -> str:
        return f"{self.device}: {self.nodes} {'node' if self.nodes == 1 else 'nodes'}"


def layer_names(instance: object) -> list[str] | None:
    """Return the names of a chain's layers, after which plans for runtimes know what each is; None where there are none.

    Parameters
    ----------
    instance : object
        Of any problem.
    """
    layers = getattr(instance, "layers", None)
    return [str(layer.name) for layer in layers] if isinstance(layers, tuple) else None
