"""A lowered model is the model: every point has the same value and the same verdict; and what is refused or dropped."""

import itertools

import numpy as np
import pyomo.environ as pyo
import pytest

from placewise.models.errors import NotApplicableError
from placewise.solvers.backends.lowering import lower


def model(cost=(3.0, -2.0, 5000.0), offset=7.0):
    """Return two choices and a number from 0 to 3, with rows of each sense, one of them with large coefficients."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Binary)
    m.y = pyo.Var(domain=pyo.Binary)
    m.z = pyo.Var(bounds=(0, 3))
    m.most = pyo.Constraint(expr=3000 * m.x + 5000 * m.y <= 5000)
    m.least = pyo.Constraint(expr=m.x + m.z >= 1)
    m.same = pyo.Constraint(expr=m.y + 2 * m.z == 2)
    m.cost = pyo.Objective(expr=cost[0] * m.x + cost[1] * m.y + cost[2] * m.z + offset)
    return m


def holds(matrix, point):
    rows = matrix.matrix @ point
    inside = (point >= matrix.lower).all() and (point <= matrix.upper).all()
    return bool(inside and (rows >= matrix.row_lower).all() and (rows <= matrix.row_upper).all())


def point_of(matrix, values):
    return np.array([values[variable.name] for variable in matrix.columns])


def test_every_point_keeps_its_value_and_its_verdict():
    """On a grid, against Pyomo's own evaluation of rows and objective."""
    m = model()
    matrix = lower(m)
    for x, y, z in itertools.product((0, 1), (0, 1), (0.0, 0.5, 1.0, 1.5, 3.0)):
        values = {"x": x, "y": y, "z": z}
        for name, value in values.items():
            getattr(m, name).set_value(value)
        truth = all(
            (row.lower is None or pyo.value(row.body) >= pyo.value(row.lower))
            and (row.upper is None or pyo.value(row.body) <= pyo.value(row.upper))
            for row in m.component_data_objects(pyo.Constraint)
        )
        point = point_of(matrix, values)
        assert holds(matrix, point) == truth
        assert matrix.unscaled(float(matrix.cost @ point)) == pyo.value(m.cost)
    assert not holds(matrix, point_of(matrix, {"x": 0, "y": 0, "z": 4.0}))
    assert not holds(matrix, point_of(matrix, {"x": 2, "y": 0, "z": 1.0}))


def test_scales_are_powers_of_two_and_numbers_small():
    """Costs just below 1024, rows at most 1024, rows of small numbers as they are."""
    matrix = lower(model())
    assert matrix.shape == (3, 3)
    assert np.log2(matrix.scale).is_integer()
    assert 512 <= np.abs(matrix.cost).max() <= 1024
    scales = dict(zip(matrix.row_names, matrix.row_scale.tolist(), strict=True))
    assert (scales["least"], scales["same"]) == (1.0, 1.0)
    assert np.log2(scales["most"]).is_integer()
    assert abs(matrix.matrix).max() <= 1024
    assert scales["most"] * 5000 >= 512
    free = lower(model(cost=(0.0, 0.0, 0.0)))
    assert (free.scale, free.unscaled(0.0)) == (1.0, 7.0)
    integer = dict(zip((v.name for v in matrix.columns), matrix.integer.tolist(), strict=True))
    assert integer == {"x": True, "y": True, "z": False}
    for row, name in enumerate(matrix.row_names):
        assert matrix.row_bounds(row) == (matrix.row_lower[row], matrix.row_upper[row])
        assert np.isinf(matrix.row_bounds(row)).tolist() == {
            "most": [True, False], "least": [False, True], "same": [False, False],
        }[name]  # fmt: skip


def test_what_is_forbidden_costs_nothing():
    """A choice that is fixed to 0 does not set the scale."""
    m = model(cost=(3.0, 1e9, 5.0))
    m.y.setub(0)
    matrix = lower(m)
    assert 512 <= np.abs(matrix.cost).max() <= 1024
    assert matrix.unscaled(float(matrix.cost @ point_of(matrix, {"x": 1, "y": 0, "z": 2.0}))) == 20.0


def test_starts_and_solutions():
    """No start where a variable has no value; whole numbers are rounded when a solution is stored."""
    m = model()
    matrix = lower(m)
    assert matrix.start() is None
    m.x.set_value(1)
    m.y.set_value(0)
    assert matrix.start() is None
    m.z.set_value(0.75)
    assert matrix.start().tolist() == point_of(matrix, {"x": 1, "y": 0, "z": 0.75}).tolist()
    matrix.load(point_of(matrix, {"x": 0.9999999, "y": 1e-7, "z": 0.4999999}))
    assert [pyo.value(variable) for variable in (m.x, m.y, m.z)] == [1.0, 0.0, 0.4999999]


@pytest.mark.parametrize(("large", "refused"), [(0.9e7, False), (1.1e7, True)])
def test_rows_of_numbers_too_far_apart_are_refused(large, refused):
    """Beyond 10^7 in one row with a continuous variable; whole numbers alone may differ more."""
    m = model()
    m.big_m = pyo.Constraint(expr=m.z <= large * m.x)
    if refused:
        with pytest.raises(NotApplicableError, match=r"big_m has coefficients from 1 to 1\.1e\+07 ms"):
            lower(m)
    else:
        lower(m)
    whole = model()
    whole.big_m = pyo.Constraint(expr=whole.y <= large * whole.x)
    lower(whole)


@pytest.mark.parametrize(
    ("cost", "known", "dropped"),
    [
        ((3.0, 2.0, 5.0), 10.0, []),  # nothing drowns: costs up to 1024 beside a known 10 s
        ((1e-4, 2e-4, 1e6), 1e-4 + 7, ["y"]),
        ((1e-4, 1e6, 1.0), 1e-4 + 7, ["y"]),
        ((-1.0, 1e6, 1.0), 1e-4 + 7, []),  # something pays for it
    ],
)
def test_dear_choices_are_dropped_only_where_they_drown_others(cost, known, dropped):
    """Choices that alone cost more than a known placement; continuous amounts stay."""
    m = model(cost)
    matrix = lower(m)
    assert matrix.drop_dearer(known) is bool(dropped)
    assert [v.name for v in (m.x, m.y, m.z) if v.ub == 0] == dropped
    if dropped:
        assert not lower(m).drop_dearer(known)


def test_dear_choices_stay_where_an_amount_may_be_negative():
    """An amount that can fall below 0 pays for a choice, however little it costs."""
    m = model((2e-4, 1e6, 1e-4))
    m.z.setlb(-1)
    assert not lower(m).drop_dearer(1e-4 + 7)
    assert m.y.ub == 1
    m.z.setlb(0)
    assert lower(m).drop_dearer(1e-4 + 7)


def test_times_without_limit_count_in_units_of_their_choices():
    """A choice of 5e6 ms drives a time: in its unit, a power of two, that is at most 1024; starts and solutions convert."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Binary)
    m.y = pyo.Var(domain=pyo.Binary)
    m.t = pyo.Var(bounds=(0, None))
    m.time = pyo.Constraint(expr=m.t >= 5e6 * m.x + 3.0 * m.y)
    m.one = pyo.Constraint(expr=m.x + m.y >= 1)
    m.cost = pyo.Objective(expr=m.t)
    matrix = lower(m)
    units = dict(zip((v.name for v in matrix.columns), matrix.column_scale.tolist(), strict=True))
    assert (units["x"], units["y"], units["t"]) == (1.0, 1.0, 2.0**13)  # 5e6 / 2**13 = 610
    assert 512 <= abs(matrix.matrix).max() <= 1024
    for variable, value in ((m.x, 1), (m.y, 0), (m.t, 5e6)):
        variable.set_value(value)
    start = dict(zip((v.name for v in matrix.columns), matrix.start().tolist(), strict=True))
    assert start == {"x": 1.0, "y": 0.0, "t": 5e6 / 2**13}
    assert holds(matrix, matrix.start())
    assert matrix.unscaled(float(matrix.cost @ matrix.start())) == 5e6
    matrix.load(matrix.start())
    assert pyo.value(m.t) == 5e6


def test_an_amount_that_costs_nothing_may_be_negative():
    """It pays for no choice."""
    m = model((2e-4, 1e6, 0.0))
    m.z.setlb(-1)
    assert lower(m).drop_dearer(1e-4 + 7)
    assert m.y.ub == 0


def test_solutions_are_stored_as_they_are():
    """Also where a solver is a hair outside the domain of an amount."""
    m = model()
    m.w = pyo.Var(domain=pyo.NonNegativeReals)
    m.more = pyo.Constraint(expr=m.w + m.x >= 0)
    matrix = lower(m)
    matrix.load(point_of(matrix, {"x": 1.0, "y": 0.0, "z": 1.0, "w": -1e-9}))
    assert -1e-8 < pyo.value(m.w) < 0


@pytest.mark.parametrize("held", [(1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 0), (1, 1, 1)])
def test_starts_have_carries_that_follow(held):
    """A knapsack in digits: a start satisfies all rows if what it holds fits, to the unit."""
    sizes, budget = (2**40 + 1, 2**40 + 2, 2**39 + 5), 2**41 + 3
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), domain=pyo.Binary)
    m.held = pyo.Constraint(expr=sum(size * m.x[i] for i, size in enumerate(sizes)) <= budget)
    m.cost = pyo.Objective(expr=m.x[0] + m.x[1] + m.x[2])
    for i, value in enumerate(held):
        m.x[i].set_value(value)
    matrix = lower(m, digits=True)
    assert matrix.carries
    start = matrix.start()
    names = [variable.name for variable in matrix.columns]
    assert [start[names.index(f"x[{i}]")] for i in range(3)] == list(held)
    assert holds(matrix, start) == (sum(size * x for size, x in zip(sizes, held, strict=True)) <= budget)
    assert abs(matrix.matrix).max() <= 1024
