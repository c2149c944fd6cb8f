"""GGUF headers written byte by byte: scalars of every type, tensors, models, parts."""

import dataclasses
import math
import struct
import sys

import pytest

from placewise.instances.importers import gguf_header, gguf_model
from placewise.models.errors import InstanceError, PlacewiseError


def string(text):
    return struct.pack("<Q", len(text)) + text


SCALARS = [
    (0, "B", 200), (1, "b", -3), (2, "H", 60000), (3, "h", -5), (4, "I", 2**31), (5, "i", -7), (6, "f", 0.5),
    (7, "?", True), (10, "Q", 2**60), (11, "q", -(2**40)), (12, "d", 0.1),
]  # fmt: skip


def header(pairs=b"", count=0, tensors=b"", tensor_count=0, version=3):
    return gguf_header.parse_header(
        b"GGUF" + struct.pack("<IQQ", version, tensor_count, count) + pairs + tensors
    )


@pytest.mark.parametrize(("kind", "form", "value"), SCALARS)
def test_scalars_of_every_type(kind, form, value):
    """Written by hand, alone and in a list; a text behind them is still found."""
    alone = string(b"k") + struct.pack(f"<I{form}", kind, value)
    listed = string(b"l") + struct.pack(f"<IIQ{form}{form}", 9, kind, 2, value, value)
    text = string(b"t") + struct.pack("<I", 8) + string("grün".encode())
    for version in (2, 3):
        found = header(alone + listed + text, 3, version=version).metadata
        assert found == {"k": value, "l": [value, value], "t": "grün"}


def test_long_lists_are_counted_and_short_ones_kept():
    """4096 numbers are kept, one more is not; texts are only counted."""
    for count in (4096, 4097):
        pairs = string(b"n") + struct.pack(f"<IIQ{count}H", 9, 2, count, *[7] * count)
        assert header(pairs + string(b"z") + struct.pack("<IB", 0, 1), 2).metadata == {
            "n": [7] * count if count == 4096 else count,
            "z": 1,
        }
    texts = string(b"w") + struct.pack("<IIQ", 9, 8, 3) + string(b"a") + string(b"") + string(b"bcd")
    assert header(texts + string(b"z") + struct.pack("<IB", 0, 1), 2).metadata == {"w": 3, "z": 1}


def tensor(name, kind, *shape):
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0)


def placed(first, second):
    """Return two tensors of 8 bytes each at two places."""
    tensors = (
        string(b"a")
        + struct.pack("<IQIQ", 1, 2, 0, first)
        + string(b"b")
        + struct.pack("<IQIQ", 1, 2, 0, second)
    )
    return header(tensors=tensors, tensor_count=2)


def test_names_and_places_are_taken_once():
    """Tensors do not overlap, unless none has a place; no name twice."""
    for first, second in ((0, 0), (0, 8), (8, 0), (32, 0)):
        assert placed(first, second).tensor_bytes == {"a": 8, "b": 8}
    with pytest.raises(InstanceError, match="b: expected to begin at 8 or behind, found 4"):
        placed(0, 4)
    with pytest.raises(InstanceError, match="a: expected it once"):
        header(tensors=2 * tensor(b"a", 0, 2), tensor_count=2)
    with pytest.raises(InstanceError, match="k: expected it once"):
        header(2 * (string(b"k") + struct.pack("<IB", 0, 1)), 2)


def test_tensors_by_hand():
    """Q4_K (12): 144 bytes per 256 weights; one to four dimensions; the first one in whole blocks."""
    found = header(tensors=tensor(b"a", 12, 512, 3) + tensor(b"b", 0, 2, 3, 4, 5), tensor_count=2)
    assert found.tensor_bytes == {"a": 512 * 3 // 256 * 144, "b": 480}
    assert found.tensor_shape == {"a": (512, 3), "b": (2, 3, 4, 5)}
    for wrong in ((12, 3, 512), (12, 0, 3), (0, 2**25, 2**25 + 1)):
        with pytest.raises(InstanceError, match="a: expected rows of whole blocks"):
            header(tensors=tensor(b"a", *wrong), tensor_count=1)
    assert header(tensors=tensor(b"a", 0, 2**25, 2**25), tensor_count=1).tensor_bytes == {"a": 2**52}
    for wrong in ((), (1,) * 5):
        with pytest.raises(InstanceError, match="1 to 4 dimensions"):
            header(tensors=tensor(b"a", 0, *wrong), tensor_count=1)
    with pytest.raises(InstanceError, match="ends too early"):
        header(string(b"k") + struct.pack("<IIQ", 9, 2, 5000) + bytes(9999), 1)


FACTS = {
    "general.architecture": "x",
    "x.embedding_length": 8,
    "x.feed_forward_length": 16,
    "x.block_count": 2,
    "x.attention.head_count": 4,
}

#: Shapes; a number takes 2 bytes.
TENSORS = {
    "token_embd.weight": (8, 10),
    "rope_freqs.weight": (3,),
    "blk.0.a": (5, 4),
    "blk.0.ffn_gate.weight": (8, 16),
    "blk.1.a": (7,),
    "output_norm.weight": (8,),
}


def model(facts=None, tensors=None, **settings):
    shapes = {k: v for k, v in (TENSORS | (tensors or {})).items() if v}
    sizes = {name: 2 * math.prod(shape) for name, shape in shapes.items()}
    return gguf_model.model_of(
        gguf_header.Header(FACTS | (facts or {}), sizes, shapes, dict.fromkeys(sizes, 1)), "m", **settings
    )


def weights(found):
    """Return the bytes of layers without caches, and those of what they share."""
    layers = found.layers(5, separate_cache=True)
    return [layer.memory_bytes for layer in layers], {name for layer in layers for name in layer.shared}


def test_models_by_hand():
    """Blocks by number, what begins with output in the head; without a matrix of its own it shares the table."""
    plain = model()
    table = ("token_embd.weight", 160)
    assert weights(plain) == ([6, 40 + 256, 14, 16], {table})
    assert plain.stored_bytes == 160 + 6 + 40 + 256 + 14 + 16
    assert weights(model(tensors={"output.weight": (8, 10)})) == ([166, 296, 14, 176], set())
    layers = plain.layers(5)
    assert [layer.flops for layer in layers] == [0, 2 * (20 + 128) + 4 * 5 * 8, 2 * 7 + 160, 2 * (80 + 8)]
    assert [layer.memory_bytes for layer in layers] == [6, 296 + 2 * 5 * 8 * 2, 14 + 160, 16]
    assert (layers[0].weight_bytes, layers[3].weight_bytes) == (6 + 16, 176)  # a row, and all of the table
    assert plain.activation_bytes == 2
    assert model(tensors={"token_embd.weight": (8, 2**20)}).vocabulary_size == 2**20


@pytest.mark.parametrize(
    ("facts", "per_token"),
    [
        ({}, [32, 32]),
        ({"x.attention.head_count_kv": 2}, [16, 16]),
        ({"x.attention.head_count_kv": [4, 1]}, [32, 8]),
        ({"x.attention.head_count": [4, 2], "x.attention.head_count_kv": [2, 0]}, [16, 0]),
        ({"x.attention.key_length": 5, "x.attention.value_length": 3}, [2 * 4 * 8] * 2),
        ({"x.attention.key_length": 5, "x.embedding_length": 9}, [2 * 4 * 10] * 2),
        ({"x.attention.kv_lora_rank": 6, "x.rope.dimension_count": 2}, [16, 16]),
        ({"x.attention.shared_kv_layers": 1}, [32, 0]),
    ],
)
def test_caches_by_layer(facts, per_token):
    """Keys and values of groups, of lists of groups, of their own lengths; one latent vector; none."""
    assert model(facts).cache_bytes(10) == tuple(10 * size for size in per_token)


def test_windows_by_layer():
    """As the header says or, where it does not, as who runs the family does; all tokens on request."""
    window = {"x.attention.sliding_window": 3}
    assert model(window | {"x.attention.sliding_window_pattern": [True, False]}).cache_bytes(10) == (96, 320)
    assert model(window | {"x.attention.sliding_window_pattern": 2}).cache_bytes(10) == (96, 320)
    assert model(window | {"x.attention.sliding_window_pattern": 2}).cache_bytes(2) == (64, 64)
    with pytest.raises(InstanceError, match=r"x\.attention\.sliding_window: not known .* --full-cache"):
        model(window)
    assert model(window, full_cache=True).cache_bytes(10) == (320, 320)
    named = {k.replace("x.", "gemma3."): v for k, v in (FACTS | window).items()}
    assert model(named | {"general.architecture": "gemma3"}).cache_bytes(10) == (96, 96)
    named = {k.replace("x.", "phi3."): v for k, v in (FACTS | window).items()}
    phi = model(named | {"general.architecture": "phi3"})
    assert phi.cache_bytes(10) == (320, 320)
    assert "windows of 3 tokens are not used" in phi.description(10)


def test_experts_by_hand():
    """4 experts of which a token reads 2: all in memory; halves on request; both ways of naming them."""
    facts = {"x.expert_count": 4, "x.expert_used_count": 2}
    fused = model(facts, {"blk.0.ffn_up_exps.weight": (8, 3, 4), "blk.0.ffn_up_shexp.weight": (8, 3)})
    layer = fused.layers(5, separate_cache=True)[1]
    assert layer.memory_bytes == 2 * (20 + 128 + 96 + 24)
    assert layer.weight_bytes == 2 * (20 + 128 + 48 + 24)
    assert layer.flops == 2 * (20 + 128 + 48 + 24) + 160
    assert (layer.experts.count, layer.experts.active, layer.experts.each_bytes) == (4, 2, 48)
    single = model(facts, {f"blk.0.ffn_up.{n}.weight": (8, 3) for n in range(4)})
    assert single.layers(5, separate_cache=True)[1].experts == layer.experts
    halves = dataclasses.replace(fused, split_experts=True).layers(5)
    assert [h.name for h in halves] == ["embedding", "attention", "experts", "decoder", "head"]
    assert (halves[2].memory_bytes, halves[2].weight_bytes, halves[2].flops) == (192, 96, 96)
    assert sum(h.flops for h in halves) == sum(h.flops for h in fused.layers(5))
    with pytest.raises(InstanceError, match="expected 4 experts, found shape"):
        model(facts, {"blk.0.ffn_up_exps.weight": (8, 3, 5)})
    assert "no tensors of experts" in model(facts).description(5)


@pytest.mark.parametrize(
    ("facts", "tensors", "message"),
    [
        ({"general.architecture": None}, {}, "general.architecture: expected a name"),
        ({"x.expert_count": 4}, {}, r"x\.expert_used_count: expected a whole number up to 4"),
        ({"x.expert_count": 4, "x.expert_used_count": 5}, {}, "expert_used_count"),
        ({"x.embedding_length": 9}, {}, r"x\.embedding_length: expected a multiple of the 4"),
        ({"x.attention.head_count_kv": 3}, {}, r"x\.attention\.head_count_kv: expected a divisor of the 4"),
        ({"x.attention.head_count_kv": [4]}, {}, "expected a count for each of the 2 layers"),
        ({"x.attention.head_count_kv": [4, "a"]}, {}, r"head_count_kv\[1\]: expected a whole number"),
        ({"x.block_count": 2049}, {}, r"x\.block_count"),
        ({"x.ssm.state_size": 16}, {}, r"x\.ssm\.state_size: not known whether .* --ignore-key"),
        ({"x.attention.indexer.head_count": 16}, {}, r"x\.attention\.indexer\.head_count: not known"),
        ({}, {"blk.0.ssm_a": (3,)}, r"blk\.0\.ssm_a: not known here: state-space layers"),
        ({}, {"blk.2.a": (3,)}, r"blk\.2\.a: expected block 0 to 1"),
        ({"x.block_count": 3}, {}, r"blk\.2: expected its tensors"),
        ({}, {"token_embd.weight": None}, r"token_embd\.weight: expected a matrix with a row per token"),
        ({}, {"token_embd.weight": (8,)}, r"token_embd\.weight"),
        ({}, {"token_embd.weight": (8, 2**20 + 1)}, r"token_embd\.weight"),
    ],
)
def test_models_that_are_refused(facts, tensors, message):
    """Naming the key or tensor."""
    with pytest.raises(InstanceError, match=message):
        model(facts, tensors)


def test_keys_that_somebody_knows():
    """What is said to change nothing is not asked for again; further tokens' modules are left out."""
    assert model({"x.ssm.state_size": 16}, ignore_keys=("ssm.state_size",)).parameters == model().parameters
    short = model({"x.nextn_predict_layers": 1})
    assert len(short.blocks) == 1
    assert "left out: the module that predicts" in short.description(1)


def write_part(path, count=None, tensors=b"", number=0, architecture=b"x"):
    pairs = string(b"general.architecture") + struct.pack("<I", 8) + string(architecture)
    keys = [
        ("x.embedding_length", 8),
        ("x.feed_forward_length", 16),
        ("x.block_count", 1),
        ("x.attention.head_count", 4),
    ]
    if count is not None:
        keys.append(("split.count", count))
    for key, value in keys:
        pairs += string(key.encode()) + struct.pack("<II", 4, value)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, number, len(keys) + 1) + pairs + tensors)
    return str(path)


def test_parts_are_counted_and_the_first_one_speaks(tmp_path):
    """A split of two needs two files; a count of 0 or none is one file."""
    embedding, block = tensor(b"token_embd.weight", 0, 8, 10), tensor(b"blk.0.a", 0, 4)
    first = write_part(tmp_path / "1.gguf", 2, embedding, 1)
    second = write_part(tmp_path / "2.gguf", 2, block, 1, architecture=b"y")
    assert weights(gguf_model.read_gguf([first, second], "m")) == ([0, 16, 0], {("token_embd.weight", 320)})
    with pytest.raises(InstanceError, match="all 2 parts of the model, found 1"):
        gguf_model.read_gguf([first], "m")
    for count in (None, 0, 1):
        alone = write_part(tmp_path / "3.gguf", count, embedding + block, 2)
        assert gguf_model.read_gguf([alone], "m").stored_bytes == 320 + 16
    with pytest.raises(PlacewiseError, match=r"4\.gguf: No such file"):
        gguf_model.read_gguf([str(tmp_path / "4.gguf")], "m")
    assert gguf_header.is_gguf(first)
    (tmp_path / "5").write_bytes(b"GGU")
    assert not gguf_header.is_gguf(str(tmp_path / "5"))
    assert not gguf_header.is_gguf(str(tmp_path / "6"))
    assert not gguf_header.is_gguf("\0")


def test_without_the_formats_library(monkeypatch):
    """What to install is said."""
    monkeypatch.setitem(sys.modules, "gguf.constants", None)
    with pytest.raises(PlacewiseError, match=r"pip install 'placewise\[gguf\]'"):
        header()
    with pytest.raises(InstanceError, match="expected a GGUF file"):
        gguf_header.parse_header(b"GGUX" + bytes(40))
