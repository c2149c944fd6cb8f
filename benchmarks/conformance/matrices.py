"""Small models as matrices whose optima are known, for back-ends."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.backends.lowering import lower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from placewise.solvers.backends.lowering import MatrixModel

#: Rows and items of the market split, which nothing splits in a second, and the bits of its slack.
ROWS, ITEMS, BITS = 5, 45, 12


@dataclass(frozen=True, eq=False)
class Case:
    """A lowered model and its optimum.

    Parameters
    ----------
    name : str
        For people.
    matrix : MatrixModel
        The model.
    optimum : float or None
        Of the scaled objective; None = infeasible.
    values : ndarray or None
        A solution that has it.
    """

    name: str
    matrix: MatrixModel
    optimum: float | None
    values: NDArray[np.float64] | None


def cases(seed: int) -> Iterator[Case]:
    """Yield small models of all kinds: binaries, an integer, a continuous bottleneck; some without a solution."""
    for kind in ("binaries", "integer", "bottleneck"):
        yield _case(f"{kind}-{seed}", kind, random.Random(f"{kind} {seed}"))  # noqa: S311


def _case(name: str, kind: str, draw: random.Random) -> Case:
    import pyomo.environ as pyo

    count = 7
    model = pyo.ConcreteModel(name=name)
    model.x = pyo.Var(range(count), domain=pyo.Binary)
    model.z = pyo.Var(domain=pyo.NonNegativeIntegers, bounds=(0, 3)) if kind == "integer" else None
    rows = [[draw.randint(-3, 9) for _ in range(count)] for _ in range(3)]
    point = [draw.randint(0, 1) for _ in range(count)]
    met = [sum(a * x for a, x in zip(row, point, strict=True)) for row in rows]
    miss = draw.choice([0, 0, 0, 50])
    bodies = [pyo.quicksum(a * model.x[i] for i, a in enumerate(row)) for row in rows]
    model.most = pyo.Constraint(expr=bodies[0] <= met[0] - miss)
    model.least = pyo.Constraint(expr=bodies[1] >= met[1])
    model.same = pyo.Constraint(expr=bodies[2] == met[2])
    cost = pyo.quicksum(draw.randint(0, 20) * model.x[i] for i in range(count))
    if kind == "integer":
        model.demand = pyo.Constraint(expr=model.z + model.x[0] + model.x[1] >= 2)
        cost += 5 * model.z
    if kind == "bottleneck":
        model.longest = pyo.Var(domain=pyo.NonNegativeReals)
        for part in (range(4), range(4, count)):
            load = pyo.quicksum(draw.randint(1, 9) * (1 - model.x[i]) for i in part)
            model.add_component(f"load_{part.start}", pyo.Constraint(expr=load <= model.longest))
        cost += model.longest
    model.objective = pyo.Objective(expr=cost)
    matrix = lower(model)
    optimum, values = _best(matrix)
    return Case(name, matrix, optimum, values)


def _best(matrix: MatrixModel) -> tuple[float | None, NDArray[np.float64] | None]:
    """Try every value of the integers; the one continuous variable is as small as its rows allow."""
    dense = matrix.matrix.toarray()
    ranges = [
        range(int(low), int(high) + 1) if whole else (0,)
        for low, high, whole in zip(matrix.lower, matrix.upper, matrix.integer, strict=True)
    ]
    free = np.flatnonzero(~matrix.integer)
    best: tuple[float | None, NDArray[np.float64] | None] = (None, None)
    for point in product(*ranges):
        values = np.array(point, dtype=np.float64)
        for column in free:
            values[column] = _least(dense, matrix, values, int(column))
        rows = dense @ values
        if (rows < matrix.row_lower - 1e-9).any() or (rows > matrix.row_upper + 1e-9).any():
            continue
        cost = float(matrix.cost @ values)
        if best[0] is None or cost < best[0]:
            best = cost, values
    return best


def _least(dense: NDArray[Any], matrix: MatrixModel, values: NDArray[Any], column: int) -> float:
    """Return the least value of a column that all rows with it allow, the column itself being 0 so far."""
    least, rows = 0.0, dense @ values
    for row in np.flatnonzero(dense[:, column]):
        factor = dense[row, column]
        short = matrix.row_lower[row] - rows[row] if factor > 0 else matrix.row_upper[row] - rows[row]
        if np.isfinite(short):
            least = max(least, float(short / factor))
    return least


def market_split() -> Case:
    """Return a model of binaries that no solver ends in a second, whose optimum, 0, is planted in it."""
    import pyomo.environ as pyo

    draw = random.Random(7)  # noqa: S311
    rows = [[draw.randint(1, 99) for _ in range(ITEMS)] for _ in range(ROWS)]
    planted = [draw.randint(0, 1) for _ in range(ITEMS)]
    model = pyo.ConcreteModel(name="market-split")
    model.x = pyo.Var(range(ITEMS), domain=pyo.Binary)
    model.slack = pyo.Var(range(ROWS), (1, -1), range(BITS), domain=pyo.Binary)
    model.split = pyo.ConstraintList()
    for r, row in enumerate(rows):
        missing = pyo.quicksum(
            sign * 2**bit * model.slack[r, sign, bit] for sign in (1, -1) for bit in range(BITS)
        )
        body = pyo.quicksum(a * model.x[i] for i, a in enumerate(row)) + missing
        model.split.add(body == sum(a * x for a, x in zip(row, planted, strict=True)))
    model.objective = pyo.Objective(
        expr=pyo.quicksum(2**bit * variable for (_, _, bit), variable in model.slack.items())
    )
    for i, value in enumerate(planted):
        model.x[i].set_value(value)
    for variable in model.slack.values():
        variable.set_value(0)
    matrix = lower(model)
    return Case("market-split", matrix, 0.0, matrix.start())
