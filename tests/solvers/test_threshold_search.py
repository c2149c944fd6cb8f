"""The bisection by itself, over candidates 1 to 16 with an optimum that is known: what it asks, reports and claims."""

from types import SimpleNamespace

import numpy as np
import pytest

from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard import bisection
from placewise.solvers.edgeshard.bisection import _position
from placewise.solvers.edgeshard.counted import Undecided
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters

VALUES = np.arange(1.0, 17.0)


class Looks(Context):
    """A context whose time is over after so many looks, and that keeps what is reported."""

    def __init__(self, looks=10**9, warm_start=None, **options):
        self.left, self.steps = looks, []
        super().__init__(Parameters(**options), warm_start, self.steps.append)

    @property
    def remaining(self):
        """Return nothing once it has been asked so often."""
        self.left -= 1
        return float(self.left >= 0)


@pytest.fixture
def bisect(monkeypatch):
    """Run over candidates with pipelines from an optimum on; a pipeline is its own bottleneck in a tuple."""

    def run(
        optimum,
        *,
        context=None,
        others=2,
        linked_from_s=0.0,
        equal=False,
        slack=0.0,
        values=VALUES,
        undecided=(),
        **options,
    ):
        asked = []

        def placement(threshold_s):
            asked.append(threshold_s)
            if threshold_s in undecided:
                raise Undecided
            if threshold_s < max(optimum, linked_from_s if others > 12 else 0.0):
                return None
            return (max(optimum, threshold_s - slack),)

        decide = SimpleNamespace(
            placement=placement, decided_from_s=linked_from_s if others > 12 else 0.0, equal=equal
        )
        monkeypatch.setattr(bisection, "bottleneck_values_s", lambda _: values)
        monkeypatch.setattr(bisection, "_cost_s", lambda _, found: found[0])
        context = Looks() if context is None else context
        return bisection.bisect(None, context, decide, **options), asked, context.steps

    return run


@pytest.mark.parametrize("slack", [0.0, 3.0])
@pytest.mark.parametrize("optimum", VALUES)
def test_every_optimum_is_found_by_halving(bisect, optimum, slack):
    """In four questions after the first; reported bounds rise to it and objectives fall to it."""
    claim, asked, steps = bisect(optimum, slack=slack)
    assert (claim.reason, claim.objective, claim.placement, claim.dual_bound) == (
        Reason.OPTIMAL,
        optimum,
        (optimum,),
        optimum,
    )
    assert asked[0] == 16.0
    assert len(asked) <= 5
    assert len(set(asked)) == len(asked)
    bounds = [step.dual_bound for step in steps if step.dual_bound is not None]
    found = [step.objective for step in steps if step.objective is not None]
    assert all(bound <= optimum for bound in bounds)
    assert found == sorted(found, reverse=True)
    assert found[-1] == optimum
    assert all(step.placement == (step.objective,) for step in steps if step.objective)


def test_nothing_at_any_bottleneck(bisect):
    """The last candidate decides; with none there is nothing to ask."""
    claim, asked, steps = bisect(99.0)
    assert (claim.reason, asked, steps) == (Reason.INFEASIBLE, [16.0], [])
    assert bisect(1.0, values=np.array([]))[0].reason is Reason.INFEASIBLE


def test_the_gap_that_is_asked_for_ends_it(bisect):
    """Bound and best differ by no more, and one question less would have been too few."""
    for optimum in VALUES:
        claim, asked, _ = bisect(optimum, context=Looks(relative_gap=0.25))
        assert claim.reason is Reason.OPTIMAL
        assert claim.objective * 0.75 <= claim.dual_bound <= optimum <= claim.objective
        assert len(asked) <= 5
    claim, asked, _ = bisect(16.0, context=Looks(relative_gap=0.5))
    assert (claim.dual_bound, asked) == (9.0, [16.0, 8.0])  # 9 is within half of 16
    claim, asked, _ = bisect(16.0, context=Looks(relative_gap=0.25))
    assert (claim.dual_bound, asked) == (13.0, [16.0, 8.0, 12.0])
    claim, asked, _ = bisect(16.0, context=Looks(relative_gap=3 / 16))
    assert (claim.dual_bound, asked) == (13.0, [16.0, 8.0, 12.0])
    claim, asked, _ = bisect(16.0, context=Looks(relative_gap=2.9 / 16))
    assert (claim.dual_bound, asked) == (15.0, [16.0, 8.0, 12.0, 14.0])


def test_a_better_start_is_the_first_placement(bisect):
    """One that is no better than the first question's answer is not."""
    claim, asked, steps = bisect(5.0, context=Looks(warm_start=[5.0]))
    assert (claim.placement, claim.objective) == ((5.0,), 5.0)
    assert steps[0].objective == 5.0
    assert asked[1:] == [3.0, 4.0]
    _, asked, steps = bisect(5.0, context=Looks(warm_start=[16.0, "same"]))
    assert steps[0].placement == (16.0,)
    assert asked[1] == 8.0


def test_time_that_is_over_leaves_what_was_refuted(bisect):
    """Nothing after no question, the next candidate after one that failed; the best so far."""
    for optimum, looks, objective, bound in (
        (5.0, 0, 16.0, None),
        (5.0, 1, 8.0, None),
        (5.0, 2, 8.0, 5.0),
        (12.0, 1, 16.0, 9.0),
        (12.0, 2, 12.0, 9.0),
    ):
        claim, asked, _ = bisect(optimum, context=Looks(looks))
        assert (claim.reason, claim.objective, claim.dual_bound) == (Reason.LIMIT, objective, bound)
        assert len(asked) == looks + 1


def test_below_the_slowest_link_nothing_is_decided(bisect, monkeypatch):
    """With 13 others the search begins at the slowest link; an optimum there is handed on, one above is proven."""
    handed = []
    monkeypatch.setattr(
        bisection.cpsat, "throughput", lambda *_: handed.append("equal") or Claim(Reason.OPTIMAL)
    )
    monkeypatch.setattr(
        bisection.cpsat, "stages", lambda *_: handed.append("stages") or Claim(Reason.OPTIMAL)
    )
    for linked_from_s, lowest in ((6.0, 6.0), (5.5, 6.0)):
        claim, asked, _ = bisect(9.0, others=13, linked_from_s=linked_from_s)
        assert (claim.reason, claim.objective, claim.dual_bound) == (Reason.OPTIMAL, 9.0, 9.0)
        assert min(asked) >= lowest
        claim, asked, _ = bisect(7.0, others=13, linked_from_s=linked_from_s)
        assert (claim.objective, claim.dual_bound) == (7.0, 7.0)
        assert not handed
    for equal, name in ((False, "stages"), (True, "equal")):
        bisect(2.0, others=13, linked_from_s=6.0, equal=equal)
        assert handed == [name]
        handed.clear()
    claim, asked, _ = bisect(2.0, others=12, linked_from_s=6.0)
    assert (claim.objective, handed) == (2.0, [])
    claim, _, _ = bisect(16.0, others=13, linked_from_s=6.0, context=Looks(0))
    assert (claim.reason, claim.dual_bound) == (Reason.LIMIT, None)
    claim, _, _ = bisect(16.0, others=13, linked_from_s=6.0, context=Looks(1))
    assert (claim.reason, claim.dual_bound) == (Reason.LIMIT, 12.0)

    def refuse(*_):
        raise NotApplicableError("times too far apart")

    monkeypatch.setattr(bisection.cpsat, "stages", refuse)
    claim, _, _ = bisect(2.0, others=13, linked_from_s=6.0)
    assert (claim.reason, claim.objective, claim.dual_bound, claim.limit) == (
        Reason.LIMIT,
        6.0,
        None,
        "range of times",
    )


@pytest.mark.parametrize(
    ("optimum", "undecided", "bound", "asked"),
    [
        (9.0, (6.0, 7.0, 8.0), 6.0, [8.0, 12.0, 10.0, 9.0, 5.0, 7.0, 6.0]),
        (9.0, (8.0,), 8.0, [8.0, 12.0, 10.0, 9.0, 5.0, 7.0, 8.0]),
        (5.0, (1.0, 2.0, 3.0, 4.0), 1.0, [8.0, 4.0, 6.0, 5.0, 3.0, 2.0, 1.0]),
        (5.0, (9.0,), 5.0, [8.0, 4.0, 6.0, 5.0]),
    ],
)
def test_what_is_undecided_is_left_open_or_handed_on(bisect, monkeypatch, optimum, undecided, bound, asked):
    """The bound is then the least threshold that was not refuted; nothing more is asked where all were."""
    handed = []
    monkeypatch.setattr(bisection.cpsat, "stages", lambda *_: handed.append(1) or Claim(Reason.OPTIMAL))
    claim, questions, _ = bisect(optimum, undecided=undecided, whole=False)
    is_open = bound < optimum
    assert claim.reason is (Reason.LIMIT if is_open else Reason.OPTIMAL)
    assert (claim.objective, claim.placement, claim.dual_bound) == (optimum, (optimum,), bound)
    assert questions == [16.0, *asked]
    assert not handed
    bisect(optimum, undecided=undecided)
    assert len(handed) == is_open


@pytest.mark.parametrize(
    ("optimum", "enough_s", "reason", "objective", "bound", "asked"),
    [
        (15.0, 12.0, Reason.LIMIT, 16.0, 12.0, [16.0, 11.0]),
        (16.0, 16.0, Reason.OPTIMAL, 16.0, 16.0, [16.0, 15.0]),
        (5.0, 12.0, Reason.OPTIMAL, 5.0, 5.0, [16.0, 11.0, 6.0, 3.0, 5.0, 4.0]),
        (9.0, 1.0, Reason.LIMIT, 16.0, 9.0, [16.0, 8.0]),
        (15.0, 17.0, Reason.OPTIMAL, 15.0, 15.0, [16.0, 8.0, 12.0, 14.0, 15.0]),
    ],
)
def test_a_bound_that_is_enough_is_asked_for_first(
    bisect, optimum, enough_s, reason, objective, bound, asked
):
    """And ends it; a better placement does not."""
    claim, questions, _ = bisect(optimum, enough_s=enough_s)
    assert (claim.reason, claim.objective, claim.dual_bound) == (reason, objective, bound)
    assert questions == asked


def test_a_bound_is_never_above_its_placement(bisect):
    """Where a cost lies a rounding below its candidate."""
    claim, _, _ = bisect(5.0 * (1 - 1e-15), slack=20.0)
    assert claim.dual_bound == claim.objective == 5.0 * (1 - 1e-15)


@pytest.mark.parametrize(
    ("cost", "position"),
    [
        (0.0, 0),
        (1.0, 0),
        (1.9, 1),
        (1.4, 0),
        (2.0, 1),
        (2.0 - 1e-12, 1),
        (2.0 + 1e-12, 1),
        (3.0, 2),
        (4.9, 3),
        (9.0, 3),
    ],
)
def test_a_cost_is_its_nearest_candidate(cost, position):
    """On either side; below the first and above the last these."""
    assert _position(np.array([1.0, 2.0, 3.0, 5.0]), cost) == position
