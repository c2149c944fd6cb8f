"""The reductions of docs/hardness.md on all small graphs, and on random partitions and knapsacks: one LLM is enough."""

import random
from itertools import combinations, pairwise, permutations, product

import pytest

from placewise import Cluster, Device, Dilemma, EdgeShardLatency, Layer, QuantizableLayer, solve
from placewise.solvers.evidence.result import Status

#: All graphs on four vertices.
PAIRS = [frozenset(pair) for pair in combinations(range(4), 2)]
GRAPHS = [
    {pair for pair, there in zip(PAIRS, choice, strict=True) if there} for choice in product((0, 1), repeat=6)
]


def rates(size, edges, slow=0.5):
    return [
        [0 if i == j else 1 if frozenset((i, j)) in edges else slow for j in range(size)] for i in range(size)
    ]


def has_path(size, edges):
    return any(all(frozenset(hop) in edges for hop in pairwise(order)) for order in permutations(range(size)))


@pytest.mark.parametrize("mode", ["as-printed", "corrected"])
def test_a_hamiltonian_path_is_one_llm(mode):
    """Four seconds of computing, and one per hop along edges: less is not possible, and all of it exactly then."""
    layer = QuantizableLayer("layer", 1, 1, 1, 8)
    found = 0
    for edges in GRAPHS:
        cluster = Cluster(
            devices=[Device("server", 1, flops_per_s=1) * 4], bandwidth_bytes_per_s=rates(4, edges)
        )
        case = Dilemma(cluster, [layer * 4], (8,), [[0.0]] * 4, mode=mode)
        result = solve(case, isolate=False)
        assert result.status is Status.OPTIMAL
        assert (result.objective == 4 + 3) == has_path(4, edges)
        found += has_path(4, edges)
    assert 0 < found < len(GRAPHS)


def test_a_hamiltonian_path_is_edgeshards_latency():
    """The source is joined to every other device."""
    for edges in GRAPHS:
        joined = edges | {frozenset((4, j)) for j in range(4)}
        cluster = Cluster(devices=[Device("device", 1) * 5], bandwidth_bytes_per_s=rates(5, joined))
        case = EdgeShardLatency(cluster, [Layer("layer", 1, 1) * 5], source=4, compute_time_s=[[1.0] * 5] * 5)
        result = solve(case, isolate=False)
        assert (result.objective == 5 + 4) == has_path(4, edges)


def test_a_partition_is_one_llm():
    """Two servers of half the storage, links that cost nothing: there is a plan where the sizes split evenly."""
    draw, found = random.Random(1), 0
    for _ in range(30):
        sizes = [draw.randint(1, 9) for _ in range(5)]
        half, odd = divmod(sum(sizes), 2)
        splits = not odd and any(
            sum(part) == half for count in range(6) for part in combinations(sizes, count)
        )
        cluster = Cluster(devices=[Device("server", half, flops_per_s=1) * 2], bandwidth_bytes_per_s=1e9)
        layers = [QuantizableLayer("layer", 1, size, 0, 8) for size in sizes]
        case = Dilemma(cluster, layers, (8,), [[0.0]] * 5)
        assert (solve(case, isolate=False).status is Status.OPTIMAL) == splits
        found += splits
    assert 0 < found < 30


def test_a_knapsack_is_one_llm_on_one_server():
    """Layers with 8 bits take their work, with 4 half of it: the best ones to halve within a budget of errors."""
    draw = random.Random(2)
    for _ in range(30):
        work = [draw.randint(1, 9) for _ in range(5)]
        error = [draw.randint(1, 9) for _ in range(5)]
        budget = draw.randint(0, sum(error))
        saved = max(
            sum(work[item] for item in chosen)
            for count in range(6)
            for chosen in combinations(range(5), count)
            if sum(error[item] for item in chosen) <= budget
        )
        layers = [QuantizableLayer("layer", flops, 1, 0, 8) for flops in work]
        cluster = Cluster(devices=[Device("server", 5, flops_per_s=1)], bandwidth_bytes_per_s=1)
        case = Dilemma(cluster, layers, (4, 8), [[e, 0] for e in error], error_budget=float(budget))
        assert solve(case, isolate=False).objective == sum(work) - saved / 2
