"""Layer by layer through all partial placements of DILEMMA that may still win, the most promising ones first.

A label is a partial placement: the server and width of its last layer, what is left on each server, its errors and
its delay. Its bound adds what the decomposition's tables say about the layers to come. A pass keeps the best labels of
each layer; if it drops none that could win, its best placement is optimal, and otherwise the least bound of those
dropped is a dual bound.

Sources: beam search, Lowerre (1976), Ow and Morton (1988); dominance between labels, Irnich and Desaulniers (2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from placewise.solvers.dilemma.decomposition import Decomposition, Tables

#: Candidates evaluated at once: what fits in a few hundred megabytes.
CHUNK = 2_000_000
#: A label must promise this relative improvement.
LEAST_GAIN = 1e-9


@dataclass(eq=False)
class Labels:
    """Partial placements of equal length, one per row.

    Parameters
    ----------
    server, width : ndarray of int, shape (n,)
        Of the last layer; the width is an index.
    free : ndarray of int, shape (n, M)
        Units of storage left on each server.
    error : ndarray of int, shape (n,)
        Sum of errors, in whole units of the instance.
    delay_s, bound_s : ndarray, shape (n,)
        Delay so far, and a lower bound on that of every completion.
    parent : ndarray of int, shape (n,)
        Row of the label without the last layer.
    """

    server: NDArray[np.int64]
    width: NDArray[np.int64]
    free: NDArray[np.int64]
    error: NDArray[np.int64]
    delay_s: NDArray[np.float64]
    bound_s: NDArray[np.float64]
    parent: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.server)

    def take(self, rows: Any) -> Labels:
        """Return some rows."""
        return Labels(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class Beam:
    """Passes over the layers of one instance with given tables.

    Parameters
    ----------
    decomposition : Decomposition
        Of the instance.
    tables : Tables
        At the best prices.
    """

    def __init__(self, decomposition: Decomposition, tables: Tables) -> None:
        self.model, self.tables = decomposition, tables
        costs = decomposition.costs
        error = np.where(decomposition.allowed, costs.error, np.iinfo(np.int64).max // 4)
        after = np.cumsum(error.min(axis=1)[::-1])[::-1]
        #: The least error of all later layers.
        self.error_after = np.append(after[1:], 0)
        salt = np.random.default_rng(0)
        self.salt = salt.integers(1, 2**62, size=decomposition.servers, dtype=np.int64) | 1

    def run(
        self, width: int, upper_s: float, stop: Callable[[], bool]
    ) -> tuple[float, tuple[tuple[int, int], ...] | None, float] | None:
        """Return the best delay below an upper bound with its placement, and the least bound that was dropped.

        Returns None where the time was over before the pass.

        Parameters
        ----------
        width : int
            Labels that are kept per layer.
        upper_s : float
            Seconds; only what is better counts.
        stop : callable
            Whether the time is over; asked before each layer.

        Returns
        -------
        (float, placement or None, float) or None
            Seconds, infinite without a placement; server and width of each layer; seconds, infinite if
            none was dropped.
        """
        model = self.model
        threshold_s = upper_s * (1 - LEAST_GAIN)
        levels: list[Labels] = []
        labels, dropped_s = self._first(threshold_s), np.inf
        for layer in range(model.count):
            if layer:
                if stop():
                    return None
                labels, least_s = self._next(levels[-1], layer, width, threshold_s, stop)
                dropped_s = min(dropped_s, least_s)
            if not len(labels):
                return np.inf, None, dropped_s
            levels.append(labels)
        row = int(labels.delay_s.argmin())
        delay_s, placement = float(labels.delay_s[row]), []
        for level in reversed(levels):
            placement.append((int(level.server[row]), int(level.width[row])))
            row = int(level.parent[row])
        return delay_s, tuple(reversed(placement)), dropped_s

    def _first(self, threshold_s: float) -> Labels:
        model = self.model
        origin = Labels(
            np.zeros(1, dtype=np.int64),
            np.zeros(1, dtype=np.int64),
            model.capacity[None].astype(np.int64),
            np.zeros(1, dtype=np.int64),
            np.zeros(1),
            np.zeros(1),
            np.zeros(1, dtype=np.int64),
        )
        bound_s, delay_s = self._candidates(origin, 0)
        chosen = np.flatnonzero(bound_s.ravel() < threshold_s)
        return self._children(origin, 0, chosen, bound_s, delay_s, np.zeros(len(chosen), dtype=np.int64))

    def _next(
        self, labels: Labels, layer: int, width: int, threshold_s: float, stop: Callable[[], bool]
    ) -> tuple[Labels, float]:
        model = self.model
        per_label = model.servers * model.widths
        step = max(CHUNK // (per_label + model.servers), 1)
        parts: list[Labels] = []
        dropped_s = np.inf
        for begin in range(0, len(labels), step):
            if begin and stop():
                # What is not expanded counts as dropped.
                dropped_s = min(dropped_s, float(labels.bound_s[begin:].min()))
                break
            chunk = labels.take(slice(begin, begin + step))
            bound_s, delay_s = self._candidates(chunk, layer)
            flat = bound_s.ravel()
            chosen = np.flatnonzero(flat < threshold_s)
            if len(chosen) > 2 * width:
                order = np.argpartition(flat[chosen], 2 * width)
                dropped_s = min(dropped_s, float(flat[chosen[order[2 * width :]]].min()))
                chosen = chosen[order[: 2 * width]]
            rows = begin + chosen // per_label
            parts.append(self._undominated(self._children(chunk, layer, chosen, bound_s, delay_s, rows)))
        if not parts:
            return labels, dropped_s  # there was none to expand
        joined = Labels(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in Labels.__dataclass_fields__)
        )
        if len(parts) > 1:
            joined = self._undominated(joined)
        if len(joined) > width:
            order = np.argpartition(joined.bound_s, width)
            dropped_s = min(dropped_s, float(joined.bound_s[order[width:]].min()))
            joined = joined.take(order[:width])
        return joined, dropped_s

    def _candidates(self, labels: Labels, layer: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return bound and delay of each label with each server and width for a layer, shape (n, M, B)."""
        model, tables, costs = self.model, self.tables, self.model.costs
        servers = np.arange(model.servers)
        size = model.storage[layer]
        left = labels.free[:, :, None] - size  # (n, M, B)
        fits = (left >= 0) & model.allowed[layer]
        if model.budget is not None:
            room = model.budget - int(self.error_after[layer])
            fits &= (labels.error[:, None] + costs.error[layer] <= room)[:, None, :]
        delay_s = labels.delay_s[:, None, None] + model.compute_s[layer]
        if layer:
            hop_s = model.transfer_s[layer - 1][labels.width, labels.server][:, :, None]
            delay_s = delay_s + model.charged_s(hop_s, labels.width[:, None, None] == np.arange(model.widths))
        units = model.units(np.maximum(left, 0))
        knapsack = tables.knapsack_s[layer + 1]
        before = knapsack[servers, model.units(labels.free)]  # (n, M)
        onward = np.minimum(tables.stay_s[layer][servers[None, :, None], units], tables.move_s[layer][None])
        bound_s = delay_s + onward
        bound_s += before.sum(axis=1)[:, None, None] - before[:, :, None]
        bound_s += knapsack[servers[None, :, None], units]
        if model.budget is not None:
            spent = labels.error[:, None] + costs.error[layer] - model.budget
            bound_s += (tables.error_price_s * spent)[:, None, :]
        return np.where(fits, bound_s, np.inf), delay_s

    def _children(
        self,
        labels: Labels,
        layer: int,
        chosen: NDArray[np.intp],
        bound_s: NDArray[np.float64],
        delay_s: NDArray[np.float64],
        parents: NDArray[np.int64],
    ) -> Labels:
        model, costs = self.model, self.model.costs
        row, server, width = np.unravel_index(chosen, (len(labels), model.servers, model.widths))
        free = labels.free[row]
        free[np.arange(len(row)), server] -= model.storage[layer, width]
        return Labels(
            server.astype(np.int64),
            width.astype(np.int64),
            free,
            labels.error[row] + costs.error[layer, width],
            delay_s.ravel()[chosen],
            bound_s.ravel()[chosen],
            parents.astype(np.int64),
        )

    def _undominated(self, labels: Labels) -> Labels:
        """Keep, of labels with the same server, width and storage left, those that no other beats in delay and error."""
        if len(labels) < 2:
            return labels
        with np.errstate(over="ignore"):
            code = (labels.free * self.salt).sum(axis=1)
            code = code * 1_000_003 + labels.server * 4099 + labels.width
        order = np.lexsort((labels.error, labels.delay_s, code))
        code = code[order]
        same = code[1:] == code[:-1]
        # Equal codes of different states are kept apart.
        state = labels.free[order]
        same &= (state[1:] == state[:-1]).all(axis=1)
        same &= labels.server[order][1:] == labels.server[order][:-1]
        same &= labels.width[order][1:] == labels.width[order][:-1]
        group = np.concatenate([[0], np.cumsum(~same)])
        _, rank = np.unique(labels.error[order], return_inverse=True)
        falling = rank.ravel() - group * (int(rank.max()) + 1)
        least = np.minimum.accumulate(falling)
        keep = np.concatenate([[True], falling[1:] < least[:-1]])
        return labels.take(order[keep])
