"""EdgeShard's testbed as it must have been: what the data sheets promise, calibrated by a few published numbers.

A request has a prompt of 32 tokens and 96 new ones, or its decode rounds alone are counted (a prompt of 1), which the
published numbers of Cloud-Edge-Even ask for: at 1 Mbps prompts of 32 alone take more than they leave. A pipeline has at
most 4 micro-batches of at most 2 sequences in flight (Fig. 5; a batch of at most 8), as many as the caches allow, and
the least bottleneck for them; its rate is that of the schedule, prefill included. Memory reserves follow from what fits:
a batch of 8 of 7B on an AGX (28.0 GB), not half of 7B on an NX (13.5 GB), 13B on an AGX and the cloud. The other
parameters are fitted (`fitted`), by default to three numbers of 7B; all other numbers are predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares

from placewise.instances.catalogue import transformer
from placewise.instances.generators.edgeshard import paper_testbed
from placewise.instances.generators.edgeshard_batch import with_batches
from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.edgeshard.placement import evaluate_latency
from placewise.models.edgeshard.request import Request
from placewise.models.edgeshard.schedule import simulate
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.cluster import Cluster
    from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance

GIB = 2**30
#: "The length of input tokens as 32 and generate 96 tokens" (Section V-A).
PROMPT, TOKENS = 32, 96
#: Micro-batches of Fig. 5, and sequences in each: "a maximum batch size of 8" (Section V-B).
MOST_IN_FLIGHT, MICRO_BATCH_SIZES = 4, (1, 2)
LARGEST_BATCH = 8
#: Placements are chosen anew for what was fitted so often.
FIT_ROUNDS = 3


@dataclass(frozen=True)
class Calibration:
    """What the data sheets do not say.

    Parameters
    ----------
    bandwidth_efficiency, compute_efficiency : float
        Shares of the peak rates of memory and arithmetic.
    hop_s : float
        Fixed time of a transfer.
    layer_overhead_s : float
        Fixed time of a layer: launches and synchronisation.
    jetson_reserve_bytes, cloud_reserve_bytes : float
        Memory that is not there for the model; a device has its binary gigabytes otherwise.
    """

    bandwidth_efficiency: float = 0.924
    compute_efficiency: float = 0.0971
    hop_s: float = 4.9e-3
    layer_overhead_s: float = 0.0
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
            layer_overhead_s=np.full(peak.size, self.layer_overhead_s) if self.layer_overhead_s else None,
        )


@dataclass(frozen=True)
class Setting:
    """One model on the calibrated testbed: the latency problem, the throughput problems by micro-batches, the prompt."""

    latency: EdgeShardInstance
    batches: EdgeShardBatch
    prompt_tokens: int


@dataclass(frozen=True)
class Pipeline:
    """Micro-batches in flight, sequences in each, and the device of each layer."""

    in_flight: int
    size: int
    layers: tuple[int, ...]


def setting(
    model: str,
    calibration: Calibration,
    *,
    cloud_mbps: float = 1.0,
    source: str = "agx-0",
    prompt_tokens: int = 1,
) -> Setting:
    """Return both problems; another source takes the slow link to the cloud with it; a prompt of 1 is a decode round."""
    base = paper_testbed(model=model, cloud_mbps=cloud_mbps)
    cluster = calibration.cluster(base.cluster)
    index = cluster.device_names.index(source)
    order = np.arange(cluster.size)
    order[[base.source_index, index]] = index, base.source_index
    links = cluster.bandwidth_bytes_per_s[np.ix_(order, order)]
    cluster = replace(cluster, bandwidth_bytes_per_s=links)
    request = Request(prompt_tokens, TOKENS, "request")
    latency = replace(base, cluster=cluster, source=index, request=request)
    sizes = tuple(range(1, LARGEST_BATCH + 1))
    batches = with_batches(
        latency,
        transformer(model),
        sizes,
        in_flight=MOST_IN_FLIGHT,
        sequence_length=PROMPT + TOKENS,
        name=base.name,
    )
    return Setting(latency, replace(batches, request=request), prompt_tokens)


def latency_placement(problem: Setting, method: str | None) -> tuple[int, ...] | None:
    """Return a method's placement for latency, None for out of memory."""
    layers: tuple[int, ...] | None = solve(problem.latency, method, isolate=False, threads=2).placement
    return layers


def pipeline(problem: Setting, method: str | None) -> Pipeline | None:
    """Return a method's pipeline for as many sequences as fit: all at once on one device, else as micro-batches."""
    alone = method in (None, "edge-solo", "cloud-edge-opt")
    choices = [(number, size) for size in MICRO_BATCH_SIZES for number in range(1, MOST_IN_FLIGHT + 1)]
    for number, size in sorted(choices, key=lambda choice: (-choice[0] * choice[1], -choice[0])):
        found = solve(problem.batches.at(size, number), method, isolate=False, threads=2).placement
        if found is not None and len(set(found)) > 1:
            return _better(problem, Pipeline(number, size, tuple(found)), alone)
    return _solo(problem) if alone else None


def best_pipeline(problem: Setting) -> tuple[Pipeline, bool]:
    """Return the best pipeline and numbers of micro-batches, at most 4 in flight, and whether that is proven."""
    free = replace(problem.batches, batch_sizes=MICRO_BATCH_SIZES, in_flight=MOST_IN_FLIGHT)
    result = solve(free, isolate=False, threads=2)
    number, size, layers = parts_of(result.placement)
    return Pipeline(number or 1, size, tuple(layers)), result.proven


def _solo(problem: Setting) -> Pipeline | None:
    """Return the source alone with the largest batch that it holds."""
    for size in range(LARGEST_BATCH, 0, -1):
        found = solve(problem.batches.at(size), "edge-solo", isolate=False).placement
        if found is not None:
            return Pipeline(1, size, tuple(found))
    return None


def _better(problem: Setting, found: Pipeline, alone: bool) -> Pipeline:
    """Return a pipeline, or the source alone where that is a choice and faster."""
    solo = _solo(problem) if alone else None
    return max((found, solo or found), key=lambda choice: tokens_per_s(problem, choice))


def latency_ms(problem: Setting, layers: Sequence[int]) -> float:
    """Return milliseconds per new token of a placement, the prompt's pass included."""
    total_s = evaluate_latency(problem.latency, layers).objective
    assert total_s is not None
    return total_s * 1e3 / TOKENS


def tokens_per_s(problem: Setting, chosen: Pipeline, strategy: str = "no-bubbles") -> float:
    """Return new tokens per second of all sequences, from the first prefill to the last token."""
    run = simulate(
        problem.batches.at(chosen.size, chosen.in_flight),
        chosen.layers,
        micro_batches=chosen.in_flight,
        tokens=TOKENS,
        prompt_tokens=problem.prompt_tokens,
        strategy=strategy,
    )
    return run.tokens_per_s * chosen.size


def chosen(problem: Setting, kind: str, method: str | None) -> Any:
    """Return what a method chooses: a placement for latency, a `Pipeline` for throughput, None for out of memory."""
    return (latency_placement if kind == "latency" else pipeline)(problem, method)


def value(problem: Setting, kind: str, choice: Any, strategy: str = "no-bubbles") -> float:
    """Return milliseconds per token, or tokens per second, of what was chosen."""
    return latency_ms(problem, choice) if kind == "latency" else tokens_per_s(problem, choice, strategy)


def fitted(
    names: Sequence[str],
    cells: dict[tuple[str, str, str | None], float],
    start: Calibration,
    prompt_tokens: int = 1,
) -> Calibration:
    """Return a calibration whose named parameters fit published numbers best, in relative error.

    Parameters
    ----------
    names : sequence of str
        Parameters of `Calibration` to fit, each above 0 at the start.
    cells : dict
        Published numbers by model, kind and method.
    start : Calibration
        Where it begins; placements are chosen anew for what was fitted.
    prompt_tokens : int
        Of each request.
    """
    models = {model for model, _, _ in cells}
    for _ in range(FIT_ROUNDS):
        settings = {model: setting(model, start, prompt_tokens=prompt_tokens) for model in models}
        choices = {key: chosen(settings[key[0]], key[1], key[2]) for key in cells}
        choices = {key: choice for key, choice in choices.items() if choice is not None}
        base = start

        def at(logs: Any, base: Calibration = base) -> Calibration:
            values = dict(zip(names, np.exp(logs).tolist(), strict=True))
            return replace(base, **values)

        def errors(logs: Any, at: Any = at, choices: Any = choices) -> list[float]:
            now = {model: setting(model, at(logs), prompt_tokens=prompt_tokens) for model in models}
            return [
                float(np.log(value(now[key[0]], key[1], choice) / cells[key]))
                for key, choice in choices.items()
            ]

        found = least_squares(
            errors, np.log([getattr(start, name) for name in names]), xtol=1e-6, diff_step=1e-4
        )
        start = at(found.x)
    return start
