"""What becomes of HALDA profiles, worked by hand: bits per weight, sizes, devices, and numbers at their limits."""

import json

import pytest
from readers import DEVICE, PROFILE

from placewise.instances.importers import halda, values
from placewise.models.errors import InstanceError, PlacewiseError


@pytest.mark.parametrize("kind", halda.BITS)
def test_bits_per_weight_are_those_of_the_format(kind):
    """Block sizes of the format's own library: Q4_K packs 256 weights into 144 bytes, 4.5 bits each."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    assert halda.BITS[kind] == 8 * size / block
    assert halda.BITS["Q4_K"] == 4.5


def halda_instance(model=None, devices=None, **options):
    return halda.instance_of(
        PROFILE | (model or {}), devices or [DEVICE], "edgeshard-latency", name="m", **options
    )


def test_profiles_by_hand():
    """Embedding and head in 8.5 bits, 2 bytes per activation; the head's work is two FLOP per weight."""
    instance = halda_instance()
    table = 16 * 8 * 8.5 / 8
    assert [layer.memory_bytes for layer in instance.layers] == [table, 1320, 1320, table]
    assert [layer.output_bytes for layer in instance.layers] == [16, 16, 16, 32]
    assert [layer.flops for layer in instance.layers] == [0.0, 3000.0, 5000.0, 256.0]
    assert [layer.weight_bytes for layer in instance.layers] == [16, 1320.0, 1320.0, table]
    assert instance.return_bytes == 4
    other = halda_instance({"hk": 1, "ek": 3, "hv": 5, "ev": 7}, sequence_length=11)
    assert other.layers[1].memory_bytes == 1000 + 2 * (3 + 35) * 11
    assert halda_instance({"quantization": None}, [DEVICE | {"sgpu_metal": {"Q4_K": 7}}], quantization="Q4_K")
    older = {"f_q": None, "f_by_quant": {"Q8_0": 77.0}}
    assert [layer.flops for layer in halda_instance(older).layers[1:3]] == [77.0, 77.0]


def test_profiled_devices_by_hand():
    """A CUDA card stands beside its machine's memory; the accelerator's memory and rate; names that are distinct."""
    cuda = {
        "name": "mac",
        "is_head": False,
        "has_cuda": True,
        "has_metal": False,
        "sgpu_cuda": {"Q8_0": 50.0},
    }
    cuda |= {"T_cuda": 60.0, "d_avail_cuda": 70, "t_comm": 0.25}
    plain = {"has_metal": True, "sgpu_metal": None, "is_head": True}
    silent = {key: value for key, value in DEVICE.items() if key not in ("t_comm", "name")}
    found = halda_instance(devices=[DEVICE | cuda, DEVICE | plain, silent | {"is_head": False}])
    devices = found.cluster
    assert devices.device_names == ("mac-cuda", "mac", "mac-1", "device-2")
    assert devices.flops_per_s.tolist() == [50.0, 100.0, 100.0, 1000.0]
    assert devices.memory_bytes_per_s.tolist() == [60.0, 10.0, 10.0, 500.0]
    assert devices.memory_bytes.tolist() == [70, 9000, 9000, 8000]
    sent = [0.0, 0.0, 0.25, 0.25]  # within the machine nothing waits
    assert devices.latency_s.tolist() == [sent, sent, [0.5, 0.5, 0.0, 0.5], [0.0] * 4]
    assert devices.bandwidth_bytes_per_s[0, 1] == 1e15
    assert found.source == 2
    assert found.name == "m-3-devices-edgeshard-latency"
    headless = DEVICE | {"is_head": False}
    assert halda_instance(devices=[headless, headless | {"name": "b"}]).source == 0
    assert halda_instance(devices=[headless, DEVICE, DEVICE]).source == 1


def test_what_profiles_are():
    """By the keys that both solvers write; more keys do not matter, one fewer does."""
    for probe, document, key in (
        (halda.is_model_profile, PROFILE, "b"),
        (halda.is_device_profile, DEVICE, "scpu"),
    ):
        assert probe(document)
        assert not probe({k: v for k, v in document.items() if k != key})
        assert not probe(list(document))
    assert halda.is_model_profile(dict.fromkeys(("b", "b_o", "L", "n_kv")))
    assert halda.is_device_profile(dict.fromkeys(("scpu", "T_cpu", "d_avail_ram")))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({"quantization": "Q9"}, {}, "quantization: expected one of Q4_K"),
        ({"quantization": 8}, {}, "found 8"),
        ({"f_q": None}, {}, "f_q: expected FLOP of decoding, or f_by_quant with Q8_0"),
        ({"f_q": None, "f_by_quant": {"F16": 1}}, {}, "f_by_quant with Q8_0"),
        ({"f_q": {"decode": 3}}, {}, r"f_q\.decode\.b_1: expected a list of 3"),
        ({"b": [0, 1, -1]}, {}, r"b\[2\]: expected a number from 0"),
    ],
)
def test_profiles_that_are_refused(model, options, message):
    """Naming the key."""
    with pytest.raises(InstanceError, match=message):
        halda_instance(model, **options)
    with pytest.raises(PlacewiseError, match="a device's profile"):
        halda.instance_of(PROFILE, [], "edgeshard-latency", name="m")
    with pytest.raises(PlacewiseError, match="--problem: expected edgeshard-latency or edgeshard-throughput"):
        halda.instance_of(PROFILE, [DEVICE], "dilemma", name="m")


def test_amounts_at_their_limits():
    """0 to 10^30, no truth values; the path leads the message."""
    assert values.amount({"a": 1e30}, "a") == 1e30
    assert values.checked(0, "a") == 0.0
    assert values.checked(5, "a", 5) == 5.0
    for wrong in (-1, 1.1e30, True, "1", None, float("nan")):
        with pytest.raises(InstanceError, match=r"^p\.a: expected a number from 0"):
            values.amount({"a": wrong}, "a", "p")
    with pytest.raises(InstanceError, match=r"^a: expected"):
        values.amount({}, "a")


def test_counts_at_their_limits():
    """1 to 2^20, or to what is asked; a default stands for absent and null, and 0 only where it is the default."""
    assert values.whole({"a": 1}, "a") == 1
    assert values.whole({"a": 2**20}, "a") == 2**20
    assert values.whole({"a": 3}, "a", most=3) == 3
    assert values.whole({}, "a", 7) == values.whole({"a": None}, "a", 7) == 7
    assert values.whole({"a": 0}, "a", 0) == values.whole({}, "a", 0) == 0
    for wrong in (2**20 + 1, -1, True, 1.0, "1"):
        with pytest.raises(InstanceError, match="a: expected a whole number up to"):
            values.whole({"a": wrong}, "a")
    for default in (None, 1):
        with pytest.raises(InstanceError, match="at least 1, found 0"):
            values.whole({"a": 0}, "a", default)
    with pytest.raises(InstanceError, match="found None"):
        values.whole({"a": None}, "a")


def test_profiles_come_in_any_order(tmp_path):
    """One model among devices; a second model, or another document, is named."""
    from placewise.instances import convert

    for name, document in (
        ("model", PROFILE), ("again", PROFILE), ("mac", DEVICE), ("board", DEVICE | {"name": "b"}), ("odd", {}),
    ):  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(document))

    def paths(*names):
        return [tmp_path / f"{name}.json" for name in names]

    for order in (("model", "mac", "board"), ("mac", "model", "board"), ("mac", "board", "model")):
        instance = convert(paths(*order))
        assert instance.cluster.device_names == ("mac", "b")
        assert instance.name == "model-2-devices-edgeshard-latency"
    for wrong, named in ((("model", "mac", "odd"), "odd"), (("model", "again", "mac"), "again")):
        with pytest.raises(PlacewiseError, match=rf"{named}\.json: expected one model profile"):
            convert(paths(*wrong))
    graph = {"maxFPGAs": 1, "maxSizePerFPGA": 1, "nodes": [], "edges": []}
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    with pytest.raises(PlacewiseError, match="expected one file"):
        convert(paths("graph", "odd"))
    with pytest.raises(PlacewiseError, match="expected a transformer's config"):
        convert(paths("odd"))
    assert convert(paths("model", "mac"), sequence_length=3).layers[1].memory_bytes == 1000 + 2 * 16 * 3


@pytest.mark.parametrize("problem", ["edgeshard-latency", "edgeshard-throughput"])
@pytest.mark.parametrize("disk", [0.0, 5.0])
def test_disks_that_are_left_out_are_said_to_be(problem, disk):
    """In a pipeline, if there are any."""
    found = halda.instance_of(PROFILE, [DEVICE | {"s_disk": disk}], problem, name="m")
    assert ("disks are left out" in found.description) == (problem == "edgeshard-throughput" and disk > 0)


def test_layers_on_disk_are_read_twice():
    """At 50 bytes/s into memory and at 10 out of it: a byte takes 0.02 + 0.1 s."""
    device = DEVICE | {"s_disk": 50.0, "T_cpu": 10.0, "has_metal": False}
    found = halda.instance_of(PROFILE, [device], "edgeshard-latency", name="m").cluster
    assert [name.endswith("-disk") for name in found.device_names] == [False, True]
    assert found.memory_bytes_per_s.tolist() == [10.0, pytest.approx(1 / (1 / 50 + 1 / 10))]
