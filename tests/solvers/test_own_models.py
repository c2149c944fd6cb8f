"""Models with rows of one's own come back verified, by every back-end, with the proof of the extended model."""

from itertools import product

import pyomo.environ as pyo
import pytest

import placewise
from placewise.models.errors import PlacewiseError
from placewise.models.registry import PROBLEMS
from placewise.models.statement import Statement, stated
from placewise.solvers.backends.table import BACKENDS
from placewise.solvers.evidence.result import Status

INSTALLED = [name for name, backend in BACKENDS.items() if backend.installed]
SEEDS = range(6)


def extended(instance):
    """At most two devices are used, and layers 1 and 3 are together."""
    model = placewise.models.edgeshard.latency_milp(instance)
    model.used = pyo.Var(model.devices, domain=pyo.Binary)
    model.opened = pyo.Constraint(
        model.layers, model.devices, rule=lambda m, i, j: m.assign[i, j] <= m.used[j]
    )
    model.few = pyo.Constraint(expr=pyo.quicksum(model.used.values()) <= 2)
    model.together = pyo.Constraint(model.devices, rule=lambda m, j: m.assign[1, j] == m.assign[3, j])
    return model


def drawn(seed):
    return placewise.generate("edgeshard-latency", "tight", seed=seed, devices=4, layers=6, memory_factor=2.2)


def best(instance):
    """By enumeration, with the added rows in words."""
    problem, costs = PROBLEMS[instance.problem], []
    for placement in product(range(instance.cluster.size), repeat=len(instance.layers)):
        if len(set(placement)) <= 2 and placement[1] == placement[3] and placement[0] == instance.source:
            found = problem.evaluate(instance, placement)
            if found.feasible:
                costs.append(found.objective)
    return min(costs, default=None)


@pytest.mark.parametrize("backend", INSTALLED)
def test_added_rows_are_kept_and_proven(backend):
    """The optimum of the extended model by enumeration, and its own proof."""
    solved = 0
    for seed in SEEDS:
        instance = drawn(seed)
        model = extended(instance)
        result = placewise.solve(instance, backend, model=model, isolate=seed == 0)
        expected = best(instance)
        assert result.extended
        assert result.conflicts == ()
        if expected is None:
            assert result.status is Status.INFEASIBLE
            continue
        solved += 1
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(expected, rel=1e-9)
        assert result.dual_bound == pytest.approx(expected, rel=1e-6)
        assert result.to_json()["model"] == "extended"
        # The solution is in the caller's variables, and nothing was added to the caller's model.
        assert {j for j in model.devices if pyo.value(model.used[j]) > 0.5} >= set(result.placement)
        assert len(model.cover) == 0
    assert solved >= 3


def test_the_plain_optimum_is_no_worse():
    """Rows only take away: the proof of the extended model says nothing of the problem, and does not mix with it."""
    for seed in SEEDS:
        instance = drawn(seed)
        plain = placewise.solve(instance, isolate=False)
        own = placewise.solve(instance, model=extended(instance), isolate=False)
        if own.objective is not None:
            assert plain.objective <= own.objective


def test_a_fixed_variable_stays_fixed():
    """Also from a warm start that has another value there."""
    instance = placewise.read("hand-split")
    free = placewise.solve(instance, isolate=False)
    model = placewise.models.edgeshard.latency_milp(instance)
    model.assign[2, 0].fix(1)
    result = placewise.solve(instance, model=model, warm_start=free.placement, isolate=False)
    assert free.placement[2] == 1
    assert result.status is Status.INFEASIBLE  # the source holds one layer


def test_duals_of_the_relaxation():
    """A relaxed copy has no integers left, and bounds the optimum."""
    instance = placewise.read("hand-split")
    statement = Statement.of(instance, PROBLEMS[instance.problem].formulations["flow"])
    relaxed = statement.relaxed()
    assert all(variable.is_continuous() for variable in relaxed.component_data_objects(pyo.Var))
    assert any(variable.is_binary() for variable in statement.model.component_data_objects(pyo.Var))


def test_what_is_no_extension_is_refused():
    """Another instance's model, one that placewise did not build, a removed row, a method without a model."""
    instance, other = placewise.read("hand-split"), placewise.read("hand-stay-home")
    model = placewise.models.edgeshard.latency_milp(instance)
    cases = [
        (other, model, "highs", "it states hand-split"),
        (instance, pyo.ConcreteModel(), "highs", "that placewise built"),
        (instance, model, "labels", "takes no model"),
    ]
    without = placewise.models.edgeshard.latency_milp(instance)
    without.memory.deactivate()
    cases.append((instance, without, "highs", "memory was removed or deactivated"))
    for given, wrong, method, words in cases:
        with pytest.raises(PlacewiseError, match=words):
            placewise.solve(given, method, model=wrong)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_formulation_knows_what_it_states(problem):
    """By the name under which the problem lists it, so that an extended model is recognised."""
    instance = placewise.generate(problem, "tiny", seed=0)
    for name, formulation in PROBLEMS[problem].formulations.items():
        model = formulation.build(instance)
        assert (model.stated_as, model.stated_instance) == (name, instance)
        again = stated(formulation.build(instance), instance, name)
        assert Statement.around(instance, PROBLEMS[problem], again).broken_row() is None


def test_an_extended_model_is_exported(tmp_path):
    """As MPS, by Pyomo's own means: the added rows stand in it by name."""
    model = extended(drawn(0))
    model.write(str(tmp_path / "own.mps"), io_options={"symbolic_solver_labels": True})
    assert "few" in (tmp_path / "own.mps").read_text(encoding="utf-8")
