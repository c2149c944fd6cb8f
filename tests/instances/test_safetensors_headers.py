"""Headers of safetensors files that lie about sizes: each is one line that names the tensor."""

import json
import struct

import pytest

from placewise.instances.importers.safetensors_header import Stored, parse_header, read_header
from placewise.models.errors import InstanceError, PlacewiseError


def tensor(dtype, shape, first, last):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


GOOD = {"a": tensor("F16", [2, 3], 0, 12), "b": tensor("I64", [], 12, 20), "__metadata__": {"format": "pt"}}


def test_a_header_with_its_data_and_without():
    """All of the data, or none; nothing between."""
    content = json.dumps(GOOD).encode()
    for data_bytes in (0, 20):
        assert parse_header(content, data_bytes) == {
            "a": Stored("F16", (2, 3), 12),
            "b": Stored("I64", (), 8),
        }
    for data_bytes in (12, 21):
        with pytest.raises(InstanceError, match="expected 20 bytes of tensors behind the header"):
            parse_header(content, data_bytes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": tensor("I64", [], 11, 19)}, r"b\.data_offsets: expected to begin at 12"),
        ({"b": tensor("I64", [], 13, 21)}, r"b\.data_offsets: expected to begin at 12"),
        ({"b": tensor("I64", [], 0, 8)}, r"data_offsets: expected to begin at"),
        ({"a": tensor("F16", [2, 3], 0, 13)}, r"a\.data_offsets: expected as many bytes as \[2, 3\] of F16"),
        ({"a": tensor("F16", [2**40, 2**40], 0, 12)}, r"a\.data_offsets: expected as many bytes"),
        ({"a": tensor("F16", [2**40, 2**40], 0, 2**81)}, r"a\.data_offsets"),
        ({"a": tensor("F16", [2**50], 0, 2**51)}, r"a\.data_offsets"),
        ({"a": tensor("F16", [-2, -3], 0, 12)}, r"a\.shape"),
        ({"a": tensor("F16", [1] * 17, 0, 2)}, r"a\.shape: expected up to 16 sizes"),
        ({"a": tensor("F16", [2.0, 3], 0, 12)}, r"a\.shape"),
        ({"a": tensor("F16", [2, 3], 12, 0)}, r"a\.data_offsets"),
        ({"a": tensor("F16", [2, 3], 0, True)}, r"a\.data_offsets: expected first and last byte"),
        ({"a": tensor("F4", [3], 0, 1)}, r"a\.data_offsets"),
        ({"a": tensor("NEW", [2, 3], 0, 12)}, r"a\.dtype: expected one of"),
        ({"a": {"dtype": "F16", "shape": [2, 3]}}, "a: expected dtype, shape and data_offsets"),
        ({"a": []}, "a: expected dtype, shape and data_offsets"),
    ],
)
def test_headers_that_lie(change, message):
    """Gaps, overlaps, sizes that are not those of type and shape, sizes beyond any file."""
    with pytest.raises(InstanceError, match=message):
        parse_header(json.dumps(GOOD | change).encode(), 0)


def test_files_that_are_none(tmp_path):
    """A length beyond the file or beyond all bounds, other texts, nothing."""
    path = tmp_path / "x.safetensors"
    for content, message in (
        (b"", "expected a safetensors file"),
        (struct.pack("<Q", 2**62) + b"{}", "expected a safetensors file"),
        (struct.pack("<Q", 1) + b"{", "expected a safetensors file"),
        (struct.pack("<Q", 100) + b"{}", "the header ends too early, after 2 of 100 bytes"),
        (struct.pack("<Q", 2) + b"\xff\xff", "UTF-8"),
        (struct.pack("<Q", 2) + b"[]", "expected an object of tensors"),
        (struct.pack("<Q", 14) + b'{"a":1,"a":22}', "a"),
    ):
        path.write_bytes(content)
        with pytest.raises((InstanceError, PlacewiseError), match=message):
            read_header(path)
    with pytest.raises(PlacewiseError, match="No such file"):
        read_header(tmp_path / "absent.safetensors")
