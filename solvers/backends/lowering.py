"""A Pyomo model as matrix and vectors, for solvers that take arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.solvers.backends.weights import least_costs
from placewise.solvers.backends.whole_rows import Rows, restated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.backends.whole_rows import Carry

#: The largest cost of a choice after scaling: absolute gap tolerances of 1e-6 then mean nothing.
LARGEST_COST = 1024.0
#: A scaled objective below this drowns in solvers' tolerances of 1e-6: what costs more than it must be dropped.
LEAST_OBJECTIVE = 16.0
#: The largest row coefficient: with 1e10 bytes in a row and a tolerance of 1e-9, CBC 2.10.3 calls feasible
#: instances infeasible. Scaling by powers of two is exact.
LARGEST_COEFFICIENT = 1024.0
#: Coefficients of a row with a continuous variable, largest to smallest: a time whose big-M is 5e8 times as large made
#: HiGHS 1.13 return wrong optima. Rows of whole numbers alone are safe: what they let through is evaluated and cut off.
LARGEST_RATIO = 1e7


@dataclass(frozen=True, eq=False)
class MatrixModel:
    """``min cost x`` subject to ``row_lower <= A x <= row_upper``, ``lower <= x <= upper``, some x integer.

    Knapsack rows of large numbers are relaxed, or stand in digits, with carries as further columns: see `whole_rows`.

    Parameters
    ----------
    matrix : scipy sparse csr_array, shape (m, n)
        ``A``.
    cost, least : ndarray, shape (n,)
        Scaled objective, and what a column costs at least if it is 1; `unscaled` gives values in the model's own unit.
    offset, scale : float
        Of the objective; the scale is a power of two, hence exact.
    stated_upper : ndarray, shape (m,)
        ``row_upper`` without the margin of relaxed rows.
    row_scale, column_scale : ndarray, shapes (m,) and (n,)
        By which each row was multiplied, and what a unit of each column stands for: powers of two, 1 for rows of small
        whole numbers and for all columns but times.
    integer : ndarray of bool, shape (n,)
        Which variables are integer.
    columns : list
        The Pyomo variable of each column, but for the last ones, the carries.
    row_names : list of str
        The Pyomo constraint of each row.
    carries : tuple of Carry
        The last columns.
    row_lower, row_upper : ndarray, shape (m,)
        Limits of the rows, infinite for none.
    lower, upper : ndarray, shape (n,)
        Bounds of the columns.
    """

    matrix: Any
    cost: NDArray[np.float64]
    least: NDArray[np.float64]
    offset: float
    scale: float
    row_scale: NDArray[np.float64]
    column_scale: NDArray[np.float64]
    row_lower: NDArray[np.float64]
    row_upper: NDArray[np.float64]
    stated_upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    integer: NDArray[np.bool_]
    columns: list[Any]
    row_names: list[str]
    carries: tuple[Carry, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.matrix.shape
        return int(rows), int(columns)

    def row_bounds(self, row: int) -> tuple[float, float]:
        """Lower and upper bound of a row as the model states it, scaled."""
        return float(self.row_lower[row]), float(self.stated_upper[row])

    def unscaled(self, objective: float) -> float:
        """Return an objective value of the scaled model in the Pyomo model's unit."""
        return objective / self.scale + self.offset

    def drop_dearer(self, objective: float) -> bool:
        """Forbid choices that alone cost more than a known placement, where they drown what a placement costs.

        Costs are times, so a placement that takes such a choice is worse. The continuous variables between 0 and 1
        are products of choices, and whole with them.

        Parameters
        ----------
        objective : float
            Of the placement, in the model's unit.

        Returns
        -------
        bool
            Whether any was forbidden: the model is then to be lowered and solved again.
        """
        known = (objective - self.offset) * self.scale
        if known >= LEAST_OBJECTIVE or (self.cost < 0).any() or (self.lower[self.cost > 0] < 0).any():
            return False
        choice = self.integer | (self.upper == 1.0)
        dear = np.flatnonzero(choice & (self.least > known * (1 + 1e-6)))  # 0 for what is forbidden already
        for position in dear.tolist():
            self.columns[position].setub(0)
        return bool(dear.size)

    def start(self) -> NDArray[np.float64] | None:
        """Return the values that the Pyomo variables hold, and the carries that follow; None where one has none."""
        known = [variable.value for variable in self.columns]
        if None in known:
            return None
        values = np.array([*known, *(0.0 for _ in self.carries)], dtype=np.float64) / self.column_scale
        for column, carry in enumerate(self.carries, start=len(known)):
            values[column] = carry.value(values)
        return values

    def load(self, values: NDArray[np.float64]) -> None:
        """Store a solution in the Pyomo variables, integers rounded."""
        rounded = np.where(self.integer, np.rint(values), values * self.column_scale)[: len(self.columns)]
        for variable, value in zip(self.columns, rounded.tolist(), strict=True):
            variable.set_value(value, skip_validation=True)


def lower(model: Any, *, digits: bool = False) -> MatrixModel:
    """Lower a Pyomo MILP that minimises.

    Parameters
    ----------
    model : pyomo.environ.ConcreteModel
        Linear, with one active objective.
    digits : bool
        State knapsack rows of large numbers in digits, exactly, instead of relaxed by a margin.

    Raises
    ------
    NotApplicableError
        Where numbers lie too far apart for solvers that compute in floating point.
    """
    _spare_scipy_stats()
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
    from scipy.sparse import csr_array, diags_array

    form = LinearStandardFormCompiler().write(model, mixed_form=True, set_sense=None)
    cost = np.asarray(form.c.todense(), dtype=np.float64).ravel()
    bounds = [variable.bounds for variable in form.columns]
    sense = np.array([row.bound_type for row in form.rows])  # -1: >=, 0: ==, 1: <=
    rhs = np.asarray(form.rhs, dtype=np.float64)
    lower = np.array([-np.inf if low is None else low for low, _ in bounds], dtype=np.float64)
    upper = np.array([np.inf if high is None else high for _, high in bounds], dtype=np.float64)
    integer = np.array([not variable.is_continuous() for variable in form.columns])
    matrix = csr_array(form.A)
    _require_range(matrix, integer, form)
    high = np.where(sense >= 0, rhs, np.inf)
    stated = Rows(
        matrix,
        np.where(sense <= 0, rhs, -np.inf),
        high,
        high,
        np.arange(len(form.rows)),
    )
    cost = np.where(upper > 0, cost, 0.0)  # not of what is forbidden
    least = np.where(upper > 0, least_costs(stated, cost, lower, integer), 0.0)
    # A time without limit counts by the choices that it is the time of.
    weights = np.where(integer | np.isfinite(upper), np.maximum(np.abs(cost), least), least)
    scale = float(_power_of_two(weights.max(initial=0.0), LARGEST_COST))
    rows = restated(stated, lower, upper, integer, digits=digits)
    more = len(rows.carries)
    times = np.append(~integer & np.isinf(upper), np.zeros(more, dtype=bool))
    column_scale = _units(rows.matrix, times)
    scaled = csr_array(rows.matrix @ diags_array(column_scale))
    row_scale = _power_of_two(abs(scaled).max(axis=1).toarray().ravel(), LARGEST_COEFFICIENT)
    timeless = abs(rows.matrix) @ times == 0
    row_scale[timeless] = np.minimum(1.0, row_scale[timeless])
    return MatrixModel(
        matrix=csr_array(diags_array(row_scale) @ scaled),
        cost=np.append(cost * scale, np.zeros(more)) * column_scale,
        least=np.append(least * scale, np.zeros(more)),
        offset=float(form.c_offset[0]),
        scale=scale,
        row_scale=row_scale,
        column_scale=column_scale,
        row_lower=rows.row_lower * row_scale,
        row_upper=rows.row_upper * row_scale,
        stated_upper=rows.stated_upper * row_scale,
        lower=np.append(lower, np.zeros(more)) / column_scale,
        upper=np.append(upper, [float(carry.most) for carry in rows.carries]) / column_scale,
        integer=np.append(integer, np.ones(more, dtype=bool)),
        columns=list(form.columns),
        row_names=[form.rows[number].constraint.name for number in rows.origin.tolist()],
        carries=rows.carries,
    )


def _units(matrix: Any, times: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return units for the times without limit, in which the longest time of a choice is about 1024."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sizes, of_time = np.abs(matrix.data), times[matrix.indices]
    longest = np.zeros(matrix.shape[0])
    np.maximum.at(longest, rows[~of_time], sizes[~of_time])
    longest_of = np.zeros(matrix.shape[1])
    used = of_time & (sizes > 0)
    np.maximum.at(longest_of, matrix.indices[used], longest[rows[used]] / sizes[used])
    return 1.0 / _power_of_two(longest_of, LARGEST_COEFFICIENT)


def _require_range(matrix: Any, integer: NDArray[np.bool_], form: Any) -> None:
    """Refuse rows of which a solver's tolerance leaves nothing."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sizes, used = np.abs(matrix.data), matrix.data != 0
    largest, smallest = np.zeros(matrix.shape[0]), np.full(matrix.shape[0], np.inf)
    np.maximum.at(largest, rows[used], sizes[used])
    np.minimum.at(smallest, rows[used], sizes[used])
    mixed = np.zeros(matrix.shape[0], dtype=bool)
    mixed[rows[~integer[matrix.indices]]] = True
    wide = mixed & (largest > LARGEST_RATIO * smallest)
    if wide.any():
        row = int(np.argmax(np.where(wide, largest / smallest, 0.0)))
        raise NotApplicableError(
            f"times lie too far apart for a MILP solver: {form.rows[row].constraint.name} has coefficients from "
            f"{smallest[row]:.2g} to {largest[row]:.2g} ms, expected at most a factor of {LARGEST_RATIO:.0e}"
        )


def _spare_scipy_stats() -> None:
    """Keep Pyomo from importing scipy.stats with scipy.sparse: it takes longer than most models take to solve."""
    from pyomo.common.dependencies import scipy_available

    def only_sparse(_: Any, available: bool) -> None:
        if available:
            import scipy.sparse  # noqa: F401

    if getattr(scipy_available, "_callback", None) is not None:  # not imported yet
        scipy_available._callback = only_sparse  # noqa: SLF001 - Pyomo has no other way


def _power_of_two(largest: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """Return the powers of two that bring the largest numbers just below the target; 1 for 0."""
    return np.where(largest > 0, target / np.ldexp(1.0, np.frexp(largest)[1]), 1.0)
