"""Each constraint of each model is needed: without it, or turned round, some answer is wrong."""

from functools import cache

import pytest

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.edgeshard import cpsat
from placewise.models.registry import PROBLEMS
from placewise.solvers.backends.cpsat import solve_cp
from placewise.solvers.backends.highs import minimise
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.matrix import MatrixContext
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.solve import solve

#: In the model for readers, implied by the others: flow rows alone force one device per layer, and the transport
#: between the places of projection and network gives each of them one if the other has one. Bounds on a graph's latency.
REDUNDANT = {
    ("flow", "one_device_per_layer"),
    ("counts", "one_proj"),
    ("counts", "one_ffn"),
    ("modes", "one_proj"),
    ("modes", "one_ffn"),
    ("ranks", "loads"),
    ("ranks", "longest"),
}


def model_optimum(formulation, instance, mutate):
    """Return the placement and objective in seconds that a mutated model calls optimal; None if infeasible."""
    model = formulation.build(instance)
    mutate(model)
    matrix = lower(model)
    context = MatrixContext(
        Parameters(relative_gap=0.0, threads=1), 60.0, None, lambda _: None, lambda _: None
    )
    result = minimise(matrix, context)
    if result.values is None:
        return None
    matrix.load(result.values)
    return formulation.extract(model), matrix.unscaled(float(matrix.cost @ result.values)) / 1e3


@cache
def optimum(instance):
    """Return what brute force says about a tiny instance, once per process."""
    return solve(instance, "brute-force", isolate=False)


def is_right(instance, answer):
    """Whether an answer is the optimum that brute force finds."""
    truth = optimum(instance)
    if answer is None or truth.objective is None:
        return answer is None and truth.objective is None
    placement, objective = answer
    evaluation = PROBLEMS[instance.problem].evaluate(instance, placement)
    return (
        evaluation.feasible
        and evaluation.objective == truth.objective
        and abs(objective - truth.objective) < 1e-6
    )


def constraint_names(problem, formulation):
    import pyomo.environ as pyo

    names = set()
    for instance in instances(problem, 12):
        model = PROBLEMS[problem].formulations[formulation].build(instance)
        names |= {c.local_name for c in model.component_objects(pyo.Constraint, active=True) if len(c)}
    return sorted(names)


@cache
def tiny(problem, seed):
    """Return an instance of each kind in turn, the same object every time."""
    kinds = ("sparse", "tight", "loose", "one-byte", "equal")
    return generate(problem, "tiny", seed=seed, kind=kinds[seed % len(kinds)])


def instances(problem, count):
    return (tiny(problem, seed) for seed in range(count))


def cases():
    for problem in PROBLEMS:
        for formulation in PROBLEMS[problem].formulations:
            for name in constraint_names(problem, formulation):
                if (formulation, name) not in REDUNDANT:
                    yield problem, formulation, name


@pytest.mark.parametrize(("problem", "formulation", "name"), list(cases()))
@pytest.mark.parametrize("mutation", ["dropped", "turned"])
def test_a_mutated_constraint_is_noticed(problem, formulation, name, mutation):
    """Dropping a constraint, or flipping the sign of its right-hand side's sense, changes some answer."""

    def mutate(model):
        import pyomo.environ as pyo

        # In the model itself, or in each of its blocks.
        found = [c for c in model.component_objects(pyo.Constraint, active=True) if c.local_name == name]
        rows = [row for component in found for row in component.values()]
        for component in found:
            component.deactivate()
        if mutation == "turned":
            model.mutated = pyo.ConstraintList()
            for row in rows:
                if row.equality:  # an equality becomes its complement: off by one
                    model.mutated.add(row.body == pyo.value(row.upper) + 1)
                else:
                    low, high = pyo.value(row.lower), pyo.value(row.upper)
                    model.mutated.add(row.body >= high if high is not None else row.body <= low)

    statement = PROBLEMS[problem].formulations[formulation]
    assert any(
        not is_right(instance, model_optimum(statement, instance, mutate))
        for instance in instances(problem, 400)
    )


@pytest.mark.parametrize(
    ("problem", "formulation"), [(p, f) for p in PROBLEMS for f in PROBLEMS[p].formulations]
)
def test_unmutated_models_are_right(problem, formulation):
    """The same check passes for the models as they are, so it is the mutation that it notices."""
    statement = PROBLEMS[problem].formulations[formulation]
    for instance in instances(problem, 40):
        answer = model_optimum(statement, instance, lambda _: None)
        if answer is not None and statement.tighten(statement.build(instance), answer[0]):
            continue  # an overload within tolerance, which `tighten` cuts off
        assert is_right(instance, answer)


def run_length_answers(drop):
    """Solve equal-layer instances by the run-length model without its constraints of one kind."""
    for seed in range(400):
        instance = generate("edgeshard-latency", "tiny", seed=seed, kind="equal")
        if len(instance.layers) < 3:
            continue
        built = cpsat.latency_run_length(instance)
        drop(built)
        result = solve_cp(
            built.cp_model, Parameters(threads=1, relative_gap=0.0), 10.0, lambda _: None, lambda _: None
        )
        try:
            placement = built.extract(result.value) if result.found else None
        except (KeyError, StopIteration):
            placement = ()
        yield instance, placement


@pytest.mark.parametrize("kind", ["circuit", "linear"])
def test_constraints_of_the_run_length_model_are_needed(kind):
    """Without one kind of its constraints the model returns something that is no optimal placement."""

    def drop(built):
        for constraint in built.cp_model.proto.constraints:
            if constraint.HasField(kind):
                constraint.ClearField(kind)
                constraint.ClearField("enforcement_literal")

    for instance, placement in run_length_answers(drop):
        truth = solve(instance, "brute-force", isolate=False)
        claimed = solve(instance, "run-length", isolate=False, threads=1)
        if placement is None or claimed.objective is None:
            if (placement is None) != (claimed.objective is None):
                return
            continue
        evaluation = PROBLEMS["edgeshard-latency"].evaluate(instance, placement)
        if not evaluation.feasible or evaluation.objective != claimed.objective:
            assert truth.objective is None or claimed.objective >= truth.objective
            return
    pytest.fail(f"no instance needs {kind}")


def test_the_relay_of_a_chain_is_a_real_placement():
    """A closing move through a device visited before splits that device's layers in two runs."""
    instance = read("hand-split")
    built = cpsat.latency_run_length(instance)
    assert all(move.relay is None for move in built.closings)
