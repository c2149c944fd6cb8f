"""Table I and the tables of head-level placement, recomputed loop by loop with numbers of which no two are alike."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError
from placewise.models.head_migration import HeadMigrationInstance, HeadTransformer, Interval, block_demands
from placewise.models.head_migration.cost import capacities, head_costs, heads_beside, heads_least_s, parts
from placewise.models.registry import PROBLEMS

#: H = 4 heads in 2 groups, D = 12 and d = 3, b = 2, L0 = 5, phi = 3.
LAYER = HeadTransformer(4, 12, bytes_per_parameter=2, prompt_tokens=5, ffn_flops_factor=3.0, kv_heads=2)


@pytest.mark.parametrize(
    ("options", "head", "proj", "ffn"),
    [
        # Group g = 2: (g + 2)(L + D) d b = 4 * 19 * 6 = 456 and the cache; (g + 2) L D d + g L^2 d = 1008 + 294.
        ({}, (456 + 2 * 12 * 2, 1302, 7 * 2 * 3 * 2), (7 * 12 * 2, 7 * 144, 168), (4 * 168, 3 * 1008, 0)),
        ({"kv": "per-head"}, (456 + 2 * 7 * 3 * 2, 1302, 84), (168, 1008, 168), (672, 3024, 0)),
        # One token: (g + 2) D d + 2 g L d = 144 + 84.
        ({"execution": "cached"}, (504, 228, 12), (168, 144, 24), (672, 432, 0)),
        ({"parameters_in_memory": True}, (504, 1302, 84), (168 + 288, 1008, 168), (672 + 8 * 288, 3024, 0)),
        # Each head has its own keys: 3 * 19 * 6 = 342; 3 * 252 + 147.
        ({"kv_heads": None}, (342 + 48, 903, 42), (168, 1008, 168), (672, 3024, 0)),
    ],
)
def test_table_1_by_hand(options, head, proj, ffn):
    """L = 7, two tokens generated: bytes, FLOP, message of each block, for each reading."""
    found = block_demands(dataclasses.replace(LAYER, **options), 7)
    assert [dataclasses.astuple(block)[:3] for block in found] == [head, proj, ffn]


def test_what_is_read_by_hand():
    """Weights of 288 B per block and 8 times as many; with a cache 48 B of it more for each head."""
    for layer, head in ((LAYER, 288), (dataclasses.replace(LAYER, execution="cached"), 336)):
        assert [block.read_bytes for block in block_demands(layer, 7)] == [head, 288, 2304]


def test_nothing_is_cached_before_the_prompt_has_ended():
    """The table's cache counts generated tokens: none at L = 4 < L0."""
    assert block_demands(LAYER, 4)[0].memory_bytes == 4 * 16 * 6


def test_a_transformer_without_words_is_the_papers():
    """4 bytes, 64 tokens, phi = 8, the table's cache, everything recomputed, weights elsewhere."""
    plain = HeadTransformer(2, 4)
    assert (plain.bytes_per_parameter, plain.prompt_tokens, plain.ffn_flops_factor) == (4, 64, 8.0)
    assert (plain.kv, plain.execution, plain.parameters_in_memory) == ("table", "full", False)
    assert (plain.units, dataclasses.replace(plain, kv_heads=1).units) == (2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 1, "embedding_dim": 1, "bytes_per_parameter": 1, "kv_heads": 1}, None),
        ({"prompt_tokens": 0, "ffn_flops_factor": 0.0, "kv_heads": 4}, None),
        ({"heads": 0}, r"transformer\.heads: expected at least 1, found 0"),
        ({"embedding_dim": 0}, r"transformer\.embedding_dim: expected at least 1"),
        ({"bytes_per_parameter": 0}, r"transformer\.bytes_per_parameter: expected at least 1"),
        ({"kv_heads": 0}, "divisor of the 4 heads, found 0"),
        ({"kv_heads": 3}, "divisor of the 4 heads, found 3"),
        ({"prompt_tokens": -1}, "prompt_tokens: expected >= 0"),
        ({"ffn_flops_factor": -0.5}, "ffn_flops_factor"),
        ({"ffn_flops_factor": math.inf}, "ffn_flops_factor"),
        ({"ffn_flops_factor": math.nan}, "ffn_flops_factor"),
        ({"kv": "none"}, "kv: expected table or per-head"),
        ({"execution": "lazy"}, "execution: expected full or cached"),
    ],
)
def test_shapes_at_their_limits(options, message):
    """The least values are taken; below them the path is named."""
    if message is None:
        dataclasses.replace(LAYER, **options)
    else:
        with pytest.raises(InstanceError, match=message):
            dataclasses.replace(LAYER, **options)


def network(**options):
    """Return three devices over two intervals; c sends to nobody but b."""
    bandwidth = np.array(
        [[[0, 32, 64], [128, 0, 256], [0, 512, 0]], [[0, 64, 16], [32, 0, 128], [0, 256, 0]]], dtype=float
    )
    return HeadMigrationInstance(
        name="case",
        problem="head-migration",
        cluster=Cluster(
            ("a", "b", "c"),
            np.array([9000] * 3),
            np.ones((3, 3)),
            np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]]) / 8,
        ),
        transformer=LAYER,
        memory_bytes=np.array([[2000, 1500, 400], [3000, 500, 1000]]),
        flops_per_s=np.array([[128.0, 256.0, 1024.0], [64.0, 512.0, 2048.0]]),
        bandwidth_bytes_per_s=bandwidth,
        **options,
    )


def transfer(instance, t, k, j, size):
    """Return seconds of a message, or of a move."""
    if k == j:
        return 0.0
    rate = instance.bandwidth_bytes_per_s[t, k, j]
    return size / rate + instance.cluster.latency_s[k, j] if rate else math.inf


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"overlap": True},
        {"input_from_controller": True, "controller": 1},
        {"overlap": True, "input_from_controller": True, "controller": 1, "initial_length": 9},
        {"policy": "myopic", "tokens_per_interval": 3},
        {"tokens_per_interval": 3},
    ],
)
def test_tables_loop_by_loop(options):
    """(2) to (6) for every interval and pair of devices, each rounded by no more than half a tick."""
    instance = network(**options)
    tables = head_costs(instance)
    step = options.get("tokens_per_interval", 1)
    assert tables.weight == (step if instance.policy == "lookahead" else 1)
    for t in range(2):
        length = options.get("initial_length", 5) + step * (t + 1)
        head, proj, ffn = block_demands(LAYER, length)
        before = block_demands(LAYER, length - step)
        assert tables.memory[t].tolist() == [block.memory_bytes for block in (head, proj, ffn)]
        for j, q in itertools.product(range(3), repeat=2):
            own = head.flops / instance.flops_per_s[t, j]
            sent = transfer(instance, t, j, q, head.message_bytes)
            onward = transfer(instance, t, j, q, proj.message_bytes)
            slope, fixed = (max(own, sent), min(own, sent)) if instance.overlap else (own + sent, 0.0)
            if instance.input_from_controller:
                fixed += transfer(instance, t, 1, j, proj.message_bytes)
            after = proj.flops / instance.flops_per_s[t, j] + onward + ffn.flops / instance.flops_per_s[t, q]
            expected = [slope, fixed, after, sent, onward]
            found = [tables.slope_s, tables.fixed_s, tables.after_s, *tables.message_s.swapaxes(0, 1)]
            expected += [transfer(instance, t, j, q, block.memory_bytes) for block in before]
            found += list(tables.move_s.swapaxes(0, 1))
            assert [table[t, j, q] for table in found] == pytest.approx(
                expected, rel=0, abs=tables.tick_s / 2
            )
        for kind, block in enumerate((head, proj, ffn)):
            assert tables.compute_s[t, kind] == pytest.approx(
                block.flops / instance.flops_per_s[t], rel=0, abs=tables.tick_s / 2
            )


def test_the_tick_follows_the_fastest_blocks():
    """Between 2**39 and 2**40 ticks in the least weighted delay of all intervals."""
    for options in ({}, {"tokens_per_interval": 3}, {"overlap": True}):
        tables = head_costs(network(**options))
        least = tables.weight * sum(tables.after_s[t].min() + tables.slope_s[t].min() for t in range(2))
        assert 2.0**39 <= least / tables.tick_s <= 2.0**40
        assert math.log2(tables.tick_s).is_integer()


def test_when_the_last_head_is_there():
    """(6): the slowest device with heads, after its input from a source."""
    tables = head_costs(network(overlap=True))
    counts = np.array([2, 0, 1])
    times = [
        2 * tables.slope_s[0, 0, 1] + tables.fixed_s[0, 0, 1],
        tables.slope_s[0, 2, 1] + tables.fixed_s[0, 2, 1],
    ]
    assert tables.heads_s(0, counts, 1) == max(times)
    waits = [tables.message_s[0, 1, 1, 0], tables.message_s[0, 1, 1, 2]]
    assert tables.heads_s(0, counts, 1, source=1) == max(a + b for a, b in zip(times, waits, strict=True))
    assert tables.heads_s(0, np.zeros(3, dtype=int), 1) == 0.0


def test_heads_beside_projections_and_networks():
    """At L = 6 a group takes 456, the projection 144, the network 576 bytes: what is left, divided; -1 for nothing."""
    instance = network()
    assert head_costs(instance).memory[0].tolist() == [4 * 18 * 6 + 24, 144, 576]
    for projections, networks in itertools.product((0, 1, 2), repeat=2):
        left = [size - 144 * projections - 576 * networks for size in (2000, 1500, 400)]
        expected = [size // 456 if size >= 0 else -1 for size in left]
        assert heads_beside(instance, 0, projections, networks).tolist() == expected
    assert capacities(instance, 0)[0, 0].tolist() == [2, 2, 0]  # of two groups, though four would fit
    assert capacities(instance, 0)[1, 1].tolist() == [2, 1, -1]
    exact = dataclasses.replace(instance, memory_bytes=np.array([[456 + 720, 456 + 719, 720]] * 2))
    assert heads_beside(exact, 0, 1, 1).tolist() == [1, 0, 0]


def test_blocks_are_named_in_order():
    """The groups, then projection and network."""
    assert parts(network()) == (0, 0, 1, 2)


def test_moves_are_paid_by_the_bandwidth_of_the_interval_that_begins():
    """A group of 4 * 17 * 6 = 408 bytes at L = 5 goes from a to b at 32 bytes/s, and an eighth of a second more."""
    moved = head_costs(network(initial=Interval((0, 0), 0, 0)))
    assert moved.move_s[0, 0, 0, 1] == 408 / 32 + 0.125
    assert moved.move_s[1, 0, 0, 1] == 456 / 64 + 0.125
    assert math.isinf(moved.move_s[0, 0, 2, 0])


def worst(instance):
    """Return a bound on any trajectory: in each interval all heads at the slowest pair, and every block moved."""
    tables, heads, total = head_costs(instance), instance.transformer.units, 0.0
    for t in range(instance.intervals):
        slope, fixed, after, move = (
            max(x for x in table[t].ravel() if math.isfinite(x))
            for table in (tables.slope_s, tables.fixed_s, tables.after_s, tables.move_s)
        )
        total += tables.weight * (heads * slope + fixed + after) + (heads + 2) * move
    return total


@pytest.mark.parametrize("options", [{}, {"overlap": True}, {"tokens_per_interval": 3}])
@pytest.mark.parametrize("size", [25, -8])
@pytest.mark.parametrize("slow_links", [False, True])
@pytest.mark.parametrize(("factor", "less"), [(1 + 1e-6, 59), (1 - 1e-6, 60)])
def test_the_tick_has_room_for_the_worst_trajectory(options, factor, less, size, slow_links):
    """With a very slow device, or slow links, all times are stretched until the worst takes 2**25 s or 2**-8 s, or hardly less."""
    slow = network(**options)
    slow = dataclasses.replace(
        slow, flops_per_s=slow.flops_per_s * [1e3 if slow_links else 1e-3, 1e3, 1e3], bandwidth_bytes_per_s=slow.bandwidth_bytes_per_s * (1e-3 if slow_links else 1e4),
        cluster=dataclasses.replace(slow.cluster, latency_s=slow.cluster.latency_s / 64),
    )  # fmt: skip
    stretch = 2.0**size / worst(slow) * factor
    stretched = dataclasses.replace(
        slow,
        flops_per_s=slow.flops_per_s / stretch,
        bandwidth_bytes_per_s=slow.bandwidth_bytes_per_s / stretch,
        cluster=dataclasses.replace(slow.cluster, latency_s=slow.cluster.latency_s * stretch),
    )
    assert head_costs(stretched).tick_s == 2.0 ** (size - less)


def test_heads_of_no_size_fit_anywhere():
    """Without prompt and weights a head takes no byte: as many as one likes, but none where the rest does not fit."""
    layer = HeadTransformer(4, 4, bytes_per_parameter=1, prompt_tokens=0)
    assert block_demands(layer, 0)[0].memory_bytes == 3 * 4
    instance = network()
    tables = head_costs(instance)
    weightless = dataclasses.replace(tables, memory=tables.memory * [0, 1, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("placewise.models.head_migration.cost.head_costs", lambda _: weightless)
        assert heads_beside(instance, 0, 1, 1).tolist() == [2**30, 2**30, -1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "placewise.models.head_migration.cost.head_costs",
            lambda _: dataclasses.replace(tables, memory=np.ones_like(tables.memory)),
        )
        assert heads_beside(instance, 0, 1, 1).tolist() == [1998, 1498, 398]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"intervals": 2},
        {"intervals": {"0": 1, "1": 2}},
        {"intervals": [{}]},
        {"intervals": [{}, {}]},
        {"intervals": [3, 3]},
        {"intervals": [{"heads": "ab", "proj": "a", "ffn": "a"}] * 2},
        {"intervals": [{"heads": ["a"], "proj": "a", "ffn": "a"}] * 2},
        {"intervals": [{"heads": ["a", "b", "c"], "proj": "a", "ffn": "a"}] * 2},
    ],
)
def test_results_that_are_no_trajectory(document):
    """Two intervals with two groups each, or the path is said."""
    with pytest.raises(InstanceError, match=r"^placement\.intervals"):
        PROBLEMS["head-migration"].from_json(network(), document)


@pytest.mark.parametrize("seed", range(4))
def test_the_least_time_of_all_heads_by_enumeration(seed):
    """Six heads on five devices beside a projection: of all ways to share them out that fit, the one done first."""
    draw = np.random.default_rng(seed)
    layer = HeadTransformer(6, 12, bytes_per_parameter=2, prompt_tokens=5)
    cluster = Cluster(tuple("abcde"), np.full(5, 10**6), np.ones((5, 5)), draw.integers(0, 3, (5, 5)) / 8)
    instance = HeadMigrationInstance(
        name="case",
        problem="head-migration",
        cluster=cluster,
        transformer=layer,
        memory_bytes=block_demands(layer, 6)[0].memory_bytes * draw.integers(0, 5, (1, 5)) + 3,
        flops_per_s=2.0 ** draw.integers(6, 11, (1, 5)),
        bandwidth_bytes_per_s=2.0 ** draw.integers(5, 10, (1, 5, 5)),
    )
    tables, room = head_costs(instance), capacities(instance, 0)[0, 0]
    for q in range(5):
        least = math.inf
        for counts in itertools.product(*(range(int(most) + 1) for most in room)):
            if sum(counts) == 6:
                least = min(least, float(tables.heads_s(0, np.array(counts), q)))
        assert heads_least_s(instance, 0)[q] == least
