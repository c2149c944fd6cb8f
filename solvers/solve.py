"""The door: an instance and a method in, a verified result out."""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.errors import InstanceError, NotApplicableError, PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers.evidence.knowledge import Knowledge
from placewise.solvers.evidence.result import Progress, Reason, Termination, VerifiedResult
from placewise.solvers.evidence.verify import verify
from placewise.solvers.execution.handover import require_guard
from placewise.solvers.execution.method import Method
from placewise.solvers.execution.own_model import OwnModel
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.execution.task import Task
from placewise.solvers.execution.worker import InterruptedSolve, perform_isolated
from placewise.solvers.registry import default_method, find_method

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from placewise.models.problem import Instance
    from placewise.solvers.execution.method import UserFunction

#: Seconds that the heuristics which go first may take at most, and those that refute a false "infeasible".
FIRST_S, PROBE_S = 1.0, 10.0


def solve(
    instance: Instance,
    method: str | UserFunction | Method[Any, Any] | None = None,
    *,
    time_limit: float = 60.0,
    relative_gap: float = 1e-6,
    threads: int | None = None,
    seed: int = 0,
    log: Path | None = None,
    memory_limit_bytes: int | None = None,
    warm_start: Any = None,
    progress: Callable[[Progress], None] | None = None,
    isolate: bool = True,
    model: Any = None,
) -> VerifiedResult:
    """Solve an instance and verify the answer.

    The result holds the best verified placement and the best bound that were seen, whatever the method returns: of
    the warm start, of a quick heuristic that goes before every method that proves something, of what the method
    reported on its way, and of its answer.

    Parameters
    ----------
    instance : Instance
        As `placewise.instances.read` returns it.
    method : str, callable or Method, optional
        A name of `placewise methods`, or a function ``(instance, parameters) -> placement``; by default the best
        exact one for the instance.
    time_limit, relative_gap, threads, seed, log, memory_limit_bytes
        See `Parameters`.
    warm_start : placement, optional
        A known placement, by indices, by names, or as a result file states it: the first incumbent.
    progress : callable, optional
        Receives each `Progress`: incumbent and bound over time.
    isolate : bool
        Run in a worker process of its own, which makes the limits hard. False is faster for tiny instances.
    model : pyomo ConcreteModel, optional
        One that a formulation built of the instance, with rows, variables or fixed variables of one's own: a back-end
        (HiGHS, unless `method` names another) solves it in place of the plain one. The placement is verified, the
        proof is that of the extended model, and the result says so; the solution is loaded into its variables.

    Returns
    -------
    VerifiedResult
        Infeasible, a limit and a crash are results.

    Raises
    ------
    PlacewiseError
        An unknown method, one whose solver is not installed, one that does not apply to the instance, or a warm start
        that is no feasible placement.
    InterruptedResult
        On Ctrl-C: carries the verified result of what was found until then.
    """
    began = perf_counter()
    parameters = Parameters(time_limit, relative_gap, threads, seed, log, memory_limit_bytes)
    chosen = resolved(instance, "highs" if model is not None and method is None else method)
    if chosen.missing:
        raise PlacewiseError(f"method {chosen.name!r} is not installed: {chosen.missing}")
    knowledge = Knowledge(instance, chosen.guarantee(instance), progress)
    start = None
    if warm_start is not None:
        start = feasible_start(instance, warm_start)
        if model is None:
            knowledge.offer(start, "warm start", perf_counter() - began)
    task = Task(instance, chosen, parameters, start, began)
    own = None if model is None else OwnModel.of(instance, chosen, model)

    def record(step: Progress) -> None:
        knowledge.take(step, chosen.name)

    def first() -> None:
        if knowledge.guarantee.bounds and own is None:
            _go_first(knowledge, parameters, began)

    interrupted = False
    try:
        if own is not None:
            claim = own.claim(task, record, isolate=isolate)
        elif isolate:
            claim = perform_isolated(task, record, meanwhile=first)
        else:
            first()
            require_guard()
            claim = task.perform(record)
    except InterruptedSolve as stop:
        claim, interrupted = stop.claim, True
    if claim.reason is Reason.INFEASIBLE and knowledge.incumbent is None and own is None:
        _probe(knowledge, parameters, began)
    result = verify(
        instance,
        chosen.name,
        knowledge.guarantee,
        claim,
        tolerance=relative_gap,
        versions=versions_of(chosen),
    )
    limit = claim.limit if claim.reason is Reason.LIMIT or claim.limit != "time" else None
    result = replace(result, termination=Termination(claim.reason, limit), extended=own is not None)
    result = knowledge.completed(result, relative_gap)
    if interrupted:
        raise InterruptedResult(result)
    return result


def resolved(instance: Instance, method: str | UserFunction | Method[Any, Any] | None) -> Method[Any, Any]:
    """Return the method that a name, a function or nothing means for an instance; raise `PlacewiseError` for others.

    Parameters
    ----------
    instance : Instance
        What is to be solved.
    method : str, callable, Method or None
        Name, user's function or method; None is the default of the instance.
    """
    if isinstance(method, Method):
        if method.problem is not problem_of(instance):
            raise PlacewiseError(
                f"method {method.name!r} is one of {method.problem.name}, not {instance.problem}"
            )
        return method
    if method is None:
        return default_method(instance)
    if isinstance(method, str) or callable(method):
        return find_method(instance.problem, method)
    raise PlacewiseError(f"method: expected a name or a function, found {type(method).__name__}")


class InterruptedResult(KeyboardInterrupt):
    """Ctrl-C during `solve`; carries the verified result with what was found until then.

    Parameters
    ----------
    result : VerifiedResult
        Incumbent and bound at that moment.
    """

    def __init__(self, result: VerifiedResult) -> None:
        super().__init__("interrupted")
        self.result = result


def feasible_start(instance: Instance, given: Any) -> Any:
    """Return a warm start in the problem's own form.

    Parameters
    ----------
    instance : Instance
        What is solved.
    given : placement, dict or VerifiedResult
        By indices, by names, or as a result file states it.

    Raises
    ------
    PlacewiseError
        Naming what is wrong with it, or which constraint it breaks first.
    """
    problem = problem_of(instance)
    if isinstance(given, VerifiedResult):
        given = given.placement
    if isinstance(given, dict) and "placement" in given:
        given = given["placement"]
    try:
        placement, violations = problem.gate(instance, given)
    except InstanceError as error:
        raise PlacewiseError(f"warm start: {error}") from None
    if not violations:
        violations = problem.evaluate(instance, placement).violations
    if violations:
        raise PlacewiseError(f"warm start: {violations[0].message}")
    return placement


def _go_first(knowledge: Knowledge, parameters: Parameters, began: float) -> None:
    """Let a bound of the equations alone and quick heuristics go first: no method that proves ends empty-handed."""
    instance = knowledge.instance
    knowledge.take_floor(problem_of(instance).floor(instance), perf_counter() - began)
    _heuristics(problem_of(instance).first_methods, knowledge, replace(parameters, time_limit=FIRST_S), began)


def _probe(knowledge: Knowledge, parameters: Parameters, began: float) -> None:
    """Let heuristics look for a placement that refutes a false "infeasible"."""
    names = problem_of(knowledge.instance).probing_methods
    _heuristics(names, knowledge, replace(parameters, time_limit=PROBE_S), began)


def _heuristics(names: tuple[str, ...], knowledge: Knowledge, parameters: Parameters, began: float) -> None:
    for name in names:
        method = find_method(knowledge.instance.problem, name)
        try:
            method.guarantee(knowledge.instance)
        except NotApplicableError:
            continue
        claim = Task(knowledge.instance, method, parameters).perform()
        if claim.placement is not None:
            knowledge.offer(claim.placement, name, perf_counter() - began)


def versions_of(method: Method[Any, Any]) -> dict[str, str]:
    """Return the versions that a result depends on."""
    versions = {"python": platform.python_version()}
    for name in ("placewise", *method.distributions):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            versions[name] = "unknown"
    return versions
