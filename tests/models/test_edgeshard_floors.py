"""EdgeShard's bounds, scales and useful devices by hand and by enumeration: below every placement, and no lower than said."""

import dataclasses
import itertools

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency, cost, evaluate_throughput
from placewise.models.edgeshard.batch_placement import floor_s
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.cost import (
    _scale_s,
    _usable,
    bottleneck_floor_s,
    latency_floor_s,
    time_tables,
)
from placewise.models.edgeshard.rules import Rules
from placewise.models.edgeshard.runs import (
    has_equal_block,
    require_equal_block,
    require_no_least,
    run_length_guarantee,
    useful_devices,
)
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.time_range import TimeRange
from placewise.models.units import choose_tick
from placewise.models.workload import Layer
from placewise.solvers import solve

COMPUTE = [[1.0, 2.0, 3.0], [0.5, 4.0, 0.25], [5.0, 3.5, 7.0]]


def case(compute, *, memory=(9, 9, 9), need=(1, 1, 1), rate=8.0, returned=0.0, source=1, outputs=None):
    """Return layers with messages of 4 bytes on fully linked devices."""
    count, size = np.shape(compute)
    cluster = Cluster(
        tuple(f"d{j}" for j in range(size)),
        np.array(memory),
        np.ones((size, size)) * rate,
        np.zeros((size, size)),
    )
    outputs = outputs or [4.0] * count
    layers = tuple(Layer(f"l{i}", need[i], outputs[i]) for i in range(count))
    return EdgeShardLatency(
        cluster, layers, compute_time_s=np.array(compute), source=source, return_bytes=returned
    )


def test_latency_floors_by_hand():
    """2 s on the source b, 0.25 and 3.5 s where these are fastest; and the quickest return, of two."""
    assert latency_floor_s(case(COMPUTE)) == 5.75
    slow = np.full((3, 3), 8.0)
    slow[:, 1] = 4.0
    assert latency_floor_s(case(COMPUTE, returned=2.0, rate=slow)) == 5.75  # on the source it costs nothing
    lost = case(COMPUTE[:1])
    assert latency_floor_s(lost) == 2.0


def test_bottleneck_floors_by_hand():
    """The source's first layer, the slowest where it is fastest, or a third of all."""
    assert bottleneck_floor_s(case(COMPUTE)) == 3.5
    assert bottleneck_floor_s(case([[1.0, 6.0, 3.0], *COMPUTE[1:]])) == 6.0
    even = [[3.0, 3.0, 4.0], [3.0, 4.0, 4.0], [4.0, 3.0, 3.0], [5.0, 3.0, 5.0]]
    assert bottleneck_floor_s(case(even, need=(1,) * 4)) == 4.0  # 12 s over three devices
    assert bottleneck_floor_s(case(even[:2])) == 3.0  # two layers are on two at most


@pytest.mark.parametrize("problem", ["edgeshard-latency", "edgeshard-throughput", "edgeshard-batch"])
def test_floors_are_below_the_optimum(problem):
    """And the optimum itself in some cases."""
    met = 0
    bound_s = {
        "edgeshard-latency": latency_floor_s,
        "edgeshard-throughput": bottleneck_floor_s,
        "edgeshard-batch": floor_s,
    }[problem]
    for seed in range(20):
        instance = generate(problem, "tiny", seed=seed)
        optimum = solve(instance, "brute-force", isolate=False).objective
        if optimum is not None:
            assert bound_s(instance) <= optimum * (1 + 1e-12)
            met += bound_s(instance) > 0.7 * optimum
    assert met > 2


def test_batch_floors_by_hand():
    """6 s for two, 8 s for four: 2 s per token and sequence; the least of the sizes."""
    layers = (Layer("l0", 1, 4.0), Layer("l1", 1, 4.0))
    cluster = Cluster(("a", "b"), np.array((9, 9)), np.full((2, 2), 8.0), np.zeros((2, 2)))
    times = np.array([[[6.0, 9.0], [9.0, 6.0]], [[8.0, 9.0], [9.0, 8.0]]])
    instance = EdgeShardBatch(cluster, layers, (2, 4), compute_time_s=times)
    assert floor_s(instance) == 2.0
    assert floor_s(dataclasses.replace(instance, compute_time_s=times[::-1])) == 1.5


def test_where_layers_can_be():
    """The first on the source, others beside it: what is left there counts, to the byte."""
    assert _usable(case(COMPUTE, memory=(1, 3, 2), need=(1, 2, 1))).tolist() == [
        [False, True, False],
        [False, True, True],
        [True, True, True],
    ]
    assert _usable(case(COMPUTE, memory=(1, 2, 2), need=(2, 2, 1))).tolist() == [
        [False, True, False],
        [False, False, True],
        [True, False, True],
    ]
    assert not _usable(case(COMPUTE, memory=(9, 1, 9), need=(2, 1, 0))).any()


def scale_of(instance):
    """Return the scale of an instance."""
    tables = time_tables(instance)
    return _scale_s(
        instance,
        instance.compute_time_s,
        _usable(instance),
        tables.hops_s.min(axis=0, initial=np.inf),
        tables.return_s,
    )


def test_scales_by_hand():
    """The least time within which links, layers, memory and the return suffice; each decides once."""
    zero = np.zeros((3, 3))
    assert scale_of(case(zero)) == 0.0
    # The first layer takes 2 s on the source; then the last one 3 s at the least.
    assert scale_of(case([[0.0, 2.0, 0.0], [0.0] * 3, [0.0] * 3])) == 2.0
    assert scale_of(case([[0.0] * 3, [0.0] * 3, [4.0, 5.0, 3.0]])) == 3.0
    # Memory for two of three layers on the source: a message of 4 bytes takes 0.5 s.
    assert scale_of(case(zero, memory=(9, 2, 9))) == 0.5
    assert scale_of(case(zero, memory=(9, 3, 9))) == 0.0
    # Each layer fits somewhere, and all of them only with the slow device, over a link of 4 s.
    rate = np.full((3, 3), 8.0)
    rate[:, 2] = 1.0
    assert scale_of(case(zero, memory=(1, 2, 1), need=(1, 1, 1), rate=rate)) == 0.5
    assert scale_of(case(zero, memory=(1, 1, 1), need=(1, 1, 1), rate=rate)) == 4.0
    assert scale_of(case(zero, memory=(0, 2, 9), need=(1, 1, 1), rate=rate)) == 4.0
    # The last layer does not fit beside the first: its token takes as long from c, and longer from a.
    back = np.full((3, 3), 8.0)
    back[2, 1], back[0, 1] = 1.0, 0.25
    assert scale_of(case(zero, memory=(9, 2, 9), need=(1, 1, 2), rate=back, returned=3.0)) == 3.0
    assert scale_of(case(zero, memory=(0, 2, 0))) is None


def test_without_any_scale_the_least_time_decides():
    """All can be on the source for nothing: links of 0.25 s are the least there is, below a layer of 3 s elsewhere."""
    compute = [[0.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]
    tables = time_tables(case(compute, rate=16.0))
    assert tables.tick_s == choose_tick(0.25, 3 + 2 * 0.25, 1)
    compute[1][2] = 0.125
    assert time_tables(case(compute, rate=16.0)).tick_s == choose_tick(0.125, 0.125 + 2 * 0.25, 1)


def chain_of(links, size):
    rate = np.zeros((size, size))
    for sender, receiver in links:
        rate[sender, receiver] = 8.0
    return rate


def test_useful_devices_by_hand():
    """A layer fits, links lead there from the source and back; the source is one in any case."""
    zeros = np.ones((3, 4))
    circle = chain_of([(1, 0), (0, 2), (2, 3), (3, 1)], 4)
    full = {"memory": (9, 9, 9, 9), "rate": circle, "returned": 1.0}
    assert useful_devices(case(zeros, **full)) == [0, 1, 2, 3]
    assert useful_devices(case(zeros, **{**full, "memory": (9, 9, 9, 0)})) == [1]  # the circle is cut
    assert useful_devices(case(zeros, **{**full, "returned": 0.0, "memory": (9, 9, 9, 0)})) == [0, 1, 2]
    assert useful_devices(case(zeros, **{**full, "memory": (9, 0, 9, 9)})) == [0, 1, 2, 3]
    # 3 bytes fit the smaller of the later layers; the first layer is for the source alone.
    for first, least, found in ((1, 3, [0, 1, 2, 3]), (1, 4, [1]), (9, 3, [0, 1, 2, 3])):
        assert (
            useful_devices(case(zeros, **{**full, "memory": (3, 9, 3, 3)}, need=(first, least, 5))) == found
        )
    # Nothing leads to d and nothing leads back from c.
    dead = chain_of([(1, 0), (0, 1), (1, 2), (3, 1)], 4)
    assert useful_devices(case(zeros, memory=(9,) * 4, rate=dead, returned=1.0)) == [0, 1]
    assert useful_devices(case(zeros, memory=(9,) * 4, rate=dead)) == [0, 1, 2]
    assert useful_devices(case(zeros[:1], memory=(0,) * 4, need=(0,), rate=circle)) == [0, 1, 2, 3]


def test_useful_devices_hold_every_pipeline():
    """What any feasible pipeline uses is among them; what none uses has no layer that fits, or no way."""
    used_some = 0
    for seed in range(20):
        instance = generate("edgeshard-throughput", "tiny", seed=seed)
        useful = set(useful_devices(instance))
        for placement in itertools.product(range(instance.cluster.size), repeat=len(instance.layers)):
            if not set(placement) <= useful:
                assert not evaluate_throughput(instance, placement).feasible
            used_some += len(useful) < instance.cluster.size
    assert used_some > 0


def test_whether_the_middle_is_equal():
    """As the requirement says, layer by layer against the first of the middle."""
    equal = [[1.0, 2.0], [4.0, 5.0], [4.0, 5.0], [4.0, 5.0], [7.0, 8.0]]
    whole = {"memory": (9, 9), "need": (1,) * 5}
    assert has_equal_block(case(equal, **whole)) is True
    for layer in (1, 2, 3):
        other = [list(row) for row in equal]
        other[layer][0] = 3.0
        assert has_equal_block(case(other, **whole)) is False
        with pytest.raises(NotApplicableError, match=f"layer {max(layer, 2)} differs from 1"):
            require_equal_block(case(other, **whole))


def test_run_lengths_read_the_messages_between_equal_layers():
    """Detours that pay for the messages between layers make it a restriction; those of the last one do not."""
    rate = np.full((3, 3), 8.0)
    equal = np.ones((4, 3))
    whole = {"need": (1,) * 4, "source": 0}
    assert run_length_guarantee(case(equal, rate=rate, **whole)) is Guarantee.EXACT
    rate[1, 2] = 1.0
    assert run_length_guarantee(case(equal, rate=rate, **whole)) is Guarantee.RESTRICTION
    silent = case(equal, rate=rate, outputs=[0.0, 0.0, 0.0, 4.0], **whole)
    assert run_length_guarantee(silent) is Guarantee.EXACT
    spoken = case(equal, rate=rate, outputs=[4.0, 4.0, 4.0, 0.0], **whole)
    assert run_length_guarantee(spoken) is Guarantee.RESTRICTION


def test_returns_that_never_end_are_refused_on_their_way_only():
    """A token over 1e-320 bytes/s to the source is refused with the link; from there it is never sent."""
    rate = np.full((3, 3), 8.0)
    rate[2, 1] = 1e-320
    with pytest.raises(InstanceError, match=r"bandwidth_bytes_per_s\[2\]\[1\]"):
        time_tables(case(COMPUTE, rate=rate, returned=4.0, outputs=[0.0] * 3))
    rate[2, 1], rate[1, 2] = 8.0, 1e-320
    assert time_tables(case(COMPUTE, rate=rate, returned=4.0, outputs=[0.0] * 3)).return_s.tolist() == [
        0.5,
        0.0,
        0.5,
    ]


@pytest.mark.parametrize("shape", [(40, 2), (2, 40)])
def test_the_sums_that_must_be_exact_are_those_of_one_device(shape, monkeypatch):
    """All layers on the slowest device, not one layer on all devices."""
    seen = []
    monkeypatch.setattr(cost, "TimeRange", lambda **options: seen.append(options) or TimeRange(**options))
    time_tables.__wrapped__(case(np.ones(shape), memory=(99,) * shape[1], need=(1,) * shape[0]))
    assert [options["summed_s"] for options in seen] == [float(shape[0])]


def test_least_counts_are_refused_where_they_are_asked_for():
    """A device that must have layers; without such a rule nothing is said."""
    plain = case(COMPUTE)
    require_no_least(plain)
    with pytest.raises(NotApplicableError, match="must"):
        require_no_least(dataclasses.replace(plain, rules=Rules(must_use=[0])))
