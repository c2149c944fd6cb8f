"""Numbers that people write are read as they are written: errors, budgets, bounds, factors, whole bytes."""

import itertools
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.models.decimals import as_floats, common_measure, exact, is_written, scaled, text
from placewise.models.dilemma import evaluate
from placewise.models.dilemma.cost import delay_costs
from placewise.models.dilemma.errors import BUDGET_TOLERANCE, whole_errors
from placewise.models.registry import PROBLEMS
from placewise.models.resources import Resource, scaled_memory


def quantized(errors, **bounds):
    """Return the loophole instance, three layers in 4 or 8 bits on servers that hold everything, with these errors."""
    instance = read("dilemma-loophole-corrected")
    cluster = replace(instance.cluster, memory_bytes=np.array([100, 100, 100]))
    return replace(instance, cluster=cluster, quantization_error=errors, **bounds)


def broken(instance, widths):
    return [violation.message for violation in evaluate(instance, tuple((0, b) for b in widths)).violations]


@given(st.integers(0, 10**15 - 1), st.integers(-12, 12))
def test_a_float_is_the_decimal_that_was_written(digits, exponent):
    """Up to 15 digits at any magnitude, and its text gives the same number back."""
    value = float(f"{digits}e{exponent}")
    assert exact(value) == Fraction(digits) * Fraction(10) ** exponent
    assert is_written(value)
    assert float(text(exact(value))) == value


def test_computed_numbers_are_known():
    """What needs 16 digits or more was not written."""
    assert not is_written(0.1 + 0.2)
    assert not is_written(1 / 3)
    assert [text(number) for number in (sum([exact(0.01)] * 5), 1.0, 1e-7, Fraction(5, 4))] == [
        "0.05",
        "1",
        "1e-07",
        "1.25",
    ]


def test_a_common_measure_divides_all():
    """Of fractions; 1 where all are 0."""
    assert common_measure([Fraction(3, 10), Fraction(9, 100)]) == Fraction(3, 100)
    assert common_measure([Fraction(0)]) == 1


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, Decimal, Fraction, str])
def test_numbers_of_any_kind(kind):
    """Three errors of 0.1 meet a budget of 0.3, whatever they are given as."""
    table = [[kind("0.1"), kind("0")]] * 3
    instance = quantized(table, error_budget=kind("0.3"), max_error=kind("0.1"))
    assert broken(instance, (0, 0, 0)) == []
    assert (instance.error_budget, instance.max_error) == (0.3, 0.1)
    document = to_document(instance)
    assert to_document(from_document(document)) == document
    less = replace(instance, error_budget=kind("0.29999"), max_error=kind("0.09999"))
    assert broken(less, (0, 1, 1)) == ["layer 0 at 4 bits has error 0.1, expected at most 0.09999 (5)"]
    assert broken(less, (0, 0, 0))[-1] == "the errors sum to 0.3, expected at most 0.29999"


@pytest.mark.parametrize(
    ("errors", "budget", "fits"),
    [
        ((0.01, 0.01, 0.01), 0.03, True),
        ((0.1, 0.2, 0.4), 0.7, True),
        ((0.1, 0.2, 0.4), 0.699999999999, False),
        ((1e-7, 2e-7, 0.0), 3e-7, True),
        ((0.0, 0.0, 0.0), 0.0, True),
        ((0.0, 1e-300, 0.0), 0.0, False),
        ((1e-300, 1e-300, 1e-300), 3e-300, True),
        ((0.1, 0.2, 0.3), 1e300, True),  # a budget that cannot bind needs no digits
        ((123456.1, 0.000001, 0.2), 123456.300001, True),
        ((123456.1, 0.000001, 0.2), 123456.3, False),
    ],
)
def test_sums_are_compared_as_written(errors, budget, fits):
    """Exactly met is met, missed in the last digit is missed; beside errors that exceed the budget a millionfold."""
    for huge in (1.0, 1e9, 1e300):
        table = [(error, huge * budget if 0 < budget < 1e300 else 0.0) for error in errors]
        instance = quantized(np.array(table), error_budget=budget)
        assert (broken(instance, (0, 0, 0)) == []) == fits
        candidate = delay_costs(instance).candidate
        assert (candidate <= (instance.quantization_error <= budget)).all()


@given(
    st.lists(st.floats(1e-6, 1.0, exclude_min=True), min_size=3, max_size=3),
    st.floats(-3e-9, 3e-9),
    st.booleans(),
)
def test_computed_errors_have_a_tolerance(errors, excess, as_floats_sum):
    """Nothing within the budget is refused, nothing beyond the tolerance is taken."""
    total = sum(map(exact, errors))
    budget = sum(errors) if as_floats_sum else float(total * (1 - Fraction(excess)))
    instance = quantized(np.array([[error, 0.0] for error in errors]), error_budget=budget)
    fits = broken(instance, (0, 0, 0)) == []
    if as_floats_sum or total <= exact(budget):
        assert fits
    if not all(map(is_written, (*errors, budget))):
        assert fits or total > exact(budget)
        assert not fits or total <= exact(budget) * (1 + Fraction(BUDGET_TOLERANCE))


def test_simple_proofs_print_decimals():
    """The sum as people write it, not the one of floats."""
    instance = quantized(np.array([[0.1, 0.1]] * 3), error_budget=0.2)
    reason = "the errors sum to at least 0.3 and error_budget is 0.2"
    assert PROBLEMS["dilemma"].diagnose(instance) == reason
    assert PROBLEMS["dilemma"].diagnose(replace(instance, error_budget=0.3)) is None


def test_scaled_bounds_are_decimals():
    """Three times 0.1 is 0.3; in floats it is more, and 0.07 times 100 too."""
    assert scaled(0.1, 3.0) == exact(0.3)
    instance = quantized(np.array([[0.1, 0.0]] * 3), error_budget=0.1, max_error=0.07)
    for kind, factor, expected in (("error_budget", 3.0, 0.3), ("max_error", 100.0, 7.0)):
        resource = Resource(kind, (), kind)
        changed = PROBLEMS["dilemma"].scaled(instance, resource, factor)
        assert getattr(changed, kind) == expected
        assert getattr(PROBLEMS["dilemma"].scaled(instance, resource, np.inf), kind) is None


def test_scaled_memory_is_whole():
    """0.29 of 100 bytes are 29, a third of 3 is 1; nothing else changes."""
    memory = np.array([[100, 3], [200, 3]])
    assert scaled_memory(memory, Resource("memory", (0,), ""), 0.29).tolist() == [[29, 3], [58, 3]]
    assert scaled_memory(memory, Resource("memory", (), ""), 1 / 3).tolist() == [[33, 1], [66, 1]]
    assert scaled_memory(memory, Resource("memory", (1,), ""), np.inf).tolist() == [
        [100, 2**50],
        [200, 2**50],
    ]


def test_noise_in_a_whole_number_is_rounded():
    """28.999999999999996 bytes are 29; half a byte is an error."""
    document = to_document(read("hand-split"))
    document["model"]["layers"][0]["memory_bytes"] = 0.29 * 100
    assert from_document(document).layers[0].memory_bytes == 29
    assert as_floats(np.float32(0.1)) == 0.1


def test_computed_errors_beside_a_written_budget_have_the_tolerance():
    """0.1000000000000002 was computed: three of them are 2e-15 above 0.3, which is no excess."""
    table = np.array([[0.1000000000000002, 0.0]] * 3)
    assert not is_written(table[0, 0])
    assert broken(quantized(table, error_budget=0.3), (0, 0, 0)) == []
    assert broken(quantized(table, error_budget=0.2999), (0, 0, 0)) != []


def test_errors_without_a_budget_have_a_unit():
    """All are 0, of a unit that a row may be divided by."""
    budget, error, unit = whole_errors(quantized(np.array([[0.5, 0.1]] * 3)))
    assert (budget, error.any(), unit) == (None, False, 1)


@pytest.mark.parametrize(("excess", "kept"), [(5e-10, True), (2e-9, False), (1e-7, False)])
def test_the_tolerance_is_a_billionth(excess, kept):
    """Of computed errors beside a budget, whichever way the sum was made."""
    table = np.array([[1 / 3, 0.0]] * 3)
    assert not is_written(table[0, 0])
    budget = float(text(exact(round(1.0 - excess, 12))))
    assert (broken(quantized(table, error_budget=budget), (0, 0, 0)) == []) == kept


@pytest.mark.parametrize(("bits", "exact_unit"), [(49, True), (50, False)])
def test_budgets_have_fewer_than_2_to_the_50_units(bits, exact_unit):
    """Of 1/1024 here: with more, errors are rounded down."""
    table = np.array([[2.0 ** (bits - 10), 0.0], [2.0**-10, 0.0], [0.0, 0.0]])
    budget, error, unit = whole_errors(quantized(table, error_budget=2.0 ** (bits - 10)))
    assert (unit == Fraction(1, 1024)) == exact_unit
    if exact_unit:
        assert (budget, error[1, 0]) == (2**bits, 1)


@pytest.mark.parametrize("seed", range(30))
def test_whole_errors_decide_as_fractions_do(seed):
    """Of written decimals every sum is within the budget if its whole number is, also to the last digit."""
    draw = np.random.default_rng(seed)
    digits = int(draw.integers(0, 4))
    table = draw.integers(0, 30, (3, 2)) / 10.0**digits
    stated = int(draw.integers(0, 60)) / 10.0**digits
    budget, error, unit = whole_errors(quantized(table, error_budget=stated))
    for choice in itertools.product(range(2), repeat=3):
        total = sum(Fraction(str(table[layer, width])) for layer, width in enumerate(choice))
        whole = int(sum(error[layer, width] for layer, width in enumerate(choice)))
        assert (whole <= budget) == (total <= Fraction(str(stated)))
        if whole <= budget:
            assert whole * unit == total
    over = [(i, b) for i, b in np.argwhere(table > stated).tolist()]
    assert all(error[i, b] == budget + 1 for i, b in over)
    none, zeros, unit = whole_errors(quantized(table, error_budget=None))
    assert (none, zeros.tolist(), unit) == (None, [[0, 0]] * 3, 1)
