"""Graph throughput: loads by hand, ideals and statement against brute force, contraction, dnn-partitioning's graphs."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.benchmarks.conformance.methods import check_method
from placewise.instances import convert, generate, read
from placewise.instances.importers import branching
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.graph import GraphThroughput, Message, Node, evaluate, stages
from placewise.models.graph.cost import device_loads, loads
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.graph.contraction import contracted
from placewise.solvers.graph.ideals import IdealTables, all_ideals


def test_loads_by_hand():
    """An output is paid once where it leaves and once where it comes; the core pays nothing for messages."""
    instance = read("hand-graph")
    tick_s = loads(instance).tick_s
    for placement, expected in (
        ((0, 0, 1, 1), [(5, 1), (5, 1), (0, 0)]),
        ((0, 1, 1, 1), [(2, 0.5), (8, 0.5), (0, 0)]),
        ((0, 1, 0, 2), [(5, 1), (3, 1), (20, 0)]),
    ):
        assert [(c * tick_s, s * tick_s) for c, s in device_loads(instance, placement)] == expected
    found = evaluate(instance, (0, 0, 1, 1))
    assert (found.objective, found.terms, found.feasible) == (6.0, {"compute": 5.0, "messages": 1.0}, True)


def test_what_goes_round_is_refused():
    """From one device to another and back, and more than a device has."""
    instance = read("hand-graph")
    found = evaluate(instance, ("one", "two", "one", "one"))
    assert {violation.constraint for violation in found.violations} == {"memory", "order"}
    assert solve(instance, isolate=False).objective == 6.0
    assert [part.device for part in stages(instance, (1, 1, 0, 0))] == ["two", "one"]


@pytest.mark.parametrize("seed", range(12))
def test_exact_methods_equal_brute_force(seed):
    """More seeds: python -m placewise.benchmarks.graphs --tiny 500."""
    instance = generate("graph-throughput", "tiny", seed=1000 + seed)
    assert judge(instance, ["ideals", "highs"], Counter()) == []


def test_methods_keep_their_contract():
    """Also stopped anywhere, and from a warm start."""
    check_method("ideals", "graph-throughput", seeds=range(3))
    check_method("prefixes", "graph-throughput", seeds=range(3))


def test_ideals_by_hand():
    """A diamond has six, of which the chain's way sees five; all that two chains of two nodes make are nine."""
    graph = contracted(read("hand-graph"))
    masks = all_ideals(graph, 100, lambda: False)
    assert sorted(masks) == [0b0, 0b1, 0b11, 0b101, 0b111, 0b1111]
    assert all_ideals(graph, 5, lambda: False) is None
    tables = IdealTables(graph, masks)
    assert [len(tables.larger(at, 10**18)) for at in range(6)] == [5, 4, 2, 2, 1, 0]
    half = tables.messages(1, tables.larger(1, 10**18)) * loads(read("hand-graph")).tick_s
    assert sorted(half.tolist()) == [0.5, 1.0, 1.0, 1.5]  # b, c and d; b alone; c alone; b and c


def test_free_nodes_go_with_their_neighbour():
    """A constant without time or bytes saves its message; one that needs bytes stays where memory may bind."""
    nodes = [Node("constant", 0), Node("layer", 4), Node("last", 4)]
    messages = [Message(0, (1,), 1.0), Message(1, (2,), 1.0)]
    instance = GraphThroughput(Cluster(["a", "b"], 8, 1.0), nodes, messages, [[0, 0], [1, 1], [1, 1]])
    assert contracted(instance).groups == [[0, 1], [2]]
    heavy = replace(instance, nodes=(Node("constant", 1), *nodes[1:]))
    assert len(contracted(heavy).groups) == 3
    assert solve(instance, isolate=False).objective == 2.0


def test_devices_of_too_many_kinds_go_to_the_statement():
    """Ideals count devices of each kind; thirteen kinds of one device each are too many ways."""
    table = np.arange(1.0, 14.0)[None, :].repeat(2, axis=0)
    instance = GraphThroughput(
        Cluster([f"d{j}" for j in range(13)], 8, 1.0), [Node("a", 1), Node("b", 1)], [], table
    )
    result = solve(instance, isolate=False)
    assert (result.status, result.objective, result.method) == (Status.OPTIMAL, 2.0, "highs")


GRAPH = {
    "maxFPGAs": 2,
    "maxCPUs": 1,
    "maxSizePerFPGA": 100,
    "nodes": [
        {"id": 7 + n, "name": f"n{n}", "fpgaLatency": 2, "cpuLatency": 20, "size": 3, "colorClass": colour}
        for n, colour in enumerate((0, 1, 0, 2))
    ],
    "edges": [
        {"sourceId": 7, "destId": 8, "cost": 0.5},
        {"sourceId": 8, "destId": 9, "cost": 0.25},
        {"sourceId": 9, "destId": 10, "cost": 1},
    ],
}


def test_a_graph_by_hand():
    """Nodes of one colour, and the one between them, are one; milliseconds are seconds; cores are hosts."""
    instance = branching.instance_of(GRAPH, "graph-throughput", name="g")
    assert [(node.name, node.memory_bytes) for node in instance.nodes] == [("n0 and 2 more", 9), ("n3", 3)]
    assert instance.compute_time_s.tolist() == [[0.006, 0.006, 0.06], [0.002, 0.002, 0.02]]
    assert instance.messages == (Message(0, (1,), 0.001),)
    assert (instance.hosts, instance.cluster.device_names[2]) == ((2,), "core-0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": []}, "nodes: expected at least one"),
        ({"maxFPGAs": 0, "maxCPUs": 0}, "maxFPGAs: expected 1 to"),
        (
            {"edges": [{"sourceId": 7, "destId": 5, "cost": 1}]},
            r"edges\[0\].destId: expected the id of a node",
        ),
        (
            {"edges": [*GRAPH["edges"], {"sourceId": 7, "destId": 9, "cost": 2}]},
            r"edges\[3\].cost: expected the same cost",
        ),
        ({"nodes": [GRAPH["nodes"][0]] * 2}, r"nodes\[1\].id: expected distinct"),
    ],
)
def test_graphs_that_are_wrong(change, message):
    """The place is named."""
    with pytest.raises(InstanceError, match=message):
        branching.instance_of(GRAPH | change, "graph-throughput", name="g")


def test_published_graphs_are_proven():
    """ResNet-50's split is that of its paper's dynamic programme; a wrong problem names the way on."""
    result = solve(read("graph-resnet50"), isolate=False)
    assert result.status is Status.OPTIMAL
    assert 1e3 * result.objective == pytest.approx(33.7747, abs=1e-4)


def test_the_way_on_is_named(tmp_path):
    """A graph that branches is no chain, and which problem takes it is said."""
    import json

    path = tmp_path / "graph.json"
    graph = GRAPH | {"nodes": [node | {"colorClass": n} for n, node in enumerate(GRAPH["nodes"])]}
    graph["edges"] = [{"sourceId": 7, "destId": d, "cost": 1, "size": 1} for d in (8, 9, 10)]
    path.write_text(json.dumps(graph), encoding="utf-8")
    with pytest.raises(PlacewiseError, match="--problem graph-throughput takes graphs that branch"):
        convert(path)
    assert convert(path, problem="graph-throughput").cluster.size == 3
