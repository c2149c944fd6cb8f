"""Clusters of Helix (ASPLOS '25) as its ``.ini`` files state them: types of nodes, and links with bandwidth and latency.

Helix's ``mbps`` are megabytes per second: its own throughputs of links are ``bandwidth / bytes of a token``, and its
10 Gb/s network is written as 1,250 mbps. What a type has is the catalogue's; ``T4x2`` is a node with twice as much.
The coordinator, Helix's source and sink, is a device that computes nothing and holds the input.
"""

from __future__ import annotations

import configparser
import re
from fractions import Fraction
from typing import Any

from placewise.instances.catalogue import device_type
from placewise.instances.strict_json import short
from placewise.models.cluster import MAX_DEVICES
from placewise.models.errors import InstanceError

#: Types of nodes on Google Cloud, as the catalogue has them.
_TYPES = {"A100": "a100-40gb", "V100": "v100-sxm2-16gb", "T4": "t4", "L4": "l4"}
_UNITS: dict[str, dict[str, int | Fraction]] = {
    "bandwidth": {"kbps": 10**3, "mbps": 10**6, "gbps": 10**9},
    "latency": {"sec": 1, "millisec": Fraction(1, 10**3), "microsec": Fraction(1, 10**6)},
}
_SECTION = re.compile(r"^\s*\[(NodeNames|SourceNode|ComputeNode-\d+)\]", re.MULTILINE)
COORDINATOR = "coordinator"


def is_helix(text: str) -> bool:
    """Whether a text looks like a cluster of Helix."""
    return _SECTION.search(text) is not None


def cluster_document(text: str) -> dict[str, Any]:
    """Return a cluster of Helix as a cluster file states it.

    Parameters
    ----------
    text : str
        Of the ``.ini`` file.

    Raises
    ------
    InstanceError
        Naming the section that is missing, or what is wrong in it.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise InstanceError("", f"not an .ini file: {' '.join(str(error).split())[:200]}") from None
    nodes = {
        section[12:]: section
        for section in parser.sections()
        if re.fullmatch(r"ComputeNode-\d{1,6}", section)
    }
    if not nodes:
        raise InstanceError("ComputeNode-0", "expected a section for each node, found none")
    if len(nodes) >= MAX_DEVICES:
        raise InstanceError("", f"expected at most {MAX_DEVICES - 1} nodes, found {len(nodes)}")
    devices: list[dict[str, Any]] = [{"name": COORDINATOR, "memory_bytes": 0}]
    devices += [_node(parser, section, number) for number, section in nodes.items()]
    position = {"source": 0, "sink": 0} | {number: n for n, number in enumerate(nodes, start=1)}
    tables: dict[str, list[list[float | None]]] = {
        key: [[None if k == j else 0.0 for j in range(len(devices))] for k in range(len(devices))]
        for key in _UNITS
    }
    for section in parser.sections():
        found = re.fullmatch(r"Link-(\w{1,9})-(\w{1,9})", section)
        if found is None:
            continue
        ends = [position.get(end) for end in found.groups()]
        if None in ends or ends[0] == ends[1]:
            raise InstanceError(section, "expected a link between two nodes, source or sink")
        for key, table in tables.items():
            table[ends[0] or 0][ends[1] or 0] = _amount(parser, section, key)
    return {
        "devices": devices,
        "bandwidth_bytes_per_s": tables["bandwidth"],
        "latency_s": tables["latency"],
        "source": COORDINATOR,
    }


def _node(parser: configparser.ConfigParser, section: str, number: str) -> dict[str, Any]:
    stated = parser[section].get("type", "").strip()
    found = re.fullmatch(r"([A-Z]\d{1,4})(?:x(\d))?", stated)
    if found is None or found[1] not in _TYPES:
        raise InstanceError(
            f"{section}.type", f"expected {', '.join(_TYPES)}, or one as T4x2, found {short(stated)}"
        )
    times = int(found[2] or 1)
    name = f"{stated.lower()}-{number}"
    if times == 1:
        return {"name": name, "device": _TYPES[found[1]]}
    device = device_type(_TYPES[found[1]])
    return {
        "name": name,
        "memory_bytes": (device.memory_bytes or 0) * times,
        "flops_per_s": (device.flops_per_s or 0) * times,
        "memory_bytes_per_s": device.memory_bytes_per_s * times,
    }


def _amount(parser: configparser.ConfigParser, section: str, key: str) -> float:
    """Return ``1000 * mbps`` in bytes per second, ``1 * MilliSec`` in seconds."""
    text = parser[section].get(key, "").strip()
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*\*\s*([A-Za-z]{1,9})", text)
    factor = _UNITS[key].get(found[2].lower()) if found else None
    if found is None or factor is None:
        expected = " or ".join(f"1 * {unit}" for unit in _UNITS[key])
        raise InstanceError(f"{section}.{key}", f"expected {expected}, found {short(text)}")
    return float(Fraction(found[1]) * factor)
