"""The latency DP repaired: each label keeps the memory that its own path has used, so Eq. 5 holds for it.

Best first: the next label is the one whose cost so far plus a Lagrangian completion bound is least, so the first
unexpanded bound is a dual bound at any time. Exact for any layers and links, revisits included.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.edgeshard.cost import latency_costs
from placewise.solvers.algorithms.edgeshard_baselines import cloud_edge_opt, greedy
from placewise.solvers.algorithms.edgeshard_lagrangian import best_bound
from placewise.solvers.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.run import Run

#: Labels kept at most, about 2 GB.
LARGEST_COUNT = 3_000_000


def run(instance: EdgeShardInstance, run: Run) -> Claim:
    """Search the labels until none can beat the incumbent."""
    costs, source = latency_costs(instance), instance.source
    need = [int(size) for size in instance.memory_bytes]
    budget = tuple(int(size) for size in instance.cluster.memory_bytes)
    last = len(need) - 1
    if need[0] > budget[source]:
        return Claim(Reason.INFEASIBLE, message="layer 0 does not fit on the source", solve_s=run.elapsed)

    incumbent, upper = _first_incumbent(instance, run)
    root = best_bound(instance, run, upper)
    price = [float(value) for value in root.price_s]
    to_go = root.to_go_s.tolist()
    compute = costs.compute_s.tolist()
    hop = [matrix.tolist() for matrix in costs.messages_s]
    message = costs.message.tolist()
    returns = costs.return_s.tolist()
    devices = range(len(budget))
    least = [min(need[i + 1 :], default=0) for i in range(len(need))]
    rest = [sum(need[i + 1 :]) for i in range(len(need))]

    def canonical(i: int, free: tuple[int, ...]) -> tuple[int, ...]:
        """Free memory as later layers see it: too little for any is none, more than all need is all."""
        return tuple(0 if space < least[i] else min(space, rest[i]) for space in free)

    # A label: bound, tie-break, layer, device, cost so far, free memory, parent label.
    free = tuple(space - need[0] if j == source else space for j, space in enumerate(budget))
    labels: list[tuple[int, int]] = [(source, -1)]
    heap: list[tuple[float, int, int, int, float, tuple[int, ...]]] = []
    heapq.heappush(heap, (root.dual_bound, 0, 0, source, compute[0][source], free))
    seen: dict[tuple[int, int, tuple[int, ...]], float] = {}
    half_tick = costs.tick_s / 2
    if last == 0:
        incumbent, upper = (source,), compute[0][source] + returns[source]
        heap.clear()
    popped = 0
    while heap and heap[0][0] < upper - half_tick:
        popped += 1
        if popped % 256 == 0 and (not run.remaining or len(labels) > LARGEST_COUNT):
            message_text = (
                "stopped by the time limit" if not run.remaining else f"stopped at {LARGEST_COUNT:,} labels"
            )
            objective = None if incumbent is None else upper
            return Claim(Reason.LIMIT, incumbent, objective, heap[0][0], message_text, solve_s=run.elapsed)
        bound, label, i, device, so_far, free = heapq.heappop(heap)
        run.report(dual_bound=bound)
        if seen.get((i, device, free), so_far) < so_far:
            continue  # a cheaper path to the same state came later
        row = hop[message[i]][device]
        for j in devices:
            space = free[j] - need[i + 1]
            cost = so_far + row[j] + compute[i + 1][j]
            if space < 0 or not cost < upper:
                continue
            if i + 1 == last:
                if cost + returns[j] < upper:
                    incumbent, upper = (*_path(labels, label), j), cost + returns[j]
                    run.report(objective=upper, placement=incumbent)
                continue
            left = canonical(i + 1, (*free[:j], space, *free[j + 1 :]))
            key = (i + 1, j, left)
            if seen.get(key, np.inf) <= cost:
                continue
            lower = cost + to_go[i + 1][j] - sum(p * f for p, f in zip(price, left, strict=True))
            lower = max(lower, bound)
            if lower < upper - half_tick:
                seen[key] = cost
                labels.append((j, label))
                heapq.heappush(heap, (lower, len(labels) - 1, i + 1, j, cost, left))

    if incumbent is None or not np.isfinite(upper):
        return Claim(Reason.INFEASIBLE, message="no label reaches the last layer", solve_s=run.elapsed)
    return Claim(Reason.OPTIMAL, incumbent, upper, upper, f"{popped:,} labels expanded", solve_s=run.elapsed)


def _first_incumbent(instance: EdgeShardInstance, run: Run) -> tuple[tuple[int, ...] | None, float]:
    best: tuple[Any, float] = (None, np.inf)
    for heuristic in (greedy, cloud_edge_opt):
        claim = heuristic(instance, run)
        if claim.placement is not None and claim.objective is not None and claim.objective < best[1]:
            best = (claim.placement, claim.objective)
            run.report(objective=claim.objective, placement=claim.placement)
    return best


def _path(labels: list[tuple[int, int]], label: int) -> tuple[int, ...]:
    path = []
    while label >= 0:
        device, label = labels[label]
        path.append(device)
    return tuple(reversed(path))
