"""Prices of heads: what they prove against brute force, what may be left out, gradients, walks, and the method on them."""

from itertools import pairwise

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.head_migration import evaluate, head_costs
from placewise.models.head_migration.space import placements
from placewise.solvers.evidence.result import Reason, Status
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.head_migration import mode_prices
from placewise.solvers.head_migration import modes as method
from placewise.solvers.head_migration.mode_prices import Relaxation
from placewise.solvers.head_migration.reroute import Walks
from placewise.solvers.head_migration.soft_prices import Soft, climbed
from placewise.solvers.solve import solve


def tiny(seed):
    """Return an instance whose placements are few."""
    return generate("head-migration", "tiny", seed=seed)


def network(seed, **options):
    """Return a network in which devices slow down and moves are dear."""
    sizes = {"devices": 4, "heads": 5, "embedding_dim": 320, "intervals": 6} | options
    sizes = {"low_gbps": 0.1, "high_gbps": 0.5, "burst_share": 0.5, "background": 0.5} | sizes
    return generate("head-migration", "network", seed=seed, **sizes)


def some_prices(relaxation, draw):
    """Return prices of the size that a head's time has, a third of them none."""
    shape = (relaxation.layers, relaxation.count, relaxation.size)
    scale_s = relaxation.bound(np.zeros(shape)).value_s / relaxation.count / relaxation.heads
    scale_s = scale_s if np.isfinite(scale_s) else 1.0
    return draw.random(shape) * (draw.random(shape) > 1 / 3) * scale_s


def test_any_prices_bound():
    """Below the optimum that brute force finds, to the last bit; infinite only where there is none."""
    draw, tight = np.random.default_rng(1), 0
    for seed in range(30):
        instance, best = tiny(seed), solve(tiny(seed), "brute-force", isolate=False).objective
        relaxation = Relaxation(instance)
        tight += relaxation.layers == 2
        for _ in range(3):
            bound_s = relaxation.bound(some_prices(relaxation, draw)).value_s
            assert best is None or bound_s <= best
            assert bound_s == np.inf or bound_s % head_costs(instance).tick_s == 0
    assert tight > 3


def test_sums_that_round_lose_a_billionth_of_the_largest(monkeypatch):
    """No more, so that a bound stays a bound, and says something."""
    relaxation = Relaxation(network(1))
    prices_s = some_prices(relaxation, np.random.default_rng(1))
    exact_s = relaxation.bound(prices_s).value_s
    # Prices are no larger, sums of them are.
    monkeypatch.setattr(mode_prices, "EXACT", prices_s.max() / relaxation.costs.tick_s)
    assert exact_s * (1 - 1e-6) < relaxation.bound(prices_s).value_s < exact_s


def used(instance, trajectory):
    """Yield what of the statement a trajectory has: modes by time, pairs of places, moves."""
    costs = head_costs(instance)
    for t, now in enumerate(trajectory):
        counts = np.bincount(now.heads, minlength=instance.cluster.size)
        yield "mode", (t, now.proj, costs.heads_s(t, counts, now.proj))
        yield "both", (t, now.proj, now.ffn)
    befores = (() if instance.initial is None else (instance.initial,)) + trajectory
    for t, (before, now) in enumerate(pairwise(befores), len(trajectory) - len(befores) + 1):
        yield "move", (t, 1, before.proj, now.proj)
        yield "move", (t, 2, before.ffn, now.ffn)
        for k, j in zip(before.heads, now.heads, strict=True):
            yield "move", (t, 0, k, j)


def test_what_is_left_out_is_in_no_better_trajectory():
    """By all trajectories of tiny instances: those within the slack have only what is kept; most is left out."""
    draw, left, count = np.random.default_rng(2), 0, 0
    for seed in range(35):
        instance = tiny(seed)
        relaxation = Relaxation(instance)
        bound = relaxation.bound(some_prices(relaxation, draw))
        costs = [(evaluate(instance, now), now) for now in placements(instance)]
        values = sorted(found.objective for found, _ in costs if found.feasible)
        if not values:
            continue
        slack_s = values[len(values) // 20] - bound.value_s
        kept = relaxation.kept(bound, slack_s)
        left += int((~kept.both).sum())
        for found, trajectory in costs:
            if not found.feasible or found.objective > bound.value_s + slack_s:
                continue
            count += 1
            for kind, key in used(instance, trajectory):
                if kind == "mode":
                    at = relaxation.modes.limit_s[key[0], key[1]] == key[2]
                    assert kept.mode[key[0], key[1]][np.flatnonzero(at)[-1]]
                else:
                    assert getattr(kept, kind)[key]
    assert left > 50
    assert count > 50


@pytest.mark.parametrize("options", [{}, {"memory_factor": 1.35}])
def test_gradients_of_the_smoothed_bound(options):
    """By differences; below the bound itself, and nearer at a lower temperature."""
    draw = np.random.default_rng(3)
    for seed in range(3):
        relaxation = Relaxation(network(seed, **options))
        assert relaxation.layers == 1 + bool(options)
        prices_s = some_prices(relaxation, draw)
        bound = relaxation.bound(prices_s)
        mean_s = bound.value_s / relaxation.count
        below = []
        for temperature in (0.1, 0.001):
            soft = Soft(relaxation, bound, mean_s, temperature)
            value_s, gradient = soft.value(prices_s)
            below.append(bound.value_s - value_s)
        assert 0 <= below[1] < below[0]
        soft = Soft(relaxation, bound, mean_s, 0.1)
        value_s, gradient = soft.value(prices_s)
        for _ in range(5):
            step = draw.normal(size=prices_s.shape) * mean_s * 1e-4
            up, down = (soft.value(prices_s + sign * step)[0] for sign in (1, -1))
            assert (up - down) / 2 == pytest.approx(
                float((gradient * step).sum()), rel=1e-3, abs=1e-6 * mean_s
            )


def test_prices_reach_the_statement():
    """Climbed, the bound is at least the relaxation of the statement, nearly, and below the optimum."""
    for seed in range(3):
        instance = network(seed)
        search = method.Search(instance, Context(Parameters(time_limit=60.0)))
        ascent = method.Ascent(search)
        first_s = ascent.bound.value_s
        ascent.run()
        best = solve(instance, "lookahead", isolate=False)
        assert first_s < ascent.bound.value_s <= best.objective
        assert search.upper_s >= best.objective
        assert best.objective - ascent.bound.value_s < 0.3 * (best.objective - first_s)


def test_prices_stop_when_it_is_late():
    """No step is taken then."""
    relaxation = Relaxation(network(0))
    prices_s = some_prices(relaxation, np.random.default_rng(4))
    bound = relaxation.bound(prices_s)
    soft = Soft(relaxation, bound, bound.value_s / relaxation.count, 0.01)
    stopped, free = (climbed(soft, prices_s, 40, lambda late=late: late) for late in (True, False))
    gains = [soft.value(found)[0] - soft.value(prices_s)[0] for found in (stopped, free)]
    assert 0 <= gains[0] < gains[1]


def test_walks_are_drawn_by_their_weight():
    """At a low temperature the best one, with the places that the bound's own walk has."""
    relaxation = Relaxation(network(1))
    prices_s = some_prices(relaxation, np.random.default_rng(5))
    bound = relaxation.bound(prices_s)
    best = relaxation.places(bound)
    cold = Soft(relaxation, bound, bound.value_s / relaxation.count, 1e-6)
    assert all((walk == best).all() for walk in cold.draw(prices_s, np.random.default_rng(6), 3))
    warm = Soft(relaxation, bound, bound.value_s / relaxation.count, 0.3)
    drawn = {walk.tobytes() for walk in warm.draw(prices_s, np.random.default_rng(6), 10)}
    assert len(drawn) > 1


def test_walks_become_trajectories():
    """Feasible ones, no dearer than what they began with; the places of projection and network are the best."""
    found = 0
    for seed in range(35):
        instance = tiny(seed)
        walks = Walks(Relaxation(instance), lambda: False)
        size, draw = instance.cluster.size, np.random.default_rng(seed)
        some = [now for now in placements(instance) if evaluate(instance, now).feasible]
        if not some:
            continue
        trajectory = some[int(draw.integers(len(some)))]
        better = walks.improved(trajectory)
        cost = evaluate(instance, better)
        assert cost.feasible
        assert cost.objective <= evaluate(instance, trajectory).objective
        same_heads = [
            evaluate(instance, now).objective
            for now in some
            if all(a.heads == b.heads for a, b in zip(now, better, strict=True))
        ]
        assert cost.objective == min(same_heads)
        made = walks.along(draw.integers(size, size=(instance.intervals, 2)))
        if made is not None and evaluate(instance, made).feasible:
            found += 1
    assert found > 10


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"memory_factor": 1.35},
        {"heads": 8, "kv_heads": 2, "embedding_dim": 512},
        {"low_gbps": 1e9, "high_gbps": 1e9},
        {"execution": "cached", "kv": "per-head"},
        {"intervals": 1},
        {"heads": 1, "embedding_dim": 8},
    ],
)
def test_the_method_agrees_with_dynamic_programming(options):
    """Proven, at the same cost, on networks of all kinds."""
    for seed in range(2):
        instance = network(seed, **options)
        truth = solve(instance, "lookahead", isolate=False)
        found = solve(instance, "modes", isolate=False, threads=1)
        assert (found.status, found.objective) == (truth.status, truth.objective)
        assert found.conflicts == ()


def test_no_placement_is_proven():
    """By the bound alone, or by HiGHS on the whole statement."""
    bounds_s = []
    for seed in range(100):
        instance = tiny(seed)
        if len(bounds_s) < 5 and solve(instance, "brute-force", isolate=False).status is Status.INFEASIBLE:
            claim = method.run(instance, Context(Parameters(time_limit=60.0, threads=1)))
            assert claim.reason is Reason.INFEASIBLE
            shape = (2, instance.intervals, instance.cluster.size)
            bounds_s.append(Relaxation(instance).bound(np.zeros(shape)).value_s)
    assert np.inf in bounds_s
    assert len(bounds_s) == 5


def test_what_is_too_large_for_highs_keeps_its_gap(monkeypatch):
    """Bound and trajectory stand as they are."""
    monkeypatch.setattr(method, "LARGEST_MODES", 0)
    instance = network(2)
    claim = method.run(instance, Context(Parameters(time_limit=60.0)))
    assert claim.dual_bound <= claim.objective == evaluate(instance, claim.placement).objective
    assert claim.reason is (Reason.OPTIMAL if claim.dual_bound == claim.objective else Reason.LIMIT)
