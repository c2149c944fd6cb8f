"""From a model's config.json and three lines of cluster description to a placement."""

import json

import pytest
from readers import DEVICE, PROFILE

from placewise.cli.main import main
from placewise.instances import convert, read
from placewise.instances.importers import halda
from placewise.instances.importers.transformer_config import read_config
from placewise.instances.importers.with_cluster import read_cluster
from placewise.instances.registry import FORMATS
from placewise.models.errors import InstanceError
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status

#: As published, what matters of it; parameters as the publishers count them, in millions.
MODELS = {
    "llama2-7b": (
        {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
        | {
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 32000,
            "torch_dtype": "float16",
        },
        6738,
    ),
    "mistral-7b": (
        {"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32}
        | {"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "head_dim": None},
        7242,
    ),
    "qwen2-7b": (
        {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28}
        | {"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
        7616,
    ),
    "opt-6.7b": (
        {"model_type": "opt", "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32}
        | {"num_attention_heads": 32, "vocab_size": 50272, "word_embed_proj_dim": 4096},
        6658,
    ),
}
CLUSTER = {
    "devices": [
        {"name": "laptop", "memory_bytes": 16e9, "flops_per_s": 5e12, "memory_bytes_per_s": 100e9},
        {"name": "board", "count": 3, "memory_bytes": 8e9, "flops_per_s": 1e12, "memory_bytes_per_s": 50e9},
    ],
    "bandwidth_bytes_per_s": 1.25e8,
}


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "mistral-7b"
    folder.mkdir()
    config, cluster = folder / "config.json", tmp_path / "cluster.json"
    config.write_text(json.dumps(MODELS["mistral-7b"][0] | {"rope_theta": 1e4}), encoding="utf-8")
    cluster.write_text(json.dumps(CLUSTER), encoding="utf-8")
    return config, cluster


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_published(name):
    """Embedding, decoder layers and head add up to what the publisher counts, to a million."""
    config, millions = MODELS[name]
    assert round(read_config(config, name).parameters / 1e6) == millions


@pytest.mark.parametrize("problem", [name for name, known in FORMATS.items() if known.from_model])
def test_every_problem_from_a_config(files, tmp_path, problem):
    """The file is read back, and has a placement."""
    config, cluster = files
    target = tmp_path / "instance.json"
    command = [
        "convert",
        str(config),
        "--cluster",
        str(cluster),
        "--problem",
        problem,
        "--output",
        str(target),
    ]
    assert main([*command, "--sequence-length", "128"]) == 0
    instance = read(target)
    assert instance.problem == problem
    assert instance.name == f"mistral-7b-4-devices-{problem}"
    assert convert(config, cluster=read_cluster(CLUSTER), problem=problem, sequence_length=128) == instance
    if problem != "head-migration-decoder":  # 32 layers x 10 intervals is a large model
        assert solve(instance, isolate=False, time_limit=20).status in (Status.OPTIMAL, Status.FEASIBLE)


def test_a_placement_in_one_command(files, capsys):
    """``solve`` takes the configuration with the cluster; without it, or with options that need it, it says so."""
    config, cluster = files
    assert main(["solve", str(config), "--cluster", str(cluster), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["instance"]) == ("optimal", "mistral-7b-4-devices-edgeshard-latency")
    command = ["solve", str(config), "--cluster", str(cluster), "--problem", "dilemma", "--time-limit", "5"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problem"] == "dilemma"
    assert main(["solve", str(config)]) == 2
    assert "expected --cluster with it" in capsys.readouterr().err
    assert main(["solve", "hand-split", "--problem", "dilemma"]) == 2
    assert "--problem: expected together with --cluster" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "model_type: found 'mamba', not known here: state-space"),
        ({"hidden_size": None}, "hidden_size: expected a whole number"),
        ({"hidden_size": "4096"}, "hidden_size"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_key_value_heads": 5}, "num_key_value_heads: expected a divisor"),
        ({"torch_dtype": "int3"}, "torch_dtype"),
        ({"num_local_experts": 8}, "num_local_experts: not known for mistral"),
        ({"hidden_size": 4097}, "expected a multiple of the 32 heads"),
    ],
)
def test_what_cannot_be_read_is_said(change, message):
    """Naming the key."""
    with pytest.raises(InstanceError, match=message):
        read_config(MODELS["mistral-7b"][0] | change, "model")


def test_bad_files_fail_in_one_line(files, tmp_path, capsys):
    """Which file, which path in it, and nothing is written."""
    config, cluster = files
    target = tmp_path / "out.json"
    bad = tmp_path / "bad.json"
    for content, wrong, message in (
        (CLUSTER | {"colour": 1}, "cluster", "bad.json: colour: unknown key"),
        (
            {"devices": [{"name": "a", "memory_bytes": 1}], "bandwidth_bytes_per_s": 1},
            "cluster",
            "flops_per_s",
        ),
        ([1], "config", "expected a transformer's config.json"),
    ):
        bad.write_text(json.dumps(content), encoding="utf-8")
        source, devices = (config, bad) if wrong == "cluster" else (bad, cluster)
        assert main(["convert", str(source), "--cluster", str(devices), "--output", str(target)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert not target.exists()


def test_halda_profiles(tmp_path):
    """Sizes and times by hand: 2 (8 + 8) 10 bytes of cache, the slower of computing and reading, t_comm per hop."""
    paths = []
    for name, content in (
        ("model.json", PROFILE),
        ("head.json", DEVICE),
        ("board.json", DEVICE | {"name": "board", "is_head": False, "has_metal": False}),
    ):
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps(content), encoding="utf-8")
    target = tmp_path / "out.json"
    assert main(["convert", *map(str, paths), "--output", str(target)]) == 0
    instance = read(target)
    assert [layer.memory_bytes for layer in instance.layers] == [136, 1320, 1320, 136]
    assert instance.cluster.memory_bytes.tolist() == [8000, 9000]
    assert instance.compute_time_s[2].tolist() == [max(5000 / 1000, 1320 / 500), max(5000 / 100, 1320 / 10)]
    assert instance.cluster.latency_s.tolist() == [[0.0, 0.5], [0.5, 0.0]]
    assert instance.source == 0
    result = solve(instance, isolate=False)
    assert (result.status, set(result.placement)) == (Status.OPTIMAL, {0})


@pytest.mark.parametrize(
    ("model", "device", "message"),
    [
        ({"quantization": None}, {}, "choose by --quantization"),
        ({"b": [1]}, {}, "b: expected a list of 3 numbers"),
        ({"L": "two"}, {}, "L: expected a number"),
        ({"f_q": {}}, {}, r"f_q\.decode\.b_1"),
        ({}, {"d_avail_metal": None}, "d_avail_metal"),
        ({}, {"sgpu_metal": {"F16": {}}}, r"sgpu_metal\.Q8_0"),
    ],
)
def test_profiles_that_do_not_fit(model, device, message):
    """Naming the key."""
    with pytest.raises(InstanceError, match=message):
        halda.instance_of(PROFILE | model, [DEVICE | device], "edgeshard-latency", name="m")
