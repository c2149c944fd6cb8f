"""Limits are met exactly: memory filled to the byte, errors that sum to the budget, and one more than that."""

import dataclasses

import numpy as np
import pytest

from placewise.instances import read
from placewise.models.cluster import Cluster
from placewise.models.dilemma.data import DilemmaInstance, QuantizableLayer
from placewise.models.errors import InstanceError
from placewise.models.head_migration import HeadMigrationInstance, HeadTransformer, Interval
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


def broken(instance, placement):
    evaluation = PROBLEMS[instance.problem].evaluate(instance, placement)
    return [violation.constraint for violation in evaluation.violations]


def with_memory(instance, memory):
    return dataclasses.replace(
        instance, cluster=dataclasses.replace(instance.cluster, memory_bytes=np.array(memory))
    )


@pytest.mark.parametrize("name", ["hand-split", "hand-pipeline"])
def test_layers_that_fill_a_device_to_the_byte_fit(name):
    """Eq. 5 and 12 say ``<=``: exactly full is allowed, one byte less is not."""
    instance = read(name)
    need = [layer.memory_bytes for layer in instance.layers]
    full = [need[0], sum(need[1:])]
    assert broken(with_memory(instance, full), (0, 1, 1, 1)) == []
    assert broken(with_memory(instance, [full[0], full[1] - 1]), (0, 1, 1, 1)) == ["memory"]
    assert broken(with_memory(instance, [full[0] - 1, full[1]]), (0, 1, 1, 1)) == ["memory"]
    assert solve(with_memory(instance, full), isolate=False).placement == (0, 1, 1, 1)
    for short in ([full[0], full[1] - 1], [full[0] - 1, full[1]]):
        assert solve(with_memory(instance, short), isolate=False).status is Status.INFEASIBLE


def quantized(errors, budget=None, max_error=None, memory=100, parameters=8):
    """Return layers of 8 parameters on one server, in 4 or 8 bits: 4 or 8 bytes each."""
    layer = QuantizableLayer("layer", 1.0, parameters, 1.0, 16)
    cluster = Cluster(("a",), np.array([memory]), np.zeros((1, 1)), np.zeros((1, 1)), np.array([1.0]))
    return DilemmaInstance(
        "case",
        "dilemma",
        cluster,
        (layer,) * len(errors),
        (4, 8),
        np.array(errors),
        max_error=max_error,
        error_budget=budget,
    )


def test_errors_that_sum_to_the_budget_are_within_it():
    """Three halves make 1.5; a budget that is less by a part in a million is exceeded."""
    errors, narrow = [[0.5, 0.0]] * 3, ((0, 0),) * 3
    assert broken(quantized(errors, 1.5), narrow) == []
    assert solve(quantized(errors, 1.5), isolate=False).placement == narrow
    assert broken(quantized(errors, 1.5 * (1 - 1e-6)), narrow) == ["error_budget"]
    one_wide = solve(quantized(errors, 1.5 * (1 - 1e-6)), isolate=False)
    assert sorted(width for _, width in one_wide.placement) == [0, 0, 1]


def test_an_error_that_equals_its_bound_is_admissible():
    """Eq. 5 says ``<=``."""
    assert broken(quantized([[0.25, 0.0]], max_error=0.25), ((0, 0),)) == []
    assert broken(quantized([[0.25, 0.0]], max_error=0.2499999), ((0, 0),)) == ["max_error"]


def test_a_budget_of_nothing_takes_no_error():
    """With a budget of 0 only layers without error are allowed, and they are."""
    assert broken(quantized([[0.25, 0.0]], 0.0), ((0, 0),)) == ["error_budget"]
    assert broken(quantized([[0.25, 0.0]], 0.0), ((0, 1),)) == []


def test_storage_is_full_at_eight_bits_to_the_byte():
    """Two layers of 8 parameters at 4 bits take 8 bytes, at 8 bits 16."""
    errors = [[0.25, 0.0]] * 2
    assert broken(quantized(errors, memory=8), ((0, 0), (0, 0))) == []
    assert broken(quantized(errors, memory=7), ((0, 0), (0, 0))) == ["storage"]
    assert broken(quantized(errors, memory=12), ((0, 0), (0, 1))) == []
    assert broken(quantized(errors, memory=11), ((0, 0), (0, 1))) == ["storage"]
    assert solve(quantized(errors, memory=8), isolate=False).placement == ((0, 0), (0, 0))
    assert solve(quantized(errors, memory=7), isolate=False).status is Status.INFEASIBLE
    # Three bits left over are no room for half a byte.
    odd = quantized([[0.25, 0.0]], memory=1, parameters=3)
    assert broken(odd, ((0, 0),)) == ["storage"]
    assert broken(quantized([[0.25, 0.0]], memory=1, parameters=2), ((0, 0),)) == []


def test_blocks_that_fill_a_device_to_the_byte_fit():
    """Two heads of 14 bytes, a projection of 4 and a network of 16 take 48 (1)."""
    layer = HeadTransformer(2, 2, bytes_per_parameter=1, prompt_tokens=1, ffn_flops_factor=2.0)
    for memory, expected in (([48, 0], []), ([47, 0], ["memory"])):
        instance = HeadMigrationInstance(
            name="case",
            problem="head-migration",
            cluster=Cluster(("a", "b"), np.array([48, 48]), np.ones((2, 2)), np.zeros((2, 2))),
            transformer=layer,
            memory_bytes=np.array([memory]),
            flops_per_s=np.ones((1, 2)),
            bandwidth_bytes_per_s=np.ones((1, 2, 2)),
        )
        assert broken(instance, (Interval((0, 0), 0, 0),)) == expected
        assert (solve(instance, isolate=False).status is Status.OPTIMAL) == (not expected)


def test_one_device_sends_nothing():
    """All layers in one stage: no message, also where nothing takes time."""
    instance = read("hand-pipeline")
    idle = dataclasses.replace(
        instance, compute_time_s=np.zeros_like(instance.compute_time_s), return_bytes=0.0
    )
    first = dataclasses.replace(idle, layers=idle.layers[:1], compute_time_s=idle.compute_time_s[:1])
    for case in (instance, idle, first):
        evaluation = PROBLEMS[case.problem].evaluate(case, (0,) * len(case.layers))
        assert (evaluation.terms["communication"], evaluation.terms["return"]) == (0.0, 0.0)


@pytest.mark.parametrize("document", [None, [], {}, {"layers": 3}, {"layers": None}, ["layers"]])
def test_results_list_their_layers(document):
    """A list of names, or the path is said."""
    instance = read("hand-split")
    with pytest.raises(InstanceError, match=r"placement.layers: expected a list"):
        PROBLEMS[instance.problem].from_json(instance, document)
