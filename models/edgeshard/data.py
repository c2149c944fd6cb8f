"""Validated data of the EdgeShard problems: layers, devices, compute times, the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.cluster import Cluster, non_negative, require_tables, set_array, whole_bytes
from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.workload import Layer

MAX_LAYERS = 4096


@dataclass(frozen=True, eq=False)
class EdgeShardInstance:
    """One instance of EdgeShard's placement problems (Section IV).

    Parameters
    ----------
    name, problem : str
        Its name, and ``edgeshard-latency`` or ``edgeshard-throughput``.
    cluster : Cluster
        M devices; ``Mem_j`` and ``B_kj``.
    layers : tuple of Layer
        N layers in order; ``Req_i`` and ``O_i``.
    compute_time_s : ndarray, shape (N, M)
        ``t_comp^(i,j)``, seconds of layer i on device j.
    source : int
        Index of the device that holds the input tokens; layer 0 stays there (Eq. 4).
    return_bytes : float
        Bytes sent from the last layer's device to the source per token (Eq. 6); 0 = nothing is sent.
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
    layers: tuple[Layer, ...]
    compute_time_s: NDArray[np.float64]
    source: int
    return_bytes: float = 0.0
    description: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise InstanceError(
                "model.layers", f"expected 1 to {MAX_LAYERS} layers, found {len(self.layers)}"
            )
        if not 0 <= self.source < self.cluster.size:
            raise InstanceError(
                "source_device", f"expected a device of the cluster, found index {self.source}"
            )
        messages = len({layer.output_bytes for layer in self.layers})
        require_tables("model.layers.output_bytes", messages, self.cluster.size, self.cluster.size)
        shape = (len(self.layers), self.cluster.size)
        set_array(self, "compute_time_s", non_negative(self.compute_time_s, shape, "compute_time_s"))
        whole_bytes([layer.memory_bytes for layer in self.layers], shape[:1], "model.layers.memory_bytes")
        outputs = non_negative(
            [layer.output_bytes for layer in self.layers], shape[:1], "model.layers.output_bytes"
        )
        if max(*outputs, self.return_bytes) > MAX_BYTES:
            raise InstanceError("model.layers.output_bytes", "expected at most 2**50 bytes")
        non_negative([self.return_bytes], (1,), "return_bytes")

    @property
    def memory_bytes(self) -> NDArray[np.int64]:
        """``Req_i`` of each layer, shape (N,)."""
        return np.array([layer.memory_bytes for layer in self.layers], dtype=np.int64)
