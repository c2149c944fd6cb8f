"""EdgeShard's problems, each as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.edgeshard import (
    batch_placement,
    figures,
    memory,
    milp,
    placement,
    rules,
    space,
    stages,
)
from placewise.models.edgeshard.batch_milp import batch_milp
from placewise.models.edgeshard.batch_milp import extract as extract_batch
from placewise.models.edgeshard.batch_milp import start as start_batch
from placewise.models.edgeshard.batch_milp import tighten as tighten_batch
from placewise.models.edgeshard.cost import bottleneck_floor_s, latency_floor_s
from placewise.models.edgeshard.diagnosis import diagnose
from placewise.models.edgeshard.resources import resources, scaled
from placewise.models.edgeshard.times import left_out
from placewise.models.problem import Formulation, Problem

if TYPE_CHECKING:
    from placewise.models.edgeshard.batch_placement import BatchPlacement
    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement

#: The options that every statement honours.
KNOWN = frozenset({memory.SHARED}) | rules.EVERY


def options(instance: EdgeShardInstance | EdgeShardBatch) -> frozenset[str]:
    """Return what an instance of an EdgeShard problem asks for beyond the paper.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatch
        Of any of them.
    """
    return memory.options(instance) | instance.options


LATENCY: Problem[EdgeShardInstance, Placement] = Problem(
    name="edgeshard-latency",
    title="EdgeShard: the least latency per token",
    unit="s",
    evaluate=placement.evaluate_latency,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=latency_floor_s,
    diagnose=diagnose,
    resources=resources,
    scaled=scaled,
    count=space.count,
    placements=space.placements,
    formulations={
        "flow": Formulation(
            "layered flow with memory knapsacks; any layers, revisits allowed",
            milp.latency_milp,
            milp.extract,
            milp.start,
            milp.tighten,
            KNOWN,
        ),
        "textbook": Formulation(
            "the paper's quadratic statement (Eq. 1-5), each product linearised",
            milp.latency_textbook,
            milp.extract,
            milp.start,
            milp.tighten,
            KNOWN,
        ),
    },
    default_methods=(
        "subsets",
        "equal-chains",
        "run-length",
        "subsets-bounded",
        "branch-and-price",
        "labels",
        "highs",
    ),
    first_methods=("greedy",),
    probing_methods=("greedy", "cloud-edge-opt", "algorithm-1-once"),
    stages=stages.stages,
    options=options,
    left_out=left_out,
    figures=figures.figures,
)

THROUGHPUT: Problem[EdgeShardInstance, Placement] = Problem(
    name="edgeshard-throughput",
    title="EdgeShard: the shortest bottleneck of a pipeline",
    unit="s",
    evaluate=placement.evaluate_throughput,
    placement_of=placement.placement_of,
    to_json=placement.to_json,
    from_json=placement.from_json,
    floor=bottleneck_floor_s,
    diagnose=diagnose,
    resources=resources,
    scaled=scaled,
    count=space.count,
    placements=space.placements,
    formulations={
        "flow": Formulation(
            "layered flow, each device entered once, no big-M; any layers",
            milp.throughput_milp,
            milp.extract,
            milp.start,
            milp.tighten,
            KNOWN,
        ),
    },
    default_methods=("types", "thresholds", "run-length", "stages"),
    first_methods=("greedy",),
    probing_methods=("greedy", "cloud-edge-opt"),
    stages=stages.stages,
    options=options,
    left_out=left_out,
    figures=figures.figures,
)

BATCH: Problem[EdgeShardBatch, BatchPlacement] = Problem(
    name="edgeshard-batch",
    title="EdgeShard: batch size and pipeline together, for the most tokens per second",
    unit="s",
    evaluate=batch_placement.evaluate,
    placement_of=batch_placement.placement_of,
    to_json=batch_placement.to_json,
    from_json=batch_placement.from_json,
    floor=batch_placement.floor_s,
    diagnose=batch_placement.diagnose,
    resources=resources,
    scaled=scaled,
    count=space.batch_count,
    placements=space.batch_placements,
    formulations={
        "flow": Formulation(
            "the pipeline's flow once per batch size, of which one is chosen",
            batch_milp,
            extract_batch,
            start_batch,
            tighten_batch,
            KNOWN,
        ),
    },
    default_methods=("batches",),
    first_methods=("greedy",),
    probing_methods=("largest-batch", "cloud-edge-opt"),
    stages=stages.batch_stages,
    options=options,
    left_out=left_out,
    figures=figures.batch_figures,
)
