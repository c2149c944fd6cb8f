"""Documents of all problems: which declaration one is checked against, and the JSON Schema that is written from them."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from placewise.instances.checking import check, kind, shortened
from placewise.instances.registry import formats
from placewise.models.errors import InstanceError
from placewise.models.nearest import meant

if TYPE_CHECKING:
    from placewise.instances.formats.common import Head


def parse(document: Any) -> Head:
    """Check a document against its problem's declaration.

    Raises
    ------
    InstanceError
        Naming the path of the first wrong value and what was expected there.
    """
    if not isinstance(document, dict):
        raise InstanceError("", f"expected an object, found {kind(document)}")
    if "model_type" in document:
        raise InstanceError(
            "model_type", "a model's config.json is no instance yet: expected --cluster with it"
        )
    if document.get("format") != "placewise/1":
        raise InstanceError("format", f"expected 'placewise/1', found {shortened(document.get('format'))}")
    problem = document.get("problem")
    known = formats()
    if not isinstance(problem, str) or problem not in known:
        raise InstanceError(
            "problem",
            f"expected one of {', '.join(known)}, found {shortened(problem)}{meant(str(problem), known)}",
        )
    return check(known[problem].spec, document)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of all instance files."""
    specs = dict.fromkeys(described.spec for described in formats().values())
    schema = TypeAdapter(reduce(or_, specs)).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "placewise instance",
        **schema,
    }
