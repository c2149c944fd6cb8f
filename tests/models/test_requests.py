"""What a request's passes cost, by hand: a prompt at once, tokens one by one; methods against brute force."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.cost import bottleneck_floor_s, latency_floor_s, time_tables
from placewise.models.edgeshard.request import Request
from placewise.models.errors import InstanceError
from placewise.models.registry import problem_of
from placewise.models.workload import Layer

PLACEMENT = (0, 1)


def case(counts, kind=EdgeShardLatency, **changes):
    """Return layers of 1 and 2 s per token; a prompt of 3 tokens, and 5 to be generated."""
    cluster = Cluster(("a", "b"), 9, bandwidth_bytes_per_s=8.0, latency_s=0.25)
    layers = [Layer("first", 1, 4.0), Layer("last", 1, 4.0)]
    request = None if counts is None else Request(3, 5, counts)
    return kind(
        cluster, layers, compute_time_s=[[1, 1], [2, 2]], return_bytes=2.0, request=request, **changes
    )


@pytest.mark.parametrize(
    ("counts", "compute_s", "hop_s", "return_s"),
    [
        (None, [1, 2], 0.75, 0.5),
        ("decode", [1, 2], 0.75, 0.5),
        ("prefill", [3, 6], 1.75, 0.5),  # 3 x 4 bytes; the first token comes back alone
        ("request", [3 + 4 * 1, 6 + 4 * 2], 1.75 + 4 * 0.75, 5 * 0.5),
    ],
)
def test_passes_of_a_request(counts, compute_s, hop_s, return_s):
    """The prefill pass, and four decode rounds after it."""
    instance = case(counts)
    tables = time_tables(instance)
    assert tables.compute_s[:, 1].tolist() == compute_s
    assert tables.transfer_s(0)[0, 1] == tables.delay_s(0)[0, 1] == hop_s
    assert tables.return_s.tolist() == [0.0, return_s]
    evaluation = problem_of(instance).evaluate(instance, PLACEMENT)
    assert evaluation.objective == sum(compute_s) + hop_s + return_s
    assert latency_floor_s(instance) == sum(compute_s)


@pytest.mark.parametrize(
    ("counts", "stages_s", "hop_s"),
    [("decode", [1, 2], 0.5), ("prefill", [3, 6], 1.5), ("request", [7 / 5, 14 / 5], (1.5 + 4 * 0.5) / 5)],
)
@pytest.mark.parametrize("occupies", [False, True])
def test_a_pipeline_counts_per_generated_token(counts, stages_s, hop_s, occupies):
    """A link is occupied by bytes, and by its latency only if that is asked."""
    instance = case(counts, EdgeShardThroughput, latency_occupies=occupies)
    latencies = {"decode": 0.25, "prefill": 0.25, "request": 0.25}[counts]
    tables = time_tables(instance)
    assert tables.compute_s[:, 0] == pytest.approx(stages_s)
    assert tables.transfer_s(0)[0, 1] == pytest.approx(hop_s + occupies * latencies)
    assert tables.delay_s(0)[0, 1] == pytest.approx(hop_s + latencies)
    assert bottleneck_floor_s(instance) == pytest.approx(max(stages_s))
    assert problem_of(instance).evaluate(instance, PLACEMENT).objective == pytest.approx(max(stages_s))


def test_bottleneck_floor_of_the_source_and_of_a_share():
    """The source takes 7 s for the first layer; without a source the slowest layer or half of all counts."""
    given = case(None, EdgeShardThroughput)
    slow = dataclasses.replace(given, compute_time_s=np.array([[7.0, 1.0], [2.0, 2.0]]))
    assert bottleneck_floor_s(slow) == 7.0
    free = dataclasses.replace(slow, source=None)
    assert bottleneck_floor_s(free) == pytest.approx(2.0)
    even = dataclasses.replace(free, compute_time_s=np.array([[3.0, 3.0], [3.0, 3.0]]))
    assert bottleneck_floor_s(even) == pytest.approx(3.0)
    assert bottleneck_floor_s(even) <= 3.0


def test_a_prompt_by_rates_reads_weights_once():
    """10 bytes at 10 bytes/s take 1 s however many tokens; 2 flops each at 1 flop/s take longer from the first."""
    cluster = Cluster(("a",), 99, bandwidth_bytes_per_s=0.0, flops_per_s=[1.0], memory_bytes_per_s=[10.0])
    layers = [
        Layer("light", 10, 1.0, flops=0.25, weight_bytes=10),
        Layer("heavy", 10, 1.0, flops=2.0, weight_bytes=10),
    ]
    instance = EdgeShardLatency(cluster, layers, request=Request(3, 1, "prefill"))
    assert time_tables(instance).compute_s[:, 0].tolist() == [1.0, 6.0]
    assert time_tables(dataclasses.replace(instance, request=None)).compute_s[:, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"prompt_tokens": 0}, "request.prompt_tokens: expected 1 to"),
        ({"new_tokens": 2**30 + 1}, "request.new_tokens: expected 1 to"),
        ({"counts": "all"}, "request.counts: expected one of decode, prefill, request"),
    ],
)
def test_odd_requests_are_refused(change, line):
    """By the key's name."""
    with pytest.raises(InstanceError, match=line):
        Request(**({"prompt_tokens": 1, "new_tokens": 1} | change))


def test_requests_are_part_of_a_file():
    """They come back the same."""
    instance = case("request")
    assert read(to_document(instance)) == instance
    assert from_document(to_document(instance)).request == Request(3, 5, "request")
    assert "request" not in to_document(case(None))


@pytest.mark.parametrize(
    ("problem", "methods"),
    [
        ("edgeshard-latency", ["labels", "run-length", "highs"]),
        ("edgeshard-throughput", ["thresholds", "stages", "run-length", "highs"]),
    ],
)
def test_methods_agree_with_brute_force(problem, methods):
    """Whatever is counted."""
    counts = Counter()
    for seed in range(12):
        plain = generate(problem, "tiny", seed=seed)
        request = Request(1 + seed % 7, 1 + seed % 5, ("prefill", "request")[seed % 2])
        instance = dataclasses.replace(plain, request=request)
        assert judge(instance, methods, counts) == []
    assert any(outcome == "exact: optimal" for _, outcome in counts)


def test_the_latency_floor_of_a_free_source():
    """Every layer where it is fastest: 1 and 1 s."""
    instance = case(None, source=None)
    uneven = dataclasses.replace(instance, compute_time_s=np.array([[1.0, 4.0], [2.0, 1.0]]))
    assert latency_floor_s(uneven) == pytest.approx(2.0)
    assert latency_floor_s(uneven) <= 2.0
