"""Batch size and pipeline together: by hand, by file, and against one batch size at a time."""

import pytest

from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.errors import InstanceError
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status

EVALUATE = PROBLEMS["edgeshard-batch"].evaluate


@pytest.fixture
def batch():
    return read("hand-batch")


def test_a_batch_of_three_wins(batch):
    """5 s for three tokens, on devices that a fourth sequence would overflow."""
    result = solve(batch)
    assert (result.status, result.objective) == (Status.OPTIMAL, 5 / 3)
    assert result.placement == (3, (0, 1))


def test_the_cache_grows_with_the_batch(batch):
    """Four sequences need 5 bytes per layer: a has 4, b has 5."""
    evaluation = EVALUATE(batch, (4, (0, 1)))
    assert evaluation.objective == 1.5
    assert [violation.where for violation in evaluation.violations] == ["a"]


@pytest.mark.parametrize(
    ("placement", "constraint"),
    [((5, (0, 1)), "batch"), (3, "assignment"), ((3, (0,)), "assignment"), ((2, (1, 1)), "privacy")],
)
def test_what_is_no_placement_is_said(batch, placement, constraint):
    """A batch size that is no choice, a missing pipeline, a layer without a device, the first layer elsewhere."""
    assert constraint in {violation.constraint for violation in EVALUATE(batch, placement).violations}


def test_messages_grow_with_the_batch(batch):
    """The pipeline of b sequences sends b outputs and returns b tokens."""
    at_three = batch.at(3)
    assert [layer.output_bytes for layer in at_three.layers] == [3.0, 3.0]
    assert [layer.memory_bytes for layer in at_three.layers] == [4, 4]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "batch_sizes",
            [3, 2, 4],
            r"batch_sizes: expected ascending numbers of at least 1, found \(3, 2, 4\)",
        ),
        ("batch_sizes", [], "batch_sizes: expected at least 1 entries, found 0"),
        ("batch_sizes", [0, 1, 2], r"batch_sizes\[0\]: expected >= 1|expected .*1, found 0"),
        ("compute_time_s", [[[1, 1], [1, 1]]], "expected a matrix for each of 3 batch sizes, found 1"),
        ("compute_time_s", [[[1, 1]]] * 3, r"compute_time_s\[0\]: expected 2 rows, found 1"),
    ],
)
def test_bad_files_name_the_place(batch, key, value, message):
    """One clear line."""
    with pytest.raises(InstanceError, match=message):
        from_document(to_document(batch) | {key: value})


def test_a_result_without_a_known_batch_size_is_refused(batch):
    """The path of the wrong value and the choices."""
    with pytest.raises(InstanceError, match=r"placement.batch_size: expected one of 2, 3, 4, found 7"):
        PROBLEMS[batch.problem].from_json(batch, {"batch_size": 7, "layers": ["a", "b"]})


def test_the_best_batch_is_the_best_of_all_batches():
    """On the testbed, each batch size solved on its own as a throughput problem."""
    instance = generate(
        "edgeshard-batch", "testbed", seed=2, model="llama2-13b", devices=6, batch_sizes="1,4,16,64"
    )
    alone = [solve(instance.at(size)) for size in instance.batch_sizes]
    assert {result.status for result in alone} <= {Status.OPTIMAL, Status.INFEASIBLE}
    best = min(
        result.objective / size
        for result, size in zip(alone, instance.batch_sizes, strict=True)
        if result.objective is not None
    )
    result = solve(instance)
    assert (result.status, result.objective) == (Status.OPTIMAL, best)
    assert PROBLEMS[instance.problem].evaluate(instance, result.placement).objective == best
