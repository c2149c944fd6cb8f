"""Ticks where times lie far apart or are zero: the optimum keeps its digits, whatever else there is."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import truth
from hypothesis import given
from hypothesis import strategies as st

from placewise.instances import read, shipped_instances
from placewise.instances.generators import generate
from placewise.models.dilemma.cost import delay_costs
from placewise.models.edgeshard.cost import time_tables
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.head_migration.cost import head_costs
from placewise.models.time_range import TimeRange, least_sufficient, reachable, require_whole_numbers
from placewise.models.units import MAX_BYTES, ROUNDING_TOLERANCE, choose_tick
from placewise.solvers import solve

EDGESHARD = [name for name in shipped_instances() if read(name).problem.startswith("edgeshard")]


def tick(reference=0.0, horizon=1.0, summed=0.0, entries=4, scale=0.0, least=1.0):
    """Return the tick of a range."""
    return TimeRange(reference, horizon, summed, entries, lambda: scale, lambda: least).tick()


@given(st.floats(1e-9, 1e3), st.floats(1.0, 1e6), st.integers(1, 300))
def test_a_positive_reference_is_enough(reference, spread, entries):
    """Then the tick is that of `choose_tick`, and nothing else is asked."""
    unasked = TimeRange(reference, reference * spread, 0.0, entries, None, None)
    assert unasked.tick() == choose_tick(reference, reference * spread, entries)


@given(st.floats(1e-12, 1.0), st.floats(1.0, 1e18), st.integers(1, 300))
def test_a_scale_stands_in_for_a_reference(scale, spread, entries):
    """The tick follows the larger of both, however slow the slowest links are."""
    for reference in (0.0, scale / 1e15):
        found = tick(reference, scale * spread, 0.0, entries, scale)
        assert found * entries <= ROUNDING_TOLERANCE * scale
        assert found >= scale * 2.0**-41 or entries > 2**16


@given(st.floats(1e-12, 1.0), st.floats(1.0, 1e18))
def test_without_either_the_least_time_keeps_its_digits(least, spread):
    """It loses no more of itself than the tolerance."""
    assert tick(0.0, least * spread, 0.0, 300, 0.0, least) <= ROUNDING_TOLERANCE * least
    if spread < 2.0**10:  # one number, not 300, is rounded
        assert tick(0.0, least * spread, 0.0, 300, 0.0, least) == choose_tick(least, least * spread, 1)


def test_the_least_time_is_rounded_once():
    """2**28 s on one device ask for a tick of 2**-24 s, which 1 s loses at most once: twice is more than 1e-7."""
    assert tick(0.0, 1e30, 2.0**28, 300, 0.0, 1.0) == 2.0**-24
    with pytest.raises(InstanceError):
        tick(0.0, 1e30, 2.0**28, 300, 0.0, 0.5)


def test_sums_on_one_device_must_be_exact():
    """Of compute times, of which differences are taken: 2**53 ticks at most where the horizon does not fit."""
    assert tick(1.0, 1e18, 1e6) * 2.0**53 > 1e6
    assert tick(1.0, 1e18, 2.0**20) == 2.0**-32  # 2**20 s is a number of 21 bits
    with pytest.raises(InstanceError, match=r"from 1 s at the least to 1e\+12 s"):
        tick(1.0, 1e18, 1e12)
    with pytest.raises(InstanceError, match="1e308"):
        tick(1.0, math.inf)


def test_what_cannot_be_has_some_tick():
    """Nothing to keep."""
    assert tick(0.0, 1e30, 1e30, scale=None) > 0
    assert tick(horizon=0.0) == 1.0


def test_the_least_that_suffices():
    """By bisection; infinity is no value."""
    values = np.array([3.0, 1.0, math.inf, 2.0, 2.0])
    assert least_sufficient(values, lambda value: value >= 1.5) == 2.0
    assert least_sufficient(values, lambda _: True) == 1.0
    assert least_sufficient(values, lambda _: False) is None
    assert least_sufficient(np.array([math.inf]), lambda _: True) is None


def test_reachable_devices():
    """Along links, not against them."""
    linked = np.array([[False, True, False], [False, False, False], [True, False, False]])
    assert [reachable(linked, j).tolist() for j in range(3)] == [
        [True, True, False],
        [False, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize("problem", ["edgeshard-latency", "edgeshard-throughput"])
def test_the_scale_is_a_bound(problem):
    """What the tick is relative to is no more than the optimum, and the tables lose no more than the tolerance."""
    scaled = 0
    for seed in range(60):
        instance = generate(problem, "zeros", seed=seed)
        best, tables = truth.edgeshard(instance), time_tables(instance)
        if best:
            entries = 2 * len(instance.layers)
            assert Fraction(tables.tick_s) * entries / 2 <= best * Fraction(ROUNDING_TOLERANCE)
            scaled += instance.compute_time_s.min(axis=1).sum() == 0
    assert scaled >= 10


def test_zero_work_in_dilemma():
    """Without compute times the transfers are what is left, beside a link that takes for ever."""
    for mode in ("corrected", "as-printed"):
        instance = read(f"dilemma-loophole-{mode}")
        links = np.where(instance.cluster.bandwidth_bytes_per_s > 0, 1e9, 0.0)
        links[0, 1] = 1e-9
        instance = replace(
            instance,
            layers=tuple(replace(layer, flops=0.0) for layer in instance.layers),
            cluster=replace(instance.cluster, bandwidth_bytes_per_s=links),
            mode=mode,
        )
        best = truth.dilemma(instance)
        assert not delay_costs(instance).whole_numbers
        for method in ("brute-force", "labels", "highs"):
            result = solve(instance, method, isolate=False)
            assert result.proven
            assert Fraction(result.objective) == pytest.approx(best, rel=1e-7)
        with pytest.raises(NotApplicableError, match="CP-SAT needs whole numbers"):
            solve(instance, "tables", isolate=False)


@pytest.mark.parametrize("name", EDGESHARD)
def test_shipped_times_fit_whole_numbers(name):
    """So that CP-SAT applies."""
    instance = read(name)
    for part in [instance.at(size) for size in getattr(instance, "batch_sizes", ())] or [instance]:
        require_whole_numbers(time_tables(part).whole_numbers)


@pytest.mark.parametrize(
    "problem", ["edgeshard-latency", "edgeshard-throughput", "dilemma", "head-migration"]
)
def test_a_link_that_never_ends_is_no_missing_link(problem):
    """A message that takes more than 1e308 s is refused with the link's name."""
    instance = generate(problem, "tiny", kind="loose" if problem != "head-migration" else "mixed", seed=1)
    table = instance if problem == "head-migration" else instance.cluster
    links = table.bandwidth_bytes_per_s.copy()
    links[..., 1, 0] = 1e-320
    slow = replace(table, bandwidth_bytes_per_s=links)
    slow = slow if problem == "head-migration" else replace(instance, cluster=slow)
    costs = {"dilemma": delay_costs, "head-migration": head_costs}.get(problem, time_tables)
    with pytest.raises(InstanceError, match=r"cluster.bandwidth_bytes_per_s\[1\]\[0\]: expected 0"):
        costs(slow)


def test_the_weight_of_an_interval_counts_roundings():
    """A million tokens per interval multiply them a million times."""
    instance = replace(
        generate("head-migration", "tiny", seed=2), policy="lookahead", tokens_per_interval=2**20
    )
    tables = head_costs(instance)
    least = sum(tables.after_s[t].min() + tables.slope_s[t].min() for t in range(instance.intervals))
    assert tables.tick_s * instance.intervals * (instance.transformer.units + 4) <= ROUNDING_TOLERANCE * least


def test_blocks_beyond_every_device_stay_beyond():
    """Of a hundred billion tokens: 64 bits would overflow, and a negative need fits everywhere."""
    instance = generate("head-migration", "tiny", seed=2)
    block = replace(instance.transformer, heads=1, kv_heads=None, embedding_dim=2**20, bytes_per_parameter=16)
    count = 2
    instance = replace(
        instance,
        transformer=block,
        initial=None,
        tokens_per_interval=2**36,
        memory_bytes=np.full((count, instance.cluster.size), MAX_BYTES),
        flops_per_s=np.full((count, instance.cluster.size), 1e9),
        bandwidth_bytes_per_s=np.ones((count, instance.cluster.size, instance.cluster.size)),
    )
    assert head_costs(instance).memory.max() == MAX_BYTES + 1
    assert solve(instance, isolate=False).status.value == "infeasible"
