"""Pipelines on many devices of few types: a dynamic programme over how many of each type have been used.

Devices of one type may be exchanged without changing a time or a byte (`device_types`), so of a pipeline's beginning
only these matter to what may follow: the layers done, the number of devices used of each type, and the type of the last
one, whose links the next message takes. With n_t devices of T types that is ``T (N + 1) prod (n_t + 1)`` states instead
of one per set of devices, and any layers, links and memories are exact. Stages are chosen in the order of the pipeline,
and each adds one to a count: states are filled by their number of devices, all of one number at once.

`within` decides a threshold for the bottleneck: a stage that starts before a layer may end anywhere up to the furthest
layer that time and memory allow, so the ends that can be reached are those not beyond the furthest end of the nearest
start.

Sources: counts of equal items as the state, Gilmore and Gomory (1966); pipelines on heterogeneous processors by types,
Benoit and Robert (2008); the same state in PipeEdge's scheduler, Hu, Imes, Zhao, Kundu, Beerel, Crago and Walters
(2022), as it is meant.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.kinds import device_types
from placewise.models.edgeshard.memory import furthest_ends
from placewise.models.errors import NotApplicableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance

#: States of one sweep, a byte each where only the bottleneck counts, 8 where the sum does.
LARGEST_COUNT = 40_000_000
#: Whatever takes longer is missing.
LONGEST_S = sys.float_info.max


class Step(NamedTuple):
    """A stage of a pipeline by type.

    Parameters
    ----------
    kind : int
        Position of the type.
    start : int
        Its first layer.
    """

    kind: int
    start: int


def require_few(instance: EdgeShardInstance, types: list[list[int]]) -> None:
    """Check that the states of a sweep are not too many.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers.
    types : list of list of int
        Devices of each of T types.

    Raises
    ------
    NotApplicableError
        With their number.
    """
    devices, layers = sum(map(len, types)), len(instance.layers)
    states = len(types) * (layers + 1) * prod(len(group) + 1 for group in types)
    if states > LARGEST_COUNT:
        raise NotApplicableError(
            f"counts per type take up to {LARGEST_COUNT:.0e} states; {layers} layers on {devices} devices of "
            f"{len(types)} types are {float(min(states, 10**300)):.0e}"
        )


class Counts:
    """The states of one instance.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers; any problem's.
    types : list of list of int, optional
        T groups of devices; those of `device_types` by default. Other groups count as if each device were the worst of
        its group in everything: what is found is a pipeline, but not always the best.
    """

    def __init__(self, instance: EdgeShardInstance, types: list[list[int]] | None = None) -> None:
        self.costs, self.source = time_tables(instance), instance.source_index
        self.count = len(instance.layers)
        self.types = device_types(instance) if types is None else types
        sizes = [len(group) for group in self.types]
        self.states = prod(size + 1 for size in sizes)
        self.stride = [prod(size + 1 for size in sizes[:kind]) for kind in range(len(sizes))]
        codes = np.arange(self.states)
        self.digits = [codes // self.stride[kind] % (size + 1) for kind, size in enumerate(sizes)]
        used = np.sum(self.digits, axis=0, initial=0)
        used = np.broadcast_to(used, self.states)
        # Each device has a layer, and the source has one.
        order = np.argsort(used, kind="stable")
        limits = np.searchsorted(used[order], np.arange(1, min(sum(sizes), self.count - 1) + 2))
        self.levels = [order[a:b] for a, b in pairwise(limits)]
        groups: list[list[int]] = [[self.source], *self.types]
        compute_s = [self.costs.compute_s[:, group].max(axis=1) for group in groups]
        self.time_before = np.vstack([np.zeros(len(groups)), np.cumsum(compute_s, axis=1).T])
        furthest = furthest_ends(instance)[:-1]
        self.memory_end = np.column_stack([furthest[:, group].min(axis=1) for group in groups])
        self.return_s = [float(self.costs.return_s[group].max()) for group in groups]
        # The message before each layer, by sender (0 = the source) and type.
        self.hop_s = [[self._hops_s(sender, group) for group in self.types] for sender in groups]

    def _hops_s(self, senders: list[int], receivers: list[int]) -> NDArray[np.float64]:
        """Return the times of the message before each layer, shape (N,), from a device of a group to one of another."""
        pairs = self.costs.messages_s[:, senders][:, :, receivers]
        if senders == receivers:
            distinct = ~np.eye(len(senders), dtype=bool)
            slowest_s = pairs[:, distinct].max(axis=1, initial=0.0) if len(senders) > 1 else np.inf
        else:
            slowest_s = pairs.max(axis=(1, 2))
        hops_s = np.full(self.count, np.inf)
        hops_s[1:] = np.broadcast_to(slowest_s, len(pairs))[self.costs.message[:-1]]
        return hops_s

    def ends(self, threshold_s: float) -> NDArray[np.intp]:
        """Return the furthest end of a run by first layer and group, shape (N, 1 + T), the source first.

        Parameters
        ----------
        threshold_s : float
            Seconds that it may take.
        """
        reach = np.empty_like(self.memory_end)
        for column in range(reach.shape[1]):
            before = self.time_before[:, column]
            reach[:, column] = np.searchsorted(before, before[:-1] + threshold_s, side="right") - 1
        return np.asarray(np.minimum(reach, self.memory_end))

    def within(self, threshold_s: float) -> tuple[int, ...] | None:
        """Return a pipeline whose every stage, transfer and return takes at most a threshold, or None if there is none.

        Parameters
        ----------
        threshold_s : float
            Seconds.
        """
        threshold_s = min(threshold_s, LONGEST_S)
        ends = self.ends(threshold_s)
        kinds = range(len(self.types))
        returns = [return_s <= threshold_s for return_s in self.return_s]
        if ends[0, 0] >= self.count and returns[0]:
            return (self.source,) * self.count
        begun = np.arange(self.count) <= ends[0, 0]
        opened, *links = [[hop_s <= threshold_s for hop_s in row] for row in self.hop_s]
        # Which ends before the last layer are reached, by type of the last device, code, and end.
        reached = np.zeros((len(kinds), self.states, self.count), dtype=bool)
        places = np.arange(self.count, dtype=np.int16)

        def starts(kind: int, codes: NDArray[np.intp], first: bool) -> NDArray[np.bool_]:
            """Return before which layers a device of a type may take over to make up codes."""
            if first:
                return np.broadcast_to(begun & opened[kind], (len(codes), self.count))
            before = codes - self.stride[kind]
            found = np.zeros((len(codes), self.count), dtype=bool)
            for sender in kinds:
                found |= reached[sender, before] & links[sender][kind]
            return found

        def path(kind: int, code: int, start: int) -> tuple[int, ...]:
            steps = [Step(kind, start)]
            while code != self.stride[kind]:
                code -= self.stride[kind]
                kind = next(k for k in kinds if reached[k, code, start] and links[k][kind][start])
                earlier = starts(kind, np.array([code]), code == self.stride[kind])[0, :start]
                start = int(np.flatnonzero(earlier)[-1])
                steps.append(Step(kind, start))
            return self.placement(steps)

        for number, level in enumerate(self.levels):
            for kind in kinds:
                codes = level[self.digits[kind][level] > 0]
                found = starts(kind, codes, number == 0)
                if returns[kind + 1]:
                    final = found & (ends[:, kind + 1] >= self.count)
                    if final.any():
                        row, start = np.unravel_index(final.argmax(), final.shape)
                        return path(kind, int(codes[row]), int(start))
                latest = np.maximum.accumulate(np.where(found, places, np.int16(-1)), axis=1)
                furthest = np.append(ends[:, kind + 1], -1).astype(np.int16)[latest]
                reached[kind, codes, 1:] = furthest[:, :-1] >= places[1:]
        return None

    def placement(self, steps: list[Step]) -> tuple[int, ...]:
        """Return the device of each layer, from the stages by type in reverse order; the source has what is before.

        Parameters
        ----------
        steps : list of Step
            The last stage first.
        """
        left = [iter(group) for group in self.types]
        layers = [self.source] * steps[-1].start
        ends = [*(step.start for step in steps[-2::-1]), self.count]
        for step, end in zip(steps[::-1], ends, strict=True):
            layers += [next(left[step.kind])] * (end - step.start)
        return tuple(layers)
