"""Blocks put on devices one by one, as the paper's heuristics do: what is used, what fits, where partners are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.head_migration.cost import FFN, HEAD, PROJ, head_costs, parts
from placewise.models.head_migration.data import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration import HeadMigrationInstance

    Floats = NDArray[np.float64]


class Board:
    """One interval of an instance with some blocks placed.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads, projection and network: blocks 0 to H + 1, on M devices.
    t : int
        The interval.
    before : Interval or None
        Where the blocks are before it.
    """

    def __init__(self, instance: HeadMigrationInstance, t: int, before: Interval | None) -> None:
        costs = head_costs(instance)
        self.kinds = parts(instance)
        self.blocks = range(len(self.kinds))
        self.capacity = instance.memory_bytes[t]
        self.memory = costs.memory[t]
        self.compute_s = costs.compute_s[t]
        self.message_s = costs.message_s[t]
        self.fixed_s = costs.fixed_s[t]
        self.move_s = costs.move_s[t]
        self.before = None if before is None else (*before.heads, before.proj, before.ffn)
        #: The device of each block, -1 = not placed.
        self.places = np.full(len(self.kinds), -1)
        self.used = np.zeros(instance.cluster.size, dtype=np.int64)
        self.busy_s = np.zeros(instance.cluster.size)

    def put(self, block: int, device: int) -> None:
        """Place a block, or take it to another device.

        Parameters
        ----------
        block : int
            Heads first, then projection and network.
        device : int
            Where it goes; -1 takes it off the board.
        """
        kind = self.kinds[block]
        if self.places[block] >= 0:
            self.used[self.places[block]] -= self.memory[kind]
            self.busy_s[self.places[block]] -= self.compute_s[kind, self.places[block]]
        self.places[block] = device
        if device >= 0:
            self.used[device] += self.memory[kind]
            self.busy_s[device] += self.compute_s[kind, device]

    def partner(self, kind: int) -> int | None:
        """Return where the projection or the network is, by this interval or the one before."""
        block = len(self.kinds) - 2 + (kind == FFN)
        if self.places[block] >= 0:
            return int(self.places[block])
        return None if self.before is None else self.before[block]

    def messages_s(self, block: int) -> Floats:
        """Return the block's own message time by its device: to its partner, or from it; shape (M,)."""
        kind = self.kinds[block]
        other = self.partner(PROJ if kind in (HEAD, FFN) else FFN)
        if other is None:
            return np.zeros(len(self.used))
        if kind == HEAD:  # the input must reach it too
            return np.where(np.isfinite(self.fixed_s[:, other]), self.message_s[0][:, other], np.inf)
        sent_s: Floats = self.message_s[1][:, other] if kind == PROJ else self.message_s[1][other]
        return sent_s

    def moves_s(self, block: int) -> Floats:
        """Return what it takes to bring a block to each device, shape (M,)."""
        if self.before is None:
            return np.zeros(len(self.used))
        time_s: Floats = self.move_s[self.kinds[block], self.before[block]]
        return time_s

    def fits(self, block: int) -> NDArray[np.bool_]:
        """Return which devices have the memory and the links for a block, shape (M,)."""
        linked = np.isfinite(self.messages_s(block)) & np.isfinite(self.moves_s(block))
        kind = self.kinds[block]
        if kind == PROJ:  # heads that are placed must reach it
            heads = self.places[:-2]
            linked &= np.isfinite(self.message_s[0][heads[heads >= 0]]).all(axis=0)
        enough: NDArray[np.bool_] = self.used + self.memory[kind] <= self.capacity
        return linked & enough

    def interval(self) -> Interval | None:
        """Return the placement, None where a block has no device or no link, or a device too little memory."""
        if (self.places < 0).any() or (self.used > self.capacity).any():
            return None
        for block in self.blocks:
            needed_s = self.messages_s(block) + self.moves_s(block)
            if not np.isfinite(needed_s[self.places[block]]):
                return None
        *heads, proj, ffn = (int(j) for j in self.places)
        return Interval(tuple(heads), proj, ffn)
