"""A Llama-style transformer from a GGUF file, evaluated with NumPy: the loss of a text, with some blocks replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: The matrices of a block, as GGUF names them.
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


@dataclass(frozen=True)
class Llama:
    """Weights and shape of a model.

    Parameters
    ----------
    blocks : list of dict
        Matrices (outputs x inputs) and norms of each decoder block, dequantised.
    embedding : ndarray, shape (vocabulary, width)
        Also the output head.
    norm : ndarray, shape (width,)
        Before the head.
    heads, key_value_heads : int
        Counts.
    epsilon, rope_base : float
        Of the norms and of the rotary embedding.
    tokens : list of str
        The vocabulary.
    merges : list of str
        Byte-pair merges.
    """

    blocks: list[dict[str, Floats]]
    embedding: Floats
    norm: Floats
    heads: int
    key_value_heads: int
    epsilon: float
    rope_base: float
    tokens: list[str]
    merges: list[str]

    def encode(self, text: str) -> list[int]:
        """Return a text's tokens by the model's own byte pairs."""
        from tokenizers import Tokenizer, models, pre_tokenizers

        vocabulary = {token: index for index, token in enumerate(self.tokens)}
        pairs = [tuple(merge.split(" ", 1)) for merge in self.merges]
        tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        ids: list[int] = tokenizer.encode(text).ids
        return ids

    def start(self, tokens: list[int]) -> Floats:
        """Return the embedded tokens, shape (tokens, width)."""
        return self.embedding[tokens]

    def block(self, hidden: Floats, weights: Mapping[str, Floats]) -> Floats:
        """Return what a block makes of the residual stream."""
        normed = self.normed(hidden, weights["attn_norm"])
        size = len(hidden)
        query, key, value = (
            (normed @ weights[name].T).reshape(size, heads, -1)
            for name, heads in (
                ("attn_q", self.heads),
                ("attn_k", self.key_value_heads),
                ("attn_v", self.key_value_heads),
            )
        )
        query, key = self.rotated(query), self.rotated(key)
        group = self.heads // self.key_value_heads
        key, value = (np.repeat(part, group, axis=1) for part in (key, value))
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(np.float32(query.shape[-1]))
        scores[:, np.triu(np.ones((size, size), dtype=bool), 1)] = -np.inf
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", scores, value).reshape(size, -1)
        hidden = hidden + mixed @ weights["attn_output"].T
        normed = self.normed(hidden, weights["ffn_norm"])
        gate = normed @ weights["ffn_gate"].T
        active = gate / (1 + np.exp(-gate)) * (normed @ weights["ffn_up"].T)
        return np.asarray(hidden + active @ weights["ffn_down"].T, dtype=np.float32)

    def loss(self, hidden: Floats, tokens: list[int]) -> float:
        """Return the mean cross entropy of each next token, in nats, after the last block."""
        logits = (self.normed(hidden[:-1], self.norm) @ self.embedding.T).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        picked = logits[np.arange(len(tokens) - 1), tokens[1:]]
        return float((np.log(np.exp(logits).sum(axis=1)) - picked).mean())

    def normed(self, hidden: Floats, weight: Floats) -> Floats:
        """Return root-mean-square normalised rows times a weight."""
        scale = np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return np.asarray(hidden / scale * weight, dtype=np.float32)

    def rotated(self, heads: Floats, first: int = 0) -> Floats:
        """Rotate neighbouring pairs by position, from the first one on: GGUF stores queries and keys in that order."""
        size, _, width = heads.shape
        frequency = self.rope_base ** (-np.arange(0, width, 2) / width)
        angle = (first + np.arange(size))[:, None] * frequency
        cos, sin = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
        even, odd = heads[..., 0::2], heads[..., 1::2]
        turned = np.empty_like(heads)
        turned[..., 0::2], turned[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
        return turned


def load(path: Path) -> Llama:
    """Read and dequantise a GGUF file of the llama architecture."""
    from gguf import GGUFReader, dequantize

    reader = GGUFReader(path)
    tensors = {
        t.name: np.asarray(dequantize(t.data, t.tensor_type), dtype=np.float32) for t in reader.tensors
    }

    def field(key: str) -> Any:
        return reader.fields[key].contents()

    names = (*MATRICES, "attn_norm", "ffn_norm")
    return Llama(
        blocks=[
            {name: tensors[f"blk.{layer}.{name}.weight"] for name in names}
            for layer in range(field("llama.block_count"))
        ],
        embedding=tensors["token_embd.weight"],
        norm=tensors["output_norm.weight"],
        heads=field("llama.attention.head_count"),
        key_value_heads=field("llama.attention.head_count_kv"),
        epsilon=field("llama.attention.layer_norm_rms_epsilon"),
        rope_base=field("llama.rope.freq_base"),
        tokens=field("tokenizer.ggml.tokens"),
        merges=field("tokenizer.ggml.merges"),
    )
