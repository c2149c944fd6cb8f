"""The instance file, declared: what each key may hold. The shipped JSON Schema is written from here.

``python -m placewise.instances.schema`` prints it.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from placewise.instances.strict_json import join
from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[float, Field(ge=0, le=MAX_BYTES, multiple_of=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1, le=4096)]


class Part(BaseModel):
    """Base of all parts: unknown keys and wrong types are errors, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DeviceSpec(Part):
    """One device, or ``count`` equal ones named ``name-0``, ``name-1``, ..."""

    name: Name
    count: Count = 1
    memory_bytes: Bytes
    flops_per_s: Positive | None = None
    memory_bytes_per_s: Positive | None = None


class LinkSpec(Part):
    """A full mesh of one bandwidth, and the directed links that differ."""

    default: Amount
    links: list[tuple[Name, Name, Amount]] = []
    symmetric: bool = False


class ClusterSpec(Part):
    """Devices and bandwidths; row = sender, the diagonal is null, 0 = no link."""

    devices: Annotated[list[DeviceSpec], Field(min_length=1, max_length=4096)]
    bandwidth_bytes_per_s: list[list[Amount | None]] | LinkSpec | Amount
    latency_s: list[list[Amount | None]] | Amount = 0.0


class LayerSpec(Part):
    """One layer, or ``repeat`` equal ones in a row."""

    name: Name
    memory_bytes: Bytes
    output_bytes: Amount
    flops: Amount | None = None
    weight_bytes: Amount | None = None
    repeat: Count = 1


class ModelSpec(Part):
    """The layers in order."""

    layers: Annotated[list[LayerSpec], Field(min_length=1, max_length=4096)]


class EdgeShardSpec(Part):
    """A file of ``edgeshard-latency`` or ``edgeshard-throughput``."""

    format: Literal["placewise/1"]
    problem: Literal["edgeshard-latency"]
    name: Name
    description: str = ""
    reference: str = ""
    cluster: ClusterSpec
    model: ModelSpec
    compute_time_s: list[list[Amount]] | None = None
    source_device: Name
    return_bytes: Amount = 0.0


#: The file's declaration by problem.
SPECS: dict[str, type[EdgeShardSpec]] = {"edgeshard-latency": EdgeShardSpec}


def parse(document: Any) -> EdgeShardSpec:
    """Check a document against its problem's declaration.

    Raises
    ------
    InstanceError
        Naming the path of the first wrong value and what was expected there.
    """
    if not isinstance(document, dict):
        raise InstanceError("", f"expected an object, found {_kind(document)}")
    if document.get("format") != "placewise/1":
        raise InstanceError("format", f"expected 'placewise/1', found {_short(document.get('format'))}")
    problem = document.get("problem")
    if not isinstance(problem, str) or problem not in SPECS:
        raise InstanceError("problem", f"expected one of {', '.join(SPECS)}, found {_short(problem)}")
    try:
        return SPECS[problem].model_validate(document)
    except ValidationError as error:
        raise _first_error(error) from None


def _first_error(error: ValidationError) -> InstanceError:
    # Of a value with several allowed forms, the form that came furthest explains best.
    detail = max(error.errors(include_url=False), key=lambda e: _depth(e["loc"]))
    first = error.errors(include_url=False)[0]
    if _path(first["loc"]) != _path(detail["loc"])[: len(_path(first["loc"]))]:
        detail = first
    expected = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        text = "unknown key"
    elif detail["type"] == "missing":
        text = "expected a value, found none"
    elif detail["type"].startswith(("too_", "value_error")):
        text = expected
    else:
        text = f"expected {expected}, found {_short(detail['input'])}"
    return InstanceError(_path(detail["loc"]), text)


def _depth(location: tuple[int | str, ...]) -> int:
    return sum(isinstance(part, int) for part in location)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part not in _FORMS:
            path = join(path, part)
    return path


#: Words by which pydantic names the form of a union that it tried.
_FORMS = {"LinkSpec", "float", "none"}


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number")


def _short(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return _kind(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of all instance files."""
    union: Any = SPECS["edgeshard-latency"]
    for spec in SPECS.values():
        union = union | spec
    return TypeAdapter(union).json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
