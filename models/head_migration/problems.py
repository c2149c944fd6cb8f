"""Head-level placement, of one decoder layer and of several, each as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.head_migration import (
    cost,
    decoder,
    diagnosis,
    milp,
    milp_values,
    modes,
    placement,
    resources,
    space,
    stages,
    textbook,
)
from placewise.models.head_migration.decoder_milp import decoder_milp
from placewise.models.head_migration.decoder_milp import extract as extract_decoder
from placewise.models.head_migration.decoder_milp import start as start_decoder
from placewise.models.head_migration.decoder_milp import tighten as tighten_decoder
from placewise.models.problem import Formulation, Problem
from placewise.models.time_model import left_out

if TYPE_CHECKING:
    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.decoder import DecoderInstance, DecoderTrajectory
    from placewise.models.head_migration.placement import Trajectory

HEAD_MIGRATION: Problem[HeadMigrationInstance, Trajectory] = Problem(
    name="head-migration",
    title="attention heads, projection and network over time, for the least delay with migration",
    unit="s",
    evaluate=placement.evaluate,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=cost.floor_s,
    diagnose=diagnosis.diagnose,
    resources=resources.resources,
    scaled=resources.scaled,
    count=space.count,
    placements=space.placements,
    formulations={
        "counts": Formulation(
            "equal heads counted per device, moves as transports; any horizon",
            milp.horizon_milp,
            milp_values.extract,
            milp_values.start,
            milp_values.tighten,
        ),
        "modes": Formulation(
            "a place of the projection and a limit on the heads' time chosen together; small sizes",
            modes.modes_milp,
            milp_values.extract,
            modes.start,
            milp_values.tighten,
        ),
        "textbook": Formulation(
            "the paper's statement, one variable per block and device, each product linearised",
            textbook.block_milp,
            textbook.extract,
            textbook.start,
            milp_values.tighten,
        ),
    },
    default_methods=("step", "lookahead", "modes", "horizon"),
    first_methods=("greedy-delay",),
    probing_methods=("step", "receding"),
    stages=stages.stages,
    left_out=lambda instance: left_out(instance.time_model),
)

DECODER: Problem[DecoderInstance, DecoderTrajectory] = Problem(
    name="head-migration-decoder",
    title="heads, projections and networks of several decoder layers over time, memory shared",
    unit="s",
    evaluate=decoder.evaluate,
    placement_of=decoder.placement_of,
    to_json=decoder.to_json,
    from_json=decoder.from_json,
    floor=decoder.floor_s,
    diagnose=decoder.diagnose,
    resources=resources.decoder_resources,
    scaled=resources.scaled_decoder,
    count=space.decoder_count,
    placements=space.decoder_placements,
    formulations={
        "counts": Formulation(
            "the counts model once per layer, memory as heads beside so many projections and networks",
            decoder_milp,
            extract_decoder,
            start_decoder,
            tighten_decoder,
        ),
    },
    default_methods=("bounded", "highs"),
    first_methods=("one-device", "layer-by-layer"),
    probing_methods=("one-device", "layer-by-layer"),
    stages=stages.decoder_stages,
    left_out=lambda instance: left_out(instance.layer.time_model),
)
