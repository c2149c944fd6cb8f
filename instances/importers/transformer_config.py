"""A transformer's ``config.json`` as published with its weights: Llama, Mistral, Qwen and OPT families."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from placewise.instances.importers.values import MAX_LAYERS, whole
from placewise.models.errors import InstanceError
from placewise.models.workload import Transformer

if TYPE_CHECKING:
    from placewise.models.workload import Layer

#: Families by ``model_type``, and which of the query, key, value matrices have biases.
GATED = {"llama": 0, "mistral": 0, "qwen2": 3, "qwen3": 0}
OPT = "opt"
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}


@dataclass(frozen=True)
class PublishedModel:
    """A transformer with the size of its numbers.

    Parameters
    ----------
    transformer : Transformer
        Its shape.
    bytes_per_parameter : int
        By the stated type, 2 where none is; of activations and KV cache where `weight_bytes` are known.
    weight_bytes : tuple of int
        Stored size of embedding, each decoder layer and output head, where a file tells; else empty.
    """

    transformer: Transformer
    bytes_per_parameter: int
    weight_bytes: tuple[int, ...] = ()

    def layers(self, sequence_length: int, *, separate_cache: bool = False) -> tuple[Layer, ...]:
        """Return the chain of layers; see `Transformer.layers`.

        Parameters
        ----------
        sequence_length : int
            Tokens of KV cache.
        separate_cache : bool
            Whether caches count per sequence, beside ``memory_bytes``.
        """
        shape, size = self.transformer, self.bytes_per_parameter
        layers = shape.layers(
            bytes_per_parameter=size, sequence_length=sequence_length, separate_cache=separate_cache
        )
        if not self.weight_bytes:
            return tuple(layers)
        decoder = shape.decoder_parameters * size
        nominal = [layers[0].memory_bytes, *[decoder] * shape.decoder_layers, layers[-1].memory_bytes]
        return tuple(
            replace(
                layer,
                memory_bytes=layer.memory_bytes - before + stored,
                # A token reads one row of the embedding, and all of the others.
                weight_bytes=layer.weight_bytes
                if n == 0
                else float(layer.weight_bytes or 0) - before + stored,
            )
            for n, (layer, before, stored) in enumerate(zip(layers, nominal, self.weight_bytes, strict=True))
        )


def is_config(document: Any) -> bool:
    """Whether a document looks like a transformer's configuration."""
    return isinstance(document, dict) and "model_type" in document


def read_config(document: dict[str, Any], name: str) -> PublishedModel:
    """Return the shape that a configuration states.

    Parameters
    ----------
    document : dict
        A ``config.json``, parsed.
    name : str
        Of the model.

    Raises
    ------
    InstanceError
        Naming the key that is missing or wrong, or the family that is not known.
    """
    family = document["model_type"]
    if family not in (*GATED, OPT):
        known = ", ".join((*GATED, OPT))
        raise InstanceError("model_type", f"expected one of {known}, found {family!r}")
    if document.get("num_experts") or document.get("num_local_experts"):
        raise InstanceError("num_experts", "expected a dense model; experts are not one layer each")
    hidden = whole(document, "hidden_size")
    heads = whole(document, "num_attention_heads")
    layers = whole(document, "num_hidden_layers", most=MAX_LAYERS)
    vocabulary = whole(document, "vocab_size")
    head_size = whole(document, "head_dim", 0) or None
    if head_size is None and hidden % heads:
        raise InstanceError("hidden_size", f"expected a multiple of the {heads} heads, found {hidden}")
    if family == OPT:
        forward = whole(document, "ffn_dim")
        if document.get("word_embed_proj_dim", hidden) != hidden:
            raise InstanceError(
                "word_embed_proj_dim", f"expected the hidden size {hidden}: no layer projects it"
            )
        # Biases of four attention matrices, of two feed-forward matrices, of two norms.
        extra, key_value = 4 * hidden + forward + hidden + 2 * hidden, heads
    else:
        forward = whole(document, "intermediate_size")
        key_value = whole(document, "num_key_value_heads", heads)
        width = head_size or hidden // heads
        extra = width * (heads + 2 * key_value) if GATED[family] == 3 else 0
        if family == "qwen3":  # a norm of each head's queries and keys
            extra = 2 * width
    if heads % key_value:
        raise InstanceError(
            "num_key_value_heads", f"expected a divisor of the {heads} attention heads, found {key_value}"
        )
    stated = document.get("torch_dtype", document.get("dtype", "float16"))
    if not isinstance(stated, str) or stated not in BYTES:
        raise InstanceError("torch_dtype", f"expected one of {', '.join(BYTES)}, found {stated!r}")
    return PublishedModel(
        Transformer(
            name, hidden, forward, vocabulary, layers, heads, key_value, head_size, family != OPT, extra
        ),
        BYTES[stated],
    )
