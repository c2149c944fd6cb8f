"""Layers of a published model tensor by tensor, worked by hand: what is stored, read, computed with, kept and shared."""

from dataclasses import replace

import pytest

from placewise.instances.importers.cache import Attention
from placewise.instances.importers.published import (
    BUFFER,
    EXPERT,
    TABLE,
    WEIGHTS,
    Block,
    PublishedModel,
    Tensor,
)

TABLE_OF_WORDS = Tensor("words", 100, 200, TABLE, rows=10)
WEIGHT, ROUTED, MASK = Tensor("w", 7, 14), Tensor("e", 40, 80, EXPERT), Tensor("mask", 9, 36, BUFFER)


def published(**more):
    """Return width 4, 10 words, a plain layer that sees 3 tokens at most, one with experts, one without attention."""
    return PublishedModel(
        "p",
        4,
        10,
        embedding=(TABLE_OF_WORDS,),
        blocks=(
            Block((WEIGHT, MASK), Attention((2, 3), 6, window=3)),
            Block((WEIGHT, ROUTED), Attention((5,), 8)),
            Block((ROUTED,), None),
        ),
        head=(Tensor("norm", 4, 8),),
        experts=8,
        experts_per_token=2,
        **more,
    )


@pytest.mark.parametrize(
    ("tensor", "read", "used"),
    [
        (TABLE_OF_WORDS, 20.0, 0.0),  # one of ten rows, nothing is multiplied
        (WEIGHT, 14.0, 7.0),
        (ROUTED, 20.0, 10.0),  # two of eight experts
        (MASK, 36.0, 0.0),
    ],
)
def test_what_a_token_reads_and_computes_with(tensor, read, used):
    """By the tensor's role."""
    assert (tensor.read_bytes(0.25), tensor.used_parameters(0.25)) == (read, used)
    assert (replace(tensor, role=WEIGHTS).read_bytes(0.25), tensor.parameters) == (
        tensor.stored_bytes,
        replace(tensor, role=WEIGHTS).used_parameters(0.25),
    )


def test_numbers_of_a_model():
    """Masks are stored and are no parameters; a share of 1 where there are no experts; caches by type."""
    model = published()
    assert model.parameters == 100 + 7 + 7 + 40 + 40 + 4
    assert model.stored_bytes == 200 + 14 + 36 + 14 + 80 + 80 + 8
    assert (model.share, replace(model, experts=0).share) == (0.25, 1.0)
    assert (model.kept_as, replace(model, activation_bytes=4).kept_as) == ("f16", "f32")
    assert replace(model, activation_bytes=4, cache_type="q8_0").kept_as == "q8_0"
    assert model.cache_bytes(5) == (3 * 2 * 5, 5 * 2 * 5, 0)
    assert replace(model, full_cache=True).cache_bytes(5) == (5 * 2 * 5, 5 * 2 * 5, 0)
    assert replace(model, activation_bytes=4).cache_bytes(2) == (2 * 4 * 5, 2 * 4 * 5, 0)


@pytest.mark.parametrize("separate", [False, True])
def test_layers_of_a_model(separate):
    """Five tokens of context: a cache is held and read, or stated beside; 4 FLOP per token seen and unit of width."""
    layers = published().layers(5, separate_cache=separate)
    cache = [0, 30, 50, 0, 0]
    held = [0] * 5 if separate else cache
    assert [layer.name for layer in layers] == ["embedding", *["decoder"] * 3, "head"]
    stored = [200, 14 + 36, 14 + 80, 80, 8]
    assert [layer.memory_bytes for layer in layers] == [a + b for a, b in zip(stored, held, strict=True)]
    read = [20, 14 + 36, 14 + 20, 20, 8]
    assert [layer.weight_bytes for layer in layers] == [a + b for a, b in zip(read, held, strict=True)]
    assert [layer.cache_bytes for layer in layers] == (cache if separate else [0] * 5)
    assert [layer.flops for layer in layers] == [0, 14 + 4 * 3 * 6, 14 + 20 + 4 * 5 * 8, 20, 8]
    assert [layer.output_bytes for layer in layers] == [8, 8, 8, 8, 20]
    experts = [None if layer.experts is None else layer.experts.each_bytes for layer in layers]
    assert experts == [None, None, 10.0, 10.0, None]
    assert all(not layer.shared for layer in layers)


def test_experts_apart():
    """What every token reads, with the cache, and behind it the experts; a layer of experts alone has no tensors left."""
    layers = replace(published(), split_experts=True).layers(5)
    assert [layer.name for layer in layers] == [
        "embedding", "decoder", "attention", "experts", "attention", "experts", "head",
    ]  # fmt: skip
    assert [layer.memory_bytes for layer in layers] == [200, 50 + 30, 14 + 50, 80, 0, 80, 8]
    assert [layer.flops for layer in layers] == [0, 14 + 72, 14 + 160, 20, 0, 20, 8]
    assert [layer.experts is not None for layer in layers] == [False, False, False, True, False, True, False]


def test_a_tied_table_is_shared_and_read_whole_by_the_head():
    """Neither end has it in its own bytes; the embedding reads a row."""
    layers = published(tied=TABLE_OF_WORDS).layers(5)
    assert [(layer.memory_bytes, layer.weight_bytes, layer.flops) for layer in (layers[0], layers[4])] == [
        (0, 20, 0),
        (8, 200 + 8, 2 * (100 + 4)),
    ]
    assert [dict(layer.shared) for layer in layers] == [{"words": 200}, {}, {}, {}, {"words": 200}]


@pytest.mark.parametrize(
    ("change", "tokens", "text"),
    [
        ({}, 5, ("p: 198 parameters in 4.32e-07 GB (2 bytes per parameter); context of 5 tokens, KV cache in f16, "
         "8e-08 GB per sequence, windows of 3 tokens; 2 of 8 experts per token")),
        ({"experts": 0, "quantized": "Q4_K", "full_cache": True, "max_tokens": 5}, 5,
         ("p: 198 parameters in 4.32e-07 GB (Q4_K); context of 5 tokens, KV cache in f16, "
         "1e-07 GB per sequence, windows kept whole 3 tokens")),
        ({"experts": 0, "blocks": (), "bytes_per_parameter": 4, "max_tokens": 4, "notes": ("noted",)}, 5,
         ("p: 104 parameters in 2.08e-07 GB (4 bytes per parameter); context of 5 tokens, KV cache in f16, "
         "0 GB per sequence; noted; warning: 5 tokens are more than the 4 that the model is made for")),
    ],
)  # fmt: skip
def test_descriptions(change, tokens, text):
    """Weights, cache, windows, experts, notes, and a context that is longer than the model is made for."""
    assert replace(published(), **change).description(tokens) == text
