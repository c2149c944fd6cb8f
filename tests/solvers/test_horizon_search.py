"""What long horizons make of their chunks: sums of bounds, trajectories in pieces, shares of the time, who solves what."""

import math
from types import SimpleNamespace

import pytest

from placewise.instances.generators import generate
from placewise.models.errors import NotApplicableError
from placewise.models.head_migration import Interval, evaluate
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.head_migration import horizon, step
from placewise.solvers.head_migration.horizon import TICK_MARGIN

INSTANCE = generate(
    "head-migration", "network", seed=1, devices=3, heads=4, embedding_dim=8, intervals=5, background=0.8
)
STEPS = step.run(INSTANCE, Context(Parameters())).placement
STEPS_S = evaluate(INSTANCE, STEPS).objective
KEPT = 1 - TICK_MARGIN


class Stopwatch(Context):
    """A context whose clock is set by hand, and that keeps what is reported."""

    def __init__(self, warm_start=None, *, now_s=0.0, **options):
        self.steps, self.now_s = [], now_s
        super().__init__(Parameters(**options), warm_start, self.steps.append)

    @property
    def elapsed(self):
        """Return the time that was set."""
        return self.now_s


def search_of(instance=INSTANCE, **options):
    return horizon.Search(instance, Stopwatch(**options))


def test_closed_is_the_gap_asked_for_or_what_ticks_cost():
    """2e-9 at least; with no trajectory only at an infinite bound."""
    for gap, closed_gap in ((0.0, 2e-9), (1e-6, 1e-6), (1e-12, 2e-9)):
        search = search_of(relative_gap=gap)
        search.raise_bound(5.0)
        assert not search.closed
        search.upper_s = 5.0 / (1 - 1.01 * closed_gap)
        assert not search.closed
        search.upper_s = 5.0 / (1 - 0.99 * closed_gap)
        assert search.closed
    search = search_of(relative_gap=0.25)
    search.upper_s, search.lower_s = 8.0, 6.0
    assert search.closed
    search.upper_s = math.inf
    assert not search.closed
    search.lower_s = math.inf
    assert search.closed


def test_only_better_trajectories_and_bounds_are_taken():
    """The first of two equal ones stays; bounds are reported up to the best trajectory."""
    search = search_of(warm_start=STEPS)
    assert (search.best, search.upper_s, search.lower_s) == (STEPS, STEPS_S, 0.0)
    same = tuple(Interval(tuple(part.heads), part.proj, part.ffn) for part in STEPS)
    search.improve(same)
    assert search.best is STEPS
    reported = []
    search.context.report = lambda **what: reported.append(what)
    for share in (0.0, 0.5, 0.5, 0.25, 2.0):
        search.raise_bound(share * STEPS_S)
    assert reported == [{"dual_bound": STEPS_S / 2}, {"dual_bound": STEPS_S}]
    assert search.lower_s == 2 * STEPS_S


class Parts:
    """Solves parts of the horizon with what is listed, by first interval; writes down how it was asked."""

    def __init__(self, search, free, tied=None, takes_s=0.0):
        self.asked, self.free, self.tied, self.takes_s = [], free, tied or {}, takes_s
        self.search = search
        search._solve = self.solve

    def solve(self, part, known, seconds, outer=None):
        """Find the claim of a part by its length and whether it is tied to a placement."""
        first = self.first(part)
        tied = part.initial is not None
        self.asked.append((first, part.intervals, part.initial, known, round(seconds, 9), outer))
        self.search.context.now_s += self.takes_s
        return (self.tied if tied else self.free)[first]

    def first(self, part):
        """Return where in the horizon a part begins, by its rates."""
        rates = self.search.instance.flops_per_s
        return next(t for t in range(len(rates)) if (rates[t : t + part.intervals] == part.flops_per_s).all())


def bound(dual_bound, placement=None):
    return Claim(Reason.LIMIT, placement, None, dual_bound)


def test_chunks_add_their_bounds_and_join_their_placements():
    """Two by two: free from the second on for the bound, tied to the last placement for the trajectory; half the time each."""
    search = search_of(time_limit=100.0)
    parts = Parts(
        search,
        {0: bound(1.0, STEPS[:2]), 2: bound(2.0), 4: bound(4.0)},
        {2: bound(None, STEPS[2:4]), 4: bound(None, STEPS[4:])},
    )
    search.chunks(2)
    assert [ask[:4] for ask in parts.asked] == [
        (0, 2, None, None),
        (2, 2, None, None),
        (2, 2, STEPS[1], None),
        (4, 1, None, None),
        (4, 1, STEPS[3], None),
    ]
    assert [ask[4] for ask in parts.asked] == pytest.approx([20.0, 100 / 3, 100 / 3, 50.0, 50.0])
    assert search.lower_s == sum(part * KEPT for part in (1.0, 2.0, 4.0))
    assert (search.best, search.upper_s) == (STEPS, STEPS_S)
    assert search.single_s == [0.0] * 5


def test_single_intervals_stand_in_for_chunks():
    """Their bounds are kept, count where a chunk's is lower, and end the sum where the time does."""
    search = search_of(time_limit=100.0)
    Parts(search, {t: bound(float(t + 1)) for t in range(5)})
    search.chunks(1)
    assert search.single_s == [(t + 1) * KEPT for t in range(5)]
    assert search.lower_s == sum(search.single_s)
    assert search.best is None
    lower_s = search.lower_s
    Parts(search, {0: bound(2.0), 2: bound(None), 4: bound(9.0)})
    search.chunks(2)
    assert search.lower_s == pytest.approx((3 + 7 + 9) * KEPT)
    search.lower_s = lower_s
    parts = Parts(search, {0: bound(5.0), 2: bound(8.0), 4: bound(9.0)}, takes_s=50.0)
    search.chunks(2)  # the time is over before the last one
    assert [ask[0] for ask in parts.asked] == [0, 2]
    assert search.lower_s == pytest.approx((5 + 8 + 5) * KEPT)


def test_where_one_chunk_has_no_placement_the_others_bound():
    """No trajectory then, and no more tied ones; where one is infeasible the horizon is."""
    search = search_of(time_limit=100.0)
    parts = Parts(
        search, {0: bound(1.0, STEPS[:2]), 2: bound(2.0), 4: bound(4.0, STEPS[4:])}, {2: bound(None)}
    )
    search.chunks(2)
    assert [ask[2] for ask in parts.asked] == [None, None, STEPS[1], None]
    assert search.lower_s == pytest.approx(7.0)
    assert search.best is None
    parts = Parts(search, {0: bound(1.0), 2: Claim(Reason.INFEASIBLE), 4: bound(4.0)})
    search.chunks(2)
    assert [ask[0] for ask in parts.asked] == [0, 2]
    assert search.lower_s == math.inf


def test_a_known_trajectory_is_handed_to_the_first_tied_chunk():
    """Where blocks start somewhere, the first chunk is tied to it, free or not."""
    instance = horizon.cut(INSTANCE, 0, 5, STEPS[0])
    search = search_of(instance, time_limit=100.0)
    parts = Parts(search, {4: bound(1.0)}, {0: bound(1.0, STEPS[:4]), 4: bound(None, STEPS[4:])})
    search.chunks(4)
    assert [ask[:4] for ask in parts.asked] == [
        (0, 4, STEPS[0], None),
        (4, 1, None, None),
        (4, 1, STEPS[3], None),
    ]
    assert search.best == STEPS


def test_the_whole_horizon_is_asked_from_the_best():
    """Placement, bound and infeasibility are taken; the last only where nothing is known."""
    search = search_of(time_limit=100.0, now_s=40.0)
    for claim, expected in (
        (Claim(Reason.INFEASIBLE), (None, math.inf)),
        (Claim(Reason.LIMIT), (None, 0.0)),
        (bound(STEPS_S / 2), (None, STEPS_S / 2)),
        (bound(STEPS_S / 2, STEPS), (STEPS, STEPS_S / 2)),
    ):
        search = search_of(time_limit=100.0, now_s=40.0)
        parts = Parts(search, {0: claim})
        search.whole()
        assert parts.asked == [(0, 5, None, None, 60.0, search.context)]
        assert (search.best, search.lower_s) == expected
    search = search_of(warm_start=STEPS)
    parts = Parts(search, {0: Claim(Reason.INFEASIBLE)})
    search.whole()
    assert parts.asked[0][3] == STEPS
    assert search.lower_s == 0.0


def test_who_solves_a_part(monkeypatch):
    """A step one interval, states where they can be listed, HiGHS on the counts elsewhere, nobody where times refuse."""
    asked = []

    def solver(name, *, refuses=False):
        def solve(*given):
            part, inner = given[-2:]
            asked.append((name, part.intervals, inner.parameters, inner.warm_start, inner))
            if refuses:
                raise NotApplicableError("times too far apart")
            inner.report(dual_bound=STEPS_S / 4)
            inner.report(objective=STEPS_S, placement=STEPS)
            return name

        return solve

    monkeypatch.setattr(horizon.one_step, "run", solver("step"))
    monkeypatch.setattr(horizon.lookahead, "run", solver("states"))
    monkeypatch.setattr(horizon, "run_formulation", solver("highs"))
    search = search_of(time_limit=50.0, seed=3)
    assert search._solve(horizon.cut(INSTANCE, 0, 1, None), None, 7.0) == "step"
    assert search._solve(INSTANCE, STEPS, 8.0) == "states"
    monkeypatch.setattr(horizon.lookahead, "LARGEST_STATES", 1)
    assert search.best is None  # what a part finds is for its caller
    assert search._solve(INSTANCE, STEPS, 9.0, search.context) == "highs"
    assert (search.best, search.lower_s) == (STEPS, STEPS_S / 4)
    assert [(name, count, one.time_limit, one.seed, start) for name, count, one, start, _ in asked] == [
        ("step", 1, 7.0, 3, None),
        ("states", 5, 8.0, 3, STEPS),
        ("highs", 5, 9.0, 3, STEPS),
    ]
    inner = asked[-1][-1]
    assert not inner.stopped()
    search.lower_s = STEPS_S
    assert inner.stopped()
    monkeypatch.setattr(horizon, "run_formulation", solver("highs", refuses=True))
    claim = search._solve(INSTANCE, STEPS, 9.0)
    assert (claim.reason, claim.message, claim.dual_bound) == (Reason.LIMIT, "times too far apart", None)


def test_progress_of_a_part_is_taken_piece_by_piece(monkeypatch):
    """A step of progress may hold a placement, a bound, or neither."""
    search = search_of()

    def solve(_part, inner):
        for progress in (Progress(0.0), Progress(0.0, dual_bound=1e-9), Progress(0.0, STEPS_S, None, STEPS)):
            inner._report(progress)

    monkeypatch.setattr(horizon.lookahead, "run", solve)
    search._solve(INSTANCE, None, 9.0, search.context)
    assert (search.best, search.lower_s) == (STEPS, 1e-9)


@pytest.fixture
def turns(monkeypatch):
    """Let steps, chunks and the whole horizon find what a test lists for them; write down their order."""
    made = SimpleNamespace(asked=[], found=[], steps=None, takes_s=0.0)

    def learn(search, what):
        made.asked.append(what)
        search.context.now_s += made.takes_s
        if made.found and (found := made.found.pop(0)) is not None:
            search.upper_s, search.best, search.lower_s = found

    monkeypatch.setattr(horizon.Search, "chunks", learn)
    monkeypatch.setattr(horizon.Search, "whole", lambda self: learn(self, "whole"))
    monkeypatch.setattr(
        horizon.baselines, "receding", lambda *_: Claim(Reason.FINISHED, made.steps, made.steps and STEPS_S)
    )
    return made


def test_the_order_of_chunks(turns, monkeypatch):
    """Single intervals, then the whole horizon where its 3 T M**2 = 135 moves are few enough, or chunks that double."""
    for most, order in (
        (135, [1, "whole"]),
        (134, [1, 2, 4]),
        (108, [1, 2, 4]),
        (107, [1, 2]),
        (54, [1, 2]),
        (53, [1]),
    ):
        monkeypatch.setattr(horizon, "LARGEST_MODEL", most)
        turns.asked.clear()
        claim = horizon.run(INSTANCE, Stopwatch())
        assert turns.asked == order
        assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
            Reason.LIMIT,
            None,
            None,
            0.0,
        )


@pytest.mark.parametrize("most", [135, 134])
def test_what_is_closed_or_out_of_time_goes_no_further(turns, monkeypatch, most):
    """The claim: optimal with the lesser of bound and value, infeasible at an infinite bound without a trajectory."""
    monkeypatch.setattr(horizon, "LARGEST_MODEL", most)
    turns.found = [(5.0, STEPS, 6.0), (math.inf, None, math.inf), (5.0, STEPS, 4.0)]
    claim = horizon.run(INSTANCE, Stopwatch(now_s=1.5))
    assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
        Reason.OPTIMAL,
        STEPS,
        5.0,
        5.0,
    )
    assert (claim.message, claim.solve_s) == ("", 1.5)
    claim = horizon.run(INSTANCE, Stopwatch())
    assert (claim.reason, claim.placement, claim.dual_bound) == (Reason.INFEASIBLE, None, None)
    turns.takes_s = 60.0
    claim = horizon.run(INSTANCE, Stopwatch(time_limit=60.0))
    assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
        Reason.LIMIT,
        STEPS,
        5.0,
        4.0,
    )
    assert claim.message
    assert turns.asked == [1, 1, 1]


def test_the_steps_are_the_first_trajectory(turns):
    """What they find is evaluated, and stands."""
    turns.steps = STEPS
    claim = horizon.run(INSTANCE, Stopwatch())
    assert (claim.placement, claim.objective) == (STEPS, STEPS_S)
