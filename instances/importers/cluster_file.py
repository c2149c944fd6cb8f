"""Cluster files as people write them: units, devices of the catalogue, what a system keeps for itself, a source.

What a device's figures mean is settled here and nowhere else. Its memory is what is left of ``memory_bytes`` without
``reserve_bytes``; its rates are their ``efficiency``; each message that it receives takes ``hop_overhead_s`` longer;
``layer_overhead_s`` stays with the device and enters each layer's compute time. A device without memory computes
nothing: its rates need not be stated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.instances import units
from placewise.instances.catalogue import device_type
from placewise.instances.checking import check, kind
from placewise.instances.formats.common import ClusterSpec, build_cluster
from placewise.instances.importers.cluster_keys import (
    CLUSTER_KEYS,
    DEVICE_KEYS,
    KINDS,
    LINK_KEYS,
    RATES,
    SETTINGS,
    unknown_key,
)
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError, PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from placewise.models.cluster import Cluster

#: No figure of a device is larger.
LARGEST = 1e30


@dataclass(frozen=True)
class ClusterFile:
    """What a cluster file says.

    Parameters
    ----------
    cluster : Cluster
        Devices and links.
    source : int
        The device that holds the input, or controls the others; the first one by default.
    note : str
        What the file takes from the catalogue, and what it takes off its figures; empty where they are as stated.
    """

    cluster: Cluster
    source: int = 0
    note: str = ""


def read_cluster_file(document: Any) -> ClusterFile:
    """Return what a cluster file says: devices and links, as an instance has them under ``cluster``, or with units.

    Parameters
    ----------
    document : object
        As parsed from JSON; an instance will do.

    Raises
    ------
    InstanceError
        With the path of what is wrong, and what was probably meant.
    """
    if isinstance(document, dict) and "cluster" in document:
        source = document.get("source_device")
        document = document["cluster"]
        if isinstance(document, dict) and source is not None and "source" not in document:
            document = {**document, "source": source}
    if not isinstance(document, dict):
        raise InstanceError("", f"expected an object with devices, found {kind(document)}")
    _require_known(document, CLUSTER_KEYS, "")
    defaults = {key: document[key] for key in SETTINGS if document.get(key) is not None}
    listed = document.get("devices")
    if not isinstance(listed, list):
        check(ClusterSpec, {"devices": listed} if "devices" in document else {})
        raise InstanceError("devices", f"expected a list, found {kind(listed)}")
    plain, hops, notes = [], [], []
    for position, device in enumerate(listed):
        if not isinstance(device, dict):
            raise InstanceError(f"devices[{position}]", f"expected an object, found {kind(device)}")
        found, hop, note = _device(device, defaults, f"devices[{position}]")
        plain.append(found)
        hops.append(hop)
        notes += [note] if note and note not in notes else []
    _stand_in_rates(plain)
    links = {
        key: _links(document[key], key, key)
        for key in ("bandwidth_bytes_per_s", "latency_s")
        if key in document
    }
    if "source" in document and "source_device" in document:
        raise InstanceError("source_device", "expected source or source_device, found both")
    source = document.get("source", document.get("source_device"))
    spec = check(ClusterSpec, {"devices": plain, **links})
    cluster = build_cluster(spec)
    received = np.repeat(hops, [device.count for device in spec.devices])
    if received.any():
        cluster = replace(cluster, latency_s=cluster.latency_s + received[None, :])
    if document.get("through") is not None:
        cluster = _through(cluster, cluster.index(document["through"], "through"))
    index = 0 if source is None else cluster.index(source, "source")
    return ClusterFile(cluster, index, "; ".join(notes))


def _through(cluster: Cluster, hub: int) -> Cluster:
    """Return the cluster in which what two other devices send each other passes one: first over one link, then the other."""
    rate, wait = cluster.bandwidth_bytes_per_s, cluster.latency_s
    with np.errstate(divide="ignore"):
        passed = 1 / (1 / rate[:, [hub]] + 1 / rate[[hub], :])
    others = ~np.eye(cluster.size, dtype=bool)
    others[hub, :] = others[:, hub] = False
    return replace(
        cluster,
        bandwidth_bytes_per_s=np.where(others, passed, rate),
        latency_s=np.where(others, wait[:, [hub]] + wait[[hub], :], wait),
    )


def _require_known(document: dict[str, Any], known: Iterable[str], path: str) -> None:
    for key, value in document.items():
        if key not in known:
            raise unknown_key(key, value, known, path)


def _device(device: dict[str, Any], defaults: dict[str, Any], path: str) -> tuple[dict[str, Any], float, str]:
    """Return a device as instance files have it, the seconds that each message to it takes longer, and a note."""
    _require_known(device, DEVICE_KEYS, path)
    found: dict[str, Any] = {key: device[key] for key in ("name", "count") if key in device}
    found.setdefault("name", device.get("device"))
    stated = {
        key: _value(device[key], key, join(path, key))
        for key in ("memory_bytes", *RATES)
        if device.get(key) is not None
    }
    looked_up, note = _of_catalogue(device, stated, path)
    stated = looked_up | stated
    settings = {key: (value, key) for key, value in defaults.items()}
    settings |= {key: (device[key], join(path, key)) for key in SETTINGS if device.get(key) is not None}
    if "memory_bytes" in stated:
        found["memory_bytes"] = _left(stated["memory_bytes"], *settings.get("reserve_bytes", (0, "")), path)
    efficiency = _efficiency(*settings.get("efficiency", (1, "")))
    for key in RATES:
        if key in stated:
            rate = stated[key]
            found[key] = float(Fraction(rate) * efficiency) if _is_number(rate) else rate
    if found.get("memory_bytes") != 0 and "layer_overhead_s" in settings:
        found["layer_overhead_s"] = _seconds("layer_overhead_s", *settings["layer_overhead_s"])
    hop = _seconds("hop_overhead_s", *settings["hop_overhead_s"]) if "hop_overhead_s" in settings else 0.0
    return found, hop, note


def _of_catalogue(device: dict[str, Any], stated: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Return the figures of a device of the catalogue, of ``device`` or of a name that is one of its keys; and which."""
    key, here = (
        (device["device"], "device") if device.get("device") is not None else (device.get("name"), "name")
    )
    if not isinstance(key, str):
        if here == "device":
            raise InstanceError(join(path, here), f"expected a device of the catalogue, found {kind(key)}")
        return {}, ""
    if len(stated) == 1 + len(RATES) and here == "name":
        return {}, ""
    try:
        known = device_type(key)
    except PlacewiseError as error:
        if here == "name" and "memory_bytes" in stated:
            return {}, ""
        more = "" if here == "device" else "expected memory_bytes, or a device of the catalogue: "
        raise InstanceError(join(path, here), f"{more}{error}") from None
    figures = {key: getattr(known, key) for key in ("memory_bytes", *RATES)}
    if known.memory_bytes is None and "memory_bytes" not in stated:
        sizes = " or ".join(f"{size / 1e9:g} GB" for size in known.memory_sizes)
        comes = f"{known.title} comes with {sizes}" if sizes else f"{known.title} has no memory of its own"
        raise InstanceError(join(path, "memory_bytes"), f"expected it: {comes}")
    used = {key: value for key, value in figures.items() if value is not None and key not in stated}
    note = f"{known.name} as catalogued" + (f" ({known.precision})" if "flops_per_s" in used else "")
    return used, note if used else ""


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number of at least 0; whatever else it is, the declaration refuses it."""
    return isinstance(value, int | float | Fraction) and not isinstance(value, bool) and 0 <= value < LARGEST


def _value(value: Any, key: str, path: str) -> Any:
    """Return an amount that is written with its unit as a number, exactly; anything else as it is."""
    return units.amount(value, KINDS[key], path) if isinstance(value, str) else value


def _left(memory: Any, reserve: Any, reserve_path: str, path: str) -> Any:
    """Return the whole bytes of a memory that are left of it."""
    if not _is_number(memory):
        return memory
    if not isinstance(memory, Fraction) and memory != int(memory):
        raise InstanceError(
            join(path, "memory_bytes"), f"expected whole bytes, found {memory!r}; did you mean {int(memory)}?"
        )
    if isinstance(reserve, str) and reserve.strip().endswith("%"):
        reserve = units.share(reserve, reserve_path) * Fraction(memory)
    kept = _value(reserve, "reserve_bytes", reserve_path)
    if not _is_number(kept):
        raise InstanceError(
            reserve_path, f'expected bytes, as in 2e9, "2 GB" or "10 %", found {short(reserve)}'
        )
    if kept > memory and memory:
        raise InstanceError(
            reserve_path,
            f"expected at most the memory of {path}, {memory / 1e9:.4g} GB, found {kept / 1e9:.4g} GB",
        )
    return max(math.floor(Fraction(memory) - Fraction(kept)), 0)


def _efficiency(value: Any, path: str) -> Fraction:
    found = units.share(value, path) if isinstance(value, str) else value
    if not _is_number(found) or not 0 < found <= 1:
        raise InstanceError(
            path, f'expected a share of the peak rates, above 0 and up to 1 or "100 %", found {short(value)}'
        )
    return Fraction(found)


def _seconds(key: str, value: Any, path: str) -> float:
    found = _value(value, key, path)
    if not _is_number(found):
        raise InstanceError(
            path, f'expected seconds of at least 0, as in 0.001 or "1 ms", found {short(value)}'
        )
    return float(found)


def _links(value: Any, key: str, path: str) -> Any:
    """Return links as an instance file states them: texts become numbers, wherever a number may stand."""
    if isinstance(value, str):
        return float(units.amount(value, KINDS[key], path))
    if isinstance(value, list):
        return [_links(item, key, f"{path}[{n}]") for n, item in enumerate(value)]
    if isinstance(value, dict):
        _require_known(value, LINK_KEYS, path)
        found = dict(value)
        if "default" in value:
            found["default"] = _links(value["default"], key, f"{path}.default")
        if isinstance(value.get("links"), list):
            found["links"] = [
                [*link[:2], _links(link[2], key, f"{path}.links[{n}][2]")]
                if isinstance(link, list) and len(link) == 3
                else link
                for n, link in enumerate(value["links"])
            ]
        return found
    return value


def _stand_in_rates(devices: list[dict[str, Any]]) -> None:
    """Give a device without memory the least rates of the others: it computes nothing, and no layer's time is read."""
    for key in RATES:
        stated = [one.get(key) for one in devices if one.get("memory_bytes")]
        known = [rate for rate in stated if rate is not None and _is_number(rate)]
        for one in devices:
            if one.get("memory_bytes") == 0 and key not in one and known:
                one[key] = min(known)
