"""Machines that people have asked about in public, rebuilt from their numbers: what comes out, as counted by hand."""

import json
from itertools import pairwise

import pytest

from placewise.cli.main import main
from placewise.instances import convert, read
from placewise.models.edgeshard import EdgeShardThroughput
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.largest import largest

QWEN_14B = {
    "model_type": "qwen2",
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "vocab_size": 152_064,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
LLAMA_70B = {
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def device(name, memory, tflops, gb_per_s, **more):
    return {
        "name": name,
        "memory_bytes": memory,
        "flops_per_s": tflops * 1e12,
        "memory_bytes_per_s": gb_per_s * 1e9,
    } | more


def files(folder, config, devices, **links):
    """Write a model and a cluster; return both paths."""
    model, cluster = folder / "config.json", folder / "cluster.json"
    model.write_text(json.dumps(config), encoding="utf-8")
    cluster.write_text(json.dumps({"devices": devices} | links), encoding="utf-8")
    return model, cluster


def run(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def placed(result):
    """Return how many layers each device hosts, in the order of the stages."""
    names = result["placement"]["layers"]
    return [(name, names.count(name)) for name in dict.fromkeys(names)]


def test_14b_on_a_card_that_is_half_full(tmp_path, capsys):
    """9 and 22 GiB: of 48 decoders 39 fit the second beside the head, and 9 the first beside the embedding."""
    both = [device("gpu0", 9 * 2**30, 70, 936), device("gpu1", 22 * 2**30, 70, 936)]
    model, cluster = files(tmp_path, QWEN_14B, both, bandwidth_bytes_per_s=16e9)
    result = run(capsys, "solve", model, "--cluster", cluster, "--json")
    assert result["status"] == "optimal"
    (first, few), (second, many) = placed(result)
    assert (first, second, few + many) == ("gpu0", "gpu1", 50)
    assert few in range(9, 14)


def test_three_macs_and_the_best_source(tmp_path, capsys):
    """193.3 ms from the machine that asks, which is the best source; that is found and not assumed."""
    macs = [
        device("m4-pro", 48 * 2**30, 9, 273),
        device("m3-ultra", 96 * 2**30, 28, 819),
        device("m4-max", 64 * 2**30, 17, 546),
    ]
    model, cluster = files(tmp_path, LLAMA_70B, macs, bandwidth_bytes_per_s=1.25e9, latency_s=3e-4)
    given = run(capsys, "solve", model, "--cluster", cluster, "--json")
    assert given["objective"] == pytest.approx(0.1933, abs=5e-5)
    each = [
        run(capsys, "solve", model, "--cluster", cluster, "--json", "--source", mac["name"])["objective"]
        for mac in macs
    ]
    free = run(capsys, "solve", model, "--cluster", cluster, "--json", "--source", "none")
    assert free["objective"] == pytest.approx(min(each))
    assert min(each) == given["objective"] < max(each)


def test_70b_on_seven_cards_and_a_small_one(tmp_path):
    """Two nodes with a slow link between them: it is crossed once there, and once back."""
    names = [f"n{k}g{g}" for k in (0, 1) for g in range(4)]
    cards = [device(name, 24e9, 70, 936) for name in names[:7]] + [device("n1g3", 12e9, 70, 760)]
    links = [[None if a == b else (16e9 if a[:2] == b[:2] else 1.25e9) for b in names] for a in names]
    latency = [[0 if a == b else (1e-5 if a[:2] == b[:2] else 1e-4) for b in names] for a in names]
    model, cluster = files(tmp_path, LLAMA_70B, cards, bandwidth_bytes_per_s=links, latency_s=latency)
    result = solve(convert(model, cluster=cluster), isolate=False)
    assert result.status.value == "optimal"
    assert result.objective == pytest.approx(0.1491, abs=1e-4)
    nodes = [result.instance.cluster.device_names[j][:2] for j in result.placement]
    assert sum(a != b for a, b in pairwise(nodes)) == 1


def test_a_third_card_on_a_slow_slot(tmp_path):
    """Two layers do not fit beside the others; they go to the slow slot, not to the processor: 46.26 ms."""
    devices = [
        device("gpu0", 16e9, 70, 700),
        device("gpu1", 16e9, 70, 700),
        device("gpu2", 12e9, 30, 360),
        device("cpu", 64e9, 1, 60),
    ]
    slow = [[name, "gpu2", 1e9] for name in ("gpu0", "gpu1", "cpu")]
    links = {"default": 12e9, "links": slow, "symmetric": True}
    model, cluster = files(
        tmp_path, QWEN_14B | {"torch_dtype": "float16"}, devices, bandwidth_bytes_per_s=links
    )
    result = solve(convert(model, cluster=cluster, sequence_length=16_384), isolate=False)
    assert result.objective == pytest.approx(0.04626, abs=5e-6)
    assert sum(j == 2 for j in result.placement) == 2
    assert 3 not in result.placement


def test_a_client_that_computes_nothing(tmp_path):
    """A phone without memory asks; 81.91 ms with its prompt as a layer of no bytes."""
    instance = {
        "format": "placewise/1",
        "problem": "edgeshard-latency",
        "name": "client",
        "cluster": {
            "devices": [
                device("phone", 0, 1e-3, 1),
                device("s1", 10e9, 10, 300),
                device("s2", 10e9, 10, 400),
            ],
            "bandwidth_bytes_per_s": [[None, 1e6, 1e6], [5e6, None, 1e8], [5e6, 1e8, None]],
            "latency_s": [[0, 0.02, 0.05], [0.02, 0, 0.001], [0.05, 0.001, 0]],
        },
        "model": {
            "layers": [
                {"name": "prompt", "memory_bytes": 0, "output_bytes": 4, "flops": 0, "weight_bytes": 0},
                {
                    "name": "embedding",
                    "memory_bytes": 262_144_000,
                    "output_bytes": 8192,
                    "flops": 0,
                    "weight_bytes": 8192,
                },
                {
                    "name": "decoder",
                    "memory_bytes": 440_000_000,
                    "output_bytes": 8192,
                    "flops": 440e6,
                    "weight_bytes": 440_000_000,
                    "repeat": 32,
                },
                {
                    "name": "head",
                    "memory_bytes": 262_144_000,
                    "output_bytes": 4,
                    "flops": 260e6,
                    "weight_bytes": 262_144_000,
                },
            ]
        },
        "source_device": "phone",
        "return_bytes": 4,
    }
    file = tmp_path / "client.json"
    file.write_text(json.dumps(instance), encoding="utf-8")
    assert solve(read(file), isolate=False).objective == pytest.approx(0.08191, abs=5e-6)


def test_the_longest_context_of_70b_in_4_bits_on_four_cards(tmp_path):
    """143,360 tokens still fit, as was found by hand; so do 152,576, packed card by card, and no more."""
    _, cluster = files(
        tmp_path,
        QWEN_14B,
        [device("gpu", 22 * 2**30, 50, 616, count=4)],
        bandwidth_bytes_per_s=12e9,
        latency_s=1e-5,
    )
    cards = convert(tmp_path / "config.json", cluster=cluster, problem="edgeshard-throughput").cluster
    embedding, decoder, head = 591_003_648, 512_884_736, 861_913_088

    def build(length):
        inner = Layer("decoder", decoder + 4096 * length, 16384.0, flops=1e9, weight_bytes=5e8)
        ends = (
            Layer("embedding", embedding, 16384.0, flops=0.0, weight_bytes=0.0),
            Layer("head", head, 4.0, flops=1e9, weight_bytes=8e8),
        )
        return EdgeShardThroughput(cards, [ends[0], *[inner] * 80, ends[1]])

    found = largest(build, step=256, most=2**24, isolate=False)
    assert (found.value, found.proven) == (152_576, True)
    packed = [0]
    for layer in build(found.refused).layers:  # equal cards: each takes what it can
        packed = [*packed, 0] if packed[-1] + layer.memory_bytes > 22 * 2**30 else packed
        packed[-1] += layer.memory_bytes
    assert len(packed) == 5
