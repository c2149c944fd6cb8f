"""The header of a GGUF file: a model's shape, and the bytes that each of its tensors really takes.

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

from placewise.instances.importers.transformer_config import PublishedModel
from placewise.instances.importers.values import HALF_BYTES, MAX_LAYERS, MAX_WIDTH, whole
from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.workload import Transformer

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
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    tensor_bytes: dict[str, int] = field(default_factory=dict)
    tensor_shape: dict[str, tuple[int, ...]] = field(default_factory=dict)


def is_gguf(source: str) -> bool:
    """Whether a file begins like a GGUF file."""
    try:
        with Path(source).open("rb") as stream:
            return stream.read(4) == MAGIC
    except (OSError, ValueError):  # also a name that no file can have
        return False


def read_gguf(sources: list[str], name: str) -> PublishedModel:
    """Return the model of a file, or of all parts of a split one.

    Parameters
    ----------
    sources : list of str
        Paths; the first part of a split model first.
    name : str
        Of the model.

    Raises
    ------
    InstanceError
        Naming the key or tensor that is missing or wrong.
    PlacewiseError
        Without the package ``gguf``.
    """
    whole_model = Header()
    for source in sources:
        try:
            with Path(source).open("rb") as stream:
                part = parse_header(stream.read(LARGEST_HEADER_BYTES))
        except OSError as error:
            raise PlacewiseError(f"{source}: {error.strerror}") from None
        # What the first part says stands.
        whole_model = Header(
            part.metadata | whole_model.metadata,
            part.tensor_bytes | whole_model.tensor_bytes,
            part.tensor_shape | whole_model.tensor_shape,
        )
    count = whole_model.metadata.get("split.count", 1)
    if count not in (0, 1, len(sources)):
        raise InstanceError("split.count", f"expected all {count} parts of the model, found {len(sources)}")
    return model_of(whole_model, name)


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


def model_of(header: Header, name: str) -> PublishedModel:
    """Return the shape that a header states, with the bytes of embedding, decoder layers and output head.

    Parameters
    ----------
    header : Header
        Of the file, or of all parts.
    name : str
        Of the model.

    Raises
    ------
    InstanceError
        Naming the key or tensor that is missing or wrong.
    """
    facts = header.metadata
    family = facts.get("general.architecture")
    if not isinstance(family, str):
        raise InstanceError("general.architecture", f"expected a name, found {short(family)}")
    own = {key.removeprefix(f"{family}."): value for key, value in facts.items()}
    if own.get("expert_count"):
        raise InstanceError(
            f"{family}.expert_count", "expected a dense model; experts are not one layer each"
        )
    hidden, layers = whole(own, "embedding_length"), whole(own, "block_count", most=MAX_LAYERS)
    heads = whole(own, "attention.head_count")
    groups = whole(own, "attention.head_count_kv", heads)
    table = header.tensor_shape.get("token_embd.weight", ())
    if len(table) != 2 or not 1 <= table[1] <= MAX_WIDTH:
        raise InstanceError("token_embd.weight", f"expected a matrix with a row per token, found {table}")
    if heads % groups:
        raise InstanceError(
            "attention.head_count_kv", f"expected a divisor of the {heads} heads, found {groups}"
        )
    shape = Transformer(
        name,
        hidden,
        whole(own, "feed_forward_length"),
        table[1],
        layers,
        heads,
        groups,
        whole(own, "attention.key_length", 0) or None,
        gated="blk.0.ffn_gate.weight" in header.tensor_bytes,
    )
    if shape.head_size is None and hidden % heads:
        raise InstanceError("embedding_length", f"expected a multiple of the {heads} heads, found {hidden}")
    return PublishedModel(shape, HALF_BYTES, _layer_bytes(header.tensor_bytes, layers))


def _layer_bytes(tensors: dict[str, int], layers: int) -> tuple[int, ...]:
    blocks = [0] * layers
    embedding = head = 0
    for name, size in tensors.items():
        prefix, _, rest = name.partition(".")
        number = rest.partition(".")[0]
        if prefix == "blk" and number.isdecimal() and len(number) < 10:
            if int(number) >= layers:
                raise InstanceError(name, f"expected block 0 to {layers - 1}")
            blocks[int(number)] += size
        elif prefix.startswith("output"):
            head += size
        else:
            embedding += size
    if 0 in blocks:
        missing = f"blk.{blocks.index(0)}"
        raise InstanceError(missing, "expected its tensors; is a part of the model missing?")
    if "output.weight" not in tensors:  # the head reads the embedding's table, wherever it runs
        head += tensors["token_embd.weight"]
    return embedding, *blocks, head


def _block_sizes() -> dict[int, tuple[int, int]]:
    try:
        from gguf.constants import GGML_QUANT_SIZES
    except ImportError:
        raise PlacewiseError("GGUF files need the package gguf: pip install 'placewise[gguf]'") from None
    return {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}


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
        header = Header()
        for _ in range(pairs):
            key = self._text()
            header.metadata[key] = self._value(self._scalar("<I"), key)
        for _ in range(tensors):
            name = self._text()
            dimensions = tuple(self._scalar("<Q") for _ in range(self._dimensions(name)))
            kind = self._scalar("<I")
            self._scalar("<Q")  # where the weights begin
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
