"""What a DILEMMA placement means, by hand, in both modes; and how its files fail."""

import dataclasses

import numpy as np
import pytest

from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.models.dilemma.cost import delay_costs
from placewise.models.errors import InstanceError
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


@pytest.fixture
def corrected():
    return read("dilemma-loophole-corrected")


@pytest.fixture
def printed():
    return read("dilemma-loophole-as-printed")


def test_compute_scales_with_bits_and_hops_with_the_senders(corrected):
    """1 s per layer at 4 bits, 2 s at 8; a hop of 8 numbers takes 4 or 8 s (Eq. 3, 4)."""
    evaluation = evaluate(corrected, ((0, 0), (1, 1), (2, 0)))
    assert evaluation.feasible
    assert evaluation.terms == {"compute": 4.0, "communication": 12.0}
    assert evaluation.objective == 16.0


def test_as_printed_hops_between_different_widths_are_free(printed):
    """The loophole of Eq. 2f: 4 s are counted, 16 s are true."""
    evaluation = evaluate(printed, ((0, 0), (1, 1), (2, 0)))
    assert evaluation.objective == 4.0
    assert evaluation.terms["uncounted_communication"] == 12.0
    assert evaluation.terms["true_delay"] == 16.0


def test_the_loophole_costs_more_than_it_saves(corrected, printed):
    """What is optimal as printed takes more than twice the corrected optimum in truth."""
    literal, true = solve(printed), solve(corrected)
    assert (literal.status, literal.objective) == (Status.OPTIMAL, 4.0)
    assert (true.status, true.objective) == (Status.OPTIMAL, 7.0)
    assert evaluate(corrected, literal.placement).objective == 16.0


def test_storage_is_cumulative_corrected_and_per_layer_printed(corrected, printed):
    """Two layers at 8 bits overload 4 bytes; as printed the second layer breaks 2d instead."""
    two = ((0, 1), (0, 1), (1, 0))
    assert [v.constraint for v in evaluate(corrected, two).violations] == ["storage"]
    assert [v.constraint for v in evaluate(printed, two).violations] == ["one_layer_per_server"]


def test_errors_are_bounded_per_layer_and_in_sum(corrected):
    """Both bounds in one instance, each with its message."""
    bounded = dataclasses.replace(corrected, max_error=0.3, error_budget=1.0)
    violations = evaluate(bounded, ((0, 0), (0, 0), (1, 1))).violations
    assert [v.constraint for v in violations] == ["max_error", "max_error", "error_budget"]
    assert "the errors sum to 1.25, expected at most 1" in violations[-1].message


def test_a_missing_link_forbids_consecutive_layers_in_both_modes(corrected, printed):
    """Also where the printed model would not count the transfer."""
    for instance in (corrected, printed):
        links = instance.cluster.bandwidth_bytes_per_s.copy()
        links[0, 1] = 0.0
        cut = dataclasses.replace(
            instance, cluster=dataclasses.replace(instance.cluster, bandwidth_bytes_per_s=links)
        )
        evaluation = evaluate(cut, ((0, 0), (1, 1), (2, 0)))
        assert [v.where for v in evaluation.violations] == ["a -> b"]
        assert evaluation.objective is None


def test_only_useful_widths_are_candidates(corrected, printed):
    """Without a budget the smallest admissible width dominates; as printed a hop may need two."""
    assert delay_costs(corrected).candidate.tolist() == [[True, False]] * 3
    assert delay_costs(printed).candidate.all()
    budget = dataclasses.replace(corrected, error_budget=1.0)
    assert delay_costs(budget).candidate.all()


def test_three_widths_are_enough_as_printed():
    """With five widths: the optimum over all of them is the one over the three smallest admissible ones."""
    solved = 0
    for seed in range(60):
        tiny = generate("dilemma", "tiny", mode="as-printed", seed=seed)
        count = len(tiny.layers)
        if count > 3:
            continue
        errors = np.random.default_rng(seed).integers(0, 8, (count, 5)) / 8
        wide = dataclasses.replace(
            tiny, bit_widths=(2, 4, 6, 8, 16), quantization_error=errors, max_error=0.75
        )
        truth = solve(wide, "brute-force", isolate=False)
        result = solve(wide, "labels", isolate=False)
        assert (result.status, result.objective) == (truth.status, truth.objective)
        assert (delay_costs(wide).candidate.sum(axis=1) <= 3).all()
        solved += truth.objective is not None
    assert solved > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bit_widths": [8, 4]}, "bit_widths: expected distinct widths of 1 to 64 in increasing order"),
        ({"quantization_error": [[0.5, 0.2]]}, "quantization_error: expected 3 rows, found 1"),
        ({"mode": "literal"}, "mode: expected 'corrected' or 'as-printed'"),
        ({"tokens": 0}, "tokens: expected >= 1, found 0"),
        ({"max_error": -1}, "max_error: expected >= 0, found -1"),
        ({"original_bits": 4}, "original_bits: unknown key"),
    ],
)
def test_bad_files_name_the_place(corrected, change, message):
    """One clear line."""
    with pytest.raises(InstanceError, match=message.replace("(", r"\(")):
        from_document(to_document(corrected) | change)


def test_a_budget_as_printed_is_refused(printed):
    """The paper prints no sum of errors."""
    with pytest.raises(InstanceError, match="error_budget: expected null"):
        from_document(to_document(printed) | {"error_budget": 1.0})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"layers": ["a", "b", "d"], "bits": [4, 4, 4]}, r"placement.layers\[2\]"),
        ({"layers": ["a", "b", "c"], "bits": [4, 5, 4]}, r"placement.bits\[1\]: expected a width"),
        ({"layers": ["a", "b", "c"], "bits": [4]}, "placement.bits: expected 3 widths"),
        ({"layers": ["a", "b", "c"]}, "placement.bits: expected a list"),
    ],
)
def test_bad_results_name_the_place(corrected, document, message):
    """Servers and widths by name."""
    with pytest.raises(InstanceError, match=message):
        PROBLEMS["dilemma"].from_json(corrected, document)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_error": 0.1}, "layer 0 has an error of at least 0.25"),
        ({"error_budget": 0.5}, "the errors sum to at least 0.75"),
        ({"cluster": 1}, "fits on no server"),
    ],
)
def test_simple_reasons_for_infeasibility(corrected, change, reason):
    """Each is a proof, and the solver agrees."""
    if "cluster" in change:
        change = {"cluster": dataclasses.replace(corrected.cluster, memory_bytes=np.array([1, 1, 1]))}
    instance = dataclasses.replace(corrected, **change)
    assert reason in PROBLEMS["dilemma"].diagnose(instance)
    assert solve(instance, isolate=False).status is Status.INFEASIBLE


def test_pairs_beyond_the_ends_are_refused():
    """Positions of servers and widths count from 0: nothing below, nothing from their number on, in any form."""
    instance = generate("dilemma", "tiny", seed=0)
    count, size, widths = len(instance.layers), instance.cluster.size, len(instance.bit_widths)
    good = ((0, 0),) * (count - 1)
    for pair in ((-1, 0), (0, -1), (size, 0), (0, widths), (True, 0), (0, False), (0.0, 0)):
        for form in ((*good, pair), [*good, list(pair)]):
            assert PROBLEMS["dilemma"].gate(instance, form)[0] is None
    for pair in ((size - 1, 0), (0, widths - 1)):
        assert PROBLEMS["dilemma"].gate(instance, (*good, pair)) == ((*good, pair), ())
