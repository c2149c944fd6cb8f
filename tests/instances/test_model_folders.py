"""Models written by the formats' own libraries, of random shapes: bytes per layer as the libraries have them."""

import json
import random
import re

import numpy as np
import pytest

from placewise.instances import convert
from placewise.instances.importers.model_files import ModelOptions, reader_of
from placewise.models.errors import InstanceError, PlacewiseError

F16, F32, I32, U8 = np.float16, np.float32, np.int32, np.uint8


def widths(seed):
    """Return random sizes: heads of a width, groups, a forward width."""
    draw = random.Random(seed)
    heads, width = draw.choice([2, 4, 8]), draw.choice([8, 16])
    return {
        "heads": heads,
        "groups": draw.choice([1, 2]),
        "width": width,
        "hidden": 32 * draw.randint(1, 3),
        "forward": 32 * draw.randint(1, 4),
        "vocabulary": draw.randint(20, 90),
        "layers": draw.randint(1, 4),
        "experts": draw.choice([2, 4]),
    }


def gated(prefix, w, kind=F16):
    h, f = w["hidden"], w["forward"]
    shapes = {"gate_proj": (f, h), "up_proj": (f, h), "down_proj": (h, f)}
    return {f"{prefix}.{name}.weight": np.zeros(shape, kind) for name, shape in shapes.items()}


def attention(prefix, w, kind=F16):
    h, q, k = w["hidden"], w["heads"] * w["width"], w["groups"] * w["width"]
    shapes = {"q_proj": (q, h), "k_proj": (k, h), "v_proj": (k, h), "o_proj": (h, q)}
    return {f"{prefix}.{name}.weight": np.zeros(shape, kind) for name, shape in shapes.items()}


def norms(prefix, w, *names):
    return {f"{prefix}.{name}.weight": np.zeros(w["hidden"], F16) for name in names}


def config(w, kind, **more):
    return {
        "model_type": kind,
        "hidden_size": w["hidden"],
        "intermediate_size": w["forward"],
        "num_hidden_layers": w["layers"],
        "num_attention_heads": w["heads"],
        "num_key_value_heads": w["groups"],
        "head_dim": w["width"],
        "vocab_size": w["vocabulary"],
        "torch_dtype": "float16",
    } | more


def table(w, name="model.embed_tokens.weight"):
    return {name: np.zeros((w["vocabulary"], w["hidden"]), F16)}


def llama(w):
    """Untied, norms in 32 bits."""
    found = table(w) | table(w, "lm_head.weight") | {"model.norm.weight": np.zeros(w["hidden"], F32)}
    for n in range(w["layers"]):
        at = f"model.layers.{n}"
        found |= attention(f"{at}.self_attn", w) | gated(f"{at}.mlp", w)
        found |= norms(at, w, "input_layernorm", "post_attention_layernorm")
    return found, config(w, "llama")


def gemma(w):
    """Tied, the table stored once; four norms."""
    found = table(w) | norms("model", w, "norm")
    for n in range(w["layers"]):
        at = f"model.layers.{n}"
        found |= attention(f"{at}.self_attn", w) | gated(f"{at}.mlp", w)
        found |= norms(at, w, "input_layernorm", "post_attention_layernorm")
        found |= norms(at, w, "pre_feedforward_layernorm", "post_feedforward_layernorm")
    return found, config(w, "gemma2", sliding_window=8)


def mixtral(w):
    """Experts one by one."""
    found = table(w) | table(w, "lm_head.weight") | norms("model", w, "norm")
    for n in range(w["layers"]):
        at = f"model.layers.{n}"
        found |= attention(f"{at}.self_attn", w) | norms(at, w, "input_layernorm", "post_attention_layernorm")
        found |= {f"{at}.block_sparse_moe.gate.weight": np.zeros((w["experts"], w["hidden"]), F16)}
        for e in range(w["experts"]):
            for name, shape in (("w1", "fh"), ("w2", "hf"), ("w3", "fh")):
                sizes = [w["forward"] if s == "f" else w["hidden"] for s in shape]
                found |= {f"{at}.block_sparse_moe.experts.{e}.{name}.weight": np.zeros(sizes, F16)}
    return found, config(w, "mixtral", num_local_experts=w["experts"], num_experts_per_tok=1)


def gptq(w):
    """Packed weights with scales, offsets and orders."""
    plain, described = llama(w)
    found = {}
    for name, value in plain.items():
        if not name.endswith("proj.weight"):
            found[name] = value
            continue
        out, inputs = value.shape
        module, groups = name.removesuffix(".weight"), -(-inputs // 16)
        found |= {
            f"{module}.qweight": np.zeros((inputs // 8, out), I32),
            f"{module}.qzeros": np.zeros((groups, out // 8), I32),
            f"{module}.scales": np.zeros((groups, out), F16),
            f"{module}.g_idx": np.zeros(inputs, I32),
        }
    return found, described | {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 16}}


def gpt2(w):
    """Other names, tables of positions, masks that are stored, heads as many as groups."""
    w = w | {"hidden": w["heads"] * w["width"], "groups": w["heads"]}
    h, f = w["hidden"], 4 * w["hidden"]
    found = table(w, "wte.weight") | {"wpe.weight": np.zeros((40, h), F16)} | norms("", w, "ln_f")
    found = {name.removeprefix("."): value for name, value in found.items()}
    for n in range(w["layers"]):
        shapes = {"attn.c_attn": (h, 3 * h), "attn.c_proj": (h, h), "mlp.c_fc": (h, f), "mlp.c_proj": (f, h)}
        found |= {f"h.{n}.{name}.weight": np.zeros(shape, F16) for name, shape in shapes.items()}
        found |= {f"h.{n}.attn.bias": np.zeros((1, 1, 40, 40), U8)} | norms(f"h.{n}", w, "ln_1", "ln_2")
    return found, {
        "model_type": "gpt2",
        "n_embd": h,
        "n_layer": w["layers"],
        "n_head": w["heads"],
        "n_positions": 40,
    } | {"vocab_size": w["vocabulary"]}


def unknown(w):
    """Name a family that nobody knows, with a tower beside it."""
    plain, described = llama(w)
    found = {f"language.{name}": value for name, value in plain.items()}
    found |= {"vision_tower.blocks.0.a.weight": np.zeros((9, 9), F16)}
    return found, described | {"model_type": "nobody-knows"}


FAMILIES = [llama, gemma, mixtral, gptq, gpt2, unknown]


def written(folder, tensors, described, files):
    """Write a model into so many files, with an index if there are several."""
    from safetensors.numpy import save_file

    names, weight_map = list(tensors), {}
    for n in range(files):
        name = "model.safetensors" if files == 1 else f"model-{n + 1:05}-of-{files:05}.safetensors"
        part = {key: tensors[key] for key in names[n::files]}
        save_file(part, folder / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    if files > 1:
        total = sum(value.nbytes for value in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    if described:
        (folder / "config.json").write_text(json.dumps(described))
    return str(folder)


def read_model(*paths, **options):
    return reader_of(list(paths), ModelOptions(**options))("m")


def by_layer(sizes, pattern):
    """Add up sizes by the number in the names; the others under -1."""
    found = {}
    for name, size in sizes.items():
        number = re.search(pattern, name)
        found[int(number[1]) if number else -1] = found.get(int(number[1]) if number else -1, 0) + size
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
def test_layers_take_what_the_safetensors_library_says(family, seed, tmp_path):
    """Whole, in parts, and read back by the library: each layer to the byte, a tied table once, no tower."""
    from safetensors import safe_open

    w = widths(seed)
    tensors, described = family(w)
    folder = written(tmp_path, tensors, described, 1 + seed % 3)
    sizes = {}
    for file in tmp_path.glob("*.safetensors"):
        with safe_open(file, framework="np") as stored:
            sizes |= {name: stored.get_tensor(name).nbytes for name in stored.keys() if "vision" not in name}  # noqa: SIM118
    expected = by_layer(sizes, r"(?:layers|h)\.(\d+)\.")
    model = read_model(folder)
    layers = model.layers(7, separate_cache=True)
    assert [layer.memory_bytes for layer in layers[1:-1]] == [expected[n] for n in range(w["layers"])]
    ends = layers[0].memory_bytes + layers[-1].memory_bytes
    assert ends + sum(size for _, size in layers[0].shared) == expected[-1]
    assert model.stored_bytes == sum(sizes.values())
    assert bool(layers[0].shared) is (family in (gemma, gpt2))
    keys = w["heads"] if family is gpt2 else w["groups"]
    assert model.cache_bytes(5) == (2 * 5 * keys * w["width"] * 2,) * w["layers"]
    if family is unknown:
        assert "left out: 1.62e-07 GB of other towers" in model.description(1)
    if family is gptq:  # FLOPs of the numbers that are meant
        plain = read_model(written_beside(tmp_path, llama(w)))
        assert [layer.flops for layer in layers] == [layer.flops for layer in plain.layers(7)]
    if family is mixtral:
        assert {(x.experts.count, x.experts.active) for x in layers[1:-1]} == {(w["experts"], 1)}
        assert layers[1].weight_bytes < layers[1].memory_bytes


def written_beside(folder, family):
    other = folder / "other"
    other.mkdir()
    return written(other, *family, 1)


def test_without_a_configuration(tmp_path):
    """Heads follow from the matrices of keys and values; where these are fused, or experts are chosen, it is needed."""
    w = widths(1)
    model = read_model(written(tmp_path, llama(w)[0], None, 1))
    assert model.cache_bytes(5) == (2 * 5 * w["groups"] * w["width"] * 2,) * w["layers"]
    assert model.layers(5) == read_model(written(tmp_path, *llama(w), 1)).layers(5)
    (tmp_path / "a").mkdir()
    with pytest.raises(InstanceError, match=r"h\.0.*: expected matrices of queries.* config\.json beside"):
        read_model(written(tmp_path / "a", gpt2(w)[0], None, 1))
    (tmp_path / "b").mkdir()
    with pytest.raises(InstanceError, match=r"experts.*expected how many experts a token is sent to"):
        read_model(written(tmp_path / "b", mixtral(w)[0], None, 1))


def test_a_tied_head_that_is_stored_is_loaded_once(tmp_path):
    """Where the configuration ties it."""
    tensors, described = llama(widths(2))
    model = read_model(written(tmp_path, tensors, described | {"tie_word_embeddings": True}, 1))
    assert "lm_head.weight is stored beside the table" in model.description(1)
    assert model.layers(1)[0].shared == model.layers(1)[-1].shared != ()


def test_files_that_are_not_there(tmp_path):
    """The configuration stands for them, where its family is known and what is there agrees with it."""
    w = widths(3)
    tensors, described = llama(w)
    folder = written(tmp_path, tensors, described, 3)
    whole = read_model(folder)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(
        InstanceError, match=r"model\.norm\.weight: expected|expected .* bytes as config.json says"
    ):
        read_model(folder)  # the norm is in 32 bits, which the configuration does not say
    half = {name: value.astype(F16) for name, value in tensors.items()}
    folder = written(tmp_path, half, described, 3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    part = read_model(folder)
    assert "1 of 3 files of the index is not there" in part.description(1)
    assert "which agree with" in part.description(1)
    assert part.layers(4)[1:-1] == whole.layers(4)[1:-1]
    written(tmp_path, half, described | {"model_type": "nobody-knows"}, 3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(InstanceError, match="1 of 3 files of the index is not there"):
        read_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_map": {"a": "../b.safetensors"}}, r"weight_map\.a: expected a file of this folder"),
        ({"weight_map": {"a": "/etc/passwd"}}, r"weight_map\.a: expected a file of this folder"),
        ({"weight_map": {"a": 1}}, r"weight_map\.a"),
        ({"weight_map": []}, "weight_map: expected a file for each tensor"),
        (
            {"weight_map": {"absent": "model-00001-of-00002.safetensors"}},
            "absent: expected it in model-00001",
        ),
        ({"metadata": {"total_size": -1}}, r"metadata\.total_size"),
    ],
)
def test_an_index_that_lies(change, message, tmp_path):
    """Naming the tensor."""
    folder = written(tmp_path, *llama(widths(1)), 2)
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((InstanceError, PlacewiseError), match=message):
        read_model(folder)


def test_layers_that_keep_a_state_or_are_missing(tmp_path):
    """By the names of tensors; a gap in the layers; two stacks."""
    for extra, message in (
        ("model.layers.0.mamba.A_log", "layers that keep a state"),
        ("model.layers.0.cross_attn.q_proj.weight", "a cache of something else"),
        ("model.layers.9.a.weight", r"model\.layers\.\d: expected its tensors"),
        ("encoder.block.0.a.weight", "the layers of one decoder.*found encoder.block, model.layers"),
    ):
        folder = tmp_path / extra
        folder.mkdir()
        tensors = llama(widths(1))[0] | {extra: np.zeros((2, 2), F16)}
        with pytest.raises(InstanceError, match=message):
            read_model(written(folder, tensors, None, 1))


GGUF = {
    "llama": {},
    "gemma3": {"sliding_window": 8},
    "qwen3moe": {"experts": True},
    "phi3": {"fused": True},
    "command-r": {"tied": True},
}


@pytest.mark.parametrize("family", GGUF)
@pytest.mark.parametrize("seed", range(2))
def test_layers_take_what_the_gguf_library_says(family, seed, tmp_path):
    """Written and read back by the library: each block to the byte."""
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

    w, asked = widths(seed), GGUF[family]
    h, q, k, f = w["hidden"], w["heads"] * w["width"], w["groups"] * w["width"], w["forward"]
    path = tmp_path / "m.gguf"
    writer = GGUFWriter(path, family)
    writer.add_block_count(w["layers"])
    writer.add_embedding_length(h)
    writer.add_feed_forward_length(f)
    writer.add_head_count(w["heads"])
    writer.add_head_count_kv(w["groups"])
    writer.add_key_length(w["width"])
    writer.add_value_length(w["width"])
    if "sliding_window" in asked:
        writer.add_sliding_window(asked["sliding_window"])
    if "experts" in asked:
        writer.add_expert_count(w["experts"])
        writer.add_expert_used_count(1)
    writer.add_tensor("token_embd.weight", np.zeros((w["vocabulary"], h), F16))
    if not asked.get("tied"):
        writer.add_tensor("output.weight", np.zeros((w["vocabulary"], h), F16))
    writer.add_tensor("output_norm.weight", np.zeros(h, F32))
    for n in range(w["layers"]):
        shapes = (
            {"attn_qkv": (q + 2 * k, h)}
            if asked.get("fused")
            else {"attn_q": (q, h), "attn_k": (k, h), "attn_v": (k, h)}
        )
        shapes |= {"attn_output": (h, q)}
        if asked.get("experts"):
            shapes |= {"ffn_up_exps": (w["experts"], f, h), "ffn_down_exps": (w["experts"], h, f)}
        else:
            shapes |= {"ffn_up": (f, h), "ffn_down": (h, f)}
        for name, shape in shapes.items():
            writer.add_tensor(f"blk.{n}.{name}.weight", np.zeros(shape, F32 if n % 2 else F16))
        packed = np.zeros((f, h // 32 * 18), U8)
        writer.add_tensor(f"blk.{n}.ffn_gate.weight", packed, raw_dtype=GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    sizes = {tensor.name: int(tensor.n_bytes) for tensor in GGUFReader(path).tensors}
    expected = by_layer(sizes, r"blk\.(\d+)\.")
    model = read_model(str(path))
    layers = model.layers(5, separate_cache=True)
    assert [layer.memory_bytes for layer in layers[1:-1]] == [expected[n] for n in range(w["layers"])]
    assert model.stored_bytes == sum(sizes.values())
    assert bool(layers[0].shared) is bool(asked.get("tied"))
    assert set(model.cache_bytes(5)) == {2 * 5 * k * 2}
    numbers = {tensor.name: int(tensor.n_elements) for tensor in GGUFReader(path).tensors}
    meant = by_layer(numbers, r"blk\.(\d+)\.")
    if not asked.get("experts"):
        assert layers[1].flops == 2 * meant[0] + 4 * 5 * q
    assert read_model(str(tmp_path)).layers(5) == model.layers(5)  # the folder of one model


def test_folders_on_a_cluster(tmp_path):
    """From a folder, an index or a file to an instance; an empty folder says what was expected."""
    devices = tmp_path / "cluster.json"
    entry = {"name": "a", "memory_bytes": 1e7, "flops_per_s": 1e9, "memory_bytes_per_s": 1e9}
    devices.write_text(json.dumps({"devices": [entry], "bandwidth_bytes_per_s": 1}))
    folder = tmp_path / "tiny"
    folder.mkdir()
    with pytest.raises(PlacewiseError, match=r"expected a config\.json, safetensors or GGUF files"):
        convert(folder, cluster=devices)
    written(folder, *llama(widths(1)), 2)
    instance = convert(folder, cluster=devices)
    assert instance.name == "tiny-1-devices-edgeshard-latency"
    assert convert(folder / "model.safetensors.index.json", cluster=devices) == instance
    parts = sorted(folder.glob("*.safetensors"))
    assert convert(parts, cluster=devices) == instance
    with pytest.raises(
        PlacewiseError, match=r"expected it in one|expected a table|expected the layers|twice|own"
    ):
        convert([parts[0], parts[0]], cluster=devices)
