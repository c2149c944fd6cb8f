"""Layers of several sequences, and of published shapes, by hand."""

from dataclasses import replace

import pytest

from placewise.models.workload import Experts, Layer, Transformer


def test_layers_of_several_sequences():
    """Two decoded together, three such in flight: six caches in memory, twice the work, two caches read."""
    layer = Layer("layer", 100, 5.0, flops=7.0, weight_bytes=90.0, cache_bytes=11, shared={"table": 40})
    both = layer.together(2, 3)
    assert both == Layer("layer", 166, 10.0, flops=14.0, weight_bytes=112.0, shared={"table": 40})
    assert both.cache_bytes == 0
    assert layer.alone_bytes == 140
    silent = Layer("layer", 100, 5.0, cache_bytes=11).together(2)
    assert (silent.memory_bytes, silent.flops, silent.weight_bytes) == (122, None, None)


def test_experts_are_read_as_often_as_they_are_chosen():
    """Of four, one per token: 4 (1 - (3/4)**2) = 1.75 distinct ones for two tokens."""
    experts = Experts(4, 1, 16.0)
    layer = Layer("layer", 100, 5.0, weight_bytes=26.0, experts=experts)
    assert experts.distinct(2) == pytest.approx(1.75)
    assert layer.read_bytes(2) == pytest.approx(26 + 0.75 * 16)
    both = layer.together(2)
    assert both.experts.active == pytest.approx(1.75)
    assert both.weight_bytes == pytest.approx(26 + 0.75 * 16)


def test_layers_of_a_shape():
    """Two heads of width 3 with keys of one; 10 words of width 4, 5 hidden: all numbers by hand, for a batch of 3."""
    shape = Transformer(
        "shape",
        vocabulary_size=10,
        hidden_size=4,
        intermediate_size=5,
        decoder_layers=2,
        attention_heads=2,
        key_value_heads=1,
        head_size=3,
    )
    parameters = 2 * 4 * (6 + 3) + 3 * 4 * 5 + 2 * 4
    assert shape.decoder_parameters == parameters
    assert replace(shape, key_value_heads=2).decoder_parameters == parameters + 2 * 4 * 3
    embedding, block, other, head = shape.layers(bytes_per_parameter=2, sequence_length=8, batch_size=3)
    cache = 2 * 8 * 3 * 2 * 3
    assert block is other
    assert (embedding.memory_bytes, embedding.flops, embedding.weight_bytes) == (80, 0, 24)
    assert block == Layer(
        "decoder",
        2 * parameters + cache,
        24,
        flops=3 * (2 * parameters + 4 * 8 * 3 * 2),
        weight_bytes=2 * parameters + cache,
    )
    assert head == Layer("head", 88, 60, flops=2 * 44 * 3, weight_bytes=88)
    apart = shape.layers(bytes_per_parameter=2, sequence_length=8, separate_cache=True)[1]
    assert (apart.memory_bytes, apart.cache_bytes, apart.weight_bytes) == (2 * parameters, 96, 2 * parameters)
