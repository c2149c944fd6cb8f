"""Times from a nanosecond to hours and memory from kilobytes to terabytes in one file: the same answer, or a refusal."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from placewise.benchmarks.agreement import ORACLE
from placewise.instances import to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.registry import PROBLEMS
from placewise.models.replicated.data import NodeType
from placewise.solvers import solve
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.evidence.result import Status
from placewise.solvers.registry import comparison_methods

SEEDS = range(16)
SHORTEST_S, LONGEST_S = -9, 4  # powers of ten
SMALLEST_BYTES, LARGEST_BYTES = 3, 12


def wide(problem, seed):
    """Return a tiny instance whose times and sizes are drawn by their magnitude."""
    chance = np.random.default_rng(seed)
    instance = generate(problem, "tiny", seed=seed)
    cluster, size = instance.cluster, instance.cluster.size

    def drawn(low, high, *shape):
        return 10.0 ** chance.uniform(low, high, size=shape)

    if problem.startswith("head-migration"):
        layer = getattr(instance, "layer", instance)
        scale = drawn(-4, 4, size)
        links = drawn(-4, 4, size, size)
        layer = replace(
            layer,
            flops_per_s=layer.flops_per_s * scale,
            bandwidth_bytes_per_s=layer.bandwidth_bytes_per_s * links,
        )
        return replace(instance, layer=layer) if hasattr(instance, "layer") else layer
    if problem == "dilemma":
        layers = tuple(
            replace(
                layer,
                flops=float(drawn(0, 13)),
                parameters=int(drawn(3, 11.5)),
                output_elements=float(drawn(0, 8)),
            )
            for layer in instance.layers
        )
        memory = np.floor(drawn(10, LARGEST_BYTES, size))
        rates = drawn(9, 13, size)
        links = cluster.bandwidth_bytes_per_s * drawn(2, 8, size, size)
        cluster = replace(cluster, memory_bytes=memory, flops_per_s=rates, bandwidth_bytes_per_s=links)
        return replace(instance, layers=layers, cluster=cluster)
    if problem == "replicated-throughput":
        kinds = [
            NodeType(kind.name, [rate * float(drawn(-3, 3)) for rate in kind.tokens_per_s])
            for kind in instance.node_types
        ]
        links = cluster.bandwidth_bytes_per_s * drawn(-3, 3, size, size)
        return replace(instance, node_types=kinds, cluster=replace(cluster, bandwidth_bytes_per_s=links))
    if problem.startswith("graph"):
        needs = np.floor(drawn(SMALLEST_BYTES, LARGEST_BYTES - 0.5, len(instance.nodes))).astype(int)
        return replace(
            instance,
            nodes=tuple(
                replace(node, memory_bytes=int(need))
                for node, need in zip(instance.nodes, needs, strict=True)
            ),
            messages=tuple(replace(m, time_s=float(drawn(SHORTEST_S, LONGEST_S))) for m in instance.messages),
            compute_time_s=drawn(SHORTEST_S, LONGEST_S, *instance.compute_time_s.shape),
            cluster=replace(cluster, memory_bytes=np.floor(drawn(LARGEST_BYTES - 2, LARGEST_BYTES, size))),
        )
    needs = np.floor(drawn(SMALLEST_BYTES, LARGEST_BYTES - 0.5, len(instance.layers))).astype(int)
    layers = tuple(
        replace(layer, memory_bytes=int(need)) for layer, need in zip(instance.layers, needs, strict=True)
    )
    times = instance.compute_time_s
    spread = drawn(SHORTEST_S, LONGEST_S, *times.shape[-2:])
    return replace(
        instance,
        layers=layers,
        compute_time_s=np.broadcast_to(spread, times.shape),
        cluster=replace(
            cluster,
            memory_bytes=np.floor(drawn(LARGEST_BYTES - 2, LARGEST_BYTES, size)),
            bandwidth_bytes_per_s=cluster.bandwidth_bytes_per_s * drawn(-3, 9, size, size),
        ),
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_wide_ranges_agree_or_are_refused(problem):
    """Every method: the optimum to 1e-6, a gap that is said, or a reason why not; never something else."""
    counts, refusals = Counter(), []
    for seed in SEEDS:
        try:
            instance = wide(problem, seed)
            truth = solve(instance, ORACLE, isolate=False)
        except InstanceError as refusal:
            refusals.append(str(refusal))
            counts["instance refused"] += 1
            continue
        assert to_document(from_document(to_document(instance))) == to_document(instance)
        counts[truth.status.value] += 1
        results = [truth]
        for method in comparison_methods(problem):
            if method.missing or method.name == ORACLE:
                continue
            try:
                result = solve(instance, method.name, isolate=False, threads=1)
            except NotApplicableError as refusal:
                refusals.append(str(refusal))
                continue
            results.append(result)
            if result.guarantee is not Guarantee.EXACT:
                continue
            if truth.objective is None:
                assert result.status is Status.INFEASIBLE, (seed, method.name)
            else:
                assert result.objective == pytest.approx(truth.objective, rel=1e-6), (seed, method.name)
                if (
                    result.status is not Status.OPTIMAL
                ):  # CP-SAT's whole numbers are coarse there, and its bound says so
                    assert "cp" in method.name, (seed, method.name, result)
                    assert result.dual_bound <= truth.objective
        assert find_conflicts(results) == [], seed
    unclear = [
        reason
        for reason in refusals
        if not re.search("too wide a range|too far apart|needs|takes|for the mode|no two devices", reason)
    ]
    assert unclear == []
    assert counts["optimal"] >= 4
    assert counts["instance refused"] < len(SEEDS)
