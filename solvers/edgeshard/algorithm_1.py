"""The paper's Algorithm 1: a dynamic programme over (layer, device) that treats memory as it goes.

As printed, three lines make it a heuristic that may return what is no placement:

- line 13 takes memory from device j whenever entry (i, j) improves, in a table whose entries belong to different
  placements, and again for each sender k that improves the same entry; the source's layer 0 never takes any;
- line 5 skips a device when ``Mem_j <= Req_i``, so a layer that fits exactly is refused;
- line 11 accepts ``t_total <= DP(i,j)``, which holds for two infinities: unreachable entries take memory too.

Two readings repair that. With memory kept per path (`run_path`) what it returns is a placement, and the recursion of Eq. 6
is still a heuristic: the shortest way to an entry may have filled the devices that the rest needs.

Source: Zhang, Cao, Shen and Cui (2024), Algorithm 1.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Run Algorithm 1 as printed.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return _algorithm_1(instance, context, once=False)


def run_once(instance: EdgeShardInstance, context: Context) -> Claim:
    """Run the kinder reading: each table entry takes memory once, if it was reached, and layer 0 takes its own.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return _algorithm_1(instance, context, once=True)


def run_path(instance: EdgeShardInstance, context: Context) -> Claim:
    """Run the kindest reading: each table entry keeps what memory its own path has left; exact fits are taken.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    costs = time_tables(instance)
    last, source = len(instance.layers) - 1, instance.source_index
    devices = np.arange(instance.cluster.size)
    need = [int(size) for size in instance.memory_bytes]
    table_s = np.full(len(devices), inf)
    left = np.tile(np.asarray(instance.cluster.memory_bytes, dtype=np.int64), (len(devices), 1))
    if left[source, source] >= need[0]:
        table_s[source] = costs.compute_s[0, source]
        left[source, source] -= need[0]
    choice = []
    for i in range(1, last + 1):
        # left[k, j]: what device j has left on the path that leads to the entry of device k
        total_s = np.where(left >= need[i], table_s[:, None] + costs.transfer_s(i - 1), inf)
        choice.append(total_s.argmin(axis=0))
        table_s = total_s[choice[-1], devices] + costs.compute_s[i]
        left = left[choice[-1]]
        left[devices, devices] -= need[i]
    table_s = table_s + costs.return_s
    device = int(table_s.argmin())
    if not isfinite(table_s[device]):
        return _nothing(context)
    placement = [device]
    for senders in reversed(choice):
        placement.append(int(senders[placement[-1]]))
    return Claim(Reason.FINISHED, tuple(reversed(placement)), float(table_s[device]), solve_s=context.elapsed)


def _nothing(context: Context) -> Claim:
    message = "the table has no finite entry for the last layer"
    return Claim(Reason.FINISHED, message=message, solve_s=context.elapsed)


def _algorithm_1(instance: EdgeShardInstance, context: Context, *, once: bool) -> Claim:
    costs = time_tables(instance)
    last, devices, source = len(instance.layers) - 1, range(instance.cluster.size), instance.source_index
    need = [int(size) for size in instance.memory_bytes]
    free = [int(size) for size in instance.cluster.memory_bytes]
    table = [[inf] * len(devices) for _ in need]
    choice: list[list[int]] = [[source] * len(devices) for _ in need]
    table[0][source] = float(costs.compute_s[0, source]) + (
        float(costs.return_s[source]) if last == 0 else 0.0
    )
    if once:
        free[source] -= need[0]
    for i in range(1, last + 1):
        hop_s = costs.transfer_s(i - 1)
        for j in devices:
            if free[j] <= need[i]:
                continue
            own_s = float(costs.compute_s[i, j]) + (float(costs.return_s[j]) if i == last else 0.0)
            for k in devices:
                total_s = table[i - 1][k] + own_s + float(hop_s[k, j])
                if total_s <= table[i][j]:
                    table[i][j] = total_s
                    choice[i][j] = k
                    if not once:
                        free[j] -= need[i]
            if once and isfinite(table[i][j]):
                free[j] -= need[i]

    device = min(devices, key=table[last].__getitem__)
    if not isfinite(table[last][device]):
        return _nothing(context)
    placement = [device]
    for i in range(last, 0, -1):
        placement.append(choice[i][placement[-1]])
    placement.reverse()
    return Claim(Reason.FINISHED, tuple(placement), table[last][device], solve_s=context.elapsed)
