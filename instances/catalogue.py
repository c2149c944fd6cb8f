"""Devices and transformers from public facts; each file in ``data/`` names its source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from placewise.instances.folder import DATA
from placewise.models.errors import PlacewiseError
from placewise.models.workload import Transformer

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class DeviceType:
    """A kind of device.

    Parameters
    ----------
    name, title, source : str
        Key, for people, and where the numbers come from.
    memory_bytes : int
        Its memory, all of it.
    flops_per_s, memory_bytes_per_s : float
        Peak rates.
    """

    name: str
    title: str
    memory_bytes: int
    flops_per_s: float
    memory_bytes_per_s: float
    source: str


def device_type(name: str) -> DeviceType:
    """Return a kind of device by its key, as in ``jetson-agx-orin-32gb``."""
    return DeviceType(**_load("devices", name))


def transformer(name: str) -> Transformer:
    """Return a transformer by its key, as in ``llama2-7b``."""
    facts = _load("transformers", name)
    del facts["source"]
    return Transformer(**facts)


def catalogued(kind: str) -> list[str]:
    """Return the keys of ``devices`` or ``transformers``."""
    return sorted(path.stem for path in (DATA / kind).glob("*.json"))


def _load(kind: str, name: str) -> dict[str, Any]:
    if name not in catalogued(kind):
        raise PlacewiseError(
            f"{name!r} is not in the catalogue of {kind}; expected one of {', '.join(catalogued(kind))}"
        )
    path: Path = DATA / kind / f"{name}.json"
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts
