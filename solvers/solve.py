"""The door: an instance and a method in, a verified result out."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.solvers.algorithms import PROBES
from placewise.solvers.evidence.result import Progress, Reason, VerifiedResult
from placewise.solvers.evidence.verify import verify
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.execution.worker import InterruptedSolve, Task, perform, perform_isolated
from placewise.solvers.registry import default_method, find_method

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from placewise.solvers.execution.method import Method


def solve(
    instance: Any,
    method: str | None = None,
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
) -> VerifiedResult:
    """Solve an instance and verify the answer.

    Parameters
    ----------
    instance : Instance
        As `placewise.instances.read` returns it.
    method : str, optional
        A name of `placewise methods`; by default the best exact one for the instance.
    time_limit, relative_gap, threads, seed, log, memory_limit_bytes
        See `Parameters`.
    warm_start : placement, optional
        A known placement, for methods that take one; it also refutes a false "infeasible".
    progress : callable, optional
        Receives each `Progress`: incumbent and bound over time.
    isolate : bool
        Run in a worker process of its own, which makes the limits hard. False is faster for tiny instances.

    Returns
    -------
    VerifiedResult
        Infeasible, a limit and a crash are results.

    Raises
    ------
    PlacewiseError
        An unknown method, one whose solver is not installed, one that does not apply to the instance.
    InterruptedResult
        On Ctrl-C: carries the verified result of what was found until then.
    """
    parameters = Parameters(time_limit, relative_gap, threads, seed, log, memory_limit_bytes)
    chosen = find_method(instance.problem, method) if method else default_method(instance)
    if chosen.missing:
        raise PlacewiseError(f"method {chosen.name!r} is not installed: {chosen.missing}")
    guarantee = chosen.guarantee(instance)
    task = Task(instance, chosen.name, parameters, warm_start)
    trace: list[Progress] = []

    def record(step: Progress) -> None:
        trace.append(Progress(step.seconds, step.objective, step.dual_bound))
        if progress:
            progress(step)

    interrupted = False
    try:
        claim = perform_isolated(task, record) if isolate else perform(task, record)
    except InterruptedSolve as stop:
        claim, interrupted = stop.claim, True
    known = [] if warm_start is None else [warm_start]
    if claim.reason is Reason.INFEASIBLE and claim.placement is None and not interrupted:
        known += _probe(instance, parameters)
    result = verify(
        instance,
        chosen.name,
        guarantee,
        claim,
        tolerance=relative_gap,
        known=known,
        trace=tuple(trace),
        versions=versions_of(chosen),
    )
    if interrupted:
        raise InterruptedResult(result)
    return result


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


def _probe(instance: Any, parameters: Parameters) -> list[Any]:
    """Return placements of fast heuristics."""
    claims = [perform(Task(instance, name, parameters)) for name in PROBES[instance.problem]]
    return [claim.placement for claim in claims if claim.placement is not None]


def versions_of(method: Method) -> dict[str, str]:
    """Return the versions that a result depends on."""
    versions = {"python": platform.python_version()}
    for name in ("placewise", *method.distributions):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            versions[name] = "unknown"
    return versions
