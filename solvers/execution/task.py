"""What a process is asked to do, and doing it: a method on an instance, with whatever goes wrong as its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.lazy import load
from placewise.models.problem import Refused
from placewise.solvers.backends.matrix import MatrixContext
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.statement import run_formulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import Instance
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.execution.method import Backend, Method, UserFunction
    from placewise.solvers.execution.parameters import Parameters


#: What every task needs.
COMMON = ("placewise.solvers.registry",)


@dataclass(frozen=True)
class Task:
    """A method on an instance.

    Parameters
    ----------
    instance, method, parameters
        What to solve, by what, and how.
    warm_start : placement or None
        Known and verified.
    started : float
        When the time limit began to count, by `perf_counter`, which all processes of a machine share.
    """

    instance: Instance
    method: Method[Any, Any]
    parameters: Parameters
    warm_start: Any = None
    started: float = field(default_factory=perf_counter)

    @property
    def imports(self) -> tuple[str, ...]:
        """Modules that the method needs."""
        return COMMON + self.method.imports

    @property
    def own_modules(self) -> tuple[str, ...]:
        """Those of the problem."""
        from placewise.solvers.algorithms import module_of

        module = module_of(self.method.problem.name)
        return () if module is None else (module,)

    def perform(self, report: Callable[[Progress], None] | None = None) -> Claim:
        """Run the method in this process; its errors become a claim, misuse is raised."""
        context = Context(self.parameters, self.warm_start, report, self.started)
        return guarded(lambda: self._answer(context), context)

    def _answer(self, context: Context) -> Claim:
        method = self.method
        if method.function is not None:
            return _run_function(method.function, self, context)
        if method.backend is not None and method.statement is not None:
            return run_formulation(method.problem, method.statement, method.backend, self.instance, context)
        assert method.algorithm is not None
        return method.algorithm.run(self.instance, context)


@dataclass(frozen=True)
class Named:
    """Stands for a variable where only its name is needed."""

    name: str


@dataclass(frozen=True)
class MatrixTask:
    """A back-end on a lowered model, for models that cannot be handed to another process themselves.

    Parameters
    ----------
    matrix : MatrixModel
        Lowered; its variables stand by their names.
    backend : Backend
        Solves it.
    parameters : Parameters
        Options; the time limit is what is left.
    start : ndarray or None
        A warm start, one value per column.
    started : float
        When the time limit began to count, by `perf_counter`.
    """

    matrix: MatrixModel
    backend: Backend
    parameters: Parameters
    start: Any = None
    started: float = field(default_factory=perf_counter)

    @property
    def imports(self) -> tuple[str, ...]:
        """Modules that the back-end needs."""
        return COMMON + self.backend.imports

    @property
    def own_modules(self) -> tuple[str, ...]:
        """None: a matrix has no problem."""
        return ()

    def perform(self, report: Callable[[Progress], None] | None = None) -> Claim:
        """Solve it; placements are vectors of values here, objectives and bounds those of the scaled model."""
        context = Context(self.parameters, None, None, self.started)

        def tell(values: Any = None, bound: float | None = None) -> None:
            if report is not None:
                report(Progress(context.elapsed, dual_bound=bound, placement=values))

        def answer() -> Claim:
            result = self.backend.minimise(
                self.matrix,
                MatrixContext(
                    parameters=self.parameters,
                    time_limit=max(context.remaining, 1e-3),
                    start=self.start,
                    on_solution=tell,
                    on_bound=lambda bound: tell(bound=bound),
                ),
            )
            return Claim(result.reason, result.values, dual_bound=result.dual_bound, message=result.message)

        return guarded(answer, context)


def guarded(answer: Callable[[], Claim], context: Context) -> Claim:
    """Return an answer, or what went wrong as one; misuse is raised.

    Parameters
    ----------
    answer : callable
        Takes nothing, returns a `Claim`; a `PlacewiseError` of it is passed on.
    context : Context
        Its clock gives the seconds of a claim that is an error.
    """
    try:
        return answer()
    except PlacewiseError:
        raise
    except MemoryError:
        return Claim(Reason.ERROR, message="out of memory", solve_s=context.elapsed, limit="memory")
    except Exception as error:  # noqa: BLE001 - whatever a solver raises is its result
        return Claim(Reason.ERROR, message=described(error), solve_s=context.elapsed)


def described(error: BaseException) -> str:
    """Return an exception in one line, with the file and line that raised it, whatever its own text does."""
    try:
        text = " ".join(str(error).split())[:300]
    except Exception:  # noqa: BLE001 - a user's exception
        text = "(its text cannot be shown)"
    frames = extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__) + place


def _run_function(given: UserFunction | str, task: Task, context: Context) -> Claim:
    """Run a user's ``(instance, parameters) -> placement``; None means that it found nothing."""
    try:
        function = load(given) if isinstance(given, str) else given
    except PlacewiseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a user's module raises
        raise PlacewiseError(f"method {given!r}: cannot import it: {described(error)}") from None
    try:
        found = function(task.instance, task.parameters)
    except (SystemExit, GeneratorExit) as error:
        return Claim(Reason.ERROR, message=described(error), solve_s=context.elapsed)
    if found is None:
        return Claim(Reason.FINISHED, solve_s=context.elapsed)
    # Here, where its classes are known: what is no placement need not be handed over.
    placement, violations = task.method.problem.gate(task.instance, found)
    answer = Refused(violations) if violations else placement
    return Claim(Reason.FINISHED, answer, solve_s=context.elapsed)
