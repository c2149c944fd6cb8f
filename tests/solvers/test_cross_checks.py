"""Independent methods on drawn instances: brute force == labels == every back-end == CP-SAT."""

import dataclasses
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import edgeshard_instances

from placewise.benchmarks.agreement import judge
from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import evaluate_latency
from placewise.solvers import compare, solve
from placewise.solvers.backends.table import BACKENDS
from placewise.solvers.edgeshard.chains import ChainSearch
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters

EXACT = ["labels", "run-length", *(name for name, backend in BACKENDS.items() if backend.installed)]


@given(edgeshard_instances())
@settings(max_examples=40)
def test_all_exact_methods_agree(instance):
    """Status and objective are the same, to the last bit."""
    assert judge(instance, EXACT, Counter()) == []


@given(edgeshard_instances(equal_layers=True))
@settings(max_examples=150)
def test_run_lengths_agree_where_they_apply(instance):
    """With equal layers, random links and shortcuts: exact where it says so, never below the optimum elsewhere."""
    assert judge(instance, ["run-length", "labels"], Counter()) == []


def optimum(instance):
    result = solve(instance, "labels", isolate=False)
    assert result.proven
    return float("inf") if result.objective is None else result.objective


@given(edgeshard_instances())
def test_more_memory_never_hurts(instance):
    """Relaxing Eq. 5 can only lower the optimum."""
    cluster = dataclasses.replace(instance.cluster, memory_bytes=instance.cluster.memory_bytes + 2)
    assert optimum(dataclasses.replace(instance, cluster=cluster)) <= optimum(instance)


@given(edgeshard_instances(), st.integers(1, 12))
def test_a_device_more_never_hurts(instance, memory):
    """What was possible stays possible."""
    old, size = instance.cluster, instance.cluster.size
    bandwidth = np.ones((size + 1, size + 1))
    bandwidth[:size, :size] = old.bandwidth_bytes_per_s
    latency = np.zeros((size + 1, size + 1))
    latency[:size, :size] = old.latency_s
    bigger = dataclasses.replace(
        instance,
        cluster=Cluster((*old.device_names, "more"), np.append(old.memory_bytes, memory), bandwidth, latency),
        compute_time_s=np.column_stack([instance.compute_time_s, np.ones(len(instance.layers))]),
    )
    assert optimum(bigger) <= optimum(instance)


@given(edgeshard_instances(), st.sampled_from([0.125, 8.0, 1024.0]))
def test_scaling_all_times_scales_the_optimum(instance, factor):
    """By a power of two, exactly."""
    cluster = dataclasses.replace(
        instance.cluster,
        bandwidth_bytes_per_s=instance.cluster.bandwidth_bytes_per_s / factor,
        latency_s=instance.cluster.latency_s * factor,
    )
    scaled = dataclasses.replace(instance, cluster=cluster, compute_time_s=instance.compute_time_s * factor)
    assert optimum(scaled) == optimum(instance) * factor


@given(edgeshard_instances(), st.lists(st.floats(0, 3), min_size=4, max_size=4))
def test_every_price_bounds_the_optimum(instance, prices):
    """Lagrangian duality, at any prices and at the best ones found."""
    best = optimum(instance)
    paths = RunPaths(instance)
    bound, path = paths.bound(np.array(prices[: instance.cluster.size]))
    assert bound.dual_bound <= best * (1 + 1e-12)
    assert path is None or len(path) == len(instance.layers)
    assert paths.best_bound(Context(Parameters()), best).dual_bound <= best * (1 + 1e-12)


@given(edgeshard_instances())
def test_chains_cost_what_they_say(instance):
    """The exact cost of a chain is that of the best placement with these runs, found by enumeration."""
    search = ChainSearch(instance, Context(Parameters()))
    chain = (instance.source, *(j for j in range(instance.cluster.size) if j != instance.source))[:3]
    count = len(instance.layers)
    costs = [
        evaluation.objective
        for ends in combinations(range(1, count), len(chain) - 1)
        for placement in [
            [
                device
                for device, a, b in zip(chain, (0, *ends), (*ends, count), strict=True)
                for _ in range(a, b)
            ]
        ]
        if (evaluation := evaluate_latency(instance, placement)).feasible
    ]
    assert search.cost(chain) == min(costs, default=float("inf"))
    if costs:
        assert evaluate_latency(instance, search.placement(chain)).objective == min(costs)


@pytest.mark.parametrize("devices", [5, 15])
def test_unequal_layers_end_near_the_bound(devices):
    """Where no two layers are equal, the default method still proves a small gap."""
    instance = generate(
        "edgeshard-latency", "testbed", seed=1, model="llama2-13b", devices=devices, spread=0.2
    )
    result = solve(instance, time_limit=15)
    assert result.method == "branch-and-price"
    assert result.relative_gap < 0.01


@pytest.mark.parametrize("model", ["llama2-7b", "llama2-13b"])
def test_the_testbed_by_two_methods(model):
    """CP-SAT on run lengths and HiGHS on the flow model share only the cost tables."""
    report = compare(read(f"{model}-testbed"), ["run-length", "highs", "edge-solo"])
    assert report.conflicts == ()
    assert [result.status for result in report.results[:2]] == [Status.OPTIMAL, Status.OPTIMAL]
    assert report.results[0].objective == pytest.approx(report.results[1].objective, rel=1e-6)


def test_the_largest_testbed_is_proven():
    """70B on 15 devices, where the flow model stays open for minutes."""
    result = solve(read("llama2-70b-testbed"))
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(1.2916, rel=1e-3)
    assert not result.conflicts
