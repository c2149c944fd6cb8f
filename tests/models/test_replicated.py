"""Replicated throughput by hand: flows, bounds, gates, files, options."""

import dataclasses

import numpy as np
import pytest

from placewise.benchmarks.conformance.problems import check_problem
from placewise.instances import convert, generate, read, to_document
from placewise.instances.files import from_document
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.registry import evaluate
from placewise.models.replicated import (
    PARTIAL_INFERENCE,
    REPLICATED,
    NodeType,
    ReplicatedThroughput,
    capacities,
    maximum_flow,
    stages,
    volume_flow,
)
from placewise.models.resources import Resource
from placewise.solvers.registry import methods_of
from placewise.solvers.replicated.methods import REPLICATED_METHODS

HAND = read("hand-replicas")
#: a 0-2, b 0-1, c 2-3, d 3.
PLAN = ((0, 3), (0, 2), (2, 4), (3, 4))


def overlapping(*, partial):
    """Nodes that do more with two layers than with one, as measured tables have it: they overlap."""
    return ReplicatedThroughput(
        Cluster(["a", "b", "c"], 0, 100.0),
        [NodeType("odd", (3.0, 6.0)), NodeType("plain", (12.0, 12.0))],
        ["odd", "plain", "odd"],
        3,
        activation_bytes=1.0,
        partial_inference=partial,
    )


def flow_of(instance, plan):
    """Return tokens per second of a plan."""
    return capacities(instance).tokens_per_s(maximum_flow(instance, plan).value)


def test_the_contract_is_kept():
    """Gate, files, both models, resources, floors, on tiny instances of all kinds."""
    check_problem(REPLICATED, seeds=range(6))


def test_a_plan_by_hand():
    """Two chains side by side: 10 through a and d, 8 through b and c; the rows say so."""
    found = evaluate(HAND, PLAN)
    assert (found.objective, found.terms) == (1 / 18, {"flow": 1 / 18})
    assert [str(row) for row in stages(HAND, PLAN)] == [
        "a (large): layers 0-2, 10 of 10 tokens/s",
        "b (small): layers 0-1, 8 of 8 tokens/s",
        "c (small): layers 2-3, 8 of 8 tokens/s",
        "d (small): layer 3, 10 of 12 tokens/s",
    ]
    # a and b trade places of 10 tokens over links of 5: a sends 5 to c, b 8 to c, which takes 8.
    assert flow_of(HAND, ((0, 2), (0, 2), (2, 4), (2, 4))) == 16


def test_links_and_ends_bound_a_flow():
    """A link carries its bandwidth over the size of a message; so do those of source and sink."""
    assert flow_of(HAND, ((0, 2), (2, 4), (0, 0), (0, 0))) == 20 / 4
    slow = dataclasses.replace(HAND, source_bandwidth_bytes_per_s=[7.0, 1.0, 0.0, 0.0])
    assert flow_of(slow, PLAN) == 8
    assert flow_of(dataclasses.replace(HAND, sink_bandwidth_bytes_per_s=[0, 0, 3, 2]), PLAN) == 5
    free = dataclasses.replace(HAND, activation_bytes=0.0)
    assert flow_of(free, ((0, 2), (2, 4), (0, 0), (0, 0))) == 8


def test_partial_inference_lets_a_node_be_entered_inside():
    """A computes 0-1 and c layer 0, of which b takes both up, at layer 2 and at layer 1."""
    plan = ((0, 2), (1, 3), (0, 1))
    assert flow_of(overlapping(partial=False), plan) == 3
    assert flow_of(overlapping(partial=True), plan) == 9
    assert flow_of(overlapping(partial=True), ((0, 2), (1, 3), (0, 2))) == 12
    assert maximum_flow(overlapping(partial=False), ((0, 2), (1, 3), (0, 2))).value == 0


def test_methods_that_do_not_know_partial_inference_are_refused():
    """It is an option; all here know it, and say so."""
    instance = overlapping(partial=True)
    assert REPLICATED.options(instance) == {PARTIAL_INFERENCE}
    assert REPLICATED.options(HAND) == frozenset()
    for method in methods_of(REPLICATED.name).values():
        assert method.guarantee(instance)
    unaware = dataclasses.replace(
        methods_of(REPLICATED.name)["plans"],
        algorithm=dataclasses.replace(REPLICATED_METHODS[0], honours=frozenset()),
    )
    with pytest.raises(NotApplicableError, match="partial inference"):
        unaware.guarantee(instance)


def test_the_volume_bound_by_hand():
    """At 20 tokens/s a gives 3 * 10 or 2 * 16, the others 2 * 8 each: 80 = 4 * 20; one more is too much."""
    assert capacities(HAND).tokens_per_s(volume_flow(HAND)) == 20
    assert REPLICATED.floor(HAND) == 1 / 20


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (((0, 4), (0, 2)), "expected the layers of each of 4 nodes, found 2"),
        (((0, 5), (0, 0), (0, 0), (0, 0)), "expected layers from 0 up to 4, found 0 up to 5"),
        (((-1, 1), (0, 0), (0, 0), (0, 0)), "expected layers from 0 up to 4, found -1 up to 1"),
        (((0, 4), (0, 4), (0, 0), (0, 0)), r"node 1: expected at most 3 layers \(small\), found 4"),
        (((0, 4), 3, (0, 0), (0, 0)), "expected a first layer and the one after the last, found 3"),
        (((0, 0),) * 4, "expected a node that holds a layer"),
        ({"nodes": [{"node": "e", "first": 0, "last": 1}]}, r"nodes\[0\]\.node: expected a node of hand"),
        ({"nodes": [{"node": "a", "first": 2, "last": 1}]}, r"nodes\[0\]: expected first <= last"),
        (
            {"nodes": [{"node": "a", "first": 0, "last": 4}]},
            r"nodes\[0\]\.last: expected a layer from 0 to 3",
        ),
        ({"nodes": [{"node": "a", "first": 0, "last": 0}] * 2}, "expected each node once, found 'a' twice"),
    ],
)
def test_what_is_no_plan_is_said(plan, message):
    """In one line that names the place and what was expected."""
    placement, violations = REPLICATED.gate(HAND, plan)
    assert placement is None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(violations[0].message)


def test_what_lets_nothing_pass_says_where():
    """A layer that nobody holds, or links that are missing."""
    assert evaluate(HAND, ((0, 3), (0, 2), (0, 2), (0, 2))).violations[0].message == "no node holds layer 3"
    apart = dataclasses.replace(HAND, cluster=Cluster(["a", "b", "c", "d"], 0, 0.0))
    assert "no chain of linked nodes" in evaluate(apart, PLAN).violations[0].message
    assert REPLICATED.diagnose(apart) is None  # a alone holds all four layers
    assert REPLICATED.diagnose(dataclasses.replace(HAND, layers=14)) == (
        "the nodes hold 13 layers in all and the model has 14"
    )


def test_speed_is_of_one_node():
    """Twice as fast, it is a type of its own, and its twins stay as they are."""
    faster = REPLICATED.scaled(HAND, Resource("speed", (1,), ""), 2.0)
    assert [row[0] * capacities(faster).unit for row in capacities(faster).node] == [24, 24, 12, 12]
    assert flow_of(faster, ((0, 3), (0, 2), (2, 4), (2, 4))) == 16
    both = REPLICATED.scaled(HAND, Resource("ends", (), ""), 0.5)
    assert both.sink_bandwidth_bytes_per_s.tolist() == [50.0] * 4


def test_capacities_that_lose_their_digits_are_refused():
    """Nine orders of magnitude are counted, thirteen are not."""
    kinds = [NodeType("large", (1e12,)), NodeType("small", (1e3,))]
    with pytest.raises(InstanceError, match=r"node_types\[1\]\.tokens_per_s\[0\]: 0\.1 tokens/s are too few"):
        ReplicatedThroughput(
            Cluster(["a", "b"], 0, 1.0),
            [kinds[0], NodeType("small", (0.1,))],
            [0, 1],
            1,
            activation_bytes=1.0,
        )
    near = ReplicatedThroughput(Cluster(["a", "b"], 0, 1e12), kinds, [0, 1], 1, activation_bytes=1.0)
    assert flow_of(near, ((0, 0), (0, 1))) == pytest.approx(1e3, rel=1e-7)


def test_files_keep_every_bit():
    """Also where ends differ by node."""
    instance = dataclasses.replace(HAND, source_bandwidth_bytes_per_s=[0.1, 0.2, 1 / 3, 0.0])
    assert from_document(to_document(instance)) == instance
    assert repr(instance) == "ReplicatedThroughput('hand-replicas': 4 layers on 4 nodes of 2 types)"


def test_a_published_model_on_a_cluster(tmp_path):
    """A roofline by hand: weights once per batch, caches per sequence; memory decides how many sequences."""
    config, cluster = tmp_path / "config.json", tmp_path / "cluster.json"
    config.write_text(
        '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,'
        '"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 100}',
        encoding="utf-8",
    )
    cluster.write_text(
        '{"devices": [{"name": "a", "memory_bytes": 250000, "flops_per_s": 1e15, "memory_bytes_per_s": 1e6},'
        '{"name": "b", "memory_bytes": 10, "flops_per_s": 1e9, "memory_bytes_per_s": 1e6}],'
        '"bandwidth_bytes_per_s": 1e6}',
        encoding="utf-8",
    )
    instance = convert(str(config), cluster=str(cluster), problem="replicated-throughput", sequence_length=16)
    weights = 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64)
    cache = 2 * 2 * 16 * 64
    expected = []
    for k in (1, 2, 3):
        batch = (250_000 // k - weights) // cache
        if batch > 0:
            expected.append(batch / (k * (weights + batch * cache) / 1e6))
    assert np.allclose(instance.node_types[0].tokens_per_s, expected, rtol=1e-6)
    assert instance.node_types[instance.types[1]].tokens_per_s == ()


def test_tiny_instances_are_of_many_kinds():
    """Some have no plan, some ask for partial inference, some do not."""
    drawn = [generate("replicated-throughput", "tiny", seed=seed) for seed in range(60)]
    assert 10 < sum(instance.partial_inference for instance in drawn) < 50
    assert any(volume_flow(instance) == 0 for instance in drawn)
    assert max(REPLICATED.count(instance) for instance in drawn) < 20_000
