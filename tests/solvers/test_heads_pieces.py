"""Pieces of the exact head-level algorithms against enumeration: steps with moves and windows, states, chunks."""

import itertools
import math
from functools import cache

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.errors import NotApplicableError
from placewise.models.head_migration import Interval, evaluate
from placewise.models.problem import Guarantee
from placewise.solvers import solve
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.head_migration import horizon, lookahead, step
from placewise.solvers.head_migration.transport import Transport, transport

KINDS = ("sparse", "tight", "loose", "one-byte", "equal")


@cache
def tiny(seed):
    instance = generate("head-migration", "tiny", seed=seed, kind=KINDS[seed % 5])
    return instance, solve(instance, "brute-force", isolate=False).objective


def weighed(instance, t, before, now, window):
    """Return what an interval costs that lasts so long after a move, by the evaluation of it alone."""
    part = horizon.cut(instance, t, t + 1, before)
    evaluation = evaluate(part, (now,))
    if not evaluation.feasible:
        return math.inf
    return window * evaluation.terms["inference"] + evaluation.terms["migration"]


@pytest.mark.parametrize("window", [1, 3])
def test_a_step_is_the_best_of_all_placements(window):
    """After nothing, and after any placement before; None where none fits."""
    nothing = found_some = 0
    for seed in range(40):
        instance, _ = tiny(seed)
        size, heads = instance.cluster.size, instance.transformer.units
        if size ** (heads + 2) > 100:
            continue
        draw = np.random.default_rng(seed)
        anywhere = [
            Interval(heads_at, proj, ffn)
            for heads_at in itertools.product(range(size), repeat=heads)
            for proj, ffn in itertools.product(range(size), repeat=2)
        ]
        t = instance.intervals - 1
        for before in (None, anywhere[draw.integers(len(anywhere))]):
            costs = [weighed(instance, t, before, now, window) for now in anywhere]
            found = step.best_step(instance, t, before, window)
            if found is None:
                nothing += 1
                assert min(costs) == math.inf
            else:
                found_some += 1
                assert weighed(instance, t, before, found, window) == pytest.approx(min(costs), rel=1e-9)
    assert nothing > 0
    assert found_some > 20


def test_what_a_step_proves():
    """The optimum of one interval, infeasibility of one interval, nothing about several."""
    reasons = set()
    for seed in range(40):
        instance, _ = tiny(seed)
        one = horizon.cut(instance, 0, 1, instance.initial)
        truth = solve(one, "brute-force", isolate=False).objective
        claim = step.run(one, Context(Parameters()))
        reasons.add(claim.reason)
        assert claim.objective == truth
        assert claim.dual_bound == truth
        assert (claim.reason is Reason.INFEASIBLE) == (truth is None)
        if instance.intervals > 1:
            several = step.run(instance, Context(Parameters()))
            assert (several.reason, several.dual_bound) == (Reason.FINISHED, None)
    assert reasons == {Reason.OPTIMAL, Reason.INFEASIBLE}


def test_rooms_that_shrink_keep_the_best_flow():
    """Room after room, each no larger: the same least cost as from the beginning."""
    shrunk = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        size = int(draw.integers(2, 6))
        counts, room = draw.integers(0, 4, size), np.full(size, 9)
        cost = draw.integers(0, 9, (size, size)).astype(float)
        cost[draw.random((size, size)) < 0.2] = np.inf
        np.fill_diagonal(cost, 0.0)
        moves = Transport(counts, cost)
        for _ in range(6):
            room = np.maximum(room - draw.integers(0, 4, size), 0)
            fresh = transport(counts, room, cost)
            assert moves.shrink(room) == (fresh is not None)
            if fresh is None:
                break
            shrunk += 1
            assert moves.total_s == fresh[0] == (np.where(moves.flow > 0, cost, 0.0) * moves.flow).sum()
            assert (moves.flow.sum(axis=0) == moves.here).all()
            assert (moves.here <= room).all()
            assert (moves.flow.sum(axis=1) == counts).all()
    assert shrunk > 100


@pytest.mark.parametrize("explicit", [True, False])
def test_delays_of_all_states_by_evaluation(explicit, monkeypatch):
    """Infinite exactly where the interval alone is infeasible, else its weighted delay."""
    if not explicit:
        monkeypatch.setattr(lookahead, "LARGEST_EXPLICIT", 0)
    for seed in range(15):
        instance, _ = tiny(seed)
        states = lookahead.Horizon(instance)
        assert states.explicit is explicit
        size = instance.cluster.size
        for t in range(instance.intervals):
            delay = states.delay_s(t)
            for s, counts in enumerate(states.counts):
                heads = tuple(j for j, count in enumerate(counts) for _ in range(count))
                for q, r in itertools.product(range(size), repeat=2):
                    assert delay[s, q, r] == weighed(instance, t, None, Interval(heads, q, r), 1)


def test_walks_are_never_dearer_than_transports(monkeypatch):
    """Moving single heads through states costs at most a transport, backwards as well as forwards."""
    for seed in range(12):
        instance, _ = tiny(seed)
        table = lookahead.Horizon(instance)
        monkeypatch.setattr(lookahead, "LARGEST_EXPLICIT", 0)
        walks = lookahead.Horizon(instance)
        monkeypatch.undo()
        for s, back in itertools.product(range(len(table.counts)), (False, True)):
            values = np.full(len(table.counts), np.inf)
            values[s] = 0.0
            exact, walked = (h.heads_moved(values, 0, back=back) for h in (table, walks))
            assert exact[s] == walked[s] == 0.0
            assert (walked <= exact).all()
            one_move = np.abs(table.counts - table.counts[s]).sum(axis=1) == 2
            assert (walked[one_move] <= exact[one_move]).all()
            costs = [transport(table.counts[s], c, instance_costs(instance)) for c in table.counts]
            if not back:
                assert exact.tolist() == [math.inf if found is None else found[0] for found in costs]


def instance_costs(instance):
    return lookahead.Horizon(instance).costs.move_s[0, 0]


def test_states_that_can_be_listed(monkeypatch):
    """5 heads on 3 devices: 21 ways times 9 places; over 2 intervals twice as many values."""
    instance = generate(
        "head-migration", "network", seed=1, devices=3, heads=5, embedding_dim=10, intervals=2
    )
    for name, most in (("LARGEST_STATES", 189), ("LARGEST_VALUES", 378)):
        monkeypatch.setattr(lookahead, name, most)
        assert lookahead.guarantee(instance) is Guarantee.EXACT
        monkeypatch.setattr(lookahead, name, most - 1)
        with pytest.raises(NotApplicableError, match="there are 189"):
            lookahead.guarantee(instance)
        monkeypatch.undo()


@pytest.mark.parametrize("most", [0, 60, 10**6])
def test_chunks_bound_the_horizon(most, monkeypatch):
    """Single intervals, growing chunks or the whole: bounds below, placements that cost what is said, some closed."""
    monkeypatch.setattr(horizon, "LARGEST_MODEL", most)
    closed = 0
    for seed in range(40):
        instance, optimum = tiny(seed)
        claim = horizon.run(instance, Context(Parameters(threads=1)))
        best = math.inf if optimum is None else optimum
        if claim.reason is Reason.INFEASIBLE:
            assert optimum is None
            continue
        assert claim.dual_bound <= best
        if claim.placement is not None:
            assert evaluate(instance, claim.placement).objective == claim.objective >= optimum
        closed += claim.reason is Reason.OPTIMAL
        if claim.reason is Reason.OPTIMAL:
            assert claim.objective == pytest.approx(optimum, rel=1e-8)
    assert closed > 5


def test_a_cut_begins_where_the_one_before_ended():
    """Its length, its rates, its placement before."""
    instance = generate("head-migration", "network", seed=1, devices=3, heads=4, embedding_dim=8, intervals=5)
    before = Interval((0, 1, 2, 0), 1, 2)
    part = horizon.cut(instance, 2, 4, before)
    assert part.intervals == 2
    assert [part.length(t) for t in (-1, 0, 1)] == [instance.length(t) for t in (1, 2, 3)]
    assert (part.flops_per_s == instance.flops_per_s[2:4]).all()
    assert (part.bandwidth_bytes_per_s == instance.bandwidth_bytes_per_s[2:4]).all()
    assert (part.memory_bytes == instance.memory_bytes[2:4]).all()
    assert part.initial == before


def test_a_warm_start_is_the_first_placement():
    """What the search is given stands until something is better; what is infeasible is not taken."""
    instance, optimum = next(tiny(seed) for seed in range(40) if tiny(seed)[1] is not None)
    best = solve(instance, "brute-force", isolate=False).placement
    search = horizon.Search(instance, Context(Parameters(), warm_start=best))
    assert (search.best, search.upper_s) == (best, optimum)
    everything = Interval((0,) * instance.transformer.units, 0, 0)
    worse = (everything,) * instance.intervals
    search.improve(worse)
    assert search.upper_s == optimum
    search.raise_bound(optimum / 2)
    assert (search.lower_s, search.closed) == (optimum / 2, False)
    search.raise_bound(optimum / 4)
    assert search.lower_s == optimum / 2
    search.raise_bound(optimum)
    assert search.closed
