"""Rules of runtimes by hand: in proportion to memory or speed, round the ring, up to what fits."""

from dataclasses import replace

import pytest

from placewise.models.cluster import Cluster, Device
from placewise.models.edgeshard import EdgeShardLatency
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard.practice import exo_split, llama_cpp_split, parallax_split, water_split
from placewise.solvers.evidence.result import Status

DEVICES = [Device("a", 20, 1.0, 4.0), Device("b", 40, 1.0, 1.0), Device("c", 60, 1.0, 3.0)]
INSTANCE = EdgeShardLatency(
    Cluster(devices=DEVICES, bandwidth_bytes_per_s=100.0),
    [Layer(f"l{n}", 5, 1, flops=0, weight_bytes=5) for n in range(12)],
    source="a",
)


def counts(placement):
    """Return the device and number of layers of each part, in order."""
    parts = []
    for device in placement:
        if parts and parts[-1][0] == device:
            parts[-1][1] += 1
        else:
            parts.append([device, 1])
    return [tuple(part) for part in parts]


def test_splits_by_hand():
    """20, 40 and 60 bytes, speeds of 4, 1 and 3: the ring goes from a on to the largest, the order of the file to b."""
    assert counts(exo_split(INSTANCE)) == [(0, 2), (2, 6), (1, 4)]
    assert counts(llama_cpp_split(INSTANCE)) == [(0, 2), (1, 4), (2, 6)]
    assert counts(water_split(INSTANCE)) == [(0, 4), (2, 6), (1, 2)]  # a holds four of its six
    assert counts(parallax_split(INSTANCE)) == [(0, 4), (2, 8)]


def test_what_does_not_fit_is_said():
    """Rules that look at shares only overload a device whose layers are larger than others'."""
    layers = [replace(layer, memory_bytes=40 if n == 1 else 1) for n, layer in enumerate(INSTANCE.layers)]
    result = solve(replace(INSTANCE, layers=layers), "exo", isolate=False)
    assert (result.status, "out of memory" in result.message) == (Status.NO_SOLUTION, True)


@pytest.mark.parametrize("rule", ["exo", "llama-cpp", "parallax", "water-filling"])
def test_rules_never_beat_the_optimum(rule):
    """What a rule finds is a placement, and costs what the optimum costs or more."""
    best = solve(INSTANCE, isolate=False)
    found = solve(INSTANCE, rule, isolate=False)
    assert found.status is Status.FEASIBLE
    assert found.objective >= best.objective
    assert found.conflicts == ()


def test_a_source_without_memory_holds_what_needs_none():
    """Its share is nothing but the first layer."""
    cluster = Cluster(devices=[Device("a", 0, 1.0, 1.0), *DEVICES[1:]], bandwidth_bytes_per_s=100.0)
    layers = [Layer("input", 0, 1, flops=0, weight_bytes=0), *INSTANCE.layers[1:]]
    for split in (exo_split, llama_cpp_split, parallax_split, water_split):
        placement = split(replace(INSTANCE, cluster=cluster, layers=layers))
        assert (placement[0], placement.count(0), len(placement)) == (0, 1, 12)
