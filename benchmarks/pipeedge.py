"""PipeEdge's boards: the proven bottleneck, its time, and how far above it the plan of PipeEdge's scheduler is.

Its scheduler fills the same table over counts per type. As shipped, the list that it reads by type holds one entry per
host, so every type has the first one's times, memory and links; `shipped_plan` follows that, ties included.

``python -m placewise.benchmarks.pipeedge``
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from placewise.instances.generators.pipeedge import measured
from placewise.models.edgeshard import evaluate_throughput
from placewise.models.edgeshard.cost import time_tables
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardThroughput

#: Model and boards of each type.
BASE, LARGE = "vit-base", "vit-large"
SIZES = [(BASE, n, m) for n, m in ((4, 4), (8, 8), (10, 9), (10, 10), (12, 12), (16, 16))]
SIZES += [(LARGE, n, n) for n in (8, 16, 32)]


def shipped_plan(instance: EdgeShardThroughput, counts: tuple[int, int]) -> tuple[int, ...]:
    """Return the placement that PipeEdge's scheduler chooses as shipped.

    Parameters
    ----------
    instance : EdgeShardThroughput
        The source, and boards of two types.
    counts : tuple of int
        How many of each type; the first at least 2.
    """
    costs = time_tables(instance)
    before = np.concatenate([[0.0], np.cumsum(costs.compute_s[1:, 1])])  # of the first board, for both types
    layers = len(before) - 1
    hop_s = np.array([0.0, *(costs.transfer_s(i)[1, 2] for i in range(1, layers)), 0.0])
    shape = (layers + 1, counts[0] + 1, counts[1] + 1, 2)  # layers done, boards used, type of the next one
    value = np.full(shape, np.inf)
    value[0, 0, 0] = 0.0
    parent = np.full((*shape, 2), -1)
    best_s, best = np.inf, (0, 0, 0, 0)
    for i in range(layers):
        # Of equal plans it keeps the first: the second type's board is added to the smaller code.
        for own in (1, 0):
            room = tuple(slice(0, n if kind == own else n + 1) for kind, n in enumerate(counts))
            moved = tuple(
                slice(1, n + 1) if kind == own else slice(0, n + 1) for kind, n in enumerate(counts)
            )
            for j in range(i + 1, layers):
                cost = np.maximum(value[i][room][..., own], max(before[j] - before[i], hop_s[j]))
                for following in (0, 1):
                    target = value[j][moved][..., following]
                    free = np.ones(cost.shape, dtype=bool)  # boards of the next type are left
                    if following != own:
                        free[(slice(None),) * following + (slice(counts[following], None),)] = False
                    better = free & (cost < target)
                    target[better] = cost[better]
                    parent[j][moved][..., following, :][better] = (i, own)
        for b in range(counts[1] + 1):  # by code, the first type's count running first
            for a in range(counts[0] + 1):
                for own in (0, 1):
                    if (a, b)[own] < counts[own]:
                        total = max(float(value[i, a, b, own]), float(before[-1] - before[i]))
                        if total < best_s:
                            best_s, best = total, (i, a, b, own)
    stages = []
    layer, a, b, own = best
    end = layers
    while True:
        stages.append((own, layer, end))
        if not layer:
            break
        end = layer
        layer, own = (int(x) for x in parent[layer, a, b, own])
        a, b = a - (own == 0), b - (own == 1)
    left = [iter(range(1, counts[0] + 1)), iter(range(counts[0] + 1, sum(counts) + 1))]
    placement = [instance.source_index]
    for own, layer, end in reversed(stages):
        placement += [next(left[own])] * (end - layer)
    return tuple(placement)


def main() -> int:
    """Print a line per size."""
    print(
        f"{'model':10} {'boards':>7} {'method':8} {'status':9} {'bottleneck s':>12} {'solve s':>8} {'in all s':>8} {'as shipped':>11}"
    )
    for model, first, second in SIZES:
        instance = measured(model=model, minnowboards=first, rccs=second)
        began = perf_counter()
        result = solve(instance)
        whole_s = perf_counter() - began
        plan = evaluate_throughput(instance, shipped_plan(instance, (first, second)))
        assert result.objective is not None
        assert plan.objective is not None
        print(
            f"{model:10} {first:>3}+{second:<3} {result.method:8} {result.status.value:9} {result.objective:12.6f} "
            f"{result.solve_s:8.3f} {whole_s:8.2f} {plan.objective / result.objective - 1:+11.1%}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
