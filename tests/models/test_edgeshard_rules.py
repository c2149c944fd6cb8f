"""What is asked of a placement beyond the paper: how it is written, what breaks it, and what cannot be."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.instances.generators.rules import KINDS
from placewise.instances.identity import instance_hash
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.kinds import kinds_of
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import InstanceError
from placewise.models.registry import PROBLEMS, problem_of
from placewise.models.workload import Layer
from placewise.solvers import solve

CHAINS = ("edgeshard-latency", "edgeshard-throughput", "edgeshard-batch")


def two_machines(source="slow", **rules):
    """Return a slow device and a fast one with room for two of three layers; a hop takes 1 s."""
    cluster = Cluster(("slow", "fast"), memory_bytes=[9, 2], bandwidth_bytes_per_s=1.0)
    return EdgeShardLatency(
        cluster,
        Layer("layer", 1, 1.0) * 3,
        source=source,
        compute_time_s=[[0, 0], [4, 1], [1, 5]],
        rules=Rules(**rules),
    )


@pytest.mark.parametrize(
    ("source", "rules", "cost_s", "placement"),
    [
        ("slow", {}, 4, (0, 1, 0)),
        ("slow", {"contiguous": True}, 5, (0, 0, 0)),
        (None, {"contiguous": True}, 3, (1, 1, 0)),
        (None, {"contiguous": True, "pinned": {0: "slow"}}, 5, (0, 0, 0)),
        ("slow", {"contiguous": True, "must_use": ["fast"]}, 7, (0, 1, 1)),
        ("slow", {"max_layers": {"fast": 0}}, 5, (0, 0, 0)),
        ("slow", {"min_layers": {"fast": 2}}, 7, (0, 1, 1)),
    ],
)
def test_each_rule_has_its_optimum(source, rules, cost_s, placement):
    """By hand: to return saves a second, the fast one as the source two."""
    instance = two_machines(source, **rules)
    for method in ("brute-force", "labels", "highs"):
        result = solve(instance, method, isolate=False)
        assert (result.status.value, result.objective, result.placement) == ("optimal", cost_s, placement)


@pytest.mark.parametrize(
    ("rules", "placement", "broken"),
    [
        ({"contiguous": True}, (0, 1, 0), ["contiguity"]),
        ({"pinned": {1: "slow", 2: 1}}, (0, 1, 0), ["pinned", "pinned"]),
        ({"min_layers": {"fast": 2}}, (0, 1, 0), ["min_layers"]),
        ({"max_layers": {"slow": 1}}, (0, 1, 0), ["max_layers"]),
        ({"must_use": ["fast", "slow"]}, (0, 0, 0), ["must_use"]),
    ],
)
def test_a_broken_rule_is_named(rules, placement, broken):
    """All of them, in both problems; a pipeline is contiguous by Eq. 11."""
    instance = two_machines(**rules)
    evaluation = problem_of(instance).evaluate(instance, placement)
    assert [violation.constraint for violation in evaluation.violations] == broken
    pipeline = EdgeShardThroughput.of(instance)
    found = [v.constraint for v in problem_of(pipeline).evaluate(pipeline, placement).violations]
    assert [each for each in found if each != "contiguity"] == [
        each for each in broken if each != "contiguity"
    ]


def test_a_free_source_costs_what_its_first_device_does():
    """The token returns to whoever hosts layer 0."""
    free = dataclasses.replace(two_machines(None), return_bytes=2.0)
    for placement in ((0, 0, 1), (1, 0, 0), (1, 1, 0)):
        fixed = dataclasses.replace(free, source=placement[0])
        for problem in (problem_of(free),):
            assert problem.evaluate(free, placement) == problem.evaluate(fixed, placement)
    assert problem_of(free).evaluate(free, (1, 1, 0)).terms["return"] == 2.0
    with pytest.raises(InstanceError, match="source_device: expected a device"):
        _ = free.source_index


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"pinned": {"3": "slow"}}, "pinned: expected layers 0 to 2, found 3"),
        ({"pinned": {"first": "slow"}}, "pinned.first: expected a layer's index"),
        ({"pinned": {"01": "slow"}}, "pinned.01: expected a layer's index"),
        ({"pinned": {"1": "other"}}, "pinned.1: expected a device of the cluster, found 'other'"),
        ({"must_use": ["other"]}, "must_use: expected a device of the cluster, found 'other'"),
        ({"min_layers": {"slow": -1}}, "min_layers.slow: expected >= 0|min_layers.slow: expected .*0"),
        ({"min_layers": {"slow": 4}}, r"min_layers.slow: expected at most 3 \(layers\), found 4"),
        (
            {"min_layers": {"slow": 2}, "max_layers": {"slow": 1}},
            r"min_layers.slow: expected at most 1 \(max_layers\), found 2",
        ),
        ({"contiguous": 1}, "contiguous: expected "),
        ({"source_device": "other"}, "source_device: expected a device of the cluster"),
        ({"contigous": True}, "contigous: unknown key"),
    ],
)
def test_bad_rules_are_one_line(change, line):
    """It names the key and what was expected."""
    with pytest.raises(InstanceError, match=line):
        from_document(to_document(two_machines()) | change)


def test_a_source_must_be_stated():
    """Free is null; no key is a mistake."""
    document = to_document(two_machines(None))
    assert document["source_device"] is None
    assert from_document(document).source is None
    del document["source_device"]
    with pytest.raises(InstanceError, match="source_device"):
        from_document(document)


def test_rules_are_part_of_the_value():
    """Equality, hash and file; devices by name or index are the same; without rules the file is what it was."""
    plain, asked = two_machines(), two_machines(pinned={2: "fast", 0: 0}, must_use=["fast"])
    assert asked == two_machines(pinned=[(0, "slow"), (2, 1)], must_use=[1, "fast"])
    assert asked != plain
    assert hash(asked) != hash(plain)
    assert instance_hash(asked) != instance_hash(plain)
    assert not {"contiguous", "pinned", "min_layers", "max_layers", "must_use"} & to_document(plain).keys()


@pytest.mark.parametrize("problem", CHAINS)
@pytest.mark.parametrize("kind", KINDS)
def test_files_and_diagnoses_keep_rules(problem, kind):
    """Drawn ones come back the same, a reason is a proof, and the floor is below the optimum."""
    described = PROBLEMS[problem]
    reasons = 0
    for seed in range(25):
        instance = generate(problem, "tiny-rules", seed=seed, rules=kind)
        assert read(to_document(instance)) == instance
        reason = described.diagnose(instance)
        if seed < 12 and described.count(instance) < 4000:
            best = solve(instance, "brute-force", isolate=False).objective
            assert reason is None or best is None
            assert described.floor(instance) <= (math.inf if best is None else best)
        reasons += reason is not None
    assert reasons < 25


@pytest.mark.parametrize(
    ("rules", "source", "reason"),
    [
        ({"pinned": {0: "fast"}}, "slow", "layer 0 is pinned to fast and must stay on the source slow"),
        ({"max_layers": {"fast": 1, "slow": 1}}, "slow", "may host 2 layers at most; there are 3"),
        ({"min_layers": {"fast": 2, "slow": 2}}, None, "need 4 layers at least; there are 3"),
        ({"pinned": {0: 1, 1: 1, 2: 1}}, None, "pinned to fast need 3 bytes and it has 2"),
        ({"min_layers": {"fast": 3}}, None, "fast must host at least need 3 bytes"),
        (
            {"pinned": {1: 1}, "max_layers": {"fast": 0}},
            None,
            "1 layers are pinned to fast, which may host 0",
        ),
        ({"max_layers": {"slow": 0}}, "slow", "layer 0 must be on slow, which may host no layer|may host"),
        ({"contiguous": True, "pinned": {0: 0, 1: 1, 2: 0}}, None, "pinned to slow, which hosts one run"),
    ],
)
def test_rules_that_cannot_be_kept_are_told(rules, source, reason):
    """In one line, which brute force confirms."""
    instance = two_machines(source, **rules)
    found = problem_of(instance).diagnose(instance)
    assert found is not None
    assert any(part in found for part in reason.split("|"))
    assert solve(instance, "brute-force", isolate=False).status.value == "infeasible"


def test_a_source_of_one_layer_holds_layer_0():
    """As brute force finds."""
    instance = two_machines("slow", max_layers={"slow": 1})
    assert problem_of(instance).diagnose(instance) is None
    assert solve(instance, "brute-force", isolate=False).placement == (0, 1, 1)


def test_whichever_device_is_the_source():
    """No links: no device reaches what the layers need, whoever begins."""
    instance = two_machines(None, must_use=["fast", "slow"])
    cluster = dataclasses.replace(instance.cluster, bandwidth_bytes_per_s=np.zeros((2, 2)))
    apart = dataclasses.replace(instance, cluster=cluster)
    assert "whichever device is the source" in (problem_of(apart).diagnose(apart) or "")


def test_devices_of_a_kind_can_be_exchanged():
    """Equal memory, times, rules and links; the source, pins and one slow link stand apart."""
    cluster = Cluster(tuple("abcdef"), memory_bytes=[4] * 6, bandwidth_bytes_per_s=1.0)
    instance = EdgeShardLatency(cluster, Layer("layer", 1, 1.0) * 3, compute_time_s=np.ones((3, 6)))
    assert kinds_of(instance) == (0, 1, 1, 1, 1, 1)
    asked = dataclasses.replace(instance, rules=Rules(pinned={1: "b"}, must_use=["c", "d"]))
    assert kinds_of(asked) == (0, 1, 2, 2, 4, 4)
    slow = {"default": 1.0, "links": {("e", "f"): 0.5}}
    links = Cluster(tuple("abcdef"), memory_bytes=[4] * 6, bandwidth_bytes_per_s=slow)
    assert kinds_of(dataclasses.replace(instance, cluster=links)) == (0, 1, 1, 1, 4, 5)


def test_a_pipeline_hosts_one_run_whatever_is_asked():
    """Pins on both sides of another device's break Eq. 11; latency may return to a device."""
    latency = two_machines("slow", pinned={0: 0, 1: 1, 2: 0})
    assert problem_of(latency).diagnose(latency) is None
    pipeline = EdgeShardThroughput.of(latency)
    assert "pinned to slow, which hosts one run" in (problem_of(pipeline).diagnose(pipeline) or "")


@pytest.mark.parametrize(
    ("rules", "placement", "runs", "lines"),
    [
        ({"contiguous": True}, (0, 1, 0, 1, 2), True, [
            ("contiguity", "a", "a hosts 2 runs of layers, expected one in a row"),
            ("contiguity", "b", "b hosts 2 runs of layers, expected one in a row"),
        ]),
        ({"contiguous": True}, (0, 0, 1, 2, 0), True, [
            ("contiguity", "a", "a hosts 2 runs of layers, expected one in a row"),
        ]),
        ({"contiguous": True}, (0, 1, 0, 1, 2), False, []),
        ({"contiguous": True}, (2, 2, 1, 1, 0), True, []),
        ({}, (0, 1, 0, 1, 2), True, []),
        ({"pinned": {0: "a", 3: "c", 4: "b"}}, (0, 1, 0, 1, 2), True, [
            ("pinned", "layer 3", "layer 3 is on b, expected c: pinned"),
            ("pinned", "layer 4", "layer 4 is on c, expected b: pinned"),
        ]),
        ({"min_layers": {"a": 2, "b": 3, "c": 2}}, (0, 0, 1, 1, 2), True, [
            ("min_layers", "b", "b hosts 2 layers, expected at least 3"),
            ("min_layers", "c", "c hosts 1 layers, expected at least 2"),
        ]),
        ({"max_layers": {"a": 2, "b": 1, "c": 0}}, (0, 0, 1, 1, 2), True, [
            ("max_layers", "b", "b hosts 2 layers, expected at most 1"),
            ("max_layers", "c", "c hosts 1 layers, expected at most 0"),
        ]),
        ({"must_use": ["a", "c"]}, (1, 1, 2, 1, 1), True, [
            ("must_use", "a", "a hosts no layer, expected at least one: it must be used"),
        ]),
        ({"must_use": ["b"], "max_layers": {"a": 4}, "pinned": {1: "c"}}, (0, 0, 0, 0, 0), True, [
            ("pinned", "layer 1", "layer 1 is on a, expected c: pinned"),
            ("max_layers", "a", "a hosts 5 layers, expected at most 4"),
            ("must_use", "b", "b hosts no layer, expected at least one: it must be used"),
        ]),
    ],
)  # fmt: skip
def test_what_is_broken_in_words(rules, placement, runs, lines):
    """Each rule with the place, what is there and what was expected, in this order."""
    cluster = Cluster(tuple("abc"), memory_bytes=9, bandwidth_bytes_per_s=1.0)
    found = Rules(**rules).on(cluster, 5).violations(cluster.device_names, placement, runs=runs)
    assert [(each.constraint, each.where, each.message) for each in found] == lines


def test_limits_by_device():
    """Least and most layers: none, one where a device must be used, and never more than there are."""
    cluster = Cluster(tuple("abcde"), memory_bytes=9, bandwidth_bytes_per_s=1.0)
    rules = Rules(
        min_layers={"a": 3, "b": 0, "c": 0}, max_layers={"a": 3, "d": 9, "e": 0}, must_use=["a", "c", "d"]
    ).on(cluster, 5)
    assert rules.least(5).tolist() == [3, 0, 1, 1, 0]
    assert rules.most(5, 5).tolist() == [3, 5, 5, 5, 0]
    assert Rules().least(2).tolist() == [0, 0]
    assert Rules().most(2, 7).tolist() == [7, 7]
    assert rules.asked == {"layer limits", "devices that must be used"}
    assert Rules(min_layers={"a": 1}).asked == Rules(max_layers={"a": 1}).asked == {"layer limits"}
    assert Rules(contiguous=True, pinned={0: "a"}).asked == {"contiguous", "pinned layers"}
    assert not Rules().asked


@pytest.mark.parametrize("seed", range(12))
def test_furthest_ends_by_enumeration(seed):
    """A run may reach as far as none of its layers is pinned elsewhere, and no longer than the most layers."""
    draw = np.random.default_rng(seed)
    count, size = 6, 3
    cluster = Cluster(tuple("abc"), memory_bytes=9, bandwidth_bytes_per_s=1.0)
    pinned = {int(i): int(draw.integers(size)) for i in draw.choice(count, seed % 4, replace=False)}
    most = {int(j): int(draw.integers(0, count + 3)) for j in draw.choice(size, seed % 3, replace=False)}
    rules = Rules(pinned=pinned, max_layers=most).on(cluster, count)
    for start, j in itertools.product(range(count), range(size)):
        end = start
        while end < count and pinned.get(end, j) == j and end - start < most.get(j, count):
            end += 1
        assert rules.ends(size, count)[start, j] == end


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ({"pinned": {-1: "a"}}, "pinned: expected layers 0 to 4, found -1"),
        ({"pinned": {5: "a"}}, "pinned: expected layers 0 to 4, found 5"),
        ({"pinned": {0: "a", 4: 2}, "min_layers": {"a": 0, "b": 5}, "max_layers": {"a": 0, "b": 5}}, None),
        ({"max_layers": {"b": -1}}, "max_layers.b: expected at least 0, found -1"),
        ({"min_layers": {"b": 6}}, "min_layers.b: expected at most 5 (layers), found 6"),
        ({"min_layers": {"b": 6}, "max_layers": {"b": 7}}, None),
        ({"min_layers": {"b": 3}, "max_layers": {"b": 2}}, "min_layers.b: expected at most 2 (max_layers), found 3"),
    ],
)  # fmt: skip
def test_rules_at_their_limits(rules, line):
    """The first and the last layer, no layers and all, and one beyond."""
    cluster = Cluster(tuple("abc"), memory_bytes=9, bandwidth_bytes_per_s=1.0)
    if line is None:
        Rules(**rules).on(cluster, 5)
    else:
        with pytest.raises(InstanceError) as refused:
            Rules(**rules).on(cluster, 5)
        assert str(refused.value).endswith(line)
