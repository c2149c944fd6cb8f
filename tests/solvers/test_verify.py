"""Nothing that a method claims is believed: each planted lie is caught."""

import pytest

from placewise.models.problem import Guarantee
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.evidence.result import Claim, Reason, Status
from placewise.solvers.evidence.verify import verify

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
    from placewise.instances import read

    home = read("hand-stay-home")
    right = verified(home, Claim(Reason.OPTIMAL, (0, 0, 0, 0), 13.0, 13.0), method="right")
    wrong = verified(home, Claim(Reason.OPTIMAL, (0, 1, 1, 1), 34.0, 34.0), method="wrong")
    assert wrong.status is Status.OPTIMAL  # alone, nothing speaks against it
    conflict = find_conflicts([right, wrong])[0]
    assert (conflict.kind, conflict.methods) == ("optima-disagree", ("wrong", "right"))
