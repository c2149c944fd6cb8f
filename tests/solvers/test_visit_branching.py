"""Branch and price on visits: against enumeration, beside labels, and piece by piece."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.instances.generators import generate
from placewise.models.edgeshard import evaluate_latency
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.solvers import solve
from placewise.solvers.edgeshard import branch_and_price, visit_branching
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.edgeshard.path_pricing import PathPricing
from placewise.solvers.edgeshard.run_ends import best_ends
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.registry import default_method


def drawn(seed, kind="mixed"):
    """Return a tiny instance."""
    return generate("edgeshard-latency", "tiny", kind=kind, seed=seed)


def runs(path):
    """Return the devices of a path's runs."""
    return [int(j) for i, j in enumerate(path) if not i or path[i - 1] != j]


def test_every_placement_is_worth_what_enumeration_says(monkeypatch):
    """With contiguous runs, pinned layers and free sources; by the tree, after few labels."""
    monkeypatch.setattr(branch_and_price, "LABELS", 0)
    told = Counter()
    for seed in range(40):
        instance = drawn(seed)
        pinned = Rules(pinned={len(instance.layers) - 1: seed % instance.cluster.size})
        changes = [{}, {"rules": Rules(contiguous=True)}, {"source": None}, {"rules": pinned}][seed % 4]
        assert judge(replace(instance, **changes), ["branch-and-price"], told) == []
    assert told["branch-and-price", "exact: optimal"] >= 15
    assert told["branch-and-price", "exact: infeasible"] >= 5


def test_the_tree_alone_finds_the_optimum(monkeypatch):
    """Without first placements, runs mended, rows added or visits remembered."""
    monkeypatch.setattr(visit_branching.VisitBranching, "_mend", lambda *_: None)
    monkeypatch.setattr(visit_branching, "LAST_CUT", -1)
    found = 0
    for seed in range(300, 325):
        tree = visit_branching.VisitBranching(drawn(seed), Context(Parameters()))
        tree.begin()
        tree.grow(60.0)
        truth = solve(drawn(seed), "brute-force", isolate=False)
        assert tree.claim("").objective == truth.objective
        assert (tree.claim("").reason is Reason.INFEASIBLE) == (truth.objective is None)
        found += truth.objective is not None
    assert found >= 10


def test_labels_and_the_tree_take_turns(monkeypatch):
    """Either of them ends it, the other one's placements and bounds are kept, and labels that are too many leave the rest to the tree."""
    instance = generate("edgeshard-latency", "tight", seed=2, devices=5, layers=10)
    truth = solve(instance, "labels", isolate=False)
    monkeypatch.setattr(branch_and_price, "LABELS", 0)
    monkeypatch.setattr(branch_and_price, "TURN_S", 0.0)
    for most, name in ((10**6, "labels"), (0, "nodes")):
        monkeypatch.setattr(branch_and_price, "LARGEST_COUNT", most)
        heard = []
        claim = branch_and_price.run(instance, Context(Parameters(relative_gap=1e-6), report=heard.append))
        assert claim.reason is Reason.OPTIMAL
        assert claim.objective == truth.objective
        assert name in claim.message
        bounds = [each.dual_bound for each in heard if each.dual_bound is not None]
        assert max(bounds) <= truth.objective


def test_remembered_devices_are_visited_once_and_paths_are_the_cheapest():
    """By enumeration of all paths whose runs fit, at random prices."""
    draw = np.random.default_rng(3)
    tried = 0
    for seed in range(25):
        instance = drawn(seed, "tight")
        paths = RunPaths(instance)
        if paths.size**paths.count > 3000:
            continue
        once = tuple(draw.permutation(paths.size)[:2].tolist())
        price_s, visit_s = draw.random(paths.size) / 10, draw.random(paths.size) - 0.3
        layer_s = draw.random((paths.count, paths.size)) / 5
        value_s, path = PathPricing(paths).best(price_s, visit_s, layer_s, paths.last_end, once)
        best_s = np.inf
        steps = np.arange(paths.count)
        for each in product(range(paths.size), repeat=paths.count):
            order = runs(each)
            begun = [i for i in range(paths.count) if not i or each[i] != each[i - 1]]
            ends = [*begun[1:], paths.count]
            fits = all(e <= paths.last_end[b, j] for b, e, j in zip(begun, ends, order, strict=True))
            cost_s = evaluate_latency(instance, each).objective
            if each[0] != paths.source or not fits or cost_s is None or any(order.count(j) > 1 for j in once):
                continue
            used_s = (paths.need * price_s + layer_s)[steps, each].sum()
            best_s = min(best_s, cost_s + used_s + visit_s[order].sum())
        assert value_s == pytest.approx(best_s, rel=1e-12)
        if path is not None:
            assert all(runs(path).count(j) <= 1 for j in once)
            tried += 1
    assert tried >= 8


def test_run_ends_with_one_device_twice():
    """The best of all placements with these runs in this order."""
    tried = 0
    for seed in range(40):
        instance = drawn(seed, "tight")
        paths = RunPaths(instance)
        by_order = {}
        for each in product(range(paths.size), repeat=paths.count):
            if each[0] != paths.source or len(runs(each)) > 4:
                continue
            order, known = tuple(runs(each)), evaluate_latency(instance, each)
            best_s = known.objective if known.feasible and known.objective is not None else np.inf
            by_order[order] = min(by_order.get(order, np.inf), best_s)
        for order, best_s in list(by_order.items())[:: max(len(by_order) // 8, 1)]:
            again = [j for j in set(order) if order.count(j) > 1]
            if len(again) > 1:
                assert best_ends(paths, order) is None
                continue
            found = best_ends(paths, order)
            assert (found is None) == (best_s == np.inf)
            if found is not None:
                assert tuple(runs(found)) == order
                assert evaluate_latency(instance, found).feasible
                assert evaluate_latency(instance, found).objective == best_s
                tried += bool(again)
    assert tried >= 5


def test_the_testbed_with_layers_that_differ():
    """Beats the search for chains, whose devices come once."""
    instance = generate("edgeshard-latency", "testbed", seed=1, model="llama2-70b", devices=15, spread=0.2)
    assert default_method(instance).name == "branch-and-price"
    heard = []
    claim = branch_and_price.run(instance, Context(Parameters(relative_gap=2e-3), report=heard.append))
    assert claim.reason is Reason.OPTIMAL
    assert evaluate_latency(instance, claim.placement).objective == claim.objective
    assert claim.objective * (1 - 2e-3) <= claim.dual_bound <= 1.26762
    assert any(each.dual_bound is not None for each in heard)
    assert any(each.placement is not None for each in heard)


def test_limits():
    """No time, no bound; tables that are too large are refused."""
    instance = generate("edgeshard-latency", "testbed", seed=1, devices=15, spread=0.2)
    claim = branch_and_price.run(instance, Context(Parameters(time_limit=1e-9)))
    assert claim.reason is Reason.LIMIT
    with pytest.raises(NotApplicableError, match="steps per path"):
        visit_branching.guarantee(generate("edgeshard-latency", "testbed", seed=1, devices=2000))
