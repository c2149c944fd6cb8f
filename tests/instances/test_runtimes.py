"""Plans for runtimes: what each reads from them, by its own rules written down here once more, is the placement."""

import random
import re
import shlex

import numpy as np
import pytest

from placewise.instances.runtimes import RUNTIMES, Settings, chain_of, plan_for
from placewise.instances.runtimes.accelerate import FAMILIES
from placewise.instances.runtimes.chain import roles_of
from placewise.models.errors import PlacewiseError

HOST = "desk"


def document(devices, names=None, problem="edgeshard-latency", **placement):
    """Return a result of so many layers: embedding, decoders, head where no names are given."""
    names = names or ["embedding", *["decoder"] * (len(devices) - 2), "head"]
    return {"problem": problem, "placement": {"layers": devices, **placement}, "layer_names": names}


def planned(runtime, *arguments, at=None, family=None, **placement):
    return plan_for(runtime, chain_of(document(*arguments, **placement)), Settings(at or {}, family))


def contiguous(source, most=9):
    """Return a random placement of runs, the embedding on the first device."""
    order = [HOST, *source.sample(["b", "c", "d", "e"], 4)][: source.randint(1, 5)]
    devices = [name for name in order for _ in range(source.randint(1, most))]
    return devices if len(devices) > 2 else contiguous(source, most)


def read_llama(words, decoders, order):
    """Return where llama.cpp puts decoder layers and head: its arithmetic, in 32 bits as there.

    `order` are the devices that it would list by itself: servers first.
    """
    value = dict(zip(words[::2], words[1::2], strict=True))
    devices = value["--device"].split(",") if value["--device"] != "none" else []
    shares = [float(share) for share in value.get("--tensor-split", "1").split(",")]
    assert len(shares) == max(len(devices), 1)
    assert set(devices) <= set(order)
    sums = np.cumsum(np.array(shares, dtype=np.float32), dtype=np.float32)
    sums /= sums[-1]
    count = min(int(value["-ngl"]), decoders + 1) if devices else 0
    start = max(decoders + 1 - int(value["-ngl"]), 0)
    where = []
    for unit in range(decoders + 1):
        if unit < start or unit - start >= count:
            where.append("CPU")
            continue
        share = np.float32(unit - start) / np.float32(count)
        where.append(devices[int(np.searchsorted(sums, share, side="right"))])
    return where


@pytest.mark.parametrize("seed", range(40))
def test_llama_cpp_puts_each_layer_where_the_placement_has_it(seed):
    """Servers, cards and the processor, in any order of use, in hundreds of placements of up to 45 layers."""
    source = random.Random(seed)
    for _ in range(10):
        devices = contiguous(source)
        card = source.random() < 0.5
        at = {HOST: "CUDA0"} if card else {}
        others = list(dict.fromkeys(devices))[1:]
        if others and source.random() < 0.5:
            at[others[0]] = "CUDA1"
        plan = planned("llama.cpp", devices, at=at)
        words = list(plan.values["flags"])
        servers = plan.values["servers"]
        name = {at.get(other, f"{other}:50052"): other for other in others}
        known = {f"RPC{n}": name[server] for n, server in enumerate(servers)}
        known |= {"CPU": HOST} | {place: device for device, place in at.items()}
        where = read_llama(words, len(devices) - 2, [*known])
        assert [known[place] for place in where] == devices[1:]
        assert ("--rpc" in words) == bool(servers)
        shown = next(line for line in plan.text.splitlines() if line.startswith("llama-server"))
        assert shlex.split(shown)[3:] == words


def test_llama_cpp_shows_servers_in_their_order():
    """Each with its port, the second at an address of its own; the split counts the head."""
    plan = planned("llama.cpp", ["a", "a", "b", "b", "c", "c"], at={"c": "10.0.0.3:50053"})
    assert plan.values["servers"] == ["b:50052", "10.0.0.3:50053"]
    assert plan.values["flags"][-6:] == ["--device", "RPC0,RPC1", "-ngl", "4", "--tensor-split", "2,2"]
    assert "ggml-rpc-server --host 0.0.0.0 --port 50053" in plan.text
    assert "a computes on its processor; --at a=CUDA0" in plan.notes[0]


@pytest.mark.parametrize(
    ("devices", "at", "told"),
    [
        (["a", "a", "b", "a", "a"], {}, "returns to a; --contiguous"),
        (["a", "a", "b", "cpu", "cpu"], {"a": "CUDA0"}, "--source cpu, or --at cpu=HOST:PORT"),
        (["a", "a", "cpu", "cpu"], {}, "would both be the processor of a"),
        (["a", "b", "b", "b"], {"a": "10.0.0.2:50052"}, "stays on the machine that is started; --source"),
        (["a", "b", "b", "b"], {"b": "somewhere"}, "expected HOST:PORT"),
        (["a", "b", "b", "b"], {"x": "CUDA0"}, "expected a device of the placement"),
    ],
)
def test_llama_cpp_refuses(devices, at, told):
    """In one line: the reason, and an option that helps."""
    with pytest.raises(PlacewiseError, match=re.escape(told)) as error:
        planned("llama.cpp", devices, at=at)
    assert "\n" not in str(error.value)


def test_experts_elsewhere():
    """By a pattern for the tensors of those layers; the attention is what the split counts."""
    names = ["embedding", *["attn", "experts"] * 3, "head"]
    devices = ["gpu", "gpu", "cpu", "gpu", "gpu", "gpu", "cpu", "gpu"]
    plan = planned("llama.cpp", devices, names)
    flags = plan.values["flags"]
    pattern, _, buffer = flags[-1].partition("=")
    assert (flags[-2], buffer) == ("--override-tensor", "CPU")
    assert flags[:4] == ["--device", "CUDA0", "-ngl", "4"]
    found = [n for n in range(3) if re.search(pattern, f"blk.{n}.ffn_down_exps.weight")]
    assert found == [0, 2]
    assert not re.search(pattern, "blk.0.attn_q.weight")
    remote = planned("llama.cpp", [d.replace("cpu", "far") for d in devices], names)
    assert remote.values["flags"][-1].endswith("=RPC0[far:50052]")
    for runtime in ("vllm", "exo", "accelerate"):
        with pytest.raises(PlacewiseError, match="its experts are on cpu; --for llama"):
            planned(runtime, devices, names, family="qwen3_moe")


def read_vllm(text, decoders):
    """Return the ranks' decoder layers as vLLM's parser reads them; it raises where numbers do not fit."""
    words = shlex.split(text)
    partition = next(word for word in words if word.startswith("VLLM_PP_LAYER_PARTITION=")).split("=")[1]
    numbers = [int(number) for number in partition.split(",")]
    assert len(numbers) == int(words[words.index("--pipeline-parallel-size") + 1])
    assert sum(numbers) == decoders
    return [rank for rank, number in enumerate(numbers) for _ in range(number)]


@pytest.mark.parametrize("runtime", ["vllm", "exo"])
def test_ranks_hold_their_layers(runtime):
    """Embedding and head go with the first and the last; where one stands alone it is refused with an option."""
    source, read, alone = random.Random(1), 0, 0
    for _ in range(300):
        devices = contiguous(source, most=5)
        try:
            plan = planned(runtime, devices)
        except PlacewiseError as error:
            alone += 1
            told = str(error)
            assert devices[0] != devices[1] or devices[-1] != devices[-2]
            assert re.search(r"hosts the (embedding|head) alone.*; --min-layers \w+=2", told)
            continue
        read += 1
        if runtime == "vllm":
            where = [plan.values["ranks"][rank] for rank in read_vllm(plan.text, len(devices) - 2)]
        else:
            shards = plan.values["shards"]
            assert [shard["device_rank"] for shard in shards] == [*range(len(shards))]
            where = [s["node_id"] for s in shards for _ in range(s["start_layer"], s["end_layer"])]
            assert shards[-1]["end_layer"] == shards[0]["n_layers"] == len(devices) - 2
        assert where == devices[1:-1]
    assert min(read, alone) > 30


def test_cards_take_their_ranks_by_number():
    """As their names say, or --at; without numbers nothing is claimed."""
    plan = planned("vllm", ["gpu1", "gpu1", "gpu1", "gpu0", "gpu0"])
    assert plan.text.startswith("CUDA_VISIBLE_DEVICES=1,0 VLLM_PP_LAYER_PARTITION=2,1 vllm serve MODEL")
    assert "CUDA_VISIBLE_DEVICES" not in planned("vllm", ["a", "a", "b", "b"]).text
    stated = planned("vllm", ["a", "a", "b", "b"], at={"a": "3", "b": "2"})
    assert stated.values["environment"]["CUDA_VISIBLE_DEVICES"] == "3,2"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_has_a_device(family):
    """Also where the placement returns to one, which accelerate can."""
    plan = planned("accelerate", ["a", "a", "b", "a", "b"], family=family)
    device_map = plan.values["device_map"]
    modules = FAMILIES[family]
    assert [device_map[f"{modules.layers}.{n}"] for n in range(3)] == [0, 1, 0]
    assert {device_map[name] for name in modules.first} == {0}
    assert {device_map[name] for name in modules.last} == {1}
    assert len(device_map) == len(modules.first) + 3 + len(modules.last)


def test_what_accelerate_computes_elsewhere_is_told():
    """Weights on the processor beside a card are copied; cards are numbered all or none."""
    plan = planned("accelerate", ["gpu", "gpu", "cpu", "cpu"], family="llama")
    assert plan.values["device_map"]["lm_head"] == "cpu"
    assert any("copied to a card" in line for line in plan.notes)
    with pytest.raises(PlacewiseError, match="--at b: expected its number"):
        planned("accelerate", ["gpu0", "gpu0", "b", "b"], family="llama")
    with pytest.raises(PlacewiseError, match="--family: expected one of llama"):
        planned("accelerate", ["a", "a", "b", "b"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_widths(runtime):
    """One is a file of that width; several are refused with the option that gives one."""
    arguments = {"family": "opt", "problem": "dilemma"}
    one = planned(runtime, ["a", "a", "b"], ["decoder"] * 3, bits=[8, 8, 8], **arguments)
    assert "weights in 8 bits: a file of that width" in one.notes
    assert any("neither embedding nor head" in line for line in one.notes)
    with pytest.raises(PlacewiseError, match=r'weights of 4 and 8 bits.*; "bit_widths": \[4\]'):
        planned(runtime, ["a", "a", "b"], ["decoder"] * 3, bits=[8, 4, 8], **arguments)


def test_batches():
    """Sequences are the runtime's slots; what overlaps, and what does not, is told."""
    devices, batch = ["a", "a", "b", "b"], {"problem": "edgeshard-batch", "batch_size": 4, "in_flight": 3}
    assert planned("vllm", devices, **batch).values["flags"][-2:] == ["--max-num-seqs", "12"]
    plan = planned("llama.cpp", devices, **batch)
    assert plan.values["flags"][-2:] == ["--parallel", "4"]
    assert "one batch after the other" in plan.notes[-1]


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (["embedding", "decoder-0", "decoder-1", "head"], True),
        (["layer-0", "layer-1"], True),
        (["x", "x", "x"], True),
        (["input", "embed_tokens", "attn", "experts", "decoder", "lm_head"], True),
        (["conv1", "pool1", "conv2"], False),
        (["embedding", "head"], False),
        (["decoder", "embedding", "head"], False),
        (["attn", "attn", "experts"], False),
    ],
)
def test_parts_are_known_by_name(names, right):
    """What the names do not tell is refused, never guessed."""
    if right:
        assert len(roles_of(names)) == len(names)
        return
    with pytest.raises(PlacewiseError, match="expected layers named embedding"):
        roles_of(names)


def test_what_is_no_chain():
    """Heads, no placement, no names: one line each."""
    for change, told in (
        ({"problem": "head-migration"}, "whole layers"),
        ({"placement": None}, "expected a placement"),
        ({"layer_names": None}, "name the instance before the result"),
        ({"placement": {"layers": ["a"]}}, "a device for each of 4 layers"),
    ):
        with pytest.raises(PlacewiseError, match=told):
            chain_of(document(["a", "a", "b", "b"]) | change)
