"""How exact is "the same", and how small is a gap: verification and comparison at their limits."""

import dataclasses
import math

import numpy as np
import pytest

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers import bridge
from placewise.solvers.bridge import GapReport, compare
from placewise.solvers.evidence.result import Claim, Conflict, Reason, Status, VerifiedResult
from placewise.solvers.evidence.verify import verify
from placewise.solvers.registry import find_method

BEST = (0, 1, 1, 1)  # costs 7 s


def verified(instance, claim, tolerance=1e-6, guarantee=Guarantee.EXACT, known=()):
    return verify(instance, "planted", guarantee, claim, tolerance=tolerance, known=known)


def kinds(result):
    return [conflict.kind for conflict in result.conflicts]


@pytest.mark.parametrize("factor", [1 + 1e-5, 1 - 1e-5, 1.001, 0.999])
def test_a_claimed_objective_a_hundred_thousandth_off_is_refuted(split, factor):
    """Solvers' tolerances explain parts in a million, not more; the objective stays the evaluated one."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0 * factor, 7.0))
    assert (kinds(result), result.objective) == (["objective-mismatch"], 7.0)


@pytest.mark.parametrize("factor", [1 + 1e-5, 1.0005])
def test_a_bound_a_hundred_thousandth_above_the_placement_is_refuted(split, factor):
    """It crosses what is feasible: a conflict, and no bound is left of it."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0, 7.0 * factor))
    assert (kinds(result), result.dual_bound, result.status) == (["bound-crossed"], None, Status.FEASIBLE)


@pytest.mark.parametrize("factor", [1 + 1e-8, 1 - 1e-8])
def test_what_floating_point_explains_is_no_conflict(split, factor):
    """A part in 10^8 either way: optimal, at the evaluated objective."""
    result = verified(split, Claim(Reason.OPTIMAL, BEST, 7.0 * factor, 7.0 * factor))
    assert (kinds(result), result.status, result.objective) == ([], Status.OPTIMAL, 7.0)
    assert result.dual_bound <= 7.0


def test_a_gap_of_a_thousandth_is_not_optimal(split):
    """Nor one of a hundred-thousandth, unless the caller asked for no more."""
    for gap in (1e-3, 1e-4, 1e-5):
        claim = Claim(Reason.OPTIMAL, BEST, 7.0, 7.0 * (1 - gap))
        assert verified(split, claim).status is Status.FEASIBLE
        assert verified(split, claim, tolerance=2 * gap).status is Status.OPTIMAL


def test_a_gap_is_relative_to_the_objective_and_may_equal_the_tolerance(split):
    """7 s above a bound of 5.25 s: a quarter of 7, which a tolerance of a quarter allows and less does not."""
    claim = Claim(Reason.LIMIT, BEST, 7.0, 5.25)
    assert verified(split, claim).relative_gap == 0.25
    assert verified(split, claim, tolerance=0.25).status is Status.OPTIMAL
    assert verified(split, claim, tolerance=0.2499).status is Status.FEASIBLE


def test_a_bound_without_a_placement_counts_where_the_guarantee_allows(split):
    """A heuristic proves none."""
    claim = Claim(Reason.LIMIT, dual_bound=3.0)
    assert verified(split, claim, guarantee=Guarantee.HEURISTIC).dual_bound is None
    assert verified(split, claim, guarantee=Guarantee.RELAXATION).dual_bound == 3.0


def test_infeasible_needs_a_proof(split):
    """A relaxation without a solution proves it; an error or a limit does not; a broken placement refutes nothing."""
    assert (
        verified(split, Claim(Reason.INFEASIBLE), guarantee=Guarantee.RELAXATION).status is Status.INFEASIBLE
    )
    assert verified(split, Claim(Reason.LIMIT), known=[BEST]).status is Status.NO_SOLUTION
    assert verified(split, Claim(Reason.ERROR), known=[BEST]).status is Status.ERROR
    refuted = verified(split, Claim(Reason.INFEASIBLE), known=[(0, 1, 1, 0), BEST])
    assert (refuted.status, kinds(refuted)) == (Status.ERROR, ["false-infeasible"])


def answer(method, objective, bound, status=Status.FEASIBLE):
    return VerifiedResult(
        read("hand-split"), method, Guarantee.EXACT, status, objective=objective, dual_bound=bound
    )


def test_the_best_bound_is_the_largest_and_the_best_objective_the_least():
    """Of three methods, one without a bound and one without a placement."""
    report = GapReport(None, (answer("a", 10.0, 4.0), answer("b", 5.0, None), answer("c", None, 3.0)))
    assert (report.best_bound, report.best_objective) == (4.0, 5.0)
    nothing = GapReport(None, (answer("a", None, None),))
    assert (nothing.best_bound, nothing.best_objective, nothing.gaps) == (None, None, {"a": None})


def test_gaps_of_a_comparison_are_relative_to_the_best_bound():
    """5 s above a bound of 4 s is a quarter, not a fifth; no placement, no gap; at or below the bound, none."""
    report = GapReport(
        None, (answer("a", 5.0, 2.0), answer("b", 4.0, 4.0), answer("c", None, 3.0), answer("d", 12.0, None))
    )
    assert report.gaps == {"a": 0.25, "b": 0.0, "c": None, "d": 2.0}
    assert GapReport(None, (answer("a", 5.0, None),)).gaps == {"a": None}
    below = GapReport(None, (answer("a", 5.0, 6.0),))
    assert below.gaps == {"a": 0.0}
    assert GapReport(None, (answer("a", 5.0, 0.0),)).gaps == {"a": math.inf}


def test_a_comparison_runs_what_applies_and_says_what_does_not():
    """Named methods in their order, each announced and finished; by default those that fit, others with a reason."""
    split, told, done = read("hand-split"), [], []
    named = compare(
        split,
        ["greedy", "labels"],
        isolate=False,
        started=told.append,
        finished=lambda r: done.append(r.method),
    )
    assert [result.method for result in named.results] == told == done == ["greedy", "labels"]
    assert (named.skipped, named.conflicts) == ({}, ())
    assert named.gaps["labels"] == 0.0
    document = named.to_json()
    assert (document["best_objective"], document["best_dual_bound"]) == (7.0, 7.0)
    assert [row["gap_to_best_bound"] for row in document["results"]] == list(named.gaps.values())


def test_methods_that_do_not_apply_do_not_stop_the_others(monkeypatch):
    """The first method needs equal layers: it is skipped with a reason, and the others run."""
    instance = next(
        made
        for made in (generate("edgeshard-latency", "tiny", seed=seed) for seed in range(40))
        if len(made.layers) > 3 and made.layers[1].memory_bytes != made.layers[2].memory_bytes
    )
    few = [find_method(instance.problem, name) for name in ("run-length", "labels", "greedy", "brute-force")]
    monkeypatch.setattr("placewise.solvers.bridge.comparison_methods", lambda _: few)
    report = compare(instance, isolate=False, threads=1)
    assert "equal layers" in report.skipped["run-length"]
    assert [result.method for result in report.results] == ["labels", "greedy", "brute-force"]


def test_nothing_costs_nothing(split):
    """An optimum of 0 s with a bound of 0 s is no contradiction, and optimal."""
    idle = dataclasses.replace(
        split,
        compute_time_s=np.zeros_like(split.compute_time_s),
        cluster=dataclasses.replace(split.cluster, memory_bytes=np.full(2, 2**40)),
    )
    result = verified(idle, Claim(Reason.OPTIMAL, (0, 0, 0, 0), 0.0, 0.0))
    assert (result.status, result.objective, result.relative_gap, kinds(result)) == (
        Status.OPTIMAL,
        0.0,
        0.0,
        [],
    )
    below = verified(idle, Claim(Reason.OPTIMAL, (0, 0, 0, 0), 0.0, -1.0))
    assert below.status is Status.FEASIBLE


def test_notes_say_what_numbers_do_not(split):
    """A broken constraint; limits; a message only where there is no value."""
    broken = verify(split, "m", Guarantee.UNSAFE, Claim(Reason.FINISHED, (0, 1, 1, 0)), tolerance=1e-6)
    assert bridge.note(broken).startswith("breaks memory: a needs")
    good = Claim(Reason.FINISHED, (0, 1, 1, 1), message="told")
    assert bridge.note(verify(split, "m", Guarantee.EXACT, good, tolerance=1e-6)) == ""
    none = Claim(Reason.FINISHED, message="told")
    assert bridge.note(verify(split, "m", Guarantee.EXACT, none, tolerance=1e-6)) == "told"


def test_a_method_that_refuses_while_it_solves_is_skipped(split, monkeypatch):
    """And the others run."""
    plain = bridge.solve

    def refuse(instance, method, **options):
        if method.name == "greedy":
            raise NotApplicableError("not today")
        return plain(instance, method, **options)

    monkeypatch.setattr(bridge, "solve", refuse)
    report = bridge.compare(split, ["edge-solo", "greedy", "brute-force"], isolate=False)
    assert [result.method for result in report.results] == ["edge-solo", "brute-force"]
    assert report.skipped == {"greedy": "not today"}


def test_a_comparison_in_words(split):
    """Numbers in one line and the first conflict; rows, JSON and HTML have the same numbers, and all conflicts."""
    results = (answer("a", 5.0, 4.0), answer("b", None, None, Status.NO_SOLUTION))
    conflicts = (Conflict("bounds", ("a",), "one"), Conflict("objective", ("a", "b"), "two"))
    report = GapReport(split, results, {"c": "not here"}, conflicts)
    assert repr(report) == (
        "<GapReport 'hand-split': 2 methods, 1 skipped, 2 conflicts, best 5 s, best proven bound 4 s>\n"
        "conflict, bounds: one"
    )
    assert repr(GapReport(split, results)) == (
        "<GapReport 'hand-split': 2 methods, 0 skipped, 0 conflicts, best 5 s, best proven bound 4 s>"
    )
    columns = ("method", "guarantee", "status", "objective", "dual_bound", "gap", "note")
    assert [[row[key] for key in columns] for row in report.rows()] == [
        ["a", "exact", "feasible", 5.0, 4.0, 0.25, ""],
        ["b", "exact", "no-solution", None, None, None, ""],
    ]
    html = report._repr_html_()
    for text in ("bounds: one", "objective: two", "c skipped: not here", "hand-split", "25"):
        assert text in html
    document = report.to_json()
    assert (document["problem"], document["skipped"]) == ("edgeshard-latency", {"c": "not here"})
    assert [each["kind"] for each in document["conflicts"]] == ["bounds", "objective"]


def test_a_wrong_value_is_told_before_a_wrong_bound(split):
    """Of several conflicts the first says most."""
    both = verified(split, Claim(Reason.OPTIMAL, BEST, 6.0, math.nan))
    assert kinds(both)[0] == "objective-mismatch"
    assert len(kinds(both)) > 1
