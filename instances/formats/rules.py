"""The keys of an EdgeShard file that say what is asked of a placement beyond the paper."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from placewise.instances.formats.common import Name, Part
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import InstanceError

Number = Annotated[int, Field(ge=0, le=4096)]


class RulesSpec(Part):
    """Contiguous runs, pinned layers, layers per device; a key that is absent asks nothing."""

    contiguous: bool = False
    pinned: dict[Name, Name] = Field(default_factory=dict)
    min_layers: dict[Name, Number] = Field(default_factory=dict)
    max_layers: dict[Name, Number] = Field(default_factory=dict)
    must_use: list[Name] = Field(default_factory=list)


def build_rules(spec: RulesSpec) -> Rules:
    """Return the rules of a checked file, by the names in it."""
    return Rules(
        contiguous=spec.contiguous,
        pinned={_layer(key): device for key, device in spec.pinned.items()},
        min_layers=list(spec.min_layers.items()),
        max_layers=list(spec.max_layers.items()),
        must_use=spec.must_use,
    )


def _layer(key: str) -> int:
    if not (key.isascii() and key.isdigit() and str(int(key)) == key):
        raise InstanceError(f"pinned.{key}", 'expected a layer\'s index as the key, as in "0"')
    return int(key)


def rules_document(rules: Rules, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the keys of rules as a file has them, those that ask for something.

    Parameters
    ----------
    rules : Rules
        By indices.
    names : tuple of str
        Of the devices.
    """
    document: dict[str, Any] = {
        "contiguous": rules.contiguous,
        "pinned": {str(layer): names[int(device)] for layer, device in rules.pinned},
        "min_layers": {names[int(device)]: number for device, number in rules.min_layers},
        "max_layers": {names[int(device)]: number for device, number in rules.max_layers},
        "must_use": [names[int(device)] for device in rules.must_use],
    }
    return {key: value for key, value in document.items() if value}
