"""EdgeShard's labels one by one: costs, memory and bounds by enumeration, half a tick, and how many are expanded."""

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
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard import labels
from placewise.solvers.edgeshard.labels import Label, LabelSearch
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


class Stopwatch(Context):
    """A context whose clock is set by hand, and that keeps what is reported."""

    def __init__(self, warm_start=None, *, now_s=0.0, **options):
        self.steps, self.now_s = [], now_s
        super().__init__(Parameters(**options), warm_start, self.steps.append)

    @property
    def elapsed(self):
        """Return the time that was set."""
        return self.now_s


def tiny(seed):
    return generate("edgeshard-latency", "tiny", seed=seed)


@pytest.fixture
def bare(monkeypatch):
    """Search from nothing: no heuristics, and the bound at the prices that a test gives."""

    def made(instance, prices=None, **options):
        prices = np.zeros(instance.cluster.size) if prices is None else prices
        monkeypatch.setattr(LabelSearch, "_root", lambda _, paths: paths.bound(prices)[0])
        return LabelSearch(instance, Stopwatch(**options))

    return made


def everything(search):
    """Return all labels, roots and what follows them, without a bound to beat."""
    found, waiting = [], list(search._roots())
    while waiting:
        label = waiting.pop()
        found.append(label)
        waiting += search._children(label)
    return found


def path_of(search, label):
    path, number = [], label.number
    end = label.placed
    while number >= 0:
        device, placed, parent = search.tree[number]
        start = search.tree[parent][1] if parent >= 0 else 0
        assert placed == end
        path[:0] = [device] * (end - start)
        end, number = start, parent
    return tuple(path)


def left(instance, placement):
    free = [int(size) for size in instance.cluster.memory_bytes]
    for layer, device in zip(instance.layers, placement, strict=False):
        free[device] -= layer.memory_bytes
    return free


def test_each_label_by_enumeration(bare):
    """Its path costs what it says, leaves what it says, and no completion costs less than its bound."""
    checked = tight = 0
    for seed in range(60):
        instance = tiny(seed)
        size, count = instance.cluster.size, len(instance.layers)
        if size**count > 300:
            continue
        tables, need = time_tables(instance), instance.memory_bytes
        prices = np.random.default_rng(seed).integers(0, 3, size) * tables.tick_s * 2.0**20
        search = bare(instance, prices)
        feasible = {
            placement: found.objective
            for placement in itertools.product(range(size), repeat=count)
            if (found := evaluate_latency(instance, placement)).feasible
        }
        states = set()
        for label in everything(search):
            path = path_of(search, label)
            assert len(path) == label.placed < count
            cost = sum(tables.compute_s[i, j] for i, j in enumerate(path)) + sum(
                tables.transfer_s(i)[k, j] for i, (k, j) in enumerate(itertools.pairwise(path)) if k != j
            )
            assert label.cost == pytest.approx(cost, rel=1e-12, abs=1e-300)
            rest = need[label.placed :]
            assert label.free == tuple(
                0 if space < rest.min() else min(space, rest.sum()) for space in left(instance, path)
            )
            onward = [
                value
                for placement, value in feasible.items()
                if placement[: label.placed] == path and placement[label.placed] != label.device
            ]
            assert label.bound <= min(onward, default=math.inf) * (1 + 1e-12)
            assert label.bound >= search.root.dual_bound
            tight += bool(onward) and label.bound > 0.8 * min(onward)
            assert (label.placed, label.device, label.free, label.cost) not in states
            states.add((label.placed, label.device, label.free, label.cost))
            checked += 1
        assert (search.incumbent is None) == (not feasible)
        assert search.upper == pytest.approx(min(feasible.values(), default=math.inf))
        assert not feasible or feasible[search.incumbent] == search.upper
    assert checked > 120
    assert tight > 20


def test_a_gap_of_half_a_tick_is_none(bare):
    """Costs are whole ticks: a bound a tick below the best is worth a label, half a tick below it is not."""
    search = bare(tiny(0), relative_gap=0.0)
    tick = time_tables(search.instance).tick_s
    search.upper = best = 2.0**10 * tick
    for ticks, is_open in ((1.0, True), (0.75, True), (0.5, False), (0.0, False), (-1.0, False)):
        assert search._open(best - ticks * tick) is is_open
    gap = bare(tiny(0), relative_gap=2.0**-5)
    gap.upper = best
    assert gap._open(best - tick)  # the gap is that of a placement: there is none
    gap.incumbent = (0,)
    for ticks, is_open in ((33, True), (32, False), (31, False)):
        assert gap._open(best - ticks * tick) is is_open


def test_a_label_promises_more_than_half_a_tick(bare):
    """Roots and children are kept where their bound is a tick below the best, not where it is half a tick."""
    kept = 0
    for seed in range(30):
        instance = tiny(seed)
        every = everything(bare(instance))
        for label in every[:3]:
            if label.bound < label.cost + time_tables(instance).tick_s:
                continue
            for ticks in (1.0, 0.5):
                search = bare(instance)
                search.upper = label.bound + ticks * time_tables(instance).tick_s
                found = [other for other in everything(search) if other[2:] == label[2:]]
                kept += bool(found)
                assert len(found) <= (ticks == 1.0)
    assert kept > 5


def test_states_keep_what_later_layers_can_tell_apart(bare):
    """Less than the smallest of them is nothing, more than all of them is all."""
    search = bare(tiny(0))
    search.size = 6
    search.least, search.rest = [[2] * 6, [3] * 6, [4] * 6], [[20] * 6, [9] * 6, [4] * 6]
    assert search._canonical(1, (0, 2, 3, 8, 9, 10)) == (0, 0, 3, 8, 9, 9)
    assert search._canonical(2, (3, 4, 5, 3, 4, 5)) == (0, 4, 4, 0, 4, 4)
    plain = bare(tiny(3))
    need, size = [int(each) for each in plain.instance.memory_bytes], plain.instance.cluster.size
    assert plain.rest == [[sum(need[i:])] * size for i in range(len(need) + 1)]
    assert plain.least == [[min(need[i:], default=0)] * size for i in range(len(need) + 1)]


def test_a_state_is_expanded_by_its_cheapest_label(bare):
    """A label that has been beaten since has no children; one that is as cheap has."""
    for seed in range(40):
        instance = tiny(seed)
        search = bare(instance)
        for label in list(search._roots()):
            key = (label.placed, label.device, label.free)
            assert search.best_cost[key] == label.cost
            search.best_cost[key] = label.cost - 1.0
            assert not list(search._children(label))
            search.best_cost[key] = label.cost


def test_a_run_that_comes_no_cheaper_is_no_label(bare):
    """The second label of a state, at the same cost, is left out."""
    for seed in range(20):
        search = bare(tiny(seed))
        first = list(search._roots())
        assert not list(search._roots())
        assert [search.tree[label.number][1] for label in first] == [label.placed for label in first]


def test_bounds_come_in_order_and_labels_are_few(bare):
    """Best first: reported bounds rise to the optimum; with the best known before, fewer labels are expanded."""
    alone = known = 0
    for seed in range(60):
        instance = tiny(seed)
        optimum = solve(instance, "brute-force", isolate=False)
        search = bare(instance)
        claim = search.search()
        alone += search.expanded
        if optimum.objective is None:
            assert (claim.reason, claim.dual_bound) == (Reason.INFEASIBLE, None)
            continue
        assert (claim.reason, claim.objective, claim.dual_bound) == (
            Reason.OPTIMAL,
            optimum.objective,
            optimum.objective,
        )
        bounds = [step.dual_bound for step in search.context.steps if step.dual_bound is not None]
        assert bounds == sorted(bounds)
        search = bare(instance)
        search.offer(optimum.placement, optimum.objective)
        claim = search.search()
        assert (claim.reason, claim.placement) == (Reason.OPTIMAL, optimum.placement)
        known += search.expanded
    assert alone <= 175
    assert known <= 57


def test_the_best_of_two_that_differ_by_a_tick(bare):
    """A placement that is known and a tick dearer is beaten."""
    beaten = 0
    for seed in range(40):
        instance = tiny(seed)
        optimum = solve(instance, "brute-force", isolate=False)
        if not optimum.objective:
            continue
        tick = time_tables(instance).tick_s
        search = bare(instance, relative_gap=0.0)
        search.offer("known", optimum.objective + tick)
        claim = search.search()
        assert (claim.objective, claim.dual_bound) == (optimum.objective, optimum.objective)
        beaten += 1
    assert beaten > 10


def test_a_search_that_is_stopped_states_the_next_bound(bare, monkeypatch):
    """Time is asked for at every 64th label, and room for labels too; the limit says which."""
    instance = generate("edgeshard-latency", "tiny", seed=next(s for s in range(60) if waits(bare, s)))
    search = bare(instance, now_s=60.0, time_limit=60.0)
    claim = search.search()
    assert (claim.reason, claim.limit, search.expanded) == (Reason.LIMIT, "time", 0)
    assert claim.dual_bound == min(label.bound for label in bare(instance)._roots())
    monkeypatch.setattr(labels, "LARGEST_COUNT", 0)
    search = bare(instance)
    claim = search.search()
    assert (claim.reason, claim.limit, search.expanded) == (Reason.LIMIT, "labels", 0)
    monkeypatch.setattr(labels, "LARGEST_COUNT", len(list(bare(instance)._roots())))
    search = bare(instance)
    assert (
        search.search().reason is not Reason.LIMIT
    )  # asked at the first label, when there were just so many


def waits(bare, seed):
    search = bare(tiny(seed))
    return len(list(search._roots())) > 1 and search.upper == math.inf


def test_labels_are_ordered_by_their_bounds():
    """Then by their numbers: what is found first is expanded first."""
    assert Label(1.0, 5, 0, 0, 9.0, ()) < Label(2.0, 1, 0, 0, 0.0, ())
    assert Label(1.0, 1, 9, 9, 9.0, ()) < Label(1.0, 2, 0, 0, 0.0, ())


def test_a_warm_start_is_the_first_placement():
    """If it is feasible; a dearer one does not replace the best, nor does one that costs as much."""
    for seed in range(20):
        instance = tiny(seed)
        optimum = solve(instance, "brute-force", isolate=False)
        if optimum.objective is None:
            continue
        context = Stopwatch(optimum.placement)
        search = LabelSearch(instance, context)
        assert (search.incumbent, search.upper) == (optimum.placement, optimum.objective)
        assert context.steps[0].placement == optimum.placement
        search.offer("other", optimum.objective)
        assert search.incumbent == optimum.placement
        wrong = next(
            placement
            for placement in itertools.product(range(instance.cluster.size), repeat=len(instance.layers))
            if placement[0] != instance.source or not evaluate_latency(instance, placement).feasible
        )
        assert LabelSearch(instance, Stopwatch(wrong)).incumbent != wrong


def test_roots_are_bounds():
    """The root's bound is below the optimum, met where memory is ample, and at least that without prices."""
    met = 0
    for seed in range(12):
        instance = tiny(seed)
        optimum = solve(instance, "brute-force", isolate=False).objective
        search = LabelSearch(instance, Stopwatch())
        if optimum is None:
            continue
        free = RunPaths(instance).bound(np.zeros(instance.cluster.size))[0].dual_bound
        assert free <= search.root.dual_bound <= optimum * (1 + 1e-12)
        met += search.upper == optimum
    assert met > 4


@pytest.mark.parametrize(
    ("contiguous", "taken", "end", "left"),
    [
        # Free memory of a and b, how many layers each may still take, how many each must; a run on a has ended.
        (False, 2, 2, (10, 20, 1, 4, 1, 2)),
        (False, 3, 2, (10, 20, 0, 4, 0, 2)),
        (False, 3, 3, (10, 20, 0, 4, 0, 2)),
        (False, 3, 4, None),  # b must have two, and one is left
        (False, 2, 3, None),  # a another one, b two, and two are left
        (True, 3, 3, (0, 20, 0, 4, 0, 2)),  # a is not returned to
        (True, 2, 2, None),  # nor can it then get the third that it must
    ],
)
def test_counts_that_rules_ask_for(bare, contiguous, taken, end, left):
    """Of five layers: what each device may and must still take, and where that can no longer be."""
    search = bare(tiny(0))
    search.size, search.count, search.contiguous = 2, 5, contiguous
    assert search._counted((10, 20, 3, 4, 3, 2), 0, taken, end) == left


@pytest.mark.parametrize("bounds", [(1.0, 2.0), (2.0, 1.0)])
def test_the_root_is_the_best_of_the_bounds_that_were_climbed(bounds, monkeypatch):
    """Before the local search and after it."""
    instance, left = tiny(next(s for s in range(60) if len(tiny(s).layers) > 2)), list(bounds)
    size = instance.cluster.size

    def best_bound(paths, context, upper_s):
        found = paths.bound(np.zeros(size))[0]
        return dataclasses.replace(found, dual_bound=left.pop(0) * time_tables(instance).tick_s)

    monkeypatch.setattr(RunPaths, "best_bound", best_bound)
    search = LabelSearch(instance, Stopwatch(relative_gap=0.0))
    assert not left
    assert search.root.dual_bound == 2.0 * time_tables(instance).tick_s


def test_a_gap_that_counts_as_none_leaves_the_bound_as_it_is(bare):
    """What is left open is stated; half a tick of it is nothing, as costs are whole ticks."""
    for seed in range(60):
        instance = tiny(seed)
        search = bare(instance, relative_gap=0.9)
        roots = [label.bound for label in bare(instance)._roots()]
        if not roots or min(roots) <= 0.0:
            continue
        least, tick = min(roots), time_tables(instance).tick_s
        for above, stated in ((least / 4, least), (2 * tick, least), (tick / 4, least + tick / 4)):
            search = bare(instance, relative_gap=0.9)
            search.incumbent, search.upper = (0,), math.inf
            kept = list(search._roots())
            search.upper = least + above
            search._roots = lambda kept=kept: kept
            claim = search.search()
            assert (claim.reason, claim.dual_bound) == (Reason.OPTIMAL, stated)
        return
    raise AssertionError("no instance has a label")


def test_a_run_goes_on_to_what_its_device_must_host(bare):
    """Two layers on a, 4 s each, and the last on b: with a message of 1 s 10 s, where one run per device counts."""
    cluster = Cluster(("a", "b"), memory_bytes=3, bandwidth_bytes_per_s=1.0)
    instance = EdgeShardLatency(
        cluster,
        Layer("layer", 1, 1.0) * 3,
        compute_time_s=[[4.0, 1.0]] * 3,
        rules=Rules(contiguous=True, min_layers={"a": 2}),
    )
    claim = bare(instance).search()
    assert (claim.reason, claim.placement, claim.objective) == (Reason.OPTIMAL, (0, 0, 1), 10.0)
