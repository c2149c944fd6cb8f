"""Exact algorithms whose time ends anywhere: what they state then is true all the same."""

import math
from functools import cache

import pytest

from placewise.instances.generators import generate
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.registry import methods_of

ALGORITHMS = [
    ("edgeshard-latency", "labels"),
    ("edgeshard-throughput", "thresholds"),
    ("edgeshard-throughput", "algorithm-2-repaired"),
    ("dilemma", "tables"),
    ("head-migration", "step"),
    ("head-migration", "lookahead"),
    ("head-migration", "horizon"),
    ("head-migration", "modes"),
]
LOOKS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20)


class CountedRun(Context):
    """A run whose time is over after so many looks at the clock."""

    def __init__(self, looks, report):
        super().__init__(Parameters(threads=1), report=report)
        self.left = looks

    @property
    def elapsed(self):
        """Return nothing so far, or all the time there is."""
        self.left -= 1
        return 0.0 if self.left >= 0 else 1e9


@cache
def tiny(problem, seed):
    instance = generate(problem, "tiny", seed=seed)
    return instance, solve(instance, "brute-force", isolate=False).objective


def claims(problem, method, seeds):
    """Yield instance, optimum and claim, for every end of time."""
    for seed in range(seeds):
        instance, optimum = tiny(problem, seed)
        for looks in LOOKS:
            run = methods_of(problem)[method].algorithm.run
            steps = []
            claim = run(instance, CountedRun(looks, steps.append))
            for step in steps:
                if step.placement is not None:  # what a worker leaves behind when it is ended
                    evaluation = PROBLEMS[problem].evaluate(instance, step.placement)
                    assert evaluation.feasible
                    assert evaluation.objective == step.objective
                assert step.dual_bound is None or optimum is None or step.dual_bound <= optimum * (1 + 1e-9)
            yield instance, optimum, claim


@pytest.mark.parametrize(("problem", "method"), ALGORITHMS)
def test_what_is_stated_is_true_whenever_time_ends(problem, method):
    """Bounds below the optimum, placements that cost what is said, proofs only of what is so."""
    for instance, optimum, claim in claims(problem, method, 10):
        best = math.inf if optimum is None else optimum
        if claim.dual_bound is not None:
            assert claim.dual_bound <= best * (1 + 1e-9)
        if claim.placement is not None and claim.objective is not None:
            evaluation = PROBLEMS[problem].evaluate(instance, claim.placement)
            assert evaluation.feasible
            assert evaluation.objective == claim.objective
        if claim.reason is Reason.OPTIMAL:
            assert claim.objective == optimum
        if claim.reason is Reason.INFEASIBLE:
            assert optimum is None


def test_a_bisection_that_is_stopped_states_what_it_refuted():
    """Its bound is the next candidate above the last threshold that failed: below its placement, often above nothing."""
    stopped = [
        (claim, optimum)
        for _, optimum, claim in claims("edgeshard-throughput", "thresholds", 20)
        if claim.reason is Reason.LIMIT
    ]
    assert any(claim.dual_bound is None for claim, _ in stopped)
    assert any(claim.dual_bound is not None for claim, _ in stopped)
    assert all(claim.placement is not None for claim, _ in stopped)
