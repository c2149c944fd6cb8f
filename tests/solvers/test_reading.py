"""Results read back from files: only placements are taken over, everything else is derived anew."""

import json

import pytest

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.errors import PlacewiseError
from placewise.models.registry import PROBLEMS
from placewise.solvers import VerifiedResult, solve
from placewise.solvers.evidence.result import Reason, Status, Termination


@pytest.fixture
def split():
    """Give the hand-computed instance whose optimum, 7 s, is a on layer 0 and b on the others."""
    return read("hand-split")


@pytest.fixture
def document(split):
    """Give its optimum as a document."""
    return solve(split, "labels", isolate=False).to_json()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_truthful_result_comes_back(problem):
    """Placement, objective, terms, names; no conflict; never with a better bound than the solver's."""
    for seed in range(6):
        instance = generate(problem, "tiny", seed=seed)
        before = solve(instance, "brute-force", isolate=False)
        after = VerifiedResult.from_json(instance, json.loads(json.dumps(before.to_json())))
        assert after.conflicts == after.violations == ()
        kept = (
            "placement",
            "objective",
            "terms",
            "method",
            "guarantee",
            "termination",
            "incumbent_by",
            "versions",
        )
        for key in kept:
            assert getattr(after, key) == getattr(before, key), key
        if before.objective is not None:
            assert after.dual_bound is None or after.dual_bound <= before.objective
            assert after.status in (Status.OPTIMAL, Status.FEASIBLE)


def test_a_proof_is_not_taken_over(split, document):
    """The bound is that of the equations alone, and what the file says of another is a message."""
    result = VerifiedResult.from_json(split, document)
    assert (result.status, result.objective) == (Status.FEASIBLE, 7.0)
    assert result.dual_bound == PROBLEMS[split.problem].floor(split) < 7.0
    assert result.message == "the bound 7.0 is stated by labels, not certified"
    assert solve(split, warm_start=result, isolate=False).status is Status.OPTIMAL


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("objective", 6.0, "claims 6.0"),
        ("dual_bound", 9.0, "nothing is below 9.0"),
        ("relative_gap", 0.5, "relative_gap"),
        ("terms", {"compute": 1.0}, "terms"),
        ("unit", "J", "unit"),
        ("violations", ["a is full"], "violations"),
        ("instance_hash", "0" * 64, "another instance"),
        ("status", "infeasible", "its placement is feasible"),
        ("guarantee", "divine", "guarantee"),
    ],
)
def test_a_lie_is_a_conflict(split, document, key, value, word):
    """What the placement refutes is said, and is not in the result."""
    result = VerifiedResult.from_json(split, document | {key: value})
    assert [conflict.kind for conflict in result.conflicts][:1] == ["file-refuted"]
    assert word in " ".join(conflict.message for conflict in result.conflicts)
    assert (result.status, result.objective) == (Status.FEASIBLE, 7.0)
    assert result.dual_bound is None or result.dual_bound <= 7.0


def test_a_placement_that_breaks_something_has_no_value(split, document):
    """Whatever the file says of it."""
    result = VerifiedResult.from_json(split, document | {"placement": {"layers": ["a", "a", "a", "a"]}})
    assert (result.status, result.objective, result.relative_gap) == (Status.ERROR, None, None)
    assert [violation.constraint for violation in result.violations] == ["memory"]
    assert result.conflicts


def test_that_there_is_none_is_believed_only_where_it_is_plain():
    """A file's "infeasible" counts where the problem's own diagnosis shows it."""
    split, unreachable = read("hand-split"), read("hand-unreachable")
    none = solve(unreachable, isolate=False).to_json()
    assert VerifiedResult.from_json(unreachable, none).status is Status.INFEASIBLE
    claimed = VerifiedResult.from_json(split, none | {"instance": "hand-split", "instance_hash": None})
    assert claimed.status in (Status.NO_SOLUTION, Status.ERROR)
    assert "cannot be checked" in claimed.message


def test_files_are_read_and_blamed(split, document, tmp_path):
    """A path in place of a document; what is no result of the instance is one line that names file and place."""
    file = tmp_path / "r.json"
    solve(split, "labels", isolate=False).save(file)
    assert VerifiedResult.from_json(split, file).objective == 7.0
    file.write_text(json.dumps(document | {"instance": "other"}), encoding="utf-8")
    with pytest.raises(PlacewiseError, match=r"r\.json: instance: expected 'hand-split', found 'other'"):
        VerifiedResult.from_json(split, str(file))


@pytest.mark.parametrize("source", [None, 3, [], {}, {"format": "placewise-result/2"}, {"placement": 3}])
def test_what_is_no_result_is_refused_or_has_no_placement(split, source):
    """In one line, or as a result without a value."""
    try:
        result = VerifiedResult.from_json(split, source)
    except PlacewiseError:
        return
    assert (result.objective, result.placement) == (None, None)
    assert result.violations


def test_words_of_a_file_that_are_none_are_left_out(split, document):
    """Another reason to stop, a limit or a finder that are no texts."""
    odd = {"termination": {"reason": "limit", "limit": 3}, "incumbent_by": ["x"]}
    result = VerifiedResult.from_json(split, document | odd)
    assert (result.termination, result.incumbent_by) == (Termination(Reason.LIMIT, None), None)
    assert (
        VerifiedResult.from_json(split, document | {"termination": {"reason": "tired"}}).termination is None
    )
