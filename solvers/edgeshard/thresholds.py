"""Throughput by bisection: pipelines whose every stage and transfer takes at most a threshold.

The optimum is one of finitely many numbers, the times of runs and transfers. For a threshold T, a device that starts
at layer a reaches at most one end. Among devices that are all linked within T, reaching further is never worse: what
follows only gets shorter, and a stage that vanishes leaves a link that exists. So one number per set of devices, the
furthest end, decides the threshold, and 2**(M-1) of them are filled by vectorised sweeps; where the layers between
the first and the last are equal, the sum of what the devices hold decides it for any number of them. Below the largest
transfer among the other devices, where that fails, a search over (set, last device) keeps all ends instead, and from
14 devices on CP-SAT's circuit takes over. Sources: Edmonds and Fulkerson (1970), Bokhari (1988), Pınar and Aykanat (2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import furthest_ends
from placewise.models.edgeshard.runs import has_equal_block, require_no_least, useful_devices
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.bisection import bisect

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
        return self.linked_from_s if len(self.others) > LARGEST_SPARSE_SIZE else 0.0

    def placement(self, threshold_s: float) -> tuple[int, ...] | None:
        """Return a pipeline within a threshold, or None if there is none."""
        ends = np.vstack([self._ends(threshold_s), np.full(self.memory_end.shape[1], -1)])
        returns = self.costs.return_s <= threshold_s
        if ends[0, self.source] >= self.count and returns[self.source]:
            return (self.source,) * self.count
        if threshold_s >= self.linked_from_s:
            if self.equal:
                return self._by_counts(threshold_s, ends, returns)
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
        """Share equal layers out to the source, a first device that it links to, any others, and the last one."""
        total, source = self.count, self.source
        own = min(int(ends[0, source]), total - 1)
        if own < 1 or total < 2:
            return None
        # What a device holds of the equal layers, and what it holds if the last layer is among them.
        held = {j: min(int(ends[1, j]), total - 1) - 1 for j in self.others}
        final = {j: int((ends[1:total, j] >= total).sum()) if returns[j] else 0 for j in self.others}
        linked = [j for j in self.others if self.costs.transfer_s(0)[source, j] <= threshold_s]
        for last in sorted((j for j in self.others if final[j]), key=lambda j: held[j] - final[j]):
            if last in linked and own + final[last] >= total:
                return self._chain([(source, min(own, total - 1)), (last, total)])
            first = max((j for j in linked if j != last and held[j]), key=held.__getitem__, default=None)
            everyone = own + sum(held.values()) - held[last] + final[last]
            if first is None or everyone < total:
                continue
            # The last takes what it can and leaves the source and the first a layer each; then these, then others.
            ending = min(final[last], total - 2)
            taken = {first: min(held[first], total - ending - 1)}
            start = min(own, total - ending - taken[first])
            left = total - ending - taken[first] - start
            for j in self.others:
                if j not in (first, last) and left and held[j]:
                    taken[j] = min(held[j], left)
                    left -= taken[j]
            stages = [(source, start)]
            for j, length in taken.items():
                stages.append((j, stages[-1][1] + length))
            return self._chain([*stages, (last, total)])
        return None

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
                reached = np.where(before >= 0, ends[start, j], -1)
                if returns[j] and (reached >= self.count).any():
                    mask = int(chosen[int((reached >= self.count).argmax())])
                    return self._backtrack(mask, bit, furthest, begun, ends)
                extended = np.where((before >= 0) & (before < self.count), reached, before)
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
                if before >= 0 and ends[before, j] >= end:
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
                stack += [
                    (*stages, (j, end))
                    for end in range(start + 1, min(int(ends[start, j]), self.count - 1) + 1)
                ]
        return None


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Bisect over the candidates; every threshold that fails is a dual bound.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return bisect(instance, context, Thresholds(instance))
