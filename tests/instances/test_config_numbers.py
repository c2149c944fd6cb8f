"""What becomes of a config.json, worked by hand on a small transformer: parameters, FLOP, caches, rates."""

import dataclasses
import json

import numpy as np
import pytest

from placewise.instances.importers.conversion import instance_of
from placewise.instances.importers.published import PublishedModel
from placewise.instances.importers.transformer_config import is_config, read_config
from placewise.instances.importers.with_cluster import read_cluster
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError, PlacewiseError

#: Width 8, 4 heads of 2 in 2 groups, forward width 16, 10 words, 3 layers.
SMALL = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 10,
    "torch_dtype": "float16",
}

#: Query 8 x 8, keys and values 8 x 4 each, output 8 x 8; three matrices 8 x 16; two norms of 8.
PARAMETERS = 64 + 2 * 32 + 64 + 3 * 128 + 16


def cluster(count=2, rates=True, reading=True):
    return Cluster(
        tuple(f"d{j}" for j in range(count)),
        np.array([10**6] * count),
        np.full((count, count), 64.0),
        np.zeros((count, count)),
        np.array([256.0, 512.0][:count]) if rates else None,
        np.array([128.0, 64.0][:count]) if reading else None,
    )


@pytest.mark.parametrize(
    ("change", "parameters"),
    [
        ({}, PARAMETERS),
        ({"num_key_value_heads": None}, PARAMETERS + 2 * 32),
        ({"num_key_value_heads": 4, "head_dim": 3}, 4 * 8 * 12 + 384 + 16),
        ({"head_dim": None}, PARAMETERS),
        ({"model_type": "mistral"}, PARAMETERS),
        ({"model_type": "qwen2"}, PARAMETERS + 8 + 2 * 4),  # biases of queries, keys, values
        ({"model_type": "qwen2", "head_dim": 3}, 2 * 8 * (12 + 6) + 384 + 16 + 12 + 2 * 6),
        (
            {"model_type": "qwen3", "head_dim": 2},
            PARAMETERS + 2 * 2,
        ),  # a norm of a head's queries, one of its keys
        # Two matrices; biases of 4 x 8 in attention, 16 + 8 forward, two norms; as many keys as heads.
        (
            {"model_type": "opt", "ffn_dim": 16, "intermediate_size": None, "num_key_value_heads": None},
            4 * 64 + 2 * 128 + 16 + 4 * 8 + 16 + 8 + 16,
        ),
    ],
)
def test_parameters_of_a_decoder_layer(change, parameters):
    """Matrix by matrix, for each family."""
    model = read_config(SMALL | change, "small")
    assert model.transformer.decoder_parameters == parameters
    assert (model.transformer.decoder_layers, model.transformer.name) == (3, "small")


@pytest.mark.parametrize(
    ("change", "size"),
    [
        ({}, 2),
        ({"torch_dtype": "float32"}, 4),
        ({"torch_dtype": "bfloat16"}, 2),
        ({"torch_dtype": "float8_e4m3fn"}, 1),
    ],
)
def test_bytes_per_parameter(change, size):
    """By the stated type."""
    assert read_config(SMALL | change, "small").bytes_per_parameter == size


def test_bytes_per_parameter_where_none_or_another_key_states_them():
    """``dtype`` is the newer name; without either it is two bytes."""
    untold = {key: value for key, value in SMALL.items() if key != "torch_dtype"}
    assert read_config(untold, "small").bytes_per_parameter == 2
    assert read_config(untold | {"dtype": "float32"}, "small").bytes_per_parameter == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_experts": 2}, "num_experts: not known for llama"),
        ({"num_local_experts": 2}, "num_local_experts: not known for llama"),
        (
            {"num_attention_heads": 3, "num_key_value_heads": 3},
            "hidden_size: expected a multiple of the 3 heads",
        ),
        ({"model_type": "opt", "ffn_dim": 15}, "ffn_dim: expected the same as intermediate_size, found 15"),
        ({"torch_dtype": 16}, "torch_dtype"),
        ({"num_hidden_layers": 2049}, "num_hidden_layers: expected a whole number up to 2048"),
        ({"head_dim": True}, "head_dim"),
        ({"num_key_value_heads": 3}, "expected a divisor of the 4"),
    ],
)
def test_configs_that_are_refused(change, message):
    """Naming the key."""
    with pytest.raises(InstanceError, match=message):
        read_config(SMALL | change, "small")
    read_config(SMALL | {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 2}, "small")
    read_config(SMALL | {"num_hidden_layers": 2048, "num_experts": 0}, "small")


def test_what_a_config_is():
    """An object with a model_type."""
    assert is_config({"model_type": "x"})
    assert not is_config({})
    assert not is_config(["model_type"])


def test_layers_of_a_small_transformer():
    """5 tokens of cache: 2 x 5 x 4 numbers; attention of 4 heads over 5 positions: 2 x 2 x 5 x 2 x 4 FLOP."""
    layers = read_config(SMALL, "small").layers(5)
    table, cache, attention = 10 * 8 * 2, 2 * 5 * 4 * 2, 160
    assert [layer.name for layer in layers] == ["embedding", *["decoder"] * 3, "head"]
    assert [layer.memory_bytes for layer in layers[:2]] == [table, 2 * PARAMETERS + cache]
    assert layers[4].memory_bytes == table + 8 * 2  # with the final norm
    assert [layer.output_bytes for layer in layers] == [16, 16, 16, 16, 20]
    assert [layer.flops for layer in layers] == [0, *[2 * PARAMETERS + attention] * 3, 2 * (80 + 8)]
    assert [layer.weight_bytes for layer in layers[:2]] == [16, 2 * PARAMETERS + cache]
    assert layers[4].weight_bytes == table + 16
    apart = read_config(SMALL, "small").layers(5, separate_cache=True)
    assert (apart[1].memory_bytes, apart[1].weight_bytes, apart[1].cache_bytes) == (
        2 * PARAMETERS,
        2 * PARAMETERS,
        cache,
    )
    assert (apart[0].cache_bytes, apart[4].cache_bytes, layers[1].cache_bytes) == (0, 0, 0)


def test_quantised_weights_replace_the_nominal_ones():
    """8 bits with a scale of 4 bytes per row: norms, embedding and head stay; the cache stays."""
    bits = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}
    layers = read_config(SMALL | bits, "small").layers(5)
    matrices, rows = 64 + 2 * 32 + 64 + 3 * 128, 8 + 2 * 4 + 8 + 2 * 16 + 8
    block = matrices + 4 * rows + 16 * 2
    assert [layer.memory_bytes for layer in layers] == [160, *[block + 80] * 3, 160 + 16]
    assert [layer.weight_bytes for layer in layers] == [16, *[block + 80] * 3, 160 + 16]
    assert layers[1].flops == 2 * PARAMETERS + 160  # of the numbers that are meant


def test_chains_take_rooflines():
    """Device 0 computes 256 FLOP/s and reads 128 bytes/s: times by hand, a token of 4 bytes comes back."""
    model = read_config(SMALL, "small")
    instance = instance_of(model, cluster(), "edgeshard-latency", 5)
    work, read = 2 * PARAMETERS + 160, 2 * PARAMETERS + 80
    expected = [
        [16 / 128, 16 / 64],
        *[[max(work / 256, read / 128), max(work / 512, read / 64)]] * 3,
        [176 / 128, 176 / 64],
    ]
    assert instance.compute_time_s == pytest.approx(np.array(expected))
    assert (instance.source, instance.return_bytes) == (0, 4)
    assert instance.name == "small-2-devices-edgeshard-latency"
    assert instance.description == (
        "small: 1,944 parameters in 3.888e-06 GB (2 bytes per parameter); context of 5 tokens, KV cache in f16, "
        "2.4e-07 GB per sequence"
    )


def test_batches_share_weights_and_not_caches():
    """Of 4 sequences: four times the work and the cache, the weights once."""
    instance = instance_of(read_config(SMALL, "small"), cluster(), "edgeshard-batch", 5)
    position = instance.batch_sizes.index(4)
    work, read = 4 * (2 * PARAMETERS + 160), 2 * PARAMETERS + 4 * 80
    assert instance.compute_time_s[position, 1].tolist() == pytest.approx(
        [max(work / 256, read / 128), read / 64]
    )
    assert instance.batch_sizes == (1, 2, 4, 8, 16, 32)
    assert (instance.source, instance.return_bytes) == (0, 4)


def test_widths_of_a_small_transformer():
    """FLOP of a token: twice the parameters, and scores and values of 4 heads of 2 over 5 positions."""
    instance = instance_of(read_config(SMALL, "small"), cluster(reading=False), "dilemma", 5)
    layer = instance.layers[0]
    assert (layer.flops, layer.parameters) == (2 * PARAMETERS + 2 * (2 * 5 * 2 * 4), PARAMETERS)
    assert (layer.output_elements, layer.original_bits, len(instance.layers)) == (8.0, 16, 3)
    assert instance.bit_widths == (4, 6, 8, 16)
    assert instance.quantization_error.tolist() == [[2.0**-5, 2.0**-7, 2.0**-9, 2.0**-17]] * 3
    assert instance.error_budget == 3 * 2.0**-9  # as if all were held in 8 bits
    full = instance_of(read_config(SMALL | {"torch_dtype": "float8_e4m3fn"}, "s"), cluster(), "dilemma", 5)
    assert (full.bit_widths, full.layers[0].original_bits) == ((4, 6, 8), 8)
    wide = instance_of(read_config(SMALL | {"head_dim": 3}, "s"), cluster(), "dilemma", 5)
    assert wide.layers[0].flops == 2 * wide.layers[0].parameters + 2 * (2 * 5 * 3 * 4)


def test_heads_of_a_small_transformer():
    """Groups where heads share keys; 10 intervals of what the cluster has; the prompt is the sequence."""
    for change, groups in (({}, 2), ({"num_key_value_heads": 4}, None)):
        instance = instance_of(read_config(SMALL | change, "s"), cluster(reading=False), "head-migration", 5)
        shape = instance.transformer
        assert (shape.heads, shape.embedding_dim, shape.kv_heads, shape.prompt_tokens) == (4, 8, groups, 5)
        assert (shape.bytes_per_parameter, shape.kv, shape.execution) == (2, "per-head", "cached")
        assert shape.parameters_in_memory
        assert instance.intervals == 10
        assert instance.memory_bytes.tolist() == [[10**6, 10**6]] * 10
        assert instance.flops_per_s.tolist() == [[256.0, 512.0]] * 10
        # Three matrices 8 x 16; the paper's factor is of D x D.
        assert (shape.ffn_parameters, shape.ffn_flops_factor) == (3 * 128, 6.0)
    plain = {"model_type": "opt", "ffn_dim": 16, "intermediate_size": None, "num_key_value_heads": None}
    shape = instance_of(read_config(SMALL | plain, "s"), cluster(), "head-migration", 5).transformer
    assert (shape.ffn_parameters, shape.ffn_flops_factor) == (2 * 128, 4.0)
    with pytest.raises(InstanceError, match="head_dim"):
        instance_of(read_config(SMALL | {"head_dim": 3}, "s"), cluster(), "head-migration", 5)
    decoder = instance_of(read_config(SMALL, "s"), cluster(), "head-migration-decoder", 5)
    assert (decoder.layers, decoder.name) == (3, "s-2-devices-head-migration-decoder")


@pytest.mark.parametrize(
    ("problem", "rates", "reading", "key"),
    [
        ("edgeshard-latency", False, True, "flops_per_s"),
        ("edgeshard-latency", True, False, "memory_bytes_per_s"),
        ("edgeshard-batch", False, True, "flops_per_s"),
        ("edgeshard-batch", True, False, "memory_bytes_per_s"),
        ("dilemma", False, True, "flops_per_s"),
        ("head-migration", False, True, "flops_per_s"),
    ],
)
def test_rates_that_are_needed(problem, rates, reading, key):
    """Work rates everywhere, reading rates where times are rooflines; also where one device alone says nothing."""
    model = read_config(SMALL, "small")
    with pytest.raises(InstanceError, match=f"devices.{key}: expected it for every device"):
        instance_of(model, cluster(rates=rates, reading=reading), problem, 5)
    partly = dataclasses.replace(cluster(), **{key: np.array([1.0, np.nan])})
    with pytest.raises(InstanceError, match=f"devices.{key}"):
        instance_of(model, partly, problem, 5)


def test_clusters_stand_alone_or_in_a_file():
    """What an instance file has under ``cluster``, or only that."""
    devices = {"devices": [{"name": "a", "memory_bytes": 5}], "bandwidth_bytes_per_s": 1}
    assert read_cluster(devices).device_names == read_cluster({"cluster": devices}).device_names == ("a",)
    with pytest.raises(PlacewiseError):
        read_cluster([devices])
    with pytest.raises(PlacewiseError, match="--problem: expected one of"):
        instance_of(read_config(SMALL, "s"), cluster(), "sorting", 5)


def test_names_come_from_files_or_folders(tmp_path):
    """A folder for ``config.json``, the file otherwise, and what is stated before either."""
    from placewise.instances import convert

    devices = tmp_path / "cluster.json"
    devices.write_text(
        json.dumps(
            {
                "devices": [
                    {"name": "a", "memory_bytes": 1e6, "flops_per_s": 1e3, "memory_bytes_per_s": 1e3}
                ],
                "bandwidth_bytes_per_s": 1,
            }
        )
    )
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file, stated, expected in (
        ("config.json", None, "tiny"),
        ("other.json", None, "other"),
        ("config.json", "mine", "mine"),
    ):
        (folder / file).write_text(json.dumps(SMALL))
        instance = convert(folder / file, cluster=devices, name=stated)
        assert instance.name == f"{expected}-1-devices-edgeshard-latency"
        # 1024 tokens of cache unless it is said: 2 x 1024 x 4 x 2 bytes.
        assert instance.layers[1].memory_bytes == 2 * PARAMETERS + 16 * 1024
    assert (
        convert(folder / "config.json", cluster=devices, sequence_length=1).layers[1].memory_bytes
        == 2 * PARAMETERS + 16
    )
    convert(folder / "config.json", cluster=devices, sequence_length=2**30)
    for wrong in (0, 2**30 + 1):
        with pytest.raises(PlacewiseError, match="--sequence-length: expected at least 1"):
            convert(folder / "config.json", cluster=devices, sequence_length=wrong)
    with pytest.raises(PlacewiseError, match="expected one file"):
        convert([folder / "config.json", folder / "other.json"], cluster=devices)
    with pytest.raises(PlacewiseError, match="--cluster: expected a file"):
        convert(folder / "config.json")


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2), ("float8_e4m3fn", 2)])
def test_activations_are_computed_in_32_bits_or_16(dtype, size):
    """As the weights are; of 8 bits in 16."""
    layers = read_config(SMALL | {"torch_dtype": dtype}, "small").layers(5)
    assert [layer.output_bytes for layer in layers] == [8 * size] * 4 + [10 * size]


@pytest.mark.parametrize(
    ("beside", "notes"),
    [
        ({}, ()),
        ({"vision_config": {"depth": 1}}, ("left out: vision_config",)),
        ({"vision_config": "none", "audio_config": {}}, ("left out: audio_config",)),
        ({"num_nextn_predict_layers": 1}, ("left out: the module that predicts further tokens",)),
    ],
)
def test_what_stands_beside_the_text_model_is_left_out(beside, notes):
    """Towers are objects whose names end in _config; said by name."""
    known = SMALL | beside
    found = read_config(known, "small", ignore_keys=tuple(beside)).notes
    assert tuple(note for note in found if note.startswith("left out")) == notes


def test_widths_of_heads():
    """A share of the width, or their own."""
    shape = read_config(SMALL, "small").transformer
    assert (shape.width_of_head, dataclasses.replace(shape, head_size=3).width_of_head) == (2, 3)


@pytest.mark.parametrize(
    "paths", [["a.ini"], ["a.ini", "b.ini"], ["a.ini", "b.ini", "c.json"], ["a.ini", "c.json", "d.json"]]
)
def test_an_ini_file_has_one_file_of_types_beside_it(paths):
    """Neither two clusters nor two of the others."""
    from placewise.instances import convert

    with pytest.raises(PlacewiseError, match=r"a\.ini: expected with it one JSON file"):
        convert(paths)
    with pytest.raises(PlacewiseError) as refused:
        convert(["no-such.ini", "no-such.json"])
    assert "expected with it" not in str(refused.value)


def test_what_is_not_said_has_its_usual_value(tmp_path):
    """128 tokens of context for a shape; no experts; a token of 4 bytes, or 4 bytes for each word, comes back."""
    from placewise.instances import convert

    shape = read_config(SMALL, "small").transformer
    assert shape.layers() == shape.layers(sequence_length=128)
    assert PublishedModel("p", 1, 1, (), (), ()).experts == 0
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMALL))
    sizes = [convert(config, cluster=cluster(), returns=what).return_bytes for what in ("token", "logits")]
    assert sizes == [4, 4 * 10]


@pytest.mark.parametrize(("full_cache", "window"), [(False, 4), (True, None)])
def test_a_full_cache_has_no_windows(full_cache, window):
    """In none of the layers, whatever the configuration says."""
    model = read_config(
        SMALL | {"model_type": "mistral", "sliding_window": 4}, "small", full_cache=full_cache
    )
    assert [block.attention.window for block in model.blocks] == [window] * 3
