"""Ticks and bytes: the one rounding rule."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewise.models.errors import InstanceError
from placewise.models.units import choose_tick, common_unit, to_ticks


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
