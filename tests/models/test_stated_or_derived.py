"""What follows from a cluster follows it when it changes; what is stated stays; and both can be told apart."""

from dataclasses import replace

import numpy as np
import pytest

import placewise
from placewise import (
    Cluster,
    Device,
    DevicesOverTime,
    EdgeShardBatch,
    EdgeShardLatency,
    EdgeShardThroughput,
    HeadMigration,
    HeadMigrationDecoder,
    HeadTransformer,
    InstanceError,
    Layer,
    Roofline,
    Stated,
)
from placewise.instances.generators import generate

DEVICES = [Device("a", 10, 4.0, 8.0), Device("b", 12, 8.0, 4.0) * 2]
CLUSTER = Cluster(devices=DEVICES, bandwidth_bytes_per_s=2.0)
CHAIN = [Layer("in", 2, 1, flops=8, weight_bytes=2), Layer("mid", 6, 2, flops=24, weight_bytes=6) * 3]
CACHED = [Layer("in", 2, 1, 8, 2, 1), Layer("mid", 4, 2, 24, 4, 1) * 3]
HEADS = HeadMigration(
    Cluster(devices=[Device("a", 60, 4.0), Device("b", 90, 8.0)], bandwidth_bytes_per_s=2.0),
    HeadTransformer(2, 2, bytes_per_parameter=1, prompt_tokens=1),
    intervals=2,
    initial={"heads": ["a", "b"], "proj": "a", "ffn": "a"},
)

DERIVED = {
    "edgeshard-latency": EdgeShardLatency(CLUSTER, CHAIN, source="a", return_bytes=1),
    "edgeshard-throughput": EdgeShardThroughput(CLUSTER, CHAIN, source=0, return_bytes=1),
    "edgeshard-batch": EdgeShardBatch(CLUSTER, CACHED, [1, 2, 4], return_bytes=1),
    "dilemma": generate("dilemma", "tiny", kind="tight", mode="corrected", seed=3),
    "head-migration": HEADS,
    "head-migration-decoder": HeadMigrationDecoder(replace(HEADS, initial=None), layers=2),
}


def times(instance, factor, *keys):
    """Return the instance on a cluster with some rates multiplied, without link latency."""
    cluster = instance.cluster
    rates = {key: factor * getattr(cluster, key) for key in keys if getattr(cluster, key) is not None}
    return replace(instance, cluster=replace(cluster, latency_s=0.0, **rates))


def optimum(instance):
    """Return the proven optimum."""
    result = placewise.solve(instance, isolate=False)
    assert result.proven
    return result.objective


SPEEDS, LINKS = ("flops_per_s", "memory_bytes_per_s"), ("bandwidth_bytes_per_s",)


@pytest.mark.parametrize("factor", [8.0, 1 / 3])
@pytest.mark.parametrize("problem", DERIVED)
def test_rates_times_a_factor_divide_the_optimum_by_it(problem, factor):
    """Devices and links f times as fast: 1/f of the time; devices alone: something between."""
    instance = times(DERIVED[problem], 1.0)
    before, after = optimum(instance), optimum(times(instance, factor, *SPEEDS, *LINKS))
    assert after == pytest.approx(before / factor, rel=1e-9)
    partly = optimum(times(instance, factor, *SPEEDS))
    assert min(before, after) <= partly <= max(before, after)
    assert partly != before


@pytest.mark.parametrize("problem", ["edgeshard-latency", "edgeshard-throughput", "edgeshard-batch"])
def test_stated_times_stay(problem):
    """Measured times hold for the devices as they are: faster ones on paper change nothing, and repr says so."""
    derived = DERIVED[problem]
    assert (derived.times, "times from rates" in repr(derived)) == (Roofline(), True)
    stated = replace(derived, compute_time_s=derived.compute_time_s)
    assert (type(stated.times), "times stated" in repr(stated)) == (Stated, True)
    assert stated != derived
    assert optimum(stated) == optimum(derived)
    assert np.array_equal(times(stated, 1e3, *SPEEDS).compute_time_s, derived.compute_time_s)
    again = replace(times(stated, 2.0, *SPEEDS), times=Roofline())
    assert np.array_equal(again.compute_time_s, derived.compute_time_s / 2)
    with pytest.raises(InstanceError, match="compute_time_s: expected shape"):
        replace(stated, cluster=Cluster(devices=DEVICES[:1], bandwidth_bytes_per_s=1))


def test_a_batch_computes_its_work_and_reads_its_weights_once():
    """Two sequences on a: 48 FLOP at 4 FLOP/s, or 4 bytes of weights and 2 of caches at 8 bytes/s."""
    batch = DERIVED["edgeshard-batch"]
    assert batch.compute_time_s[1, 1].tolist() == [max(48 / 4, 6 / 8), max(48 / 8, 6 / 4), max(48 / 8, 6 / 4)]
    assert np.array_equal(batch.at(2).compute_time_s, batch.compute_time_s[1])


def test_whole_numbers_of_any_type():
    """What numpy counts is written like any number, and a fraction is one line."""
    batch = EdgeShardBatch(CLUSTER, CACHED, np.array([1, 2, 4]), return_bytes=np.float32(1))
    assert batch == DERIVED["edgeshard-batch"]
    assert placewise.read(placewise.to_document(batch)) == batch
    with pytest.raises(InstanceError, match=r"batch_sizes: expected a whole number, found 1\.5"):
        EdgeShardBatch(CLUSTER, CACHED, [1.5])
    dilemma = DERIVED["dilemma"]
    assert replace(dilemma, bit_widths=np.array(dilemma.bit_widths)) == dilemma
    with pytest.raises(InstanceError, match=r"bit_widths: expected a whole number, found 4\.0"):
        replace(dilemma, bit_widths=[4.0, 8.0])


def test_heads_use_the_memory_of_their_cluster():
    """Without tables over time a smaller budget is a smaller budget."""
    small = replace(HEADS, cluster=replace(HEADS.cluster, memory_bytes=[60, 1]))
    assert small.memory_bytes.tolist() == [[60, 1], [60, 1]]
    assert optimum(small) != optimum(HEADS)
    decoder = DERIVED["head-migration-decoder"]
    assert placewise.solve(replace(decoder, cluster=small.cluster)).status is placewise.Status.INFEASIBLE


def test_what_is_stated_over_time_stays_and_the_rest_follows():
    """A table of speeds is kept on another cluster; memory and links are those of the new one."""
    busy = replace(HEADS, flops_per_s=[[4.0, 8.0], [4.0, 2.0]])
    assert list(busy.over_time.stated) == ["flops_per_s"]
    other = replace(busy, cluster=times(busy, 10.0, "flops_per_s", "bandwidth_bytes_per_s").cluster)
    assert np.array_equal(other.flops_per_s, busy.flops_per_s)
    assert np.array_equal(other.bandwidth_bytes_per_s, 10 * busy.bandwidth_bytes_per_s)
    assert replace(busy, over_time=DevicesOverTime(2)) == HEADS
    assert busy.over_time.cut(1, 2) == DevicesOverTime(1, flops_per_s=[[4.0, 2.0]])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "intervals: expected how many there are, or a table with a row for each"),
        ({"intervals": 1.5}, "intervals: expected a whole number, found 1.5"),
        (
            {"intervals": 1, "tokens_per_interval": "3"},
            "tokens_per_interval: expected a whole number, found '3'",
        ),
        ({"intervals": 0}, "intervals: expected 1 to 100000, found 0"),
        ({"intervals": 2, "memory_bytes": [[1, 1]]}, r"memory_bytes: expected shape \(T, M\), T = 2"),
        ({"intervals": 2, "memory_bytes": [1, 1, 1]}, r"memory_bytes: expected shape \(2, 2\)"),
        ({"memory_bytes": [[1, 1], [1]]}, "memory_bytes: expected rows of equal length"),
        ({"intervals": 2, "bandwidth_bytes_per_s": [1, 1]}, "bandwidth_bytes_per_s: expected shape"),
        ({"intervals": 2, "flops_per_s": [0, 1]}, r"flops_per_s\[0\]\[0\]: expected FLOP/s > 0"),
        ({"intervals": 2, "controller": "z"}, "controller: expected a device of the cluster, found 'z'"),
        (
            {"intervals": 1, "initial": {"heads": ["a"], "proj": "a", "ffn": "a"}},
            r"initial_placement.heads: ",
        ),
        ({"intervals": 1, "initial": {"heads": ["a"]}}, r"initial_placement: expected heads"),
    ],
)
def test_devices_over_time_say_what_is_wrong(options, line):
    """One line with the place."""
    with pytest.raises(InstanceError, match=line):
        HeadMigration(HEADS.cluster, HEADS.transformer, **options)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"source": "z"}, "source_device: expected a device of the cluster, found 'z'"),
        ({"source": 3}, "source_device: expected a device of the cluster, found index 3"),
        ({"source": 0.0}, "source_device: expected a device's name or index, found 0.0"),
        ({"layers": []}, "model.layers: expected 1 to 4096 layers, found 0"),
        ({"layers": [CHAIN[0], "mid"]}, r"model.layers\[1\]: expected a Layer, found str"),
        ({"layers": [Layer("x", 1.5, 1, 1, 1)]}, r"model.layers.memory_bytes\[0\]: expected a whole number"),
        ({"layers": CACHED}, r"model.layers\[0\].cache_bytes: expected 0"),
        ({"layers": [Layer("x", 1, 1)]}, "compute_time_s: expected 1 x 3 seconds, or flops and weight_bytes"),
        ({"compute_time_s": [[1, 2], [3]]}, "compute_time_s: expected a matrix of seconds"),
        ({"compute_time_s": [1, 2]}, r"compute_time_s: expected shape \(4, 3\), found \(2,\)"),
        ({"cluster": CHAIN}, "cluster: expected a Cluster, found list"),
    ],
)
def test_chains_say_what_is_wrong(options, line):
    """One line with the place."""
    with pytest.raises(InstanceError, match=line):
        EdgeShardLatency(**({"cluster": CLUSTER, "layers": CHAIN} | options))
