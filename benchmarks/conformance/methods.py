"""Whether a method keeps its contract: what it says is true, whenever it is stopped, and it proves what it promises."""

from __future__ import annotations

import math
import pickle
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.conformance.faults import Faults, Truth, drawn, truth_of
from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_named
from placewise.solvers.evidence.result import Claim, Progress, Reason, Status
from placewise.solvers.evidence.verify import differs, verify
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.method import Algorithm, Method
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.execution.task import Task
from placewise.solvers.registry import find_method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from placewise.models.problem import InstanceT, Problem
    from placewise.solvers.execution.method import UserFunction

#: After so many looks at the clock the time of an algorithm is over.
LOOKS = (0, 1, 2, 4, 8, 16)
#: Of a bound: what is left of a solver's tolerances.
TOLERANCE = 1e-6


class CountedRun(Context):
    """A run whose time is over after so many looks at the clock: an algorithm is stopped anywhere, every time there.

    Parameters
    ----------
    looks : int
        How often there is time left.
    report : callable
        Receives each `Progress`.
    """

    def __init__(self, looks: int, report: Callable[[Progress], None]) -> None:
        super().__init__(Parameters(threads=1), report=report)
        self.left = looks

    @property
    def elapsed(self) -> float:
        """Nothing so far, or all the time there is."""
        self.left -= 1
        return 0.0 if self.left >= 0 else 1e9


def check_method(
    method: str | UserFunction | Algorithm[Any] | Method[Any, Any],
    problem: str | Problem[InstanceT, Any],
    *,
    seeds: Iterable[int] = range(25),
    instances: Iterable[InstanceT] | None = None,
) -> None:
    """Hold a method against its contract on tiny instances, whose truth brute force knows.

    Parameters
    ----------
    method : str, callable, Algorithm or Method
        A name, a function ``(instance, parameters) -> placement``, or an algorithm that need not be installed.
    problem : str or Problem
        Of what; an installed one.
    seeds : iterable of int
        Of the tiny instances.
    instances : iterable of Instance, optional
        Instead of them: small enough for brute force.

    Raises
    ------
    AssertionError
        With a line per broken point. Held are: what it returns is a placement that costs what it says; what its
        guarantee lets it prove is so: optima, bounds, infeasibility; one that is exact proves it every time, also
        from a warm start; what it reports on its way is true; stopped anywhere, or without any time, it still says
        nothing false; the instance stays as it was.
    PlacewiseError
        Where its solver is not installed.
    """
    described = problem_named(problem) if isinstance(problem, str) else problem
    chosen = _method(method, described)
    if chosen.missing:
        raise PlacewiseError(f"method {chosen.name!r} is not installed: {chosen.missing}")
    faults, applied = Faults(f"method {chosen.name} of {described.name}"), 0
    for instance in drawn(described, seeds, instances):
        applied += judge(faults, chosen, instance, truth_of(described, instance))
    if not applied:
        faults.add("it applies to some of the instances", described.name)
    faults.settle()


def _method(
    method: str | UserFunction | Algorithm[Any] | Method[Any, Any], problem: Problem[InstanceT, Any]
) -> Method[InstanceT, Any]:
    if isinstance(method, Method):
        return method
    if isinstance(method, Algorithm):
        return Method(method.name, problem, method.summary, algorithm=method)
    return find_method(problem.name, method)


def judge(faults: Faults, method: Method[InstanceT, Any], instance: InstanceT, truth: Truth[Any]) -> bool:
    """Run a method on an instance in every way; return whether it applies to it."""
    before = pickle.dumps(instance)
    try:
        guarantee = method.guarantee(instance)
        _asked(faults, method, instance, guarantee, truth, "cold")
    except NotApplicableError:
        return False
    if truth.placement is not None:
        _asked(faults, method, instance, guarantee, truth, "from a warm start", start=truth.placement)
    _asked(faults, method, instance, guarantee, truth, "without time", late=True)
    if method.algorithm is not None:
        for looks in LOOKS:
            steps: list[Progress] = []
            where = f"{instance.name}, stopped after {looks} looks at the clock"
            with faults.no_error("stopped anywhere, nothing is raised", where):
                claim = method.algorithm.run(instance, CountedRun(looks, steps.append))
                _true(faults, method, instance, guarantee, truth, claim, steps, where)
    if pickle.dumps(instance) != before:
        faults.add("an instance stays as it was", instance.name)
    return True


def _asked(
    faults: Faults,
    method: Method[InstanceT, Any],
    instance: InstanceT,
    guarantee: Guarantee,
    truth: Truth[Any],
    how: str,
    *,
    start: Any = None,
    late: bool = False,
) -> None:
    """Run a method once, and hold its answer against the truth."""
    where, steps = f"{instance.name}, {how}", list[Progress]()
    began = perf_counter() - (1e6 if late else 0.0)
    task = Task(instance, method, Parameters(relative_gap=TOLERANCE, threads=1), start, began)
    try:
        claim = task.perform(steps.append)
    except NotApplicableError:
        raise
    except PlacewiseError as error:
        faults.add("it refuses by NotApplicableError only", where, error)
        return
    status, objective = _true(faults, method, instance, guarantee, truth, claim, steps, where)
    if late or guarantee is not Guarantee.EXACT or status is Status.ERROR:
        return
    right = status is (Status.INFEASIBLE if truth.objective is None else Status.OPTIMAL)
    if not right or (objective is not None and differs(objective, truth.objective or 0.0)):
        message = f"{status.value} {objective!r} ({claim.message}), brute force {truth.objective!r}"
        faults.add("one that is exact proves the optimum", where, message)


def _true(
    faults: Faults,
    method: Method[InstanceT, Any],
    instance: InstanceT,
    guarantee: Guarantee,
    truth: Truth[Any],
    claim: Claim,
    steps: list[Progress],
    where: str,
) -> tuple[Status, float | None]:
    """Hold a claim and the steps before it against the truth; return what is left of the claim."""
    known = [] if truth.placement is None else [truth.placement]
    result = verify(instance, method.name, guarantee, claim, tolerance=TOLERANCE, known=known)
    for conflict in result.conflicts:
        faults.add(f"no claim is refuted: {conflict.kind}", where, conflict.message)
    if result.status is Status.ERROR and not result.conflicts:
        faults.add("it ends without an error", where, result.message)
    best = math.inf if truth.objective is None else truth.objective
    if guarantee.bounds and result.status is not Status.ERROR:
        called = claim.reason is Reason.OPTIMAL
        if called and (result.objective is None or differs(result.objective, best)):
            faults.add("what it calls optimal is so", where, f"{result.objective!r}, brute force {best!r}")
    for step in steps:
        if guarantee.bounds and step.dual_bound is not None and step.dual_bound > best * (1 + TOLERANCE):
            faults.add("a reported bound holds", where, f"{step.dual_bound!r}, brute force {best!r}")
        if step.placement is None or guarantee in (Guarantee.UNSAFE, Guarantee.RELAXATION):
            continue
        evaluation = method.problem.evaluate(instance, step.placement)
        # A back-end's own solution may overload a device within its tolerance: that is for `tighten`.
        if evaluation.violations and method.backend is None:
            faults.add("a reported placement is one", where, evaluation.violations[0].message)
        elif step.objective is not None and evaluation.feasible:
            # It may cost less: in a solver's solution on its way a maximum may be above what it is the maximum of.
            cost = math.inf if evaluation.objective is None else evaluation.objective
            if cost > step.objective and differs(cost, step.objective):
                faults.add(
                    "a reported placement costs no more than it says",
                    where,
                    f"{cost!r}, not {step.objective!r}",
                )
    return result.status, result.objective
