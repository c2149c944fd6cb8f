"""Ticks and bytes: the one rounding rule."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError
from placewise.models.units import choose_tick, common_unit, tick_between, to_ticks


@given(st.lists(st.floats(1e-6, 10.0), min_size=2, max_size=200), st.floats(1.0, 4000.0), st.randoms())
def test_sums_of_ticks_do_not_depend_on_their_order(times, excess, draw):
    """Rounded once, added in any order: the same float, up to thousands of times the reference."""
    tick = choose_tick(sum(times) / excess, sum(times), len(times))
    rounded = to_ticks(np.array(times), tick).tolist()
    shuffled = list(rounded)
    draw.shuffle(shuffled)
    assert sum(shuffled) == sum(rounded) == math.fsum(rounded)


@given(st.floats(1e-9, 1e3), st.floats(1.0, 1e6), st.integers(1, 300))
def test_rounding_costs_less_than_the_tolerance(reference, spread, entries):
    """Over all entries of a placement the rounding stays below 1e-7 of the reference."""
    tick = choose_tick(reference, reference * spread, entries)
    assert math.log2(tick).is_integer()
    assert entries * tick / 2 <= 1e-7 * reference


def test_too_wide_a_range_is_refused():
    """Times from 1e-12 to 1e12 seconds cannot be compared exactly in 64 bits."""
    with pytest.raises(InstanceError, match="too wide a range"):
        choose_tick(1e-12, 1e12, 10)


def test_infinity_stays():
    """A missing link is no rounded number."""
    assert to_ticks(np.array([np.inf]), 0.5)[0] == np.inf


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=9), st.integers(0, 2**42))
def test_common_unit_keeps_every_comparison(sizes, budget):
    """Dividing by the unit and flooring the budget decides each subset as bytes do."""
    unit = common_unit(sizes)
    for mask in range(2 ** len(sizes)):
        chosen = [size for bit, size in enumerate(sizes) if mask >> bit & 1]
        assert (sum(chosen) <= budget) == (sum(size // unit for size in chosen) <= budget // unit)


@pytest.mark.parametrize(
    ("reference", "horizon", "exponent"),
    [
        (1.0, 1.0, -39),  # 1 s in 2**39 ticks, just below 2 s would still have this tick
        (1.99, 1.99, -39),
        (0.99, 0.99, -40),
        (1.0, 2.0**20 - 1, -40 + 1),  # the horizon has room for 2**60 ticks
        (1.0, 2.0**21, -38),
        (1.0, 2.0**30, -29),
        (0.0, 1.0, -39),  # nothing known below: the horizon is the scale
    ],
)
def test_ticks_by_hand(reference, horizon, exponent):
    """At most 2**-40 of the reference, unless the horizon would have more than 2**60 ticks."""
    assert choose_tick(reference, horizon, 2) == 2.0**exponent


def test_where_nothing_takes_time_any_tick_will_do():
    """A second."""
    assert choose_tick(0.0, 0.0, 5) == 1.0


def test_the_range_ends_where_rounding_would_cost_more_than_the_tolerance():
    """A tick of 2**-29 s, 53 times, is below 1e-7 s; 54 times it is not."""
    assert choose_tick(1.0, 2.0**30, 53) == 2.0**-29
    with pytest.raises(InstanceError, match="too wide a range"):
        choose_tick(1.0, 2.0**30, 54)


def test_times_are_rounded_to_the_nearest_tick():
    """Up and down, in seconds."""
    assert to_ticks(np.array([0.3, 0.4, 1.0]), 0.25).tolist() == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(("sizes", "unit"), [([12, 18], 6), ([7, 5], 1), ([0, 4], 4), ([0], 1), ([], 1)])
def test_common_units_by_hand(sizes, unit):
    """The greatest common divisor; 1 where there is none."""
    assert common_unit(sizes) == unit


def test_the_largest_memory_is_a_pebibyte():
    """2**50 bytes are taken, one more is refused."""
    for memory in (2**50, 2**50 + 1):
        try:
            Cluster(("a",), np.array([memory]), np.zeros((1, 1)), np.zeros((1, 1)))
        except InstanceError:
            assert memory > 2**50
        else:
            assert memory == 2**50


def test_models_count_milliseconds():
    """The hand-computed 7 s are 7000 in the declarative model, term by term."""
    import pyomo.environ as pyo

    from placewise.instances import read
    from placewise.models.registry import PROBLEMS

    instance = read("hand-split")
    for formulation in PROBLEMS[instance.problem].formulations.values():
        model = formulation.build(instance)
        formulation.start(model, (0, 1, 1, 1))
        objective = next(model.component_data_objects(pyo.Objective, active=True))
        assert pyo.value(objective) == 7000.0


@pytest.mark.parametrize(
    ("reference", "entries", "exponent"), [(1.0, 8, -39), (1.0, 2**20, -44), (8.0, 2**20, -41), (8.0, 8, -36)]
)
def test_many_entries_need_a_finer_tick(reference, entries, exponent):
    """2**20 roundings of half a tick within 1e-7 of the reference: a power of two below 9.5e-14 of it."""
    assert tick_between(reference, entries, reference, 60) == 2.0**exponent


def test_the_finest_tick():
    """2**-960 s, in which 2**-921 s is 2**39 ticks; times below are none, and infinite ones neither."""
    assert tick_between(2.0**-921, 4, 2.0**-921, 60) == 2.0**-960
    assert tick_between(2.0**-922, 4, 2.0**-922, 60) is None
    assert tick_between(2.0**-922, 4, 0.0, 60) is None
    assert tick_between(1.0, 4, float("inf"), 60) is None
    assert tick_between(1.0, 4, 0.0, 60) == tick_between(1.0, 4, 1.0, 60) == 2.0**-39
