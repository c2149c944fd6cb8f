"""A back-end: every combination of a few binaries. It sees a matrix, never a problem."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.method import BOUND, Backend

if TYPE_CHECKING:
    from placewise.solvers.backends.lowering import MatrixModel

MOST_COLUMNS, CHUNK, TOLERANCE = 20, 2**14, 1e-9


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Return the best of all combinations."""
    began, count = perf_counter(), model.shape[1]
    if count > MOST_COLUMNS or not model.integer.all() or (model.lower < 0).any() or (model.upper > 1).any():
        raise NotApplicableError(f"enumeration takes up to {MOST_COLUMNS} binaries")
    best, values = np.inf, None
    for first in range(0, 2**count, CHUNK):
        if perf_counter() - began > context.time_limit or context.stopped():
            return MatrixResult(Reason.LIMIT, values, message="enumeration: stopped")
        numbers = np.arange(first, min(first + CHUNK, 2**count))
        points = (numbers[:, None] >> np.arange(count) & 1).astype(np.float64)
        rows = points @ model.matrix.T.toarray()
        fits = (rows >= model.row_lower - TOLERANCE) & (rows <= model.row_upper + TOLERANCE)
        inside = (points >= model.lower) & (points <= model.upper)
        costs = np.where(fits.all(axis=1) & inside.all(axis=1), points @ model.cost, np.inf)
        if costs.min() < best:
            best, values = float(costs.min()), points[costs.argmin()]
            context.on_solution(values)
    if values is None:
        return MatrixResult(Reason.INFEASIBLE, message="enumeration: no combination fits")
    return MatrixResult(Reason.OPTIMAL, values, best, "enumeration: done")


ENUMERATION = Backend(
    "enumeration",
    minimise,
    requires="numpy",
    pip="pip install toy-jobs",
    distributions=("numpy", "pyomo"),
    summary="every combination",
    abilities=frozenset({BOUND}),
)
