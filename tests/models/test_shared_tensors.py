"""A tensor that several layers share is on a device once, in evaluation, statements, methods and files."""

import json
from dataclasses import replace

import pytest

from placewise.benchmarks.traps import KINDS
from placewise.instances import to_document
from placewise.instances.files import from_document
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.memory import furthest_ends, run_bytes, stage_fits, used_bytes
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.registry import problem_of
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.registry import default_method, find_method, methods_of

TIED = (
    Layer("embedding", 1, 1.0, shared={"table": 10}),
    Layer("decoder", 5, 1.0),
    Layer("decoder", 5, 1.0),
    Layer("head", 2, 1.0, shared={"table": 10}),
)


def case(kind=EdgeShardLatency, layers=TIED, memory=(23, 40), **more):
    """Return layers on a fast source and a slow device."""
    size = len(memory)
    return kind(
        _cluster(memory),
        layers,
        **({"compute_time_s": [[1.0] + [5.0] * (size - 1)] * len(layers)} | more),
    )


def _cluster(memory):
    size = len(memory)
    return Cluster(tuple("abcdef"[:size]), memory, [[1.0] * size] * size, [[0.0] * size] * size)


def test_once_per_device():
    """Both ends on one device hold the table once, on two devices twice."""
    assert used_bytes(TIED) == 1 + 5 + 5 + 2 + 10
    problem, instance = problem_of(case()), case()
    assert problem.evaluate(instance, (0, 0, 0, 0)).feasible
    assert not problem.evaluate(case(memory=(22, 40)), (0, 0, 0, 0)).feasible
    assert problem.evaluate(case(memory=(11, 22)), (0, 1, 1, 1)).feasible
    assert not problem.evaluate(case(memory=(11, 21)), (0, 1, 1, 1)).feasible


@pytest.mark.parametrize("kind", [EdgeShardLatency, EdgeShardThroughput])
def test_every_method_that_applies_keeps_all_at_home(kind):
    """All fits on the source by the table's second copy; whoever counts it twice ends elsewhere."""
    instance = case(kind)
    for name, method in methods_of(instance.problem).items():
        if method.missing:
            continue
        try:
            result = solve(instance, name, isolate=False)
        except NotApplicableError:
            assert name.startswith("algorithm-") or name in (
                "cp-sat",
                "types",
            )  # as printed, continuous, or plain only
            continue
        assert not result.conflicts
        if method.guarantee(instance).bounds:
            assert (result.status.value, result.placement) == ("optimal", (0, 0, 0, 0)), name


def test_a_head_alone_brings_the_table():
    """On the second device the head needs 12 bytes, on the source 2."""
    layers = (TIED[0], TIED[1], TIED[1], TIED[3])
    assert solve(case(layers=layers, memory=(11 + 5 + 2, 5)), "labels", isolate=False).placement[-1] == 0
    assert solve(case(layers=layers, memory=(11, 22)), "labels", isolate=False).placement == (0, 1, 1, 1)


def test_runs():
    """Memory of runs, and how far they reach: the later user of a tensor is free where a run has an earlier one."""
    layers = tuple(Layer(f"l{i}", 1, 1.0, shared={"t": 4} if i % 2 else {}) for i in range(4))
    instance = case(EdgeShardThroughput, layers, memory=(3, 6))
    assert run_bytes(instance, 0).tolist() == [0, 1, 6, 7, 8]
    assert run_bytes(instance, 2).tolist() == [0, 1, 6]
    assert furthest_ends(instance)[:, 1].tolist() == [2, 3, 4, 4, 4]
    assert stage_fits(instance)[1, :, 1].tolist() == [True, True, True, True, False]


def test_which_method_is_the_default():
    """General sharing goes to the statement; that of layer 0 and the head to the special methods."""
    assert default_method(case()).name == "equal-chains"
    other = (TIED[0], replace(TIED[1], shared={"norm": 3}), TIED[2], replace(TIED[3], shared={"norm": 3}))
    assert default_method(case(layers=other)).name == "highs"
    with pytest.raises(NotApplicableError, match="'norm' is used by layers 1, 3"):
        find_method("edgeshard-latency", "labels").guarantee(case(layers=other))
    assert default_method(case(EdgeShardThroughput, other)).name == "thresholds"
    assert not problem_of(case()).options(case(layers=TIED[:3]))  # nobody else uses the table


@pytest.mark.parametrize("kind", ["tied-latency", "tied-throughput", "tied-batch"])
def test_against_brute_force(kind):
    """Devices filled to the byte: the default and the statement say what all placements say."""
    for seed in range(6):
        instance = KINDS[kind](seed).instance
        truth = solve(instance, "brute-force", isolate=False)
        problem = problem_of(instance)
        assert truth.objective is None or problem.diagnose(instance) is None
        for name in (None, "highs"):
            try:
                found = solve(instance, name, isolate=False)
            except NotApplicableError:
                continue
            assert found.status is truth.status
            assert found.objective == pytest.approx(truth.objective)


def test_batches_share_weights_not_caches():
    """With three sequences the caches count three times, the table once."""
    layers = tuple(replace(layer, cache_bytes=1) for layer in TIED)
    instance = case(
        EdgeShardBatch, layers, (23 + 12, 1), batch_sizes=(1, 3), compute_time_s=[[[1.0, 9.0]] * 4] * 2
    )
    assert solve(instance, isolate=False).placement == (3, (0, 0, 0, 0))


def test_files_say_it():
    """Written and read back; another size of one name, and what is no number, are refused by place."""
    document = json.loads(json.dumps(to_document(case())))
    assert document["model"]["layers"][0]["shared"] == {"table": 10}
    assert from_document(document) == case()
    document["model"]["layers"][-1]["shared"] = {"table": 11}
    with pytest.raises(InstanceError, match=r"layers\[3\].shared: expected 10 bytes of 'table', as before"):
        from_document(document)
