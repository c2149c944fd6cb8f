"""What llama-bench, iperf3 and Helix state, and HALDA's machines with cards and disks."""

import itertools
import json
from collections import Counter

import pytest
from readers import DEVICE, HELIX, IPERF3, LLAMA_BENCH, PROFILE

from placewise import solve
from placewise.instances import convert
from placewise.instances.folder import DATA
from placewise.instances.importers import halda, helix
from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.instances.importers.iperf3 import links_document, read_iperf3
from placewise.instances.importers.llama_bench import read_llama_bench
from placewise.models.errors import InstanceError
from placewise.solvers.evidence.result import Status

SAMPLES = DATA / "library" / "halda"


def test_rates_of_llama_bench():
    """A token reads the model once; a prompt's tokens take two FLOP per weight; the fastest run of each counts."""
    slower = [row | {"avg_ts": row["avg_ts"] / 2} for row in LLAMA_BENCH]
    short = LLAMA_BENCH[0] | {"n_prompt": 8, "avg_ts": 1e9}
    both = LLAMA_BENCH[0] | {"n_gen": 128, "avg_ts": 1e9}
    deep = LLAMA_BENCH[1] | {"n_depth": 4096, "avg_ts": 1e9}
    found = read_llama_bench([*slower, *LLAMA_BENCH, short, both, deep])
    assert found.entry() == {
        "name": "Ryzen 7",
        "flops_per_s": float(f"{2 * 752393024 * 210.5:.4g}"),
        "memory_bytes_per_s": float(f"{521555200 * 8.5:.4g}"),
    }
    assert read_llama_bench(LLAMA_BENCH[1:]).entry("x").keys() == {"name", "memory_bytes_per_s"}
    card = [row | {"n_gpu_layers": 99, "gpu_info": "RTX 4090"} for row in LLAMA_BENCH]
    assert read_llama_bench(card).name == "RTX 4090"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model_size": 1}, r"\[1\].model_size: expected tests of one model"),
        ({"n_gpu_layers": 5}, r"\[1\].n_gpu_layers: expected tests of one model on one device"),
        ({"avg_ts": -1}, r"\[1\].avg_ts"),
        ({"n_gen": None}, r"\[1\].n_gen"),
    ],
)
def test_rows_of_llama_bench_that_do_not_go_together(change, expected):
    """They are of several machines or models, or no numbers."""
    with pytest.raises(InstanceError, match=expected):
        read_llama_bench([LLAMA_BENCH[0], LLAMA_BENCH[1] | change])
    with pytest.raises(InstanceError, match="expected a test of generation"):
        read_llama_bench([LLAMA_BENCH[0] | {"n_prompt": 8}])


def changed(**test):
    """Return iperf3's document with some keys of its test changed."""
    document = json.loads(json.dumps(IPERF3))
    document["start"]["test_start"] |= test
    return document


def test_links_of_iperf3():
    """What arrived, half of the least round trip; -R turns the ends; the others have the worst that was measured."""
    forward, back = read_iperf3(IPERF3), read_iperf3(changed(reverse=1))
    assert (forward.sender, forward.receiver, forward.bytes_per_s, forward.latency_s) == (
        "10.0.0.2",
        "10.0.0.3",
        1.175e8,
        2e-4,
    )
    assert (back.sender, back.receiver) == ("10.0.0.3", "10.0.0.2")
    other = json.loads(json.dumps(IPERF3))
    other["start"]["connected"][0]["remote_host"] = "10.0.0.4"
    other["end"]["sum_received"]["bits_per_second"] = 8e7
    names = {"10.0.0.2": "a", "10.0.0.3": "b", "10.0.0.4": "c"}
    document = links_document([forward, forward, read_iperf3(other)], names)
    devices = [{"name": name, "memory_bytes": 1, "flops_per_s": 1, "memory_bytes_per_s": 1} for name in "abc"]
    cluster = read_cluster_file({"devices": devices, **document}).cluster
    assert cluster.bandwidth_bytes_per_s.tolist() == [[0, 1.175e8, 1e7], [1.175e8, 0, 1e7], [1e7, 1e7, 0]]
    assert cluster.latency_s[0, 1] == 2e-4


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (changed(protocol="UDP"), "expected TCP"),
        (changed(bidir=1), "once with -R"),
        ({"start": {}, "end": {}, "error": "unable to connect"}, "the test failed: unable to connect"),
        ({"start": {}, "end": {}}, "start.connected"),
        (IPERF3 | {"end": {}}, "end.sum_received"),
        ([], "expected start and end"),
    ],
)
def test_tests_of_iperf3_that_tell_nothing(document, expected):
    """One line says why."""
    with pytest.raises(InstanceError, match=expected):
        read_iperf3(document)


def test_a_cluster_of_helix():
    """Its mbps are megabytes; a T4x2 has twice a T4; the coordinator holds the input and computes nothing."""
    found = read_cluster_file(helix.cluster_document(HELIX))
    cluster = found.cluster
    assert cluster.device_names == ("coordinator", "t4-0", "t4x2-1", "a100-2")
    assert cluster.memory_bytes.tolist() == [0, 16e9, 32e9, 40e9]
    assert cluster.memory_bytes_per_s.tolist()[1:] == [320e9, 640e9, 1555e9]
    assert cluster.bandwidth_bytes_per_s[0].tolist() == [0, 1e9, 0, 0]
    assert (cluster.bandwidth_bytes_per_s[1, 2], cluster.latency_s[1, 2]) == (14.6e6, 0.05)
    assert (cluster.bandwidth_bytes_per_s[2, 1], cluster.latency_s[2, 1]) == (14.6e6, 0.05)
    assert (cluster.bandwidth_bytes_per_s[2, 0], cluster.latency_s[2, 0]) == (1.25e9, 0.001)
    assert found.source == 0


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("type=T4x2", "type=Z80", "ComputeNode-1.type: expected A100"),
        ("14.6 * mbps", "14.6", "Link-0-1.bandwidth: expected 1 . kbps"),
        ("Link-0-1", "Link-0-9", "Link-0-9: expected a link between two nodes"),
        ("[ComputeNode-1]", "[ComputeNode-0]", "not an .ini file"),
    ],
)
def test_clusters_of_helix_that_are_wrong(before, after, expected):
    """The section is named."""
    with pytest.raises(InstanceError, match=expected):
        helix.cluster_document(HELIX.replace(before, after))
    with pytest.raises(InstanceError, match="expected a section for each node"):
        helix.cluster_document("[NodeNames]\n")


def test_a_card_beside_its_machines_memory():
    """Two devices with the bus between them; the network's time comes to it where a message leaves the machine."""
    card = {
        "has_cuda": True,
        "has_metal": False,
        "sgpu_cuda": {"Q8_0": 5e9},
        "T_cuda": 7e9,
        "d_avail_cuda": 70,
    }
    card |= {"t_ram2vram": 0.125, "t_vram2ram": 0.25, "t_kvcpy_cpu": 0.5, "t_kvcpy_gpu": 1.5}
    found = halda.instance_of(
        PROFILE, [DEVICE | card, DEVICE | {"name": "b"}], "edgeshard-throughput", name="m"
    )
    cluster = found.cluster
    assert cluster.device_names == ("mac-cuda", "mac", "b")
    assert cluster.latency_s.tolist() == [[0, 0.25, 0.75], [0.125, 0, 0.5], [0.625, 0.5, 0]]
    assert cluster.layer_overhead_s.tolist() == [1.5, 0.5, 0.0]
    assert (found.source, cluster.device_names[found.source]) == (1, "mac")
    shared = halda.instance_of(
        PROFILE, [DEVICE | card | {"is_unified_mem": True}], "edgeshard-latency", name="m"
    )
    assert shared.cluster.latency_s.tolist() == [[0, 0], [0, 0]]


def test_weights_on_disk_are_a_device():
    """For the least latency only: in a pipeline one processor would serve two stages."""
    disk = DEVICE | {"s_disk": 500.0}
    found = halda.instance_of(PROFILE, [disk], "edgeshard-latency", name="m")
    assert found.cluster.device_names == ("mac", "mac-disk")
    assert found.cluster.memory_bytes_per_s.tolist() == [500.0, pytest.approx(250.0)]
    assert found.cluster.memory_bytes[1] == sum(layer.memory_bytes for layer in found.layers)
    pipeline = halda.instance_of(PROFILE, [disk], "edgeshard-throughput", name="m")
    assert pipeline.cluster.device_names == ("mac",)
    assert pipeline.description.endswith("disks are left out")


def test_a_sample_of_70b_reads_from_disk_what_halda_reads():
    """Llama 3 70B in 4 bits on two laptops that hold half of it, against HALDA's linear programme for one round.

    HALDA's (prima.cpp, k = 1): layers ``w`` of each machine, those beyond its memory read from disk. All ``w`` are
    tried, with our times of a layer (the larger of work and read, which HALDA adds). Its head is the first machine's.
    """
    files = [SAMPLES / f"llama_3_70b-online-{part}.json" for part in ("model_profile", "m1", "m2")]
    model, *machines = (json.loads(path.read_text()) for path in files)
    instance = convert(files)
    table = instance.layers[0].memory_bytes
    size, times = instance.layers[1].memory_bytes, instance.compute_time_s[1]
    assert instance.cluster.device_names[1::2] == ("Mac-disk", "Omers-MBP-32193-disk")

    def cost(counts, head):
        fits = [
            (m["d_avail_metal"] - table * ((n == 0) + (n == head))) // size for n, m in enumerate(machines)
        ]
        disk = [max(0, w - fit) for w, fit in zip(counts, fits, strict=True)]
        seconds = sum(
            (w - d) * times[2 * n] + d * times[2 * n + 1]
            for n, (w, d) in enumerate(zip(counts, disk, strict=True))
        )
        return seconds + instance.compute_time_s[-1][2 * head], counts, disk

    layers = model["L"]
    least, counts, disk = min(
        cost((w, layers - w), head) for w, head in itertools.product(range(layers + 1), range(2))
    )
    result = solve(instance, isolate=False)
    assert result.status is Status.OPTIMAL
    found = Counter(result.placement[1:-1])
    assert ([found[0] + found[1], found[2] + found[3]], [found[1], found[3]]) == (list(counts), disk)
    assert result.terms["compute"] == pytest.approx(least + instance.compute_time_s[0, 0])
    assert sum(disk) == 27
