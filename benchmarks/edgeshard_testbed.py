"""EdgeShard's testbed as it must have been: what the data sheets promise, calibrated by a few published numbers.

Each parameter follows from one of them; all other numbers are predictions:

- efficiency of memory bandwidth from Edge-Solo's latency, of computation from its throughput;
- time per hop from Cloud-Edge-Even's latency on 7B;
- memory reserves from what fits: a batch of 8 of 7B on an AGX (28.0 GB), not half of 7B on an NX (13.5 GB), 13B on an
  AGX and the cloud with a batch of 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.catalogue import transformer
from placewise.instances.generators.edgeshard import paper_testbed
from placewise.instances.generators.edgeshard_batch import with_batches
from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.edgeshard.schedule import simulate
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from placewise.models.cluster import Cluster
    from placewise.models.edgeshard import EdgeShardBatchInstance, EdgeShardInstance
    from placewise.models.edgeshard.batch_placement import BatchPlacement

GIB = 2**30
#: "A maximum batch size of 8" (Section V-B).
LARGEST_BATCH = 8
#: Generated per sequence.
TOKENS = 96


@dataclass(frozen=True)
class Calibration:
    """What the data sheets do not say.

    Parameters
    ----------
    bandwidth_efficiency, compute_efficiency : float
        Shares of the peak rates of memory and arithmetic.
    hop_s : float
        Fixed time of a transfer.
    jetson_reserve_bytes, cloud_reserve_bytes : float
        Memory that is not there for the model; a device has its binary gigabytes otherwise.
    """

    bandwidth_efficiency: float = 0.924
    compute_efficiency: float = 0.0971
    hop_s: float = 4.9e-3
    jetson_reserve_bytes: float = 4.5e9
    cloud_reserve_bytes: float = 1.9e9

    def cluster(self, peak: Cluster) -> Cluster:
        """Return a cluster with what is left of its peak rates and memory."""
        cloud = np.array([name.startswith("rtx") for name in peak.device_names])
        reserve = np.where(cloud, self.cloud_reserve_bytes, self.jetson_reserve_bytes)
        assert peak.flops_per_s is not None
        assert peak.memory_bytes_per_s is not None
        return replace(
            peak,
            memory_bytes=np.rint(peak.memory_bytes / 1e9 * GIB - reserve),
            flops_per_s=peak.flops_per_s * self.compute_efficiency,
            memory_bytes_per_s=peak.memory_bytes_per_s * self.bandwidth_efficiency,
            latency_s=np.full_like(peak.latency_s, self.hop_s),
        )


@dataclass(frozen=True)
class Setting:
    """One model on the calibrated testbed: the latency problem, and the throughput problem by batch size."""

    latency: EdgeShardInstance
    batches: EdgeShardBatchInstance


def setting(
    model: str, calibration: Calibration, *, cloud_mbps: float = 1.0, source: str = "agx-0"
) -> Setting:
    """Return both problems; another source takes the slow link to the cloud with it."""
    base = paper_testbed(model=model, cloud_mbps=cloud_mbps)
    cluster = calibration.cluster(base.cluster)
    index = cluster.device_names.index(source)
    order = np.arange(cluster.size)
    order[[base.source_index, index]] = index, base.source_index
    links = cluster.bandwidth_bytes_per_s[np.ix_(order, order)]
    cluster = replace(cluster, bandwidth_bytes_per_s=links)
    latency = replace(base, cluster=cluster, source=index)
    sizes = tuple(range(1, LARGEST_BATCH + 1))
    return Setting(latency, with_batches(latency, transformer(model), sizes, name=base.name))


def latency_ms(problem: Setting, method: str | None) -> float | None:
    """Return the latency per token of a method's placement, None for out of memory."""
    result = solve(problem.latency, method, isolate=False, threads=2)
    return None if result.objective is None else result.objective * 1e3


def tokens_per_s(problem: Setting, method: str | None, strategy: str = "no-bubbles") -> float | None:
    """Return the decode rate of a method's pipeline with the largest batch that its devices hold.

    The pipeline has the least bottleneck for that batch. Through several devices the batch runs as micro-batches of
    one sequence (Fig. 5), on one device at once.
    """
    batches = problem.batches
    chosen: BatchPlacement | None = solve(
        batches, method or "largest-batch", isolate=False, threads=2
    ).placement
    if chosen is None:
        return None
    _, size, placement = parts_of(chosen)
    if len(set(placement)) == 1:
        whole = simulate(batches.at(size), placement, micro_batches=1, tokens=TOKENS, prompt_tokens=1)
        return whole.tokens_per_s * size
    return simulate(
        batches.at(1), placement, micro_batches=size, tokens=TOKENS, prompt_tokens=1, strategy=strategy
    ).tokens_per_s
