"""Whether a problem keeps its contract: gate, evaluation, files, bounds, declarative models, resources."""

from __future__ import annotations

import json
import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.benchmarks.conformance.faults import Faults, Truth, drawn, truth_of
from placewise.benchmarks.conformance.odd import changed, junk, junk_documents
from placewise.instances.registry import formats
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.problem import Violation
from placewise.models.registry import problems
from placewise.models.statement import Statement
from placewise.models.units import MILLISECONDS
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.evidence.result import Reason
from placewise.solvers.evidence.verify import differs
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.execution.statement import run_formulation
from placewise.solvers.registry import methods_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from placewise.models.problem import Formulation, InstanceT, PlacementT, Problem
    from placewise.solvers.backends.lowering import MatrixModel

#: Placements of an instance that a declarative model is held against; instances whose resources are scaled.
MOST_STARTS, MOST_SCALED = 40, 3
#: Of a row, or of a bound: what is left of rounding.
ROW_TOLERANCE, BOUND_TOLERANCE = 1e-6, 1e-9


def check_problem(
    problem: Problem[InstanceT, PlacementT],
    *,
    seeds: Iterable[int] = range(12),
    instances: Iterable[InstanceT] | None = None,
) -> None:
    """Hold a problem against its contract on tiny instances.

    Parameters
    ----------
    problem : Problem
        With a format that has a family ``tiny``, unless instances are given. It need not be installed; what only an
        installed one has, names of methods and files, is then not looked at.
    seeds : iterable of int
        Of the tiny instances.
    instances : iterable of Instance, optional
        Instead of them: small enough for brute force.

    Raises
    ------
    AssertionError
        With a line per broken point. Held are: the space lists as many placements as it counts, in canonical form;
        the gate takes every form of a placement, and refuses what is none without an exception; evaluation is
        finite, and the same for every form; the floor is below every placement, a diagnosis above none; instances and
        placements survive files and pickling; each declarative model, started with a placement, has its cost, and
        is satisfied exactly where the placement is feasible; solved by HiGHS it gives the optimum; more of a resource
        never costs, less never helps.
    """
    faults = Faults(f"problem {problem.name}")
    if problem.unit != "s":
        faults.add("the unit is s", problem.name, problem.unit)
    if problems().get(problem.name) is problem:
        named = {*problem.default_methods, *problem.first_methods, *problem.probing_methods}
        for name in named - set(methods_of(problem.name)):
            faults.add("the methods that it names exist", problem.name, name)
    for number, instance in enumerate(drawn(problem, seeds, instances)):
        with faults.no_error("evaluating every placement raises nothing", instance.name):
            truth = truth_of(problem, instance)
            _hold(faults, problem, instance, truth, scale=number < MOST_SCALED)
    faults.settle()


def _hold(
    faults: Faults,
    problem: Problem[InstanceT, PlacementT],
    instance: InstanceT,
    truth: Truth[PlacementT],
    *,
    scale: bool,
) -> None:
    """Hold all that an instance touches, each part also where another one raises."""
    where = instance.name
    with faults.no_error("reading and writing raise nothing", where):
        _instance(faults, problem, instance)
    with faults.no_error("floor, count and diagnosis raise nothing", where):
        _evaluations(faults, problem, instance, truth)
    with faults.no_error("the gate raises nothing", where):
        _gate(faults, problem, instance, truth)
    for name, formulation in problem.formulations.items():
        with faults.no_error("a model raises nothing", f"{where}, {name}"):
            _model(faults, problem, instance, truth, name, formulation)
    if scale:
        with faults.no_error("scaling raises nothing", where):
            _resources(faults, problem, instance, truth)


def _instance(faults: Faults, problem: Problem[InstanceT, Any], instance: InstanceT) -> None:
    where = instance.name
    if instance.problem != problem.name:
        faults.add("an instance names its problem", where, instance.problem)
    if pickle.loads(pickle.dumps(instance)) != instance:
        faults.add("an instance survives pickling", where)
    described = formats().get(problem.name)
    if described is not None and described.problem is problem:
        from placewise.instances.files import from_document, to_document

        document = json.loads(json.dumps(to_document(instance), allow_nan=False))
        again = from_document(document)
        if again != instance or hash(again) != hash(instance):
            faults.add("an instance survives its file", where)


def _evaluations(
    faults: Faults, problem: Problem[InstanceT, PlacementT], instance: InstanceT, truth: Truth[PlacementT]
) -> None:
    where, floor = instance.name, problem.floor(instance)
    if len(truth.evaluated) != problem.count(instance):
        message = f"{problem.count(instance):g}, found {len(truth.evaluated)}"
        faults.add("the space has as many placements as it counts", where, message)
    for placement, evaluation in truth.evaluated:
        if not all(type(v) is Violation and v.message.isprintable() for v in evaluation.violations):
            faults.add("violations are printable", where, evaluation.violations)
        objective = evaluation.objective
        numbers = [*evaluation.terms.values(), *([] if objective is None else [objective])]
        if not all(math.isfinite(number) for number in numbers):
            faults.add(
                "objective and terms are finite", where, f"{placement}: {objective}, {evaluation.terms}"
            )
        if objective is None and evaluation.feasible:
            faults.add("a feasible placement has an objective", where, placement)
        if objective is not None and evaluation.feasible and objective < floor * (1 - BOUND_TOLERANCE):
            faults.add("no feasible placement is below the floor", where, f"{objective!r} < {floor!r}")
    reason = problem.diagnose(instance)
    if reason is not None and truth.objective is not None:
        faults.add("a diagnosis is a proof", where, f"{reason}; but {truth.placement} is feasible")


def _gate(
    faults: Faults, problem: Problem[InstanceT, PlacementT], instance: InstanceT, truth: Truth[PlacementT]
) -> None:
    where = instance.name
    for placement, evaluation in _spread(truth.evaluated, MOST_STARTS):
        if problem.gate(instance, placement) != (placement, ()):
            faults.add("the space lists canonical placements", where, placement)
        document = json.loads(json.dumps(problem.to_json(instance, placement)))
        for form, given in (
            ("a file's document", document),
            ("pickled", pickle.loads(pickle.dumps(placement))),
        ):
            if problem.gate(instance, given)[0] != placement:
                faults.add(f"the gate takes a placement as {form}", where, given)
            elif problem.evaluate(instance, given) != evaluation:
                faults.add(f"evaluation is the same for a placement as {form}", where, given)
        if problem.from_json(instance, document) != placement:
            faults.add("a placement survives its file", where, document)
    good = truth.evaluated[0][0]
    odd = {**junk(good), **dict(junk_documents(problem.to_json(instance, good)))}
    for title, thing in odd.items():
        with faults.no_error("the gate raises nothing", f"{where}, {title}"):
            placed, violations = problem.gate(instance, thing)
            if placed is not None or not violations:
                faults.add("the gate refuses what is no placement", f"{where}, {title}", placed)
            elif problem.evaluate(instance, thing).objective is not None:
                faults.add("what is no placement has no objective", f"{where}, {title}")
    for title, entry in (("-1", -1), ("a million", 10**6), ("None", None), ("True", True), ("1.5", 1.5)):
        with faults.no_error("the gate raises nothing", f"{where}, every entry {title}"):
            problem.evaluate(instance, changed(good, entry))


def _model(
    faults: Faults,
    problem: Problem[InstanceT, PlacementT],
    instance: InstanceT,
    truth: Truth[PlacementT],
    name: str,
    formulation: Formulation[InstanceT, PlacementT],
) -> None:
    where = f"{instance.name}, {name}"
    try:
        statement = Statement.of(instance, formulation)
        matrix = lower(statement.model)
    except NotApplicableError:
        return
    for placement, evaluation in _spread(truth.evaluated, MOST_STARTS):
        statement.start(placement)
        values = matrix.start()
        if values is None:
            faults.add("a start sets every variable", where, placement)
            return
        holds = satisfied(matrix, values) and not statement.tighten(placement)
        if holds is not evaluation.feasible:
            said = evaluation.violations[0].message if evaluation.violations else "nothing"
            message = f"{placement}: the model {'holds' if holds else 'is violated'}, evaluate finds {said}"
            faults.add("a model holds where a placement is feasible, and only there", where, message)
            continue
        if not holds or evaluation.objective is None:
            continue
        cost_s = matrix.unscaled(float(matrix.cost @ values)) / MILLISECONDS
        if differs(cost_s, evaluation.objective):
            message = f"{placement}: {cost_s!r}, evaluate says {evaluation.objective!r}"
            faults.add("a model's objective is what a placement costs, in milliseconds", where, message)
        back = problem.evaluate(instance, statement.extract())
        if not back.feasible or back.objective != evaluation.objective:
            faults.add(
                "a started model gives its placement back, or one that costs as much", where, placement
            )
    context = Context(Parameters(threads=1, time_limit=60.0))
    claim = run_formulation(problem, formulation, HIGHS, instance, context)
    cost = None if claim.placement is None else problem.evaluate(instance, claim.placement).objective
    if truth.objective is None:
        right = claim.reason is Reason.INFEASIBLE
    else:
        right = cost is not None and claim.reason is Reason.OPTIMAL and not differs(cost, truth.objective)
    if not right:
        message = f"HiGHS: {claim.reason.value} {cost!r}, brute force {truth.objective!r}"
        faults.add("a model's optimum is that of the problem", where, message)


def satisfied(matrix: MatrixModel, values: NDArray[np.float64]) -> bool:
    """Whether values keep all rows, bounds and integrality of a lowered model."""
    rows = matrix.matrix @ values
    slack = ROW_TOLERANCE
    return bool(
        (rows >= matrix.row_lower - slack).all()
        and (rows <= matrix.row_upper + slack).all()
        and (values >= matrix.lower - slack).all()
        and (values <= matrix.upper + slack).all()
        and np.allclose(values[matrix.integer], np.rint(values[matrix.integer]), atol=slack)
    )


def _resources(
    faults: Faults, problem: Problem[InstanceT, PlacementT], instance: InstanceT, truth: Truth[PlacementT]
) -> None:
    """Scale one resource of each kind."""
    kinds = {resource.kind: resource for resource in problem.resources(instance)}
    before = math.inf if truth.objective is None else truth.objective
    for resource in kinds.values():
        for factor in (2.0, 0.5):
            where = f"{instance.name}, {resource.title} x {factor:g}"
            try:
                changed_instance = problem.scaled(instance, resource, factor)
            except InstanceError:  # more than an instance can say
                continue
            found = truth_of(problem, changed_instance).objective
            after = math.inf if found is None else found
            better, worse = (after, before) if factor > 1 else (before, after)
            if better > worse and differs(better, worse):
                faults.add("more of a resource never costs", where, f"{before!r} becomes {after!r}")


def _spread(entries: list[Any], most: int) -> list[Any]:
    """Return so many entries at most, from all over a list."""
    return entries[:: -(-len(entries) // most)] if entries else []
