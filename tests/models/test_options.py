"""What an instance asks for beyond a problem's plain statement: a method that does not know it does not apply."""

import dataclasses

import pytest

from placewise.instances import read
from placewise.models.errors import NotApplicableError
from placewise.solvers.registry import find_method, methods_of


@pytest.fixture
def asking(monkeypatch):
    """Let the problem of hand-split have an option that nothing knows."""
    instance = read("hand-split")
    problem = find_method(instance.problem, "labels").problem
    changed = dataclasses.replace(problem, options=lambda _: frozenset({"an option"}))
    return instance, [dataclasses.replace(m, problem=changed) for m in methods_of(instance.problem).values()]


def test_only_what_asks_evaluate_applies(asking):
    instance, methods = asking
    for method in methods:
        if method.name == "brute-force":
            assert method.guarantee(instance).bounds
        else:
            with pytest.raises(NotApplicableError, match=f"{method.name} does not know an option"):
                method.guarantee(instance)


def test_a_formulation_may_know_it(asking):
    instance, methods = asking
    method = next(method for method in methods if method.name == "highs")
    stated = dataclasses.replace(method.statement, honours=frozenset({"an option"}))
    problem = dataclasses.replace(method.problem, formulations={"flow": stated})
    assert dataclasses.replace(method, problem=problem).guarantee(instance).bounds
