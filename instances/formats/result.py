"""The file that states a result, ``placewise-result/1``, and a placement alone: what may stand where."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from placewise.instances.checking import check
from placewise.instances.formats.common import Amount, Name, Part
from placewise.models.errors import InstanceError

FORMAT = "placewise-result/1"
Number = Annotated[float, Field(allow_inf_nan=False)]


class ConfirmedSpec(Part):
    """A second method that came to the same."""

    model_config = ConfigDict(extra="ignore")

    method: Name
    dual_bound: Number | None = None


class ResultSpec(Part):
    """What a result states; a key that is absent or null states nothing, and others are for other readers."""

    model_config = ConfigDict(extra="ignore")

    format: Literal["placewise-result/1"] | None = None
    instance: str | None = None
    instance_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    problem: str | None = None
    method: Name | None = None
    guarantee: str | None = None
    status: str | None = None
    objective: Number | None = None
    unit: str | None = None
    dual_bound: Number | None = None
    relative_gap: Number | None = None
    terms: dict[str, Number] | None = None
    placement: Any = None
    violations: list[str] | None = None
    conflicts: list[str] | None = None
    message: str | None = None
    seconds: dict[str, Amount] | None = None
    versions: dict[str, str] | None = None
    termination: dict[str, Any] | None = None
    confirmed_by: ConfirmedSpec | None = None


def parse_result(document: Any) -> ResultSpec:
    """Check the document of a result, or of a placement alone (``{"placement": ...}``).

    Raises
    ------
    InstanceError
        Naming the path of the first wrong value and what was expected there.
    """
    if not isinstance(document, dict) or document.get("format", FORMAT) != FORMAT:
        raise InstanceError("format", f"expected {FORMAT!r}")
    if "format" not in document and "placement" not in document:
        raise InstanceError("format", f"expected {FORMAT!r}, or a placement alone")
    return check(ResultSpec, document)
