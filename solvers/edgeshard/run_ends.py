"""The best ends of the runs along given devices, one of which may come twice: a dynamic programme over layer and first run.

Where every device comes once its runs only have to fit alone. Where one comes twice, the state remembers its first run,
which says how much memory the second one finds; all first runs are looked at side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.solvers.edgeshard.lagrangian import RunPaths


def best_ends(paths: RunPaths, order: Sequence[int]) -> tuple[int, ...] | None:
    """Return the best placement whose runs are on some devices in this order; None without one, or if more come again.

    Parameters
    ----------
    paths : RunPaths
        Of an instance of N layers.
    order : sequence of int
        Devices of the runs, the source first, no two in a row alike.
    """
    again = [j for j in set(order) if order.count(j) > 1]
    if len(again) > 1 or (again and order.count(again[0]) > 2):
        return None
    count, time, before = paths.count, paths.time_before, paths.memory_before
    cost = np.full((count + 1, 1), np.inf)
    cost[0] = 0.0
    used = np.zeros(1, dtype=np.int64)
    lengths, seen = [], False
    for number, device in enumerate(order):
        ends = paths.last_end[:, device]
        begun = cost[:-1].copy()
        if number:
            message = paths.costs.message[:-1]
            begun[0] = np.inf
            begun[1:] += paths.costs.messages_s[message, order[number - 1], device][:, None]
        second = device in again and seen
        longest = int((ends - np.arange(count)).max(initial=0))
        options = np.full((longest + 1, count + 1, len(used)), np.inf)
        for length in range(1, longest + 1):
            start = np.arange(count - length + 1)
            run_s = np.where(
                ends[start] >= start + length, time[start + length, device] - time[start, device], np.inf
            )
            options[length, length:] = begun[start] + run_s[:, None]
            if second:
                need = before[start + length, device] - before[start, device]
                options[length, length:][need[:, None] + used > paths.budget[device]] = np.inf
        if device in again and not seen:
            seen = True
            some = np.argwhere(np.isfinite(options[:, :, 0]))
            if not len(some):
                return None
            taken, end = some.T
            cost = np.full((count + 1, len(some)), np.inf)
            cost[end, np.arange(len(some))] = options[taken, end, 0]
            used = before[end, device] - before[end - taken, device]
            lengths.append(taken[None, :])
        else:
            best = options.argmin(axis=0)
            cost = np.take_along_axis(options, best[None], 0)[0]
            lengths.append(best)
    column = int(cost[-1].argmin())
    if not np.isfinite(cost[-1, column] + paths.costs.return_s[order[-1]]):
        return None
    layers: list[int] = []
    for device, table in zip(reversed(order), reversed(lengths), strict=True):
        at = column if table.shape[1] > 1 or len(table) == 1 else 0
        row = 0 if len(table) == 1 else count - len(layers)
        layers += [device] * int(table[row, at])
    return tuple(reversed(layers))
