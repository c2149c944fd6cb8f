"""Validated data of head-level placement: devices over time, a decoder layer, where its blocks are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from placewise.models.cluster import Cluster, non_negative, require_tables, set_array, whole_bytes
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration.blocks import HeadTransformer

Policy = Literal["lookahead", "myopic"]
MAX_INTERVALS = 100_000
MAX_HEADS = 4096


@dataclass(frozen=True)
class Interval:
    """Where the blocks are in one interval.

    Parameters
    ----------
    heads : tuple of int
        Device of each head, H entries.
    proj, ffn : int
        Devices of the projection and of the feed-forward network.
    """

    heads: tuple[int, ...]
    proj: int
    ffn: int


@dataclass(frozen=True, eq=False)
class HeadMigrationInstance:
    """One instance of head-level placement with migration.

    Parameters
    ----------
    name, problem : str
        Its name, and ``head-migration``.
    cluster : Cluster
        M devices; link latency is paid by every message and every move.
    transformer : HeadTransformer
        The layer.
    memory_bytes : ndarray of int64, shape (T, M)
        ``M_j(t)``.
    flops_per_s : ndarray, shape (T, M)
        ``C_j(t)``, positive.
    bandwidth_bytes_per_s : ndarray, shape (T, M, M)
        ``R_jk(t)``; row = sender; 0 = no link.
    controller : int
        ``c``, the device where inputs come from.
    tokens_per_interval : int
        ``lambda``.
    initial : Interval or None
        The placement before the first interval; None = the first placement costs no migration.
    initial_length : int or None
        Tokens so far at that placement; the prompt's length if None.
    policy : str
        ``lookahead`` weighs the delay of an interval by its tokens, ``myopic`` does not (Section III).
    input_from_controller, overlap : bool
        Whether each device with heads first receives the input (6), and whether a device computes a head while it
        sends the one before.
    description, reference : str
        For people.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    name: str
    problem: str
    cluster: Cluster
    transformer: HeadTransformer
    memory_bytes: NDArray[np.int64]
    flops_per_s: NDArray[np.float64]
    bandwidth_bytes_per_s: NDArray[np.float64]
    controller: int = 0
    tokens_per_interval: int = 1
    initial: Interval | None = None
    initial_length: int | None = None
    policy: Policy = "lookahead"
    input_from_controller: bool = False
    overlap: bool = False
    description: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        count, size = len(self.memory_bytes), self.cluster.size
        if not 1 <= count <= MAX_INTERVALS:
            raise InstanceError("intervals", f"expected 1 to {MAX_INTERVALS}, found {count}")
        if self.transformer.heads > MAX_HEADS:
            raise InstanceError("transformer.heads", f"expected at most {MAX_HEADS}")
        require_tables("intervals", count, size, size)
        set_array(self, "memory_bytes", whole_bytes(self.memory_bytes, (count, size), "memory_bytes"))
        for key, shape in (("flops_per_s", (count, size)), ("bandwidth_bytes_per_s", (count, size, size))):
            set_array(self, key, non_negative(getattr(self, key), shape, key))
        slow = np.argwhere(self.flops_per_s == 0)
        if slow.size:
            raise InstanceError(f"flops_per_s[{slow[0][0]}][{slow[0][1]}]", "expected FLOP/s > 0")
        if not 0 <= self.controller < size:
            raise InstanceError("controller", "expected a device of the cluster")
        if self.tokens_per_interval < 1:
            raise InstanceError(
                "tokens_per_interval", f"expected at least 1, found {self.tokens_per_interval}"
            )
        if self.policy not in ("lookahead", "myopic"):
            raise InstanceError("policy", f"expected lookahead or myopic, found {self.policy!r}")
        if self.initial is not None:
            devices = (*self.initial.heads, self.initial.proj, self.initial.ffn)
            if len(self.initial.heads) != self.transformer.units or not all(0 <= j < size for j in devices):
                raise InstanceError(
                    "initial_placement", f"expected devices of {self.transformer.units} heads, proj and ffn"
                )

    @property
    def intervals(self) -> int:
        """``T``."""
        return len(self.memory_bytes)

    def length(self, interval: int) -> int:
        """Return ``L_t`` in an interval counted from 0; interval -1 is before the first."""
        start = self.transformer.prompt_tokens if self.initial_length is None else self.initial_length
        return start + self.tokens_per_interval * (interval + 1)
