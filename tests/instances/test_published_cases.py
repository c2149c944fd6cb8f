"""Jobs that people had in public threads, from the files that they had: caches, tables, halves, folders."""

import json
import warnings
from pathlib import Path

import pytest

from placewise import evaluate
from placewise.cli.main import main
from placewise.instances import convert
from placewise.instances.files import from_document
from placewise.models.errors import PlacewiseWarning
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status

FOLDER = Path(__file__).parent / "published"
CONFIGS = json.loads((FOLDER / "configs.json").read_text(encoding="utf-8"))


def devices(*entries, bandwidth=12e9, latency=0.0):
    """Return a cluster's document of (name, bytes, FLOP/s, bytes/s)."""
    keys = ("name", "memory_bytes", "flops_per_s", "memory_bytes_per_s")
    found = [dict(zip(keys, entry, strict=True)) for entry in entries]
    return {"devices": found, "bandwidth_bytes_per_s": bandwidth, "latency_s": latency}


CARD = devices(("gpu", 8e9, 4e13, 448e9), ("cpu", 64e9, 1e12, 60e9), latency=1e-5)
CARDS = devices(*((f"rtx3090-{n}", 24e9, 7e13, 936e9) for n in range(2)))


@pytest.fixture
def converted(tmp_path):
    """Convert a configuration, or a file, on a cluster's document."""

    def run(source, cluster, **options):
        paths = [tmp_path / "config.json", tmp_path / "cluster.json"]
        if isinstance(source, dict):
            paths[0].write_text(json.dumps(source))
        else:
            paths[0] = source
        paths[1].write_text(json.dumps(cluster))
        return convert(paths[0], cluster=paths[1], name="m", **options)

    return run


def fitting(instance, device):
    """Return how many layers from the first on a device holds."""
    limit, used, shared = int(instance.cluster.memory_bytes[device]), 0, {}
    for n, layer in enumerate(instance.layers):
        used, shared = used + layer.memory_bytes, shared | dict(layer.shared)
        if used + sum(shared.values()) > limit:
            return n
    return len(instance.layers)


def test_a_quantised_model_beside_a_card_of_2_gib(converted):
    """13B in GPTQ of 4 bits, scales, offsets and orders included: the embedding and 10 decoders fit, not 2."""
    config = {
        "model_type": "llama", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
        "num_attention_heads": 40, "num_key_value_heads": 40, "vocab_size": 32000, "torch_dtype": "float16",
        "quantization_config": {"bits": 4, "group_size": 128, "quant_method": "gptq", "desc_act": False, "sym": True},
    }  # fmt: skip
    cluster = devices(("gpu", 2**31, 1e13, 220e9), ("cpu", 30 * 2**30, 5e11, 40e9))
    assert fitting(converted(config, cluster, sequence_length=512), 0) == 1 + 10
    assert fitting(converted(config, cluster), 0) == 1 + 9  # with 1,024 tokens of cache
    assert fitting(converted({**config, "quantization_config": None}, cluster), 0) == 1 + 2


def test_a_sliding_window(converted):
    """Mistral 7B at 32,768 tokens: a cache of 0.54 GB, 4.29 where a runtime keeps all."""
    for options, gigabytes in (({}, 0.537), ({"full_cache": True}, 4.295)):
        instance = converted(CONFIGS["mistral-7b-v0.1"], CARDS, sequence_length=32_768, **options)
        weights = 14.483464192
        assert sum(layer.memory_bytes for layer in instance.layers) / 1e9 - weights == pytest.approx(
            gigabytes, rel=1e-3
        )


def test_the_full_context_of_a_tied_model(converted):
    """3B at 131,072 tokens in f32: 30.06 GB of cache, the table once; a million tokens warn."""
    config = CONFIGS["llama-3.2-3b"] | {"max_position_embeddings": 131_072}
    cluster = devices(("a", 32e9, 3e11, 38e9), ("b", 16e9, 3e11, 34e9), bandwidth=1.25e8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PlacewiseWarning)
        instance = converted(config, cluster, sequence_length=131_072, cache_type="f32")
    cache, table = 28 * 131_072 * 2 * 1024 * 4, 128_256 * 3072 * 2
    assert sum(layer.memory_bytes for layer in instance.layers) == cache + 2 * 3_212_749_824 - table
    assert "131,072 tokens, KV cache in f32, 30.1 GB" in instance.description
    with pytest.warns(PlacewiseWarning, match="1,000,000 tokens are more than the 131,072"):
        converted(config, cluster, sequence_length=1_000_000)


@pytest.mark.parametrize(
    ("name", "tokens", "cache_gigabytes"),
    [("gemma3-27b", 131_072, 11.17), ("llama70b-q4", 143_360, 46.98), ("phi3-mini", 4096, 1.61)],
)
def test_headers_of_gguf_files(name, tokens, cache_gigabytes, converted):
    """Windows, groups of heads, fused matrices."""
    instance = converted(FOLDER / f"{name}.gguf", CARDS, sequence_length=tokens)
    empty = converted(FOLDER / f"{name}.gguf", CARDS, sequence_length=1)
    held = [sum(layer.memory_bytes for layer in found.layers) for found in (instance, empty)]
    assert (held[0] - held[1]) / 1e9 == pytest.approx(cache_gigabytes, rel=2e-3)
    if name == "phi3-mini":  # attention, its output, and three matrices of 3072 x 8192 in one and a half
        assert empty.layers[1].flops == 2 * (4 * 3072**2 + 3 * 3072 * 8192) + 4 * 3072


def test_a_tied_gguf_to_the_byte(converted):
    """SmolLM2-135M in Q4_1, whose tensors sum to 96,576,768 bytes: a device of these and the cache holds it; one byte less does not."""
    held = 96_576_768 + 30 * 2 * 3 * 64 * 2 * 100  # keys and values of 100 tokens in f16
    for limit, fits in ((held, True), (held - 1, False)):
        cluster = devices(("gpu", limit, 1e12, 2e10))
        instance = converted(FOLDER / "smollm2-135m-q4_1.gguf", cluster, sequence_length=100)
        assert evaluate(instance, [0] * 32).feasible is fits
        assert [layer.shared != () for layer in instance.layers] == [True, *[False] * 30, True]


def test_the_longest_context_of_four_cards(converted):
    """70B in 4 bits with 143,360 tokens is placed."""
    cards = devices(*((f"gpu-{n}", 23_622_320_128, 5e13, 616e9) for n in range(4)), latency=1e-5)
    instance = converted(FOLDER / "llama70b-q4.gguf", cards, sequence_length=143_360)
    assert solve(instance, isolate=False, time_limit=20).status in (Status.OPTIMAL, Status.FEASIBLE)


@pytest.mark.parametrize(("split", "milliseconds"), [(True, 14.19), (False, 20.41)])
def test_experts_on_the_cpu(split, milliseconds):
    """Attention on the card and experts beside it: halves as layers of their own, and whole layers."""
    attention, experts = 19_005_440, 339_738_624
    layers = [
        {
            "name": "embedding",
            "memory_bytes": 175_030_272,
            "output_bytes": 4096,
            "flops": 0,
            "weight_bytes": 4096,
        }
    ]
    parts = [
        {"name": "attention", "memory_bytes": attention, "flops": 37_748_736, "weight_bytes": attention},
        {"name": "experts", "memory_bytes": experts, "flops": 75_497_472, "weight_bytes": 21_233_664},
    ]
    if not split:
        parts = [
            {key: sum(p[key] for p in parts) for key in ("memory_bytes", "flops", "weight_bytes")}
            | {"name": "moe"}
        ]
    layers += 48 * [part | {"output_bytes": 4096} for part in parts]
    layers += [
        {"name": "head", "memory_bytes": 175_030_272, "output_bytes": 4, "flops": 622_329_856}
        | {"weight_bytes": 175_030_272}
    ]
    document = {"format": "placewise/1", "problem": "edgeshard-latency", "name": "moe", "cluster": CARD}
    result = solve(
        from_document(document | {"model": {"layers": layers}, "source_device": "gpu"}), isolate=False
    )
    assert (result.status, round(result.objective * 1e3, 2)) == (Status.OPTIMAL, milliseconds)


def test_experts_of_a_published_model_on_the_cpu(converted):
    """Qwen3-30B-A3B in 4 bits: with halves all attention is on the card, and a token takes less."""
    config = CONFIGS["qwen3-30b-a3b"] | {
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}
    }
    whole, halves = (converted(config, CARD, split_experts=split) for split in (False, True))
    assert len(halves.layers) == len(whole.layers) + 48
    assert sum(layer.memory_bytes for layer in halves.layers) == sum(
        layer.memory_bytes for layer in whole.layers
    )
    assert [layer.name for layer in halves.layers[:4]] == ["embedding", "attention", "experts", "attention"]
    results = [solve(instance, isolate=False, time_limit=20) for instance in (whole, halves)]
    assert results[1].objective < 0.8 * results[0].objective


def test_a_folder_of_which_one_file_is_there(tmp_path, capsys):
    """Index, configuration, and the header of the first file: read, and solved."""
    folder = tmp_path / "qwen"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIGS["qwen2.5-7b"]))
    shape = {"dtype": "BF16", "shape": [152_064, 3584], "data_offsets": [0, 1_089_994_752]}
    header = json.dumps({"model.embed_tokens.weight": shape}).encode()
    (folder / "model-00001-of-00004.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    names = {"model.embed_tokens.weight": 1, "lm_head.weight": 4}
    weight_map = {name: f"model-0000{part}-of-00004.safetensors" for name, part in names.items()}
    index = {"metadata": {"total_size": 15_231_233_024}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "cluster.json").write_text(json.dumps(CARDS))
    assert main(["solve", str(folder), "--cluster", str(tmp_path / "cluster.json"), "--contiguous"]) == 0
    shown = capsys.readouterr().out
    assert "7,615,616,512 parameters in 15.23 GB" in shown
    assert "which agree with the 15,231,233,024 bytes of the index" in shown
