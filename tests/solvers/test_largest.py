"""The largest context and number of sequences, and the frontier of throughput against time per token, by enumeration."""

from dataclasses import replace
from itertools import pairwise

import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.devices import Device
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardThroughput
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.models.workload import Layer
from placewise.solvers.evidence.result import Status
from placewise.solvers.frontier import frontier
from placewise.solvers.largest import holding, largest
from placewise.solvers.solve import solve

INLINE = {"isolate": False, "threads": 1}


def held(instance):
    """Return the most sequences whose caches fit beside the weights, over all pipelines, counted device by device."""
    pipe = instance.at(instance.batch_sizes[0])
    empty = replace(
        pipe,
        cluster=replace(pipe.cluster, memory_bytes=[2**50] * pipe.cluster.size),
        name="no limits",
    )
    most = 0
    for layers in problem_of(empty).placements(empty):
        if not problem_of(empty).evaluate(empty, layers).feasible:
            continue
        fits = []
        for j in set(layers):
            own = [layer for layer, device in zip(instance.layers, layers, strict=True) if device == j]
            left = int(pipe.cluster.memory_bytes[j]) - sum(layer.memory_bytes for layer in own)
            cache = sum(layer.cache_bytes for layer in own)
            fits.append(left // cache if cache and left >= 0 else (10**6 if left >= 0 else 0))
        most = max(most, min(fits))
    return most


@pytest.mark.parametrize("seed", range(12))
def test_sequences(seed):
    """As counted for each pipeline; what is refused is refused by proof."""
    instance = generate("edgeshard-batch", "tiny-in-flight", seed=seed)
    found = largest(lambda number: holding(instance, number), step=1, most=100, **INLINE)
    assert found.value == min(held(instance), 100)
    assert found.proven
    assert found.refused == (found.value + 1 if found.value < 100 else None)
    if found.result is not None:
        assert found.result.objective is not None


def context(length):
    """Return four equal layers of 10 bytes and one byte per token each, on devices of 30, 25 and 40 bytes."""
    cluster = Cluster.mesh(
        [
            Device(f"d{j}", space, flops_per_s=1.0, memory_bytes_per_s=1.0)
            for j, space in enumerate([30, 25, 40])
        ],
        bandwidth_bytes_per_s=1.0,
    )
    return EdgeShardThroughput(cluster, [Layer("l", 10 + length, 1.0, flops=1.0, weight_bytes=1.0)] * 4)


def test_context():
    """One, one and two layers take the longest: 10 tokens with the last, which then is full."""
    found = largest(context, step=1, most=1000, **INLINE)
    assert (found.value, found.refused, found.proven) == (10, 11, True)
    assert found.refusal.status is Status.INFEASIBLE
    in_steps = largest(context, step=4, most=1000, **INLINE)
    assert (in_steps.value, in_steps.refused) == (8, 12)
    all_fit = largest(context, step=3, most=10, **INLINE)
    assert (all_fit.value, all_fit.refused, all_fit.proven) == (9, None, True)
    none = largest(lambda length: context(length + 100), step=1, most=10, **INLINE)
    assert (none.value, none.result, none.proven) == (0, None, True)


@pytest.mark.parametrize("step", [0, 11])
def test_steps_that_make_no_sense(step):
    """Below one, or above the most."""
    with pytest.raises(PlacewiseError, match="step"):
        largest(context, step=step, most=10)


def best_within(instance, limit_s):
    """Return the least time per token of all placements within a limit on what a sequence waits, by brute force."""
    return solve(replace(instance, time_per_token_limit_s=limit_s), "brute-force", isolate=False).objective


@pytest.mark.parametrize("seed", range(6))
def test_frontier(seed):
    """Each point is what brute force finds within its limit; limits loosen, and rates rise with them."""
    instance = generate("edgeshard-batch", "tiny-in-flight", seed=seed)
    assert isinstance(instance, EdgeShardBatch)
    found = frontier(instance, points=4, **INLINE)
    if not found:
        assert best_within(instance, None) is None
        return
    assert found[-1].limit_s is None
    for point in found:
        limit_s = None if point.limit_s is None else point.limit_s * (1 + 1e-9)
        assert point.result.proven
        assert point.result.objective == pytest.approx(best_within(instance, limit_s), rel=1e-6)
        assert point.limit_s is None or point.between_s <= point.limit_s * (1 + 1e-6)
    rates = [point.tokens_per_s for point in found]
    assert all(earlier <= later * (1 + 1e-6) for earlier, later in pairwise(rates))


def test_frontier_needs_micro_batches_in_flight_and_two_points():
    """The paper's reading has no time per token."""
    instance = generate("edgeshard-batch", "tiny-in-flight", seed=0)
    with pytest.raises(PlacewiseError, match="in_flight"):
        frontier(replace(instance, in_flight=None, time_per_token_limit_s=None))
    with pytest.raises(PlacewiseError, match="at least 2"):
        frontier(instance, points=1)
