"""A tensor that several layers share is on a device once, in evaluation, statements, methods and files."""

import itertools
import json
import random
from dataclasses import replace

import pytest

from placewise.benchmarks.traps import KINDS
from placewise.instances import to_document
from placewise.instances.files import from_document
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.memory import (
    bytes_beside_first,
    equal_layers_that_fit,
    furthest_ends,
    require_shared_with_first,
    run_bytes,
    stage_fits,
    units_that_fit,
    used_bytes,
)
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


def test_units_that_fit_by_counting():
    """As many as fit, at most so many; of no size all; -1 where the space is already overdrawn."""
    for space, size, most in itertools.product(range(-2, 9), range(5), range(4)):
        fitting = [n for n in range(most + 1) if n * size <= space]
        assert units_that_fit(space, size, most) == (fitting[-1] if space >= 0 else -1)


@pytest.mark.parametrize("seed", range(20))
def test_memory_of_runs_and_blocks_by_counting(seed):
    """Each table against what the layers on a device use together, with tables of layer 0 and another, or without."""
    draw = random.Random(seed)
    count = draw.randrange(2, 6)
    user, inner = draw.randrange(1, count), draw.randrange(0, 4)
    need = [draw.randrange(1, 5), *[inner] * (count - 2), draw.randrange(1, 5)]
    table = {"table": draw.randrange(1, 7)} if seed % 3 else {}
    layers = tuple(
        Layer(f"l{i}", size, 1.0, shared=table if i in (0, user) else {}) for i, size in enumerate(need)
    )
    instance = case(EdgeShardThroughput, layers, memory=[draw.randrange(0, 16) for _ in range(3)])
    budget, source = instance.cluster.memory_bytes.tolist(), instance.source_index
    beside = bytes_beside_first(instance)
    for i, j in itertools.product(range(count), range(3)):
        alone = used_bytes(layers[i : i + 1])
        added = used_bytes([layers[0], layers[i]]) - used_bytes(layers[:1]) if i and j == source else alone
        assert beside[i, j] == added
    for first in range(count + 1):
        held = used_bytes(layers[:1]) if first else 0
        runs = [layers[first:end] for end in range(first, count + 1)]
        assert run_bytes(instance, first).tolist() == [used_bytes(run) for run in runs]
        together = [used_bytes([*layers[: bool(first)], *run]) - held for run in runs]
        assert run_bytes(instance, first, beside_first=True).tolist() == together
        for j in range(3):
            sizes = together if j == source and table else [used_bytes(run) for run in runs]
            end = max(first + n for n, size in enumerate(sizes) if size <= budget[j])
            assert furthest_ends(instance)[first, j] == end
            fits = stage_fits(instance)[first, :, j].tolist()
            assert fits == [stop <= end for stop in range(count + 1)]
    if user in (0, count - 1) or not table:
        alone, with_last = equal_layers_that_fit(instance)
        for j in range(3):
            first = layers[:1] if j == source else ()
            for found, last in ((alone, ()), (with_last, layers[-1:])):
                fitting = [
                    n for n in range(count - 1) if used_bytes([*first, *layers[1:-1][:n], *last]) <= budget[j]
                ]
                assert found[j] == max(fitting, default=-1)


@pytest.mark.parametrize(
    ("users", "line"),
    [
        ((0, 3), None),
        ((3,), None),
        ((1, 3), "'t' is used by layers 1, 3"),
        ((0, 1, 3), "'t' is used by layers 0, 1, 3"),
        ((0, 1, 2, 3), "'t' is used by layers 0, 1, 2, 3"),
        ((0, 1, 2, 3, 4), "'t' is used by layers 0, 1, 2, 3, ..."),
    ],
)
def test_what_else_is_shared_is_named(users, line):
    """Up to four of its layers; one user alone shares nothing."""
    layers = tuple(Layer(f"l{i}", 1, 1.0, shared={"t": 4} if i in users else {}) for i in range(5))
    instance = case(layers=layers)
    if line is None:
        require_shared_with_first(instance)
    else:
        with pytest.raises(NotApplicableError) as refused:
            require_shared_with_first(instance)
        assert str(refused.value).endswith(line)
