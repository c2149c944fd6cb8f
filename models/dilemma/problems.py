"""DILEMMA as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.dilemma import milp, placement, space, stages
from placewise.models.dilemma.cost import floor_s
from placewise.models.dilemma.diagnosis import diagnose
from placewise.models.dilemma.resources import resources, scaled
from placewise.models.problem import Formulation, Problem
from placewise.models.time_model import left_out

if TYPE_CHECKING:
    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement

DILEMMA: Problem[DilemmaInstance, Placement] = Problem(
    name="dilemma",
    title="DILEMMA: placement and bit-width of each layer, for the least delay",
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
        "flow": Formulation(
            "layered flow over servers and widths; both modes",
            milp.delay_milp,
            milp.extract,
            milp.start,
            milp.tighten,
        ),
    },
    default_methods=("labels",),
    first_methods=("quantize-then-place",),
    probing_methods=("quantize-then-place", "uniform-width"),
    stages=stages.stages,
    left_out=lambda instance: left_out(instance.time_model),
)
