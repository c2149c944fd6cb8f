"""Back-ends: limits, options and lowering."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ortools.sat.python import cp_model

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.edgeshard import evaluate_latency, latency_milp
from placewise.models.errors import NotApplicableError
from placewise.solvers import solve
from placewise.solvers.backends import cpsat
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.matrix import MatrixContext
from placewise.solvers.backends.table import BACKENDS
from placewise.solvers.column_master import ColumnMaster
from placewise.solvers.evidence.result import Reason, Status
from placewise.solvers.execution.parameters import Parameters

INSTALLED = [name for name, backend in BACKENDS.items() if backend.installed]


@pytest.mark.parametrize("digits", [False, True])
def test_lowering_keeps_the_model(digits):
    """Costs and rows of the arrays say what Pyomo says, also after scaling, within the margin that is stated."""
    import pyomo.environ as pyo

    instance = generate("edgeshard-latency", "tiny", seed=3)
    model = latency_milp(instance)
    matrix = lower(model, digits=digits)
    assert digits == bool(matrix.carries)
    draw = np.random.default_rng(0)
    assert abs(matrix.matrix).max() <= 1024
    for _ in range(40):
        values = draw.integers(0, 2, len(matrix.columns)).astype(float)
        for variable, value in zip(matrix.columns, values.tolist(), strict=True):
            variable.set_value(int(value))
        values = matrix.start()
        assert matrix.unscaled(float(matrix.cost @ values)) == pytest.approx(
            pyo.value(model.objective), rel=1e-12
        )
        activity = matrix.matrix @ values
        met = (activity <= matrix.stated_upper) & (activity >= matrix.row_lower)
        for name in set(matrix.row_names):
            rows = [row for row, other in enumerate(matrix.row_names) if other == name]
            component = model.find_component(name)
            assert met[rows].all() == (component.slack() >= 0), name


@pytest.mark.parametrize("name", INSTALLED)
def test_a_limit_is_never_called_optimal(name):
    """Stopped early on the 70B testbed, a back-end has a placement or none, and no proof."""
    result = solve(read("llama2-70b-testbed"), name, time_limit=4)
    assert result.status in (Status.FEASIBLE, Status.NO_SOLUTION), result.message
    assert not result.conflicts


@pytest.mark.parametrize("name", INSTALLED)
def test_a_back_end_proves_infeasibility(name):
    """By one byte."""
    assert solve(read("hand-infeasible-by-a-byte"), name, isolate=False).status is Status.INFEASIBLE


@pytest.mark.parametrize("name", INSTALLED)
def test_the_log_goes_to_a_file(name, tmp_path, capfd):
    """And nowhere else."""
    log = tmp_path / "solver.log"
    solve(read("hand-split"), name, log=log)
    assert log.stat().st_size > 0
    assert capfd.readouterr().out == ""


def test_progress_reports_incumbents_and_bounds(testbed_7b):
    """Objectives fall, bounds rise, and the last ones are the result's."""
    steps = []
    result = solve(testbed_7b, "highs", progress=steps.append)
    objectives = [step.objective for step in steps if step.objective is not None]
    bounds = [step.dual_bound for step in steps if step.dual_bound is not None]
    assert objectives == sorted(objectives, reverse=True)
    assert bounds == sorted(bounds)
    assert objectives[-1] == pytest.approx(result.objective)
    assert result.trace


def test_cp_sat_refuses_fractions():
    """It never rounds a row silently."""
    import pyomo.environ as pyo

    model = pyo.ConcreteModel()
    model.x = pyo.Var(domain=pyo.Binary)
    model.row = pyo.Constraint(expr=0.5 * model.x <= 0.25)
    model.objective = pyo.Objective(expr=model.x)
    context = MatrixContext(Parameters(), 1.0, None, lambda _: None, lambda _: None)
    with pytest.raises(NotApplicableError, match="row has a fraction"):
        cpsat.minimise(lower(model), context)
    model.row.deactivate()
    model.y = pyo.Var(bounds=(0, 1))
    model.other = pyo.Constraint(expr=model.x + model.y >= 1)
    with pytest.raises(NotApplicableError, match="y is continuous"):
        cpsat.minimise(lower(model), context)


@pytest.mark.parametrize("name", INSTALLED)
def test_overloads_within_tolerance_are_cut_off(name):
    """One byte in 24e9 is far below a solver's feasibility tolerance, and is found all the same."""
    import dataclasses

    split = read("hand-split")
    layers = tuple(
        dataclasses.replace(layer, memory_bytes=7_999_999_999 + i) for i, layer in enumerate(split.layers)
    )
    exact = sum(layer.memory_bytes for layer in layers[1:])
    for budget, status in ((exact, Status.OPTIMAL), (exact - 1, Status.INFEASIBLE)):
        cluster = dataclasses.replace(split.cluster, memory_bytes=np.array([layers[0].memory_bytes, budget]))
        instance = dataclasses.replace(split, cluster=cluster, layers=layers)
        steps = []
        result = solve(instance, name, isolate=False, progress=steps.append)
        assert (result.status, result.conflicts) == (status, ())
        # Nor is an overload an incumbent on the way.
        placements = [step.placement for step in steps if step.objective is not None]
        assert all(evaluate_latency(instance, placement).feasible for placement in placements)


def test_missing_statuses_are_errors():
    """A status that a table does not know is no answer."""
    from placewise.solvers.backends import highs

    assert highs.STATUS.get("kUnknown", Reason.ERROR) is Reason.ERROR


def test_lowering_imports_little():
    """Pyomo would import scipy.stats with scipy.sparse: seconds, where the model takes milliseconds."""
    script = (
        "import sys; from placewise.instances import read; from placewise.solvers import solve; "
        "print(solve(read('hand-split'), 'highs', isolate=False).objective, 'scipy.stats' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["7.0", "False"]


@pytest.mark.parametrize("first_try", [0.0, 0.02])
def test_cp_sat_tries_small_models_with_one_worker_first(monkeypatch, first_try):
    """Where that is not enough all workers go on, and what both say is the same."""
    monkeypatch.setattr(cpsat, "FIRST_TRY", first_try)
    workers = []
    solver = cp_model.CpSolver

    class Watched(solver):
        def solve(self, *arguments):
            workers.append(self.parameters.num_workers)
            return super().solve(*arguments)

    monkeypatch.setattr(cp_model, "CpSolver", Watched)
    result = solve(read("hand-split"), "run-length", isolate=False)
    assert result.status is Status.OPTIMAL
    assert result.objective == solve(read("hand-split"), "labels").objective
    assert workers == ([1] if first_try else [1, max(cpsat.PORTFOLIO, len(os.sched_getaffinity(0)))])


def test_linear_programmes_take_the_threads_that_there_are():
    """HiGHS on a model has had two threads in this process; the master problem is solved all the same."""
    assert solve(read("hand-split"), "highs", isolate=False, threads=2).status is Status.OPTIMAL
    master = ColumnMaster(10.0)
    master.row(1.0, 1.0)
    master.column(2.0, np.array([0]), np.ones(1))
    solution = master.solve()
    assert solution is not None
    assert solution.value == 2.0
