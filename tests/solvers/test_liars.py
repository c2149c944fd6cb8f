"""A wrong solver planted in each problem is caught, whatever it lies about."""

import math

import planted_liars
import pytest

from placewise.instances.generators import generate
from placewise.models.problem import Guarantee
from placewise.models.registry import PROBLEMS
from placewise.solvers import compare, registry
from placewise.solvers.bridge import excess
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution.method import Algorithm

CAUGHT = {
    "worse": {"bound-crossed", "optima-disagree"},
    "bound_above": {"bound-crossed"},
    "false_infeasible": {"false-infeasible"},
    "overloads": {"infeasible-solution"},
}


@pytest.fixture
def plant(monkeypatch):
    """Register a liar as an exact method of a problem."""

    def register(problem, lie):
        liar = Algorithm("liar", getattr(planted_liars, lie), Guarantee.EXACT, "lies", honours=None)
        own = registry.algorithms_of
        monkeypatch.setattr(
            registry, "algorithms_of", lambda name: (*own(name), *([liar] if name == problem else []))
        )

    return register


@pytest.mark.parametrize("lie", CAUGHT)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_planted_liar_is_caught(plant, problem, lie):
    """By comparison with brute force: a conflict that names the liar."""
    instance = planted_liars.instance_of(problem)
    assert compare(instance, ["brute-force"], isolate=False).conflicts == ()
    plant(problem, lie)
    report = compare(instance, ["brute-force", "liar"], isolate=False)
    assert {conflict.kind for conflict in report.conflicts} & CAUGHT[lie]
    assert any("liar" in conflict.methods for conflict in report.conflicts)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_false_infeasible_is_caught_alone(plant, problem):
    """Without another method in the comparison, by the heuristics that probe every such claim."""
    instance = generate(problem, "tiny", seed=3, kind="loose")
    plant(problem, "false_infeasible")
    report = compare(instance, ["liar"], isolate=False)
    assert [conflict.kind for conflict in report.conflicts] == ["false-infeasible"]
    assert report.results[0].status is Status.ERROR


@pytest.mark.parametrize("bound", [math.inf, -math.inf, math.nan])
def test_a_gap_to_a_bound_that_says_nothing_is_infinite(bound):
    assert excess(1.0, bound) == math.inf
    assert excess(1.0, 0.8) == pytest.approx(0.25)


def test_a_cost_at_its_bound_has_no_excess():
    """Of 0 too."""
    assert excess(0.0, 0.0) == excess(2.0, 2.0) == excess(1.0, 2.0) == 0.0
    assert excess(1.0, 0.0) == math.inf
