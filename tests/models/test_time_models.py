"""Decoding reads weights: DILEMMA and heads by the roofline, experts of a batch; the papers' reading by default."""

import json
from dataclasses import replace

import numpy as np
import pytest

from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.dilemma import Dilemma
from placewise.models.dilemma.cost import delay_costs
from placewise.models.dilemma.data import QuantizableLayer
from placewise.models.edgeshard import EdgeShardBatch
from placewise.models.errors import InstanceError
from placewise.models.head_migration import HeadMigration, HeadMigrationDecoder, HeadTransformer
from placewise.models.head_migration.blocks import block_demands
from placewise.models.head_migration.cost import head_costs
from placewise.models.registry import problem_of
from placewise.models.workload import Experts, Layer
from placewise.solvers import solve


def devices(memory=(10**6, 10**6), rates=(100.0, 50.0)):
    """Return two linked devices of 10 and 20 FLOP/s."""
    return Cluster(("a", "b"), memory, [[1e9] * 2] * 2, [[0.0] * 2] * 2, (10.0, 20.0), rates)


def quantizable(time_model):
    """Return one layer of 400 weights and 100 FLOP, for three tokens."""
    layer = QuantizableLayer("l", 100.0, 400, 1.0, 16)
    return Dilemma(devices(), [layer], (4, 16), [[0.0, 0.0]], tokens=3, time_model=time_model)


def test_dilemma_reads_the_chosen_width():
    """10 s and 5 s of arithmetic at 16 bits; 800 bytes take 8 s and 16 s, a quarter of that at 4 bits."""
    assert delay_costs(quantizable("flops")).compute_s[0].tolist() == [[7.5, 30.0], [3.75, 15.0]]
    assert delay_costs(quantizable("roofline")).compute_s[0].tolist() == [[7.5, 30.0], [12.0, 48.0]]


def test_a_device_that_does_not_say_how_fast_it_reads_is_refused():
    """Only where it matters; and any other word."""
    unknown = devices(rates=None)
    Dilemma(unknown, [QuantizableLayer("l", 1, 1, 1)], (4,), [[0.0]])
    with pytest.raises(InstanceError, match=r"devices\[0\].memory_bytes_per_s: expected bytes/s > 0 of 'a'"):
        Dilemma(unknown, [QuantizableLayer("l", 1, 1, 1)], (4,), [[0.0]], time_model="roofline")
    with pytest.raises(InstanceError, match="time_model: expected flops or roofline"):
        Dilemma(unknown, [QuantizableLayer("l", 1, 1, 1)], (4,), [[0.0]], time_model="fast")


def test_blocks_read_weights_and_the_cache_that_is_used():
    """H = 4, D = 12, d = 3, two groups, two bytes: (2 + 2) D d b = 288; caches of 2 L d b; D^2 b and 8 D^2 b."""
    layer = HeadTransformer(4, 12, bytes_per_parameter=2, prompt_tokens=5, kv="per-head", kv_heads=2)
    assert [block.read_bytes for block in block_demands(layer, 7)] == [288, 288, 2304]
    cached = replace(layer, execution="cached", ffn_parameters=100, parameters_in_memory=True)
    blocks = block_demands(cached, 7)
    assert [block.read_bytes for block in blocks] == [288 + 84, 288, 200]
    assert blocks[2].memory_bytes == 4 * 7 * 12 * 2 + 200


def test_heads_take_the_longer():
    """A head of 384 bytes: 12.8 s and 19.2 s of reading beside 24 s and 12 s of arithmetic."""
    layer = HeadTransformer(4, 12, 2, 7, kv="per-head", execution="cached", kv_heads=2)
    instance = HeadMigration(devices(rates=(30.0, 20.0)), layer, 1, time_model="roofline")
    compute_s = head_costs(instance).compute_s[0]
    read_s = np.array([[288 + 2 * 8 * 6], [288], [2304]]) / [30.0, 20.0]
    work_s = np.array([[(2 + 2) * 36 + 2 * 2 * 8 * 3], [144], [8 * 144]]) / [10.0, 20.0]
    np.testing.assert_allclose(compute_s, np.maximum(work_s, read_s), rtol=1e-9)
    assert (read_s > work_s).any()
    assert (read_s < work_s).any()


@pytest.mark.parametrize("problem", ["dilemma", "head-migration", "head-migration-decoder"])
def test_against_brute_force(problem):
    """With rates of which some bind: the default and the statement say what all placements say; files keep it."""
    changed = 0
    for seed in (2, 3, 4):
        plain = generate(problem, "tiny", seed=seed)
        layer = getattr(plain, "layer", plain)
        flops = layer.flops_per_s[0] if layer.cluster.flops_per_s is None else layer.cluster.flops_per_s
        rates = flops * np.resize([0.5, 4.0, 1.0], len(flops))
        now = replace(layer, cluster=replace(layer.cluster, memory_bytes_per_s=rates), time_model="roofline")
        instance = replace(plain, layer=now) if hasattr(plain, "layer") else now
        truth = solve(instance, "brute-force", isolate=False)
        for method in (None, "highs"):
            found = solve(instance, method, isolate=False)
            assert found.objective == (truth.objective and pytest.approx(truth.objective))
        assert truth.objective is None or problem_of(instance).floor(instance) <= truth.objective
        changed += truth.objective != solve(plain, "brute-force", isolate=False).objective
        document = json.loads(json.dumps(to_document(instance)))
        assert document["time_model"] == "roofline"
        assert from_document(document) == instance
        assert "time_model" not in to_document(plain)
    assert changed


def test_experts_of_a_batch():
    """Four experts, one per token: 1, 1.75 and 2.3125 distinct ones of 100 bytes for one, two and three sequences."""
    layer = Layer("moe", 500, 1.0, 1.0, 150.0, 7, experts=Experts(4, 1, 100))
    assert [layer.read_bytes(m) for m in (1, 2, 3)] == [157.0, 150 + 75 + 14, 150 + 131.25 + 21]
    assert layer.together(2).read_bytes(3) == pytest.approx(layer.read_bytes(6) - 6 * 7 + 2 * 7)
    batch = EdgeShardBatch(devices(), [layer, layer], (1, 2))
    np.testing.assert_allclose(batch.compute_time_s[1, 0], [2.39, 4.78])
    assert from_document(json.loads(json.dumps(to_document(batch)))) == batch


@pytest.mark.parametrize("experts", [Experts(4, 5, 1), Experts(4, 0, 1), Experts(4, 2, 100)])
def test_experts_that_cannot_be(experts):
    """More active than there are, none, or more bytes than the layer reads."""
    with pytest.raises(InstanceError, match=r"layers\[0\].experts"):
        EdgeShardBatch(devices(), [Layer("moe", 500, 1.0, 1.0, 150.0, experts=experts)], (1,))


def moe(halves):
    """Return Qwen3-30B-A3B in 4 bits on a card of 8 GB beside a processor, whole layers or attention and experts."""
    attention, experts = (19005440, 37748736.0, 19005440.0), (339738624, 75497472.0, 21233664.0)
    parts = [attention, experts] if halves else [tuple(map(sum, zip(attention, experts, strict=True)))]
    block = [Layer("part", memory, 4096, flops, weights) for memory, flops, weights in parts]
    document = {
        "format": "placewise/1",
        "problem": "edgeshard-latency",
        "name": "moe",
        "cluster": {
            "devices": [
                {"name": "gpu", "memory_bytes": 8e9, "flops_per_s": 4e13, "memory_bytes_per_s": 448e9},
                {"name": "cpu", "memory_bytes": 64e9, "flops_per_s": 1e12, "memory_bytes_per_s": 60e9},
            ],
            "bandwidth_bytes_per_s": 12e9,
            "latency_s": 1e-5,
        },
        "model": {
            "layers": [{"name": "x", "memory_bytes": 0, "output_bytes": 0, "flops": 0, "weight_bytes": 0}]
        },
        "source_device": "gpu",
    }
    layers = [Layer("embedding", 175030272, 4096, 0, 4096), *block * 48]
    layers.append(Layer("head", 175030272, 4, 622329856, 175030272.0))
    return replace(from_document(document), layers=tuple(layers))


@pytest.mark.parametrize(("halves", "milliseconds"), [(False, 20.41), (True, 14.19)])
def test_experts_on_the_processor(halves, milliseconds):
    """Split layers are layers: 98 small ones, and attention stays on the card."""
    result = solve(moe(halves), isolate=False)
    assert (result.status.value, round(1000 * result.objective, 2)) == ("optimal", milliseconds)


def test_a_client_that_computes_nothing():
    """The source sends the input on, and holds nothing."""
    document = to_document(read("hand-split"))
    whole = solve(from_document(document), isolate=False).objective
    document["cluster"]["devices"].append({"name": "client", "memory_bytes": 0})
    for key in ("bandwidth_bytes_per_s", "latency_s"):
        if isinstance(document["cluster"][key], list):
            document["cluster"][key] = [[*row, 1e6] for row in document["cluster"][key]]
            document["cluster"][key].append([1e6] * (len(document["cluster"][key])) + [None])
    document["compute_time_s"] = [[*row, 1.0] for row in document["compute_time_s"]]
    document |= {"source_device": "client", "input_bytes": 0}
    instance = from_document(document)
    result = solve(instance, isolate=False)
    assert result.placement[0] == 2
    assert 2 not in result.placement[1:]
    assert result.objective <= whole
    assert from_document(json.loads(json.dumps(to_document(instance)))) == instance


def test_a_decoder_that_one_device_holds_is_solved_at_its_size():
    """32 layers of 8 groups on four devices, ten intervals: no statement is built, the bound of the equations meets it."""
    layer = HeadTransformer(
        32, 4096, 2, 128, kv="per-head", execution="cached", kv_heads=8, parameters_in_memory=True
    )
    names, links = ("big", "s0", "s1", "s2"), np.full((4, 4), 125e6)
    cluster = Cluster(names, (64e9, 16e9, 16e9, 16e9), links, np.zeros((4, 4)), (4e13, 1e13, 1e13, 1e13))
    result = solve(HeadMigrationDecoder(HeadMigration(cluster, layer, 10), 32), isolate=False)
    assert (result.status.value, result.method, result.build_s) == ("optimal", "bounded", 0.0)
    assert {now.heads for step in result.placement for now in step} == {(0,) * 8}


def test_solve_says_what_times_leave_out(capsys):
    """Reading weights, for the papers' reading; nothing of it otherwise."""
    from placewise.cli.solve import show

    show(solve(quantizable("flops"), isolate=False))
    assert "leave out reading weights" in capsys.readouterr().out
    show(solve(quantizable("roofline"), isolate=False))
    assert "reading weights" not in capsys.readouterr().out
