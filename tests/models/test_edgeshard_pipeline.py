"""The meaning of a pipeline, by hand, and what its models and thresholds share."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import edgeshard_instances

from placewise.benchmarks.agreement import judge
from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.edgeshard import evaluate_throughput
from placewise.models.edgeshard.cost import bottleneck_values_s
from placewise.solvers import solve
from placewise.solvers.result import Status


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
    return dataclasses.replace(instance, problem="edgeshard-throughput")


@given(edgeshard_instances())
@settings(max_examples=60)
def test_exact_methods_agree(instance):
    """Circuit, bisection and MILP against brute force, with any layers and links."""
    from collections import Counter

    assert judge(drawn_pipeline(instance), ["stages", "thresholds", "highs"], Counter()) == []


@given(edgeshard_instances(equal_layers=True))
@settings(max_examples=60)
def test_run_lengths_agree(instance):
    """With equal layers."""
    from collections import Counter

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
    results = [solve(instance, method) for method in ("run-length", "thresholds")]
    assert [result.status for result in results] == [Status.OPTIMAL, Status.OPTIMAL]
    assert results[0].objective == results[1].objective
