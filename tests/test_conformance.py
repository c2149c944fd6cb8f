"""`placewise.testing`: what the package has passes its checks, and planted faults do not."""

import importlib
from dataclasses import replace

import planted_liars
import pytest
import toy_install

from placewise.models.problem import Guarantee
from placewise.models.registry import PROBLEMS
from placewise.solvers.backends import highs
from placewise.solvers.backends.table import BACKENDS, HIGHS
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.method import Algorithm
from placewise.testing import check_backend, check_method, check_problem

LATENCY = PROBLEMS["edgeshard-latency"]
INSTALLED = [backend for backend in BACKENDS.values() if backend.installed]


@pytest.fixture
def toy(monkeypatch):
    """Import the toy package from its folder; nothing is installed."""
    monkeypatch.syspath_prepend(toy_install.PACKAGE)
    return lambda module: importlib.import_module(f"toy_jobs.{module}")


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_the_problems_of_the_package_keep_their_contract(problem):
    """Gates, files, floors, models and resources."""
    check_problem(problem, seeds=range(5))


@pytest.mark.parametrize("backend", INSTALLED, ids=lambda backend: backend.name)
def test_the_back_ends_of_the_package_keep_their_contract(backend):
    """On models whose optima are known, and one that nothing ends in time."""
    check_backend(backend, seeds=range(4), problem_seeds=range(1))


def test_the_toy_package_keeps_all_contracts(toy):
    """Its problem before it is installed, and its back-end, which takes a few binaries only."""
    files = toy("files")
    check_problem(files.TOY_JOBS, instances=[files.tiny(seed=seed) for seed in range(6)])
    check_backend(toy("enumeration").ENUMERATION, seeds=range(3), problem_seeds=range(1))


def broken(check, *arguments, **options):
    """Return the message of a check that must fail."""
    with pytest.raises(AssertionError) as caught:
        check(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("lie", "point"),
    [
        (planted_liars.worse, "no claim is refuted: bound-crossed"),
        (planted_liars.bound_above, "no claim is refuted: bound-crossed"),
        (planted_liars.false_infeasible, "no claim is refuted: false-infeasible"),
        (planted_liars.overloads, "no claim is refuted: infeasible-solution"),
    ],
)
def test_a_liar_among_methods_is_named(lie, point):
    """Whatever it lies about."""
    liar = Algorithm("liar", lie, Guarantee.EXACT, "lies")
    instance = planted_liars.instance_of("edgeshard-latency")
    message = broken(check_method, liar, "edgeshard-latency", instances=[instance])
    assert message.startswith("method liar of edgeshard-latency breaks its contract:\n- ")
    assert point in message
    assert instance.name in message


def late(instance, context):
    """Call the best placement so far optimal when the time is over."""
    best = None
    for placement in LATENCY.placements(instance):
        if not context.remaining:
            break
        evaluation = LATENCY.evaluate(instance, placement)
        if evaluation.feasible and (best is None or evaluation.objective < best[1]):
            best = placement, evaluation.objective
    if best is None:
        return Claim(Reason.INFEASIBLE)
    return Claim(Reason.OPTIMAL, *best)


def test_what_is_called_proven_after_a_limit_is_found():
    """By stopping the algorithm anywhere: with all its time it is right, but states no bound."""
    message = broken(check_method, Algorithm("late", late, Guarantee.EXACT, "stops"), LATENCY, seeds=range(8))
    assert "what it calls optimal is so" in message
    assert "false-infeasible" in message
    assert "looks at the clock" in message


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (lambda instance, _: (99,) * len(instance.layers), "infeasible-solution"),
        (lambda *_: 1 / 0, "it ends without an error"),
    ],
)
def test_functions_that_fail_are_named(function, point):
    """One that returns no placement, and one that raises."""
    assert point in broken(check_method, function, LATENCY, seeds=range(2))


def test_good_methods_pass():
    """An exact algorithm, a back-end, a heuristic, and one of the user's."""
    for method in ("labels", "highs", "greedy", lambda *_: None):
        check_method(method, "edgeshard-latency", seeds=range(6))


def hasty(model, run):
    """Call a limit an optimum."""
    found = highs.minimise(model, run)
    if found.reason is not Reason.LIMIT or found.values is None:
        return found
    return replace(found, reason=Reason.OPTIMAL, dual_bound=float(model.cost @ found.values))


def timid(model, run):
    """Call a limit a proof that there is nothing."""
    found = highs.minimise(model, run)
    return replace(found, reason=Reason.INFEASIBLE, values=None) if found.reason is Reason.LIMIT else found


def bold(model, run):
    """State a bound that the optimum refutes."""
    found = highs.minimise(model, run)
    return replace(found, dual_bound=None if found.dual_bound is None else found.dual_bound + 1.0)


def deaf(model, run):
    """Leave a row out."""
    return highs.minimise(replace(model, row_lower=model.row_lower - 1000.0), run)


def raises(model, run):
    raise ZeroDivisionError("planted")


@pytest.mark.parametrize(
    ("minimise", "point"),
    [
        (hasty, "what it calls optimal is so"),
        (hasty, "bounds hold"),
        (timid, "what it calls infeasible is so"),
        (bold, "bounds hold"),
        (deaf, "solutions keep rows, bounds and integrality"),
        (raises, "nothing but NotApplicableError is raised"),
    ],
)
def test_a_liar_among_back_ends_is_named(minimise, point):
    """Proofs after a limit, bounds too high, rows left out, exceptions."""
    backend = replace(HIGHS, name="liar", minimise=minimise)
    assert point in broken(check_backend, backend, seeds=range(4), problem_seeds=())


def without_memory(evaluate):
    def lenient(instance, placement):
        found = evaluate(instance, placement)
        return replace(found, violations=tuple(v for v in found.violations if v.constraint != "memory"))

    return lenient


def raising_gate(instance, anything):
    return LATENCY.placement_of(instance, anything if len(anything) else None)


@pytest.mark.parametrize(
    ("change", "point"),
    [
        (
            {"evaluate": without_memory(LATENCY.evaluate)},
            "a model holds where a placement is feasible, and only there",
        ),
        ({"evaluate": without_memory(LATENCY.evaluate)}, "a model's optimum is that of the problem"),
        ({"placement_of": raising_gate}, "the gate raises nothing"),
        ({"floor": lambda _: 1e9}, "no feasible placement is below the floor"),
        ({"diagnose": lambda _: "it looks hard"}, "a diagnosis is a proof"),
        ({"count": lambda _: 3.0}, "the space has as many placements as it counts"),
        ({"scaled": lambda i, r, f: LATENCY.scaled(i, r, 1 / f)}, "more of a resource never costs"),
        ({"unit": "J"}, "the unit is s"),
    ],
)
def test_a_wrong_problem_is_named(change, point):
    """A specification that forgets a constraint, a gate that raises, bounds and proofs that are none."""
    assert point in broken(check_problem, replace(LATENCY, **change), seeds=range(6))


def test_what_is_not_installed_is_no_fault():
    """It cannot be judged."""
    from placewise.models.errors import PlacewiseError

    absent = replace(HIGHS, name="absent", requires="no_such_module")
    with pytest.raises(PlacewiseError, match="not installed"):
        check_backend(absent)
