"""Headers of safetensors files: names, types, shapes and places of tensors; their numbers are not read.

The format's own library maps the whole file and refuses one of which only the header is there, as somebody has who
looked at a published model without fetching it. So the header (8 bytes of its length, then JSON) is read here, within
bounds: places must follow one another without gap or overlap, agree with type and shape, and end where the file does.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from placewise.instances import strict_json
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError, PlacewiseError

#: Bits of a number by its type.
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
#: As the format's library has it.
LARGEST_HEADER_BYTES = 100 * 10**6
LARGEST_TENSOR_BYTES = 2**50
MOST_DIMENSIONS = 16
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Parameters
    ----------
    dtype : str
        One of `BITS`.
    shape : tuple of int
        Empty for a single number.
    size_bytes : int
        That it takes.
    """

    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def elements(self) -> int:
        """Numbers as they are stored."""
        return math.prod(self.shape)


def read_header(source: str | Path) -> dict[str, Stored]:
    """Return the tensors of a file by name.

    Parameters
    ----------
    source : str or Path
        A whole file, or the beginning of one that ends with its header.

    Raises
    ------
    InstanceError
        Naming the tensor whose place, type or shape is wrong, or what is missing.
    PlacewiseError
        Where the file cannot be read.
    """
    try:
        with Path(source).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
            if not 2 <= length <= LARGEST_HEADER_BYTES:
                raise InstanceError(
                    "", "expected a safetensors file: the length of its header, then the header"
                )
            content = stream.read(length)
    except (OSError, ValueError) as error:  # also a name that no file can have
        raise PlacewiseError(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) < length:
        raise InstanceError("", f"the header ends too early, after {len(content):,} of {length:,} bytes")
    return parse_header(content, size - 8 - length)


def parse_header(content: bytes, data_bytes: int) -> dict[str, Stored]:
    """Return the tensors that a header names.

    Parameters
    ----------
    content : bytes
        The header's JSON.
    data_bytes : int
        What follows it in the file; 0 = the header was fetched alone.

    Raises
    ------
    InstanceError
        Naming the tensor.
    """
    try:
        document = strict_json.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise InstanceError("", "expected a header in UTF-8") from None
    if not isinstance(document, dict):
        raise InstanceError("", f"expected an object of tensors, found {short(document)}")
    found, places = {}, []
    for name, stated in document.items():
        if name == "__metadata__":
            continue
        found[name], place = _tensor(stated, join("", name))
        places.append((place, name))
    end = 0
    for (first, last), name in sorted(places):
        if first != end:
            raise InstanceError(
                f"{join('', name)}.data_offsets",
                f"expected to begin at {end}, where the one before ends, found {first}",
            )
        end = last
    if data_bytes not in (0, end):
        raise InstanceError(
            "", f"expected {end:,} bytes of tensors behind the header, or none of them, found {data_bytes:,}"
        )
    return found


def _tensor(stated: Any, path: str) -> tuple[Stored, tuple[int, int]]:
    if not isinstance(stated, dict) or set(stated) != {"dtype", "shape", "data_offsets"}:
        raise InstanceError(path, f"expected dtype, shape and data_offsets, found {short(stated)}")
    dtype, shape, place = stated["dtype"], stated["shape"], stated["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise InstanceError(f"{path}.dtype", f"expected one of {', '.join(BITS)}, found {short(dtype)}")
    if not _counts(shape) or len(shape) > MOST_DIMENSIONS:
        raise InstanceError(f"{path}.shape", f"expected up to {MOST_DIMENSIONS} sizes, found {short(shape)}")
    if not _counts(place) or len(place) != 2:
        raise InstanceError(f"{path}.data_offsets", f"expected first and last byte, found {short(place)}")
    bits = math.prod(shape) * BITS[dtype]
    if bits % 8 or bits // 8 != place[1] - place[0] or bits // 8 > LARGEST_TENSOR_BYTES:
        raise InstanceError(
            f"{path}.data_offsets",
            f"expected as many bytes as {short(shape)} of {dtype} take ({short(bits / 8 if bits < 2**60 else bits)}), "
            f"found {short(place[1] - place[0])}",
        )
    return Stored(dtype, tuple(shape), bits // 8), (place[0], place[1])


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 2**60 for n in values
    )
