"""Helix' files (ASPLOS 2025): a cluster as its planner reads it, and a plan as it writes it.

What nodes do per second is not in a cluster file but follows from measured profiles; here a second file states it, by type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.checking import check
from placewise.instances.files import blaming, read_json, read_text
from placewise.instances.formats.replicated import TypesSpec
from placewise.instances.importers.helix import HelixCluster, cluster_of, parsed
from placewise.instances.strict_json import short
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError
from placewise.models.nearest import meant
from placewise.models.replicated.data import NodeType, ReplicatedThroughput
from placewise.models.replicated.placement import NOTHING, placement_of

if TYPE_CHECKING:
    from pathlib import Path

    from placewise.models.replicated.flow import Placement


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
    with blaming(str(cluster)):
        return _instance(cluster_of(read_text(cluster)), spec, name)


def _instance(stated: HelixCluster, spec: TypesSpec, name: str) -> ReplicatedThroughput:
    names = [kind.name for kind in spec.node_types]
    for number, kind in zip(stated.numbers, stated.types, strict=True):
        if kind not in names:
            path = f"ComputeNode-{number}.type"
            raise InstanceError(
                path, f"expected one of {', '.join(names)}, found {short(kind)}{meant(kind, names)}"
            )
    rates = np.array(stated.links["bandwidth"])
    return ReplicatedThroughput(
        Cluster([f"node-{number}" for number in stated.numbers], 0, rates[1:, 1:]),
        [NodeType(kind.name, kind.tokens_per_s) for kind in spec.node_types if kind.name in stated.types],
        stated.types,
        spec.model.layers,
        activation_bytes=spec.model.activation_bytes,
        token_bytes=spec.model.token_bytes,
        source_bandwidth_bytes_per_s=rates[0, 1:],
        sink_bandwidth_bytes_per_s=rates[1:, 0],
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
    position = {name: index for index, name in enumerate(instance.cluster.device_names)}
    with blaming(str(plan)):
        found = [NOTHING] * instance.cluster.size
        document = parsed(read_text(plan))
        offset = document.get("Settings", "offset", fallback="")
        if not re.fullmatch(r"\d{1,4}", offset):
            raise InstanceError("Settings.offset", f"expected a whole number, found {short(offset)}")
        for key, text in document["Solution"].items() if document.has_section("Solution") else ():
            match = re.fullmatch(r"compute_node_(\d{1,6})", key)
            node = position.get(f"node-{int(match[1]) - int(offset)}") if match else None
            if node is None:
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
