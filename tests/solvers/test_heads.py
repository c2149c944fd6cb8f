"""Transports, steps and horizons of head-level placement, each against another method."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from placewise.instances.generators import generate
from placewise.models.head_migration import evaluate
from placewise.models.problem import Guarantee
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.head_migration import lookahead
from placewise.solvers.head_migration.transport import transport
from placewise.solvers.registry import find_method


@given(st.integers(0, 10**6))
def test_transports_are_least(seed):
    """Against an assignment of single heads to single places, with missing links and costs of any shape."""
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 6))
    counts, room = draw.integers(0, 4, size), draw.integers(0, 5, size)
    cost = draw.integers(0, 9, (size, size)).astype(float)
    cost[draw.random((size, size)) < 0.2] = np.inf
    np.fill_diagonal(cost, 0.0)
    found = transport(counts, room, cost)
    heads, places = np.repeat(np.arange(size), counts), np.repeat(np.arange(size), room)
    single = np.where(np.isinf(cost), 1e6, cost)[np.ix_(heads, places)]
    if len(places) < len(heads):
        assert found is None
        return
    rows, columns = linear_sum_assignment(single)
    least = single[rows, columns].sum()
    if least >= 1e6:
        assert found is None
        return
    total, flow = found
    assert total == least
    assert (flow.sum(axis=1) == counts).all()
    assert (flow.sum(axis=0) <= room).all()
    assert (flow >= 0).all()


def step_of(seed, **options):
    """Return the second interval of a network as a step from the best placement of the first."""
    instance = generate("head-migration", "network", seed=seed, intervals=2, **options)
    first = dataclasses.replace(
        instance,
        memory_bytes=instance.memory_bytes[:1],
        flops_per_s=instance.flops_per_s[:1],
        bandwidth_bytes_per_s=instance.bandwidth_bytes_per_s[:1],
    )
    before = solve(first, "step", isolate=False)
    if before.placement is None:
        return None
    return dataclasses.replace(
        instance,
        memory_bytes=instance.memory_bytes[1:],
        flops_per_s=instance.flops_per_s[1:],
        bandwidth_bytes_per_s=instance.bandwidth_bytes_per_s[1:],
        initial=before.placement[0],
        initial_length=instance.length(0),
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"low_gbps": 0.05, "high_gbps": 0.5},
        {"memory_factor": 1.35},
        {"execution": "cached", "kv": "per-head"},
    ],
)
def test_steps_by_three_methods(options):
    """Limits with transports, dynamic programming and the MILP on random networks."""
    for seed in range(4):
        instance = step_of(seed, devices=4, heads=5, embedding_dim=40, background=0.8, **options)
        if instance is None:
            continue
        results = [
            solve(instance, method, isolate=False, threads=1) for method in ("step", "lookahead", "highs")
        ]
        assert len({(result.status, result.objective) for result in results}) == 1


def test_one_interval_is_exact_and_more_are_not():
    """The guarantee says what the myopic policy is."""
    several = generate("head-migration", "network", seed=1, intervals=3)
    assert find_method(several.problem, "step").guarantee(several) is Guarantee.HEURISTIC
    one = generate("head-migration", "network", seed=1, intervals=1)
    assert find_method(one.problem, "step").guarantee(one) is Guarantee.EXACT


def test_lookahead_is_no_worse_than_myopic():
    """On slow networks with bursts: never worse, proven, and better on some."""
    better = 0
    for seed in range(1, 9):
        instance = generate(
            "head-migration",
            "network",
            seed=seed,
            devices=4,
            heads=8,
            intervals=60,
            low_gbps=0.1,
            high_gbps=0.5,
            burst_share=0.3,
            background=0.5,
        )
        ahead, step = solve(instance, "lookahead", isolate=False), solve(instance, "step", isolate=False)
        assert ahead.status is Status.OPTIMAL
        assert ahead.objective <= step.objective
        assert evaluate(instance, ahead.placement).objective == ahead.objective
        better += ahead.objective < step.objective
    assert better > 0


def test_walks_bound_what_transports_cost(monkeypatch):
    """Where states are many, moves are walks: a dual bound below the optimum, met in most cases."""
    met = 0
    for seed in range(60):
        instance = generate("head-migration", "tiny", seed=seed)
        truth = solve(instance, "brute-force", isolate=False)
        monkeypatch.setattr(lookahead, "LARGEST_EXPLICIT", 0)
        walked = solve(instance, "lookahead", isolate=False)
        monkeypatch.undo()
        if truth.objective is None:
            continue
        assert walked.dual_bound <= truth.objective + 1e-12
        assert walked.objective is None or walked.objective >= truth.objective
        met += walked.status is Status.OPTIMAL
    assert met > 30


def test_all_transports_at_once():
    """The table over states, head by head, against shortest paths for each pair, with missing links."""
    for seed in range(12):
        instance = generate("head-migration", "tiny", seed=seed, kind="sparse")
        horizon = lookahead.Horizon(instance)
        cost = horizon.costs.move_s[0, 0]
        table = horizon._transports(0)
        for s, before in enumerate(horizon.counts):
            for e, after in enumerate(horizon.counts):
                found = transport(before, after, cost)
                assert table[s, e] == (np.inf if found is None else found[0])
