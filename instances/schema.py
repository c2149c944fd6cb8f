"""Checking a document against its problem's declaration, and the JSON Schema that is written from it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError
from placewise.models.lazy import load

if TYPE_CHECKING:
    from placewise.instances.formats.common import Head

_Spec = TypeVar("_Spec", bound=BaseModel)
_FORMATS = "placewise.instances.formats"

#: Per problem the module that declares (``SPEC``), builds and writes its file.
FORMATS: dict[str, str] = {
    "edgeshard-latency": f"{_FORMATS}.edgeshard",
    "edgeshard-throughput": f"{_FORMATS}.edgeshard",
    "edgeshard-batch": f"{_FORMATS}.edgeshard_batch",
    "dilemma": f"{_FORMATS}.dilemma",
    "head-migration": f"{_FORMATS}.head_migration",
    "head-migration-decoder": f"{_FORMATS}.head_migration_decoder",
}


def spec_of(problem: str) -> type[Head]:
    """Return the declaration of a problem's file."""
    spec: type[Head] = load(f"{FORMATS[problem]}:SPEC")
    return spec


def parse(document: Any) -> Head:
    """Check a document against its problem's declaration.

    Raises
    ------
    InstanceError
        Naming the path of the first wrong value and what was expected there.
    """
    if not isinstance(document, dict):
        raise InstanceError("", f"expected an object, found {_kind(document)}")
    if "model_type" in document:
        raise InstanceError(
            "model_type", "a model's config.json is no instance yet: expected --cluster with it"
        )
    if document.get("format") != "placewise/1":
        raise InstanceError("format", f"expected 'placewise/1', found {_short(document.get('format'))}")
    problem = document.get("problem")
    if not isinstance(problem, str) or problem not in FORMATS:
        raise InstanceError("problem", f"expected one of {', '.join(FORMATS)}, found {_short(problem)}")
    return check(spec_of(problem), document)


def check(spec: type[_Spec], document: Any) -> _Spec:
    """Check a document, or a part of one, against its declaration; raise `InstanceError` with the path."""
    try:
        return spec.model_validate(document)
    except ValidationError as error:
        raise _first_error(error) from None


def _first_error(error: ValidationError) -> InstanceError:
    detail = error.errors(include_url=False)[0]
    expected = detail["msg"].removeprefix("Input should be ").replace("a valid", "a")
    expected = expected.replace("greater than or equal to", ">=").replace("less than or equal to", "<=")
    path = _path(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return InstanceError(path, "unknown key")
    if detail["type"] == "missing":
        return InstanceError(path, "expected a value, found none")
    if "too_short" in detail["type"] or "too_long" in detail["type"]:
        bounds = detail["ctx"]
        word = (
            f"at least {bounds['min_length']}"
            if "min_length" in bounds
            else f"at most {bounds['max_length']}"
        )
        unit = "characters" if isinstance(detail["input"], str) else "entries"
        return InstanceError(path, f"expected {word} {unit}, found {len(detail['input'])}")
    if detail["type"] in ("string_pattern_mismatch", "string_unicode"):
        expected = "printable text"
    if detail["type"] == "union_tag_invalid":
        expected = "a number or a matrix"
    if detail["type"] == "multiple_of":
        expected = "a whole number"
    return InstanceError(path, f"expected {expected}, found {_short(detail['input'])}")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<"):  # the form of a value that has several
            path = join(path, part)
    return path


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false"}.get(
        type(value), "a number"
    )


def _short(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return _kind(value)
    return short(value)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of all instance files."""
    specs = dict.fromkeys(spec_of(problem) for problem in FORMATS)
    schema = TypeAdapter(reduce(or_, specs)).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "placewise instance",
        **schema,
    }
