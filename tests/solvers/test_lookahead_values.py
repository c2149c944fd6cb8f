"""The horizon's values by loops: where it begins, moves of projection and network, trajectories, and what is claimed."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.head_migration import evaluate
from placewise.solvers import solve
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.head_migration import lookahead
from placewise.solvers.head_migration.lookahead import Horizon, _distributions

KINDS = ("sparse", "tight", "loose", "one-byte", "equal")


def tiny(seed):
    return generate("head-migration", "tiny", seed=seed, kind=KINDS[seed % 5])


@pytest.mark.parametrize(("heads", "size"), [(1, 1), (3, 1), (2, 2), (4, 3), (0, 3), (3, 4)])
def test_all_ways_of_having_heads(heads, size):
    """Each once, in some order."""
    found = [tuple(row) for row in _distributions(heads, size).tolist()]
    expected = [way for way in itertools.product(range(heads + 1), repeat=size) if sum(way) == heads]
    assert sorted(found) == sorted(expected)


def test_what_moves_one_head():
    """From every state with a head on k to the one with it on j; and from each to those with one less."""
    states = Horizon(tiny(2))
    size = states.size
    assert set(states.moved) == {(k, j) for k in range(size) for j in range(size) if k != j}
    for (k, j), (origins, ends) in states.moved.items():
        assert origins.tolist() == [s for s, row in enumerate(states.counts) if row[k]]
        for s, e in zip(origins, ends, strict=True):
            change = states.counts[e] - states.counts[s]
            assert (change[k], change[j], np.abs(change).sum()) == (-1, 1, 2)
    for number, (counts, fewer) in enumerate(states._levels):
        assert (counts.sum(axis=1) == number).all()
        for s, j in itertools.product(range(len(counts)), range(size)):
            if counts[s, j]:
                change = counts[s] - states._levels[number - 1][0][fewer[s, j]]
                assert (change[j], np.abs(change).sum()) == (1, 1)


def test_the_beginning():
    """Nothing before: any state. A placement before: its own, and no other."""
    for seed in range(5):
        instance = tiny(seed)
        states = Horizon(dataclasses.replace(instance, initial=None))
        assert states.initial() is None
        best = solve(instance, "brute-force", isolate=False).placement
        if best is None:
            continue
        before = best[-1]
        values = Horizon(dataclasses.replace(instance, initial=before)).initial()
        s, q, r = (int(part) for part in np.unravel_index(values.argmin(), values.shape))
        assert values[s, q, r] == 0.0
        assert np.isinf(values).sum() == values.size - 1
        assert (q, r) == (before.proj, before.ffn)
        assert states.counts[s].tolist() == [before.heads.count(j) for j in range(states.size)]


@pytest.mark.parametrize("explicit", [True, False])
def test_moves_by_loops(explicit, monkeypatch):
    """The least of all values plus what the moves cost, for projection, network and heads, forwards and backwards."""
    if not explicit:
        monkeypatch.setattr(lookahead, "LARGEST_EXPLICIT", 0)
    for seed in range(8):
        instance = tiny(seed)
        states, draw = Horizon(instance), np.random.default_rng(seed)
        count, size, t = len(states.counts), states.size, instance.intervals - 1
        values = draw.integers(0, 9, (count, size, size)).astype(float)
        values[draw.random(values.shape) < 0.3] = np.inf
        proj, ffn = states.costs.move_s[t, 1], states.costs.move_s[t, 2]
        found = states.others_moved(values, t)
        for s, q, r in itertools.product(range(count), range(size), range(size)):
            pairs = itertools.product(range(size), repeat=2)
            assert found[s, q, r] == min(values[s, k, j] + proj[k, q] + ffn[j, r] for k, j in pairs)
        flat = values[:, 0, 0]
        for back in (False, True):
            moved = states.heads_moved(values, t, back=back)
            assert moved[:, 0, 0].tolist() == states.heads_moved(flat, t, back=back).tolist()
            single = [
                states.heads_moved(np.where(np.arange(count) == s, 0.0, np.inf), t, back=back)
                for s in range(count)
            ]
            assert moved[:, 0, 0] == pytest.approx(
                np.min([flat[s] + single[s] for s in range(count)], axis=0), rel=1e-12
            )
            assert all(single[s][s] == 0.0 for s in range(count))
        ways = [states.heads_moved(np.where(np.arange(count) == s, 0.0, np.inf), t) for s in range(count)]
        reverse = [
            states.heads_moved(np.where(np.arange(count) == s, 0.0, np.inf), t, back=True)
            for s in range(count)
        ]
        assert np.array(ways) == pytest.approx(np.array(reverse).T, rel=1e-12)


def test_states_are_as_many_as_transports_are_listed_for(monkeypatch):
    """Up to the limit explicit, above it walks."""
    instance = tiny(2)
    count = len(Horizon(instance).counts)
    for most, explicit in ((count, True), (count - 1, False)):
        monkeypatch.setattr(lookahead, "LARGEST_EXPLICIT", most)
        assert Horizon(instance).explicit is explicit


def test_few_states_are_exact():
    """The optimum or infeasibility of every tiny instance, with a trajectory that has it."""
    kinds = set()
    for seed in range(12):
        instance = tiny(seed)
        optimum = solve(instance, "brute-force", isolate=False).objective
        claim = lookahead.run(instance, Context(Parameters()))
        kinds.add((claim.reason, instance.initial is None, instance.intervals > 1))
        if optimum is None:
            assert (claim.reason, claim.placement, claim.dual_bound) == (Reason.INFEASIBLE, None, None)
        else:
            assert (claim.reason, claim.objective, claim.dual_bound) == (Reason.OPTIMAL, optimum, optimum)
            assert evaluate(instance, claim.placement).objective == optimum
    assert len(kinds) > 2


def feasible():
    return next(
        instance
        for instance in map(tiny, range(40))
        if instance.intervals > 1 and solve(instance, "brute-force", isolate=False).objective
    )


@pytest.mark.parametrize(
    ("factor", "closed"), [(1.0, True), (1 + 5e-13, True), (1 + 5e-12, False), (2.0, False), (None, False)]
)
def test_a_trajectory_is_optimal_if_it_costs_what_the_walk_does(factor, closed, monkeypatch):
    """To 1e-12; a dearer one leaves the walk's value as the bound."""
    instance = feasible()
    optimum = lookahead.run(instance, Context(Parameters())).objective
    objective = None if factor is None else optimum * factor
    stand_in = SimpleNamespace(evaluate=lambda *_: SimpleNamespace(objective=objective))
    monkeypatch.setattr(lookahead, "problem_of", lambda _: stand_in)
    claim = lookahead.run(instance, Context(Parameters()))
    assert claim.reason is (Reason.OPTIMAL if closed else Reason.LIMIT)
    assert (claim.objective, claim.dual_bound) == (objective, optimum)
    assert bool(claim.message) is not closed


def test_a_trajectory_below_its_bound_lowers_it(monkeypatch):
    """By roundings: the bound that is stated is never above the value."""
    instance = feasible()
    optimum = lookahead.run(instance, Context(Parameters())).objective
    stand_in = SimpleNamespace(evaluate=lambda *_: SimpleNamespace(objective=optimum * (1 - 1e-15)))
    monkeypatch.setattr(lookahead, "problem_of", lambda _: stand_in)
    assert lookahead.run(instance, Context(Parameters())).dual_bound == optimum * (1 - 1e-15)


def test_time_is_looked_at_before_every_interval():
    """Over before the first, nothing is known; the last look is before the last interval."""
    instance = feasible()

    class Over(Context):
        left = 0

        @property
        def remaining(self):
            self.left -= 1
            return float(self.left >= 0)

    for looks in range(instance.intervals + 1):
        context = Over(Parameters())
        context.left = looks
        claim = lookahead.run(instance, context)
        assert (claim.reason is Reason.LIMIT) == (looks < instance.intervals)
        if looks < instance.intervals:
            assert (claim.placement, claim.dual_bound) == (None, None)


def test_a_head_that_has_no_direct_link_leaves_the_bound(monkeypatch):
    """Where walks pass through another device and no transport exists, there is a bound and no trajectory."""
    instance = feasible()
    optimum = lookahead.run(instance, Context(Parameters())).objective
    monkeypatch.setattr(lookahead, "transport", lambda *_: None)
    found = lookahead.run(instance, Context(Parameters()))
    assert (found.reason, found.placement, found.objective) == (Reason.LIMIT, None, None)
    assert found.dual_bound == optimum
    assert math.isfinite(optimum)
