"""Whether a back-end keeps its contract: right optima, no proof after a limit, bounds and solutions that hold."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.benchmarks.conformance.faults import Faults, drawn, truth_of
from placewise.benchmarks.conformance.matrices import cases, market_split
from placewise.benchmarks.conformance.methods import judge
from placewise.benchmarks.conformance.problems import satisfied
from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.registry import problems
from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.method import BOUND, Method
from placewise.solvers.execution.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from placewise.benchmarks.conformance.matrices import Case
    from placewise.solvers.execution.method import Backend

#: Seconds for models of a few columns, for one that nothing ends in time, and by how much a limit may be overrun.
ENOUGH_S, SHORT_S, OVERRUN_S = 60.0, 0.5, 30.0
#: Of an objective or a bound, relative and absolute, in scaled units.
TOLERANCE = 1e-6


def check_backend(
    backend: Backend, *, seeds: Iterable[int] = range(12), problem_seeds: Iterable[int] = range(3)
) -> None:
    """Hold a back-end against its contract, on models whose optima are known.

    Parameters
    ----------
    backend : Backend
        It need not be an entry point.
    seeds : iterable of int
        Of small models: binaries, an integer, a continuous bottleneck, some of them infeasible.
    problem_seeds : iterable of int
        Of the tiny instances of every problem, whose first formulation it is asked to solve.

    Raises
    ------
    AssertionError
        With a line per broken point. Held are: optimal solutions keep all rows and cost the optimum, also from a
        good, a bad or no start; infeasible is what has no solution; bounds and solutions that it reports hold;
        after a limit nothing is called proven, and the limit is kept; it runs on the problems of the package. A
        model that it refuses by `NotApplicableError` is left out.
    PlacewiseError
        Where it is not installed.
    """
    if not backend.installed:
        raise PlacewiseError(f"back-end {backend.name!r} is not installed: {backend.pip}")
    faults, applied = Faults(f"back-end {backend.name}"), 0
    for seed in seeds:
        for case in cases(seed):
            starts = {"no start": None, "a bad start": np.ones(case.matrix.shape[1])}
            if case.values is not None:
                starts["the optimum as start"] = case.values
            for how, start in starts.items():
                applied += _solved(faults, backend, case, f"{case.name}, {how}", start)
    _solved(faults, backend, market_split(), "market-split, half a second", None, limit_s=SHORT_S)
    for problem in problems().values():
        if not problem.formulations:
            continue
        first = next(iter(problem.formulations))
        method: Method[Any, Any] = Method(backend.name, problem, "", backend=backend, formulation=first)
        for instance in drawn(problem, problem_seeds, None):
            applied += judge(faults, method, instance, truth_of(problem, instance))
    if not applied:
        faults.add("it applies to some of the models", backend.name)
    faults.settle()


def _solved(
    faults: Faults,
    backend: Backend,
    case: Case,
    where: str,
    start: NDArray[np.float64] | None,
    *,
    limit_s: float = ENOUGH_S,
) -> bool:
    """Solve a model and hold the answer, and all that was reported, against the truth; return whether it applies."""
    solutions, bounds = list[Any](), list[float]()
    context = MatrixContext(
        Parameters(relative_gap=TOLERANCE, threads=1), limit_s, start, solutions.append, bounds.append
    )
    began = perf_counter()
    try:
        result = backend.minimise(case.matrix, context)
    except NotApplicableError:
        return False
    except Exception as error:  # noqa: BLE001 - others' code
        faults.add("nothing but NotApplicableError is raised", where, f"{type(error).__name__}: {error}")
        return True
    if perf_counter() - began > limit_s + OVERRUN_S:
        faults.add("a time limit is kept", where, f"{perf_counter() - began:.1f} s of {limit_s:g} s")
    if type(result) is not MatrixResult or type(result.reason) is not Reason:
        faults.add("the answer is a MatrixResult with a Reason", where, result)
        return True
    short = limit_s < ENOUGH_S
    _reason(faults, case, result, where, short=short)
    for values in (*solutions, *([] if result.values is None else [result.values])):
        if np.shape(values) != (case.matrix.shape[1],) or not satisfied(case.matrix, np.asarray(values)):
            faults.add("solutions keep rows, bounds and integrality", where)
    if case.optimum is not None:
        for bound in (*bounds, *([] if result.dual_bound is None else [result.dual_bound])):
            if bound > case.optimum + _slack(case.optimum):
                faults.add("bounds hold", where, f"{bound!r}, the optimum is {case.optimum!r}")
    if result.reason is Reason.OPTIMAL and BOUND in backend.abilities and result.dual_bound is None:
        faults.add("one that proves bounds states the last one", where)
    return True


def _reason(faults: Faults, case: Case, result: MatrixResult, where: str, *, short: bool) -> None:
    if result.reason is Reason.OPTIMAL:
        cost = None if result.values is None else float(case.matrix.cost @ result.values)
        if cost is None or case.optimum is None or cost > case.optimum + _slack(case.optimum):
            message = f"{cost!r}, the optimum is {case.optimum!r} ({result.message})"
            faults.add("what it calls optimal is so", where, message)
    elif result.reason is Reason.INFEASIBLE:
        if case.optimum is not None:
            message = f"a solution costs {case.optimum!r} ({result.message})"
            faults.add("what it calls infeasible is so", where, message)
    elif not (short and result.reason is Reason.LIMIT):
        faults.add("small models are solved", where, f"{result.reason.value}: {result.message}")


def _slack(optimum: float) -> float:
    return TOLERANCE * max(1.0, abs(optimum))
