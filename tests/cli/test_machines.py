"""The commands around machines: the catalogue, measuring, imports, residuals, and --cluster wherever an instance is taken."""

import json

import pytest
from readers import CONFIG, IPERF3, LLAMA_BENCH, TYPED_CLUSTER

from placewise.benchmarks.machine import measure
from placewise.cli import profile
from placewise.cli.main import main
from placewise.instances.catalogue import device_type, device_types
from placewise.models.errors import PlacewiseError


@pytest.fixture
def files(tmp_path):
    """Return a model's file and a cluster's."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "cluster.json").write_text(json.dumps(TYPED_CLUSTER))
    return [
        str(tmp_path / "config.json"),
        "--cluster",
        str(tmp_path / "cluster.json"),
        "--sequence-length",
        "16",
    ]


def test_the_catalogue(capsys):
    """At least 60 devices with figures that can be, each with its source, in lines of 80."""
    known = device_types()
    assert len(known) >= 60
    for device in known.values():
        assert len(device.source) > 8
        assert 1e9 <= device.memory_bytes_per_s <= 1e13
        assert device.flops_per_s is None or 1e10 <= device.flops_per_s <= 1e16
        assert (device.flops_per_s is None) == (device.precision == "")
        assert list(device.memory_sizes) == sorted(set(device.memory_sizes))
        assert device_type(device.name) == device
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(known) + 1
    assert max(map(len, lines)) <= 80


def test_the_catalogue_is_searched(capsys):
    """By words of key, title and kind; nothing found is one line."""
    assert main(["devices", "orin", "nano", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("format") == "placewise-devices/1"
    assert set(found) == {
        "jetson-orin-nano-4gb",
        "jetson-orin-nano-8gb",
        "jetson-orin-nano-super-8gb",
    }
    assert main(["devices", "RTX 4090", "--sources"]) == 0
    assert "384-bit" in capsys.readouterr().out
    assert main(["devices", "cray"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_devices_by_what_stands_on_them():
    """Makers, capitals and signs do not count; one that is not there names the near ones."""
    for title, name in (
        ("NVIDIA GeForce RTX 3090 Ti", "rtx-3090-ti"),
        ("Apple M3 Max", "m3-max"),
        ("rtx4090", "rtx-4090"),
    ):
        assert device_type(title).name == name
    with pytest.raises(PlacewiseError, match="did you mean dgx-spark"):
        device_type("DGX Spark GB10")


def test_sizes_of_a_device():
    """One of those that it comes with, after its key."""
    assert device_type("v100-sxm2-16gb").memory_bytes == 16e9
    assert device_type("m2-max").memory_bytes is None
    for name in ("m2-max-48gb", "rtx", "x" * 500):
        with pytest.raises(PlacewiseError, match="not in the catalogue"):
            device_type(name)


@pytest.mark.parametrize(
    "command",
    [
        ["solve", "--json"],
        ["compare", "--methods", "greedy", "--json"],
        ["explain", "--json"],
        ["simulate", "--json"],
        ["export", "--to", "lp", "--output", "model.lp"],
        ["convert"],
        ["residual", "--measured", "100", "--json"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_takes_a_model_and_a_cluster(command, files, capsys, tmp_path, monkeypatch):
    """As it takes an instance."""
    monkeypatch.chdir(tmp_path)
    assert main([command[0], *files, *command[1:]]) == 0
    if command[0] != "export":
        assert json.loads(capsys.readouterr().out)


def test_a_result_is_checked_against_a_model_and_a_cluster(files, capsys, tmp_path):
    """The one that it came from."""
    result = str(tmp_path / "result.json")
    assert main(["solve", *files, "--output", result]) == 0
    assert main(["check", files[0], result, *files[1:]]) == 0
    assert "holds" in capsys.readouterr().out


def test_measuring_this_machine(capsys, monkeypatch):
    """A device that a cluster file takes; what was timed and how it spread is said beside it."""
    small = measure.measure("here", read_bytes=2**16, size=16, repetitions=2)
    monkeypatch.setattr(measure, "measure", lambda _: small)
    monkeypatch.setattr(measure, "measure_card", lambda _: None)
    assert main(["profile", "--name", "here"]) == 0
    shown = capsys.readouterr()
    entry = json.loads(shown.out)["devices"][0]
    assert entry == small.entry()
    assert entry["memory_bytes"] > 0
    assert all(0 <= share < 1 for share in small.spread.values())
    assert "best of the repetitions" in shown.err


def test_a_card_is_measured_where_a_library_finds_one(monkeypatch):
    """Through PyTorch or CuPy; without either, or without a card, there is none."""
    import numpy as np

    made = []

    def half(rows, columns):
        made.append((rows, columns))
        return np.ones((rows, columns), dtype=np.float16)

    card = measure._Card(2**20, half, lambda: None)
    monkeypatch.setattr(measure.importlib, "import_module", lambda name: name)
    monkeypatch.setattr(measure, "_torch", lambda _: None)
    monkeypatch.setattr(measure, "_cupy", lambda _: card)
    found = measure.measure_card("card", size=8, repetitions=1)
    assert (found.memory_bytes, found.how) == (2**20, "cupy: float16 matrix-vector and GEMM")
    assert made == [(16, 8192), (8192, 1), (8, 8)]

    def missing(name):
        raise ImportError

    monkeypatch.setattr(measure.importlib, "import_module", missing)
    assert measure.measure_card("card") is None


def test_files_of_other_tools_become_a_cluster_file(capsys, tmp_path):
    """A device of llama-bench, links of iperf3, and anything else in one line."""
    contents = {"bench": LLAMA_BENCH, "link": IPERF3, "other": {}}
    paths = {name: str(tmp_path / f"{name}.json") for name in contents}
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    host = ["--host", "10.0.0.2=a", "--host", "10.0.0.3=b"]
    assert main(["profile", paths["bench"], paths["link"], "--name", "a", *host]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["devices"][0]["name"] == "a"
    assert found["bandwidth_bytes_per_s"]["links"] == [["a", "b", 1.175e8], ["b", "a", 1.175e8]]
    for wrong in ([paths["other"]], [paths["link"], "--host", "a"]):
        assert main(["profile", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert profile._hosts(["a=b=c"]) == {"a": "b=c"}


def test_a_source_that_computes_nothing_may_be_named_on_the_line(files, capsys):
    """As in the cluster file: the embedding is elsewhere; and any other device instead of the file's."""
    assert main(["convert", *files, "--source", "phone"]) == 0
    phone = json.loads(capsys.readouterr().out)
    assert (phone["source_device"], phone["model"]["layers"][0]["name"]) == ("phone", "input")
    assert main(["solve", *files, "--source", "desk", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["placement"]["layers"][0] == "desk"


TINYLLAMA = CONFIG | {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
}
CARD = {
    "name": "gtx1660",
    "memory_bytes": "6 GiB",
    "flops_per_s": "10 TFLOPS",
    "memory_bytes_per_s": "192 GB/s",
}


def residual(capsys, tmp_path, cluster, measured):
    """Return what the command says of TinyLlama on a cluster."""
    for name, document in (("config.json", TINYLLAMA), ("cluster.json", cluster)):
        (tmp_path / name).write_text(json.dumps(document))
    where = [str(tmp_path / "config.json"), "--cluster", str(tmp_path / "cluster.json")]
    assert main(["residual", *where, "--measured", str(measured), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_measured_becomes_an_efficiency_and_an_overhead(capsys, tmp_path):
    """TinyLlama: 63 tokens/s at home and 42 over a network, where data sheets say 92 and 88; then nothing is left over."""
    local = residual(capsys, tmp_path, {"devices": [CARD]}, 63)
    assert 1 / local["predicted_s"] == pytest.approx(91.8, abs=0.5)
    assert (local["hops"], local["hop_overhead_s"]) == (0, None)
    card = CARD | {"efficiency": local["efficiency"]}
    assert residual(capsys, tmp_path, {"devices": [card]}, 63)["residual_s"] == pytest.approx(0, abs=1e-8)
    layered = CARD | {"layer_overhead_s": local["layer_overhead_s"]}
    assert residual(capsys, tmp_path, {"devices": [layered]}, 63)["residual_s"] == pytest.approx(0, abs=1e-8)
    links = {"bandwidth_bytes_per_s": "1 Gbps", "latency_s": "0.2 ms", "source": "client"}
    remote = {"devices": [card, {"name": "client", "memory_bytes": 0}], **links}
    far = residual(capsys, tmp_path, remote, 42)
    assert far["hops"] == 2
    known = remote | {"hop_overhead_s": far["hop_overhead_s"]}
    assert residual(capsys, tmp_path, known, 42)["residual_s"] == pytest.approx(0, abs=1e-8)
    assert residual(capsys, tmp_path, remote, 900)["efficiency"] is None


def test_residuals_for_people(capsys):
    """Three lines and what would explain it; a wrong rate or problem is one line."""
    assert main(["residual", "hand-split", "--measured", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "residual  3 s, +30.0% of what was measured" in out
    assert "hop_overhead_s" in out
    assert main(["residual", "hand-split", "--measured", "10"]) == 0
    assert "faster than predicted" in capsys.readouterr().out
    for wrong in (["hand-split", "--measured", "0"], ["hand-pipeline", "--measured", "1"]):
        assert main(["residual", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
