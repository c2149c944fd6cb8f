"""Rows of large whole numbers, relaxed and in digits; what choices cost at least; bounds from a log."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewise.benchmarks.traps import byte_tight_latency, byte_tight_throughput
from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.edgeshard import latency_milp, throughput_milp
from placewise.models.errors import NotApplicableError
from placewise.models.knapsack import SMALL_BITS, largest_carry, small_rows
from placewise.models.registry import PROBLEMS
from placewise.solvers.backends.cbc import proven_bound
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.table import BACKENDS
from placewise.solvers.evidence.result import Reason
from placewise.solvers.solve import solve

INSTALLED = [name for name, backend in BACKENDS.items() if backend.installed]
sizes_near_each_other = st.builds(
    lambda unit, times, bytes_more: unit * times + bytes_more,
    st.sampled_from([1, 1000, 2**20, 12_345_678_901, 2**45]),
    st.integers(0, 4),
    st.integers(0, 7),
)


def holds(rows, values, most):
    """Whether carries exist that meet all rows: the least that each row allows is as good as any."""
    carry, largest = 0, 0
    for row in rows:
        total = sum(a * x for a, x in zip(row.coefficients, values, strict=True)) + carry
        if not row.base:
            return total <= row.limit
        largest = largest_carry(row, largest, most)
        carry = max(-(-(total - row.limit) // row.base), 0)
        assert carry <= largest
    return True


@given(st.lists(st.tuples(sizes_near_each_other, st.integers(0, 2)), min_size=1, max_size=6), st.data())
def test_digits_say_what_the_row_says(terms, data):
    """For every choice, at limits on, just below and just above a sum, and at any other."""
    sizes, most = (tuple(column) for column in zip(*terms, strict=True))
    chosen = [data.draw(st.integers(0, bound)) for bound in most]
    near = sum(a * x for a, x in zip(sizes, chosen, strict=True)) + data.draw(st.integers(-2, 2))
    limit = data.draw(st.one_of(st.just(near), st.integers(-1, 2**47)))
    rows = small_rows(sizes, limit, most)
    for values in product(*(range(bound + 1) for bound in most)):
        assert holds(rows, values, most) == (sum(a * x for a, x in zip(sizes, values, strict=True)) <= limit)
    numbers = [number for row in rows for number in (*row.coefficients, row.base)]
    assert max(numbers, default=0) <= 2**SMALL_BITS


def test_a_relaxed_row_lets_pass_and_a_row_in_digits_does_not():
    """By a byte: what the solver sees is met, what the model states is not."""
    built = latency_milp(read(Path(__file__).parent.parent / "instances" / "wrong" / "cbc-to-the-byte.json"))
    relaxed, digits = lower(built), lower(built, digits=True)
    assert not relaxed.carries
    assert digits.carries
    wide = relaxed.row_upper > relaxed.stated_upper
    assert wide.any()
    margin = ((relaxed.row_upper - relaxed.stated_upper) / relaxed.row_scale)[wide]
    largest = abs(relaxed.matrix).max(axis=1).toarray().ravel()[wide] / relaxed.row_scale[wide]
    assert (margin >= 0.5).all()
    assert (margin <= np.maximum(largest * 2.0**-20, 0.5)).all()
    assert (digits.row_upper == digits.stated_upper).all()


def test_what_a_choice_costs_at_least():
    """A transfer costs the bottleneck its time, a layer its compute time; so the objective's scale knows both."""
    instance = generate("edgeshard-throughput", "tiny", seed=2, kind="loose")
    model = throughput_milp(instance)
    matrix = lower(model)
    least = {
        variable.name: value / matrix.scale
        for variable, value in zip(matrix.columns, matrix.least.tolist(), strict=True)
    }
    compute_ms = 1e3 * instance.compute_time_s
    for (i, j), variable in model.assign.items():
        assert least[variable.name] >= compute_ms[i, j] * (1 - 1e-9)
    truth = solve(instance, "brute-force", isolate=False)
    for i, j in enumerate(truth.placement):
        assert least[f"assign[{i},{j}]"] <= 1e3 * truth.objective * (1 + 1e-9)
    assert 512 <= matrix.least.max() <= 1024


@pytest.mark.parametrize("problem", ["edgeshard-latency", "edgeshard-throughput", "dilemma"])
def test_forbidding_dearer_choices_keeps_the_optimum(problem):
    """The choices of a placement cost no more than itself, in the model's own reckoning."""
    formulation = PROBLEMS[problem].formulations["flow"]
    for seed in range(20):
        instance = generate(problem, "tiny", seed=seed)
        truth = solve(instance, "brute-force", isolate=False)
        if truth.placement is None:
            continue
        model = formulation.build(instance)
        formulation.start(model, truth.placement)
        matrix = lower(model)
        taken = matrix.start() > 0.5
        integer_taken = taken & matrix.integer
        known = (1e3 * truth.objective - matrix.offset) * matrix.scale
        assert (matrix.least[integer_taken] <= known * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("gap", [1e-6, 0.3])
def test_bounds_are_bounds(name, gap):
    """No back-end states a bound above the optimum, nor calls optimal what is not within the gap."""
    tried = 0
    for seed in range(12):
        for draw in (byte_tight_latency, byte_tight_throughput):
            instance = draw(seed).instance
            truth = solve(instance, "brute-force", isolate=False)
            try:
                result = solve(instance, name, isolate=False, relative_gap=gap)
            except NotApplicableError:
                continue
            assert not result.conflicts
            assert result.proven
            if truth.objective is None:
                assert result.objective is None
                continue
            tried += 1
            assert result.dual_bound <= truth.objective * (1 + 1e-9)
            assert result.dual_bound >= result.objective * (1 - gap) * (1 - 1e-9)
    assert tried > 5


#: As CBC 2.10.3 ends; numbers in the places of a log.
LOG = """
Cbc0010I After 0 nodes, 1 on tree, {cost} best solution, best possible {early} (0.20 seconds)
Cbc0005I Partial search - best objective {cost} (best possible {late}), took 83377 iterations (1.03 seconds)
Result - {result}
Objective value:                {cost}
Lower bound:                    {final}
"""


@pytest.mark.parametrize("value", [0.0, -0.0021587528, 979334580.07162, 12.3456789, 1e-7, -41.0005, 3.0e15])
def test_cbc_bounds_are_rounded_outward(value):
    """With three decimals and with eight digits, of either sign, small and large."""

    def bound_of(late):
        log = LOG.format(
            cost=f"{value + 1:.8g}",
            early=f"{value - 1:.8g}",
            late=late,
            final=f"{value:.3f}",
            result="Stopped on time limit",
        )
        return proven_bound(log, Reason.LIMIT, value + 1, 1e-6)

    assert value - 2e-7 * abs(value) <= bound_of(f"{value:.8g}") <= value
    decimals = 0.0011 + 2e-7 * abs(value)
    assert value - decimals <= bound_of("1e+50") <= value
    assert value - decimals <= bound_of(f"{2 * value + 7:.8g}") <= value  # of a part of the problem


def test_cbc_states_no_bound_where_it_prints_none():
    """Its infinity is no bound, and an optimum without a printed bound is its own."""
    assert proven_bound("Lower bound:   -1e+50", Reason.LIMIT, None, 1e-6) is None
    assert proven_bound("", Reason.LIMIT, None, 1e-6) is None
    assert proven_bound("Result - Optimal solution found", Reason.OPTIMAL, 5.0, 0.5) == 5.0
    within = "Result - Optimal solution found (within gap tolerance)\nLower bound:   4.999"
    assert 4.99 <= proven_bound(within, Reason.OPTIMAL, 5.0, 1e-6) < 5.0
    assert proven_bound(within, Reason.OPTIMAL, 5.0, 0.3) == pytest.approx(4.9985)
