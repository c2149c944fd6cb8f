"""A published model as its tensors say: layers with names, numbers and bytes, and what is kept of each token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placewise.instances.importers.cache import Attention, cache_kind
from placewise.models.experts import Experts
from placewise.models.workload import Layer, Transformer, decoding_flops

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a token reads of a tensor: all of it; one row; its share of the experts. Buffers are stored, not computed with.
WEIGHTS, TABLE, EXPERT, BUFFER = "weights", "table", "expert", "buffer"


@dataclass(frozen=True)
class Tensor:
    """A tensor, or as many equal ones as there are experts.

    Parameters
    ----------
    name : str
        As in the model's files.
    parameters : int
        Numbers that it stands for, however they are stored.
    stored_bytes : int
        What it takes in memory, scales included.
    role : str
        `WEIGHTS`, `TABLE`, `EXPERT` or `BUFFER`.
    rows : int
        Of a table.
    """

    name: str
    parameters: int
    stored_bytes: int
    role: str = WEIGHTS
    rows: int = 1

    def read_bytes(self, share: float) -> float:
        """Return what a token reads of it, in bytes.

        Parameters
        ----------
        share : float
            Of the experts.
        """
        if self.role == TABLE:
            return self.stored_bytes / self.rows
        return self.stored_bytes * share if self.role == EXPERT else float(self.stored_bytes)

    def used_parameters(self, share: float) -> float:
        """Return how many of its numbers one token is computed with.

        Parameters
        ----------
        share : float
            Of the experts.
        """
        if self.role in (TABLE, BUFFER):
            return 0.0
        return self.parameters * share if self.role == EXPERT else float(self.parameters)


@dataclass(frozen=True)
class Block:
    """One decoder layer.

    Parameters
    ----------
    tensors : tuple of Tensor
        All of it.
    attention : Attention or None
        What it keeps of each token; None where it attends to nothing.
    """

    tensors: tuple[Tensor, ...]
    attention: Attention | None


@dataclass(frozen=True)
class PublishedModel:
    """A model as its files describe it, and how its caches are kept.

    Parameters
    ----------
    name : str
        For people.
    hidden_size, vocabulary_size : int
        Width of the residual stream; number of tokens.
    embedding, head : tuple of Tensor
        What stands before and behind the decoder layers.
    blocks : tuple of Block
        The decoder layers in order.
    tied : Tensor or None
        The embedding's table, where the head reads the same one.
    activation_bytes : int
        Of a number that is computed with.
    bytes_per_parameter : int
        Of a stored weight; where `quantized`, of one that is not.
    quantized : str
        How weights are stored, where their widths are chosen already; else empty.
    experts, experts_per_token : int
        Of a layer with experts, and how many of them a token is sent to; 0 where there are none.
    max_tokens : int or None
        The longest context that the model is made for.
    transformer : Transformer or None
        Its shape, where all decoder layers have the same, without experts or latent attention.
    notes : tuple of str
        What was left out or assumed.
    cache_type : str
        Of the KV cache, one of `cache.TYPES`; by default in 16 bits, or 32 where activations are.
    full_cache : bool
        Whether windows are ignored: a runtime that keeps all tokens.
    split_experts : bool
        Whether a layer with experts becomes two: attention with what every token reads, and the experts.
    """

    name: str
    hidden_size: int
    vocabulary_size: int
    embedding: tuple[Tensor, ...]
    blocks: tuple[Block, ...]
    head: tuple[Tensor, ...]
    tied: Tensor | None = None
    activation_bytes: int = 2
    bytes_per_parameter: int = 2
    quantized: str = ""
    experts: int = 0
    experts_per_token: int = 0
    max_tokens: int | None = None
    transformer: Transformer | None = None
    notes: tuple[str, ...] = ()
    cache_type: str = ""
    full_cache: bool = False
    split_experts: bool = False

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, a tied one once."""
        return (*self.embedding, *(t for block in self.blocks for t in block.tensors), *self.head)

    @property
    def parameters(self) -> int:
        """Number of weights, a tied table once."""
        return sum(tensor.parameters for tensor in self.tensors if tensor.role != BUFFER)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all weights, a tied table once."""
        return sum(tensor.stored_bytes for tensor in self.tensors)

    @property
    def kept_as(self) -> str:
        """Type of the KV cache."""
        return self.cache_type or ("f32" if self.activation_bytes == 4 else "f16")

    @property
    def share(self) -> float:
        """Share of a layer's experts that a token is sent to."""
        return self.experts_per_token / self.experts if self.experts else 1.0

    def cache_bytes(self, tokens: int) -> tuple[int, ...]:
        """Return the KV cache of each decoder layer for a context of so many tokens, in bytes."""
        kind = cache_kind(self.kept_as)
        return tuple(
            0 if block.attention is None else block.attention.cache_bytes(tokens, kind, full=self.full_cache)
            for block in self.blocks
        )

    def layers(self, sequence_length: int, *, separate_cache: bool = False) -> tuple[Layer, ...]:
        """Return embedding, decoder layers and output head, as one token of decoding sees them.

        A tied table is a tensor that embedding and head share: neither has it in ``memory_bytes``.

        Parameters
        ----------
        sequence_length : int
            Tokens of context per sequence.
        separate_cache : bool
            State the cache per sequence in ``cache_bytes`` and leave it out of the other sizes.
        """
        output = float(self.hidden_size * self.activation_bytes)
        made = [self._layer("embedding", self.embedding, output)]
        for block, cache in zip(self.blocks, self.cache_bytes(sequence_length), strict=True):
            chosen = [t for t in block.tensors if t.role == EXPERT] if self.split_experts else []
            rest = [t for t in block.tensors if t.role != EXPERT] if chosen else block.tensors
            held = (0, cache) if separate_cache else (cache, 0)
            flops = self._attention_flops(block, sequence_length)
            made.append(self._layer("attention" if chosen else "decoder", rest, output, flops, *held))
            if chosen:
                made.append(self._layer("experts", chosen, output))
        table = () if self.tied is None else (replace(self.tied, role=WEIGHTS),)  # the head reads all of it
        made.append(
            self._layer("head", (*self.head, *table), float(self.vocabulary_size * self.activation_bytes))
        )
        return tuple(made)

    def _attention_flops(self, block: Block, tokens: int) -> float:
        if block.attention is None:
            return 0.0
        return decoding_flops(
            0, block.attention.tokens_seen(tokens, full=self.full_cache), block.attention.flops_width
        )

    def _layer(
        self,
        name: str,
        tensors: Iterable[Tensor],
        output_bytes: float,
        attention_flops: float = 0,
        held_bytes: int = 0,
        cache_bytes: int = 0,
    ) -> Layer:
        """Return a layer with what it holds; what is held per token is read for each."""
        tensors = tuple(tensors)
        common = {} if self.tied is None else {self.tied.name: self.tied.stored_bytes}
        shared = {tensor.name: common[tensor.name] for tensor in tensors if tensor.name in common}
        stored = sum(tensor.stored_bytes for tensor in tensors) - sum(shared.values())
        routed = sum(tensor.stored_bytes for tensor in tensors if tensor.role == EXPERT)
        return Layer(
            name,
            memory_bytes=stored + held_bytes,
            output_bytes=output_bytes,
            flops=decoding_flops(sum(t.used_parameters(self.share) for t in tensors), 0, 0) + attention_flops,
            weight_bytes=sum(tensor.read_bytes(self.share) for tensor in tensors) + held_bytes,
            cache_bytes=cache_bytes,
            shared=shared,
            experts=Experts(self.experts, self.experts_per_token, routed / self.experts) if routed else None,
        )

    def description(self, tokens: int) -> str:
        """Return in one line what is placed: weights, cache, context, and what was left out or assumed."""
        stored = self.quantized or f"{self.bytes_per_parameter} bytes per parameter"
        text = (
            f"{self.name}: {self.parameters:,} parameters in {self.stored_bytes / 1e9:.4g} GB ({stored}); "
            f"context of {tokens:,} tokens, KV cache in {self.kept_as}, "
            f"{sum(self.cache_bytes(tokens)) / 1e9:.3g} GB per sequence"
        )
        windows = {b.attention.window for b in self.blocks if b.attention and b.attention.window}
        if windows:
            how = "kept whole" if self.full_cache else "of"
            text += f", windows {how} {', '.join(f'{w:,}' for w in sorted(windows))} tokens"
        if self.experts:
            text += f"; {self.experts_per_token} of {self.experts} experts per token"
        return "; ".join((text, *self.notes, *self.warnings(tokens)))

    def warnings(self, tokens: int) -> tuple[str, ...]:
        """Return what is odd about a context of so many tokens."""
        if self.max_tokens is None or tokens <= self.max_tokens:
            return ()
        return (
            f"warning: {tokens:,} tokens are more than the {self.max_tokens:,} that the model is made for",
        )
