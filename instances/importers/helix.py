"""Clusters of Helix (ASPLOS '25) as its ``.ini`` files state them: types of nodes, and links with bandwidth and latency.

Helix's ``mbps`` are megabytes per second: its own throughputs of links are ``bandwidth / bytes of a token``, and its
10 Gb/s network is written as 1,250 mbps. A link between two nodes stands once and holds in both directions. As a cluster
file, what a type has is the catalogue's; ``T4x2`` is a node with twice as much, and the coordinator, Helix's source and
sink, is a device that computes nothing and holds the input.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
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


@dataclass(frozen=True)
class HelixCluster:
    """What a file states.

    Parameters
    ----------
    numbers, types : tuple of str
        Of each node, as its section states them, in the order of the file.
    links : dict of str to list of list of float
        By ``bandwidth`` in bytes per second and ``latency`` in seconds: from row to column, 0 = no link; row and column
        0 are the source and the sink, then come the nodes.
    """

    numbers: tuple[str, ...]
    types: tuple[str, ...]
    links: dict[str, list[list[float]]]


def parsed(text: str) -> configparser.ConfigParser:
    """Return an ``.ini`` file's sections, or raise `InstanceError` where it is none."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=("#",))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise InstanceError("", f"not an .ini file: {' '.join(str(error).split())[:200]}") from None
    return parser


def cluster_of(text: str, keys: tuple[str, ...] = ("bandwidth",)) -> HelixCluster:
    """Return what a cluster of Helix states.

    Parameters
    ----------
    text : str
        Of the ``.ini`` file.
    keys : tuple of str
        Of its links: ``bandwidth``, ``latency``.

    Raises
    ------
    InstanceError
        Naming the section that is missing, or what is wrong in it.
    """
    parser = parsed(text)
    nodes = {
        section[12:]: section
        for section in parser.sections()
        if re.fullmatch(r"ComputeNode-\d{1,6}", section)
    }
    if not nodes:
        raise InstanceError("ComputeNode-0", "expected a section for each node, found none")
    if len(nodes) >= MAX_DEVICES:
        raise InstanceError("", f"expected at most {MAX_DEVICES - 1} nodes, found {len(nodes)}")
    total = parser.get("NodeNames", "total_compute_nodes", fallback=str(len(nodes))).strip()
    if total != str(len(nodes)):
        found = f"found {short(total)} and {len(nodes)} sections"
        raise InstanceError("NodeNames.total_compute_nodes", f"expected the number of nodes, {found}")
    position = {number: n for n, number in enumerate(nodes, start=1)}
    size = len(nodes) + 1
    links = {key: [[0.0] * size for _ in range(size)] for key in keys}
    for section in parser.sections():
        match = re.fullmatch(r"Link-(source|\d{1,6})-(sink|\d{1,6})", section)
        if match is None:
            if section.startswith("Link-"):
                raise InstanceError(
                    section, "expected a link between two nodes, from the source or to the sink"
                )
            continue
        a, b = (0 if end in ("source", "sink") else position.get(end) for end in match.groups())
        if a is None or b is None or a == b:
            raise InstanceError(section, "expected a link between two nodes, from the source or to the sink")
        back = a and b and not parser.has_section(f"Link-{match[2]}-{match[1]}")
        for key, table in links.items():
            table[a][b] = _amount(parser, section, key)
            if back:
                table[b][a] = table[a][b]
    types = tuple(parser[section].get("type", "").strip() for section in nodes.values())
    return HelixCluster(tuple(nodes), types, links)


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
    found = cluster_of(text, ("bandwidth", "latency"))
    devices: list[dict[str, Any]] = [{"name": COORDINATOR, "memory_bytes": 0}]
    devices += [_device(*node) for node in zip(found.types, found.numbers, strict=True)]
    tables: dict[str, list[list[float | None]]] = {
        key: [[None if k == j else value for j, value in enumerate(row)] for k, row in enumerate(table)]
        for key, table in found.links.items()
    }
    return {
        "devices": devices,
        "bandwidth_bytes_per_s": tables["bandwidth"],
        "latency_s": tables["latency"],
        "source": COORDINATOR,
    }


def _device(stated: str, number: str) -> dict[str, Any]:
    found = re.fullmatch(r"([A-Z]\d{1,4})(?:x(\d))?", stated)
    if found is None or found[1] not in _TYPES:
        raise InstanceError(
            f"ComputeNode-{number}.type",
            f"expected {', '.join(_TYPES)}, or one as T4x2, found {short(stated)}",
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
