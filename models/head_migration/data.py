"""Validated data of head-level placement: devices over time, a decoder layer, where its blocks are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from placewise.models.cluster import Cluster, require_no_layer_overhead
from placewise.models.errors import InstanceError
from placewise.models.head_migration.blocks import HeadTransformer
from placewise.models.head_migration.over_time import MAX_INTERVALS, DevicesOverTime, merged
from placewise.models.instance import BaseInstance
from placewise.models.time_model import TimeModel, check_time_model
from placewise.models.values import require_kind
from placewise.models.workload import count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


__all__ = ["MAX_INTERVALS", "DevicesOverTime", "HeadMigration", "HeadMigrationInstance", "Interval", "Policy"]

Policy = Literal["lookahead", "myopic"]
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


@dataclass(frozen=True, eq=False, repr=False, init=False)
class HeadMigration(BaseInstance):
    """One instance of head-level placement with migration.

    Parameters
    ----------
    cluster : Cluster
        M devices; link latency is paid by every message and every move.
    transformer : HeadTransformer
        The layer.
    intervals : int, optional
        ``T``; by default as many as the tables below have.
    memory_bytes : array_like, shape (T, M) or (M,), optional
        ``M_j(t)``; the cluster's in every interval where it is not stated.
    flops_per_s : array_like, shape (T, M) or (M,), optional
        ``C_j(t)``, positive; likewise.
    bandwidth_bytes_per_s : array_like, shape (T, M, M) or (M, M), optional
        ``R_jk(t)``; row = sender; 0 = no link; likewise.
    over_time : DevicesOverTime, optional
        The same, as it is kept. What is stated there, another cluster does not change.
    controller : int or str
        ``c``, the device where inputs come from, by index or name.
    tokens_per_interval : int
        ``lambda``.
    initial : Interval or mapping or None
        The placement before the first interval, also with devices by name: ``{"heads": [...], "proj": ..., "ffn":
        ...}``. None = the first placement costs no migration.
    initial_length : int or None
        Tokens so far at that placement; the prompt's length if None.
    policy : str
        ``lookahead`` weighs the delay of an interval by its tokens, ``myopic`` does not (Section III).
    input_from_controller, overlap : bool
        Whether each device with heads first receives the input (6), and whether a device computes a head while it
        sends the one before.
    time_model : str
        ``flops`` as the paper's (5); ``roofline``: a block takes the longer of that and of reading its weights and cache
        once per token, at the cluster's ``memory_bytes_per_s``.
    name, description, reference : str
        For people; the problem's name by default.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    problem: ClassVar[str] = "head-migration"

    cluster: Cluster
    transformer: HeadTransformer
    over_time: DevicesOverTime
    controller: int
    tokens_per_interval: int
    initial: Interval | None
    initial_length: int | None
    policy: Policy
    input_from_controller: bool
    overlap: bool
    time_model: TimeModel
    name: str
    description: str
    reference: str

    old_arguments: ClassVar[tuple[str, ...]] = (
        *(
            "name",
            "problem",
            "cluster",
            "transformer",
            "memory_bytes",
            "flops_per_s",
            "bandwidth_bytes_per_s",
        ),
        *("controller", "tokens_per_interval", "initial", "initial_length", "policy"),
        *("input_from_controller", "overlap", "description", "reference"),
    )

    def __init__(
        self,
        cluster: Cluster,
        transformer: HeadTransformer,
        intervals: int | None = None,
        *,
        memory_bytes: ArrayLike | None = None,
        flops_per_s: ArrayLike | None = None,
        bandwidth_bytes_per_s: ArrayLike | None = None,
        over_time: DevicesOverTime | None = None,
        controller: int | str = 0,
        tokens_per_interval: int = 1,
        initial: Interval | Mapping[str, Any] | None = None,
        initial_length: int | None = None,
        policy: Policy = "lookahead",
        input_from_controller: bool = False,
        overlap: bool = False,
        time_model: TimeModel = "flops",
        name: str | None = None,
        description: str = "",
        reference: str = "",
    ) -> None:
        require_kind(cluster, Cluster, "cluster")
        require_kind(transformer, HeadTransformer, "transformer")
        require_no_layer_overhead(cluster, self.problem)
        tables = {
            "memory_bytes": memory_bytes,
            "flops_per_s": flops_per_s,
            "bandwidth_bytes_per_s": bandwidth_bytes_per_s,
        }
        self._set(
            cluster=cluster,
            transformer=transformer,
            over_time=merged(over_time, intervals, tables, cluster.size),
            controller=cluster.index(controller, "controller"),
            tokens_per_interval=count(tokens_per_interval, "tokens_per_interval"),
            initial=None if initial is None else placed(initial, cluster, transformer, "initial_placement"),
            initial_length=None if initial_length is None else count(initial_length, "initial_length"),
            policy=policy,
            input_from_controller=input_from_controller,
            overlap=overlap,
            time_model=time_model,
            name=self.problem if name is None else name,
            description=description,
            reference=reference,
        )
        self._check()

    def _check(self) -> None:
        if self.transformer.heads > MAX_HEADS:
            raise InstanceError("transformer.heads", f"expected at most {MAX_HEADS}")
        slow = np.argwhere(self.flops_per_s == 0)
        if slow.size:
            raise InstanceError(f"flops_per_s[{slow[0][0]}][{slow[0][1]}]", "expected FLOP/s > 0")
        if self.tokens_per_interval < 1:
            raise InstanceError(
                "tokens_per_interval", f"expected at least 1, found {self.tokens_per_interval}"
            )
        check_time_model(self.time_model, self.cluster)
        if self.policy not in ("lookahead", "myopic"):
            raise InstanceError("policy", f"expected lookahead or myopic, found {self.policy!r}")

    @cached_property
    def memory_bytes(self) -> NDArray[np.int64]:
        """``M_j(t)``, shape (T, M), read-only: as stated over time, or the cluster's."""
        return self._over_time(self.over_time.memory_bytes, self.cluster.memory_bytes)

    @cached_property
    def flops_per_s(self) -> NDArray[np.float64]:
        """``C_j(t)``, shape (T, M), read-only: as stated over time, or the cluster's."""
        rates = self.cluster.flops_per_s
        if self.over_time.flops_per_s is None and (rates is None or np.isnan(rates).any()):
            raise InstanceError("flops_per_s", "expected FLOP/s here, or of every device of the cluster")
        return self._over_time(self.over_time.flops_per_s, rates)

    @cached_property
    def bandwidth_bytes_per_s(self) -> NDArray[np.float64]:
        """``R_jk(t)``, shape (T, M, M), read-only: as stated over time, or the cluster's."""
        return self._over_time(self.over_time.bandwidth_bytes_per_s, self.cluster.bandwidth_bytes_per_s)

    def _over_time(self, stated: NDArray[Any] | None, steady: NDArray[Any] | None) -> NDArray[Any]:
        if stated is not None:
            return stated
        assert steady is not None
        return np.broadcast_to(steady, (self.intervals, *steady.shape))

    @property
    def intervals(self) -> int:
        """``T``."""
        return self.over_time.intervals

    def length(self, interval: int) -> int:
        """Return ``L_t`` in an interval counted from 0; interval -1 is before the first."""
        start = self.transformer.prompt_tokens if self.initial_length is None else self.initial_length
        return start + self.tokens_per_interval * (interval + 1)

    def _sizes(self) -> str:
        stated = ", ".join(self.over_time.stated) or "nothing"
        return (
            f"{self.transformer.units} heads on {self.cluster.size} devices, {self.intervals} intervals, "
            f"over time: {stated}{'' if self.time_model == 'flops' else f', {self.time_model}'}"
        )


def placed(
    where: Interval | Mapping[str, Any], cluster: Cluster, transformer: HeadTransformer, path: str
) -> Interval:
    """Return a placement by indices; devices may be given by name, and in the form of an instance file.

    Parameters
    ----------
    where : Interval or mapping
        With ``heads``, ``proj`` and ``ffn``.
    cluster : Cluster
        Whose devices.
    transformer : HeadTransformer
        Whose blocks.
    path : str
        Where it stands, for errors.

    Raises
    ------
    InstanceError
        Naming the path of what is no device, or a wrong number of heads.
    """
    if isinstance(where, Mapping):
        unknown = set(where) ^ {"heads", "proj", "ffn"}
        if unknown or not isinstance(where["heads"], list | tuple):
            raise InstanceError(path, "expected heads (a list), proj and ffn")
        where = Interval(tuple(where["heads"]), where["proj"], where["ffn"])
    if not isinstance(where, Interval):
        raise InstanceError(path, f"expected an Interval, found {type(where).__name__}")
    if len(where.heads) != transformer.units:
        raise InstanceError(
            f"{path}.heads", f"expected {transformer.units} devices, found {len(where.heads)}"
        )
    heads = tuple(cluster.index(device, f"{path}.heads[{i}]") for i, device in enumerate(where.heads))
    return Interval(heads, cluster.index(where.proj, f"{path}.proj"), cluster.index(where.ffn, f"{path}.ffn"))


#: The name in version 0.1.
HeadMigrationInstance = HeadMigration
