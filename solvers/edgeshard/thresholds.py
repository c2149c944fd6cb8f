"""Throughput by bisection: pipelines whose every stage and transfer takes at most a threshold.

The optimum is one of finitely many numbers, the times of runs and transfers. For a threshold T, a device that starts
at layer a reaches at most one end. Among devices that are all linked within T, reaching further is never worse: what
follows only gets shorter, and a stage that vanishes leaves a link that exists. So one number per set of devices, the
furthest end, decides the threshold, and 2**(M-1) of them are filled by vectorised sweeps; where the layers between
the first and the last are equal, the sum of what the devices hold decides it for any number of them. Below the largest
transfer among the other devices, where that fails, equal layers need a way over links that are fast enough; others a
search over (set, last device), which keeps all ends instead, and from 14 devices on CP-SAT's circuit takes over. Sources: Edmonds and Fulkerson (1970), Bokhari (1988), Pınar and Aykanat (2004).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import furthest_ends
from placewise.models.edgeshard.runs import has_equal_block, require_no_least, useful_devices
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.bisection import bisect
from placewise.solvers.edgeshard.counted import Held, Undecided, all_linked, over_fast_links

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context

#: Sets of the other devices are counted in an array: 2**19 numbers per sweep.
LARGEST_SIZE = 20
#: Other devices up to which thresholds below the slowest link are decided too, by exhaustive search.
LARGEST_SPARSE_SIZE = 12


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT for up to 20 useful devices, any number if layers are equal; beyond 13 all but the source are linked.

    Raises
    ------
    NotApplicableError
        For other instances.
    """
    require_no_least(instance)
    decide = Thresholds(instance)
    useful = len(decide.others) + 1
    if useful > LARGEST_SIZE and not decide.equal:
        raise NotApplicableError(
            f"thresholds take up to {LARGEST_SIZE} devices where layers differ; there are {useful} of use"
        )
    if len(decide.others) > LARGEST_SPARSE_SIZE and not np.isfinite(decide.linked_from_s):
        raise NotApplicableError(
            f"thresholds take more than {LARGEST_SPARSE_SIZE} other devices only if all are linked"
        )
    return Guarantee.EXACT


class Thresholds:
    """The decision problem of one instance for any threshold."""

    def __init__(self, instance: EdgeShardInstance) -> None:
        self.costs = time_tables(instance)
        self.source, self.count = instance.source_index, len(instance.layers)
        self.others = [j for j in useful_devices(instance) if j != instance.source_index]
        self.time_before = np.vstack(
            [np.zeros(instance.cluster.size), np.cumsum(self.costs.compute_s, axis=0)]
        )
        ends = instance.rules.ends(instance.cluster.size, self.count)
        self.memory_end = np.minimum(furthest_ends(instance)[:-1], ends)
        between = [
            self.costs.messages_s[m][np.ix_(self.others, self.others)]
            for m in set(self.costs.message[:-1].tolist())
        ]
        self.equal = has_equal_block(instance) and not instance.rules.pinned
        #: From here on all other devices are linked with each other.
        self.linked_from_s = max((float(matrix.max()) for matrix in between if matrix.size), default=0.0)

    @property
    def decided_from_s(self) -> float:
        """The least threshold that is decided."""
        all_ends = self.equal or len(self.others) <= LARGEST_SPARSE_SIZE
        return 0.0 if all_ends else self.linked_from_s

    def placement(self, threshold_s: float) -> tuple[int, ...] | None:
        """Return a pipeline within a threshold, None if there is none; raise `Undecided` where that is too hard."""
        # From -1, which nothing reaches, a run ends at -1.
        ends = np.vstack([self._ends(threshold_s), np.full(self.memory_end.shape[1], -1)])
        returns = self.costs.return_s <= threshold_s
        if ends[0, self.source] >= self.count and returns[self.source]:
            return (self.source,) * self.count
        if self.equal:
            return self._by_counts(threshold_s, ends, returns)
        if threshold_s >= self.linked_from_s:
            return self._by_furthest_end(threshold_s, ends, returns)
        return self._by_all_ends(threshold_s, ends, returns)

    def _ends(self, threshold_s: float) -> NDArray[np.intp]:
        """Return the furthest end of a run by first layer and device; the first layer itself if none fits."""
        reach = np.empty_like(self.memory_end)
        for j in range(self.time_before.shape[1]):
            prefix = self.time_before[:, j]
            reach[:, j] = np.searchsorted(prefix, prefix[:-1] + threshold_s, side="right") - 1
        return np.minimum(reach, self.memory_end)

    def _linked(self, sender: int, receiver: int, threshold_s: float) -> list[int]:
        """Return the layers before which a pipeline may pass from one device to another."""
        return [
            i for i in range(1, self.count) if self.costs.transfer_s(i - 1)[sender, receiver] <= threshold_s
        ]

    def _by_counts(
        self, threshold_s: float, ends: NDArray[np.intp], returns: NDArray[np.bool_]
    ) -> tuple[int, ...] | None:
        """Share equal layers out; below the slowest link by a way over fast ones, or raise `Undecided`."""
        held = Held.of(self.count, self.source, self.others, ends, returns)
        if held is None:
            return None
        fast = (self.costs.transfer_s(0) <= threshold_s) & ~np.eye(len(returns), dtype=bool)
        if threshold_s >= self.linked_from_s:
            stages = all_linked(held, [j for j in self.others if fast[self.source, j]])
            return None if stages is None else self._chain(stages)
        try:
            stages = over_fast_links(held, fast)
        except Undecided:
            if len(self.others) > LARGEST_SPARSE_SIZE:
                raise
            return self._by_all_ends(threshold_s, ends, returns)
        return None if stages is None else self._chain(stages)

    def _by_furthest_end(
        self, threshold_s: float, ends: NDArray[np.intp], returns: NDArray[np.bool_]
    ) -> tuple[int, ...] | None:
        # With the source's stage [0, e) and one other device: the best e that is linked to it. Where more devices
        # follow, it leaves each of them a layer.
        begun: dict[int, tuple[int, int]] = {}
        for bit, j in enumerate(self.others):
            cuts = [
                e
                for e in self._linked(self.source, j, threshold_s)
                if e <= ends[0, self.source] and ends[e, j] > e
            ]
            final = [e for e in cuts if ends[e, j] >= self.count and returns[j]]
            if final:
                return self._chain([(self.source, final[0]), (j, self.count)])
            early = [e for e in cuts if e <= self.count - 2]
            if early:
                begun[bit] = (int(ends[early[-1], j]), early[-1])
        size = len(self.others)
        furthest = np.full(1 << size, -1, dtype=np.intp)
        for bit, (end, _) in begun.items():
            furthest[1 << bit] = end
        masks = np.arange(1 << size)
        bits = (masks[:, None] >> np.arange(size)) & 1
        population = bits.sum(axis=1)
        for level in range(2, size + 1):
            at_level = masks[population == level]
            for bit, j in enumerate(self.others):
                chosen = at_level[bits[at_level, bit] == 1]
                before = furthest[chosen ^ (1 << bit)]
                # The last stage may need a way back: it takes at least the last layer then.
                start = np.minimum(before, self.count - 1)
                reached = ends[start, j]  # -1 where nothing was reached before
                if returns[j] and (reached >= self.count).any():
                    mask = int(chosen[int((reached >= self.count).argmax())])
                    return self._backtrack(mask, bit, furthest, begun, ends)
                extended = np.where(before < self.count, reached, before)
                furthest[chosen] = np.maximum(furthest[chosen], extended)
        return None

    def _backtrack(
        self,
        mask: int,
        bit: int,
        furthest: NDArray[np.intp],
        begun: dict[int, tuple[int, int]],
        ends: NDArray[np.intp],
    ) -> tuple[int, ...]:
        """Return the pipeline that ends with a device, after the sets that led to it."""
        stages = [(self.others[bit], self.count)]
        mask ^= 1 << bit
        end = min(int(furthest[mask]), self.count - 1)
        while mask & (mask - 1):
            for candidate, j in enumerate(self.others):
                if not mask >> candidate & 1:
                    continue
                rest = mask ^ (1 << candidate)
                before = int(furthest[rest])
                if before >= end:  # the device adds nothing: leave it out
                    mask = rest
                    break
                if ends[before, j] >= end:
                    stages.append((j, end))
                    mask, end = rest, before
                    break
        bit = mask.bit_length() - 1
        stages += [(self.others[bit], end), (self.source, begun[bit][1])]
        return self._chain(stages[::-1])

    def _chain(self, stages: list[tuple[int, int]]) -> tuple[int, ...]:
        layers: list[int] = []
        for device, end in stages:
            layers += [device] * (end - len(layers))
        return tuple(layers)

    def _by_all_ends(
        self, threshold_s: float, ends: NDArray[np.intp], returns: NDArray[np.bool_]
    ) -> tuple[int, ...] | None:
        """Search (set, last device, end) exhaustively, each once."""
        linked = {
            (k, j): set(self._linked(k, j, threshold_s))
            for k in (self.source, *self.others)
            for j in self.others
            if k != j
        }
        stack: list[tuple[tuple[int, int], ...]] = [
            ((self.source, e),) for e in range(1, int(ends[0, self.source]) + 1)
        ]
        seen: set[tuple[frozenset[int], int, int]] = set()
        while stack:
            stages = stack.pop()
            device, start = stages[-1]
            used = frozenset(stage[0] for stage in stages)
            if (used, device, start) in seen or start >= self.count:
                continue
            seen.add((used, device, start))
            for j in self.others:
                if j in used or start not in linked[device, j]:
                    continue
                if ends[start, j] >= self.count and returns[j]:
                    return self._chain([*stages, (j, self.count)])
                stack += [(*stages, (j, end)) for end in range(start + 1, int(ends[start, j]) + 1)]
        return None


def run(instance: EdgeShardInstance, context: Context, *, whole: bool = True, enough_s: float = inf) -> Claim:
    """Bisect over the candidates; every threshold that fails is a dual bound.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    whole, enough_s : bool, float
        See `bisect`.
    """
    return bisect(instance, context, Thresholds(instance), whole=whole, enough_s=enough_s)
