"""Cluster files as people type them: read rightly, or one line that says what was meant."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from readers import CONFIG

from placewise import solve
from placewise.instances import convert, to_document
from placewise.instances.files import from_document
from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.instances.importers.conversion import instance_of
from placewise.instances.importers.source import noted, with_source
from placewise.instances.importers.transformer_config import read_config
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.solvers.evidence.result import Status

A = {"name": "a", "memory_bytes": 24e9, "flops_per_s": 1e12, "memory_bytes_per_s": 1e11}
B = A | {"name": "b"}
PAIR = {"devices": [A, B], "bandwidth_bytes_per_s": 1e9}
TYPED = {"name": "a", "memory_bytes": "24 GB", "flops_per_s": "1 TFLOPS", "memory_bytes_per_s": "100 GB/s"}


def device(**changes):
    """Return a file of one device with some of its keys changed; None takes one away."""
    return {"devices": [{key: value for key, value in (A | changes).items() if value is not None}]}


#: As typed, and what is read: memory and rates of the first device, the first row's bandwidth and latency.
READ = {
    "si": (PAIR, (24e9, 1e12, 1e11, 1e9, 0)),
    "units": ({"devices": [TYPED, B], "bandwidth_bytes_per_s": "1 Gbps", "latency_s": "0.3 ms"}, (24e9, 1e12, 1e11, 1.25e8, 3e-4)),
    "single": (device(), (24e9, 1e12, 1e11)),
    "gib": (device(memory_bytes="23.7 GiB"), (25447681228, 1e12, 1e11)),
    "half": (device(memory_bytes=7.5e9), (75e8, 1e12, 1e11)),
    "reserve": (device(reserve_bytes="1.5 GB"), (225e8, 1e12, 1e11)),
    "reserve of a fraction": (device(memory_bytes="0.1 GiB", reserve_bytes="0.1 GB"), (7374182, 1e12, 1e11)),
    "reserve in percent": (device(reserve_bytes="10 %"), (216e8, 1e12, 1e11)),
    "reserve of all": (device() | {"reserve_bytes": 2e9}, (22e9, 1e12, 1e11)),
    "own reserve": (device(reserve_bytes=1) | {"reserve_bytes": 2e9}, (24e9 - 1, 1e12, 1e11)),
    "efficiency": (device(efficiency=0.5), (24e9, 5e11, 5e10)),
    "efficiency in percent": (device() | {"efficiency": "25 %"}, (24e9, 2.5e11, 2.5e10)),
    "catalogue": ({"devices": [{"name": "rtx-4090"}]}, (24e9, 82.6e12, 1008e9)),
    "as on the box": ({"devices": [{"name": "NVIDIA GeForce RTX 4090"}]}, (24e9, 82.6e12, 1008e9)),
    "override": ({"devices": [{"name": "desk", "device": "rtx-4090", "memory_bytes": "22 GB"}]}, (22e9, 82.6e12, 1008e9)),
    "size in the name": ({"devices": [{"name": "m2-max-64gb"}]}, (64e9, 13.6e12, 400e9)),
    "size stated": ({"devices": [{"name": "M2 Max", "memory_bytes": "96 GB"}]}, (96e9, 13.6e12, 400e9)),
    "links": (PAIR | {"bandwidth_bytes_per_s": {"default": "1 GbE", "links": [["a", "b", "100 Mbps"]]}}, (24e9, 1e12, 1e11, 125e5, 0)),
    "symmetric": (PAIR | {"bandwidth_bytes_per_s": {"default": 1, "links": [["b", "a", "10 MB/s"]], "symmetric": True}}, (24e9, 1e12, 1e11, 1e7, 0)),
    "latency by link": (PAIR | {"latency_s": {"default": 0.001, "links": [["a", "b", "20 ms"]]}}, (24e9, 1e12, 1e11, 1e9, 0.02)),
    "matrix": (PAIR | {"bandwidth_bytes_per_s": [[None, "1 Gbps"], [2e9, None]]}, (24e9, 1e12, 1e11, 1.25e8, 0)),
    "latency matrix": (PAIR | {"latency_s": [[None, "10 ms"], [0.01, None]]}, (24e9, 1e12, 1e11, 1e9, 0.01)),
    "hops": (PAIR | {"hop_overhead_s": "2 ms", "latency_s": 0.001}, (24e9, 1e12, 1e11, 1e9, 0.003)),
    "count": ({"devices": [A | {"count": 2}], "bandwidth_bytes_per_s": 1e9}, (24e9, 1e12, 1e11, 1e9, 0)),
    "an instance's cluster": ({"cluster": PAIR}, (24e9, 1e12, 1e11, 1e9, 0)),
    "client": ({"devices": [{"name": "phone", "memory_bytes": 0}, A], "bandwidth_bytes_per_s": 1e9}, (0, 1e12, 1e11, 1e9, 0)),
}  # fmt: skip
REFUSED = {
    "gb in the key": (device(memory_bytes=None, memory_gb=24), r'devices\[0\].memory_gb: .*"memory_bytes": "24 GB"'),
    "gbps in the key": (device() | {"bandwidth_gbps": 1}, 'bandwidth_gbps: .*"bandwidth_bytes_per_s": "1 Gbps"'),
    "ms in the key": (PAIR | {"latency_ms": 5}, 'latency_ms: .*"latency_s": "5 ms"'),
    "tflops": (device(flops_per_s=None, tflops=80), 'tflops: .*"flops_per_s": "80 TFLOPS"'),
    "vllm's share": (device(gpu_memory_utilization=0.9), '"reserve_bytes": "10 %"'),
    "reserved": (device(reserved_bytes=2e9), "did you mean reserve_bytes"),
    "vram": (device(memory_bytes=None, VRAM=24), "did you mean memory_bytes"),
    "nothing like it": (device(colour="red"), "unknown key; expected one of name, device"),
    "key of a link": (PAIR | {"bandwidth_bytes_per_s": {"defualt": 1}}, "did you mean default"),
    "fraction of a byte": (device(memory_bytes=8053063680.5), "did you mean 8053063680"),
    "no bandwidth": ({"devices": [A, B]}, "bandwidth_bytes_per_s: expected it for 2 devices"),
    "no link": (PAIR | {"bandwidth_bytes_per_s": [[None, None], [1, None]]}, r"\[0\]\[1\].*0 = no link"),
    "no memory": ({"devices": [{"name": "mine"}]}, r"devices\[0\].name: expected memory_bytes, or a device"),
    "several sizes": ({"devices": [{"name": "m2-max"}]}, "comes with 32 GB or 64 GB or 96 GB"),
    "a CPU alone": ({"devices": [{"name": "epyc-7763"}]}, "has no memory of its own"),
    "misspelled device": (device(device="rtx-4080-supr"), "did you mean rtx-4080-super"),
    "two of a family": ({"devices": [{"name": "h100"}]}, "did you mean .*h100-sxm"),
    "too much reserved": (device(reserve_bytes="32 GB"), r"at most the memory of devices\[0\], 24 GB, found 32 GB"),
    "efficiency of two": (device(efficiency=2), "a share of the peak"),
    "efficiency of none": (device(efficiency="0 %"), "a share of the peak"),
    "negative overhead": (PAIR | {"hop_overhead_s": -1}, "hop_overhead_s: expected seconds"),
    "overhead in words": (PAIR | {"layer_overhead_s": "little"}, "layer_overhead_s: expected seconds"),
    "unknown source": (PAIR | {"source": "c"}, "source: expected a device of the cluster, found 'c'"),
    "two sources": (PAIR | {"source": "a", "source_device": "a"}, "found both"),
    "rates of a phone": ({"devices": [{"name": "snapdragon-888-8gb"}]}, "flops_per_s"),
    "a list": ([A], "expected an object with devices"),
    "no devices": ({"bandwidth_bytes_per_s": 1}, "devices"),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_a_file_is_read(case):
    """With the numbers that were meant, exactly."""
    document, (memory, flops, rate, *links) = READ[case]
    cluster = read_cluster_file(copy.deepcopy(document)).cluster
    assert cluster.memory_bytes[0] == memory
    assert cluster.flops_per_s is not None
    assert (cluster.flops_per_s[0], cluster.memory_bytes_per_s[0]) == (flops, rate)
    if links:
        assert (cluster.bandwidth_bytes_per_s[0, 1], cluster.latency_s[0, 1]) == tuple(links)


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_in_one_line(case):
    """Which says what was meant, or what there is."""
    document, expected = REFUSED[case]
    with pytest.raises(PlacewiseError, match=expected) as caught:
        instance_of(
            read_config(CONFIG, "m"),
            read_cluster_file(copy.deepcopy(document)).cluster,
            "edgeshard-latency",
            16,
        )
    assert "\n" not in str(caught.value)


def test_bytes_are_whole_in_every_unit():
    """What is left of a memory is the floor of what it has without the reserve, in fractions of bytes too."""
    for tenths in range(1, 400, 7):
        text, reserve = f"{tenths / 10} GiB", f"{tenths % 5}.3 MB"
        found = read_cluster_file(device(memory_bytes=text, reserve_bytes=reserve)).cluster
        assert found.memory_bytes[0] == (tenths * 2**30 - (tenths % 5 * 10 + 3) * 10**6) // 10


def test_a_source_by_name():
    """For chains, batches and heads; DILEMMA's servers are alike."""
    model = read_config(CONFIG, "m")
    found = read_cluster_file(PAIR | {"source": "b"})
    assert found.source == 1
    for problem, attribute in (
        ("edgeshard-latency", "source"),
        ("edgeshard-batch", "source"),
        ("head-migration", "controller"),
    ):
        plain = instance_of(model, found.cluster, problem, 16)
        assert (getattr(plain, attribute), getattr(with_source(plain, 1), attribute)) == (0, 1)
    decoder = with_source(instance_of(model, found.cluster, "head-migration-decoder", 16), 1)
    assert decoder.layer.controller == 1
    assert noted(decoder, "as catalogued").description.endswith("; as catalogued")
    dilemma = instance_of(model, found.cluster, "dilemma", 16)
    assert with_source(dilemma, 1) is dilemma


def test_a_client_that_computes_nothing():
    """It sends a token's number and hosts no layer that has any work; its overheads are not counted."""
    client = {"name": "phone", "memory_bytes": 0}
    document = {
        "devices": [A, client],
        "bandwidth_bytes_per_s": 1e6,
        "source": "phone",
        "layer_overhead_s": "1 ms",
    }
    found = read_cluster_file(document)
    instance = with_source(
        instance_of(read_config(CONFIG, "m"), found.cluster, "edgeshard-latency", 16), found.source
    )
    assert found.cluster.layer_overhead_s.tolist() == [0.001, 0.0]
    result = solve(instance, isolate=False)
    assert result.placement == (1, 0, 0, 0, 0)
    assert result.terms["compute"] == pytest.approx(0.004, rel=0.01)
    assert result.terms["communication"] + result.terms["return"] == pytest.approx(8e-6)
    assert to_document(from_document(to_document(instance))) == to_document(instance)


@pytest.mark.parametrize("problem", ["edgeshard-latency", "edgeshard-batch"])
def test_a_client_beside_a_tied_table(problem):
    """The embedding, all of which is shared with the head, does not stay on a device without memory."""
    client = {"name": "phone", "memory_bytes": 0}
    found = read_cluster_file({"devices": [A, client], "bandwidth_bytes_per_s": 1e6, "source": "phone"})
    model = read_config(CONFIG | {"tie_word_embeddings": True}, "m")
    instance = with_source(instance_of(model, found.cluster, problem, 16), found.source)
    assert instance.layers[0].name == "input"
    assert instance.layers[1].shared
    assert solve(instance, isolate=False).status is Status.OPTIMAL


def test_overheads_enter_once():
    """A layer's into its compute time, whatever the batch; a hop's into the latency of the messages that a device receives."""
    slow = B | {"layer_overhead_s": 0.5, "hop_overhead_s": 0.25}
    found = read_cluster_file(PAIR | {"devices": [A, slow], "latency_s": 0.125}).cluster
    assert found.latency_s.tolist() == [[0.0, 0.375], [0.125, 0.0]]
    model = read_config(CONFIG, "m")
    plain = instance_of(model, read_cluster_file(PAIR).cluster, "edgeshard-batch", 16)
    loaded = instance_of(model, found, "edgeshard-batch", 16)
    more = loaded.compute_time_s - plain.compute_time_s
    assert np.allclose(more, np.broadcast_to([0.0, 0.5], more.shape), rtol=0, atol=1e-15)
    assert to_document(from_document(to_document(loaded))) == to_document(loaded)
    assert from_document(to_document(loaded)) == loaded
    with pytest.raises(InstanceError, match="layer_overhead_s: expected none for dilemma"):
        instance_of(model, found, "dilemma", 16)
    with pytest.raises(InstanceError, match="layer_overhead_s: expected none for head-migration"):
        instance_of(model, found, "head-migration", 16)


def test_overheads_of_a_cluster():
    """One number is every device's; none is none; a wrong one is refused."""
    cluster = Cluster(("a", "b"), 1, 1.0, layer_overhead_s=0.5)
    assert [unit.layer_overhead_s for unit in cluster.devices] == [0.5, 0.5]
    assert Cluster(devices=cluster.devices, bandwidth_bytes_per_s=1.0) == cluster
    assert Cluster(("a", "b"), 1, 1.0, layer_overhead_s=[0, 0]) == Cluster(("a", "b"), 1, 1.0)
    with pytest.raises(InstanceError, match="layer_overhead_s"):
        Cluster(("a", "b"), 1, 1.0, layer_overhead_s=[0.5, -1])


def test_what_comes_from_the_catalogue_is_said(tmp_path):
    """In the instance's description, with the precision of its arithmetic."""
    from placewise.instances.strict_json import dumps

    (tmp_path / "config.json").write_text(dumps(CONFIG))
    (tmp_path / "cluster.json").write_text(dumps({"devices": [{"name": "rtx-4090"}]}))
    instance = convert(tmp_path / "config.json", cluster=tmp_path / "cluster.json")
    assert "rtx-4090 as catalogued (fp32)" in instance.description


def test_the_cluster_of_the_page():
    """The four machines and the phone that ask them."""
    page = (Path(__file__).parents[2] / "docs" / "machines.md").read_text(encoding="utf-8")
    found = read_cluster_file(json.loads(page.split("```json\n")[1].split("```")[0]))
    cluster = found.cluster
    assert cluster.device_names == ("desk", "desk-ram", "m2-max-64gb", "jetson", "phone")
    assert cluster.memory_bytes.tolist() == [22.5e9, 48e9, 48e9, 12e9, 0]
    assert cluster.latency_s[0, 1] == pytest.approx(0.00101)
    assert cluster.bandwidth_bytes_per_s[0, 4] == 25e6
    assert found.source == 4
