"""Helix' files (ASPLOS 2025): a cluster as its planner reads it, and a plan as it writes it.

A cluster file says of each node its type and which nodes it is linked with, and of each link a bandwidth, which holds
in both directions. Its ``mbps`` are million bytes per second: by that its planner divides the size of a message. What
nodes do per second is not in it but follows from measured profiles; here a second file states it, by type.
"""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.checking import check
from placewise.instances.files import blaming, read_json, read_text
from placewise.instances.formats.replicated import TypesSpec
from placewise.instances.importers.helix import amount
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.replicated.data import NodeType, ReplicatedThroughput
from placewise.models.replicated.placement import NOTHING, placement_of

if TYPE_CHECKING:
    from pathlib import Path

    from placewise.models.replicated.flow import Placement

_ENDS = ("source", "sink")


def read_cluster_ini(cluster: str | Path, types: str | Path, *, name: str = "helix") -> ReplicatedThroughput:
    """Return the instance of a cluster file with the tokens per second of its types.

    Parameters
    ----------
    cluster : path
        As Helix' generator of clusters writes it: ``[ComputeNode-0]``, ``[Link-source-0]``, ``[Link-0-1]``, ...
    types : path
        JSON with ``node_types`` and ``model`` as in an instance file of ``replicated-throughput``, which may be one.
    name : str
        Of the instance.

    Raises
    ------
    PlacewiseError
        In one line: which file, where, and what was expected.
    """
    document = read_json(types)
    with blaming(str(types)):
        known = document if isinstance(document, dict) else {}
        spec = check(TypesSpec, {key: known[key] for key in ("node_types", "model") if key in known})
    parsed = _parsed(cluster)
    with blaming(str(cluster)):
        return _instance(parsed, spec, name)


def _instance(parsed: configparser.ConfigParser, spec: TypesSpec, name: str) -> ReplicatedThroughput:
    size = _whole(parsed, "NodeNames", "total_compute_nodes")
    kinds = [_value(parsed, f"ComputeNode-{i}", "type") for i in range(size)]
    names = [kind.name for kind in spec.node_types]
    for i, kind in enumerate(kinds):
        if kind not in names:
            raise InstanceError(
                f"ComputeNode-{i}.type", f"expected one of {', '.join(names)}, found {kind!r}"
            )
    between, ends = np.zeros((size, size)), {end: np.zeros(size) for end in _ENDS}
    for section in parsed.sections():
        if not section.startswith("Link-"):
            continue
        a, b = _pair(section, size)
        rate = amount(parsed, section, "bandwidth")
        if a == "source":
            ends["source"][int(b)] = rate
        elif b == "sink":
            ends["sink"][int(a)] = rate
        else:
            between[int(a), int(b)] = between[int(b), int(a)] = rate
    used = [kind for kind in spec.node_types if kind.name in kinds]
    return ReplicatedThroughput(
        Cluster([f"node-{i}" for i in range(size)], 0, between),
        [NodeType(kind.name, kind.tokens_per_s) for kind in used],
        kinds,
        spec.model.layers,
        activation_bytes=spec.model.activation_bytes,
        token_bytes=spec.model.token_bytes,
        source_bandwidth_bytes_per_s=ends["source"],
        sink_bandwidth_bytes_per_s=ends["sink"],
        name=name,
        reference="Helix, ASPLOS 2025",
    )


def read_plan_ini(instance: ReplicatedThroughput, plan: str | Path) -> Placement:
    """Return a plan as Helix writes it: the layers of each node, ``compute_node_2=[0, 1, 2]``, from an offset on.

    Parameters
    ----------
    instance : ReplicatedThroughput
        Whose nodes, in the order of the cluster file.
    plan : path
        With a section ``Solution``, and ``offset`` among its ``Settings``.

    Raises
    ------
    InstanceError, PlacewiseError
        In one line: which file, where, and what was expected.
    """
    parsed = _parsed(plan)
    with blaming(str(plan)):
        offset = _whole(parsed, "Settings", "offset")
        found = [NOTHING] * instance.cluster.size
        for key, text in parsed["Solution"].items() if parsed.has_section("Solution") else ():
            match = re.fullmatch(r"compute_node_(\d{1,6})", key)
            node = int(match[1]) - offset if match else -1
            if not 0 <= node < len(found):
                raise InstanceError(f"Solution.{key}", f"expected a node of {instance.name}")
            listed = re.fullmatch(r"\[(\s*\d{1,6}\s*(,\s*\d{1,6}\s*)*)?\]", text)
            layers = [int(number) for number in re.findall(r"\d+", text)] if listed else [-1]
            if layers and (min(layers) < 0 or layers != list(range(layers[0], layers[0] + len(layers)))):
                raise InstanceError(f"Solution.{key}", f"expected layers in a row, found {text[:60]!r}")
            found[node] = (layers[0], layers[-1] + 1) if layers else NOTHING
        placement, violations = placement_of(instance, found)
        if placement is None:
            raise InstanceError("Solution", violations[0].message)
        return placement


def _parsed(path: str | Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=("#",))
    text = read_text(path)
    try:
        parsed.read_string(text)
    except configparser.Error as error:
        raise PlacewiseError(f"{path}: expected an .ini file; {' '.join(str(error).split())}") from None
    return parsed


def _value(parsed: configparser.ConfigParser, section: str, key: str) -> str:
    if not parsed.has_option(section, key):
        raise InstanceError(f"{section}.{key}", "expected a value, found none")
    return parsed.get(section, key)


def _whole(parsed: configparser.ConfigParser, section: str, key: str) -> int:
    text = _value(parsed, section, key)
    if not re.fullmatch(r"\d{1,4}", text):
        raise InstanceError(f"{section}.{key}", f"expected a whole number, found {text[:60]!r}")
    return int(text)


def _pair(section: str, size: int) -> tuple[str, str]:
    match = re.fullmatch(r"Link-(source|\d{1,4})-(sink|\d{1,4})", section)
    if match is None or any(end not in _ENDS and int(end) >= size for end in match.groups()):
        raise InstanceError(section, "expected a link between two nodes, from the source, or to the sink")
    if match[1] == match[2] or (match[1], match[2]) == _ENDS:
        raise InstanceError(section, "expected a link between a node and another one, the source or the sink")
    return match[1], match[2]
