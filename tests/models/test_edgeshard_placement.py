"""The meaning of an EdgeShard placement, by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import edgeshard_instances

from placewise.instances import read
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import evaluate_latency
from placewise.models.edgeshard.placement import from_json, to_json
from placewise.models.errors import InstanceError


def test_terms_of_the_hand_computed_instance(split):
    """Layer 0 on a, three on b: 1 + 3 compute, 2 for the message, 1 for the token."""
    evaluation = evaluate_latency(split, (0, 1, 1, 1))
    assert evaluation.feasible
    assert evaluation.objective == 7.0
    assert evaluation.terms == {"compute": 4.0, "communication": 2.0, "return": 1.0}


def test_every_hop_counts(split):
    """Going back and forth pays each transfer."""
    evaluation = evaluate_latency(split, (0, 1, 0, 1))
    assert evaluation.terms["communication"] == 6.0
    assert [violation.constraint for violation in evaluation.violations] == ["memory"]


@pytest.mark.parametrize(
    ("placement", "constraints"),
    [
        ((1, 1, 1, 1), ["privacy", "memory"]),
        ((0, 0, 0, 0), ["memory"]),
        ((0, 1), ["assignment"]),
        ((0, 1, 1, 2), ["assignment"]),
        ((0, 1, 1, -1), ["assignment"]),
        ((0, 1, 1, 1.0), ["assignment"]),
        (3, ["assignment"]),
    ],
)
def test_violations_are_named(split, placement, constraints):
    """All broken constraints are listed, by the name they have in the model."""
    evaluation = evaluate_latency(split, placement)
    assert [violation.constraint for violation in evaluation.violations] == constraints


def test_missing_links_have_no_cost():
    """Without a link there is no time, and the link is named."""
    relay = read("hand-relay")
    evaluation = evaluate_latency(relay, (0, 2, 1))
    assert evaluation.objective is None
    assert [violation.where for violation in evaluation.violations] == ["a -> c"]


def test_the_token_needs_a_way_back(split):
    """A missing return link is a violation of its own, but only where a token is sent."""
    one_way = np.array([[0.0, 1.0], [0.0, 0.0]])
    cluster = dataclasses.replace(split.cluster, bandwidth_bytes_per_s=one_way)
    cut = dataclasses.replace(split, cluster=cluster)
    assert (
        evaluate_latency(cut, (0, 1, 1, 1)).violations[0].message == "no link b -> a for the generated token"
    )
    assert evaluate_latency(dataclasses.replace(cut, return_bytes=0.0), (0, 1, 1, 1)).objective == 6.0


def test_latency_is_paid_per_transfer(split):
    """One second per transfer: one message and one token."""
    slow = dataclasses.replace(split.cluster, latency_s=np.ones((2, 2)))
    assert evaluate_latency(dataclasses.replace(split, cluster=slow), (0, 1, 1, 1)).objective == 9.0


def test_memory_is_compared_in_bytes():
    """29 decoder layers of Llama2-7B and the head, weights alone, need 24,000,757,760 bytes: 24e9 are too few."""
    from placewise.instances.catalogue import transformer
    from placewise.models.edgeshard import EdgeShardLatency
    from placewise.models.workload import Layer

    llama = transformer("llama2-7b")
    head = Layer("head", llama.vocabulary_size * llama.hidden_size * 4, 1)
    decoder = Layer("decoder", llama.decoder_parameters * 4, 1)
    layers = (head, *[decoder] * 29)
    for budget, feasible in ((24_000_757_760, True), (24_000_757_759, False)):
        cluster = Cluster(("card",), np.array([budget]), np.zeros((1, 1)), np.zeros((1, 1)))
        instance = EdgeShardLatency(cluster, layers, compute_time_s=np.ones((30, 1)))
        assert evaluate_latency(instance, (0,) * 30).feasible is feasible


def test_placements_are_written_and_read_back(split):
    """Names out, indices in."""
    assert to_json(split, (0, 1, 1, 1)) == {"layers": ["a", "b", "b", "b"]}
    assert from_json(split, {"layers": ["a", "b", "b", "b"]}) == (0, 1, 1, 1)
    with pytest.raises(
        InstanceError, match=r"placement.layers\[1\]: expected a device of hand-split, found 'z'"
    ):
        from_json(split, {"layers": ["a", "z"]})


@given(edgeshard_instances(), st.data())
def test_permuting_devices_permutes_placements(instance, data):
    """Names and order of devices mean nothing."""
    size = instance.cluster.size
    order = data.draw(st.permutations(range(size)))
    cluster = instance.cluster
    permuted = dataclasses.replace(
        instance,
        cluster=Cluster(
            tuple(cluster.device_names[j] for j in order),
            cluster.memory_bytes[order],
            cluster.bandwidth_bytes_per_s[np.ix_(order, order)],
            cluster.latency_s[np.ix_(order, order)],
        ),
        compute_time_s=instance.compute_time_s[:, order],
        source=order.index(instance.source),
    )
    placement = data.draw(
        st.lists(st.integers(0, size - 1), min_size=len(instance.layers), max_size=len(instance.layers))
    )
    there = evaluate_latency(instance, placement)
    here = evaluate_latency(permuted, [order.index(j) for j in placement])
    assert there.objective == here.objective
    assert len(there.violations) == len(here.violations)
