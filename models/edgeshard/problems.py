"""EdgeShard's problems, each as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.edgeshard import batches, milp, placement, rules, space, stages
from placewise.models.edgeshard.batch_milp import batch_milp
from placewise.models.edgeshard.batch_milp import extract as extract_batch
from placewise.models.edgeshard.batch_milp import start as start_batch
from placewise.models.edgeshard.batch_milp import tighten as tighten_batch
from placewise.models.edgeshard.cost import bottleneck_floor_s, latency_floor_s
from placewise.models.edgeshard.diagnosis import diagnose
from placewise.models.edgeshard.resources import resources, scaled
from placewise.models.problem import Formulation, Problem

if TYPE_CHECKING:
    from placewise.models.edgeshard.batches import BatchPlacement, EdgeShardBatchInstance
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement

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
            rules.EVERY,
        ),
        "textbook": Formulation(
            "the paper's quadratic statement (Eq. 1-5), each product linearised",
            milp.latency_textbook,
            milp.extract,
            milp.start,
            milp.tighten,
            rules.EVERY,
        ),
    },
    default_methods=("subsets", "run-length", "subsets-bounded", "labels"),
    first_methods=("greedy",),
    probing_methods=("greedy", "cloud-edge-opt", "algorithm-1-once"),
    stages=stages.stages,
    options=rules.asked_by,
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
            rules.EVERY,
        ),
    },
    default_methods=("thresholds", "run-length", "stages"),
    first_methods=("greedy",),
    probing_methods=("greedy", "cloud-edge-opt"),
    stages=stages.stages,
    options=rules.asked_by,
)

BATCH: Problem[EdgeShardBatchInstance, BatchPlacement] = Problem(
    name="edgeshard-batch",
    title="EdgeShard: batch size and pipeline together, for the most tokens per second",
    unit="s",
    evaluate=batches.evaluate,
    placement_of=batches.placement_of,
    to_json=batches.to_json,
    from_json=batches.from_json,
    floor=batches.floor_s,
    diagnose=batches.diagnose,
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
            rules.EVERY,
        ),
    },
    default_methods=("batches",),
    first_methods=("greedy",),
    probing_methods=("largest-batch", "cloud-edge-opt"),
    stages=stages.batch_stages,
    options=rules.asked_by,
)
