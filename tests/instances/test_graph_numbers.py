"""Layer graphs worked by hand: bandwidths, what is dropped and merged, what crosses each cut, and limits."""

import numpy as np
import pytest

from placewise.instances.importers import layer_graph
from placewise.models.errors import InstanceError


def graph(nodes, edges, devices=2, budget=100, **more):
    """Return a document; nodes are (milliseconds, bytes), edges (first, second, bytes) at 4 bytes per millisecond."""
    return {
        "maxFPGAs": devices,
        "maxSizePerFPGA": budget,
        "nodes": [
            {"id": n, "name": f"n{n}", "fpgaLatency": time, "size": size}
            for n, (time, size) in enumerate(nodes)
        ],
        "edges": [{"sourceId": a, "destId": b, "size": size, "cost": size / 4} for a, b, size in edges],
    } | more


def chain(document, problem="edgeshard-throughput"):
    return layer_graph.instance_of(document, problem, name="g")


def test_a_chain_by_hand():
    """Milliseconds become seconds; 4 bytes per millisecond are 4000 per second; the last layer sends nothing."""
    instance = chain(graph([(2, 3), (4, 5.4), (8, 7)], [(0, 1, 8), (1, 2, 12)], devices=3))
    assert [layer.name for layer in instance.layers] == ["n0", "n1", "n2"]
    assert [layer.memory_bytes for layer in instance.layers] == [3, 5, 7]
    assert [layer.output_bytes for layer in instance.layers] == [8, 12, 0]
    assert instance.compute_time_s.tolist() == [[0.002] * 3, [0.004] * 3, [0.008] * 3]
    assert instance.cluster.device_names == ("accelerator-0", "accelerator-1", "accelerator-2")
    assert instance.cluster.memory_bytes.tolist() == [100] * 3
    assert instance.cluster.bandwidth_bytes_per_s[0, 1] == pytest.approx(4000.0)
    assert not instance.cluster.latency_s.any()
    assert (instance.source, instance.return_bytes) == (0, 0.0)
    assert instance.name == "g-3-accelerators-edgeshard-throughput"


def test_without_messages_links_are_unlimited():
    """No cost says how fast they are."""
    assert chain(graph([(1, 1), (1, 1)], [(0, 1, 0)])).cluster.bandwidth_bytes_per_s[0, 1] == 1e15


@pytest.mark.parametrize(
    ("nodes", "edges", "names", "sizes"),
    [
        # What costs nothing at either end is dropped; in the middle, or with a message, it is not.
        ([(0, 0), (1, 2), (1, 2)], [(0, 1, 0), (1, 2, 4)], ["n1", "n2"], [2, 2]),
        ([(1, 2), (1, 2), (0, 0)], [(0, 1, 4), (1, 2, 0)], ["n0", "n1"], [2, 2]),
        ([(1, 2), (0, 0), (1, 2)], [(0, 1, 0), (1, 2, 0)], ["n0", "n1", "n2"], [2, 0, 2]),
        ([(0, 0), (1, 2), (1, 2)], [(0, 1, 4), (1, 2, 4)], ["n0", "n1", "n2"], [0, 2, 2]),
        ([(0, 1), (1, 2), (1, 2)], [(0, 1, 0), (1, 2, 4)], ["n0", "n1", "n2"], [1, 2, 2]),
        # Last nodes without work go to what they follow, with their size; first ones stay.
        ([(1, 2), (1, 3), (0, 5)], [(0, 1, 4), (1, 2, 8)], ["n0", "n1+n2"], [2, 8]),
        ([(1, 2), (1, 3), (0, 5), (0, 7)], [(0, 1, 4), (1, 2, 8), (1, 3, 8)], ["n0", "n1+n2+n3"], [2, 15]),
        ([(0, 2), (1, 3)], [(0, 1, 4)], ["n0", "n1"], [2, 3]),
        ([(0, 0)], [], ["n0"], [0]),
        ([(0, 0), (0, 0)], [(0, 1, 0)], ["n1"], [0]),
    ],
)
def test_what_is_dropped_and_merged(nodes, edges, names, sizes):
    """By hand."""
    instance = chain(graph(nodes, edges))
    assert [layer.name for layer in instance.layers] == names
    assert [layer.memory_bytes for layer in instance.layers] == sizes


def test_idle_ends_are_merged_where_everything_fits_exactly():
    """10 bytes on a device of 10; with one byte less they stay."""
    nodes, edges = [(1, 2), (1, 3), (0, 5)], [(0, 1, 4), (1, 2, 8)]
    assert len(chain(graph(nodes, edges, budget=10)).layers) == 2
    assert len(chain(graph(nodes, edges, budget=9)).layers) == 3


def test_crossing_messages_by_hand():
    """Each node's output once per cut, as large as the largest that still has to pass it."""
    edges = [(0, 1, 4), (1, 2, 8), (2, 3, 12), (0, 2, 20), (0, 3, 16), (1, 3, 2)]
    instance = chain(graph([(90, 1)] * 4, edges))
    # Cut 0: node 0 sends 20; cut 1: 20 and 8; cut 2: 16, 2 and 12.
    assert [layer.output_bytes for layer in instance.layers] == [20, 28, 30, 0]


def test_skipping_messages_may_take_as_long_as_the_slowest_node():
    """28 bytes at 4 per millisecond take 7 ms: exactly as long is allowed, longer is not."""
    edges = [(0, 1, 4), (1, 2, 8), (0, 2, 20)]
    assert len(chain(graph([(1, 1), (7, 1), (1, 1)], edges)).layers) == 3
    with pytest.raises(InstanceError, match="may be the bottleneck"):
        chain(graph([(1, 1), (6.9, 1), (1, 1)], edges))
    for budget, fits in ((3, True), (2, False)):
        document = graph([(1, 1)] * 3, edges, budget=budget)
        if fits:
            assert len(chain(document, "edgeshard-latency").layers) == 3
        else:
            with pytest.raises(InstanceError, match="not all fit on one device"):
                chain(document, "edgeshard-latency")


def test_of_two_edges_the_larger_counts():
    """Whichever comes first."""
    for sizes in ((4, 8), (8, 4)):
        instance = chain(graph([(1, 1)] * 2, [(0, 1, size) for size in sizes]))
        assert [layer.output_bytes for layer in instance.layers] == [8, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maxFPGAs": 257}, "maxFPGAs: expected 1 to 256 devices, found 257"),
        ({"maxFPGAs": 0}, "maxFPGAs: expected 1 to 256"),
        ({"maxSizePerFPGA": 2**50 + 2}, "maxSizePerFPGA"),
        ({"nodes": [{}] * 4097}, "nodes: expected a list of at most 4096"),
        ({"nodes": [3]}, "nodes: expected a list"),
        ({"nodes": [{"id": True}]}, r"nodes\[0\]\.id: expected a whole number, found True"),
        ({"edges": None}, "edges: expected a list of at most 100000"),
        (
            {"edges": [{"sourceId": 5, "destId": 0}]},
            r"edges\[0\]\.sourceId: expected the id of a node, found 5",
        ),
        ({"edges": [{"sourceId": 0, "destId": 1, "size": 1, "cost": 0}]}, "a cost where there is a size"),
    ],
)
def test_limits_of_graphs(change, message):
    """Naming the place."""
    document = graph([(1, 1), (1, 1)], [(0, 1, 4)])
    with pytest.raises(InstanceError, match=message):
        chain(document | change)
    assert chain(document | {"maxFPGAs": 256, "maxSizePerFPGA": 2**50}).cluster.size == 256


def test_costs_are_in_proportion_to_sizes():
    """One bandwidth: a part in a million is rounding, ten are another link."""
    document = graph([(1, 1)] * 3, [(0, 1, 4), (1, 2, 8)])
    for factor, refused in ((1 + 5e-7, False), (1 + 1e-5, True)):
        document["edges"][1]["cost"] = 2 * factor
        if refused:
            with pytest.raises(InstanceError, match=r"edges\[1\]\.cost: expected costs in proportion"):
                chain(document)
        else:
            chain(document)


def test_what_a_graph_is():
    """By its keys."""
    assert layer_graph.is_layer_graph(graph([], []))
    for key in ("nodes", "edges", "maxFPGAs"):
        assert not layer_graph.is_layer_graph({k: v for k, v in graph([], []).items() if k != key})
    assert layer_graph.is_layer_graph(dict.fromkeys(("nodes", "edges", "maxFPGAs")))
    assert not layer_graph.is_layer_graph(["nodes", "edges", "maxFPGAs"])


def test_names_and_colours():
    """A node without a name is called by its number; colours tie nodes only where they repeat."""
    document = graph([(1, 1)] * 2, [(0, 1, 4)])
    del document["nodes"][0]["name"]
    document["nodes"][0]["colorClass"], document["nodes"][1]["colorClass"] = 1, 2
    assert [layer.name for layer in chain(document).layers] == ["node-0", "n1"]
    document["nodes"][0]["name"] = "x" * 250
    assert all(len(layer.name) <= 250 for layer in chain(document).layers)
    assert np.isfinite(chain(document).compute_time_s).all()


@pytest.mark.parametrize("length", [2, 5, 9])
def test_a_cycle_is_shown_up_to_five_of_its_nodes(length):
    """A long one is no list to read."""
    cycle = [(n, (n + 1) % length, 4) for n in range(length)]
    with pytest.raises(InstanceError, match="expected no cycle, found n") as refused:
        chain(graph([(1, 1)] * length, cycle))
    assert str(refused.value).count(" -> ") == min(length, 4)
