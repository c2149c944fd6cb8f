"""Moving equal heads between devices at least cost: a transport by successive shortest paths."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


def transport(counts: Counts, room: Counts, cost_s: Floats) -> tuple[float, Counts] | None:
    """Return the least cost of moving heads so that each device holds at most its room, and who goes where.

    Each head moves at most once, over a direct link; a full device may pass on heads of its own.

    Parameters
    ----------
    counts, room : ndarray of int, shape (M,)
        Heads before, and at most after.
    cost_s : ndarray, shape (M, M)
        Of one head from row to column: 0 on the diagonal, infinity without a link.

    Returns
    -------
    (float, ndarray of int, shape (M, M)) or None
        Cost and heads from row to column; None if there is no way.
    """
    size = len(counts)
    flow = np.diag(counts).astype(np.int64)
    excess, slack = np.maximum(counts - room, 0), np.maximum(room - counts, 0)
    if excess.sum() > slack.sum():
        return None
    total_s = 0.0
    devices = np.arange(size)
    while excess.any():
        # Sending one more head from where it is, j, to k: by the head there that loses least, wherever it came from.
        with np.errstate(invalid="ignore"):
            change = cost_s[:, None, :] - cost_s[:, :, None]
        change[(flow == 0)[:, :, None] | np.isnan(change)] = np.inf
        sender = change.argmin(axis=0)
        arc_s = np.take_along_axis(change, sender[None], axis=0)[0]
        distance = np.where(excess > 0, 0.0, np.inf)
        previous = np.full(size, -1)
        for _ in range(size):
            through = distance[:, None] + arc_s
            best = through.argmin(axis=0)
            shorter = through[best, devices] < distance
            if not shorter.any():
                break
            distance = np.where(shorter, through[best, devices], distance)
            previous = np.where(shorter, best, previous)
        open_s = np.where(slack > 0, distance, np.inf)
        end = int(open_s.argmin())
        if not np.isfinite(open_s[end]):
            return None
        path = [end]
        while previous[path[-1]] >= 0:
            path.append(int(previous[path[-1]]))
        path.reverse()
        hops = [(int(sender[j, k]), j, k) for j, k in pairwise(path)]
        units = min(int(excess[path[0]]), int(slack[end]), *(int(flow[i, j]) for i, j, _ in hops))
        for i, j, k in hops:
            flow[i, j] -= units
            flow[i, k] += units
            total_s += units * (float(cost_s[i, k]) - float(cost_s[i, j]))
        excess[path[0]] -= units
        slack[end] -= units
    return total_s, flow
