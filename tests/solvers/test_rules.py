"""Rules in every method, and the programme over sets of devices: brute force is the judge."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.instances.generators import generate
from placewise.instances.generators.rules import KINDS
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard import subsets
from placewise.solvers.edgeshard.starts import greedy
from placewise.solvers.edgeshard.visits import KindTables
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.registry import default_method, find_method

METHODS = {
    "edgeshard-latency": ["subsets", "subsets-bounded", "labels", "run-length", "chains", "greedy", "highs"],
    "edgeshard-throughput": ["thresholds", "stages", "run-length", "algorithm-2-repaired", "greedy", "highs"],
    "edgeshard-batch": ["batches", "largest-batch", "greedy", "highs"],
}
SIZE = {"edgeshard-latency": 12, "edgeshard-throughput": 8, "edgeshard-batch": 6}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", METHODS)
def test_all_methods_agree_with_brute_force(problem, kind):
    """On instances of each rule and of several at once; all kinds of answers occur."""
    counts = Counter()
    for seed in range(SIZE[problem]):
        instance = generate(problem, "tiny-rules", seed=seed, rules=kind)
        if problem_of(instance).count(instance) < 4000:
            assert judge(instance, METHODS[problem], counts) == []
    assert {"exact: optimal", "exact: infeasible"} <= {outcome for _, outcome in counts}


def contiguous(devices, layers, **rules):
    instance = generate("edgeshard-latency", "tight", seed=3, devices=devices, layers=layers)
    return dataclasses.replace(instance, rules=Rules(contiguous=True, **rules))


def test_subsets_are_the_default_for_contiguous_placements():
    """Where devices may be returned to they are a restriction, which is no default."""
    asked = contiguous(6, 12)
    assert default_method(asked).name == "subsets"
    plain = dataclasses.replace(asked, rules=Rules())
    assert find_method(plain.problem, "subsets").guarantee(plain) is Guarantee.RESTRICTION
    assert default_method(plain).name != "subsets"


def test_dropping_what_cannot_win_changes_nothing(monkeypatch):
    """With bounds and without, small blocks of rows or whole ones: the same optimum, fewer states."""
    instance = contiguous(9, 20)
    whole = solve(instance, "subsets", isolate=False)
    monkeypatch.setattr(subsets, "FEW", 0)
    monkeypatch.setattr(subsets, "ROWS", 3)
    bounded = solve(instance, "subsets-bounded", isolate=False)
    assert whole.proven
    assert bounded.proven
    assert bounded.objective == whole.objective
    rows = [int(result.message.split()[0].replace(",", "")) for result in (whole, bounded)]
    assert rows[1] < rows[0]


def test_a_stopped_search_has_a_bound(monkeypatch):
    """Where memory for states ends: a placement, and a bound below the optimum."""
    instance = contiguous(9, 20)
    best = solve(instance, "subsets", isolate=False).objective
    monkeypatch.setattr(subsets, "LARGEST_BYTES", 100_000)
    monkeypatch.setattr(subsets, "FEW", 0)
    monkeypatch.setattr(subsets, "SEARCH_SHARE", 0.0)
    result = solve(instance, "subsets-bounded", isolate=False)
    assert result.termination.limit == "states"
    assert 0 < result.dual_bound <= best <= result.objective
    with pytest.raises(NotApplicableError, match=r"subsets keep up to .* numbers here"):
        find_method(instance.problem, "subsets").guarantee(instance)


def test_equal_devices_are_counted():
    """Forty equal ones are one kind: as many sets as numbers of them, and the sum by hand."""
    cluster = Cluster(("source", *(f"d{n}" for n in range(40))), memory_bytes=1, bandwidth_bytes_per_s=1.0)
    time_s = np.arange(30)[:, None] + np.ones((30, 41))
    instance = EdgeShardLatency(
        cluster, Layer("layer", 1, 1.0) * 30, compute_time_s=time_s, rules=Rules(contiguous=True)
    )
    assert KindTables(instance).size.tolist() == [40]
    result = solve(instance, isolate=False)
    assert (result.method, result.objective) == ("subsets", sum(range(1, 31)) + 29)
    assert len(set(result.placement)) == 30


def test_too_many_devices_are_refused():
    """Sixty-three kinds of others have more sets than 62 bits number; the next method takes them."""
    cluster = Cluster([f"d{n}" for n in range(64)], memory_bytes=4, bandwidth_bytes_per_s=1.0)
    times = np.arange(4 * 64).reshape(4, 64) + 1.0
    instance = EdgeShardLatency(
        cluster, Layer("layer", 1, 1.0) * 4, compute_time_s=times, rules=Rules(contiguous=True)
    )
    with pytest.raises(NotApplicableError, match="subsets number sets of devices in 62 bits"):
        find_method(instance.problem, "subsets-bounded").guarantee(instance)
    assert default_method(instance).name == "branch-and-price"


@pytest.mark.parametrize("devices", [5, 9])
def test_prices_bound_from_below_and_rise(devices):
    """At no prices and at the best ones: below the optimum."""
    instance = contiguous(devices, 14)
    best, tables = solve(instance, "subsets", isolate=False).objective, KindTables(instance)
    free = tables.bound(np.zeros(devices))
    priced = tables.best_bound(Context(Parameters()), best, 100, 5.0)
    assert 0 < free.dual_bound <= priced.dual_bound <= best


def test_a_free_source_takes_a_warm_start_and_limits():
    """The best of all devices, from a start on any of them; one limit for all sources together."""
    instance = dataclasses.replace(contiguous(6, 12), source=None)
    best = solve(instance, "labels", isolate=False)
    assert best.proven
    for j in range(3):
        fixed = solve(dataclasses.replace(instance, source=j), "subsets", isolate=False)
        if fixed.objective is not None:
            assert fixed.objective >= best.objective
            result = solve(instance, "subsets", isolate=False, warm_start=fixed.placement)
            assert result.objective == best.objective
    short = solve(instance, "labels", isolate=False, time_limit=0.01)
    assert short.dual_bound is None or short.dual_bound <= best.objective


def test_what_does_not_know_rules_says_so():
    """The paper's algorithms as printed; counts without pins; thresholds without devices that must be used."""
    pinned = contiguous(5, 6, pinned={1: 0})
    with pytest.raises(NotApplicableError, match="algorithm-1 does not know contiguous or pinned layers"):
        solve(pinned, "algorithm-1", isolate=False)
    equal = generate("edgeshard-throughput", "tiny", kind="equal", seed=1)
    equal = dataclasses.replace(equal, rules=Rules(pinned={0: equal.source}, must_use=[0]))
    for method, line in (("run-length", "pinned"), ("thresholds", "must be used")):
        with pytest.raises(NotApplicableError, match=line):
            solve(equal, method, isolate=False)


def test_greedy_finds_a_start_under_rules():
    """Wherever one exists in nine of ten drawn instances, so that no method ends empty-handed."""
    found = feasible = 0
    for seed in range(60):
        instance = generate("edgeshard-latency", "tiny-rules", seed=seed, rules="limits")
        if problem_of(instance).count(instance) > 4000 or problem_of(instance).diagnose(instance):
            continue
        best = solve(instance, "brute-force", isolate=False)
        if best.objective is not None:
            feasible += 1
            found += greedy(instance, Context(Parameters())).placement is not None
    assert found >= 0.9 * feasible > 9
