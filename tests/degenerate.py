"""Instances of almost nothing: one device, one layer, no memory, no links, no way back, no admissible width."""

import random

import numpy as np

from placewise.models.cluster import Cluster
from placewise.models.dilemma import DilemmaInstance, QuantizableLayer
from placewise.models.edgeshard import EdgeShardBatchInstance, EdgeShardInstance
from placewise.models.graph import GraphInstance, Message, Node
from placewise.models.head_migration import DecoderInstance, HeadMigrationInstance, HeadTransformer, Interval
from placewise.models.replicated import NodeType, ReplicatedThroughput
from placewise.models.workload import Layer


def degenerate(problem, seed):
    """Return a degenerate instance of a problem."""
    return MAKERS[problem](random.Random(seed), problem)


def links(draw, *shape):
    """Return bandwidths of which many, or all, are 0."""
    values = np.array(draw.choices([0.0, 0.0, 1.0, 4.0], k=int(np.prod(shape)))).reshape(shape)
    return values * (draw.random() < 0.7)


def cluster(draw, size):
    return Cluster(
        device_names=tuple(f"device-{j}" for j in range(size)),
        memory_bytes=np.array(draw.choices([0, 0, 1, 3, 8, 100], k=size)),
        bandwidth_bytes_per_s=links(draw, size, size),
        latency_s=np.zeros((size, size)),
        flops_per_s=np.array(draw.choices([1.0, 2.0], k=size)),
    )


def edgeshard(draw, problem):
    size, count, sizes = draw.randint(1, 3), draw.randint(1, 4), (1, 2)[: draw.randint(1, 2)]
    batch = problem == "edgeshard-batch"
    empty = draw.random() < 0.3
    needs = [0 if empty else draw.choice([0, 1, 2, 3]) for _ in range(count)]
    shape = (len(sizes), count, size) if batch else (count, size)
    common = {
        "name": "degenerate",
        "problem": problem,
        "cluster": cluster(draw, size),
        "layers": tuple(Layer(f"layer-{i}", n, draw.choice([0.0, 0.0, 1.0])) for i, n in enumerate(needs)),
        "compute_time_s": np.array(draw.choices([0.0, 0.0, 1.0, 0.5], k=int(np.prod(shape)))).reshape(shape),
        "source": draw.randrange(size),
        "return_bytes": draw.choice([0.0, 1.0]),
    }
    return EdgeShardBatchInstance(**common, batch_sizes=sizes) if batch else EdgeShardInstance(**common)


def dilemma(draw, problem):
    size, count = draw.randint(1, 3), draw.randint(1, 3)
    widths = tuple(sorted(draw.sample([1, 2, 4], draw.randint(1, 2))))
    mode = draw.choice(["corrected", "as-printed"])
    return DilemmaInstance(
        name="degenerate",
        problem=problem,
        cluster=cluster(draw, size),
        layers=tuple(
            QuantizableLayer(
                f"layer-{i}", draw.choice([0.0, 1.0]), draw.choice([0, 0, 2, 8]), draw.choice([0.0, 1.0]), 4
            )
            for i in range(count)
        ),
        bit_widths=widths,
        quantization_error=np.array(
            [draw.choices([0, 0.01, 0.02, 0.7], k=len(widths)) for _ in range(count)]
        ),
        mode=mode,
        tokens=draw.choice([1, 3]),
        max_error=draw.choice([None, 0, 0.02, 0.5]),
        error_budget=None if mode == "as-printed" else draw.choice([None, 0, 0.02, 0.05]),
    )


def place(draw, size, heads):
    return Interval(tuple(draw.choices(range(size), k=heads)), draw.randrange(size), draw.randrange(size))


def heads(draw, problem):
    decoder = problem == "head-migration-decoder"
    size, units = draw.randint(1, 2 if decoder else 3), draw.randint(1, 2)
    count = draw.randint(1, 2) if decoder else 1
    intervals = draw.randint(1, 3 - count)
    layer = HeadMigrationInstance(
        name="degenerate",
        problem="head-migration",
        cluster=cluster(draw, size),
        transformer=HeadTransformer(
            units,
            units,
            1,
            prompt_tokens=draw.choice([0, 1]),
            ffn_flops_factor=draw.choice([0.0, 8.0]),
            execution=draw.choice(["full", "cached"]),
        ),
        memory_bytes=np.array([draw.choices([0, 10, 60, 200, 1000], k=size) for _ in range(intervals)]),
        flops_per_s=np.array([draw.choices([1.0, 2.0], k=size) for _ in range(intervals)]),
        bandwidth_bytes_per_s=links(draw, intervals, size, size),
        tokens_per_interval=draw.choice([1, 3]),
        initial=None if decoder or draw.random() < 0.4 else place(draw, size, units),
        overlap=draw.random() < 0.3,
        input_from_controller=draw.random() < 0.3,
    )
    if not decoder:
        return layer
    initial = tuple(place(draw, size, units) for _ in range(count)) if draw.random() < 0.5 else None
    return DecoderInstance("degenerate", problem, layer, count, initial)


def graph(draw, problem):
    size, count = draw.randint(1, 3), draw.randint(1, 4)
    return GraphInstance.kinds[problem](
        cluster(draw, size),
        [Node(f"node-{v}", draw.choice([0, 1, 2, 3])) for v in range(count)],
        [
            Message(v, [v + 1, count - 1], draw.choice([0.0, 1.0]))
            for v in range(count - 1)
            if draw.random() < 0.7
        ],
        np.array(draw.choices([0.0, 0.0, 1.0, 0.5], k=count * size)).reshape(count, size),
        hosts=[j for j in range(size) if draw.random() < 0.3],
        name="degenerate",
    )


def replicated(draw, problem):
    size, layers = draw.randint(1, 3), draw.randint(1, 3)
    kinds = [
        NodeType(f"type-{t}", [draw.choice([1.0, 2.0, 2.0, 1e4]) for _ in range(draw.randint(0, layers))])
        for t in range(draw.randint(1, 2))
    ]
    ends = [draw.choices([0.0, 1.0, 1e9], k=size) for _ in range(2)]
    return ReplicatedThroughput(
        cluster(draw, size),
        kinds,
        [draw.randrange(len(kinds)) for _ in range(size)],
        layers,
        activation_bytes=draw.choice([0.0, 1.0]),
        token_bytes=draw.choice([0.0, 1.0]),
        source_bandwidth_bytes_per_s=ends[0],
        sink_bandwidth_bytes_per_s=ends[1],
        partial_inference=draw.random() < 0.5,
        name="degenerate",
    )


MAKERS = {
    "edgeshard-latency": edgeshard,
    "edgeshard-throughput": edgeshard,
    "edgeshard-batch": edgeshard,
    "dilemma": dilemma,
    "head-migration": heads,
    "head-migration-decoder": heads,
    "replicated-throughput": replicated,
    "graph-throughput": graph,
    "graph-latency": graph,
}
