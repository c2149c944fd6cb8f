"""DILEMMA's tables by hand: times, storage, candidates; and its simple proofs at their limits."""

import dataclasses
import math

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.dilemma import evaluate
from placewise.models.dilemma.cost import delay_costs
from placewise.models.dilemma.data import DilemmaInstance, QuantizableLayer
from placewise.models.dilemma.diagnosis import diagnose
from placewise.solvers import solve


def case(**options):
    """Return three layers on three servers in 4, 8 or 16 bits; c sends to nobody but b."""
    cluster = Cluster(
        ("a", "b", "c"),
        np.array([12, 20, 6]),
        np.array([[0.0, 2.0, 4.0], [1.0, 0.0, 8.0], [0.0, 16.0, 0.0]]),
        np.full((3, 3), 0.5),
        np.array([1.0, 2.0, 4.0]),
    )
    layers = (
        QuantizableLayer("l0", 8.0, 6, 4.0, 16),
        QuantizableLayer("l1", 16.0, 8, 8.0, 32),
        QuantizableLayer("l2", 4.0, 10, 4.0, 16),
    )
    error = np.array([[0.5, 0.25, 0.0], [0.75, 0.75, 0.5], [1.0, 0.5, 0.25]])
    plain = {"name": "case", "problem": "dilemma", "cluster": cluster, "layers": layers}
    return DilemmaInstance(**plain | {"bit_widths": (4, 8, 16), "quantization_error": error} | options)


@pytest.mark.parametrize("tokens", [1, 3])
def test_times_by_hand(tokens):
    """Eq. 3: FLOP per token, over the server's rate, by bits over the original bits; Eq. 4: elements by bits / 8."""
    costs = delay_costs(case(tokens=tokens))
    for layer, (flops, original) in enumerate(((8, 16), (16, 32), (4, 16))):
        for server, rate in enumerate((1, 2, 4)):
            expected = [tokens * flops / rate * bits / original for bits in (4, 8, 16)]
            assert costs.compute_s[layer, server].tolist() == expected
    for layer, elements in enumerate((4, 8, 4)):
        for width, bits in enumerate((4, 8, 16)):
            size = elements * bits / 8
            expected = [
                [0.0, size / 2 + 0.5, size / 4 + 0.5],
                [size + 0.5, 0.0, size / 8 + 0.5],
                [math.inf, size / 16 + 0.5, 0.0],
            ]
            assert costs.transfer_s(layer)[width].tolist() == [[tokens * x for x in row] for row in expected]


def test_storage_by_hand():
    """24, 32 and 40 bits at the least width: in units of 8; capacities are floored."""
    costs = delay_costs(case())
    assert costs.storage_unit_bits == 8
    assert costs.storage.tolist() == [[3, 6, 12], [4, 8, 16], [5, 10, 20]]
    assert costs.capacity.tolist() == [12, 20, 6]
    coarse = delay_costs(case(bit_widths=(8, 16, 32)))
    assert (coarse.storage_unit_bits, coarse.capacity.tolist()) == (16, [6, 10, 3])
    odd = case(cluster=dataclasses.replace(case().cluster, memory_bytes=np.array([13, 21, 7])))
    assert delay_costs(dataclasses.replace(odd, bit_widths=(8, 16, 32))).capacity.tolist() == [6, 10, 3]


@pytest.mark.parametrize(
    ("options", "candidates"),
    [
        ({}, [[1, 0, 0]] * 3),  # without a bound the least width is best
        ({"max_error": 0.5}, [[1, 0, 0], [0, 0, 1], [0, 1, 0]]),
        ({"max_error": 0.25}, [[0, 1, 0], [0, 0, 0], [0, 0, 1]]),
        ({"error_budget": 2.0}, [[1, 1, 1], [1, 0, 1], [1, 1, 1]]),  # 8 bits gain l1 nothing
        ({"error_budget": 2.0, "max_error": 0.75}, [[1, 1, 1], [1, 0, 1], [0, 1, 1]]),
        ({"mode": "as-printed"}, [[1, 1, 1]] * 3),
        ({"mode": "as-printed", "max_error": 0.5}, [[1, 1, 1], [0, 0, 1], [0, 1, 1]]),
    ],
)
def test_candidates_by_hand(options, candidates):
    """Admissible widths that no smaller one beats in error; as printed, the first three that are admissible."""
    assert delay_costs(case(**options)).candidate.astype(int).tolist() == candidates


def test_errors_keep_their_order_and_their_sums():
    """In whole units: proportional to the errors where none exceeds the budget, and above the budget where one does."""
    costs = delay_costs(case(error_budget=2.25))
    unit = costs.error_budget / 2.25
    assert costs.error.tolist() == (case().quantization_error * unit).tolist()
    small = delay_costs(case(error_budget=0.375))
    exceeds = case().quantization_error > 0.375
    assert ((small.error > small.error_budget) == exceeds).all()
    nothing = delay_costs(case(error_budget=0.0))
    assert nothing.error_budget == 0
    assert ((nothing.error > 0) == (case().quantization_error > 0)).all()


@pytest.mark.parametrize("budget", [5e-324, 1e-310, 1e-300])
def test_tiny_budgets_are_budgets(budget):
    """What has no error fits, what has any does not."""
    instance = case(error_budget=budget)
    costs = delay_costs(instance)
    assert ((costs.error > costs.error_budget) == (instance.quantization_error > budget)).all()


def test_the_tick_follows_the_fastest_servers_and_least_widths():
    """0.5 + 0.5 + 0.25 s at least: between 2**39 and 2**40 ticks."""
    assert delay_costs(case()).tick_s == 2.0**-39
    assert delay_costs(case(tokens=3)).tick_s == 2.0**-38


@pytest.mark.parametrize("size", [25, -8])
@pytest.mark.parametrize(("factor", "less"), [(1 + 1e-6, 59), (1 - 1e-6, 60)])
def test_the_tick_has_room_for_the_worst_placement(factor, less, size):
    """Every layer slowest and every message but the last over the slowest link take 2**25 s or 2**-8 s, or hardly less."""
    plain = case()
    layers = (*plain.layers[:2], dataclasses.replace(plain.layers[2], output_elements=1e6))
    fast = dataclasses.replace(
        plain.cluster, latency_s=plain.cluster.latency_s / 64, flops_per_s=np.array([1e-6, 20.0, 1e3])
    )
    costs = delay_costs(case(cluster=fast, layers=layers))
    worst = costs.compute_s.max(axis=(1, 2)).sum()
    for layer in range(2):
        worst += max(x for x in costs.transfer_s(layer).ravel() if math.isfinite(x))
    stretch = 2.0**size / worst * factor
    cluster = dataclasses.replace(
        fast,
        flops_per_s=fast.flops_per_s / stretch,
        bandwidth_bytes_per_s=fast.bandwidth_bytes_per_s / stretch,
        latency_s=fast.latency_s * stretch,
    )
    assert delay_costs(case(cluster=cluster, layers=layers)).tick_s == 2.0 ** (size - less)


def test_as_printed_a_hop_is_free_only_between_widths():
    """With a missing link it is a violation either way, and finite terms are stated."""
    printed = case(mode="as-printed")
    free = evaluate(printed, ((0, 0), (1, 1), (2, 1)))
    compute = 2.0 + 2.0 + 0.5
    assert free.terms == {
        "compute": compute,
        "communication": 8 / 8 + 0.5,
        "uncounted_communication": 2 / 2 + 0.5,
        "true_delay": compute + 3.0,
    }
    assert free.objective == compute + 1.5
    for widths in ((0, 0), (0, 1)):
        cut = evaluate(printed, ((2, widths[0]), (0, widths[1]), (1, widths[1])))
        assert cut.objective is None
        assert [violation.where for violation in cut.violations] == ["c -> a"]
        assert all(math.isfinite(value) for value in cut.terms.values())
        assert cut.terms["compute"] > 0


def test_two_missing_links_are_two_violations():
    """One of a hop that counts, one of a hop between widths: no objective either way."""
    plain = case(mode="as-printed")
    cluster = dataclasses.replace(plain.cluster, bandwidth_bytes_per_s=np.zeros((3, 3)))
    evaluation = evaluate(dataclasses.replace(plain, cluster=cluster), ((0, 0), (1, 0), (2, 1)))
    assert evaluation.objective is None
    assert [v.where for v in evaluation.violations if v.constraint == "link"] == ["a -> b", "b -> c"]
    assert all(math.isfinite(value) for value in evaluation.terms.values())


def with_memory(memory, **options):
    return case(cluster=dataclasses.replace(case().cluster, memory_bytes=np.array(memory)), **options)


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        (case(), None),
        (case(max_error=0.5), None),
        (case(max_error=0.49), "layer 1 has an error of at least 0.5, and max_error is 0.49"),
        (with_memory([5, 4, 3]), None),
        (with_memory([4, 4, 4]), "layer 2 fits on no server, even with its smallest admissible width"),
        (
            with_memory([5, 4, 2]),
            "the layers need 96 bits with their smallest admissible widths and the servers take 88",
        ),
        (with_memory([16, 20, 6], max_error=0.5), None),  # 3, 16 and 10 bytes
        (with_memory([15, 15, 15], max_error=0.5), "layer 1 fits on no server"),
        (with_memory([16, 6, 6], max_error=0.5), "the layers need 232 bits"),
        (case(error_budget=0.75), None),  # 0 + 0.5 + 0.25
        (case(error_budget=0.7), "the errors sum to at least 0.75 and error_budget is 0.7"),
        (case(mode="as-printed"), None),
        (with_memory([5, 5, 5], mode="as-printed"), None),
    ],
)
def test_simple_proofs_by_hand(instance, reason):
    """Each with its numbers; where everything just fits there is none."""
    found = diagnose(instance)
    assert found == reason if reason is None else reason in found


def test_as_printed_servers_host_a_layer_each():
    """Three layers need three servers; their storage is not summed."""
    instance = case(mode="as-printed")
    keep = dataclasses.replace(
        instance.cluster,
        device_names=("a", "b"),
        memory_bytes=np.array([12, 20]),
        bandwidth_bytes_per_s=np.ones((2, 2)),
        latency_s=np.zeros((2, 2)),
        flops_per_s=np.ones(2),
    )
    assert diagnose(dataclasses.replace(instance, cluster=keep)) == (
        "3 layers on 2 servers that host at most one layer each (2d)"
    )
    assert diagnose(dataclasses.replace(instance, cluster=keep, mode="corrected")) is None


def test_simple_proofs_are_proofs():
    """On tiny instances, brute force finds no placement where there is a reason."""
    reasons = 0
    for seed in range(200):
        instance = generate("dilemma", "tiny", seed=seed)
        if diagnose(instance) is not None:
            reasons += 1
            assert solve(instance, "brute-force", isolate=False).objective is None
    assert reasons > 5
