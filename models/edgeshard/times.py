"""Compute times are stated, or they follow from the rates of the devices.

Source: the roofline, Williams, Waterman and Patterson (2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.arrays import non_negative, set_array
from placewise.models.edgeshard.rooflines import roofline_time_s
from placewise.models.errors import InstanceError
from placewise.models.values import ByValue

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from placewise.models.cluster import Cluster
    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.workload import Layer


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Stated(ByValue):
    """Compute times as measured or made up; nothing but new times changes them, another cluster does not.

    Parameters
    ----------
    time_s : array_like, shape (N, M), or (B, N, M) where the batch size is a decision
        Seconds of layer i on device j.
    """

    time_s: NDArray[np.float64]

    def __init__(self, time_s: ArrayLike) -> None:
        try:
            values = np.array(time_s, dtype=np.float64)
        except (TypeError, ValueError):
            raise InstanceError("compute_time_s", "expected a matrix of seconds") from None
        set_array(self, "time_s", values)

    def __repr__(self) -> str:
        return f"Stated({' x '.join(map(str, self.time_s.shape))} times)"


@dataclass(frozen=True)
class Roofline:
    """Compute times that follow from the rates of layers and devices, also when those change.

    A layer takes the longer of its work at ``flops_per_s`` and of reading its weights at ``memory_bytes_per_s``.
    """


#: How the compute times of an instance are given.
Times = Stated | Roofline


def times_of(times: Times | None, compute_time_s: ArrayLike | None) -> Times:
    """Return how times are given: numbers are stated and count before anything else; nothing means by rates.

    Parameters
    ----------
    times : Stated, Roofline or None
        As an instance was given it.
    compute_time_s : array_like or None
        Seconds, shape (N, M) or (B, N, M).
    """
    if compute_time_s is not None:
        return Stated(compute_time_s)
    return Roofline() if times is None else times


def table_s(
    times: Times, layers: tuple[Layer, ...], cluster: Cluster, batch_sizes: tuple[int, ...] | None = None
) -> NDArray[np.float64]:
    """Return the compute times, shape (N, M), or (B, N, M) for several batch sizes; read-only.

    Parameters
    ----------
    times : Stated or Roofline
        How they are given.
    layers : tuple of Layer
        N of them.
    cluster : Cluster
        M devices.
    batch_sizes : tuple of int, optional
        B of them.

    Returns
    -------
    ndarray, shape (N, M) or (B, N, M)
        Seconds of layer i on device j, for one step of the whole batch.

    Raises
    ------
    InstanceError
        On a wrong shape or number of stated times, or a layer or device that does not state its rates.
    """
    shape = (len(layers), cluster.size)
    if isinstance(times, Stated):
        whole = shape if batch_sizes is None else (len(batch_sizes), *shape)
        non_negative(times.time_s, whole, "compute_time_s")
        return times.time_s
    tables = [roofline_time_s(layers, cluster, tokens) for tokens in batch_sizes or (1,)]
    unknown = np.argwhere(np.isnan(tables[0]))
    if unknown.size:
        i, j = unknown[0]
        raise InstanceError(
            "compute_time_s" if batch_sizes is None else "compute_time_s[0]",
            f"expected {shape[0]} x {shape[1]} seconds, or flops and weight_bytes of layer {layers[i].name!r} "
            f"with flops_per_s and memory_bytes_per_s of device {cluster.device_names[j]!r}",
        )
    table = tables[0] if batch_sizes is None else np.stack(tables)
    checked = non_negative(table, table.shape, "compute_time_s")
    checked.setflags(write=False)
    return checked


def left_out(instance: EdgeShardInstance | EdgeShardBatch) -> tuple[str, ...]:
    """Return what the times of an instance leave out, for people: stated times contain what was measured.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatch
        Of any EdgeShard problem.
    """
    overheads = () if isinstance(instance.times, Stated) else ("overheads that no device states",)
    return ("the prompt (prefill)", *overheads)
