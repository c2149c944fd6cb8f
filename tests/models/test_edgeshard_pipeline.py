"""The meaning of a pipeline, by hand, and what its models and thresholds share."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import edgeshard_instances

from placewise.benchmarks.agreement import judge
from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.edgeshard import EdgeShardThroughput, evaluate_throughput
from placewise.models.edgeshard.cost import bottleneck_values_s
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


@pytest.fixture
def pipeline():
    return read("hand-pipeline")


def test_the_bottleneck_is_the_slowest_part(pipeline):
    """Stages of 1 s and 3 s, a transfer of 2 s, a return of 1 s."""
    evaluation = evaluate_throughput(pipeline, (0, 1, 1, 1))
    assert evaluation.feasible
    assert evaluation.objective == 3.0
    assert evaluation.terms == {"compute": 3.0, "communication": 2.0, "return": 1.0}


def test_a_transfer_can_be_the_bottleneck(pipeline):
    """At a quarter of a byte per second the message takes 8 s, the token 4 s."""
    slow = dataclasses.replace(pipeline.cluster, bandwidth_bytes_per_s=np.full((2, 2), 0.25))
    evaluation = evaluate_throughput(dataclasses.replace(pipeline, cluster=slow), (0, 1, 1, 1))
    assert (evaluation.objective, evaluation.terms["return"]) == (8.0, 4.0)


def test_a_device_has_one_stage(pipeline):
    """Coming back to a device is a violation of its own, and the memory counts both stages."""
    evaluation = evaluate_throughput(pipeline, (0, 1, 0, 1))
    assert [violation.constraint for violation in evaluation.violations] == [
        "memory",
        "contiguity",
        "contiguity",
    ]


def drawn_pipeline(instance):
    return EdgeShardThroughput.of(instance)


@given(edgeshard_instances())
@settings(max_examples=60)
def test_exact_methods_agree(instance):
    """Circuit, bisection and MILP against brute force, with any layers and links."""
    assert judge(drawn_pipeline(instance), ["stages", "thresholds", "highs"], Counter()) == []


@given(edgeshard_instances(equal_layers=True))
@settings(max_examples=60)
def test_run_lengths_agree(instance):
    """With equal layers."""
    assert judge(drawn_pipeline(instance), ["run-length", "thresholds"], Counter()) == []


@given(edgeshard_instances())
def test_the_optimum_is_a_candidate(instance):
    """The bisection searches all values that a bottleneck can have."""
    pipeline = drawn_pipeline(instance)
    truth = solve(pipeline, "brute-force", isolate=False)
    if truth.objective is not None:
        assert truth.objective in bottleneck_values_s(pipeline)


@pytest.mark.parametrize("devices", [4, 6])
def test_unequal_layers_by_two_methods(devices):
    """42 layers of which no two are equal: bisection and the circuit prove the same optimum."""
    instance = generate(
        "edgeshard-throughput", "testbed", seed=2, model="llama2-13b", devices=devices, spread=0.2
    )
    results = [solve(instance, method, time_limit=120) for method in ("thresholds", "stages")]
    assert [result.status for result in results] == [Status.OPTIMAL, Status.OPTIMAL]
    assert results[0].objective == results[1].objective


@pytest.mark.parametrize("model", ["llama2-7b", "llama2-13b", "llama2-70b"])
def test_the_testbed_by_two_methods(model):
    """Run lengths and bisection on the paper's 15 devices."""
    instance = read(f"{model}-testbed-throughput")
    results = [solve(instance, method) for method in ("run-length", "thresholds", "algorithm-2-repaired")]
    assert {result.status for result in results} == {Status.OPTIMAL}
    assert len({result.objective for result in results}) == 1


def test_many_devices_by_two_methods():
    """Counting equal layers and the circuit agree far beyond what sets of devices allow."""
    instance = generate("edgeshard-throughput", "testbed", seed=3, model="llama2-13b", devices=30)
    results = [solve(instance, method) for method in ("run-length", "thresholds")]
    assert {result.status for result in results} == {Status.OPTIMAL}
    assert results[0].objective == results[1].objective


def test_eighty_two_different_layers_by_two_methods():
    """15 devices: bisection and the repaired Algorithm 2."""
    instance = generate("edgeshard-throughput", "testbed", seed=1, model="llama2-70b", devices=15, spread=0.2)
    results = [solve(instance, method, time_limit=120) for method in ("thresholds", "algorithm-2-repaired")]
    assert {result.status for result in results} == {Status.OPTIMAL}
    assert results[0].objective == results[1].objective


@pytest.mark.parametrize("equal", [True, False])
def test_an_optimum_below_the_slowest_link(equal):
    """With one very slow link among 14 other devices the bisection hands over to the circuit, and still proves."""
    instance = generate(
        "edgeshard-throughput", "testbed", seed=1, model="llama2-7b", spread=0 if equal else 0.1
    )
    slow = instance.cluster.bandwidth_bytes_per_s.copy()
    slow[3, 4] = 1e4
    cluster = dataclasses.replace(instance.cluster, bandwidth_bytes_per_s=slow)
    # A few layers only, so that the circuit takes little.
    keep = [0, 1, 2, 3, -1] if equal else [0, 1, 2, -1]
    instance = dataclasses.replace(
        instance,
        cluster=cluster,
        layers=tuple(instance.layers[i] for i in keep),
        compute_time_s=instance.compute_time_s[keep],
    )
    results = [solve(instance, method) for method in ("thresholds", "algorithm-2-repaired")]
    assert {result.status for result in results} == {Status.OPTIMAL}
    assert results[0].objective == results[1].objective
