"""Algorithm 2 as printed writes almost no state; its repaired reading is exact."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import edgeshard_instances

from placewise.benchmarks.agreement import judge
from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardInstance
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


def pipeline(compute_s, memory, need):
    """Return an instance on two fully linked devices whose messages take no time worth a word."""
    return EdgeShardInstance(
        name="two",
        problem="edgeshard-throughput",
        cluster=Cluster(("a", "b"), np.array(memory), np.full((2, 2), 1024.0), np.zeros((2, 2))),
        layers=tuple(Layer(f"layer-{i}", n, 1.0) for i, n in enumerate(need)),
        compute_time_s=np.array(compute_s),
        source=0,
    )


def test_as_printed_a_stage_longer_than_the_first_layer_is_never_written():
    """Line 15 compares with the state before: the first layer of 1 s admits no stage of 2 s."""
    instance = pipeline([[1.0, 9.0], [9.0, 2.0], [9.0, 0.0]], [1, 8], [1, 1, 1])
    assert solve(instance, isolate=False).objective == 2.0
    result = solve(instance, "algorithm-2", isolate=False)
    assert (result.status, result.placement) == (Status.NO_SOLUTION, None)


def test_as_printed_a_slow_first_layer_lets_it_through():
    """A first layer of 4 s admits the stage of 2 s, and the optimum is found."""
    instance = pipeline([[4.0, 9.0], [9.0, 2.0], [9.0, 0.0]], [1, 8], [1, 1, 1])
    assert solve(instance, "algorithm-2", isolate=False).objective == 4.0


def test_as_printed_a_stage_waits_for_the_message_before_it():
    """Layer 1 would send for 8 s, but stays with layer 2; where layer 0 sends so long, no stage is accepted."""
    instance = pipeline([[4.0, 9.0], [9.0, 2.0], [9.0, 0.0]], [1, 8], [1, 1, 1])
    for slow, objective in ((1, 4.0), (0, None)):
        layers = [
            dataclasses.replace(layer, output_bytes=8192.0 if i == slow else 1.0)
            for i, layer in enumerate(instance.layers)
        ]
        found = solve(dataclasses.replace(instance, layers=layers), "algorithm-2", isolate=False)
        assert found.objective == objective


def test_as_printed_an_exact_fit_is_refused():
    """Line 8 says ``<=``: a device of 2 bytes takes no stage of 2 bytes."""
    instance = pipeline([[4.0, 9.0], [9.0, 2.0], [9.0, 0.0]], [1, 2], [1, 1, 1])
    assert solve(instance, isolate=False).objective == 4.0
    assert solve(instance, "algorithm-2", isolate=False).placement is None


def test_as_printed_two_layers_stay_on_the_source_unchecked():
    """Eq. 13 starts at layer index 1: with two layers the loops do not run, and memory is never asked."""
    instance = pipeline([[1.0, 9.0], [9.0, 2.0]], [1, 8], [1, 1])
    assert solve(instance, isolate=False).objective == 2.0
    result = solve(instance, "algorithm-2", isolate=False)
    assert [violation.constraint for violation in result.violations] == ["memory"]


def test_as_printed_it_finds_nothing_on_the_testbed():
    """The embedding takes next to no time, so no stage after it is accepted."""
    instance = read("llama2-7b-testbed-throughput")
    few = [0, 1, 2, 14]
    cluster = instance.cluster
    small = dataclasses.replace(
        instance,
        cluster=Cluster(
            tuple(cluster.device_names[j] for j in few),
            cluster.memory_bytes[few],
            cluster.bandwidth_bytes_per_s[np.ix_(few, few)],
            cluster.latency_s[np.ix_(few, few)],
        ),
        compute_time_s=instance.compute_time_s[:, few],
    )
    assert solve(small).status is Status.OPTIMAL
    assert solve(small, "algorithm-2").status is Status.NO_SOLUTION


@given(edgeshard_instances())
@settings(max_examples=100)
def test_repaired_it_is_exact(instance):
    """Any layers and links, against brute force; as printed it never beats it."""
    drawn = dataclasses.replace(instance, problem="edgeshard-throughput")
    assert judge(drawn, ["algorithm-2-repaired", "algorithm-2"], Counter()) == []


def test_it_says_when_the_table_is_too_large():
    """30 devices would need 2**29 sets."""
    instance = generate("edgeshard-throughput", "testbed", seed=1, devices=30)
    with pytest.raises(NotApplicableError, match="more than 8 GiB"):
        solve(instance, "algorithm-2-repaired")


@pytest.mark.parametrize("memory", [[1, 8], [1, 2]])
def test_as_printed_the_source_may_be_any_device(memory):
    """Devices in another order: the same placement, or none, under other names."""
    instance = pipeline([[4.0, 9.0], [9.0, 2.0], [9.0, 0.0]], memory, [1, 1, 1])
    cluster = instance.cluster
    turned = dataclasses.replace(
        instance,
        cluster=dataclasses.replace(cluster, memory_bytes=cluster.memory_bytes[::-1]),
        compute_time_s=instance.compute_time_s[:, ::-1],
        source=1,
    )
    found, other = (solve(one, "algorithm-2", isolate=False) for one in (instance, turned))
    assert (found.objective, other.objective) == ((4.0, 4.0) if memory[1] == 8 else (None, None))
    if found.placement is not None:
        assert other.placement == tuple(1 - device for device in found.placement)


def test_repaired_it_stays_on_the_source_where_nothing_is_gained():
    """2 s on the source, or 1 s there and 2 s on the other."""
    instance = pipeline([[1.0, 9.0], [1.0, 2.0]], [2, 8], [1, 1])
    found = solve(instance, "algorithm-2-repaired", isolate=False)
    assert (found.objective, found.placement) == (2.0, (0, 0))


@pytest.mark.parametrize(("must", "placement"), [((), (0, 0)), ((1,), (0, 1))])
def test_repaired_it_uses_what_must_be_used(must, placement):
    """Also where the source alone is as quick."""
    instance = pipeline([[1.0, 9.0], [1.0, 2.0]], [2, 8], [1, 1])
    asked = dataclasses.replace(instance, rules=Rules(must_use=must))
    assert solve(asked, "algorithm-2-repaired", isolate=False).placement == placement


def test_as_printed_a_pipeline_of_three_is_read_back_stage_by_stage():
    """Neither of the others takes three layers, and only b hears from the source: layer 1 on b, the rest on c."""
    rate = np.full((3, 3), 1024.0)
    rate[0, 2] = rate[2, 1] = 0.0
    instance = EdgeShardInstance(
        name="three",
        problem="edgeshard-throughput",
        cluster=Cluster(("a", "b", "c"), np.array([9, 3, 3]), rate, np.zeros((3, 3))),
        layers=tuple(Layer(f"layer-{i}", 1, 1.0) for i in range(4)),
        compute_time_s=np.array([[4.0, 9.0, 9.0], *[[9.0, 1.0, 2.0]] * 3]),
        source=0,
    )
    found = solve(instance, "algorithm-2", isolate=False)
    assert (found.placement, found.objective, found.message) == ((0, 1, 2, 2), 4.0, "the table says 4 s")
