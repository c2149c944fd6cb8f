"""Methods that return anything at all: a result each, that can be written, and a conflict that names them."""

import json

import pytest
from odd_methods import method_name
from odd_placements import ODD

from placewise.instances.generators import generate
from placewise.models.registry import PROBLEMS
from placewise.solvers import compare
from placewise.solvers.evidence.result import Status


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_odd_placement_is_a_row(problem):
    """In one comparison of all of them, none stops it."""
    instance = generate(problem, "tiny", seed=1, kind="loose")
    methods = [method_name(name) for name in ODD]
    report = compare(instance, ["brute-force", *methods], isolate=False)
    assert [result.method for result in report.results] == ["brute-force", *methods]
    json.dumps(report.to_json(), allow_nan=False)
    for result in report.results[1:]:
        assert (result.status, result.objective, result.placement) == (Status.ERROR, None, None)
        assert result.violations[0].constraint in ("assignment", "batch")
    caught = {method for conflict in report.conflicts for method in conflict.methods}
    assert caught == set(methods)
