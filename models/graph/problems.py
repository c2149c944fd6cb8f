"""Graph throughput as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.graph import milp, placement, space, stages
from placewise.models.graph.cost import floor_s
from placewise.models.problem import Formulation, Problem

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphThroughput
    from placewise.models.graph.placement import Placement

GRAPH: Problem[GraphThroughput, Placement] = Problem(
    name="graph-throughput",
    title="Graph throughput: contiguous parts of a graph that branches, for the least load",
    unit="s",
    evaluate=placement.evaluate,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=floor_s,
    diagnose=space.diagnose,
    resources=space.resources,
    scaled=space.scaled,
    count=space.count,
    placements=space.placements,
    formulations={
        "potentials": Formulation(
            "a device for each node, devices in order by potentials, messages that leave and come",
            milp.potential_milp,
            milp.extract,
            milp.start,
            milp.tighten,
        ),
    },
    default_methods=("ideals", "highs"),
    first_methods=("prefixes",),
    probing_methods=("prefixes",),
    stages=stages.stages,
)
