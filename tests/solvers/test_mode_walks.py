"""Walks of heads, projection and network by enumeration, with moves drawn anew for each interval, either way and start."""

import itertools

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.solvers.head_migration.mode_prices import Relaxation
from placewise.solvers.head_migration.reroute import Walks
from placewise.solvers.head_migration.soft_prices import Soft

SEEDS = range(6)


def drawn(seed, *, intervals=3, unit_s=None):
    """Return three devices with moves of 1 to 9 units, some of them impossible, and prices; odd ones begin somewhere."""
    instance = generate(
        "head-migration", "network", seed=seed, devices=3, heads=4, embedding_dim=256, intervals=intervals,
        memory_factor=1.35 if seed % 3 else 4.0,
    )  # fmt: skip
    relaxation, draw = Relaxation(instance), np.random.default_rng(seed)
    finite = relaxation.limit_s[np.isfinite(relaxation.limit_s)]
    unit_s = relaxation.costs.tick_s * 2.0 ** np.floor(np.log2(finite.mean() / 8 / relaxation.costs.tick_s))

    def moves(*shape):
        table_s = draw.integers(1, 10, shape) * unit_s
        table_s[draw.random(shape) < 0.1] = np.inf
        table_s[..., np.arange(3), np.arange(3)] = 0.0
        return table_s

    relaxation.head_s, relaxation.proj_s, relaxation.ffn_s = (moves(intervals, 3, 3) for _ in range(3))
    relaxation.before, relaxation.enter_s = None, np.zeros((3, 3))
    if seed % 2:
        relaxation.before, relaxation.enter_s = np.array([3, 0, 1]), draw.integers(0, 9, (3, 3)) * unit_s
    prices_s = draw.integers(0, 3, (relaxation.layers, intervals, 3)) * unit_s / 4
    return relaxation, prices_s, draw


def chains(count, choices):
    return list(itertools.product(choices, repeat=count))


def walks_s(relaxation, bound):
    """Return all walks of projection and network with what they cost."""
    found = {}
    for walk in chains(relaxation.count, list(itertools.product(range(3), repeat=2))):
        cost_s = relaxation.enter_s[walk[0]]
        cost_s += sum(bound.own_s[t, p, f] for t, (p, f) in enumerate(walk))
        for t, ((p, f), (q, r)) in enumerate(itertools.pairwise(walk), 1):
            cost_s += relaxation.proj_s[t, p, q] + relaxation.ffn_s[t, f, r]
        found[walk] = cost_s
    return found


def paths_s(relaxation, node_s, origin=None):
    """Return all paths of a head with what they cost, from one device or from anywhere."""
    found = {}
    for path in chains(relaxation.count, range(3)):
        cost_s = sum(node_s[t, j] for t, j in enumerate(path))
        cost_s += sum(relaxation.head_s[t, k, j] for t, (k, j) in enumerate(itertools.pairwise(path), 1))
        found[path] = cost_s + (0.0 if origin is None else relaxation.head_s[0, origin, path[0]])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_and_what_is_above_them(seed):
    """The bound's walks, the least through each state, and with each move of a head, projection or network."""
    relaxation, prices_s, _ = drawn(seed)
    bound = relaxation.bound(prices_s)
    walks = walks_s(relaxation, bound)
    least_s = min(walks.values())
    assert walks[tuple(map(tuple, relaxation.places(bound).tolist()))] == pytest.approx(least_s)
    origins = [None] if relaxation.before is None else np.flatnonzero(relaxation.before).tolist()
    paths = {origin: paths_s(relaxation, bound.node_s, origin) for origin in origins}
    number = {None: relaxation.heads} | {j: relaxation.before[j] for j in origins if j is not None}
    heads_s = sum(number[origin] * min(costs.values()) for origin, costs in paths.items())
    constant_s = (prices_s[1] * relaxation.room).sum() if len(prices_s) > 1 else 0.0
    assert bound.value_s == pytest.approx(least_s + heads_s - constant_s, rel=1e-9)

    mode_s, through_s, move_s = relaxation.excess_s(bound)
    expected = {name: np.full_like(table, np.inf) for name, table in (("both", through_s), ("move", move_s))}
    expected["move"][0] = 0.0
    for walk, cost_s in walks.items():
        for t, (p, f) in enumerate(walk):
            expected["both"][t, p, f] = min(expected["both"][t, p, f], cost_s - least_s)
        for t, ((p, f), (q, r)) in enumerate(itertools.pairwise(walk), 1):
            for part, key in ((1, (p, q)), (2, (f, r))):
                expected["move"][t, part, *key] = min(expected["move"][t, part, *key], cost_s - least_s)
    for origin, costs in paths.items():
        best_s = min(costs.values())
        if origin is not None:
            expected["move"][0, 0, origin] = np.inf
        for path, cost_s in costs.items():
            steps = [(t, k, j) for t, (k, j) in enumerate(itertools.pairwise(path), 1)]
            steps += [] if origin is None else [(0, origin, path[0])]
            for t, k, j in steps:
                expected["move"][t, 0, k, j] = min(expected["move"][t, 0, k, j], cost_s - best_s)
    digits = {"rtol": 1e-9, "atol": 1e-9 * abs(least_s)}
    np.testing.assert_allclose(through_s, expected["both"], **digits)
    np.testing.assert_allclose(move_s, expected["move"], **digits)
    above_s = bound.mode_s - bound.mode_s.min(axis=2)[:, :, None]
    there = np.isfinite(bound.mode_s)
    np.testing.assert_allclose(
        mode_s[there], (expected["both"].min(axis=2)[:, :, None] + above_s)[there], **digits
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_smoothed_walks(seed):
    """Cold, the bound and its best walk; warm, the gradient by differences."""
    relaxation, prices_s, draw = drawn(seed)
    bound, mean_s = relaxation.bound(prices_s), relaxation.limit_s[np.isfinite(relaxation.limit_s)].mean()
    cold = Soft(relaxation, bound, mean_s, 1e-6)
    assert cold.value(prices_s)[0] == pytest.approx(bound.value_s, abs=1e-3 * mean_s)
    least_s = min(walks_s(relaxation, bound).values())
    for walk in cold.draw(prices_s, draw, 2):
        assert walks_s(relaxation, bound)[tuple(map(tuple, walk.tolist()))] == pytest.approx(least_s)
    soft = Soft(relaxation, bound, mean_s, 0.2)
    _, gradient = soft.value(prices_s)
    for _ in range(4):
        step = draw.normal(size=prices_s.shape) * mean_s * 1e-4
        up, down = (soft.value(prices_s + sign * step)[0] for sign in (1, -1))
        assert (up - down) / 2 == pytest.approx(float((gradient * step).sum()), rel=1e-3, abs=1e-6 * mean_s)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_heads_path_is_the_cheapest(seed):
    """From where it was, or from anywhere; also with one interval."""
    for intervals in (1, 3):
        relaxation, _, draw = drawn(seed, intervals=intervals)
        walks, node_s = Walks(relaxation, lambda: False), draw.integers(1, 20, (intervals, 3)) * 0.125
        for start in (None, 0, 1):
            costs = paths_s(relaxation, node_s, start)
            cost_s, path = walks._path(node_s, start)
            assert cost_s == pytest.approx(min(costs.values()))
            assert costs[tuple(path.tolist())] == pytest.approx(cost_s)
            moves_s = paths_s(relaxation, np.zeros((intervals, 3)), start)[tuple(path.tolist())]
            assert walks._moves_s(path, start) == pytest.approx(moves_s)


@pytest.mark.parametrize("seed", range(12))
def test_no_head_is_better_elsewhere(seed):
    """Put back on all of its paths, each at what limits and its moves come to; rooms are kept."""
    relaxation, _, draw = drawn(seed)
    relaxation.head_s *= draw.choice([0.05, 0.2, 1.0])
    walks = Walks(relaxation, lambda: False)
    walks._settle(draw.integers(3, size=(relaxation.count, 2)))
    for _ in range(1000):
        heads = draw.integers(3, size=(relaxation.heads, relaxation.count))
        walks.counts = np.array([np.bincount(now, minlength=3) for now in heads.T])
        if (walks.counts <= walks.room).all():
            break
    else:
        pytest.skip("no room for all heads")
    initial = relaxation.instance.initial
    walks._improve_heads(heads)
    assert (walks.counts <= walks.room).all()
    for h, path in enumerate(heads):
        start = None if initial is None else initial.heads[h]
        whole_s = walks._limits_s().sum() + walks._moves_s(path, start)
        walks._put(path, -1)
        for other in map(np.array, chains(relaxation.count, range(3))):
            walks._put(other, 1)
            if (walks.counts <= walks.room).all():
                assert walks._limits_s().sum() + walks._moves_s(other, start) >= whole_s * (1 - 1e-3)
            walks._put(other, -1)
        walks._put(path, 1)
