"""What nodes and links carry, in whole units; the flow of a placement; bounds that follow from the tables alone.

Capacities are rounded once, to multiples of a power of two of tokens per second of which all nodes together carry fewer
than 2**53. Flows are then whole numbers, the maximum flow is exact, and so are its sums in floats. The rounding moves
no capacity by more than 1e-7 of itself: what would lose more is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.units import EXACT_BITS, ROUNDING_TOLERANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.replicated.data import ReplicatedThroughput


@dataclass(frozen=True, eq=False)
class Capacities:
    """What each part carries, in units.

    Parameters
    ----------
    unit : float
        Tokens per second, a power of two.
    node : tuple of tuple of int
        ``node[i][k - 1]``: ``T_i(k)``, for the k that fit the model.
    link : ndarray of int64, shape (M, M)
        From row to column, never more than either end takes at its best; 0 = no link.
    source, sink : ndarray of int64, shape (M,)
        Of the links from the source and to the sink, likewise.
    """

    unit: float
    node: tuple[tuple[int, ...], ...]
    link: NDArray[np.int64]
    source: NDArray[np.int64]
    sink: NDArray[np.int64]

    def seconds(self, flow: int) -> float:
        """Return the time per token of a flow in units; infinite without one."""
        return 1.0 / (flow * self.unit) if flow > 0 else math.inf

    def tokens_per_s(self, flow: int) -> float:
        """Return a flow in units as tokens per second."""
        return flow * self.unit

    def units(self, time_s: float) -> int:
        """Return the flow of a time per token, in units, rounded down."""
        return int(1.0 / (time_s * self.unit))


@lru_cache(maxsize=64)
def capacities(instance: ReplicatedThroughput) -> Capacities:
    """Return the capacities of an instance.

    Raises
    ------
    InstanceError
        Where some are too small beside the others to keep their digits.
    """
    tables = [kind.tokens_per_s[: instance.layers] for kind in instance.node_types]
    rates = [tables[t] for t in instance.types]
    best = np.array([max(row, default=0.0) for row in rates])
    total = float(best.sum())
    unit = math.ldexp(1.0, math.frexp(total)[1] - EXACT_BITS) if total > 0 else 1.0
    if not math.isfinite(total):
        raise InstanceError("node_types", "expected tokens per second that sum to less than 1e308")

    def whole(values: NDArray[np.float64], path: str) -> NDArray[np.int64]:
        wrong = np.argwhere((values > 0) & (values * ROUNDING_TOLERANCE < unit / 2))
        if wrong.size:
            where = "".join(f"[{index}]" for index in wrong[0])
            least = float(values[tuple(wrong[0])])
            raise InstanceError(
                path + where, f"{least:.3g} tokens/s are too few beside the {total:.3g} of all nodes together"
            )
        return np.rint(values / unit).astype(np.int64)

    whole_tables = [
        tuple(whole(np.array(row), f"node_types[{t}].tokens_per_s").tolist()) for t, row in enumerate(tables)
    ]
    most = np.minimum(best[:, None], best[None, :])
    link = _carried(instance.cluster.bandwidth_bytes_per_s, instance.activation_bytes, most)
    np.fill_diagonal(link, 0.0)
    ends = [
        _carried(bandwidth, instance.token_bytes, best)
        for bandwidth in (instance.source_bandwidth_bytes_per_s, instance.sink_bandwidth_bytes_per_s)
    ]
    found = Capacities(
        unit,
        tuple(whole_tables[t] for t in instance.types),
        whole(link, "cluster.bandwidth_bytes_per_s"),
        whole(ends[0], "cluster.source_bandwidth_bytes_per_s"),
        whole(ends[1], "cluster.sink_bandwidth_bytes_per_s"),
    )
    for array in (found.link, found.source, found.sink):
        array.setflags(write=False)
    return found


def _carried(
    bandwidth: NDArray[np.float64], size_bytes: float, most: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return tokens per second of links: bandwidth over the size of a message, at most what the ends take."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rates = bandwidth / size_bytes if size_bytes > 0 else np.where(bandwidth > 0, np.inf, 0.0)
    return np.minimum(np.where(bandwidth > 0, rates, 0.0), most)


def volume_flow(instance: ReplicatedThroughput) -> int:
    """Return a bound on every flow, in units: a node with k layers serves at most ``min(T(k), F)`` tokens on each.

    So ``F L <= sum_i max_k k min(T_i(k), F)``, also with partial inference; and what enters and leaves is limited by
    the links of source and sink.
    """
    costs = capacities(instance)
    groups: dict[tuple[int, ...], int] = {}
    for row in costs.node:
        groups[row] = groups.get(row, 0) + 1
    low, high = 0, int(min(costs.source.sum(), costs.sink.sum()))
    while low < high:
        flow = (low + high + 1) // 2
        volume = sum(
            nodes * max((k * min(rate, flow) for k, rate in enumerate(row, 1)), default=0)
            for row, nodes in groups.items()
        )
        low, high = (flow, high) if volume >= flow * instance.layers else (low, flow - 1)
    return low


def floor_s(instance: ReplicatedThroughput) -> float:
    """Return a bound on the time per token: that of the volume bound, or of a single unit where that leaves no flow."""
    return capacities(instance).seconds(max(volume_flow(instance), 1))
