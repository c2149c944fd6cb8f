"""Devices and transformers from public facts, each with its source."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from placewise.instances.folder import DATA
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant
from placewise.models.workload import Transformer

if TYPE_CHECKING:
    from pathlib import Path

_MAKERS = re.compile(r"\b(nvidia|geforce|amd|radeon|instinct|apple|intel|qualcomm|mediatek|google|aws)\b")


@dataclass(frozen=True)
class DeviceType:
    """A kind of device, with what its maker states.

    Parameters
    ----------
    name, title, kind : str
        Key, for people, and what it is: a graphics card, a phone, ...
    memory_sizes : tuple of int
        Bytes of memory that it comes with, as sold, ascending: ``24e9`` for 24 GB. Empty for a CPU.
    flops_per_s : float or None
        Peak rate; None where no maker states one.
    memory_bytes_per_s : float
        Peak rate.
    precision : str
        Of `flops_per_s`, as in ``fp16 tensor, dense``.
    source : str
        Where the numbers come from.
    """

    name: str
    title: str
    kind: str
    memory_sizes: tuple[int, ...]
    flops_per_s: float | None
    memory_bytes_per_s: float
    precision: str
    source: str

    @property
    def memory_bytes(self) -> int | None:
        """Its memory, all of it; None where it comes with several sizes, or none of its own."""
        return self.memory_sizes[0] if len(self.memory_sizes) == 1 else None


@cache
def device_types() -> dict[str, DeviceType]:
    """Return the catalogue of devices by key."""
    rows = json.loads((DATA / "devices.json").read_text(encoding="utf-8"))
    return {row["name"]: DeviceType(**row | {"memory_sizes": tuple(row["memory_sizes"])}) for row in rows}


def device_type(name: str) -> DeviceType:
    """Return a kind of device by its key, as in ``rtx-4090`` or, of the sizes that it comes with, ``m2-max-64gb``.

    Parameters
    ----------
    name : str
        Makers, capitals and signs do not count: ``NVIDIA GeForce RTX 4090`` will do.

    Raises
    ------
    PlacewiseError
        Naming near keys where there is none of the name.
    """
    wanted = _plain(name)
    known = {_plain(key): device for key, device in device_types().items()}
    if wanted in known:
        return known[wanted]
    for digits in range(1, 5):  # the size may follow another number, as in v100-sxm2-16gb
        sized = re.fullmatch(rf"(.+)([0-9]{{{digits}}})gb", wanted)
        device = known.get(sized[1]) if sized else None
        if sized and device and int(sized[2]) * 10**9 in device.memory_sizes:
            title, size = f"{device.title} {int(sized[2])} GB", int(sized[2]) * 10**9
            return replace(device, name=f"{device.name}-{int(sized[2])}gb", title=title, memory_sizes=(size,))
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.7)
    near += [key for key in known if len(wanted) > 2 and key.startswith(wanted) and key not in near]
    meant = ", ".join(known[key].name for key in near[:4])
    raise PlacewiseError(
        f"{name[:60]!r} is not in the catalogue of devices; "
        + (f"did you mean {meant}?" if meant else "placewise devices lists it")
    )


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", _MAKERS.sub("", name.lower().replace("_", " ")))


def transformer(name: str) -> Transformer:
    """Return a transformer by its key, as in ``llama2-7b``."""
    known = catalogued("transformers")
    if name not in known:
        raise PlacewiseError(
            f"{name!r} is not in the catalogue of transformers{meant(name, known)}; expected one of {', '.join(known)}"
        )
    path: Path = DATA / "transformers" / f"{name}.json"
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del facts["source"]
    return Transformer(**facts)


def catalogued(kind: str) -> list[str]:
    """Return the keys of ``devices`` or ``transformers``."""
    return (
        list(device_types())
        if kind == "devices"
        else sorted(path.stem for path in (DATA / kind).glob("*.json"))
    )
