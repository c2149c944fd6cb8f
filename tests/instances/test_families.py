"""Published configurations: parameters to the unit, stored bytes, caches; keys that are not understood."""

import json
from pathlib import Path

import pytest

from placewise.instances.importers import families
from placewise.instances.importers.config_keys import HARMLESS
from placewise.instances.importers.transformer_config import read_config
from placewise.models.errors import InstanceError

FOLDER = Path(__file__).parent / "published"
CONFIGS = json.loads((FOLDER / "configs.json").read_text(encoding="utf-8"))
PARAMETERS = json.loads((FOLDER / "parameters.json").read_text(encoding="utf-8"))
REFUSED = {
    "jamba-1.5-mini": "model_type: found 'jamba', not known here: state-space or recurrent layers",
    "mamba-2.8b": "model_type: found 'mamba', not known here: state-space or recurrent layers",
    "llama-3.2-90b-vision": "text_config.model_type: found 'mllama_text_model', not known here: layers that attend to",
    "nemotron-super-49b": "model_type: found 'nemotron-nas', not known here: its layers differ",
}
READ = sorted(set(CONFIGS) - set(REFUSED))


def model(name, **change):
    return read_config(CONFIGS[name] | change, name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_to_the_unit(name):
    """As published."""
    assert model(name).parameters == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("qwen2.5-7b-awq", 5.57),
        ("qwen2.5-14b-gptq-int4", 9.99),
        ("qwen3-8b-fp8", 9.44),
        ("qwen3-8b-mlx-4bit", 4.61),
        ("gpt-oss-20b", 13.76),
        ("llama-3.1-8b", 16.06),
        ("qwen2.5-7b", 15.231),
    ],
)
def test_stored_bytes_within_a_percent(name, gigabytes):
    """Of the sizes of the published files, scales and offsets included."""
    assert model(name).stored_bytes / 1e9 == pytest.approx(gigabytes, rel=0.01)


@pytest.mark.parametrize("name", READ)
def test_every_key_that_is_not_understood_is_refused(name):
    """By its name, with the way on: a key of the text model, of what stands around it, of the quantisation."""
    config = CONFIGS[name]
    added = [("kv_sharing_factor",)]
    added += [("text_config", "kv_sharing_factor")] if "text_config" in config else []
    if "quant_method" in config.get("quantization_config", {}):
        added.append(("quantization_config", "group_sizes_by_layer"))
    for path in added:
        document = json.loads(json.dumps(config))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = 7
        with pytest.raises(InstanceError, match=rf"{'.'.join(path)}: not known") as refused:
            read_config(document, name)
        assert "weights instead" in str(refused.value)
    assert model(name, kv_sharing_factor=None).parameters == model(name).parameters
    known = read_config(config | {"kv_sharing_factor": 7}, name, ignore_keys=("kv_sharing_factor",))
    assert "ignored on request: kv_sharing_factor" in known.description(1)


@pytest.mark.parametrize("name", READ)
def test_keys_that_matter_for_one_family_are_refused_by_others(name):
    """Experts, latent attention and biases are read where the family has them, and never passed over."""
    config = CONFIGS[name]
    for key, value in (
        ("kv_lora_rank", 64),
        ("num_local_experts", 4),
        ("mlp_bias", True),
        ("attention_bias", True),
        ("use_qk_norm", True),
        ("num_kv_shared_layers", 2),
        ("use_bias", True),
        ("layer_types", ["linear_attention"] * 99),
        ("cross_attention_layers", [1]),
        ("block_configs", [{}]),
    ):
        part = "text_config" if "text_config" in config else None
        changed = config | {part: config[part] | {key: value}} if part else config | {key: value}
        family = families.family_of(
            (config.get(part) or config).get("model_type"), config.get("architectures")
        )
        if value in (config.get(key), family.switches.get(key)):
            continue
        before = read_config(config, name)
        try:
            after = read_config(changed, name)
        except InstanceError as refused:
            assert key in str(refused) or "experts" in str(refused)  # noqa: PT017 - either is right
        else:
            assert (after.parameters, after.cache_bytes(9)) != (before.parameters, before.cache_bytes(9)), key


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (
            {"model_type": "gpt_bigcode", "n_embd": 6144, "n_layer": 40, "n_head": 48, "n_inner": 24_576}
            | {"n_positions": 8192, "vocab_size": 49_152, "multi_query": True, "pad_key_length": True},
            15_517_456_384,
        ),
        (
            {"model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128}
            | {"num_kv_heads": 8, "new_decoder_architecture": True, "bias": False, "vocab_size": 65_024},
            41_303_293_952,
        ),
        (
            {"model_type": "opt", "hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24}
            | {"num_attention_heads": 16, "vocab_size": 50_272, "word_embed_proj_dim": 512}
            | {"do_layer_norm_before": False},
            331_196_416,
        ),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_odd_members_of_families(config, parameters):
    """As published, with their own keys: one key head, two norms side by side, a projected table."""
    assert read_config(config, "m").parameters == parameters


@pytest.mark.parametrize("name", REFUSED)
def test_what_keeps_a_state_is_refused(name):
    """By its type, with the reason and the way on."""
    with pytest.raises(InstanceError) as refused:
        model(name)
    assert str(refused.value).startswith(REFUSED[name])
    assert "weights instead" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "tokens", "gigabytes"),
    [
        ("gemma-3-27b", 131_072, 11.17),
        ("mistral-7b-v0.1", 32_768, 0.537),
        ("gemma-2-9b", 8192, 2.11),
        ("llama-3.1-70b", 131_072, 42.9),
        ("deepseek-v3", 4096, 0.288),
        ("gpt-oss-20b", 131_072, 3.22),
        ("qwen2.5-7b", 131_072, 7.52),
    ],
)
def test_caches(name, tokens, gigabytes):
    """Windows, latent vectors and groups of heads."""
    assert sum(model(name).cache_bytes(tokens)) / 1e9 == pytest.approx(gigabytes, rel=0.005)


@pytest.mark.parametrize(
    ("name", "tied"), [("opt-6.7b", True), ("gpt2", True), ("llama-3.2-1b", True), ("llama-3.1-8b", False)]
)
def test_tied_tables_are_shared(name, tied):
    """By the family's default or as stated; embedding and head name the same tensor, outside their own memory."""
    layers = model(name).layers(16)
    assert bool(layers[0].shared) == bool(layers[-1].shared) == tied
    assert layers[0].shared == layers[-1].shared
    stored = sum(layer.memory_bytes for layer in layers) - sum(model(name).cache_bytes(16))
    assert stored + sum(size for _, size in layers[0].shared) == model(name).stored_bytes


def test_experts_are_all_in_memory_and_some_are_read():
    """Qwen3-30B-A3B: 3.3e9 of 30.5e9 parameters per token."""
    moe = model("qwen3-30b-a3b")
    layers = moe.layers(1)
    embedding = moe.embedding[0].parameters
    active = sum(layer.flops for layer in layers) / 2 + embedding
    assert active / 1e9 == pytest.approx(3.35, abs=0.01)
    assert sum(layer.memory_bytes for layer in layers) / 2 / 1e9 == pytest.approx(30.53, abs=0.01)
    assert {layer.experts.count for layer in layers[1:-1]} == {128}
    mixed = model("deepseek-v2-lite").layers(1)
    assert [layer.experts is None for layer in mixed] == [True, True, *[False] * 26, True]


@pytest.mark.parametrize(
    "change",
    [
        {"torch_dtype": "torch.bfloat16"},
        {"torch_dtype": None, "dtype": "bfloat16"},
        {"torch_dtype": "auto"},
        {"torch_dtype": None},
    ],
)
def test_types_however_they_are_written(change):
    """Two bytes; where nothing is said, the description says that it was assumed."""
    found = model("llama-3.1-8b", **change)
    assert found.bytes_per_parameter == 2
    assert ("assumed" in found.description(1)) == (change in ({"torch_dtype": "auto"}, {"torch_dtype": None}))


def test_longer_contexts_warn():
    """In the description."""
    assert "131,073 tokens are more than the 131,072" in model("llama-3.1-8b").description(131_073)
    assert "warning" not in model("llama-3.1-8b").description(131_072)


def test_towers_are_named_as_left_out():
    """What is not the text model."""
    for name in ("gemma-3-27b", "llava-1.5-7b", "mistral-small-3.1-24b"):
        assert "left out: vision_config" in model(name).description(1)
    assert "left out: the vision tower" in model("qwen2.5-vl-7b").description(1)


def test_families_are_consistent_data():
    """Each name of a width, a switch or a default is one that is known; no harmless key is read."""
    for family in families.families().values():
        assert not set(family.switches) & HARMLESS - {"use_parallel_residual"}, family.name
        assert set(family.must) <= set(family.switches)
    assert set(families.nested_defaults()) <= set(families.known_types())
