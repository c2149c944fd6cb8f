"""GGUF headers written byte by byte: scalars of every type, tensors, models, parts."""

import struct
import sys

import pytest

from placewise.instances.importers import gguf_header
from placewise.instances.importers.gguf_header import _layer_bytes
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

TENSORS = {
    "token_embd.weight": 160,
    "rope": 3,
    "blk.0.a": 5,
    "blk.0.ffn_gate.weight": 6,
    "blk.1.a": 7,
    "output_norm": 1,
}


def model(facts=None, tensors=None, shape=(8, 10)):
    table = {} if shape is None else {"token_embd.weight": shape}
    return gguf_header.model_of(
        gguf_header.Header(FACTS | (facts or {}), TENSORS | (tensors or {}), table), "m"
    )


def test_models_by_hand():
    """Blocks by number, what begins with output in the head, with the embedding's table where it has none."""
    plain = model()
    assert plain.weight_bytes == (163, 11, 7, 161)
    assert model(tensors={"output.weight": 50}).weight_bytes == (163, 11, 7, 51)
    shape = plain.transformer
    assert (shape.hidden_size, shape.intermediate_size, shape.vocabulary_size) == (8, 16, 10)
    assert (shape.decoder_layers, shape.attention_heads, shape.key_value_heads, shape.head_size) == (
        2,
        4,
        4,
        None,
    )
    assert shape.gated
    assert plain.bytes_per_parameter == 2
    wide = model({"x.attention.key_length": 5, "x.attention.head_count_kv": 2}).transformer
    assert (wide.head_size, wide.key_value_heads) == (5, 2)
    without = {k: v for k, v in TENSORS.items() if "gate" not in k}
    header_ = gguf_header.Header(FACTS, without, {"token_embd.weight": (8, 10)})
    assert not gguf_header.model_of(header_, "m").transformer.gated
    assert model({"x.embedding_length": 9, "x.attention.key_length": 5}).transformer.hidden_size == 9
    assert model(shape=(8, 2**20)).transformer.vocabulary_size == 2**20


@pytest.mark.parametrize(
    ("facts", "tensors", "shape", "message"),
    [
        ({"general.architecture": None}, {}, (8, 10), "general.architecture: expected a name"),
        ({"x.expert_count": 4}, {}, (8, 10), r"x\.expert_count: expected a dense model"),
        ({"x.embedding_length": 9}, {}, (8, 10), "embedding_length: expected a multiple of the 4"),
        ({"x.attention.head_count_kv": 3}, {}, (8, 10), "head_count_kv: expected a divisor of the 4"),
        ({"x.block_count": 2049}, {}, (8, 10), "block_count"),
        ({}, {"blk.2.a": 3}, (8, 10), r"blk\.2\.a: expected block 0 to 1"),
        ({"x.block_count": 3}, {}, (8, 10), r"blk\.2: expected its tensors"),
        ({}, {}, None, r"token_embd\.weight: expected a matrix with a row per token"),
        ({}, {}, (8,), r"token_embd\.weight"),
        ({}, {}, (8, 0), r"token_embd\.weight"),
        ({}, {}, (8, 2**20 + 1), r"token_embd\.weight"),
    ],
)
def test_models_that_are_refused(facts, tensors, shape, message):
    """Naming the key or tensor."""
    with pytest.raises(InstanceError, match=message):
        model(facts, tensors, shape)


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
    assert gguf_header.read_gguf([first, second], "m").weight_bytes == (320, 16, 320)
    with pytest.raises(InstanceError, match="all 2 parts of the model, found 1"):
        gguf_header.read_gguf([first], "m")
    for count in (None, 0, 1):
        alone = write_part(tmp_path / "3.gguf", count, embedding + block, 2)
        assert gguf_header.read_gguf([alone], "m").weight_bytes == (320, 16, 320)
    with pytest.raises(PlacewiseError, match=r"4\.gguf: No such file"):
        gguf_header.read_gguf([str(tmp_path / "4.gguf")], "m")
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


def test_only_numbered_blocks_are_blocks():
    """Other tensors with numbers, blocks without one or with more digits than a model has are read with the embedding."""
    tensors = {
        "token_embd.weight": 1,
        "output.weight": 2,
        "output_norm.weight": 4,
        "blk.0.a": 8,
        "blk.0.b": 16,
    }
    others = {"other.0.c": 32, "blk.x.d": 64, "blk.1234567890.e": 128}
    assert _layer_bytes(tensors, 1) == (1, 24, 6)
    assert _layer_bytes(tensors | others, 1) == (1 + 32 + 64 + 128, 24, 6)
