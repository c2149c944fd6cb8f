"""The decomposition bounds every placement, the labels prove optima, and coarse storage only relaxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.solvers import solve
from placewise.solvers.dilemma import decomposition
from placewise.solvers.dilemma.beam import Beam
from placewise.solvers.dilemma.decomposition import Decomposition, Prices
from placewise.solvers.evidence.result import Status


@given(st.integers(0, 400), st.integers(0, 10**6))
def test_any_prices_give_a_bound(seed, price_seed):
    """Whatever the multipliers, no placement costs less; and no pass over labels loses the optimum."""
    instance = generate("dilemma", "tiny", seed=seed)
    model = Decomposition(instance)
    draw = np.random.default_rng(price_seed)
    prices = Prices(
        draw.normal(0, 1, model.compute_s.shape), float(draw.uniform(0, 1)) if model.budget else 0.0
    )
    tables = model.solve(prices)[0]
    truth = solve(instance, "brute-force", isolate=False)
    if truth.objective is None:
        return
    assert tables.bound_s <= truth.objective + 1e-9
    delay_s, placement, dropped_s = Beam(model, tables).run(10_000, np.inf, lambda: False)
    assert delay_s == truth.objective == evaluate(instance, placement).objective
    assert dropped_s == np.inf
    narrow = Beam(model, tables).run(1, np.inf, lambda: False)
    assert min(narrow[0], narrow[2]) <= truth.objective + 1e-9


def test_coarse_storage_is_a_relaxation(monkeypatch):
    """With 4 levels of storage in the tables the bound is weaker and the answer the same."""
    for seed in range(40):
        instance = generate("dilemma", "tiny", seed=seed, mode="corrected", kind="tight")
        truth = solve(instance, "brute-force", isolate=False)
        monkeypatch.setattr(decomposition, "LARGEST_UNITS", 4)
        coarse = solve(instance, "labels", isolate=False, threads=1)
        monkeypatch.undo()
        assert (coarse.status, coarse.objective) == (truth.status, truth.objective)


@pytest.mark.parametrize("name", ["opt-350m-5-servers", "opt-350m-10-servers-layer-bound"])
def test_labels_close_what_the_flow_model_leaves_open(name):
    """On slow links the optimum is proven; the heuristics are never better."""
    instance = read(name)
    result = solve(instance, "labels", time_limit=120)
    assert result.status is Status.OPTIMAL
    for method in ("uniform-width", "greedy-bits", "quantize-then-place", "place-then-quantize"):
        found = solve(instance, method, isolate=False)
        assert found.objective is None or found.objective >= result.objective


def test_two_methods_prove_the_same_optimum():
    """Labels and HiGHS on 3 servers, 8 layers and a budget."""
    instance = generate("dilemma", "opt", seed=4, servers=3, layers=8)
    results = [solve(instance, method, time_limit=120) for method in ("labels", "highs")]
    assert {result.status for result in results} == {Status.OPTIMAL}
    assert results[0].objective == pytest.approx(results[1].objective, rel=1e-9)
