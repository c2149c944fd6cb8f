"""Algorithm 1 as printed fails in three ways; each has a smallest example that ships."""

import pytest

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


@pytest.mark.parametrize("method", ["algorithm-1", "algorithm-1-once"])
def test_it_misses_a_feasible_placement(method):
    """A device that a layer fills exactly is skipped."""
    instance = read(f"{method}-misses")
    assert solve(instance, "brute-force", isolate=False).status is Status.OPTIMAL
    result = solve(instance, method, isolate=False)
    assert (result.status, result.placement) == (Status.NO_SOLUTION, None)


@pytest.mark.parametrize(
    ("method", "best", "found"), [("algorithm-1", 3.0, 4.0), ("algorithm-1-once", 4.0, 6.0)]
)
def test_it_is_suboptimal(method, best, found):
    """It returns a feasible placement that costs more than the optimum."""
    instance = read(f"{method}-suboptimal")
    assert solve(instance, "brute-force", isolate=False).objective == best
    assert solve(instance, method, isolate=False).objective == found


def test_it_breaks_memory():
    """It returns what is no placement, although there is one."""
    instance = read("algorithm-1-infeasible")
    assert solve(instance, "brute-force", isolate=False).objective == 3.0
    result = solve(instance, "algorithm-1", isolate=False)
    assert result.status is Status.NO_SOLUTION
    assert result.violations[0].message == "a needs 3 bytes and has 2: 1 too many (Eq. 5)"
    assert not result.conflicts


def test_memory_kept_per_path_holds_and_is_still_a_heuristic():
    """On tiny instances what it returns fits, is never below the optimum, and is above it or missing on some."""
    seen = {"optimal": 0, "worse": 0, "missed": 0}
    for seed in range(150):
        instance = generate("edgeshard-latency", "tiny", seed=seed)
        truth = solve(instance, "brute-force", isolate=False)
        result = solve(instance, "algorithm-1-path", isolate=False)
        assert not result.violations
        assert not result.conflicts
        if truth.objective is None:
            assert result.objective is None
        elif result.objective is None:
            seen["missed"] += 1
        else:
            assert result.objective >= truth.objective
            seen["optimal" if result.objective == truth.objective else "worse"] += 1
    assert min(seen.values()) > 0
    assert seen["optimal"] > seen["worse"] + seen["missed"]


def test_a_layer_that_fits_exactly_is_taken():
    """Where the other readings skip the device."""
    instance = read("algorithm-1-misses")
    best = solve(instance, "brute-force", isolate=False).objective
    assert solve(instance, "algorithm-1-path", isolate=False).objective == best


@pytest.mark.parametrize("method", ["algorithm-1-once", "algorithm-1-path"])
def test_readings_find_the_optimum_where_memory_is_plentiful(testbed_7b, method):
    """Without binding memory the recursion of Eq. 6 is a shortest path, and right."""
    import dataclasses

    import numpy as np

    roomy = dataclasses.replace(
        testbed_7b, cluster=dataclasses.replace(testbed_7b.cluster, memory_bytes=np.full(15, 2**45))
    )
    assert solve(roomy, method).objective == solve(roomy).objective
