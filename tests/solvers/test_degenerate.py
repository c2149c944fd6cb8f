"""Every statement of almost nothing is built, written and solved: empty rows are no errors."""

from collections import Counter
from pathlib import Path

import pytest
from degenerate import degenerate

from placewise.benchmarks.agreement import ORACLE, judge
from placewise.instances import read
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.execution.statement import write_model
from placewise.solvers.registry import methods_of

CRASH = Path(__file__).parents[1] / "instances" / "wrong" / "dilemma-milp-crash.json"
STATEMENTS = [(problem, name) for problem, found in PROBLEMS.items() for name in found.formulations]


def solved_file(instance, statement, kind, folder):
    """Return the status and the seconds of a written model, solved by HiGHS alone."""
    import highspy

    file = folder / f"model.{kind}"
    write_model(instance, statement, kind, file)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(file)) == highspy.HighsStatus.kOk
    highs.run()
    return highs.modelStatusToString(highs.getModelStatus()), highs.getInfo().objective_function_value / 1e3


@pytest.mark.parametrize("problem", PROBLEMS)
def test_degenerate_instances_agree(problem):
    """HiGHS on every statement, and the algorithms of our own, say what enumeration says."""
    methods = [
        name
        for name, method in methods_of(problem).items()
        if not method.missing and name != ORACLE and (method.algorithm or name.startswith("highs"))
    ]
    counts = Counter()
    for seed in range(12):
        instance = degenerate(problem, seed)
        truth = solve(instance, ORACLE, isolate=False)
        counts[truth.status.value] += 1
        assert judge(instance, methods, Counter(), truth) == [], seed
    assert counts["optimal"] >= 3
    assert counts["infeasible"] >= 2


@pytest.mark.parametrize(("problem", "statement"), STATEMENTS)
@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_written_models_say_the_same(problem, statement, kind, tmp_path):
    """A file that another solver reads, also where there is no placement."""
    for seed in range(8):
        instance = degenerate(problem, seed)
        truth = solve(instance, ORACLE, isolate=False)
        status, objective = solved_file(instance, statement, kind, tmp_path)
        if truth.objective is None:
            assert status == "Infeasible", seed
        else:
            assert (status, objective) == ("Optimal", pytest.approx(truth.objective, abs=1e-6)), seed


@pytest.mark.parametrize("mode", ["corrected", "as-printed"])
@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_without_an_admissible_width_the_model_is_infeasible(mode, kind, tmp_path):
    """It is written, and read back, as such."""
    instance = type(read(CRASH))(**vars(read(CRASH)) | {"mode": mode})
    assert solved_file(instance, "flow", kind, tmp_path)[0] == "Infeasible"
