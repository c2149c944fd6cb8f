"""The programme over sets of devices step by step: runs, states and bounds by enumeration, and where it ends."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency, evaluate_latency
from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard import subsets
from placewise.solvers.edgeshard.subsets import Level, SubsetSearch
from placewise.solvers.edgeshard.visits import KindTables
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


def drawn(seed, *, alike=False):
    """Return a small instance, contiguous, with limits of layers in some; two devices are alike if asked."""
    instance = generate("edgeshard-latency", "tight", seed=seed, devices=4, layers=5)
    others = [j for j in range(4) if j != instance.source_index]
    rules = Rules(
        contiguous=True,
        max_layers={others[0]: 1 + seed % 3} if seed % 2 else {},
        must_use=[others[1]] if seed % 5 == 0 else [],
    )
    if not alike:
        return dataclasses.replace(instance, rules=rules)
    one, two = others[1:]
    cluster = instance.cluster
    rate, latency, memory = (
        np.array(each) for each in (cluster.bandwidth_bytes_per_s, cluster.latency_s, cluster.memory_bytes)
    )
    time_s = np.array(instance.compute_time_s)
    memory[two], time_s[:, two] = memory[one], time_s[:, one]
    for table in (rate, latency):
        table[two], table[:, two] = table[one], table[:, one]
        table[one, two] = table[two, one] = table[others[0], one]
    cluster = dataclasses.replace(cluster, memory_bytes=memory, bandwidth_bytes_per_s=rate, latency_s=latency)
    rules = dataclasses.replace(rules, must_use=()) if rules.must_use else rules
    return dataclasses.replace(instance, cluster=cluster, compute_time_s=time_s, rules=rules)


def search_of(instance, warm_start=None, **options):
    return SubsetSearch(instance, Context(Parameters(**options), warm_start))


def feasible():
    return next(instance for instance in map(drawn, range(1, 99)) if search_of(instance).search().placement)


def placements(instance):
    """Return all placements of one run per device, from the source on, in the devices' memory and limits, with costs."""
    size, count = instance.cluster.size, len(instance.layers)
    tables, rules = time_tables(instance), instance.rules
    most = rules.most(size, count)
    found = {}
    for placement in itertools.product(range(size), repeat=count):
        order = [device for device, _ in itertools.groupby(placement)]
        if order[0] != instance.source_index or len(set(order)) < len(order):
            continue
        held = [[i for i, k in enumerate(placement) if k == j] for j in range(size)]
        if all(
            sum(instance.layers[i].memory_bytes for i in layers) <= instance.cluster.memory_bytes[j] and len(layers) <= most[j]
            for j, layers in enumerate(held)
        ):  # fmt: skip
            cost = sum(tables.compute_s[i, j] for i, j in enumerate(placement))
            cost += sum(
                tables.transfer_s(i)[k, j] for i, (k, j) in enumerate(itertools.pairwise(placement)) if k != j
            )
            found[placement] = cost
    return {placement: cost for placement, cost in found.items() if math.isfinite(cost)}


def levels(search):
    """Return all levels without anything to beat."""
    found = [search._first()]
    while len(found[-1].last):
        found.append(search._next(found[-1]))
    return found[:-1]


@pytest.mark.parametrize("seed", range(10))
def test_runs_by_enumeration(seed):
    """The least cost up to an end over all starts from which a run may reach it, not too short and not too far."""
    search = search_of(drawn(seed, alike=seed % 3 == 0))
    tables, draw = search.tables, np.random.default_rng(seed)
    for kind in range(search.kinds):
        entered = np.where(
            draw.random((3, tables.count + 1)) < 0.2, np.inf, draw.integers(0, 9, (3, tables.count + 1))
        )
        before, found = tables.time_before[kind], search._ended(entered, kind)
        for row, end in itertools.product(range(3), range(tables.count + 1)):
            starts = [i for i in range(end) if end <= tables.end[kind, i] and end - i >= tables.least[kind]]
            expected = min((entered[row, i] - before[i] + before[end] for i in starts), default=math.inf)
            assert found[row, end] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alike", [False, True])
def test_states_by_enumeration(alike):
    """Each set with its last device: the least cost of so many layers; no state is there twice, none is missing."""
    checked = 0
    for seed in range(36):
        instance = drawn(seed, alike=alike)
        search, whole = search_of(instance), placements(instance)
        nothing = np.zeros_like(search.bound.to_go_s)
        search.bound = dataclasses.replace(search.bound, price_s=nothing[:, 0], to_go_s=nothing)
        tables, expected = search.tables, {}
        kind_of = {j: kind for kind, devices in enumerate(tables.members) for j in devices}
        parts = {}
        for count in range(1, len(instance.layers) + 1):
            part = dataclasses.replace(
                instance, layers=instance.layers[:count], compute_time_s=np.array(instance.compute_time_s)[:count],
                rules=dataclasses.replace(instance.rules, must_use=()) if instance.rules.must_use else instance.rules,
            )  # fmt: skip
            parts[count] = set(placements(part))
        tick = time_tables(instance)
        for count, paths in parts.items():
            for path in paths:
                order = [device for device, _ in itertools.groupby(path)]
                if any(j not in kind_of for j in order[1:]):
                    continue
                used = [0] * search.kinds
                for j in order[1:]:
                    used[kind_of[j]] += 1
                last = kind_of[order[-1]] if len(order) > 1 else search.kinds
                cost = sum(tick.compute_s[i, j] for i, j in enumerate(path))
                if count == len(instance.layers) and math.isinf(tick.return_s[path[-1]]):
                    continue
                cost += sum(
                    tick.transfer_s(i)[k, j] for i, (k, j) in enumerate(itertools.pairwise(path)) if k != j
                )
                key = (*used, last, count)
                expected[key] = min(expected.get(key, math.inf), cost)
        found = {}
        for depth, level in enumerate(levels(search)):
            for row, used in enumerate(search._used(level.sets).tolist()):
                assert sum(used) == depth
                for count in np.flatnonzero(np.isfinite(level.cost_s[row])).tolist():
                    key = (*used, int(level.last[row]), count)
                    assert key not in found
                    found[key] = float(level.cost_s[row, count])
        assert found == {
            key: pytest.approx(cost, rel=1e-12) for key, cost in expected.items() if math.isfinite(cost)
        }
        checked += len(found)
        totals = [
            cost + time_tables(instance).return_s[path[-1]]
            for path, cost in whole.items()
            if all(j in path for j in instance.rules.must_use)
        ]
        claim = search_of(instance).search()
        assert claim.objective == (None if not totals else pytest.approx(min(totals)))
    assert checked > 200


@pytest.mark.parametrize("seed", range(12))
def test_what_can_win_is_kept(seed):
    """A tick below the best every optimal state stays, and none whose bound is not half a tick below; levels bound what is open."""
    instance = drawn(seed)
    optimum = search_of(instance).search().objective
    if optimum is None:
        return
    tick = time_tables(instance).tick_s
    for above in (1.0, 0.5, 0.0):
        search = search_of(instance, relative_gap=0.0)
        search.best_s = optimum + above * tick
        level, reached = search._first(), math.inf
        while len(level.last):
            assert level.least_s <= max(optimum, 0.0) or level.least_s == math.inf or above < 1.0
            least = search._least(level.sets, level.last, level.cost_s)
            least[:, -1] = level.cost_s[:, -1] + search.tables.return_s[level.last]
            kept = least[np.isfinite(level.cost_s)]
            assert (kept < search.best_s - tick / 2).all()
            reached = min(reached, float(least[:, -1].min()))
            level = search._next(level)
        assert (reached == pytest.approx(optimum)) == (
            above == 1.0 and not instance.rules.must_use
        ) or reached < optimum


def test_bounds_of_states_by_hand():
    """What a state costs, what is to go from its last device, less what the devices left over would pay."""
    search = search_of(drawn(0))
    price = np.arange(1.0, search.kinds + 2)
    search.bound = dataclasses.replace(
        search.bound, price_s=price, to_go_s=np.full((search.kinds + 1, search.tables.count + 1), 100.0)
    )
    sets, last = np.array([0, int(search.radix[1])]), np.array([search.kinds, 1])
    found = search._least(sets, last, np.full((2, search.tables.count + 1), 7.0))
    assert found[0].tolist() == [107.0 - price[:-1].sum()] * (search.tables.count + 1)
    assert found[1].tolist() == [107.0 - price[:-1].sum() + price[1]] * (search.tables.count + 1)


def test_sets_are_counted_by_kind():
    """A digit per kind, in base one more than its devices."""
    search = search_of(drawn(1, alike=True))
    sizes = search.tables.size.tolist()
    for used in itertools.product(*(range(size + 1) for size in sizes)):
        number = sum(n * int(radix) for n, radix in zip(used, search.radix, strict=True))
        assert search._used(np.array([number])).tolist() == [list(used)]
    numbers = {int(sum(n * int(r) for n, r in zip(u, search.radix, strict=True))) for u in itertools.product(*(range(s + 1) for s in sizes))}  # fmt: skip
    assert numbers == set(range(math.prod(size + 1 for size in sizes)))
    assert max(sizes) == 2


def test_a_gap_ends_the_search_before_the_last_level():
    """With the optimum known, a bound within the gap is enough; without a gap more levels are filled."""
    early = 0
    for seed in range(12):
        instance = drawn(seed)
        best = search_of(instance).search()
        if best.objective is None:
            continue
        wide = search_of(instance, best.placement, relative_gap=0.9)
        claim = wide.search()
        assert (claim.reason, claim.placement, claim.objective) == (
            Reason.OPTIMAL,
            best.placement,
            best.objective,
        )
        assert claim.dual_bound <= best.objective
        assert claim.dual_bound >= best.objective * 0.1 or len(wide.levels) > 1
        exact = search_of(instance, best.placement, relative_gap=0.0)
        claim = exact.search()
        assert (claim.reason, claim.dual_bound) == (Reason.OPTIMAL, best.objective)
        early += len(wide.levels) < len(exact.levels)
    assert early > 0


def test_a_search_that_is_stopped_says_why(monkeypatch):
    """Time or memory, with the bound of what is open."""
    instance = feasible()
    optimum = search_of(instance).search().objective
    stopped = search_of(instance, time_limit=1e-9)
    claim = stopped.search()
    assert (claim.reason, claim.limit, claim.message) == (Reason.LIMIT, "time", "stopped at the time limit")
    assert claim.dual_bound <= optimum
    full = search_of(instance)
    monkeypatch.setattr(subsets, "LARGEST_BYTES", 8 * (len(instance.layers) + 1) - 1)
    claim = full.search()
    assert (claim.reason, claim.limit) == (Reason.LIMIT, "states")
    assert claim.message.endswith("GiB of states")
    assert (len(full.levels), full.bytes) == (1, 8 * (len(instance.layers) + 1))
    monkeypatch.setattr(subsets, "LARGEST_BYTES", 10**6)
    assert search_of(instance).search().reason is Reason.OPTIMAL


def test_what_is_taken_at_its_limits(monkeypatch):
    """As many sets and as many numbers as fit, and one less."""
    instance = feasible()
    tables = KindTables(instance)
    sets = math.prod(int(size) + 1 for size in tables.size)
    monkeypatch.setattr(subsets, "MOST_SETS", sets)
    monkeypatch.setattr(subsets, "LARGEST_BYTES", 8 * tables.states)
    subsets.guarantee(instance)
    monkeypatch.setattr(subsets, "LARGEST_BYTES", 8 * tables.states - 1)
    with pytest.raises(NotApplicableError, match="subsets keep up to"):
        subsets.guarantee(instance)
    subsets.bounded_guarantee(instance)
    monkeypatch.setattr(subsets, "MOST_SETS", sets - 1)
    with pytest.raises(NotApplicableError, match="subsets number sets of devices in 62 bits; 4 devices have"):
        subsets.bounded_guarantee(instance)


@pytest.mark.parametrize(("few", "looked"), [(0, False), (-1, True)])
def test_few_states_need_no_bounds(few, looked, monkeypatch):
    """Up to so many; where there are more, local search and prices come first, from any start."""
    instance = feasible()
    monkeypatch.setattr(subsets, "FEW", KindTables(instance).states + few)
    calls, plain = [], subsets.ChainSearch
    monkeypatch.setattr(subsets, "ChainSearch", lambda *asked: calls.append(1) or plain(*asked))
    claim = search_of(instance).search()
    assert bool(calls) is looked
    assert claim.objective == solve(instance, "brute-force", isolate=False).objective


def test_a_start_that_is_not_feasible_is_dropped():
    """And a dearer offer changes nothing."""
    for seed in range(6):
        instance = drawn(seed)
        best = search_of(instance).search()
        if best.placement is None:
            continue
        wrong = tuple(1 - instance.source_index % 2 for _ in instance.layers)
        search = search_of(instance, wrong)
        search._know()
        assert search.best is None
        search = search_of(instance, best.placement)
        search._know()
        assert (search.best, search.best_s) == (best.placement, best.objective)
        search._offer((instance.source_index,) * len(instance.layers), best.objective)
        search._offer(wrong, 0.0)
        assert search.best == best.placement
        assert evaluate_latency(instance, best.placement).objective == best.objective


def test_no_level_follows_the_last():
    """Without states there is nothing to keep, and no bound."""
    search = search_of(feasible())
    empty = Level(
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.intp),
        np.zeros((0, search.tables.count + 1)),
        math.inf,
    )
    following = search._next(empty)
    assert (len(following.last), following.least_s) == (0, math.inf)


def test_the_source_ends_its_run_within_its_own_limits():
    """Two to three of four layers where it must host two and may host three, whatever the others must."""
    cluster = Cluster(("a", "b", "c"), memory_bytes=4, bandwidth_bytes_per_s=1.0)
    for rules, ends in (
        ({"min_layers": {"a": 2}, "max_layers": {"a": 3}}, [2, 3]),
        ({"min_layers": {"b": 2}, "max_layers": {"c": 1}}, [1, 2, 3, 4]),
    ):
        instance = EdgeShardLatency(
            cluster,
            Layer("layer", 1, 1.0) * 4,
            compute_time_s=np.ones((4, 3)),
            rules=Rules(contiguous=True, **rules),
        )
        cost_s = search_of(instance)._first().cost_s[0]
        assert np.flatnonzero(np.isfinite(cost_s)).tolist() == ends
        assert cost_s[ends].tolist() == ends
