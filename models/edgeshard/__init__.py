"""EdgeShard: which device runs which layer of a model.

Source: Zhang, Cao, Shen and Cui (2024), Section IV.

Sets
    layers ``i = 0..N-1`` and devices ``j, k = 0..M-1``.

Data
    ``t_ij``  compute time, ``O_i`` output bytes, ``B_kj`` bandwidth, ``Req_i`` and ``Mem_j`` memory, the source.
Variables
    ``X_ij``: layer i runs on device j.
Objective
    latency: the sum of compute times, of transfers between consecutive layers on different devices, and of the
    token's way back to the source (Eq. 2, 3, 6); throughput: the slowest stage or transfer of a pipeline (Eq. 9-11).
Constraints
    one device per layer; layer 0 on the source (Eq. 4, 13); the memory of all layers on a device within its budget
    (Eq. 5, 12); throughput: the layers of a device stand in a row.
Extension
    the batch size is a decision too: caches grow with it, and compute times depend on it (`EdgeShardBatch`).
"""

from placewise.models.edgeshard.batch_milp import batch_milp
from placewise.models.edgeshard.batches import EdgeShardBatch, EdgeShardBatchInstance
from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.data import EdgeShardInstance, EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.milp import latency_milp, latency_textbook, throughput_milp
from placewise.models.edgeshard.placement import evaluate_latency, evaluate_throughput
from placewise.models.edgeshard.schedule import simulate
from placewise.models.edgeshard.times import Roofline, Stated

__all__ = [
    "EdgeShardBatch",
    "EdgeShardBatchInstance",
    "EdgeShardInstance",
    "EdgeShardLatency",
    "EdgeShardThroughput",
    "Roofline",
    "Stated",
    "batch_milp",
    "evaluate_latency",
    "evaluate_throughput",
    "latency_milp",
    "latency_textbook",
    "simulate",
    "throughput_milp",
    "time_tables",
]
