"""Every problem with every method: verified results, no conflict, and agreement with brute force."""

from collections import Counter
from functools import cache

import pytest

from placewise.benchmarks.agreement import ORACLE, judge
from placewise.instances import read, shipped_instances, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.problem import Guarantee
from placewise.models.registry import PROBLEMS
from placewise.solvers.registry import comparison_methods, default_method, find_method, methods_of
from placewise.solvers.solve import solve

#: What `compare` runs. Other solvers on the weak textbook statements are for `placewise.benchmarks.agreement`.
PAIRS = [
    (problem, method.name)
    for problem in PROBLEMS
    for method in comparison_methods(problem)
    if method.name != ORACLE and not method.missing
]


@cache
def tiny(problem, seed):
    """Return an instance and what the oracle says, once per process."""
    instance = generate(problem, "tiny", seed=seed)
    return instance, solve(instance, ORACLE, isolate=False)


@pytest.mark.parametrize(("problem", "method"), PAIRS)
def test_agreement_with_brute_force(problem, method):
    """On random tiny instances exact methods meet the optimum exactly and others never beat it."""
    counts = Counter()
    for seed in range(25):
        instance, truth = tiny(problem, seed)
        assert judge(instance, [method], counts, truth) == []
    assert counts.total() == 25


@pytest.mark.parametrize("problem", PROBLEMS)
def test_fast_exact_methods_on_many_instances(problem):
    """The methods that need no lowering are cheap enough for hundreds of instances."""
    fast = [
        name for name, method in methods_of(problem).items() if method.algorithm and name != "brute-force"
    ]
    for seed in range(1000, 1060):
        assert judge(generate(problem, "tiny", seed=seed), fast, Counter()) == []


@pytest.mark.parametrize(("problem", "method"), PAIRS)
def test_a_warm_start_is_the_first_incumbent(problem, method):
    """From the optimum every method comes back with it, and those that prove still prove it; any form of it will do."""
    for seed in range(6):
        instance, truth = tiny(problem, seed)
        if truth.placement is None:
            continue
        forms = (truth.placement, truth.to_json()["placement"], truth.to_json(), truth)
        try:
            cold = solve(instance, method, isolate=False, threads=1)
            warm = solve(instance, method, isolate=False, threads=1, warm_start=forms[seed % len(forms)])
        except NotApplicableError:
            continue
        assert warm.objective == truth.objective
        assert warm.conflicts == ()
        if cold.guarantee is Guarantee.EXACT:
            assert (cold.status, cold.objective) == (warm.status, warm.objective)


@pytest.mark.parametrize(("problem", "method"), PAIRS)
def test_a_bad_warm_start_is_one_line(problem, method):
    """What is no placement, or breaks a constraint, is refused before anything runs."""
    instance, _ = tiny(problem, 0)
    try:
        find_method(problem, method).guarantee(instance)
    except NotApplicableError:
        pytest.skip("the method does not apply to the instance")
    for bad in ("abc", [99] * 50, {"layers": 7}, [], None.__class__):
        with pytest.raises(PlacewiseError, match=r"^warm start: [^\n]+$"):
            solve(instance, method, isolate=False, warm_start=bad)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_default_method_is_exact(problem):
    """Whoever names no method gets a proof."""
    for seed in range(50):
        instance = generate(problem, "tiny", seed=seed)
        assert default_method(instance).guarantee(instance) is Guarantee.EXACT


@pytest.mark.parametrize("name", shipped_instances())
def test_shipped_instances_are_read_and_written_back(name):
    """A shipped file is named after its instance, and a round trip changes nothing."""
    instance = read(name)
    assert instance.name == name
    document = to_document(instance)
    assert to_document(from_document(document)) == document
