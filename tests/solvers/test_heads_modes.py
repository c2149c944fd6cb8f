"""Modes of the heads' delay: what they allow by loops, the statement on them against others, and how strong it is."""

import dataclasses

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.errors import NotApplicableError
from placewise.models.head_migration.cost import capacities, head_costs
from placewise.models.head_migration.modes import modes_milp, modes_of
from placewise.models.registry import PROBLEMS
from placewise.solvers.backends.highs import minimise
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.matrix import MatrixContext
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.solve import solve


def network(seed, **options):
    """Return a network in which devices slow down and moves are dear."""
    sizes = {"devices": 4, "heads": 5, "embedding_dim": 40, "intervals": 4} | options
    sizes = {"low_gbps": 0.001, "high_gbps": 0.01, "burst_share": 0.5, "background": 0.8} | sizes
    return generate("head-migration", "network", seed=seed, **sizes)


@pytest.mark.parametrize("family", ["tiny", "network"])
def test_what_modes_allow(family):
    """By loops over devices and numbers of heads: every limit with room for all, and the most heads within it."""
    for seed in range(20):
        instance = generate("head-migration", "tiny", seed=seed) if family == "tiny" else network(seed)
        costs, modes, heads = head_costs(instance), modes_of(instance), instance.transformer.units
        useful = modes.useful()
        for t, p in np.ndindex(*modes.limit_s.shape[:2]):
            fits = capacities(instance, t)
            rooms = [int(fits[int(j == p), 0][j]) for j in range(instance.cluster.size)]
            took = {
                (j, n): costs.slope_s[t, j, p] * n + costs.fixed_s[t, j, p]
                for j, room in enumerate(rooms)
                for n in range(1, room + 1)
            }
            limits = sorted({time for time in took.values() if np.isfinite(time)})
            expected = {}
            for limit in limits:
                room = [
                    max((n for n in range(1, rooms[j] + 1) if took[j, n] <= limit), default=0)
                    for j in range(instance.cluster.size)
                ]
                if sum(room) >= heads:
                    expected[limit] = room
            if rooms[p] < 0:
                expected = {}
            found = {
                float(modes.limit_s[t, p, k]): modes.room(t, p, k).tolist()
                for k in np.flatnonzero(useful[t, p])
            }
            assert found == expected


def relaxed_s(instance, formulation):
    """Return the optimum of a statement's relaxation, in seconds."""
    matrix = lower(PROBLEMS[instance.problem].formulations[formulation].build(instance))
    relaxed = dataclasses.replace(matrix, integer=np.zeros_like(matrix.integer))
    context = MatrixContext(Parameters(threads=1), 60.0, None, lambda _: None, lambda _: None)
    result = minimise(relaxed, context)
    return matrix.unscaled(float(matrix.cost @ result.values)) / 1e3


def test_modes_are_the_stronger_statement():
    """Its relaxation is above that of the counts, and below the optimum that dynamic programming finds."""
    for seed in range(4):
        instance = network(seed)
        best_s = solve(instance, "lookahead", isolate=False).objective
        by_modes, by_counts = relaxed_s(instance, "modes"), relaxed_s(instance, "counts")
        assert by_counts < by_modes <= best_s * (1 + 1e-6)
        assert best_s - by_modes < (best_s - by_counts) / 2


@pytest.mark.parametrize(
    "options", [{}, {"memory_factor": 1.35}, {"kv_heads": 1, "heads": 4}, {"intervals": 1}]
)
def test_the_statement_agrees_with_dynamic_programming(options):
    """On networks whose memory binds or not, with groups of heads, and from the placement before."""
    for seed in range(2):
        instance = network(seed, **options)
        truth = solve(instance, "lookahead", isolate=False)
        found = solve(instance, "highs/modes", isolate=False, threads=1)
        assert (found.status, found.objective) == (truth.status, truth.objective)


def test_too_many_modes_are_refused():
    """What cannot be listed is named with its number."""
    with pytest.raises(NotApplicableError, match=r"20,000 modes; there are 23,865"):
        modes_milp(network(0, devices=5, heads=32, intervals=37, embedding_dim=64))
