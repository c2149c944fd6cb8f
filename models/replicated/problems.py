"""Replicated throughput as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.problem import Formulation, Problem
from placewise.models.replicated import milp, placement, space, stages, textbook
from placewise.models.replicated.cost import floor_s
from placewise.models.replicated.data import PARTIAL_INFERENCE, options
from placewise.models.replicated.diagnosis import diagnose
from placewise.models.replicated.resources import resources, scaled

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement

REPLICATED: Problem[ReplicatedThroughput, Placement] = Problem(
    name="replicated-throughput",
    title="Replicated throughput: nodes hold intervals of layers, for the most tokens per second",
    unit="s",
    evaluate=placement.evaluate,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=floor_s,
    diagnose=diagnose,
    resources=resources,
    scaled=scaled,
    count=space.count,
    placements=space.placements,
    formulations={
        "intervals": Formulation(
            "a token's flow through intervals of layers, no large constant",
            milp.interval_milp,
            milp.extract,
            milp.start,
            milp.tighten,
            frozenset({PARTIAL_INFERENCE}),
        ),
        "textbook": Formulation(
            "Helix' statement: first layers, sizes, valid connections, each product linearised",
            textbook.helix_milp,
            textbook.extract,
            textbook.start,
            milp.tighten,
            frozenset({PARTIAL_INFERENCE}),
        ),
    },
    default_methods=("plans",),
    first_methods=("swarm",),
    probing_methods=("swarm", "petals"),
    stages=stages.stages,
    options=options,
)
