"""EdgeShard's tables by hand: times and ticks, candidates of bottlenecks, rooflines, runs, and simple proofs."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardInstance, EdgeShardLatency, EdgeShardThroughput
from placewise.models.edgeshard.cost import bottleneck_values_s, time_tables
from placewise.models.edgeshard.diagnosis import diagnose
from placewise.models.edgeshard.rooflines import prefill_time_s, roofline_time_s
from placewise.models.edgeshard.runs import require_equal_block, revisits_never_pay, shortcut_pairs
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.workload import Layer
from placewise.solvers import solve

#: Bytes per second from row to column; c sends to nobody but b.
BANDWIDTH = [[0.0, 2.0, 8.0], [4.0, 0.0, 1.0], [0.0, 16.0, 0.0]]


def case(compute, outputs, memory=(9, 9, 9), need=None, source=1, returned=4.0, latency=0.5):
    """Return layers of one byte each on three devices."""
    need = need or [1] * len(outputs)
    cluster = Cluster(("a", "b", "c"), np.array(memory), np.array(BANDWIDTH), np.full((3, 3), latency))
    layers = tuple(
        Layer(f"l{i}", n, float(size)) for i, (n, size) in enumerate(zip(need, outputs, strict=True))
    )
    return EdgeShardInstance(
        "case", "edgeshard-latency", cluster, layers, np.array(compute), source, returned
    )


def test_tables_by_hand():
    """Eq. 1 for each link with its latency, the message of each layer, the return to the source."""
    instance = case([[1.0, 2.0, 3.0], [0.5, 4.0, 0.25], [5.0, 6.0, 7.0]], [8, 16, 8])
    tables = time_tables(instance)
    assert tables.compute_s.tolist() == instance.compute_time_s.tolist()
    first = [[0.0, 4.5, 1.5], [2.5, 0.0, 8.5], [math.inf, 1.0, 0.0]]
    assert tables.transfer_s(0).tolist() == tables.transfer_s(2).tolist() == first
    assert tables.transfer_s(1).tolist() == [[0.0, 8.5, 2.5], [4.5, 0.0, 16.5], [math.inf, 1.5, 0.0]]
    assert tables.return_s.tolist() == [2.5, 0.0, 0.75]
    assert time_tables(dataclasses.replace(instance, return_bytes=0.0)).return_s.tolist() == [0.0] * 3
    small = dataclasses.replace(instance, return_bytes=0.5)
    assert time_tables(small).return_s.tolist() == [0.75, 0.0, 0.53125]


def test_the_tick_follows_the_source_and_the_fastest_devices():
    """2 s on the source b, then at least 0.5 + 1.5 s: 4 s in 2**39 ticks; with less the tick is half of it."""
    compute = [[1.0, 2.0, 3.0], [0.5, 4.0, 0.75], [5.0, 6.0, 1.5]]
    assert time_tables(case(compute, [8, 16, 8])).tick_s == 2.0**-37
    for layer, device, less in ((0, 1, 1.75), (1, 0, 0.25), (2, 2, 1.25)):
        changed = [list(row) for row in compute]
        changed[layer][device] = less
        assert time_tables(case(changed, [8, 16, 8])).tick_s == 2.0**-38


@pytest.mark.parametrize(("slowest", "exponent"), [(2.0**25 - 40.5, -34), (2.0**25 - 41.5, -35)])
def test_the_tick_has_room_for_the_slowest_placement(slowest, exponent):
    """Slowest layers, messages and return: 2 + slowest + 6 and 10 + 20 and 2.5 s fill 2**25 s, or do not quite."""
    # Largest messages of layers 0 and 1: 9.5 and 19.5 s at 1 byte/s from b to c, plus latency; the last one sends none.
    instance = case([[1.0, 2.0, 1.5], [0.5, slowest, 0.75], [5.0, 6.0, 1.5]], [9.5, 19.5, 500.0])
    assert time_tables(instance).tick_s == 2.0**exponent


@pytest.mark.parametrize(("slowest", "exponent"), [(2.0**25 - 10.25, -34), (2.0**25 - 10.375, -35)])
def test_missing_links_take_no_room(slowest, exponent):
    """2 + slowest + 6 s for layers, 0.75 s for each of two messages and for the return; no link adds nothing."""
    compute = [[1.0, 2.0, 1.5], [0.5, slowest, 0.75], [5.0, 6.0, 1.5]]
    tables = time_tables(case(compute, [0.25, 0.25, 500.0], returned=0.5))
    assert (tables.return_s.max(), tables.tick_s) == (0.75, 2.0**exponent)


@pytest.mark.parametrize(("ticks", "refused"), [(6.5, False), (5.5, True)])
def test_times_span_as_much_as_six_roundings_allow(ticks, refused):
    """3 layers and their messages: 6 entries, each rounded by a tick of 2**-19 s, within 1e-7 of the reference."""
    reference = ticks * 1e7 * 2.0**-19
    compute = [[2.0**39, reference, 2.0**40], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]
    instance = case(compute, [1, 1, 1])
    if refused:
        with pytest.raises(InstanceError, match="too wide a range"):
            time_tables(instance)
    else:
        assert time_tables(instance).tick_s == 2.0**-19


def test_bottlenecks_are_runs_transfers_and_returns():
    """All of them and nothing else, ascending, by enumeration."""
    instance = case([[1.0, 2.0, 3.0], [0.5, 4.0, 0.25], [5.0, 6.0, 7.0]], [8, 16, 8])
    tables, expected = time_tables(instance), set()
    for first, last, device in itertools.product(range(3), repeat=3):
        if first <= last:
            expected.add(sum(tables.compute_s[i, device] for i in range(first, last + 1)))
    for layer, sender, receiver in itertools.product(range(3), repeat=3):
        expected.add(tables.transfer_s(layer)[sender, receiver])
    expected |= set(tables.return_s.tolist())
    assert bottleneck_values_s(instance).tolist() == sorted(expected - {math.inf})


def machine(flops, rate):
    return Cluster(("a", "b"), np.ones(2), np.ones((2, 2)), np.ones((2, 2)), flops, rate)


def test_rooflines_by_hand():
    """The slower of work and reading; weights are read once for all tokens, caches once each."""
    layers = (Layer("l", 1, 1.0, 6.0, 8.0, 3), Layer("m", 1, 1.0, 40.0, 1.0), Layer("n", 1, 1.0))
    devices = machine(np.array([2.0, 4.0]), np.array([1.0, 16.0]))
    assert roofline_time_s(layers[:2], devices).tolist() == [[11.0, 1.5], [20.0, 10.0]]
    assert roofline_time_s(layers[:2], devices, 2).tolist() == [[14.0, 3.0], [40.0, 20.0]]
    assert np.isnan(roofline_time_s(layers, devices)[2]).all()
    assert np.isnan(roofline_time_s(layers, machine(None, np.array([1.0, 16.0])))).all()
    assert np.isnan(roofline_time_s(layers, machine(np.array([2.0, 4.0]), None))).all()


def test_prompts_take_rooflines_where_tokens_do():
    """Device a's decode time is its roofline, b's is measured: then each token takes it again."""
    layer = Layer("l", 1, 1.0, 6.0, 8.0)
    devices = machine(np.array([2.0, 4.0]), np.array([1.0, 16.0]))
    instance = EdgeShardLatency(devices, [layer], compute_time_s=[[8.0, 5.0]])
    assert prefill_time_s(instance, 4).tolist() == [[12.0, 20.0]]


def test_shortcuts_by_hand():
    """Through b it is 2 s, directly 3 s: only strictly faster ways count, and only between other devices."""
    hop = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
    assert np.argwhere(shortcut_pairs(hop, 1)).tolist() == [[0, 2]]
    assert not shortcut_pairs(hop, 0).any()
    assert not shortcut_pairs(hop, 2).any()
    hop[0, 2] = math.inf
    assert np.argwhere(shortcut_pairs(hop, 1)).tolist() == [[0, 2]]
    negative_diagonal = hop - 5 * np.eye(3)  # the diagonal is not read
    assert np.argwhere(shortcut_pairs(negative_diagonal, 1)).tolist() == [[0, 2]]


@pytest.mark.parametrize(
    ("pair", "pays"),
    [((1, 2), True), ((2, 3), True), ((3, 1), True), ((0, 2), False), ((2, 0), False)],
)
def test_revisits_pay_only_between_devices_beside_the_source(pair, pays):
    """One slow link between two others is a reason to come back through a third; from or to the source it is none."""
    hop = 1.0 - np.eye(4)
    assert revisits_never_pay(hop, 0)
    hop[pair] = 2.5
    assert revisits_never_pay(hop, 0) is not pays
    assert revisits_never_pay(np.minimum(hop, 2.0), 0)
    assert revisits_never_pay(np.zeros((1, 1)), 0)


def test_revisits_through_the_source_count_too():
    """Three devices: the only third one between the others is the source."""
    hop = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 2.5], [1.0, 1.0, 0.0]])
    assert not revisits_never_pay(hop, 0)
    assert revisits_never_pay(hop, 1)
    assert revisits_never_pay(hop, 2)


EQUAL = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [4.0, 5.0, 6.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]


@pytest.mark.parametrize(
    ("layer", "key", "message"),
    [
        (None, None, None),
        (4, "memory", None),
        (4, "output", None),
        (4, "time", None),
        (0, "memory", None),
        (0, "time", None),
        (2, "memory", "layer 2 differs from 1"),
        (3, "output", "layer 3 differs from 1"),
        (3, "time", "layer 3 differs from 1"),
        (0, "output", "layer 0 sends 3 bytes and layer 1 2"),
    ],
)
def test_blocks_are_equal_between_first_and_last(layer, key, message):
    """In memory, message and times; the first sends what they send, and the last may differ."""
    need, outputs, compute = [5, 1, 1, 1, 6], [2.0] * 5, [list(row) for row in EQUAL]
    if key == "memory":
        need[layer] = 3
    elif key == "output":
        outputs[layer] = 3.0
    elif key == "time":
        compute[layer][1] = 0.5
    instance = case(compute, outputs, need=need)
    if message is None:
        require_equal_block(instance)
    else:
        with pytest.raises(NotApplicableError, match=message):
            require_equal_block(instance)


def test_two_layers_are_equal_enough():
    """Between the first and the last there is none; with three, the first two must send alike."""
    require_equal_block(case(EQUAL[:2], [1.0, 2.0]))
    with pytest.raises(NotApplicableError, match="layer 0 sends"):
        require_equal_block(case(EQUAL[:3], [1.0, 2.0, 1.0]))
    require_equal_block(case(EQUAL[:3], [2.0, 2.0, 1.0]))


@pytest.mark.parametrize(
    ("memory", "need", "reason"),
    [
        ((9, 3, 9), [3, 9, 8], None),
        (
            (9, 2, 9),
            [3, 3, 3],
            r"layer 0 \(l0\) must stay on the source b and needs 3 bytes; the source has 2",
        ),
        (
            (9, 3, 8),
            [3, 1, 10],
            r"layer 2 \(l2\) needs 10 bytes and fits on no device; the largest, a, has 9",
        ),
        ((9, 3, 8), [3, 9, 9], "the layers need 21 bytes in all and the devices have 20"),
        ((9, 3, 8), [3, 9, 8], None),
    ],
)
def test_simple_proofs_by_hand(memory, need, reason):
    """Each names its numbers; where everything just fits there is none."""
    found = diagnose(case(EQUAL[:3], [1.0] * 3, memory=memory, need=need))
    if reason is None:
        assert found is None
    else:
        import re

        assert re.search(reason, found)


def test_what_the_source_reaches_must_hold_the_layers():
    """From c one reaches b and through it a; cut off from b, a is lost."""
    compute = EQUAL[:3]
    chain = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # c -> b -> a

    def linked(bandwidth, memory, need):
        instance = case(compute, [1.0] * 3, memory=memory, need=need, source=2)
        cluster = dataclasses.replace(instance.cluster, bandwidth_bytes_per_s=bandwidth)
        return diagnose(dataclasses.replace(instance, cluster=cluster))

    assert linked(chain, (4, 4, 4), [4, 4, 4]) is None
    cut = chain * [[1.0], [0.0], [1.0]]
    assert linked(cut, (4, 4, 4), [4, 4, 0]) is None
    assert linked(cut, (4, 4, 4), [4, 4, 1]).startswith(
        "no path from the source c to a; the layers need 9 bytes"
    )
    assert linked(cut, (9, 4, 9), [4, 4, 5]) is None
    assert linked(cut, (9, 4, 5), [1, 6, 1]) == (
        "layer 1 (l1) needs 6 bytes and no device with a path from the source c has them"
    )
    assert linked(cut, (9, 4, 6), [1, 6, 1]) is None


def test_simple_proofs_are_proofs():
    """On tiny instances, brute force finds no placement where there is a reason."""
    reasons = 0
    for seed in range(300):
        instance = generate("edgeshard-latency", "tiny", seed=seed)
        if diagnose(instance) is not None:
            reasons += 1
            assert solve(instance, "brute-force", isolate=False).objective is None
    assert reasons > 10


@pytest.mark.parametrize(("ticks", "refused"), [(12.5, False), (11.5, True)])
def test_a_pipeline_rounds_a_stage_for_each_layer_and_device(ticks, refused):
    """4 layers on up to 3 devices: 12 entries of a tick of 2**-19 s, within 1e-7 of the reference."""
    reference = ticks * 1e7 * 2.0**-19
    compute = [[2.0**39, reference, 2.0**40], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    instance = case(compute, [1, 1, 1, 1])
    pipeline = EdgeShardThroughput.of(instance)
    if refused:
        with pytest.raises(InstanceError, match="too wide a range"):
            time_tables(pipeline)
    else:
        assert time_tables(pipeline).tick_s == 2.0**-19


def test_messages_between_layers_are_the_hops():
    """Of the first two layers, not what the last one sends."""
    tables = time_tables(case([[1.0, 2.0, 3.0]] * 3, [8, 16, 4]))
    hops = {tuple(matrix.ravel()) for matrix in tables.hops_s}
    assert hops == {tuple(tables.transfer_s(layer).ravel()) for layer in (0, 1)}
    assert len(hops) == 2
