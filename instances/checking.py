"""Checking a document, or a part of one, against its declaration: errors that name the path and what was expected."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

_Spec = TypeVar("_Spec", bound=BaseModel)


def check(spec: type[_Spec], document: Any) -> _Spec:
    """Check a document, or a part of one, against its declaration; raise `InstanceError` with the path.

    Parameters
    ----------
    spec : type
        The declaration, a pydantic model.
    document : object
        What a file holds, as parsed from JSON.
    """
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
    return InstanceError(path, f"expected {expected}, found {shortened(detail['input'])}")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<"):  # the form of a value that has several
            path = join(path, part)
    return path


def kind(value: Any) -> str:
    """Return what a value is in JSON's words."""
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false"}.get(
        type(value), "a number"
    )


def shortened(value: Any) -> str:
    """Return a value for a message, in a few characters."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return kind(value)
    return short(value)
