"""Pieces of the exact EdgeShard algorithms against enumeration: priced paths, thresholds, labels that run out."""

import dataclasses
import itertools
import math
from functools import cache

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardInstance, evaluate_throughput
from placewise.models.edgeshard.cost import bottleneck_values_s, time_tables
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard import algorithm_2, labels, thresholds
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.edgeshard.thresholds import Thresholds
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


def drawn(seed, size, count, *, equal=False, sparse=False, problem="edgeshard-throughput"):
    """Return small whole numbers everywhere, so that ties and exact fits are common."""
    draw = np.random.default_rng(seed)
    need, output = draw.integers(1, 4, count), draw.integers(1, 4, count).astype(float)
    compute = draw.integers(0, 9, (count, size)) / 4
    if equal:
        need[1:-1], output[:-1], compute[1:-1] = need[1], output[0], compute[1]
    rate = draw.choice([0.0, 1.0, 4.0] if sparse else [1.0, 2.0, 4.0], (size, size))
    cluster = Cluster(
        tuple(f"d{j}" for j in range(size)),
        draw.integers(0, 2 * count // size + 5, size),
        rate,
        np.full((size, size), draw.choice([0.0, 0.25])),
    )
    layers = tuple(Layer(f"l{i}", int(need[i]), output[i]) for i in range(count))
    source = int(draw.integers(size))
    return EdgeShardInstance(
        f"drawn-{seed}", problem, cluster, layers, compute, source, float(draw.integers(2))
    )


def runs_of(placement):
    return [
        (device, [i for i, _ in group])
        for device, group in itertools.groupby(enumerate(placement), lambda x: x[1])
    ]


def priced_cost(instance, placement, price):
    """Return what a path costs with memory priced, infinite where a run alone does not fit its device."""
    tables, memory = time_tables(instance), instance.memory_bytes
    total = float(tables.return_s[placement[-1]])
    for i, device in enumerate(placement):
        total += tables.compute_s[i, device] + price[device] * memory[i]
        if i and placement[i - 1] != device:
            total += tables.transfer_s(i - 1)[placement[i - 1], device]
    for device, layers in runs_of(placement):
        if memory[layers].sum() > instance.cluster.memory_bytes[device]:
            return math.inf
    return total


@pytest.mark.parametrize("seed", range(25))
def test_priced_paths_by_enumeration(seed):
    """The bound is the least priced cost of sequences of runs that each fit, less the priced memory; the path has it."""
    instance = drawn(seed, 3, 5, sparse=seed % 2 == 0, problem="edgeshard-latency")
    price = np.random.default_rng(seed).integers(0, 3, 3) / 8
    found, path = RunPaths(instance).bound(price)
    costs = {
        placement: priced_cost(instance, placement, price)
        for placement in itertools.product(range(3), repeat=5)
        if placement[0] == instance.source
    }
    least = min(costs.values())
    assert found.dual_bound == pytest.approx(least - price @ instance.cluster.memory_bytes)
    assert (path is None) == math.isinf(least)
    if path is not None:
        assert costs[path] == pytest.approx(least)
    for i, device in itertools.product(range(1, 5), range(3)):
        # A run on this device has ended: what follows begins elsewhere.
        tables, memory, after = time_tables(instance), instance.memory_bytes, [math.inf]
        for rest in itertools.product(range(3), repeat=5 - i):
            if rest[0] != device and all(
                memory[[i + n for n in layers]].sum() <= instance.cluster.memory_bytes[j]
                for j, layers in runs_of(rest)
            ):
                hops = sum(
                    tables.transfer_s(i - 1 + n)[k, j]
                    for n, (k, j) in enumerate(itertools.pairwise((device, *rest)))
                    if k != j
                )
                own = sum(tables.compute_s[i + n, j] + price[j] * memory[i + n] for n, j in enumerate(rest))
                after.append(hops + own + tables.return_s[rest[-1]])
        assert found.to_go_s[i, device] == pytest.approx(min(after))
    assert found.to_go_s[5] == pytest.approx(time_tables(instance).return_s)


def test_the_dual_is_climbed():
    """Never below the bound without prices, above it where memory binds, and near the optimum on average."""
    ratios, higher = [], 0
    for seed in range(40):
        instance = drawn(seed, 3, 6, problem="edgeshard-latency")
        optimum = solve(instance, "brute-force", isolate=False).objective
        if not optimum:
            continue
        paths, reports = RunPaths(instance), []
        free = paths.bound(np.zeros(3))[0].dual_bound
        best = paths.best_bound(
            Context(Parameters(), report=lambda step, to=reports: to.append(step.dual_bound)), optimum
        )
        assert free <= best.dual_bound <= optimum * (1 + 1e-12)
        assert paths.bound(best.price_s)[0].dual_bound == best.dual_bound
        assert (best.price_s >= 0).all()
        assert reports == sorted(reports)
        higher += best.dual_bound > free
        ratios.append(best.dual_bound / optimum)
    assert higher >= 5
    assert sum(ratios) / len(ratios) > 0.97


@cache
def optimum_of(seed, size, count, equal, sparse):
    instance = drawn(seed, size, count, equal=equal, sparse=sparse)
    return instance, solve(instance, "brute-force", isolate=False).objective


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("size", "count"), [(1, 3), (2, 2), (3, 4), (4, 5)])
def test_a_threshold_has_a_pipeline_from_the_optimum_on(equal, sparse, size, count):
    """For every candidate: a feasible one within the threshold, or none because the optimum is above it."""
    for seed in range(12):
        instance, optimum = optimum_of(seed, size, count, equal, sparse)
        decide = Thresholds(instance)
        for value in bottleneck_values_s(instance).tolist():
            found = decide.placement(value)
            assert (found is not None) == (optimum is not None and value >= optimum)
            if found is not None:
                evaluation = evaluate_throughput(instance, found)
                assert evaluation.feasible
                assert evaluation.objective <= value


@pytest.mark.parametrize("equal", [False, True])
def test_three_ways_decide_alike(equal):
    """Six linked devices: furthest ends, counts where layers are equal, and the exhaustive search."""
    decided = {True: 0, False: 0}
    for seed in range(30):
        instance = drawn(seed, 6, 9, equal=equal)
        decide = Thresholds(instance)
        assert decide.equal is equal
        values = bottleneck_values_s(instance)
        for value in values[values >= decide.linked_from_s][::7].tolist():
            ends = np.vstack([decide._ends(value), np.full(6, -1)])
            if ends[0, instance.source] >= 9:
                continue
            returns = decide.costs.return_s <= value
            ways = [decide._by_all_ends, decide._by_furthest_end, *([decide._by_counts] if equal else [])]
            found = [way(value, ends, returns) for way in ways]
            decided[found[0] is not None] += 1
            assert len({pipeline is None for pipeline in found}) == 1
            for pipeline in found:
                if pipeline is not None:
                    evaluation = evaluate_throughput(instance, pipeline)
                    assert evaluation.feasible
                    assert evaluation.objective <= value
    assert min(decided.values()) > 10


@pytest.mark.parametrize("equal", [False, True])
def test_an_optimum_below_the_slowest_link_is_handed_over(equal, monkeypatch):
    """With a limit of one other device instead of 12: the same optima, also where nothing is decided by thresholds."""
    monkeypatch.setattr(thresholds, "LARGEST_SPARSE_SIZE", 1)
    below = 0
    for seed in range(15):
        instance, optimum = optimum_of(seed, 4, 5, equal, False)
        claim = thresholds.run(instance, Context(Parameters(threads=1)))
        assert claim.reason is (Reason.INFEASIBLE if optimum is None else Reason.OPTIMAL)
        if optimum is not None:
            assert evaluate_throughput(instance, claim.placement).objective == optimum
            assert claim.dual_bound == pytest.approx(optimum)
            below += optimum < Thresholds(instance).linked_from_s
    assert below > 0


def roomy(size, *, equal=False):
    """Return an instance whose devices all hold a layer: an empty one is of no use, and does not count."""
    instance = drawn(1, size, 4, equal=equal)
    memory = np.maximum(instance.cluster.memory_bytes, 4)
    return dataclasses.replace(instance, cluster=dataclasses.replace(instance.cluster, memory_bytes=memory))


def test_what_thresholds_take():
    """20 devices of use, any number where layers are equal, 13 where some others are not linked."""
    sizes = {}
    for size, equal in ((20, False), (21, False), (21, True)):
        instance = roomy(size, equal=equal)
        try:
            sizes[size, equal] = thresholds.guarantee(instance)
        except NotApplicableError as refusal:
            sizes[size, equal] = str(refusal).partition(";")[0]
    assert sizes == {
        (20, False): Guarantee.EXACT,
        (21, False): "thresholds take up to 20 devices where layers differ",
        (21, True): Guarantee.EXACT,
    }
    for size in (13, 14):
        full = roomy(size)
        rate = full.cluster.bandwidth_bytes_per_s.copy()
        rate[(full.source + 1) % size, (full.source + 2) % size] = 0.0
        cut = dataclasses.replace(full, cluster=dataclasses.replace(full.cluster, bandwidth_bytes_per_s=rate))
        if size == 13:
            assert thresholds.guarantee(cut) is Guarantee.EXACT
        else:
            with pytest.raises(NotApplicableError, match="only if all are linked"):
                thresholds.guarantee(cut)


def test_tables_that_just_fit(monkeypatch):
    """4 devices and 5 layers: 8 sets x 4 x 6 numbers of 8 bytes."""
    instance = drawn(1, 4, 5)
    for limit, fits in ((8 * 4 * 6 * 8, True), (8 * 4 * 6 * 8 - 1, False)):
        monkeypatch.setattr(algorithm_2, "LARGEST_TABLE_BYTES", limit)
        for guarantee, expected in (
            (algorithm_2.printed_guarantee, Guarantee.UNSAFE),
            (algorithm_2.repaired_guarantee, Guarantee.EXACT),
        ):
            if fits:
                assert guarantee(instance) is expected
            else:
                with pytest.raises(NotApplicableError, match=r"2\*\*3 sets x 4 devices x 5 layers"):
                    guarantee(instance)


@pytest.mark.parametrize("rows", [1, 3])
def test_tables_in_pieces(rows, monkeypatch):
    """A few rows at a time give the same optimum as all at once."""
    monkeypatch.setattr(algorithm_2, "ROWS", rows)
    for seed in range(10):
        instance, optimum = optimum_of(seed, 4, 5, False, True)
        claim = algorithm_2.run_repaired(instance, Context(Parameters()))
        assert claim.objective == optimum
        assert optimum is None or evaluate_throughput(instance, claim.placement).objective == optimum


def test_labels_that_run_out_leave_a_bound(monkeypatch):
    """With no room for labels the search stops with what it has: a placement if there is one, a bound below."""
    stopped = 0
    for seed in range(60):
        instance = generate("edgeshard-latency", "tiny", seed=seed)
        optimum = solve(instance, "brute-force", isolate=False).objective
        monkeypatch.setattr(labels, "LARGEST_COUNT", -1)
        claim = labels.run(instance, Context(Parameters()))
        monkeypatch.undo()
        if claim.reason is Reason.LIMIT:
            stopped += 1
            assert "labels" in claim.message
            assert claim.dual_bound <= (math.inf if optimum is None else optimum)
        else:
            assert (claim.reason is Reason.INFEASIBLE) == (optimum is None)
    assert stopped > 0


def test_where_no_layer_fits_anywhere_there_is_no_path():
    """Nor is there a label, a threshold or a bound that is finite."""
    for problem in ("edgeshard-latency", "edgeshard-throughput"):
        instance = drawn(0, 3, 4, problem=problem)
        cluster = dataclasses.replace(instance.cluster, memory_bytes=np.zeros(3, dtype=np.int64))
        empty = dataclasses.replace(instance, cluster=cluster)
        found, path = RunPaths(empty).bound(np.zeros(3))
        assert (found.dual_bound, path) == (math.inf, None)
        if problem == "edgeshard-latency":
            claim = labels.LabelSearch(empty, Context(Parameters())).search()
            assert (claim.reason, claim.placement) == (Reason.INFEASIBLE, None)
        else:
            assert Thresholds(empty).placement(1e9) is None
            assert thresholds.run(empty, Context(Parameters())).reason is Reason.INFEASIBLE


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_each_threshold_by_enumeration(equal, sparse):
    """Four devices, two of them with limits of layers: a pipeline within a threshold if there is one, whichever way decides."""
    ways = {"_by_counts": 0, "_by_furthest_end": 0, "_by_all_ends": 0}
    for seed in range(12):
        instance = drawn(seed, 4, 5, equal=equal, sparse=sparse)
        others = [j for j in range(4) if j != instance.source]
        rules = Rules(max_layers={others[0]: seed % 3, others[1]: 2}) if seed % 2 else Rules()
        instance = dataclasses.replace(instance, rules=rules)
        cost = {
            placement: evaluation.objective
            for placement in itertools.product(range(4), repeat=5)
            if (evaluation := evaluate_throughput(instance, placement)).feasible
        }
        decide = Thresholds(instance)
        for way in ways:
            plain = getattr(decide, way)

            def counted(*asked, way=way, plain=plain):
                ways[way] += 1
                return plain(*asked)

            setattr(decide, way, counted)
        for value in bottleneck_values_s(instance).tolist():
            within = [placement for placement, objective in cost.items() if objective <= value]
            found = decide.placement(value)
            assert (found is None) == (not within)
            assert found is None or cost[found] <= value
    assert ways["_by_counts" if equal else "_by_furthest_end"] > 20
    assert ways["_by_all_ends"] > 0 or equal or not sparse
