"""The best placements known are what they are said to be, and the default methods still find them."""

import pytest

from placewise.benchmarks.best_known import best_known, faults, regressions
from placewise.instances import read, shipped_instances
from placewise.solvers import solve
from placewise.solvers.registry import find_method

KNOWN = best_known()
#: Found in less time than this when they were stored: solved again here.
QUICK_S = 5.0
QUICK = [name for name, entry in KNOWN.items() if entry["seconds"] < QUICK_S]


def test_every_shipped_instance_has_an_entry():
    """And nothing else has one."""
    assert set(KNOWN) == set(shipped_instances())
    assert len(QUICK) > 20


@pytest.mark.parametrize("name", KNOWN)
def test_entries_are_evaluated_anew(name):
    """The stored placement is feasible and costs the stored value to the last bit."""
    assert faults(name, KNOWN[name]) == []


@pytest.mark.parametrize("name", QUICK)
def test_quality_does_not_regress(name):
    """The default method finds what is known, and proves it where that was proven."""
    assert regressions(solve(read(name), isolate=False, time_limit=60), KNOWN[name]) == []


def test_worse_results_are_regressions():
    """A heuristic's value, a lost proof and a bound above what is known are all named."""
    name = "llama2-7b-testbed"
    greedy = solve(read(name), "greedy", isolate=False)
    assert len(regressions(greedy, KNOWN[name])) == 2
    better = KNOWN[name] | {"objective": KNOWN[name]["objective"] * 0.9}
    assert any("claims the bound" in line for line in regressions(solve(read(name), isolate=False), better))
    assert faults(name, better)


def test_packages_offer_methods(tmp_path, monkeypatch):
    """An entry point adds a heuristic to the methods of its problem; nothing else changes."""
    from placewise.solvers import registry

    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[placewise.methods]\nedgeshard-latency.all-at-home = planted:good\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.user_methods.cache_clear()
    try:
        result = solve(read("hand-stay-home"), "all-at-home", isolate=False)
        assert (result.method, result.objective) == ("all-at-home", 13.0)
        assert "all-at-home" in registry.methods_of("edgeshard-latency")
        assert find_method("dilemma", "highs").function is None
        assert "all-at-home" not in registry.methods_of("dilemma")
    finally:
        registry.user_methods.cache_clear()
