"""Graph latency: times by hand, labels and statement against brute force, dnn-partitioning's graphs."""

from collections import Counter
from dataclasses import replace

import pytest

from placewise.benchmarks.agreement import judge
from placewise.benchmarks.conformance.methods import check_method
from placewise.instances import convert, generate, read
from placewise.instances.importers import branching
from placewise.models.cluster import Cluster
from placewise.models.errors import NotApplicableError
from placewise.models.graph import GraphLatency, Message, Node, timeline
from placewise.models.graph.cost import loads
from placewise.models.registry import evaluate
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


@pytest.mark.parametrize(
    ("placement", "compute_s", "messages_s"),
    [
        ((0, 0, 1, 1), 10, 2.0),  # b waits for a on one, and c for both on two
        (
            (0, 2, 2, 1),
            9,
            1.5,
        ),  # a leaves one, the cores compute b and c at once and pay nothing, d gets both
        ((2, 2, 2, 2), 13, 0.0),
        ((2, 0, 1, 2), 11, 1.0),  # one and two at once, the cores before and after
    ],
)
def test_times_by_hand(placement, compute_s, messages_s):
    """A part gets, computes and sends, and only then others have what they need; cores do not wait for each other."""
    found = evaluate(read("hand-graph-latency"), placement)
    assert found.feasible
    assert found.terms == {"compute": compute_s, "messages": messages_s}
    assert found.objective == compute_s + messages_s


def test_parts_that_need_each_other_have_no_time():
    """From one device to the cores and back; memory is named too."""
    instance = read("hand-graph-latency")
    found = evaluate(instance, ("one", "cores", "cores", "one"))
    assert (found.objective, [v.constraint for v in found.violations]) == (None, ["order"])
    assert found.violations[0].message.startswith("parts need each other: ")
    found = evaluate(instance, (0, 1, 0, 0))
    assert [v.constraint for v in found.violations] == ["memory", "order"]


def test_a_circle_without_time_is_a_circle():
    """Two devices that need each other are refused also where nothing takes any time: no method may give one."""
    nodes = [Node(name, 1) for name in "abcd"]
    messages = [Message(0, (1,), 0.0), Message(2, (3,), 0.0)]
    instance = GraphLatency(Cluster(["one", "two"], 4, 1.0), nodes, messages, [[0, 0]] * 4)
    assert not evaluate(instance, (0, 1, 1, 0)).feasible
    assert evaluate(instance, (0, 1, 0, 1)).objective == 0.0
    assert judge(instance, ["brute-force", "ideals", "highs"], Counter()) == []


def test_the_way_that_takes_longest():
    """Blocks begin when the last is done of what they need."""
    instance = read("hand-graph-latency")
    tick_s = loads(instance).tick_s
    found = timeline(instance, (0, 2, 2, 1))
    assert [(block.device, block.start * tick_s, block.done * tick_s) for block in found.values()] == [
        (0, 0.0, 2.5),
        (2, 2.5, 7.5),
        (2, 2.5, 7.5),
        (1, 7.5, 10.5),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_exact_methods_equal_brute_force(seed):
    """More seeds: python -m placewise.benchmarks.graphs --tiny 500 --problem graph-latency."""
    instance = generate("graph-latency", "tiny", seed=3000 + seed)
    assert judge(instance, ["brute-force", "ideals", "highs"], Counter()) == []


def test_methods_keep_their_contract():
    """Also stopped anywhere, and from a warm start."""
    check_method("ideals", "graph-latency", seeds=range(3))
    check_method("prefixes", "graph-latency", seeds=range(3))


def test_hosts_that_memory_fills_go_to_the_statement():
    """Labels do not count a host's bytes."""
    instance = read("hand-graph-latency")
    small = replace(instance, cluster=replace(instance.cluster, memory_bytes=[20, 20, 10]))
    with pytest.raises(NotApplicableError, match="cores: ideals takes hosts that hold all nodes, 40 bytes"):
        solve(small, "ideals", isolate=False)
    result = solve(small, isolate=False)
    assert (result.status, result.objective, result.method) == (Status.OPTIMAL, 12.0, "highs")


def test_cores_are_one_device(tmp_path):
    """However many: nodes do not wait for each other there; the same file serves both problems."""
    import json

    graph = {
        "maxFPGAs": 1,
        "maxCPUs": 8,
        "maxSizePerFPGA": 3,
        "nodes": [{"id": n, "name": f"n{n}", "fpgaLatency": 2, "cpuLatency": 3, "size": 3} for n in range(3)],
        "edges": [{"sourceId": 0, "destId": d, "cost": 0.5} for d in (1, 2)],
    }
    instance = branching.instance_of(graph, "graph-latency", name="g")
    assert (instance.cluster.device_names, instance.hosts) == (("accelerator-0", "cores"), (1,))
    assert solve(instance, isolate=False).objective == pytest.approx(0.0055)  # n0 on the accelerator
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(graph), encoding="utf-8")
    assert convert(path, problem="graph-latency").problem == "graph-latency"
    assert convert(path, problem="graph-throughput").cluster.size == 9


def test_a_published_graph_is_proven():
    """BERT-24 on accelerators that hold a third of it each."""
    result = solve(read("graph-latency-bert24"), isolate=False)
    assert result.status is Status.OPTIMAL
    assert 1e3 * result.objective == pytest.approx(100.2185, abs=1e-4)
