"""Knapsack rows of large whole numbers, as back-ends get them: relaxed, or in digits; one place for all of them.

Relaxed, a row lets pass what exceeds its limit by a millionth of its largest size, and leaves out sizes below that, far
more than any back-end's tolerance. So nothing that fits is forbidden, bounds are valid, and "infeasible" is a proof; what is let pass is found
when the placement is evaluated. Then the model is solved again in digits (`placewise.models.knapsack`), which are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.knapsack import SMALL_BITS, SmallRow, largest_carry, reduced, small_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What a relaxed row lets pass is its largest size over this power of two: 1e-3 where the largest is scaled to 1024.
MARGIN_BITS = 20


@dataclass(frozen=True, eq=False)
class Carry:
    """A column that the model does not have: what a row of digits hands on to the next.

    Parameters
    ----------
    row : SmallRow
        Its row.
    columns : ndarray of int
        Of the row's coefficients.
    before : int or None
        The column of the carry into the row.
    most : int
        The largest value it can need.
    """

    row: SmallRow
    columns: NDArray[np.intp]
    before: int | None
    most: int

    def value(self, values: NDArray[np.float64]) -> float:
        """Return the least carry that the values of the columns before it allow."""
        total = int(np.rint(values[self.columns]).astype(np.int64) @ np.array(self.row.coefficients))
        if self.before is not None:
            total += round(values[self.before])
        return float(max(-(-(total - self.row.limit) // self.row.base), 0))


@dataclass(eq=False)
class Rows:
    """``row_lower <= A x <= row_upper`` over columns of which some may be added.

    Parameters
    ----------
    matrix : scipy sparse csr_array, shape (m, n)
        ``A``.
    row_lower, row_upper : ndarray, shape (m,)
        Infinite where there is none.
    stated_upper : ndarray, shape (m,)
        ``row_upper`` without margins, for solvers that compute in whole numbers.
    origin : ndarray of int, shape (m,)
        The row that each row stands for, or is a part of.
    carries : tuple of Carry
        The last columns.
    """

    matrix: Any
    row_lower: NDArray[np.float64]
    row_upper: NDArray[np.float64]
    stated_upper: NDArray[np.float64]
    origin: NDArray[np.intp]
    carries: tuple[Carry, ...] = ()


def restated(
    rows: Rows,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    integer: NDArray[np.bool_],
    *,
    digits: bool,
) -> Rows:
    """Restate each knapsack row whose coefficients are large: whole, one-sided, over whole variables from 0 on.

    Parameters
    ----------
    rows : Rows
        Of the model.
    lower, upper, integer : ndarray, shape (n,)
        Of its columns.
    digits : bool
        In digits with carries, instead of relaxed.
    """
    counted = integer & (lower == 0) & np.isfinite(upper)
    build = _Builder(rows.matrix.shape[1])
    kept = np.ones(rows.matrix.shape[0], dtype=bool)
    for number in np.flatnonzero(abs(rows.matrix).max(axis=1).toarray().ravel() >= 1 << SMALL_BITS).tolist():
        found = _knapsack(rows, number, counted)
        if found is None:
            continue
        kept[number] = False
        columns, sizes, limit = found
        most = tuple(int(bound) for bound in upper[columns].tolist())
        parts = small_rows(sizes, limit, most)
        if len(parts) > 1 and not digits:
            sizes, limit = reduced(sizes, limit)
            margin = max(sizes) >> MARGIN_BITS
            # What is less than the margin is left out: HiGHS 1.13 concludes "infeasible" from a size of one beside others.
            kept_sizes = tuple(size if size > margin else 0 for size in sizes)
            build.add(number, columns, SmallRow(kept_sizes, limit), max(0.5, margin))
            continue
        for part in parts:
            build.add(number, columns, part, 0.0, most)
    return rows if kept.all() else build.joined_to(rows, kept)


def _knapsack(
    rows: Rows, number: int, counted: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], tuple[int, ...], int] | None:
    """Return columns, sizes and limit of a row, or None where it is no knapsack."""
    matrix = rows.matrix
    span = slice(matrix.indptr[number], matrix.indptr[number + 1])
    low, high = float(rows.row_lower[number]), float(rows.row_upper[number])
    sign = 1.0 if np.isfinite(high) else -1.0
    columns, sizes, limit = matrix.indices[span], sign * matrix.data[span], high if sign > 0 else -low
    one_sided = np.isfinite(low) != np.isfinite(high)
    whole = bool((sizes == np.rint(sizes)).all()) and bool((sizes >= 0).all())
    if not (one_sided and whole and counted[columns].all()):
        return None
    return columns, tuple(int(size) for size in sizes.tolist()), int(np.floor(limit))


class _Builder:
    """Rows to add, and the carries between them."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.carries: list[Carry] = []
        self.data: list[float] = []
        self.columns: list[int] = []
        self.starts = [0]
        self.limits: list[tuple[float, float]] = []
        self.origin: list[int] = []
        self.open = False  # whether a carry waits for its next row

    def add(
        self,
        origin: int,
        columns: NDArray[np.intp],
        row: SmallRow,
        margin: float,
        most: tuple[int, ...] = (),
    ) -> None:
        """Add a row; one with a base hands its carry to the next."""
        entries = [
            (column, float(size))
            for column, size in zip(columns.tolist(), row.coefficients, strict=True)
            if size
        ]
        before = None
        if self.open:
            before = self.width + len(self.carries) - 1
            entries.append((before, 1.0))
        self.open = bool(row.base)
        if row.base:
            into = 0 if before is None else self.carries[-1].most
            self.carries.append(Carry(row, columns, before, largest_carry(row, into, most)))
            entries.append((self.width + len(self.carries) - 1, -float(row.base)))
        self.columns += [column for column, _ in entries]
        self.data += [size for _, size in entries]
        self.starts.append(len(self.data))
        self.limits.append((row.limit + margin, float(row.limit)))
        self.origin.append(origin)

    def joined_to(self, rows: Rows, kept: NDArray[np.bool_]) -> Rows:
        """Return the rows that are kept and those that were added."""
        from scipy.sparse import csr_array, vstack

        count, width = len(self.limits), self.width + len(self.carries)
        added = csr_array((self.data, self.columns, self.starts), shape=(count, width))
        matrix = csr_array(rows.matrix)[kept]
        matrix.resize((matrix.shape[0], width))
        relaxed, stated = np.array(self.limits, dtype=np.float64).reshape(count, 2).T
        return Rows(
            csr_array(vstack([matrix, added], format="csr")),
            np.concatenate([rows.row_lower[kept], np.full(count, -np.inf)]),
            np.concatenate([rows.row_upper[kept], relaxed]),
            np.concatenate([rows.stated_upper[kept], stated]),
            np.concatenate([rows.origin[kept], np.array(self.origin, dtype=np.intp)]),
            tuple(self.carries),
        )
