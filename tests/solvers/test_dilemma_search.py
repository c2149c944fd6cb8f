"""What DILEMMA's strong method makes of what its parts find: placements, bounds, widths, clocks, and HiGHS beside it."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.solvers import solve
from placewise.solvers.dilemma import labels
from placewise.solvers.dilemma import search as searches
from placewise.solvers.dilemma.beam import LEAST_GAIN
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


def feasible(seeds=40):
    """Return a tiny instance with at least two feasible placements of different delay, these two, best first."""
    for seed in range(seeds):
        instance = generate("dilemma", "tiny", seed=seed)
        best = solve(instance, "brute-force", isolate=False).placement
        if best is None:
            continue
        for layer, width in ((i, b) for i in range(len(best)) for b in range(len(instance.bit_widths))):
            other = tuple((j, width if i == layer else b) for i, (j, b) in enumerate(best))
            found = evaluate(instance, other)
            if found.feasible and found.objective > evaluate(instance, best).objective * 1.01:
                return instance, best, other
    raise AssertionError


INSTANCE, BEST, OTHER = feasible()
BEST_S, OTHER_S = (evaluate(INSTANCE, placement).objective for placement in (BEST, OTHER))


class Stopwatch(Context):
    """A context whose clock is set by hand, and that keeps what is reported."""

    def __init__(self, warm_start=None, *, now_s=0.0, **options):
        self.steps, self.now_s = [], now_s
        super().__init__(Parameters(**{"threads": 1, **options}), warm_start, self.steps.append)

    @property
    def elapsed(self):
        """Return the time that was set."""
        return self.now_s


def search_of(**options):
    return searches.Search(INSTANCE, Stopwatch(**options))


def test_closed_is_a_gap_of_the_least_gain_or_an_infinite_bound():
    """At 1 - 1e-9 of the best delay and from there on; with no placement only where the bound is infinite."""
    search = search_of()
    assert not search.closed
    search.upper_s = 10.0
    for lower_s, closed in (
        (-math.inf, False),
        (9.99, False),
        (10 * (1 - 1.1 * LEAST_GAIN), False),
        (10 * (1 - LEAST_GAIN), True),
        (10.0, True),
        (math.inf, True),
    ):
        search.lower_s = lower_s
        assert search.closed is closed
    search.upper_s, search.lower_s = math.inf, 1e300
    assert not search.closed
    search.lower_s = math.inf
    assert search.closed


def test_the_better_placement_and_bound_stay():
    """What is equal or worse is neither taken nor reported; a bound is reported up to the best delay."""
    search = search_of()
    search.improve(3.0, "three")
    search.improve(3.0, "again")
    search.improve(4.0, "four")
    assert (search.upper_s, search.best) == (3.0, "three")
    search.improve(2.5, "less")
    assert (search.upper_s, search.best) == (2.5, "less")
    reported = []
    search.context.report = lambda **what: reported.append(what)
    for bound_s in (1.0, 1.0, 0.5, 2.0, 9.0):
        search.raise_bound(bound_s)
    assert search.lower_s == 9.0
    assert reported == [{"dual_bound": bound_s} for bound_s in (1.0, 2.0, 2.5)]
    search.improve(2.5, "again")
    search.improve(2.0, "two")
    assert reported[3:] == [{"objective": 2.0, "placement": "two"}]


def test_a_warm_start_is_taken_if_it_is_feasible():
    """Its delay is evaluated; all layers on one server at the widest width break a limit here."""
    assert search_of(warm_start=OTHER).upper_s == OTHER_S
    assert search_of(warm_start=OTHER).best == OTHER
    wrong = next(
        placement for seed in range(1000) if not evaluate(INSTANCE, placement := anywhere(seed)).feasible
    )
    assert search_of(warm_start=wrong).best is None


def anywhere(seed):
    draw = np.random.default_rng(seed)
    return tuple(
        (int(draw.integers(INSTANCE.cluster.size)), int(draw.integers(len(INSTANCE.bit_widths))))
        for _ in BEST
    )


class Parts:
    """Climbs and passes that find what is listed for them, and write down how they were asked."""

    def __init__(self, monkeypatch, passes, bounds=(0.0,)):
        self.calls, self.passes, self.bounds = [], iter(passes), list(bounds)
        monkeypatch.setattr(searches, "climb_storage", self.climb_storage)
        monkeypatch.setattr(searches, "climb", self.climb)
        monkeypatch.setattr(searches, "Beam", self.beam)
        monkeypatch.setattr(searches.Search, "_anneal", self.anneal)

    def climb_storage(self, _model, upper_s, _stop, steps):
        """Take no time."""
        self.calls.append(("storage", steps, upper_s))
        return f"storage {steps}"

    def climb(self, _model, prices, upper_s, _stop, steps):
        """Find the next bound that is listed; the last one again and again."""
        self.calls.append(("climb", prices, steps, upper_s))
        bound_s = self.bounds.pop(0) if len(self.bounds) > 1 else self.bounds[0]
        return SimpleNamespace(bound_s=bound_s), f"prices {bound_s:g}"

    def anneal(self, moves, _stop):
        """Change nothing."""
        self.calls.append(("anneal", moves))

    def beam(self, _model, tables):
        """Return a beam whose passes find what is listed."""

        def run(width, upper_s, stop):
            self.calls.append(("pass", width, tables.bound_s, upper_s))
            return next(self.passes)

        return SimpleNamespace(run=run)


def test_the_order_of_climbs_and_passes(monkeypatch):
    """Storage, a pass, storage for longer, then climbs and passes by turns from the best prices, each four times as wide.

    Annealing follows each pass.
    """
    inf = math.inf
    parts = Parts(
        monkeypatch,
        [(inf, None, 1.0), (8.0, "eight", 1.5), (9.0, "nine", 1.0), (inf, None, inf)],
        [1.0, 3.0, 2.0, 4.0, 3.5],
    )
    search = search_of()
    search.by_labels(100.0)
    assert parts.calls == [
        ("storage", 100, inf),
        ("climb", "storage 100", 0, inf),
        ("pass", 100, 1.0, inf),
        ("anneal", 4_000),
        ("storage", 600, inf),
        ("climb", "storage 600", 0, inf),
        ("climb", "prices 3", 400, inf),
        ("pass", 400, 3.0, inf),
        ("anneal", 16_000),
        ("climb", "prices 3", 400, 8.0),
        ("pass", 1600, 4.0, 8.0),
        ("anneal", 64_000),
        ("climb", "prices 4", 400, 8.0),
        ("pass", 6400, 4.0, 8.0),
        ("anneal", 150_000),
    ]
    assert (search.best, search.upper_s, search.lower_s, search.closed) == ("eight", 8.0, 8.0, True)
    assert search.width == 25600


def test_passes_that_are_stopped_do_not_grow(monkeypatch):
    """The width stays, nothing is learnt, and the clock ends it: at the deadline or the time limit, whichever is first."""
    for deadline_s, limit_s, end_s in ((5.0, 60.0, 5.0), (90.0, 7.0, 7.0)):
        search = search_of(time_limit=limit_s)

        def stopped(search=search):
            while True:
                search.context.now_s += 1.0
                yield None

        parts = Parts(monkeypatch, stopped())
        search.by_labels(deadline_s)
        assert search.context.now_s == end_s
        assert (search.width, search.best) == (100, None)
        assert {call[1] for call in parts.calls if call[0] == "pass"} == {100}
        parts.calls.clear()
        search.by_labels(deadline_s)
        assert not parts.calls  # a second turn begins where the first ended, if there is time
        search.context.now_s -= 1
        search.by_labels(deadline_s)
        assert [call[0] for call in parts.calls] == ["climb", "pass"]


def test_passes_end_at_the_largest_width(monkeypatch):
    """The last one has at most that width."""
    for largest, widths in ((1599, [100, 400]), (1600, [100, 400, 1600])):
        monkeypatch.setattr(searches, "LARGEST_WIDTH", largest)
        parts = Parts(monkeypatch, iter([(math.inf, None, 1.0)] * 9))
        search_of().by_labels(100.0)
        assert [call[1] for call in parts.calls if call[0] == "pass"] == widths


def test_a_climb_that_closes_is_the_end(monkeypatch):
    """No pass follows where the bound has met the best delay."""
    search = search_of(warm_start=BEST)
    parts = Parts(monkeypatch, iter([(math.inf, None, 0.0)] * 2), [0.0, 0.0, BEST_S])
    search.by_labels(100.0)
    assert [call[0] for call in parts.calls] == [
        *("storage", "climb", "pass", "anneal", "storage", "climb", "climb"),
    ]
    assert search.closed


def test_what_a_pass_drops_is_a_bound(monkeypatch):
    """Without a placement it may exceed all; with one it counts up to the best delay."""
    search = search_of()
    Parts(monkeypatch, [(math.inf, None, math.inf)])
    search.tables = SimpleNamespace(bound_s=0.0)
    search._pass(lambda: False)
    assert search.lower_s == math.inf
    search = search_of()
    Parts(monkeypatch, [(5.0, "five", 7.0), (9.0, None, 6.0)])
    search.tables = SimpleNamespace(bound_s=0.0)
    search._pass(lambda: False)
    assert (search.best, search.upper_s, search.lower_s) == ("five", 5.0, 5.0)


def highs(monkeypatch, claim, steps=()):
    """Let HiGHS report steps and claim something; return how it was asked."""
    asked = []

    def run_formulation(problem, formulation, backend, instance, part):
        asked.append((problem.name, formulation, backend.name, part.parameters, part.warm_start, part))
        for step in steps:
            part._report(step)
        return claim

    monkeypatch.setattr(labels, "run_formulation", run_formulation)
    return asked


def test_highs_gets_what_is_known_and_its_seconds(monkeypatch):
    """Not for a second or less; from the best placement, with the same parameters but for the time."""
    asked = highs(monkeypatch, Claim(Reason.LIMIT))
    search = search_of(warm_start=OTHER, time_limit=50.0, seed=3)
    for seconds in (0.5, 1.0):
        labels.by_highs(search, seconds)
    assert not asked
    labels.by_highs(search, 1.5)
    problem, formulation, backend, parameters, start, part = asked[0]
    assert (problem, backend, start) == ("dilemma", "highs", OTHER)
    assert formulation is labels.DILEMMA.formulations["flow"]
    assert (parameters.time_limit, parameters.seed, parameters.threads) == (1.5, 3, 1)
    assert not part.stopped()
    search.done = True
    assert part.stopped()
    search.done, search.lower_s = False, math.inf
    assert part.stopped()


def test_what_highs_finds_is_taken(monkeypatch):
    """Placements once evaluated, bounds, from its steps and its claim; its infeasibility where nothing is known."""
    search = search_of()
    highs(
        monkeypatch,
        Claim(Reason.LIMIT, BEST, 1e-9, BEST_S / 2),
        [
            Progress(0.0, None, None, BEST),  # without an objective it is no placement
            Progress(0.0, 1.0, None, None),
            Progress(0.0, None, BEST_S / 8, None),
        ],
    )
    taken = []
    plain = search.take
    monkeypatch.setattr(search, "take", lambda placement: taken.append(placement) or plain(placement))
    labels.by_highs(search, 2.0)
    assert taken == [BEST]
    assert [step.dual_bound for step in search.context.steps if step.dual_bound] == [BEST_S / 8, BEST_S / 2]
    assert (search.best, search.upper_s, search.lower_s) == (BEST, BEST_S, BEST_S / 2)
    search = search_of()
    highs(monkeypatch, Claim(Reason.LIMIT), [Progress(0.0, 1e-9, None, OTHER)])
    labels.by_highs(search, 2.0)
    assert (search.best, search.upper_s, search.lower_s) == (OTHER, OTHER_S, -math.inf)
    highs(monkeypatch, Claim(Reason.INFEASIBLE))  # it was asked for what is better
    labels.by_highs(search, 2.0)
    assert search.lower_s == -math.inf
    search = search_of()
    highs(monkeypatch, Claim(Reason.LIMIT))
    labels.by_highs(search, 2.0)
    assert search.lower_s == -math.inf
    highs(monkeypatch, Claim(Reason.INFEASIBLE))
    labels.by_highs(search, 2.0)
    assert search.lower_s == math.inf


@pytest.fixture
def turns(monkeypatch):
    """Let labels and HiGHS write down when they are asked for how long, and find what a test lists."""
    made = SimpleNamespace(asked=[], found=[])

    def by_labels(search, deadline_s):
        made.asked.append(("labels", deadline_s))
        learn(search, made.found.pop(0) if made.found else None)

    def by_highs(search, seconds):
        made.asked.append(("highs", seconds))
        learn(search, made.found.pop(0) if made.found and search.context.parameters.threads == 1 else None)

    def learn(search, what):
        if what is not None:
            search.upper_s, search.best, search.lower_s = what

    monkeypatch.setattr(searches.Search, "by_labels", by_labels)
    monkeypatch.setattr(labels, "by_highs", by_highs)
    monkeypatch.setattr(searches.Search, "_tree_works", lambda _search: False)
    return made


@pytest.mark.parametrize(("limit_s", "alone_s"), [(10.0, 2.0), (100.0, 8.0)])
def test_turns_of_one_thread(turns, limit_s, alone_s):
    """Labels alone, 8 % of the time or 2 s; HiGHS for half, or what is left; labels to the end."""
    for now_s, share_s in ((0.0, limit_s / 2), (0.75 * limit_s, limit_s / 4)):
        turns.asked.clear()
        claim = labels.run(INSTANCE, Stopwatch(time_limit=limit_s, now_s=now_s))
        assert turns.asked == [("labels", alone_s), ("highs", share_s), ("labels", limit_s)]
        assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
            Reason.LIMIT,
            None,
            None,
            None,
        )
        assert claim.solve_s == now_s


def test_turns_of_two_threads(turns):
    """HiGHS beside the labels for all the time that is left, and ended with them."""
    claim = labels.run(INSTANCE, Stopwatch(time_limit=100.0, threads=2, now_s=100.0))
    assert sorted(turns.asked) == [("highs", 0.0), ("labels", 8.0), ("labels", 100.0)]
    assert claim.reason is Reason.LIMIT


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_closed_needs_no_highs(turns, threads):
    """The claim: optimal with the lesser of bound and delay, infeasible at an infinite bound without a placement."""
    turns.found = [(5.0, BEST, math.inf), (math.inf, None, math.inf), (5.0, BEST, 4.0), None, None]
    claim = labels.run(INSTANCE, Stopwatch(threads=threads))
    assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
        Reason.OPTIMAL,
        BEST,
        5.0,
        5.0,
    )
    claim = labels.run(INSTANCE, Stopwatch(threads=threads))
    assert (claim.reason, claim.placement, claim.dual_bound) == (Reason.INFEASIBLE, None, None)
    assert "highs" not in [name for name, _ in turns.asked]
    claim = labels.run(INSTANCE, Stopwatch(threads=threads, now_s=59.5))
    assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
        Reason.LIMIT,
        BEST,
        5.0,
        4.0,
    )
    assert "highs" in [name for name, _ in turns.asked]


class Tree:
    """A tree whose turns take five seconds each and find what a test lists."""

    def __init__(self, context, bounds):
        self.context, self.bounds, self.bound_s, self.turns = context, list(bounds), 0.0, 0

    @property
    def open(self):
        """Return whether there is more to find."""
        return bool(self.bounds)

    def work(self, _upper_s, stop):
        """Find the next bound."""
        while not stop():
            self.context.now_s += 1.0
        self.turns += 1
        self.bound_s = self.bounds.pop(0)


@pytest.mark.parametrize(("printed", "turns_before"), [(False, [0, 2, 6]), (True, [0, 8, 24])])
def test_passes_and_the_tree_take_as_long(monkeypatch, printed, turns_before):
    """Each goes on when it has had no more time than the other; as printed passes have a quarter of it."""
    search = search_of(time_limit=1000.0)
    search.tree = Tree(search.context, [1.0] * 40)
    search.model.printed = printed
    anneals, steps, length_s = [], [], [10.0, 20.0, *[1000.0] * 9]
    monkeypatch.setattr(search, "_anneal", lambda moves, _stop: anneals.append(moves))

    def step(_stop):
        search.context.now_s += length_s[len(steps)]
        steps.append(search.tree.turns)

    monkeypatch.setattr(search, "_step", step)
    monkeypatch.setattr(search, "by_labels", lambda deadline_s: steps.append(("rest", deadline_s)))
    search.by_turns()
    assert steps[:3] == turns_before
    assert steps[-1] == ("rest", 1000.0)
    assert set(anneals) == {searches.MOST_MOVES}
