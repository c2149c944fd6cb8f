"""Other tools' files: GGUF headers tensor by tensor, layer graphs against all placements of the graph itself."""

import bisect
import dataclasses
import itertools
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from readers import CONFIG

from placewise.cli.main import main
from placewise.instances import convert, read, to_document
from placewise.instances.files import from_document
from placewise.instances.folder import DATA
from placewise.instances.importers import gguf_header, gguf_model, layer_graph
from placewise.instances.registry import FORMATS
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status

#: Samples of other tools, each folder with its licence.
PEERS = Path(__file__).parent / "peers"
CLUSTER = {
    "devices": [
        {"name": "d", "count": 2, "memory_bytes": 6e5, "flops_per_s": 1e9, "memory_bytes_per_s": 1e9}
    ],
    "bandwidth_bytes_per_s": 1e8,
}


@pytest.fixture
def cluster(tmp_path):
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(CLUSTER), encoding="utf-8")
    return path


@pytest.fixture
def weights(tmp_path):
    """Write a model of 2 blocks with the format's own library: one matrix in 8 bits, the others in 32 and 16."""
    from gguf import GGMLQuantizationType, GGUFWriter

    path = tmp_path / "tiny.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_token_list([f"word-{n}" for n in range(5000)])
    writer.add_token_scores([0.0] * 5000)
    writer.add_tensor("token_embd.weight", np.zeros((500, 64), np.float16))
    for n in range(2):
        for name, shape in (("attn_q", (64, 64)), ("ffn_gate", (128, 64)), ("ffn_down", (64, 128))):
            writer.add_tensor(f"blk.{n}.{name}.weight", np.zeros(shape, np.float32))
    packed = np.zeros((64, 64 // 32 * 34), np.uint8)
    writer.add_tensor("blk.1.attn_v.weight", packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", np.zeros(64, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_gguf_sizes_are_those_of_the_tensors(weights, cluster, tmp_path):
    """Weights in their stored types, 16-bit cache beside them; a tied table is shared."""
    target = tmp_path / "out.json"
    command = ["convert", str(weights), "--cluster", str(cluster), "--sequence-length", "10"]
    assert main([*command, "--output", str(target)]) == 0
    instance = read(target)
    block, cache = 4 * (64 * 64 + 2 * 64 * 128), 2 * 10 * 32 * 2
    assert [layer.memory_bytes for layer in instance.layers] == [
        0,
        block + cache,
        block + 64 * 2 * 34 + cache,
        4 * 64,
    ]
    table = (("token_embd.weight", 2 * 500 * 64),)
    assert [layer.shared for layer in instance.layers] == [table, (), (), table]
    assert instance.layers[3].weight_bytes == 2 * 500 * 64 + 4 * 64
    assert instance.layers[2].weight_bytes == instance.layers[2].memory_bytes
    assert instance.layers[0].weight_bytes == 128  # one row
    assert solve(instance, isolate=False).status is Status.OPTIMAL


def test_gguf_alone_is_no_instance(weights):
    """It needs devices."""
    with pytest.raises(PlacewiseError, match="expected --cluster with it"):
        read(weights)


def test_gguf_header_alone_is_enough(weights, tmp_path):
    """The first bytes of a model that is still elsewhere."""
    content = weights.read_bytes()
    header = gguf_header.parse_header(content)
    size = bisect.bisect_left(range(len(content)), True, key=lambda n: _parses(content[:n]))
    assert size < len(content) // 2
    assert gguf_header.parse_header(content[:size]) == header


def _parses(content):
    try:
        gguf_header.parse_header(content)
    except InstanceError:
        return False
    return True


def test_gguf_parts_are_one_model(weights, cluster):
    """All parts are needed; a part that is missing is said."""
    instance = convert([weights, weights], cluster=cluster)
    assert len(instance.layers) == 4
    header = gguf_header.parse_header(weights.read_bytes())
    header.metadata["split.count"] = 3
    with pytest.raises(PlacewiseError, match="is a part of the model missing"):
        gguf_model.model_of(
            dataclasses.replace(
                header,
                tensor_bytes={k: v for k, v in header.tensor_bytes.items() if not k.startswith("blk.0")},
            ),
            "m",
        )


@pytest.mark.parametrize("problem", ["dilemma", "head-migration", "head-migration-decoder"])
def test_gguf_is_no_choice_of_widths(weights, cluster, problem):
    """Its widths are chosen already."""
    with pytest.raises(PlacewiseError, match="take a config"):
        convert(weights, cluster=cluster, problem=problem)


def string(text):
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGUF", "ends too early"),
        (b"GGUF" + struct.pack("<I", 1), "version 2 or 3"),
        (b"GGUF" + struct.pack(">I", 3), "little-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "ends too early"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "ends too early"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string(b"k") + struct.pack("<IIQ", 9, 0, 2**62), "too early"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string(b"k") + struct.pack("<IIQ", 9, 9, 1), "found type 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string(b"\xff") + struct.pack("<IB", 0, 1), "UTF-8"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + string(b"t") + struct.pack("<IQIQ", 1, 8, 99, 0), "type of weights"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + string(b"t") + struct.pack("<IQIQ", 1, 8, 8, 0), "whole blocks of 32"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + string(b"t") + struct.pack("<I", 2**31), "1 to 4 dimensions"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "general.architecture"),
    ],
)  # fmt: skip
def test_broken_gguf_is_one_line(content, message, cluster, tmp_path, capsys):
    """Counts that the file does not hold neither hang nor fill memory."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    assert main(["convert", str(path), "--cluster", str(cluster)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "broken.gguf" in error


@pytest.mark.parametrize("problem", [name for name, known in FORMATS.items() if known.from_model])
def test_what_was_converted_is_written_and_read_back(problem, cluster, tmp_path):
    """A published shape in every problem: the file holds all of it."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    instance = convert(config, cluster=cluster, problem=problem, sequence_length=8, name="tiny")
    document = to_document(instance)
    assert to_document(from_document(json.loads(json.dumps(document)))) == document


def test_a_sample_of_profiles_has_its_optimum():
    """Qwen3 4B in 8 bits on two laptops: proven, and the file is read back."""
    folder = DATA / "library" / "halda"
    profiles = [folder / "model_profile_qwen3_4b_8bit.json", *sorted(folder.glob("*-m[12].json"))]
    instance = convert(profiles, quantization="Q8_0", sequence_length=4096)
    assert to_document(from_document(to_document(instance))) == to_document(instance)
    result = solve(instance, isolate=False)
    assert (result.status, round(result.objective * 1e3, 2)) == (Status.OPTIMAL, 22.15)


@pytest.mark.parametrize(
    ("problem", "milliseconds"), [("edgeshard-latency", 92.41), ("edgeshard-throughput", 17.79)]
)
def test_a_sample_graph_has_its_optimum(problem, milliseconds):
    """BERT with 24 layers on six accelerators: 32 nodes become a chain of 27; the sum of times, and the bottleneck."""
    instance = convert(PEERS / "dnn-partitioning" / "bert24_inference.json", problem=problem)
    assert len(instance.layers) == 27
    assert to_document(from_document(to_document(instance))) == to_document(instance)
    result = solve(instance, isolate=False)
    assert (result.status, round(result.objective * 1e3, 2)) == (Status.OPTIMAL, milliseconds)


def test_a_sample_that_branches_is_refused():
    """With two nodes that have no order."""
    with pytest.raises(PlacewiseError, match="node6 and node14 have no order"):
        convert(PEERS / "dnn-partitioning" / "resnet50_inference.json", problem="edgeshard-throughput")


def graph(times, sizes, edges, devices=3, budget=100, bandwidth=1.0):
    """Return a graph's document; edges are (first, second, bytes)."""
    return {
        "maxFPGAs": devices,
        "maxSizePerFPGA": budget,
        "nodes": [
            {"id": n, "name": f"n{n}", "fpgaLatency": time, "size": size, "supportedOnFpga": 1}
            for n, (time, size) in enumerate(zip(times, sizes, strict=True))
        ],
        "edges": [
            {"sourceId": first, "destId": second, "size": size, "cost": size / bandwidth}
            for first, second, size in edges
        ],
    }


def least_bottleneck(document):
    """Try all placements of a graph whose stages follow each other: the slowest stage or link, in milliseconds."""
    nodes, edges = document["nodes"], document["edges"]
    best = float("inf")
    for placed in itertools.product(range(document["maxFPGAs"]), repeat=len(nodes)):
        loads, sizes, sent = {}, {}, {}
        for node, device in zip(nodes, placed, strict=True):
            loads[device] = loads.get(device, 0) + node["fpgaLatency"]
            sizes[device] = sizes.get(device, 0) + node["size"]
        for edge in edges:
            link = placed[edge["sourceId"]], placed[edge["destId"]]
            if link[0] != link[1]:
                messages = sent.setdefault(link, {})
                messages[edge["sourceId"]] = max(messages.get(edge["sourceId"], 0), edge["cost"])
        if max(sizes.values()) > document["maxSizePerFPGA"] or _circular(set(sent)):
            continue
        best = min(best, max([*loads.values(), *(sum(messages.values()) for messages in sent.values())]))
    return best


def _circular(links):
    while links:
        ends = {b for _, b in links} - {a for a, _ in links}
        if not ends:
            return True
        links = {link for link in links if link[1] not in ends}
    return False


@given(st.data())
def test_a_graph_that_converts_keeps_its_optimum(data):
    """Idle ends merged, skipping edges carried along: the chain's pipeline is as fast as the graph's best one."""
    count = data.draw(st.integers(2, 5))
    times = data.draw(st.lists(st.sampled_from([0, 1, 2, 5, 9]), min_size=count, max_size=count))
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    pairs = [
        pair
        for pair in itertools.combinations(range(count), 2)
        if pair[1] == pair[0] + 1 or data.draw(st.integers(0, 3)) == 0
    ]
    if data.draw(st.booleans()):  # the last two both follow the one before
        pairs = [pair for pair in pairs if pair != (count - 2, count - 1)] + [(max(count - 3, 0), count - 1)]
        pairs = [pair for pair in dict.fromkeys(pairs) if pair[0] < pair[1]]
    edges = [(a, b, data.draw(st.sampled_from([0, 1, 2, 8]))) for a, b in pairs]
    document = graph(times, sizes, edges, budget=data.draw(st.sampled_from([5, 8, 100])))
    try:
        instance = layer_graph.instance_of(document, "edgeshard-throughput", name="drawn")
    except InstanceError:
        return
    result = solve(instance, isolate=False)
    best = least_bottleneck(document)
    if result.status is Status.INFEASIBLE:
        assert best == float("inf")
    else:
        assert result.objective == pytest.approx(best / 1e3)


def test_a_graph_like_an_encoder_converts():
    """A free mask for every layer, a pooler beside the last one, two idle outputs: all contracted, 4 layers remain."""
    document = graph(
        [0, 5, 6, 1, 7, 0, 0],
        [0, 9, 9, 1, 9, 5, 3],
        [(0, 1, 0), (0, 2, 0), (1, 2, 4), (2, 3, 4), (2, 4, 4), (3, 4, 1), (4, 5, 8), (4, 6, 8)],
        budget=50,
        bandwidth=10.0,
    )
    throughput = layer_graph.instance_of(document, "edgeshard-throughput", name="encoder")
    assert [layer.name for layer in throughput.layers] == ["n1", "n2", "n3", "n4+n5+n6"]
    assert [layer.output_bytes for layer in throughput.layers] == [4, 4, 5, 0]
    assert solve(throughput, isolate=False).objective == pytest.approx(least_bottleneck(document) / 1e3)
    latency = layer_graph.instance_of(document, "edgeshard-latency", name="encoder")
    assert solve(latency, isolate=False).objective == pytest.approx(0.019)


def test_an_idle_end_stays_where_memory_binds():
    """It is not merged into what fills a device alone."""
    document = graph([5, 0], [9, 9], [(0, 1, 4)], budget=10)
    instance = layer_graph.instance_of(document, "edgeshard-throughput", name="full")
    assert len(instance.layers) == 2
    assert solve(instance, isolate=False).objective == pytest.approx(least_bottleneck(document) / 1e3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": []}, "nodes: expected at least one"),
        ({"nodes": "many"}, "nodes: expected a list"),
        ({"maxFPGAs": 0}, "maxFPGAs: expected 1 to 256"),
        ({"maxFPGAs": 1e300}, "maxFPGAs: expected a number"),
        ({"maxSizePerFPGA": -1}, "maxSizePerFPGA"),
        ({"edges": [{"sourceId": 0, "destId": 9, "size": 0, "cost": 0}]}, r"edges\[0\].destId: expected the id"),
        ({"edges": [{"sourceId": 0, "destId": 1, "size": 0, "cost": 2}]}, "a cost where there is a size"),
        ({"edges": graph([], [], [(0, 1, 1), (1, 0, 1)])["edges"]}, "no cycle"),
        ({"edges": graph([], [], [(0, 1, 1)])["edges"]}, "branches"),
        ({"edges": graph([], [], [(0, 1, 1), (1, 2, 1), (0, 2, 9)])["edges"]}, "may be the bottleneck"),
    ],
)  # fmt: skip
def test_graphs_that_are_no_chain_are_refused(change, message):
    """Naming the place."""
    document = graph([1, 2, 3], [1, 1, 1], [(0, 1, 1), (1, 2, 1)]) | change
    with pytest.raises(InstanceError, match=message):
        layer_graph.instance_of(document, "edgeshard-throughput", name="g")


def test_graph_refusals_by_node():
    """Backward nodes, nodes for some devices only, tied nodes, another problem, no room for latency."""
    for key, value, message in (
        ("isBackwardNode", 1, "without backward nodes"),
        ("supportedOnFpga", 0, "run on all devices"),
        ("id", 1, "distinct numbers"),
        ("id", "x", "expected a whole number"),
        ("fpgaLatency", None, r"nodes\[0\].fpgaLatency"),
    ):
        document = graph([1, 2], [1, 1], [(0, 1, 1)])
        document["nodes"][0][key] = value
        with pytest.raises(InstanceError, match=message):
            layer_graph.instance_of(document, "edgeshard-throughput", name="g")
    tied = graph([1, 2], [1, 1], [(0, 1, 1)])
    tied["nodes"] = [node | {"colorClass": 7} for node in tied["nodes"]]
    with pytest.raises(InstanceError, match="colorClass per node"):
        layer_graph.instance_of(tied, "edgeshard-throughput", name="g")
    skipping = graph([1, 2, 3], [9, 9, 9], [(0, 1, 1), (1, 2, 1), (0, 2, 1)], budget=20)
    with pytest.raises(InstanceError, match="not all fit on one device"):
        layer_graph.instance_of(skipping, "edgeshard-latency", name="g")
    with pytest.raises(PlacewiseError, match="--problem"):
        layer_graph.instance_of(skipping, "dilemma", name="g")
