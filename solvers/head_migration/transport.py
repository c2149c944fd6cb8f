"""Moving equal heads between devices at least cost, as rooms shrink: shortest paths, one head at a time.

Source: successive shortest paths, Ahuja, Magnanti and Orlin (1993).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


class Transport:
    """A least-cost move of heads, kept while what devices may hold shrinks.

    Each head moves at most once, over a direct link; a full device may pass on heads of its own. Rooms that shrink
    leave a flow that is best but for what is too much, and that is sent on along shortest paths.

    Parameters
    ----------
    counts : ndarray of int, shape (M,)
        Heads before.
    cost_s : ndarray, shape (M, M)
        Of one head from row to column: 0 on the diagonal, infinity without a link.
    """

    def __init__(self, counts: Counts, cost_s: Floats) -> None:
        self.cost_s = cost_s
        #: Heads from row to column.
        self.flow: Counts = np.diag(counts).astype(np.int64)
        #: Heads per device.
        self.here: Counts = np.array(counts, dtype=np.int64)
        self.total_s = 0.0
        self._onward: dict[int, tuple[Floats, NDArray[np.intp]]] = {}

    def shrink(self, room: Counts) -> bool:
        """Let each device hold at most its room, which is no more than at the last call; False if there is no way."""
        if room.sum() < self.here.sum():
            return False
        for device in np.flatnonzero(self.here > room).tolist():
            while self.here[device] > room[device]:
                if not self._send_on(device, room):
                    return False
        return True

    def _arcs(self, device: int) -> tuple[Floats, NDArray[np.intp]]:
        """Return the change in cost if a head there goes to each device instead, and whose head it is."""
        if device not in self._onward:
            owners = np.flatnonzero(self.flow[:, device])
            change = self.cost_s[owners] - self.cost_s[owners, device][:, None]
            best = change.argmin(axis=0)
            self._onward[device] = change[best, np.arange(len(best))], owners[best]
        return self._onward[device]

    def _send_on(self, start: int, room: Counts) -> bool:
        """Send one head from a full device along a shortest path to one with room."""
        occupied = np.flatnonzero(self.here)
        arcs_s = np.stack([self._arcs(int(device))[0] for device in occupied])
        distance_s = arcs_s[np.searchsorted(occupied, start)].copy()
        distance_s[start] = 0.0
        previous = np.full(len(room), start)
        while True:
            through_s = distance_s[occupied][:, None] + arcs_s
            best = through_s.argmin(axis=0)
            least_s = through_s[best, np.arange(len(best))]
            shorter = least_s < distance_s
            if not shorter.any():
                break
            distance_s[shorter] = least_s[shorter]
            previous[shorter] = occupied[best[shorter]]
        open_s = np.where(self.here < room, distance_s, np.inf)
        end = int(open_s.argmin())
        if not np.isfinite(open_s[end]):
            return False
        hops = []
        device = end
        while device != start:
            hops.append((int(previous[device]), device))
            device = int(previous[device])
        moved = [(int(self._arcs(here)[1][there]), here, there) for here, there in hops]
        for owner, here, there in moved:
            self.flow[owner, here] -= 1
            self.flow[owner, there] += 1
            self._onward.pop(here, None)
            self._onward.pop(there, None)
        self.total_s += float(distance_s[end])
        self.here[start] -= 1
        self.here[end] += 1
        return True


def transport(counts: Counts, room: Counts, cost_s: Floats) -> tuple[float, Counts] | None:
    """Return the least cost of moving heads so that each device holds at most its room, and who goes where.

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
    moves = Transport(counts, cost_s)
    return (moves.total_s, moves.flow) if moves.shrink(np.asarray(room)) else None
