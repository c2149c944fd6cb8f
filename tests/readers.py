"""Every reader of files that others wrote, as functions of bytes, and changes that break documents cleverly."""

import contextlib
import copy
import json
import struct
import tempfile
from pathlib import Path

from placewise.benchmarks.harness.records import FILE, read_records
from placewise.benchmarks.harness.suites import expand, read_suite
from placewise.cli.check import examine, read_result
from placewise.instances import convert, read, shipped_instances, to_document
from placewise.instances.files import from_document, read_text
from placewise.instances.importers import gguf_header, gguf_model
from placewise.instances.importers.iperf3 import links_document, read_iperf3
from placewise.instances.importers.llama_bench import is_llama_bench, read_llama_bench
from placewise.instances.importers.model_files import ModelOptions, reader_of
from placewise.instances.strict_json import loads
from placewise.models.errors import PlacewiseError

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "torch_dtype": "float16",
}
EXPERTS = {
    "model_type": "qwen3_moe",
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "sliding_window": 8,
    "use_sliding_window": False,
    "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True},
}
NESTED = {
    "model_type": "gemma3",
    "vision_config": {"hidden_size": 8},
    "text_config": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 2,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "quantization": {"bits": 4, "group_size": 64, "model.norm": False},
}
LATENT = {
    "model_type": "deepseek_v3",
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "quantization_config": {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "ignore": ["re:.*lm_head"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 4, "group_size": 32, "strategy": "group"},
            }
        },
    },
}
CLUSTER = {
    "devices": [
        {"name": "a", "count": 2, "memory_bytes": 1e9, "flops_per_s": 1e9, "memory_bytes_per_s": 1e9}
    ],
    "bandwidth_bytes_per_s": {"default": 1e6, "links": [["a-0", "a-1", 5e5]], "symmetric": True},
    "latency_s": 0.001,
}
GRAPH = {
    "maxFPGAs": 2,
    "maxSizePerFPGA": 100,
    "nodes": [{"id": n, "fpgaLatency": 1.0, "size": 5, "supportedOnFpga": 1} for n in range(3)],
    "edges": [{"sourceId": n, "destId": n + 1, "size": 4, "cost": 2.0} for n in range(2)],
}
PROFILE = {
    "b": [0, 1000, 1000],
    "b_i": [0, 16, 16],
    "b_o": [0, 16, 16],
    "L": 2,
    "hk": 2,
    "ek": 4,
    "hv": 2,
    "ev": 4,
    "n_kv": 10,
    "e_embed": 8,
    "V": 16,
    "quantization": "Q8_0",
    "f_q": {"prefill": {"b_1": [0, 9, 9]}, "decode": {"b_1": [0, 3000, 5000]}},
}
DEVICE = {
    "name": "mac",
    "is_head": True,
    "has_metal": True,
    "scpu": {"Q8_0": {"b_1": 100.0}},
    "sgpu_metal": {"Q8_0": {"b_1": 1000.0}},
    "T_cpu": 10.0,
    "T_metal": 500.0,
    "d_avail_ram": 9000,
    "d_avail_metal": 8000,
    "t_comm": 0.5,
}
LLAMA_BENCH = [
    {
        "cpu_info": "Ryzen 7",
        "gpu_info": "",
        "n_gpu_layers": 0,
        "model_type": "qwen 0.8B",
        "model_size": 521555200,
    }
    | {"model_n_params": 752393024, "n_prompt": prompt, "n_gen": generated, "avg_ts": rate}
    for prompt, generated, rate in ((512, 0, 210.5), (0, 128, 8.5))
]
IPERF3 = {
    "start": {
        "connected": [{"local_host": "10.0.0.2", "remote_host": "10.0.0.3"}],
        "test_start": {"protocol": "TCP", "reverse": 0},
    },
    "end": {
        "streams": [{"sender": {"min_rtt": 400, "mean_rtt": 900}}],
        "sum_received": {"bits_per_second": 9.4e8},
    },
}
HELIX = """# three nodes
[NodeNames]
total_compute_nodes=3
[ComputeNode-0]
type=T4
[ComputeNode-1]
type=T4x2
[ComputeNode-2]
type=A100
[Link-source-0]
bandwidth=1000 * mbps
latency=1 * MilliSec
[Link-0-1]
bandwidth=14.6 * mbps
latency=50 * MilliSec
[Link-1-sink]
bandwidth=1.25 * gbps
latency=1 * MilliSec
"""
TYPED_CLUSTER = {
    "devices": [
        {"name": "desk", "device": "rtx-4090", "reserve_bytes": "10 %", "efficiency": "70 %"},
        {"name": "m2-max-64gb", "hop_overhead_s": "1 ms", "layer_overhead_s": "20 us"},
        {"name": "phone", "memory_bytes": 0},
        {
            "name": "pi",
            "count": 2,
            "memory_bytes": "7.5 GiB",
            "flops_per_s": "80 GFLOPS",
            "memory_bytes_per_s": "17 GB/s",
        },
    ],
    "bandwidth_bytes_per_s": {
        "default": "1 Gbps",
        "links": [["desk", "phone", "100 Mbit/s"]],
        "symmetric": True,
    },
    "latency_s": "0.3 ms",
    "source": "phone",
}
SUITE = {
    "format": "placewise-suite/1",
    "name": "small",
    "entries": [{"group": "hand", "instances": ["hand-split"], "methods": ["greedy"], "seeds": [1]}],
}
RESULT = {
    "format": "placewise-result/1",
    "instance": "hand-split",
    "problem": "edgeshard-latency",
    "status": "optimal",
    "objective": 7.0,
    "unit": "s",
    "dual_bound": 7.0,
    "relative_gap": 0.0,
    "terms": {"compute": 4.0, "communication": 2.0, "return": 1.0},
    "violations": [],
    "seconds": {"build": 0.1, "solve": 0.4},
    "versions": {"python": "3.12"},
    "placement": {"layers": ["a", "b", "b", "b"]},
}
LARGEST_SEED = 8000
#: What documents are broken with.
ODD = [
    None, True, -1, 0, 1, 2**31, 2**53 + 1, 2**63, 10**400, -0.0, 1e-320, 1e308, 0.5, "", "a", "\x00", "x" * 300,
    "../..", "24 GB", "1 Gbps", "9**9**9 GB", "50 %", [], {}, [[]], [None], {"a": 1}, [0] * 40, "\ud800", 4096, 1e15,
]  # fmt: skip


def read_instance(content: bytes) -> None:
    """Read an instance; what is accepted is written and read back unchanged."""
    with _file(content) as path:
        instance = read(path)
        document = to_document(instance)
        assert to_document(from_document(loads(json.dumps(document)))) == document


def read_a_result(content: bytes) -> None:
    """Read a result file as `placewise check` does and recompute it, then as a warm start is read."""
    with _file(content) as path:
        examine(read("hand-split"), str(path))
        read_result(read("hand-split"), str(path))


def read_a_suite(content: bytes) -> None:
    """Read a suite and expand it."""
    with _file(content) as path:
        expand(read_suite(str(path)))


def read_some_records(content: bytes) -> None:
    """Read the records of a folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, FILE).write_bytes(content)
        read_records(Path(folder))


def convert_config(content: bytes) -> None:
    """Convert a configuration on a cluster, both in one document."""
    with _file(content) as path:
        both = loads(read_text(path))
        parts = [
            both.get(key) if isinstance(both, dict) else None for key in ("config", "cluster", "problem")
        ]
        with _file(_dump(parts[0])) as config, _file(_dump(parts[1])) as cluster:
            convert(config, cluster=cluster, problem=str(parts[2]), sequence_length=16)


def convert_profiles(content: bytes) -> None:
    """Convert a model's profile and a device's, both in one document."""
    with _file(content) as path:
        both = loads(read_text(path))
        parts = [both.get(key) if isinstance(both, dict) else None for key in ("model", "device")]
        with _file(_dump(parts[0])) as model, _file(_dump(parts[1])) as device:
            convert([model, device], quantization="Q8_0")


def convert_graph(content: bytes) -> None:
    """Convert a layer graph."""
    with _file(content) as path:
        convert(path, problem="edgeshard-throughput")


def read_cluster(content: bytes) -> None:
    """Read a cluster file, and put a model on it."""
    with _file(content) as path, _file(_dump(CONFIG)) as config:
        convert(config, cluster=path, sequence_length=16)


def read_helix(content: bytes) -> None:
    """Read a cluster of Helix."""
    read_cluster(b"[NodeNames]\n" + content.replace(b"[NodeNames]", b""))


def read_measurements(content: bytes) -> None:
    """Read what llama-bench or iperf3 wrote."""
    with _file(content) as path:
        document = loads(read_text(path))
        if is_llama_bench(document):
            read_llama_bench(document).entry()
        else:
            links_document([read_iperf3(document)])


def read_gguf(content: bytes) -> None:
    """Read a model's header, and make layers of it."""
    gguf_model.model_of(gguf_header.parse_header(content), "m").layers(16)


def read_safetensors(content: bytes) -> None:
    """Read a header and a configuration, both in one document, or a file as it is; make layers of it."""
    with tempfile.TemporaryDirectory() as folder:
        file, config = Path(folder, "model.safetensors"), Path(folder, "config.json")
        try:
            both = json.loads(content)
        except (ValueError, RecursionError):
            both = None
        if isinstance(both, dict):
            header = _dump(both.get("header"))
            content = struct.pack("<Q", len(header)) + header
            if both.get("config") is not None:
                config.write_bytes(_dump(both["config"]))
        file.write_bytes(content)
        reader_of([folder], ModelOptions())("m").layers(16)


def read_an_index(content: bytes) -> None:
    """Read an index whose files are not there beside a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.safetensors.index.json").write_bytes(content)
        Path(folder, "config.json").write_bytes(_dump(CONFIG))
        reader_of([folder], ModelOptions())("m").layers(16)


@contextlib.contextmanager
def _file(content):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def _dump(document) -> bytes:
    return json.dumps(document).encode("utf-8", "replace")


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _tiny_gguf() -> bytes:
    numbers = {
        b"llama.block_count": 1,
        b"llama.embedding_length": 8,
        b"llama.feed_forward_length": 8,
        b"llama.attention.head_count": 2,
    }
    pairs = _string(b"general.architecture") + struct.pack("<I", 8) + _string(b"llama")
    pairs += b"".join(_string(key) + struct.pack("<II", 4, value) for key, value in numbers.items())
    pairs += _string(b"words") + struct.pack("<IIQ", 9, 8, 2) + _string(b"a") + _string(b"b")
    tensors = b"".join(
        _string(name) + struct.pack("<IQQIQ", 2, 8, 8, 0, 0)
        for name in (b"token_embd.weight", b"blk.0.ffn_up.weight")
    )
    return b"GGUF" + struct.pack("<IQQ", 3, 2, len(numbers) + 2) + pairs + tensors


def _tiny_safetensors() -> bytes:
    shapes = {
        "model.embed_tokens.weight": [100, 64],
        "model.layers.0.self_attn.q_proj.weight": [64, 64],
        "model.layers.0.self_attn.k_proj.weight": [32, 64],
        "model.layers.0.self_attn.v_proj.weight": [32, 64],
        "model.layers.1.self_attn.q_proj.qweight": [8, 64],
        "model.layers.1.self_attn.q_proj.scales": [1, 64],
        "model.norm.weight": [64],
    }
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return _dump({"header": header, "config": CONFIG})


def instance_seeds() -> list[bytes]:
    """Return the shipped instances that are small."""
    texts = [path.read_bytes() for path in shipped_instances().values()]
    return [text for text in texts if len(text) < LARGEST_SEED]


#: Readers with documents that they accept.
READERS = {
    read_instance: instance_seeds(),
    read_a_result: [_dump(RESULT)],
    read_a_suite: [_dump(SUITE)],
    read_some_records: [b'{"key": "k", "status": "optimal"}\n'],
    convert_config: [
        _dump({"config": CONFIG, "cluster": CLUSTER, "problem": problem})
        for problem in ("edgeshard-latency", "edgeshard-batch", "dilemma", "head-migration")
    ]
    + [
        _dump({"config": config, "cluster": CLUSTER, "problem": "edgeshard-batch"})
        for config in (CONFIG | EXPERTS, NESTED, LATENT)
    ],
    convert_profiles: [_dump({"model": PROFILE, "device": DEVICE})],
    convert_graph: [_dump(GRAPH)],
    read_cluster: [_dump(TYPED_CLUSTER)],
    read_helix: [HELIX.encode()],
    read_measurements: [_dump(LLAMA_BENCH), _dump(IPERF3)],
    read_gguf: [_tiny_gguf()],
    read_safetensors: [_tiny_safetensors()],
    read_an_index: [_dump({"metadata": {"total_size": 5}, "weight_map": {"a": "b.safetensors"}})],
}


def attempt(reader, content: bytes) -> bool:
    """Read a document; whatever is wrong with it is one clear line. Return whether it was accepted."""
    try:
        reader(content)
    except PlacewiseError as error:
        text = str(error)
        assert text.strip()
        assert len(text) < 2000
        return False
    return True


def places(document, found=None, path=()):
    """Return the paths of all values in a document."""
    found = [] if found is None else found
    found.append(path)
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, item in items:
        places(item, found, (*path, key))
    return found


def changed(document, path, value, kind):
    """Return a document with a value replaced, removed, repeated or renamed at a path."""
    if not path:
        return value
    document = copy.deepcopy(document)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    last = path[-1]
    if kind == "remove":
        del holder[last]
    elif kind == "repeat" and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    elif kind == "rename" and isinstance(holder, dict):
        holder[str(value)] = holder.pop(last)
    elif kind == "scale" and isinstance(holder[last], int | float) and isinstance(value, int | float):
        with contextlib.suppress(OverflowError):
            holder[last] = holder[last] * value
    else:
        holder[last] = value
    return document
