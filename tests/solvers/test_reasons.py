"""Reasons and repairs asked of a made-up problem whose answer is known: how many units of each limit it takes."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from placewise.solvers.evidence.result import Status
from placewise.solvers.explanation.infeasibility import IrreducibleLimits


@dataclass(frozen=True)
class Limit:
    """A resource of the made-up problem."""

    title: str
    amount: float
    kind: str = "memory"


class Asked:
    """An instance is a mapping from limits to amounts; it is infeasible if any group has all limits too small.

    Parameters
    ----------
    amounts : mapping
        What there is.
    groups : list of mappings
        Each infeasible while all of its limits are below what they need.
    simple : bool
        Whether the simple proof sees it, so that nothing has to be solved.
    """

    def __init__(self, amounts, groups, simple=False):
        self.limits = list(amounts)
        self.instance = dict(amounts)
        self.groups, self.simple, self.questions, self.solves = groups, simple, 0, 0
        self.problem = SimpleNamespace(
            resources=lambda _: self.limits, scaled=self.changed, diagnose=self.why
        )

    def changed(self, instance, limit, factor):
        """Return an instance with more of a limit."""
        return instance | {limit: math.inf if math.isinf(factor) else instance[limit] * factor}

    def scaled(self, limit, factor):
        """Return the instance with more of a limit."""
        return self.changed(self.instance, limit, factor)

    def bad(self, instance):
        """Whether a group forbids every placement."""
        self.questions += 1
        return any(all(instance[limit] < need for limit, need in group.items()) for group in self.groups)

    def why(self, instance):
        """Return the simple proof."""
        return "too little" if self.simple and self.bad(instance) else None

    def solved(self, instance, title, relative_gap):
        """Return what a solver would say."""
        del title
        assert 0.9 < relative_gap < 1  # any placement will do
        self.solves += 1
        return SimpleNamespace(status=Status.INFEASIBLE if self.bad(instance) else Status.OPTIMAL)


LIMITS = [Limit(f"m{n}", 1.0) for n in range(6)]
SPEED, NO_LINK, A_LINK, LINKS = (
    Limit("v", 1.0, "speed"),
    Limit("n", 0.0, "link"),
    Limit("l", 1.0, "link"),
    Limit("a", 1.0, "links"),
)


@pytest.mark.parametrize("simple", [True, False])
@pytest.mark.parametrize("members", [(0,), (5,), (1, 4), (0, 2, 5), tuple(range(6))])
def test_a_reason_is_the_group_that_is_needed(members, simple):
    """One to all of six limits that together forbid every placement, by simple proofs or by solving."""
    group = {LIMITS[n]: 2.0 for n in members}
    asked = Asked(dict.fromkeys(LIMITS, 1.0), [group], simple)
    assert IrreducibleLimits(asked).limits() == [LIMITS[n] for n in members]
    assert (asked.solves < asked.questions) is simple


def test_of_two_reasons_one_is_given():
    """Neither shares a limit with the other."""
    groups = [{LIMITS[0]: 2.0, LIMITS[3]: 2.0}, {LIMITS[1]: 2.0, LIMITS[4]: 2.0}]
    found = IrreducibleLimits(Asked(dict.fromkeys(LIMITS, 1.0), groups)).limits()
    assert {frozenset(found)} <= {frozenset(group) for group in groups}
    assert len(found) == 2


def test_speeds_and_links_that_are_there_are_no_reason():
    """Memory and links that are missing are."""
    everything = [SPEED, A_LINK, LINKS, NO_LINK, LIMITS[0]]
    asked = Asked({limit: limit.amount for limit in everything}, [{NO_LINK: 1.0}])
    assert IrreducibleLimits(asked).limits() == [NO_LINK]
    others = Asked({limit: limit.amount for limit in everything}, [{SPEED: 2.0}])
    assert IrreducibleLimits(others).limits() == []


def test_no_question_is_asked_twice():
    """Repairs after the reason solve only what is new."""
    asked = Asked(dict.fromkeys(LIMITS, 1.0), [{LIMITS[0]: 2.0}])
    reason = IrreducibleLimits(asked)
    reason.limits()
    before = asked.questions
    reason.limits()
    assert asked.questions == before


@pytest.mark.parametrize("need", [1.005, 1.5, 2.0, 3.0, 37.0, 2.0**20])
def test_repairs_are_the_least_factor_to_one_per_cent(need):
    """Enough, and a hundredth less is not."""
    asked = Asked(dict.fromkeys(LIMITS, 1.0), [{LIMITS[2]: need}])
    repair = IrreducibleLimits(asked).repair(LIMITS[2])
    assert need <= repair.factor <= need * 1.0100001
    assert (repair.resource, repair.status) == (LIMITS[2], Status.FEASIBLE)


@pytest.mark.parametrize(("need", "factor"), [(2.0**21 * 1.01, math.inf), (1e300, math.inf)])
def test_repairs_beyond_a_million_are_no_limit_at_all(need, factor):
    """Any number would say less."""
    asked = Asked(dict.fromkeys(LIMITS, 1.0), [{LIMITS[2]: need}])
    assert IrreducibleLimits(asked).repair(LIMITS[2]).factor == factor


def test_what_repairs_nothing_is_no_repair():
    """Another limit alone forbids it; a missing link is repaired by a link."""
    asked = Asked(dict.fromkeys(LIMITS, 1.0), [{LIMITS[2]: 2.0}])
    assert IrreducibleLimits(asked).repair(LIMITS[1]) is None
    both = Asked(dict.fromkeys(LIMITS, 1.0), [{LIMITS[2]: 2.0}, {LIMITS[3]: 2.0}])
    assert IrreducibleLimits(both).repair(LIMITS[2]) is None
    missing = Asked({NO_LINK: 0.0, LIMITS[0]: 1.0}, [{NO_LINK: 1.0}])
    assert IrreducibleLimits(missing).repair(NO_LINK).factor == math.inf
