"""The paper's Algorithm 2: a dynamic programme over (layers done, set of devices, last device), in two readings.

As printed it hardly ever ends with a pipeline:

- line 15 compares the new state's time with ``g(i,S,k)``, which it contains, instead of ``g(m,S',j)``: a finite entry is
  only written where neither the stage nor its transfer takes longer than all before it, and an infinite one always,
  since infinity equals infinity, over a finite entry too;
- Eq. 13 starts with layer 0 alone on the source, and line 7 never returns to it: the source hosts one layer;
- line 8 sums ``i..m`` where the stage that follows the first i layers is ``i..m-1``, and refuses an exact fit;
- the loops end at N-1, so the last layer belongs to no stage; here it goes with the last one.

The repaired reading compares with the entry that it writes, lets the source host any first layers, counts up to N
layers and charges what a stage holds. It is exact, in ``O(2**M N M (M + N))`` time: the best sender is found once per
first layer, before the stage's end is chosen.

Sources: the paper, Zhang, Cao, Shen and Cui (2024); dynamic programming over subsets, Held and Karp (1962).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import stage_fits
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context

    Times = NDArray[np.float64]

#: The table of all states must fit in this much memory.
LARGEST_TABLE_BYTES = 8 * 2**30
#: Rows of the table that one vectorised step takes: what fits in a core's cache.
ROWS = 2048


def printed_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return UNSAFE where the table fits in memory; raise `NotApplicableError` elsewhere."""
    _require_table(instance)
    return Guarantee.UNSAFE


def repaired_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT where the table fits in memory; raise `NotApplicableError` elsewhere."""
    _require_table(instance)
    return Guarantee.EXACT


def _require_table(instance: EdgeShardInstance) -> None:
    size, count = instance.cluster.size, len(instance.layers)
    if 2.0 ** (size - 1) * size * (count + 1) * 8 > LARGEST_TABLE_BYTES:
        raise NotApplicableError(
            f"Algorithm 2 keeps 2**{size - 1} sets x {size} devices x {count} layers, more than "
            f"{LARGEST_TABLE_BYTES / 2**30:g} GiB"
        )


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Run Algorithm 2 as printed: `m` and `i` count layers, the source is node 0.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    costs, source, total = time_tables(instance), instance.source_index, len(instance.layers)
    devices = range(instance.cluster.size)
    need, budget = instance.memory_bytes, instance.cluster.memory_bytes
    masks = np.array([mask for mask in range(1 << len(devices)) if mask >> source & 1])
    row = np.full(1 << len(devices), -1)  # sets without the source stay infinite and are left out
    row[masks] = np.arange(len(masks))
    table = np.full((len(masks), len(devices), total), np.inf)
    choice = np.zeros((len(masks), len(devices), total, 2), dtype=np.int16)
    if total > 1:
        table[row[1 << source], source, 1] = costs.compute_s[0, source]
    for i in range(1, total):
        for k in devices:
            if not context.remaining:
                return Claim(Reason.LIMIT, message="stopped at the time limit", solve_s=context.elapsed)
            held = masks[(masks >> k & 1) == 1]
            for j in devices:
                sets = held[(held >> j & 1) == 0]
                target, before = row[sets | 1 << j], table[row[sets], k, i]
                for m in range(i + 1, total):
                    if budget[j] <= need[i : m + 1].sum():
                        break
                    stage_s = max(costs.compute_s[i : m + 1, j].sum(), costs.transfer_s(i - 1)[k, j])
                    slowest_s = np.maximum(before, stage_s)
                    accepted = target[slowest_s <= before]
                    table[accepted, j, m] = slowest_s[slowest_s <= before]
                    choice[accepted, j, m] = i, k
    final = table[:, :, total - 1]
    if not np.isfinite(final).any():
        return Claim(
            Reason.FINISHED, message="the table has no finite entry at the end", solve_s=context.elapsed
        )
    position, device = np.unravel_index(int(final.argmin()), final.shape)
    mask, stop, layer, layers = int(masks[position]), total, total - 1, [source] * total
    while layer > 1:
        start, sender = (int(part) for part in choice[row[mask], device, layer])
        layers[start:stop] = [int(device)] * (stop - start)
        mask, device, stop, layer = mask ^ (1 << int(device)), np.intp(sender), start, start
    # Its table counts a layer between two stages twice and the last one never: its value is no claim to check.
    message = f"the table says {float(final.min()):.6g} s"
    return Claim(Reason.FINISHED, tuple(layers), message=message, solve_s=context.elapsed)


def run_repaired(instance: EdgeShardInstance, context: Context) -> Claim:
    """Run the repaired reading: the optimum, or a proof that there is no pipeline.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    states = States(instance)
    for level in range(1, len(states.others) + 1):
        for bit in range(len(states.others)):
            if not context.remaining:
                return Claim(Reason.LIMIT, message="stopped at the time limit", solve_s=context.elapsed)
            states.fill(level, bit)
    best_s, placement = states.best()
    if placement is None:
        return Claim(Reason.INFEASIBLE, message="no state holds all layers", solve_s=context.elapsed)
    return Claim(Reason.OPTIMAL, placement, best_s, best_s, solve_s=context.elapsed)


class States:
    """``g(i,S,k)`` of the repaired reading: the least bottleneck of the first i layers on S, ending on k.

    The source is in every set, so sets are masks over the other devices.
    """

    def __init__(self, instance: EdgeShardInstance) -> None:
        costs, size = time_tables(instance), instance.cluster.size
        self.source, self.total = instance.source_index, len(instance.layers)
        self.others = [j for j in range(size) if j != instance.source_index]
        before_s = np.vstack([np.zeros(size), np.cumsum(costs.compute_s, axis=0)])
        steps, rules = np.arange(self.total + 1), instance.rules
        least, ends = rules.least(size), np.vstack([rules.ends(size, self.total), np.zeros(size)])
        length = (steps - steps[:, None])[:, :, None]
        fits = stage_fits(instance) & (steps[None, :, None] <= ends[:, None, :])
        forward = length >= np.maximum(least, 1)
        #: Devices that must be used, as a set.
        self.needed = sum(1 << bit for bit, j in enumerate(self.others) if least[j])
        # Shape (M, end, start): a stage's time by device, infinite where it does not fit.
        stage_s = np.where(fits & forward, before_s[None] - before_s[:, None], np.inf)
        self.stage_s = np.ascontiguousarray(stage_s.transpose(2, 1, 0))
        # Shape (M, M, N+1): the transfer before layer i; no stage starts before layer 1 or after the last.
        self.hop_s = np.full((size, size, self.total + 1), np.inf)
        for i in range(1, self.total):
            self.hop_s[:, :, i] = costs.transfer_s(i - 1)
        self.return_s = costs.return_s
        self.first_s = self.stage_s[self.source, :, 0]
        self.table = np.full((1 << len(self.others), len(self.others), self.total + 1), np.inf)
        self.level = np.array([mask.bit_count() for mask in range(1 << len(self.others))])

    def fill(self, level: int, bit: int) -> None:
        """Fill the states of all sets of a size that end on one device.

        Parameters
        ----------
        level : int
            Devices in the set.
        bit : int
            Which of the other devices is the last.
        """
        at_level = np.flatnonzero(self.level == level)
        masks, j = at_level[(at_level >> bit & 1) == 1], self.others[bit]
        for begin in range(0, len(masks), ROWS):
            chosen = masks[begin : begin + ROWS]
            entered_s = self._entered_s(chosen ^ (1 << bit), j)
            for m in range(1, self.total + 1):
                fitting = np.flatnonzero(np.isfinite(self.stage_s[j, m]))
                if fitting.size:
                    starts = slice(fitting[0], fitting[-1] + 1)
                    slowest_s = np.maximum(entered_s[:, starts], self.stage_s[j, m, starts])
                    self.table[chosen, bit, m] = slowest_s.min(axis=1)

    def _entered_s(self, before: NDArray[np.intp], j: int) -> Times:
        """Return the least bottleneck up to and with the transfer to j, shape (sets, N+1)."""
        if not before[0]:
            first_s: Times = np.maximum(self.first_s, self.hop_s[self.source, j])[None]
            return first_s
        entered_s = np.full((len(before), self.total + 1), np.inf)
        for sender, k in enumerate(self.others):
            if k != j:
                np.minimum(entered_s, np.maximum(self.table[before, sender], self.hop_s[k, j]), out=entered_s)
        return entered_s

    def best(self) -> tuple[float, tuple[int, ...] | None]:
        """Return the least bottleneck of all layers with a placement that has it."""
        alone_s = max(float(self.first_s[self.total]), float(self.return_s[self.source]))
        final_s = np.maximum(self.table[:, :, self.total], self.return_s[self.others])
        final_s[(np.arange(len(final_s)) & self.needed) != self.needed] = np.inf
        alone_s = np.inf if self.needed else alone_s
        shared_s = float(final_s.min(initial=np.inf))
        if not np.isfinite(min(alone_s, shared_s)):
            return np.inf, None
        if alone_s <= shared_s:
            return alone_s, (self.source,) * self.total
        mask, bit = np.unravel_index(int(final_s.argmin()), final_s.shape)
        return shared_s, self._backtrack(int(mask), int(bit))

    def _backtrack(self, mask: int, bit: int) -> tuple[int, ...]:
        layers, end = [self.source] * self.total, self.total
        while mask:
            value, j, rest = self.table[mask, bit, end], self.others[bit], mask ^ (1 << bit)
            entered_s = self._entered_s(np.array([rest]), j)[0]
            start = int(np.maximum(entered_s, self.stage_s[j, end]).argmin())
            layers[start:end] = [j] * (end - start)
            assert max(entered_s[start], self.stage_s[j, end, start]) == value
            if rest:
                reached_s = np.maximum(self.table[rest, :, start], self.hop_s[self.others, j, start])
                bit = int(reached_s.argmin())
            mask, end = rest, start
        return tuple(layers)
