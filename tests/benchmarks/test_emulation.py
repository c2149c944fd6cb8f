"""Placements on processes decode what one process decodes, and take the time that their links take."""

import random
from statistics import median

import numpy as np
import pytest

from placewise.benchmarks.quantization.llama import MATRICES, Llama
from placewise.benchmarks.runtime.device import Block, Network, Placed, of_layers
from placewise.benchmarks.runtime.emulation import emulate

BLOCKS, PROMPT, ANSWER = 3, (1, 5, 2), 6


@pytest.fixture(scope="module")
def model():
    """Three blocks of width 16, four heads in two groups, random weights."""
    draw = np.random.default_rng(0)
    shapes = [(16, 16), (8, 16), (8, 16), (16, 16), (24, 16), (24, 16), (16, 24)]
    blocks = []
    for _ in range(BLOCKS):
        block = {
            name: draw.normal(0, 0.4, shape).astype(np.float32)
            for name, shape in zip(MATRICES, shapes, strict=True)
        }
        blocks.append(block | {name: np.ones(16, dtype=np.float32) for name in ("attn_norm", "ffn_norm")})
    embedding = draw.normal(size=(23, 16)).astype(np.float32)
    return Llama(blocks, embedding, np.ones(16, dtype=np.float32), 4, 2, 1e-5, 1e4, [], [])


@pytest.fixture(scope="module")
def alone(model):
    """Return the answer of one process, whole sequences at a time, without a cache."""
    tokens = list(PROMPT)
    for _ in range(ANSWER):
        hidden = model.start(tokens)
        for weights in model.blocks:
            hidden = model.block(hidden, weights)
        tokens.append(int(np.argmax(model.normed(hidden[-1:], model.norm) @ model.embedding.T)))
    assert len(set(tokens)) > 3
    return tuple(tokens)


def network(size, latency_s=0.0, bytes_per_s=1e9):
    return Network(np.full((size, size), bytes_per_s), np.full((size, size), latency_s), [1.0] * size)


@pytest.mark.parametrize("seed", range(3))
def test_layers_anywhere_decode_the_same(model, alone, seed):
    """Returns to a device and heads of the model elsewhere included."""
    source = random.Random(seed)
    placement = [0, *(source.randrange(3) for _ in range(BLOCKS + 1))]
    assert emulate(model, network(3), [of_layers(placement, 2)], PROMPT, ANSWER).tokens == alone


@pytest.mark.parametrize("seed", range(3))
def test_heads_that_move_decode_the_same(model, alone, seed):
    """Groups, projection and network of each layer anywhere, others in each interval: caches move along."""
    source = random.Random(seed)
    plans = [
        Placed(
            0,
            source.randrange(3),
            tuple(
                Block((source.randrange(3), source.randrange(3)), source.randrange(3), source.randrange(3))
                for _ in range(BLOCKS)
            ),
        )
        for _ in range(3)
    ]
    found = emulate(model, network(3), plans, PROMPT, ANSWER)
    assert found.tokens == alone
    assert len(found.moves_s) == 2


def test_links_hold_back(model):
    """Never less than their latencies and bytes; a hop more takes a latency more."""
    times = {}
    for placement in ([0, 0, 0, 0, 0], [0, 1, 1, 1, 1], [0, 1, 0, 1, 0]):
        slow = network(2, latency_s=0.02, bytes_per_s=64 / 0.01)  # 64 bytes of residual stream: 10 ms
        found = emulate(model, slow, [of_layers(placement, 2)], (1,), 3)
        times[tuple(placement)] = median(found.times_s)
    alone, once, twice = times.values()
    assert once >= 0.03 + 0.02 + 4 / 6400
    assert twice >= 4 * 0.03
    assert alone < once < twice
