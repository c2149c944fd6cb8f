"""What a batch size does to each number of a layer; and batches tried one by one, against all of them."""

import math

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardBatchInstance
from placewise.models.edgeshard.batch_placement import diagnose, evaluate
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.cost import bottleneck_floor_s
from placewise.models.errors import InstanceError
from placewise.models.registry import PROBLEMS
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard import batches
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


def case(sizes=(1, 3), memory=(40, 40), times=None, caches=(2, 5)):
    """Return two layers on two devices."""
    layers = (
        Layer("l0", 7, 4.0, 10.0, 6.0, caches[0]),
        Layer("l1", 9, 8.0, None, None, caches[1]),
    )
    cluster = Cluster(("a", "b"), np.array(memory), np.full((2, 2), 8.0), np.zeros((2, 2)))
    times = np.ones((len(sizes), 2, 2)) if times is None else times
    return EdgeShardBatchInstance("case", "edgeshard-batch", cluster, layers, sizes, times, 0, 2.0)


def test_one_batch_size_by_hand():
    """Memory, reading and messages grow by caches and sequences; weights do not."""
    three = case(times=np.arange(8.0).reshape(2, 2, 2)).at(3)
    assert three.layers == (
        Layer("l0", 7 + 6, 12.0, 30.0, 6.0 + 6, 0),
        Layer("l1", 9 + 15, 24.0, None, None, 0),
    )
    assert three.compute_time_s.tolist() == [[4.0, 5.0], [6.0, 7.0]]
    assert (three.return_bytes, three.source, three.problem, three.name) == (
        6.0,
        0,
        "edgeshard-throughput",
        "case@3",
    )


def test_the_problem_of_a_size_is_always_the_same_object():
    """Also after another was asked for."""
    instance = case()
    one, three = instance.at(1), instance.at(3)
    assert one is not three
    assert [instance.at(1), instance.at(3)] == [one, three]
    assert instance.at(1) is one
    assert instance.at(3) is three


def test_a_return_of_nothing_has_no_sign():
    """-0.0 bytes are 0.0 bytes, also as they are written."""
    layers, cluster = case().layers, case().cluster
    made = EdgeShardBatch(cluster, layers, (1,), compute_time_s=np.ones((1, 2, 2)), return_bytes=-0.0)
    assert math.copysign(1.0, made.return_bytes) == 1.0


def test_costs_are_per_sequence():
    """3 s for three: a second each, in every term; the message of 12 bytes takes 1.5 s, the return 0.75 s."""
    evaluation = evaluate(case(times=np.full((2, 2, 2), 3.0)), (3, (0, 1)))
    assert evaluation.objective == 1.0
    assert evaluation.terms == {"compute": 1.0, "communication": 0.5, "return": 0.25}


@pytest.mark.parametrize("sizes", [(), (0, 1), (-1, 2), (2, 1), (1, 1)])
def test_batch_sizes_ascend_from_one(sizes):
    """Others are refused."""
    with pytest.raises(InstanceError, match="batch_sizes: expected ascending"):
        case(sizes)


def test_caches_are_whole_bytes():
    """And the path is said."""
    with pytest.raises(InstanceError, match=r"model.layers.cache_bytes\[1\]"):
        case(caches=(2, 0.5))


@pytest.mark.parametrize("placement", [None, 3, (3,), (3, (0, 1), 4), {}])
def test_what_is_no_pair_is_said(placement):
    """A batch size and a pipeline."""
    assert [v.constraint for v in evaluate(case(), placement).violations] == ["assignment"]


def test_the_smallest_batch_needs_the_least():
    """Where that does not fit, nothing does; where it just fits, there is no simple proof."""
    assert diagnose(case(memory=(9, 14))) is None
    assert diagnose(case(memory=(8, 14))) is not None
    assert diagnose(case(memory=(9, 13))) is not None


@pytest.mark.parametrize("document", [None, {}, {"batch_size": 2}, {"batch_size": "3"}, [3]])
def test_results_name_a_batch_size(document):
    """Of the instance."""
    with pytest.raises(InstanceError, match=r"placement.batch_size: expected one of 1, 3, found"):
        PROBLEMS["edgeshard-batch"].from_json(case(), document)


def test_batches_are_exact_and_report_on_the_way():
    """Against brute force; reported placements cost what is said and bounds are below the optimum."""
    for seed in range(40):
        instance = generate("edgeshard-batch", "tiny", seed=seed)
        optimum = solve(instance, "brute-force", isolate=False).objective
        steps = []
        claim = batches.run(instance, Context(Parameters(threads=1), report=steps.append))
        if optimum is None:
            assert (claim.reason, claim.placement) == (Reason.INFEASIBLE, None)
            continue
        assert (claim.reason, claim.objective) == (Reason.OPTIMAL, optimum)
        assert claim.dual_bound == pytest.approx(optimum)
        for step in steps:
            if step.placement is not None:
                assert evaluate(instance, step.placement).objective == pytest.approx(step.objective)
            assert step.dual_bound is None or step.dual_bound <= optimum * (1 + 1e-12)
        largest = batches.largest_batch(instance, Context(Parameters(threads=1)))
        fits = [
            size
            for size in instance.batch_sizes
            if solve(instance.at(size), isolate=False).objective is not None
        ]
        assert largest.placement[0] == max(fits)
        assert largest.objective == evaluate(instance, largest.placement).objective >= optimum
        for baseline in (batches.edge_solo, batches.edgeshard_even, batches.cloud_edge_opt):
            found = baseline(instance, Context(Parameters()))
            assert found.placement is None or found.objective == evaluate(instance, found.placement).objective


@pytest.mark.parametrize("bound", [None, 2.0, 6.0])
def test_a_batch_without_an_answer_leaves_its_bound(bound, monkeypatch):
    """One batch size is solved, the other stops at its limit: the least bound of both counts, and nothing is optimal."""
    times = np.array([[[4.0, 9.0], [9.0, 4.0]], [[3.0, 9.0], [9.0, 3.0]]])
    instance = case(times=times)

    def answer(whole, size, run):
        del whole, run
        return Claim(Reason.OPTIMAL, (0, 1), 4.0, 4.0) if size == 1 else Claim(Reason.LIMIT, dual_bound=bound)

    monkeypatch.setattr(batches, "_pipeline", answer)
    claim = batches.run(instance, Context(Parameters()))
    # Of three sequences no pipeline is faster than the slowest layer's 3 s; 6 s for three are 2 s each.
    least = 2.0 if bound == 6.0 else 1.0
    assert (claim.reason, claim.placement, claim.objective, claim.dual_bound) == (
        Reason.LIMIT,
        (1, (0, 1)),
        4.0,
        least,
    )
    nothing = batches.run(case(sizes=(3,), times=times[1:]), Context(Parameters()))
    assert (nothing.reason, nothing.placement, nothing.objective) == (Reason.LIMIT, None, None)
    assert nothing.dual_bound == least


def test_floors_are_the_slowest_layer_and_an_even_share():
    """Fastest 4 and 1 s on two devices: 4 s; fastest 2 and 3 s: 3 s; with a third layer of 3 s, 4 s each."""
    for fastest, expected in (([4.0, 1.0], 4.0), ([2.0, 3.0], 3.0)):
        times = np.array([[[fastest[0], 9.0], [9.0, fastest[1]]]])
        assert bottleneck_floor_s(case(sizes=(1,), times=times).at(1)) == expected
    one = generate("edgeshard-batch", "tiny", seed=0)
    for size in one.batch_sizes:
        times = one.at(size).compute_time_s.min(axis=1)
        first = one.at(size).compute_time_s[0, one.source]
        expected = max(times.max(), times.sum() / min(one.cluster.size, len(times)), first)
        assert math.isclose(bottleneck_floor_s(one.at(size)), expected, rel_tol=1e-9)


def answered(monkeypatch):
    """Let each batch size have an answer, its bottleneck 4.5 s; return which were asked."""
    asked = []

    def answer(_whole, size, context):
        asked.append(size)
        return Claim(Reason.OPTIMAL, (0, 1), 4.5, 4.5, solve_s=context.elapsed)

    monkeypatch.setattr(batches, "_pipeline", answer)
    return asked


def test_a_warm_start_of_batches_is_the_first_placement(monkeypatch):
    """What is no better than its bound is not asked: 3 s for three is 1 s each, and 4 s for one are no better."""
    asked = answered(monkeypatch)
    times = np.array([[[4.0, 9.0], [9.0, 4.0]], [[3.0, 9.0], [9.0, 3.0]]])
    start = (3, (0, 1))
    best_s = evaluate(case(times=times), start).objective
    claim = batches.run(case(times=times), Context(Parameters(), start))
    assert (claim.placement, claim.objective, claim.reason, claim.dual_bound) == (
        start,
        1.0,
        Reason.OPTIMAL,
        1.0,
    )
    assert (best_s, asked) == (1.0, [])
    small = case(times=times, memory=(8, 14))
    assert not evaluate(small, start).feasible
    claim = batches.run(small, Context(Parameters(), start))
    assert asked == [3]
    assert (claim.placement, claim.objective) == ((3, (0, 1)), 1.5)


def test_bounds_that_equal_the_best_are_not_asked(monkeypatch):
    """4.5 s for three are 1.5 s each, as much as the slowest layer of one sequence alone."""
    asked = answered(monkeypatch)
    times = np.array([[[1.5, 9.0], [9.0, 1.5]], [[3.0, 9.0], [9.0, 3.0]]])
    claim = batches.run(case(times=times), Context(Parameters(relative_gap=0.0)))
    assert asked == [3]
    assert (claim.objective, claim.dual_bound) == (1.5, 1.5)


def test_a_start_is_for_its_own_batch_size():
    """The part of the other sizes begins without one."""
    context = Context(Parameters(time_limit=50.0, seed=3), (3, (0, 1)))
    assert batches._part(context, 3).warm_start == (0, 1)
    assert batches._part(context, 1).warm_start is None
    assert batches._part(Context(Parameters()), 1).warm_start is None
    assert 40 < batches._part(context, 1).parameters.time_limit <= 50
    steps = []
    batches._part(Context(Parameters(), report=steps.append), 3).report(objective=6.0, placement=(0, 1))
    assert [(step.objective, step.placement) for step in steps] == [(2.0, (3, (0, 1)))]
