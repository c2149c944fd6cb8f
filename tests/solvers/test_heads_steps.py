"""A step's parts by enumeration: limits with their moves, moves that are forced, and which pairs are tried at all."""

import itertools
import math

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.head_migration import Interval
from placewise.solvers.head_migration import horizon, step
from placewise.solvers.head_migration.transport import transport


def drawn(seed):
    """Return times by device and number of heads, heads before, cost of moves; whole numbers, some infinite."""
    draw = np.random.default_rng(seed)
    size, heads = int(draw.integers(1, 4)), int(draw.integers(1, 5))
    times = np.cumsum(draw.integers(0, 4, (size, heads)), axis=1).astype(float)
    for j in range(size):
        times[j, int(draw.integers(0, heads + 2)) :] = np.inf
    counts = np.bincount(draw.integers(0, size, heads), minlength=size)
    cost = draw.integers(0, 6, (size, size)).astype(float)
    cost[draw.random((size, size)) < 0.2] = np.inf
    np.fill_diagonal(cost, 0.0)
    return times, counts, cost, int(draw.integers(1, 4))


def ways(size, heads):
    return [np.array(c) for c in itertools.product(range(heads + 1), repeat=size) if sum(c) == heads]


@pytest.mark.parametrize("fresh", [True, False])
def test_the_best_limit_by_enumeration(fresh):
    """The least weighted time plus moves of all ways to have the heads; None from its own value on."""
    found_some = moved = 0
    for seed in range(250):
        times, counts, cost, weight = drawn(seed)
        size, heads = times.shape
        before = None if fresh else Interval(tuple(np.repeat(np.arange(size), counts).tolist()), 0, 0)
        best = math.inf
        for after in ways(size, heads):
            used = np.flatnonzero(after)
            through = max(times[j, after[j] - 1] for j in used)
            moves = (0.0, None) if fresh else transport(counts, after, cost)
            if moves is not None:
                best = min(best, 2.0 + weight * through + moves[0])
        if np.isfinite(times).sum() < heads:
            continue
        start = step._least(times, heads)
        assert start == sorted(times.ravel())[heads - 1]
        asked = (weight, times, start, counts, cost, 2.0)
        if math.isinf(best):
            assert step._best_limit(*asked, math.inf, before) is None
            continue
        found_some += 1
        value, moves = step._best_limit(*asked, np.nextafter(best, math.inf), before)
        assert value == best
        assert step._best_limit(*asked, math.inf, before)[0] == best
        assert step._best_limit(*asked, best, before) is None
        after = moves.sum(axis=0)
        assert after.sum() == heads
        assert (moves >= 0).all()
        through = max(times[j, after[j] - 1] for j in np.flatnonzero(after))
        paid = 0.0 if fresh else float((np.where(moves > 0, cost, 0.0) * moves).sum())
        assert 2.0 + weight * through + paid == best
        if not fresh:
            assert (moves.sum(axis=1) == counts).all()
            moved += paid > 0
    assert found_some > 100
    assert fresh or moved > 20


def test_forced_moves_by_hand():
    """Heads beyond what a device holds leave over its cheapest link; who holds projection or network holds fewer."""
    counts, cost = np.array([3, 1]), np.array([[0.0, 5.0], [2.0, 0.0]])
    rooms = {
        (0, 0): np.array([2, 1]),  # one of three leaves d0: 5 s
        (1, 0): np.array([1, 1]),
        (0, 1): np.array([3, -4]),  # nobody leaves d0 then, and d1's head leaves: 2 s
        (1, 1): np.array([0, 0]),
    }
    assert step._forced_moves_s(rooms, counts, cost).tolist() == [[15.0, 10.0 + 2.0], [0.0, 5.0 + 2.0]]
    cost[0, 1] = np.inf  # without a link nothing is known
    assert step._forced_moves_s(rooms, counts, cost).tolist() == [[0.0, 2.0], [0.0, 2.0]]


def test_forced_moves_by_loops():
    """Every pair's sum over devices, also with rooms below none, more devices, and costs of nothing."""
    for seed in range(60):
        draw = np.random.default_rng(seed)
        size = int(draw.integers(2, 5))
        counts = draw.integers(0, 5, size)
        rooms = {key: draw.integers(-1, 5, size) for key in itertools.product((0, 1), repeat=2)}
        cost = draw.integers(0, 6, (size, size)).astype(float)
        found = step._forced_moves_s(rooms, counts, cost)
        for q, r in itertools.product(range(size), repeat=2):
            total = 0.0
            for j in range(size):
                room = max(int(rooms[int(j == q), int(j == r)][j]), 0)
                total += max(int(counts[j]) - room, 0) * min(cost[j, k] for k in range(size) if k != j)
            assert found[q, r] == total


def test_only_pairs_that_can_be_better_are_tried(monkeypatch):
    """Each with a bound below the best so far, which is what all its heads take at least; one is enough at times."""
    plain, calls, tried = step._best_limit, [], []

    def recorded(weight, limited_s, start_s, counts, cost_s, fixed_s, best_s, before):
        heads = limited_s.shape[1]
        assert start_s == sorted(limited_s.ravel())[heads - 1]
        assert fixed_s + weight * start_s < best_s
        found = plain(weight, limited_s, start_s, counts, cost_s, fixed_s, best_s, before)
        assert found is None or fixed_s + weight * start_s <= found[0] < best_s
        calls.append(best_s)
        return found

    monkeypatch.setattr(step, "_best_limit", recorded)
    pairs = 0
    for seed in range(30):
        instance = generate(
            "head-migration", "network", seed=seed, devices=4, heads=5, embedding_dim=40, intervals=1
        )
        for before in (None, Interval((0, 1, 2, 3, 0), 1, 2)):
            calls.clear()
            found = step.best_step(horizon.cut(instance, 0, 1, before), 0, before, 1 + seed % 3)
            assert found is not None
            assert calls == sorted(calls, reverse=True)
            tried.append(len(calls))
            pairs += 16
    assert min(tried) == 1
    assert sum(tried) < pairs / 12


def test_moves_that_are_forced_spare_pairs(monkeypatch):
    """Where memory is tight: 380 of 1,825 pairs are tried; without what heads must pay to leave it would be 450."""
    plain, tried, pairs = step._best_limit, [], 0
    monkeypatch.setattr(step, "_best_limit", lambda *asked: tried.append(1) or plain(*asked))
    for seed in range(60):
        instance = generate(
            "head-migration", "tiny", seed=seed, kind=("tight", "one-byte", "loose")[seed % 3]
        )
        draw, size, heads = np.random.default_rng(seed), instance.cluster.size, instance.transformer.units
        for _ in range(5):
            before = Interval(
                tuple(draw.integers(0, size, heads).tolist()),
                int(draw.integers(size)),
                int(draw.integers(size)),
            )
            step.best_step(instance, instance.intervals - 1, before)
            pairs += size**2
    assert pairs == 1825
    assert len(tried) <= 390
