"""What a back-end is given and gives back: the whole contract of a solver in this package.

A back-end is one module with ``minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult`` and one entry in
`registry.BACKENDS`. It translates its solver's statuses by a table of its own and believes none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from placewise.solvers.evidence.result import Reason
    from placewise.solvers.execution.parameters import Parameters


@dataclass(frozen=True, eq=False)
class MatrixContext:
    """Options of a back-end's run.

    Parameters
    ----------
    parameters : Parameters
        Gap, threads, seed and log file.
    time_limit : float
        Seconds left for the solver.
    start : ndarray or None
        A warm start, one value per column.
    on_solution : callable
        To be called with the values of each better solution, where the solver tells.
    on_bound : callable
        To be called with each better dual bound of the scaled objective.
    stopped : callable
        Whether the caller needs no more, where the solver asks.
    """

    parameters: Parameters
    time_limit: float
    start: NDArray[np.float64] | None
    on_solution: Callable[[NDArray[np.float64]], None]
    on_bound: Callable[[float], None]
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True, eq=False)
class MatrixResult:
    """A solver's answer for the scaled model: reason, best values, dual bound, and its status in its own words.

    Parameters
    ----------
    reason : Reason
        Why the solver stopped.
    values : ndarray, shape (n,), or None
        The best solution, None without one.
    dual_bound : float or None
        In the scaled objective; None without one.
    message : str
        The solver's status in its own words.
    """

    reason: Reason
    values: NDArray[np.float64] | None = None
    dual_bound: float | None = None
    message: str = ""


#: The name in version 0.1.
MatrixRun = MatrixContext
