"""Chains of devices under priced visits: against enumeration, beside CP-SAT, and piece by piece."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.instances.generators import generate
from placewise.models.edgeshard import evaluate_latency
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard import chain_search, cpsat, equal_chains
from placewise.solvers.edgeshard.chain_labels import ChainLabels
from placewise.solvers.edgeshard.priced_visits import PricedPaths
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.registry import default_method


def drawn(seed, **changes):
    """Return a tiny instance."""
    return replace(generate("edgeshard-latency", "slow-source", seed=seed), **changes)


def best_chain_s(chains):
    """Return the least cost of a chain by enumeration of the orders, and of the numbers of layers by a table."""
    best = np.inf
    size = len(chains.devices)
    for length in range(size):
        for order in permutations(range(1, size), length):
            cost = np.full(chains.total + 1, np.inf)
            cost[0] = 0.0
            path = (0, *order)
            for position, device in enumerate(path):
                last = position == length
                least = (chains.last_least if last else chains.least)[device]
                most = (chains.last_most if last else chains.most)[device]
                hop_s = chains.hop_s[path[position - 1], device] if position else 0.0
                after = np.full(chains.total + 1, np.inf)
                for count in range(least, min(most, chains.total) + 1):
                    taken = cost[: chains.total + 1 - count] + hop_s + count * chains.time_s[device]
                    after[count:] = np.minimum(after[count:], taken)
                cost = after
            best = min(best, cost[-1] + chains.close_s[path[-1]])
    return best


def test_every_placement_is_worth_what_enumeration_says():
    """With ends elsewhere, rules and free sources; by beams so narrow that they widen, and by the usual ones."""
    told = Counter()
    for seed in range(35):
        changes = [{}, {"rules": Rules(contiguous=True)}, {"source": None}][seed % 7 % 3]
        assert judge(drawn(seed, **changes), ["equal-chains"], told) == []
    assert told["equal-chains", "exact: optimal"] >= 15
    assert told["equal-chains", "exact: infeasible"] >= 3


def test_narrow_beams_widen(monkeypatch):
    """A beam of one label misses chains, says so, and the next ones find them."""
    monkeypatch.setattr(chain_search, "WIDTHS", (1, 3, 100, 10_000))
    monkeypatch.setattr(chain_search, "FIRST_WIDTH", 1)
    monkeypatch.setattr(chain_search, "STEPS", 1)
    monkeypatch.setattr(equal_chains, "LARGEST_CIRCUIT", 0)
    told = Counter()
    for seed in range(200, 240):
        assert judge(drawn(seed), ["equal-chains"], told) == []
    assert told["equal-chains", "exact: optimal"] >= 15


def test_prices_bound_and_memory_of_visits_only_raises_the_bound():
    """At any prices, for any devices remembered; what a path through a device costs at least bounds that, too."""
    draw = np.random.default_rng(5)
    tried = 0
    for seed in range(40):
        chains = equal_chains.own_chains(drawn(seed))
        size, best_s = len(chains.devices), best_chain_s(chains)
        price_s = np.where(np.arange(size) > 0, draw.integers(0, 3, size) / 16, 0.0)
        plain = PricedPaths(chains, price_s)
        assert plain.bound_s <= best_s
        assert plain.through_s()[0].min() <= best_s
        some = tuple(range(1, min(size, 3)))
        remembered = PricedPaths(chains, np.where(np.isin(np.arange(size), some), 0.0, price_s), some)
        assert remembered.bound_s <= best_s
        every = PricedPaths(chains, np.zeros(size), tuple(range(1, size)))
        assert every.bound_s == best_s  # nothing is left to be visited twice
        if np.isfinite(best_s):
            assert every.visits().max(initial=0) <= 1
            for paths in (plain, remembered, every):
                found = ChainLabels(paths, Context(Parameters())).search(np.inf, 1_000_000)
                assert found.cost_s == best_s
            tried += 1
    assert tried >= 15


@pytest.mark.parametrize(("devices", "optimum_s"), [(15, 1.2915666), (30, 1.1998760)])
def test_the_testbed_is_proven(devices, optimum_s):
    """With 70B, where CP-SAT found the same."""
    instance = generate("edgeshard-latency", "testbed", seed=1, model="llama2-70b", devices=devices)
    assert default_method(instance).name == "equal-chains"
    claim = equal_chains.run(instance, Context(Parameters(relative_gap=0.0)))
    assert claim.reason is Reason.OPTIMAL
    assert claim.objective == pytest.approx(optimum_s, abs=1e-7)
    assert claim.dual_bound == pytest.approx(claim.objective, rel=1e-12)
    assert evaluate_latency(instance, claim.placement).objective == pytest.approx(claim.objective, rel=1e-12)


def test_cp_sat_goes_on_where_a_gap_stays(monkeypatch):
    """After one narrow beam, with the same optimum."""
    instance = generate("edgeshard-latency", "testbed", seed=2, model="llama2-13b", devices=8)
    right = cpsat.latency(instance, Context(Parameters(relative_gap=0.0))).objective
    monkeypatch.setattr(chain_search, "STEPS", 0)
    monkeypatch.setattr(chain_search, "WIDTHS", (1, 1, 1, 1))
    monkeypatch.setattr(chain_search, "MOST_REMEMBERED", 0)
    monkeypatch.setattr(equal_chains, "BEFORE_CIRCUIT", 1)
    claim = equal_chains.run(instance, Context(Parameters(relative_gap=0.0)))
    assert "CP-SAT" in claim.message
    assert claim.reason is Reason.OPTIMAL
    assert claim.objective == pytest.approx(right, rel=1e-12)


def test_without_time_there_is_a_bound_and_a_placement():
    """The greedy one, and what no prices say."""
    instance = generate("edgeshard-latency", "testbed", seed=1, model="llama2-70b", devices=15)
    claim = equal_chains.run(instance, Context(Parameters(time_limit=1e-9)))
    assert claim.reason is Reason.LIMIT
    assert evaluate_latency(instance, claim.placement).feasible
    assert 0.3 < claim.dual_bound <= claim.objective


def test_what_it_says_nothing_about(monkeypatch):
    """Unequal layers, tables that are too large; shortcuts make it a restriction."""
    with pytest.raises(NotApplicableError, match="layer 2 differs"):
        equal_chains.guarantee(generate("edgeshard-latency", "testbed", seed=1, spread=0.1))
    found = {
        equal_chains.guarantee(generate("edgeshard-latency", "tiny", kind="equal", seed=s)) for s in range(20)
    }
    assert found == {Guarantee.EXACT, Guarantee.RESTRICTION}
    monkeypatch.setattr(equal_chains, "LARGEST_TABLE", 10)
    with pytest.raises(NotApplicableError, match="steps from state to state"):
        equal_chains.guarantee(generate("edgeshard-latency", "testbed", seed=1))
