"""Nothing that a method claims is believed: each planted lie is caught."""

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_placements import ODD, Hostile

from placewise.instances import read
from placewise.models.gate import shown
from placewise.models.problem import Guarantee
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.evidence.result import Claim, Progress, Reason, Status
from placewise.solvers.evidence.verify import differs, relative_gap, verify

BEST = (0, 1, 1, 1)  # costs 7 s
WORSE = (0, 1, 1, 0)  # breaks a's memory


def verified(instance, claim, guarantee=Guarantee.EXACT, method="planted", **options):
    return verify(instance, method, guarantee, claim, tolerance=1e-6, **options)


def kinds(result):
    return [conflict.kind for conflict in result.conflicts]


def test_an_honest_optimum(split):
    """Feasible and bound equal to objective: optimal, whatever the method calls it."""
    result = verified(split, Claim(Reason.LIMIT, BEST, 7.0, 7.0))
    assert (result.status, result.objective, result.relative_gap, result.conflicts) == (
        Status.OPTIMAL,
        7.0,
        0.0,
        (),
    )


def test_optimal_without_a_bound_is_only_feasible(split):
    """The word "optimal" proves nothing."""
    assert verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, None)).status is Status.FEASIBLE


def test_a_gap_is_feasible(split):
    """The status follows from the gap, not from the reason."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, 6.3))
    assert result.status is Status.FEASIBLE
    assert result.relative_gap == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("gap", "status"), [(0.5, Status.OPTIMAL), (2.0, Status.FEASIBLE), (900.0, Status.FEASIBLE)]
)
def test_optimal_is_within_the_tolerance(split, gap, status):
    """Half of it is, twice as much is not, and 0.09 % is far from it; a larger one is accepted when asked for."""
    claim = Claim(Reason.OPTIMAL, BEST, 7.0, 7.0 * (1 - gap * 1e-6))
    assert verified(split, claim).status is status
    assert verify(split, "planted", Guarantee.EXACT, claim, tolerance=1e-3).status is Status.OPTIMAL


def test_an_infeasible_solution_is_a_conflict(split):
    """An exact method that overloads a device has lied."""
    result = verified(split, Claim(Reason.OPTIMAL, WORSE, 5.0, 5.0))
    assert (result.status, kinds(result), result.objective) == (Status.ERROR, ["infeasible-solution"], None)
    assert result.violations[0].constraint == "memory"


def test_an_unsafe_algorithm_may_be_infeasible(split):
    """An algorithm as its paper prints it claims nothing; its placement is kept with what it breaks."""
    result = verified(split, Claim(Reason.FINISHED, WORSE, 5.0), Guarantee.UNSAFE)
    assert (result.status, result.conflicts) == (Status.NO_SOLUTION, ())
    assert result.violations


def test_a_wrong_objective_is_a_conflict(split):
    """The re-evaluated objective is the one that counts."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 6.0, 6.0))
    assert (kinds(result), result.objective) == (["objective-mismatch"], 7.0)


def test_a_bound_above_a_placement_is_a_conflict(split):
    """And it is not used."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, 8.0))
    assert (kinds(result), result.dual_bound, result.status) == (["bound-crossed"], None, Status.FEASIBLE)


def test_false_infeasibility_is_refuted(split):
    """A known placement refutes the claim that there is none."""
    result = verified(split, Claim(Reason.INFEASIBLE), known=[BEST])
    assert (kinds(result), result.status) == (["false-infeasible"], Status.ERROR)
    assert verified(split, Claim(Reason.INFEASIBLE), known=[WORSE]).status is Status.INFEASIBLE


@pytest.mark.parametrize("guarantee", [Guarantee.RESTRICTION, Guarantee.HEURISTIC, Guarantee.UNSAFE])
def test_bounds_count_only_where_the_guarantee_allows(split, guarantee):
    """A restriction's bound and its "infeasible" prove nothing."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, 7.0), guarantee)
    assert (result.status, result.dual_bound) == (Status.FEASIBLE, None)
    assert verified(split, Claim(Reason.INFEASIBLE), guarantee).status is Status.NO_SOLUTION


def test_a_relaxation_may_return_what_is_no_placement(split):
    """Its bound stands all the same."""
    result = verified(split, Claim(Reason.OPTIMAL, WORSE, 5.0, 5.0), Guarantee.RELAXATION)
    assert (result.status, result.dual_bound, result.conflicts) == (Status.NO_SOLUTION, 5.0, ())


def test_the_solvers_rounding_is_forgiven(split):
    """A bound that floating point lifted above the objective is the objective."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0 + 1e-9, 7.0 + 1e-9))
    assert (result.status, result.dual_bound) == (Status.OPTIMAL, 7.0)


def test_limits_and_errors(split):
    """Without a placement: no solution, or an error."""
    assert verified(split, Claim(Reason.LIMIT, dual_bound=3.0)).dual_bound == 3.0
    assert verified(split, Claim(Reason.LIMIT)).status is Status.NO_SOLUTION
    assert verified(split, Claim(Reason.ERROR, message="x")).status is Status.ERROR


def test_conflicts_between_methods(split):
    """Two optima that differ, a bound above another's placement, an infeasibility beside a placement."""
    stay = (0, 1, 1, 1)
    good = verified(split, Claim(Reason.OPTIMAL, stay, 7.0, 7.0), method="good")
    # A detour is feasible but worse: call it optimal.
    roomy = verified(split, Claim(Reason.INFEASIBLE), method="none")
    assert [c.kind for c in find_conflicts([good, roomy])] == ["false-infeasible"]
    bound = verified(split, Claim(Reason.LIMIT, dual_bound=8.0), method="bound")
    assert [c.kind for c in find_conflicts([good, bound])] == ["bound-crossed"]


def test_optima_that_disagree():
    """On an instance with a worse feasible placement, two proven optima cannot both be right."""
    home = read("hand-stay-home")
    right = verified(home, Claim(Reason.OPTIMAL, (0, 0, 0, 0), 13.0, 13.0), method="right")
    wrong = verified(home, Claim(Reason.OPTIMAL, (0, 1, 1, 1), 34.0, 34.0), method="wrong")
    assert wrong.status is Status.OPTIMAL  # alone, nothing speaks against it
    conflict = find_conflicts([right, wrong])[0]
    assert (conflict.kind, conflict.methods) == ("optima-disagree", ("wrong", "right"))


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    "placement", [["a", "b", "b", "b"], [0, 1, 1, 1], {"layers": ["a", "b", "b", "b"]}, np.array(BEST)]
)
def test_a_placement_is_kept_in_its_canonical_form(split, placement):
    """However it was given."""
    result = verified(split, Claim(Reason.OPTIMAL, placement, 7.0, 7.0))
    assert (result.status, result.placement) == (Status.OPTIMAL, BEST)
    assert {type(device) for device in result.placement} == {int}


def test_what_is_no_placement_is_not_kept(split):
    """A conflict with what was expected and found; an unsafe algorithm is allowed to."""
    result = verified(split, Claim(Reason.OPTIMAL, lambda: BEST, 7.0, 7.0))
    assert (result.status, kinds(result), result.placement) == (Status.ERROR, ["infeasible-solution"], None)
    assert "found an object of type function" in result.violations[0].message
    result = verified(split, Claim(Reason.FINISHED, [(-1, -1)] * 4), Guarantee.UNSAFE)
    assert (result.status, kinds(result), result.placement) == (Status.NO_SOLUTION, [], None)
    assert len(result.violations) == 4


@pytest.mark.parametrize(
    "objective",
    [NAN, INFINITY, -INFINITY, 10**400, "7", True, 7 + 0j, Decimal(7), [7.0], Hostile()],
    ids=shown,
)
def test_an_objective_that_is_no_number_is_a_mismatch(split, objective):
    """Whatever it is, what the placement costs is what counts."""
    result = verified(split, Claim(Reason.LIMIT, BEST, objective, 7.0))
    assert (kinds(result), result.objective, result.status) == (["objective-mismatch"], 7.0, Status.OPTIMAL)


@pytest.mark.parametrize("number", [7, np.float32(7), np.int64(7), np.float64(7)])
def test_numbers_of_other_types_are_numbers(split, number):
    """And what is kept is a plain float."""
    result = verified(split, Claim(Reason.LIMIT, BEST, number, number))
    assert (kinds(result), type(result.dual_bound), result.status) == ([], float, Status.OPTIMAL)


@pytest.mark.parametrize(
    "bound", [NAN, "7", True, Decimal(7), 7 + 0j, [], np.array(7.0), Hostile()], ids=shown
)
def test_a_bound_that_is_no_number_counts_for_nothing(split, bound):
    """With a placement, without one, and beside a claim that there is none: a conflict, and no gap."""
    for placement in (BEST, None):
        result = verified(split, Claim(Reason.OPTIMAL, placement, None, bound))
        assert (kinds(result), result.dual_bound, result.relative_gap) == (["invalid-bound"], None, None)
    assert kinds(verified(split, Claim(Reason.INFEASIBLE, dual_bound=bound))) == ["invalid-bound"]
    assert verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, bound), Guarantee.HEURISTIC).conflicts == ()


@pytest.mark.parametrize("bound", [INFINITY, 10**400, np.float32(INFINITY)])
def test_an_infinite_bound_counts_for_nothing(split, bound):
    """A placement refutes it, the method's own or a known one; without one it is no proof of infeasibility."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, bound))
    assert (kinds(result), result.dual_bound, result.relative_gap) == (["bound-crossed"], None, None)
    result = verified(split, Claim(Reason.LIMIT, dual_bound=bound), known=[BEST])
    assert (kinds(result), result.dual_bound) == (["bound-crossed"], None)
    result = verified(split, Claim(Reason.LIMIT, dual_bound=bound))
    assert (kinds(result), result.dual_bound, result.status) == ([], None, Status.NO_SOLUTION)
    result = verified(split, Claim(Reason.LIMIT, WORSE, None, bound), Guarantee.RELAXATION)
    assert (kinds(result), result.dual_bound) == ([], None)


def test_a_bound_of_minus_infinity_is_none(split):
    """It is what solvers say before they know one."""
    result = verified(split, Claim(Reason.LIMIT, BEST, 7.0, -INFINITY))
    assert (kinds(result), result.dual_bound, result.status) == ([], None, Status.FEASIBLE)


def test_a_known_placement_refutes_a_bound(split):
    """With a worse placement of the method's own, and without one; one in another form, too."""
    home = read("hand-stay-home")
    stay, leave = (0, 0, 0, 0), (0, 1, 1, 1)
    result = verified(home, Claim(Reason.OPTIMAL, leave, 34.0, 34.0), known=[stay])
    assert (kinds(result), result.dual_bound, result.status) == (["bound-crossed"], None, Status.FEASIBLE)
    result = verified(
        home, Claim(Reason.LIMIT, dual_bound=14.0), known=[leave, ["no such device"], list(stay)]
    )
    assert (kinds(result), result.dual_bound) == (["bound-crossed"], None)
    result = verified(home, Claim(Reason.LIMIT, dual_bound=13.0), known=[stay, leave])
    assert (kinds(result), result.dual_bound) == ([], 13.0)


@pytest.mark.parametrize("guarantee", [Guarantee.EXACT, Guarantee.HEURISTIC])
def test_infeasible_with_a_placement_is_a_contradiction(split, guarantee):
    """The placement stands, and nothing else that the method says."""
    result = verified(split, Claim(Reason.INFEASIBLE, BEST, 7.0, 7.0), guarantee)
    assert (kinds(result), result.status, result.dual_bound) == (["false-infeasible"], Status.FEASIBLE, None)
    assert kinds(verified(split, Claim(Reason.INFEASIBLE, WORSE))) == ["infeasible-solution"]


@pytest.mark.parametrize("claim", [None, BEST, "optimal", Hostile(), object.__new__(Claim)], ids=shown)
def test_what_is_no_claim_is_an_error(split, claim):
    """A result with a line, not an exception."""
    result = verified(split, claim)
    assert (result.status, result.placement, kinds(result)) == (Status.ERROR, None, [])
    assert "planted: expected a" in result.message


@pytest.mark.parametrize("reason", ["optimal", None, 0, Status.OPTIMAL, Hostile()], ids=shown)
def test_a_reason_that_is_none_is_an_error(split, reason):
    """A method that does not say why it stopped has not said anything."""
    result = verified(split, Claim(reason, BEST, 7.0, 7.0))
    assert (result.status, result.objective) == (Status.ERROR, None)
    assert "expected a Reason" in result.message


def test_the_rest_of_a_claim_may_be_anything(split):
    """Messages, seconds and the trace are made plain, so that a document can be written."""
    claim = Claim(Reason.LIMIT, BEST, message=Hostile(), build_s=NAN, solve_s="long")
    trace = (Progress(1.0, np.float32(7), INFINITY), Progress(-1.0, NAN, "x", lambda: 0), Hostile())
    result = verified(split, claim, trace=trace)
    assert (result.message, result.build_s, result.solve_s) == ("an object of type Hostile", 0.0, 0.0)
    assert result.trace == (Progress(1.0, 7.0, None), Progress(0.0, None, None))
    assert type(result.trace[0].objective) is float
    json.dumps(result.to_json(), allow_nan=False)


def test_gaps_of_what_is_not_finite():
    """An infinite bound closes no gap, and NaN is no number that something could be equal to."""
    assert relative_gap(7.0, INFINITY) == relative_gap(7.0, NAN) == relative_gap(NAN, 7.0) == INFINITY
    assert relative_gap(7.0, -INFINITY) == relative_gap(INFINITY, 7.0) == INFINITY
    assert relative_gap(10.0, 9.0) == pytest.approx(0.1)
    assert differs(NAN, NAN)
    assert differs(7.0, INFINITY)
    assert not differs(INFINITY, INFINITY)
    assert differs(7.0, 7.0 + 1e-5)
    assert not differs(7.0, 7.0 + 1e-7)


ODD_NUMBERS = [
    NAN,
    INFINITY,
    -INFINITY,
    -5,
    0,
    7.0,
    8,
    1e308,
    10**400,
    "7",
    True,
    None,
    7j,
    Decimal("NaN"),
    b"",
    Hostile(),
]


@given(
    st.sampled_from([*Reason, "optimal", None, 3]),
    st.sampled_from(["nothing", "best", "worse", *ODD]),
    st.sampled_from(range(len(ODD_NUMBERS))),
    st.sampled_from(range(len(ODD_NUMBERS))),
    st.sampled_from(list(Guarantee)),
    st.booleans(),
)
def test_no_claim_is_believed(reason, placement, objective, bound, guarantee, known):
    """Whatever is combined: no exception, an optimum only at its bound, no number that is none."""
    split = read("hand-split")
    given_placement = {"nothing": None, "best": BEST, "worse": WORSE}.get(placement)
    if placement in ODD:
        given_placement = ODD[placement](split, BEST)
    claim = Claim(reason, given_placement, ODD_NUMBERS[objective], ODD_NUMBERS[bound])
    result = verified(split, claim, guarantee, known=[BEST] if known else [])
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["status"] == result.status.value
    if result.status is Status.OPTIMAL:
        assert (result.objective, result.dual_bound, guarantee.bounds) == (7.0, 7.0, True)
    if result.status is Status.INFEASIBLE:
        assert reason is Reason.INFEASIBLE
        assert not known
    assert (result.objective is None) is not (placement == "best" and reason in list(Reason))
    assert result.dual_bound is None or (guarantee.bounds and math.isfinite(result.dual_bound))
    assert not (known and result.dual_bound is not None and result.dual_bound > 7.0)
