"""Micro-batches in flight by hand: caches of all of them, the round trip, the limit on a sequence's wait."""

import dataclasses
import math

import numpy as np
import pytest

from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.batch_placement import (
    choice_floor_s,
    diagnose,
    evaluate,
    floor_s,
    from_json,
    to_json,
)
from placewise.models.edgeshard.batches import MOST_IN_FLIGHT, EdgeShardBatch
from placewise.models.errors import InstanceError
from placewise.models.registry import problem_of
from placewise.models.workload import Layer
from placewise.solvers.edgeshard.in_flight import best_number


def case(in_flight=4, *, memory=(99, 99), limit_s=None, sizes=(1, 2), latency_s=0.25):
    """Return two layers: 1 and 1.5 s on a, twice as much on b for one sequence; 1.5 times as much for two of them."""
    cluster = Cluster(("a", "b"), memory, 8.0, latency_s)
    one = np.array([[1.0, 2.0], [1.5, 3.0]])
    layers = [
        Layer("first", 10, 4.0, cache_bytes=3),
        Layer("last", 20, 4.0, cache_bytes=2),
    ]
    return EdgeShardBatch(
        cluster,
        layers,
        sizes,
        compute_time_s=[one, 1.5 * one][: len(sizes)],
        return_bytes=2.0,
        in_flight=in_flight,
        time_per_token_limit_s=limit_s,
    )


@pytest.mark.parametrize(
    ("in_flight", "size", "seconds"),
    [
        # Round trip 1 + (0.5 + 0.25) + 3 + (0.25 + 0.25) = 5.25 s, bottleneck 3 s.
        (1, 1, 5.25),
        (2, 1, 3.0),
        (3, 1, 3.0),
        # Of two sequences: 1.5 + (1 + 0.25) + 4.5 + (0.5 + 0.25) = 8 s, bottleneck 4.5 s.
        (1, 2, 4.0),
        (2, 2, 2.25),
    ],
)
def test_a_period_is_the_bottleneck_or_a_share_of_the_round_trip(in_flight, size, seconds):
    """max(T, Lambda / n) / m."""
    evaluation = evaluate(case(), (in_flight, size, (0, 1)))
    assert (evaluation.violations, evaluation.objective) == ((), seconds)
    round_trip_s = {1: 5.25, 2: 8.0}[size]
    assert evaluation.terms["cycle"] == round_trip_s / in_flight / size
    bottleneck_s = max(value for name, value in evaluation.terms.items() if name != "cycle")
    assert bottleneck_s == {1: 3.0, 2: 2.25}[size]


def test_on_one_device_nothing_is_sent():
    """2.5 s, whatever is in flight."""
    for number in (1, 2, 4):
        assert evaluate(case(), (number, 1, (0, 0))).objective == 2.5


@pytest.mark.parametrize(
    ("memory", "placement", "fits"),
    [
        ((10 + 3 * 2 * 2, 20 + 2 * 2 * 2), (2, 2, (0, 1)), True),
        ((10 + 3 * 2 * 2 - 1, 99), (2, 2, (0, 1)), False),
        ((99, 20 + 2 * 2 * 2 - 1), (2, 2, (0, 1)), False),
        ((30 + 5 * 4 * 1, 0), (4, 1, (0, 0)), True),
        ((30 + 5 * 4 * 1 - 1, 0), (4, 1, (0, 0)), False),
    ],
)
def test_caches_of_all_are_in_memory(memory, placement, fits):
    """Those of n m sequences, to the byte."""
    broken = {violation.constraint for violation in evaluate(case(memory=memory), placement).violations}
    assert broken == (set() if fits else {"memory"})


@pytest.mark.parametrize(("limit_s", "kept"), [(6.0, True), (5.999, False)])
def test_a_sequence_waits_n_periods(limit_s, kept):
    """2 x 3 s."""
    violations = evaluate(case(limit_s=limit_s), (2, 1, (0, 1))).violations
    assert [violation.constraint for violation in violations] == ([] if kept else ["time_per_token"])


def test_the_best_number_is_the_least_of_the_fastest():
    """As many as fill the pipeline, fit, and keep the limit."""
    pipe = (0, 1)
    assert best_number(case(), 1, pipe) == 2
    assert best_number(case([1, 3, 4]), 1, pipe) == 3
    assert best_number(case(1), 1, pipe) == 1
    assert best_number(case(memory=(13, 99)), 1, pipe) == 1
    assert best_number(case(memory=(12, 99)), 1, pipe) is None
    assert best_number(case(limit_s=5.25), 1, pipe) == 1
    assert best_number(case(limit_s=5.0), 1, pipe) is None
    assert best_number(case([2, 3], limit_s=5.25), 1, pipe) is None


def test_choices_are_those_that_could_fit():
    """Weights of 30 bytes and 5 per sequence in 45 bytes of all devices: up to three sequences."""
    assert case(memory=(26, 19)).choices == ((1, 1), (2, 1), (3, 1), (1, 2))
    assert case(memory=(26, 19), in_flight=[2, 4]).choices == ((2, 1),)
    assert case(memory=(9, 9)).choices == ()
    # No device has room for more than two caches of the last layer.
    assert case(memory=(25, 25)).choices == ((1, 1), (2, 1), (1, 2))
    assert case(None, memory=(25, 20)).choices == ((None, 1), (None, 2))


def test_counts_are_a_range_or_a_list():
    """1 to n, those listed, or the paper's."""
    assert list(case(3).counts) == [1, 2, 3]
    assert list(case([2, 5]).counts) == [2, 5]
    assert list(case(None).counts) == [None]
    assert case(MOST_IN_FLIGHT).counts[-1] == MOST_IN_FLIGHT


@pytest.mark.parametrize(
    "given", [0, MOST_IN_FLIGHT + 1, [], [0, 1], [2, 1], [1, 1], [1, MOST_IN_FLIGHT + 1]]
)
def test_odd_numbers_are_refused(given):
    """By the key's name."""
    with pytest.raises(InstanceError, match="in_flight: expected"):
        case(given)


def test_limits_of_instances():
    """A limit needs numbers in flight and is no negative time; caches have at most 2**50 bytes."""
    with pytest.raises(InstanceError, match="time_per_token_limit_s: expected in_flight"):
        case(None, limit_s=1.0)
    with pytest.raises(InstanceError, match="time_per_token_limit_s"):
        case(limit_s=-1.0)
    caches = [dataclasses.replace(layer, cache_bytes=2**40) for layer in case().layers]
    whole = dataclasses.replace(case(), layers=caches, in_flight=511, batch_sizes=(1, 2))
    assert whole.counts[-1] == 511
    with pytest.raises(InstanceError, match="in_flight: expected caches of at most"):
        dataclasses.replace(case(), layers=caches, in_flight=512, batch_sizes=(1, 2))
    with pytest.raises(InstanceError, match="in_flight: expected caches of at most"):
        dataclasses.replace(
            case(None, sizes=(1, 2)), layers=[*caches[:1], dataclasses.replace(caches[1], cache_bytes=2**49)]
        )
    large = [dataclasses.replace(layer, cache_bytes=2**50 - 2**10) for layer in case(sizes=(1,)).layers]
    assert dataclasses.replace(case(None, sizes=(1,)), layers=large).choices == ((None, 1),)


def test_placements_have_a_number():
    """It goes first; what has none, or another, is refused."""
    instance = case([1, 3])
    assert evaluate(instance, {"in_flight": 3, "batch_size": 2, "layers": ["a", "b"]}).objective == 2.25
    assert from_json(instance, {"in_flight": 1, "batch_size": 1, "layers": ["a", "a"]}) == (1, 1, (0, 0))
    assert to_json(instance, (3, 1, (0, 1))) == {"in_flight": 3, "batch_size": 1, "layers": ["a", "b"]}
    assert to_json(case(None), (2, (0, 1))) == {"batch_size": 2, "layers": ["a", "b"]}
    for odd, constraint in (
        ((2, 1, (0, 1)), "in_flight"),
        ((3, 3, (0, 1)), "batch"),
        ((1, (0, 1)), "assignment"),
    ):
        assert [violation.constraint for violation in evaluate(instance, odd).violations] == [constraint]
    with pytest.raises(InstanceError, match=r"placement.in_flight: expected one of 1, 3 in flight, found 2"):
        from_json(instance, {"in_flight": 2, "batch_size": 1, "layers": ["a", "a"]})
    with pytest.raises(InstanceError, match=r"placement.in_flight: expected 1 to 4 in flight, found"):
        from_json(case(), {"batch_size": 1, "layers": ["a", "a"]})


def test_floors_by_hand():
    """All on the source in 2.5 s; shares of the two devices and of the least round trip, 2.5 s over the number."""
    instance = case()
    assert choice_floor_s(instance, 1, 1) == 2.5
    assert choice_floor_s(instance, 2, 1) == 1.5  # the last layer alone
    assert choice_floor_s(instance, None, 2) == 2.25 / 2
    assert floor_s(instance) == 2.25 / 2
    assert floor_s(case(memory=(9, 9))) == 0.0


@pytest.mark.parametrize(("limit_s", "told"), [(2.5, False), (2.49, True)])
def test_a_limit_below_all_waits_is_told(limit_s, told):
    """One device, one in flight: 2.5 s."""
    reason = diagnose(case(limit_s=limit_s))
    assert (reason is not None) == told
    assert not told or reason.startswith("a sequence waits at least 2.5 s")


def test_the_least_choice_decides_memory():
    """Where not even one sequence fits, no choice does."""
    assert "24 bytes" in (diagnose(case([2], memory=(16, 23), sizes=(1,))) or "")
    assert diagnose(case([2], memory=(16, 24), sizes=(1,))) is None


def test_files_and_floors_of_drawn_ones():
    """They come back the same; no placement is below the floor."""
    for seed in range(20):
        instance = generate("edgeshard-batch", "tiny-in-flight", seed=seed)
        assert instance.in_flight is not None
        assert read(to_document(instance)) == instance
        problem = problem_of(instance)
        values = [problem.evaluate(instance, each) for each in problem.placements(instance)]
        best_s = min((each.objective for each in values if each.feasible), default=math.inf)
        assert problem.floor(instance) <= best_s
        assert problem.diagnose(instance) is None or best_s == math.inf
    document = to_document(case(3, limit_s=9.0))
    assert (document["in_flight"], document["time_per_token_limit_s"]) == (3, 9.0)
    assert from_document(document).counts == range(1, 4)


@pytest.mark.parametrize(
    ("counts", "placement", "where", "line"),
    [
        (None, 7, "layers", "expected a batch size and a device for each layer, found 7"),
        (None, (1, 2, (0, 1)), "layers", "expected a batch size and a device for each layer, found"),
        (
            2,
            (1, (0, 1)),
            "layers",
            "expected a number in flight, a batch size and a device for each layer, found",
        ),
        (2, (3, 1, (0, 1)), "in flight", "expected 1 to 2 in flight, found 3"),
        (2, (0, 1, (0, 1)), "in flight", "expected 1 to 2 in flight, found 0"),
        ([1, 3], (2, 1, (0, 1)), "in flight", "expected one of 1, 3 in flight, found 2"),
        ([1, 3], ("x", 1, (0, 1)), "in flight", "expected one of 1, 3 in flight, found 'x'"),
        (2, (2, 3, (0, 1)), "batch size", "expected one of 1, 2, found 3"),
        (None, (0, (0, 1)), "batch size", "expected one of 1, 2, found 0"),
        (None, (None, (0, 1)), "batch size", "expected one of 1, 2, found None"),
    ],
)
def test_what_is_no_choice_in_words(counts, placement, where, line):
    """The entry, what was expected there and what was found."""
    (found,) = evaluate(case(counts), placement).violations
    assert found.where == where
    assert found.message.startswith(line)


def test_terms_and_waits_by_hand():
    """Per token of all; with a limit between two waits the dearer choice breaks it, and says by how much."""
    found = evaluate(case(), (2, 1, (0, 1)))
    assert (found.objective, found.terms["cycle"]) == (3.0, 5.25 / 2)
    paper = evaluate(case(None), (2, (0, 1)))
    assert (paper.objective, "cycle" in paper.terms) == (2.25, False)
    for limit_s in (5.25, 5.2):
        (*broken,) = evaluate(case(limit_s=limit_s), (1, 1, (0, 1))).violations
        assert [(each.constraint, each.where) for each in broken] == (
            [] if limit_s == 5.25 else [("time_per_token", "pipeline")]
        )
    assert broken[0].message == (
        "a sequence waits 5.25 s for its next token with 1 micro-batches in flight, expected at most 5.2 s"
    )
