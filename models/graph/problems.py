"""Graph throughput and latency, an object each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.graph import milp, placement, sample_milp, space, stages, timeline
from placewise.models.graph.cost import floor_s
from placewise.models.problem import Formulation, Problem

if TYPE_CHECKING:
    from placewise.models.graph.data import GraphLatency, GraphThroughput
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

GRAPH_LATENCY: Problem[GraphLatency, Placement] = Problem(
    name="graph-latency",
    title="Graph latency: contiguous parts of a graph that branches, for the least time of one sample",
    unit="s",
    evaluate=timeline.evaluate,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=timeline.floor_s,
    diagnose=space.diagnose,
    resources=space.resources,
    scaled=space.scaled,
    count=space.count,
    placements=space.placements,
    formulations={
        "ranks": Formulation(
            "a device for each node, parts in order by ranks, begin and end of each part",
            sample_milp.rank_milp,
            milp.extract,
            sample_milp.start,
            milp.tighten,
        ),
    },
    default_methods=("ideals", "highs"),
    first_methods=("prefixes",),
    probing_methods=("prefixes",),
    stages=stages.stages_in_time,
)
