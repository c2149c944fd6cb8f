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
from placewise.solvers.edgeshard import branch_and_price, visit_branching, visit_closing
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.edgeshard.path_labels import PathLabels
from placewise.solvers.edgeshard.path_pricing import Charges, PathPricing
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


def priced_paths(paths, instance, charges):
    """Yield each path whose runs fit, with its bytes per device, its runs per device and its priced cost."""
    steps = np.arange(paths.count)
    for each in product(range(paths.size), repeat=paths.count):
        begun = [i for i in steps.tolist() if not i or each[i] != each[i - 1]]
        ends = [*begun[1:], paths.count]
        order = runs(each)
        fits = all(e <= paths.last_end[b, j] for b, e, j in zip(begun, ends, order, strict=True))
        cost_s = evaluate_latency(instance, each).objective
        if each[0] == paths.source and fits and cost_s is not None:
            need = paths.need[steps, each]
            priced_s = (need * charges.memory_s[list(each)]).sum() + charges.layer_s[steps, each].sum()
            used = np.bincount(each, weights=need, minlength=paths.size)
            visits = np.bincount(order, minlength=paths.size)
            yield each, used, visits, cost_s + priced_s + charges.visit_s[order].sum()


def random_prices(draw, paths):
    """Return prices, some visits at negative ones."""
    memory_s, visit_s = 10 * draw.random(paths.size) / paths.budget.max(), draw.random(paths.size) - 0.3
    return Charges(memory_s, visit_s, draw.random((paths.count, paths.size)) / 5)


def test_remembered_devices_are_visited_once_and_paths_are_the_cheapest():
    """By enumeration of all paths whose runs fit, at random prices."""
    draw = np.random.default_rng(3)
    tried = 0
    for seed in range(25):
        instance = drawn(seed, "tight")
        paths = RunPaths(instance)
        if paths.size**paths.count > 3000:
            continue
        once, charges = draw.permutation(paths.size)[:2], random_prices(draw, paths)
        value_s, path = PathPricing(paths).best(charges, paths.last_end, tuple(once.tolist()))
        known = priced_paths(paths, instance, charges)
        best_s = min((cost_s for *_, visits, cost_s in known if visits[once].max() <= 1), default=np.inf)
        assert value_s == pytest.approx(best_s, rel=1e-12)
        if path is not None:
            assert all(runs(path).count(j) <= 1 for j in once)
            tried += 1
    assert tried >= 8


def test_labels_keep_the_memory_of_tracked_devices():
    """By enumeration, at random prices: the least cost below a limit or none, and paths that have it; memory is tight."""
    draw = np.random.default_rng(5)
    told = Counter()
    for seed in range(60):
        instance = drawn(seed, ["tight", "mixed"][seed % 2])
        paths = RunPaths(instance)
        if paths.size**paths.count > 3000:
            continue
        order, charges = draw.permutation(paths.size).tolist(), random_prices(draw, paths)
        tracked, once = tuple(order[: 1 + seed % 3]), draw.random(paths.size) < 0.4
        remembered = tuple(order[3:4])
        free = charges._replace(memory_s=np.where(np.isin(range(paths.size), tracked), 0.0, charges.memory_s))
        single = [*remembered, *(j for j in tracked if once[j])]
        kept = {
            path: cost_s
            for path, used, visits, cost_s in priced_paths(paths, instance, free)
            if (used <= paths.budget)[list(tracked)].all() and (visits[single] <= 1).all()
        }
        best_s = min(kept.values(), default=np.inf)
        labels = PathLabels(PathPricing(paths), tracked, once)
        for limit_s, expected in ((1e9, best_s), (best_s + 1e-8, best_s), (best_s - 1e-8, np.inf)):
            found = labels.search(charges, paths.last_end, remembered, limit_s, 10**6, Context(Parameters()))
            assert found is not None
            assert found.value_s == pytest.approx(expected, abs=1e-9)
            for path in found.paths:
                assert kept[path] >= best_s - 1e-9
            if found.paths:
                assert kept[found.paths[0]] == pytest.approx(best_s, abs=1e-9)
                told["found"] += 1
                relaxed = PathPricing(paths).best(free, paths.last_end, remembered)[0]
                told["dearer"] += best_s > relaxed + 1e-9
        if len(kept) > 1:
            args = charges, paths.last_end, remembered, 1e9
            assert labels.search(*args, 0, Context(Parameters())) is None
            assert labels.search(*args, 10**6, Context(Parameters(time_limit=1e-9))) is None
    assert told["found"] >= 20
    assert told["dearer"] >= 5


@pytest.mark.parametrize("first", [1, 10_000])
def test_nodes_are_closed_by_labels(monkeypatch, first):
    """Where all overloads are tracked at every node; against labels, with few of them per search and with many."""
    told = Counter()
    searched = visit_closing.Closing._searched

    def counted(self, node, *rest):
        found = searched(self, node, *rest)
        told["none" if found is None else "paths" if found else "closed"] += 1
        return found

    monkeypatch.setattr(visit_closing.Closing, "_searched", counted)
    monkeypatch.setattr(visit_closing, "HEAVY", 0.0)
    monkeypatch.setattr(visit_closing, "FIRST_LABELS", first)
    for seed in range(8):
        instance = generate("edgeshard-latency", "tight", seed=seed, devices=4, layers=8)
        tree = visit_branching.VisitBranching(instance, Context(Parameters()))
        tree.begin()
        tree.grow(60.0)
        truth = solve(instance, "labels", isolate=False)
        assert tree.claim("").objective == truth.objective
        assert (tree.claim("").reason is Reason.INFEASIBLE) == (truth.objective is None)
    assert min(told[name] for name in (["none"] if first == 1 else ["paths", "closed"])) >= 5


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
