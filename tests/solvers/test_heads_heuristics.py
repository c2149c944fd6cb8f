"""The head-level paper's algorithm and baselines on cases worked out by hand, and the method for long horizons."""

import dataclasses

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.head_migration import HeadMigrationInstance, HeadTransformer, Interval
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.head_migration import horizon
from placewise.solvers.head_migration.board import Board
from placewise.solvers.head_migration.resource_aware import ResourceAware, literal_score, residual_score


def network(memory, speeds, heads=4, **options):
    """At L = 65 a head takes 4 * 65 + 3 * 4 + 4 = 276 bytes, the projection 260, the network 1,040."""
    count = len(speeds)
    return HeadMigrationInstance(
        name="case",
        problem="head-migration",
        cluster=Cluster(
            tuple(f"d{j}" for j in range(count)),
            np.array(memory),
            np.full((count, count), 1e6),
            np.zeros((count, count)),
        ),
        transformer=HeadTransformer(heads, heads, bytes_per_parameter=1, ffn_flops_factor=8.0),
        memory_bytes=np.array([memory]),
        flops_per_s=np.array([speeds]),
        bandwidth_bytes_per_s=np.full((1, count, count), 1e6),
        **options,
    )


def test_equal_heads_follow_each_other():
    """Scored alone, all blocks go to the fastest device, though half of the heads would be faster elsewhere."""
    case = network([10**6, 10**6], [1e5, 0.9e5])
    literal = solve(case, "resource-aware", isolate=False)
    assert literal.placement == (Interval((0, 0, 0, 0), 0, 0),)
    residual = solve(case, "resource-aware-residual", isolate=False)
    assert set(residual.placement[0].heads) == {0, 1}
    assert residual.objective < literal.objective


def test_scores_by_hand():
    """Memory share, seconds of computing, seconds of sending: the largest."""
    case = network([1000, 10**6], [1e5, 1e5])
    board = Board(case, 0, None)
    head = case.transformer.units  # the projection
    assert literal_score(board, 0)[0] == pytest.approx((3 * 65 + 3 * 4 + 4) / 1000)
    board.put(head, 1)
    assert literal_score(board, 0)[1] == pytest.approx((3 * 65 * 4 + 65**2) / 1e5)
    assert residual_score(board, 0)[1] > literal_score(board, 0)[1]


def test_an_overloaded_device_passes_blocks_on():
    """Its best device is full: blocks that fit elsewhere make room, and the limit on moves stops that."""
    tight = network([1100, 2000], [1e5, 2e4])
    found = ResourceAware(tight, 0, None, literal_score).place()
    assert found is not None
    assert solve(tight, "resource-aware", isolate=False).status is Status.FEASIBLE
    impossible = network([600, 600], [1e5, 1e5])
    assert solve(impossible, "resource-aware", isolate=False).status is Status.NO_SOLUTION


def test_baselines_by_hand():
    """What each one does on three devices, the second the fastest."""
    case = network([10**6] * 3, [1e5, 3e5, 2e5])
    assert solve(case, "greedy", isolate=False).placement == (Interval((0, 0, 0, 0), 0, 0),)
    assert solve(case, "round-robin", isolate=False).placement == (Interval((0, 1, 2, 0), 1, 2),)
    for name in ("static", "dynamic", "edgeshard-like"):
        assert solve(case, name, isolate=False).placement == (Interval((1, 1, 1, 1), 1, 1),)
    assert solve(case, "galaxy-like", isolate=False).status is Status.FEASIBLE
    source = dataclasses.replace(case, controller=2)
    assert solve(source, "edgeshard-source", isolate=False).placement == (Interval((2, 2, 2, 2), 2, 2),)


def test_what_overflows_later_is_infeasible():
    """A placement that stays where it is breaks memory in a later interval, which is said, not hidden."""
    case = generate(
        "head-migration", "network", seed=1, devices=3, intervals=10, memory_factor=1.1, embedding_dim=64
    )
    result = solve(case, "round-robin", isolate=False)
    assert result.status is Status.NO_SOLUTION
    assert any(v.constraint == "memory" for v in result.violations)


def test_chunks_bound_and_meet_the_optimum(monkeypatch):
    """With models of two intervals at most: a bound below and a placement above what the whole horizon gives."""
    monkeypatch.setattr(horizon, "LARGEST_MODEL", 3 * 16 * 2)
    closed = 0
    for seed in range(1, 7):
        case = generate(
            "head-migration",
            "network",
            seed=seed,
            devices=4,
            heads=5,
            embedding_dim=40,
            intervals=9,
            low_gbps=0.01,
            high_gbps=0.05,
            background=0.6,
        )
        truth = solve(case, "lookahead", isolate=False)
        found = solve(case, "horizon", isolate=False)
        assert found.dual_bound <= truth.objective <= found.objective
        assert found.conflicts == ()
        closed += found.status is Status.OPTIMAL
    assert closed < 6


def test_heads_in_groups_are_placed():
    """Eight groups of four heads, by two exact methods."""
    case = generate(
        "head-migration",
        "network",
        seed=3,
        devices=3,
        heads=16,
        kv_heads=4,
        embedding_dim=64,
        intervals=3,
        background=0.5,
    )
    results = [solve(case, method, isolate=False) for method in ("lookahead", "counts-cp", "highs")]
    assert len({result.objective for result in results}) == 1
    assert len(results[0].placement[0].heads) == 4
    alone = dataclasses.replace(case, transformer=dataclasses.replace(case.transformer, kv_heads=None))
    assert solve(alone, "lookahead", isolate=False).objective != results[0].objective
