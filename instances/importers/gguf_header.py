"""The header of a GGUF file: what it states, and the bytes that each of its tensors really takes.

The well-kept reader (``gguf.GGUFReader``) maps the whole file and trusts its counts: it neither reads a file of which
only the first megabytes are there, nor ends on one that claims 2^40 entries. So the header is walked here, within
bounds; the types' block sizes are that package's.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from placewise.models.errors import InstanceError, PlacewiseError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
#: Headers with vocabularies of a quarter of a million tokens take a tenth of it.
LARGEST_HEADER_BYTES = 128 * 2**20
STRING, ARRAY = 8, 9
SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
#: Longer arrays (vocabularies) are skipped, shorter ones (heads per layer) kept.
LONGEST_KEPT = 4096


@dataclass(frozen=True)
class Header:
    """What stands before the weights.

    Parameters
    ----------
    metadata : dict
        Keys and values; long arrays as their length.
    tensor_bytes : dict of str to int
        Size of each tensor.
    tensor_shape : dict of str to tuple of int
        Its dimensions, the fastest first.
    tensor_kind : dict of str to int
        Its type.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    tensor_bytes: dict[str, int] = field(default_factory=dict)
    tensor_shape: dict[str, tuple[int, ...]] = field(default_factory=dict)
    tensor_kind: dict[str, int] = field(default_factory=dict)

    def behind(self, first: Header) -> Header:
        """Return this part behind others: what they say stands."""
        return Header(
            self.metadata | first.metadata,
            self.tensor_bytes | first.tensor_bytes,
            self.tensor_shape | first.tensor_shape,
            self.tensor_kind | first.tensor_kind,
        )


def is_gguf(source: str) -> bool:
    """Whether a file begins like a GGUF file."""
    try:
        with Path(source).open("rb") as stream:
            return stream.read(4) == MAGIC
    except (OSError, ValueError):  # also a name that no file can have
        return False


def parse_header(content: bytes) -> Header:
    """Walk a header; nothing is allocated that the file does not hold."""
    if content[:4] != MAGIC:
        raise InstanceError("", "expected a GGUF file")
    try:
        sizes = _block_sizes()
        return _Walk(content).header(sizes)
    except struct.error:
        raise InstanceError("", f"the header ends too early, after {len(content):,} bytes") from None
    except UnicodeDecodeError:
        raise InstanceError("", "expected names in UTF-8") from None


def type_name(kind: int) -> str:
    """Return the name of a type of weights, as ``Q4_K``."""
    from gguf.constants import GGMLQuantizationType

    return str(GGMLQuantizationType(kind).name)


def _block_sizes() -> dict[int, tuple[int, int]]:
    try:
        from gguf.constants import GGML_QUANT_SIZES
    except ImportError:
        raise PlacewiseError("GGUF files need the package gguf: pip install 'placewise[gguf]'") from None
    return {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}


def _require_places(places: dict[str, int], sizes: dict[str, int]) -> None:
    """Refuse tensors that overlap in the file; where none has a place, the header was made without weights."""
    if not any(places.values()):
        return
    end = 0
    for name in sorted(places, key=lambda name: places[name]):
        if places[name] < end:
            raise InstanceError(name, f"expected to begin at {end:,} or behind, found {places[name]:,}")
        end = places[name] + sizes[name]


class _Walk:
    """A position in a header."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 4

    def header(self, sizes: dict[int, tuple[int, int]]) -> Header:
        version = self._scalar("<I")
        if version not in VERSIONS:
            raise InstanceError("", f"expected GGUF version 2 or 3 in little-endian order, found {version}")
        tensors, pairs = self._scalar("<Q"), self._scalar("<Q")
        header, places = Header(), {}
        for _ in range(pairs):
            key = self._text()
            if key in header.metadata:
                raise InstanceError(key, "expected it once")
            header.metadata[key] = self._value(self._scalar("<I"), key)
        for _ in range(tensors):
            name = self._text()
            dimensions = tuple(self._scalar("<Q") for _ in range(self._dimensions(name)))
            kind = self._scalar("<I")
            places[name] = self._scalar("<Q")
            if name in header.tensor_bytes:
                raise InstanceError(name, "expected it once")
            if kind not in sizes:
                raise InstanceError(name, f"expected a known type of weights, found {kind}")
            block, size = sizes[kind]
            count = math.prod(dimensions)
            if not 0 < count <= 2**50 or dimensions[0] % block:
                raise InstanceError(
                    name, f"expected rows of whole blocks of {block}, found shape {dimensions}"
                )
            header.tensor_shape[name] = dimensions
            header.tensor_bytes[name] = count // block * size
            header.tensor_kind[name] = kind
        _require_places(places, header.tensor_bytes)
        return header

    def _dimensions(self, name: str) -> int:
        count: int = self._scalar("<I")
        if not 1 <= count <= 4:
            raise InstanceError(name, f"expected 1 to 4 dimensions, found {count}")
        return count

    def _scalar(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self._content, self._at)
        self._at += struct.calcsize(form)
        return value

    def _skip(self, count: int) -> int:
        """Move on, never past the end; return where this began."""
        start, end = self._at, self._at + count
        if end > len(self._content):
            raise struct.error
        self._at = end
        return start

    def _text(self) -> str:
        start = self._skip(self._scalar("<Q"))
        return self._content[start : self._at].decode()

    def _value(self, kind: int, key: str) -> Any:
        if kind in SCALARS:
            return self._scalar(SCALARS[kind])
        if kind == STRING:
            return self._text()
        if kind != ARRAY:
            raise InstanceError(key, f"expected a known type of value, found {kind}")
        kind, count = self._scalar("<I"), self._scalar("<Q")
        if kind in SCALARS and count > LONGEST_KEPT:
            self._skip(count * struct.calcsize(SCALARS[kind]))
            return count
        if kind not in (*SCALARS, STRING):
            raise InstanceError(key, f"expected a list of numbers or texts, found type {kind}")
        if kind == STRING:
            for _ in range(count):
                self._skip(self._scalar("<Q"))
            return count
        return [self._scalar(SCALARS[kind]) for _ in range(count)]
