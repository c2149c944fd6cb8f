"""Layers, and the decoder-only transformers that they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placewise.models.experts import Experts
from placewise.models.plain import count, plain_number, plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Experts", "Layer", "Transformer", "count", "plain_number", "plain_numbers"]


@dataclass(frozen=True, init=False)
class Layer:
    """One layer of a model as a placement sees it; ``Layer(...) * 32`` are 32 equal ones in a row.

    Parameters
    ----------
    name : str
        For people.
    memory_bytes : int
        Memory that it occupies on its device (``Req_i``): weights and reserved KV cache, whole bytes; ``8e8`` will do.
    output_bytes : float
        Size of its output activation per token (``O_i``).
    flops, weight_bytes : float, optional
        Work and bytes read per token, for roofline compute times.
    cache_bytes : int
        KV cache per sequence, where the batch size is a decision; 0 where ``memory_bytes`` reserves it.
    shared : mapping of str to int
        Tensors that other layers use too, by name, with their bytes, which ``memory_bytes`` leaves out: a device that
        hosts several of the layers stores a tensor once. Kept as pairs in the order of the names.
    experts : Experts, optional
        More of them are read for several sequences than for one.
    """

    name: str
    memory_bytes: int
    output_bytes: float
    flops: float | None
    weight_bytes: float | None
    cache_bytes: int
    shared: tuple[tuple[str, int], ...]
    experts: Experts | None

    def __init__(
        self,
        name: str,
        memory_bytes: float,
        output_bytes: float,
        flops: float | None = None,
        weight_bytes: float | None = None,
        cache_bytes: float = 0,
        shared: Mapping[str, float] | Iterable[tuple[str, float]] = (),
        experts: Experts | None = None,
    ) -> None:
        whole = {"memory_bytes": memory_bytes, "cache_bytes": cache_bytes}
        others = {"output_bytes": output_bytes, "flops": flops, "weight_bytes": weight_bytes}
        for key, value in ({"name": name} | whole | others).items():
            object.__setattr__(self, key, value)
        plain_numbers(self, *whole, whole=True)
        plain_numbers(self, *others)
        object.__setattr__(self, "experts", experts)
        pairs = sorted(dict(shared).items())
        object.__setattr__(
            self, "shared", tuple((key, plain_number(size, whole=True)) for key, size in pairs)
        )

    def __mul__(self, count: int) -> tuple[Layer, ...]:
        return (self,) * count

    __rmul__ = __mul__

    @property
    def alone_bytes(self) -> int:
        """Memory of the layer alone on a device (``Req_i``): its own and its shared tensors'."""
        return self.memory_bytes + sum(size for _, size in self.shared)

    def read_bytes(self, sequences: int) -> float | None:
        """Return the bytes read for a token of each of so many sequences, None where the layer does not say.

        Weights are read once, each cache once, of experts the expected distinct ones.

        Parameters
        ----------
        sequences : int
            Decoded together.
        """
        if self.weight_bytes is None:
            return None
        more = 0.0
        if self.experts is not None:
            more = (self.experts.distinct(sequences) - self.experts.active) * self.experts.each_bytes
        return self.weight_bytes + more + self.cache_bytes * sequences

    def together(self, sequences: int, in_flight: int = 1) -> Layer:
        """Return the layer that decodes so many sequences as one, beside others in flight.

        Parameters
        ----------
        sequences : int
            Decoded together.
        in_flight : int
            As many times their caches are in memory.
        """
        experts = self.experts
        return Layer(
            self.name,
            self.memory_bytes + in_flight * sequences * self.cache_bytes,
            self.output_bytes * sequences,
            None if self.flops is None else self.flops * sequences,
            self.read_bytes(sequences),
            shared=self.shared,
            experts=None if experts is None else replace(experts, active=experts.distinct(sequences)),
        )


@dataclass(frozen=True)
class Transformer:
    """Shape of a decoder-only transformer; by default with gated feed-forward blocks (the Llama family).

    Parameters
    ----------
    name : str
        As published.
    hidden_size, intermediate_size, vocabulary_size : int
        Width of the residual stream, of the feed-forward block, and number of tokens.
    decoder_layers, attention_heads, key_value_heads : int
        Counts; fewer key/value than attention heads is grouped-query attention.
    head_size : int or None
        Width of a head; None = ``hidden_size / attention_heads``.
    gated : bool
        Whether the feed-forward block has three matrices, not two.
    extra_parameters : int
        Of a decoder layer beside its matrices and two norms' scales: biases.
    """

    name: str
    hidden_size: int
    intermediate_size: int
    vocabulary_size: int
    decoder_layers: int
    attention_heads: int
    key_value_heads: int
    head_size: int | None = None
    gated: bool = True
    extra_parameters: int = 0

    @property
    def width_of_head(self) -> int:
        """Width of a head's queries, keys and values."""
        return self.head_size or self.hidden_size // self.attention_heads

    @property
    def key_value_size(self) -> int:
        """Width of one token's keys (and of its values) in a layer."""
        return self.width_of_head * self.key_value_heads

    @property
    def decoder_parameters(self) -> int:
        """Weights of one decoder layer: attention, feed-forward, two norms, biases."""
        query_size = self.width_of_head * self.attention_heads
        attention = 2 * self.hidden_size * (query_size + self.key_value_size)
        forward = (3 if self.gated else 2) * self.hidden_size * self.intermediate_size
        return attention + forward + 2 * self.hidden_size + self.extra_parameters

    def layers(
        self,
        *,
        bytes_per_parameter: int = 4,
        sequence_length: int = 128,
        batch_size: int = 1,
        separate_cache: bool = False,
    ) -> list[Layer]:
        """Return embedding, decoder layers and output head, as one token of decoding sees them.

        Parameters
        ----------
        bytes_per_parameter : int
            4 for the papers' full precision.
        sequence_length : int
            Tokens of KV cache that a device reserves per layer and sequence, in tokens.
        batch_size : int
            Sequences decoded together.
        separate_cache : bool
            State the cache per sequence in ``cache_bytes`` and leave it out of the other sizes.
        """
        width, size = self.hidden_size, bytes_per_parameter
        embedding = self.vocabulary_size * width * size
        decoder = self.decoder_parameters * size
        cache = 2 * sequence_length * self.key_value_size * size * batch_size
        head = (self.vocabulary_size + 1) * width * size  # with the final norm
        output = width * size * batch_size
        block = Layer(
            name="decoder",
            memory_bytes=decoder if separate_cache else decoder + cache,
            output_bytes=output,
            flops=decoding_flops(
                self.decoder_parameters, sequence_length, self.width_of_head * self.attention_heads
            )
            * batch_size,
            weight_bytes=decoder if separate_cache else decoder + cache,
            cache_bytes=cache if separate_cache else 0,
        )
        return [
            # An embedding is a table: a token reads one row of it.
            Layer("embedding", embedding, output, flops=0, weight_bytes=output),
            *[block] * self.decoder_layers,
            Layer("head", head, self.vocabulary_size * size * batch_size, 2 * head / size * batch_size, head),
        ]


def decoding_flops(parameters: float, tokens: float, width: float) -> float:
    """Return the work of one token in a layer: 2 FLOP per weight, and scores and weighted values of earlier tokens.

    Parameters
    ----------
    parameters : float
        Weights that the token is computed with.
    tokens : float
        Cached ones that it attends to.
    width : float
        Of all heads together: 2 FLOP per unit and token for the score, 2 for the value.

    Returns
    -------
    float
        FLOP.
    """
    return 2 * parameters + 4 * tokens * width
