"""Whether compute times count arithmetic only, as the papers do, or the reading of weights as well.

Source: the roofline, Williams, Waterman and Patterson (2009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster

#: ``flops``: work over ``flops_per_s``, as the papers read it; ``roofline``: the longer of that and of reading weights
#: and cache at ``memory_bytes_per_s``, which decoding a token is bound by.
TimeModel = Literal["flops", "roofline"]


def check_time_model(time_model: str, cluster: Cluster) -> None:
    """Check the name, and that each device states what it asks for.

    Parameters
    ----------
    time_model : str
        One of `TimeModel`.
    cluster : Cluster
        M devices.

    Raises
    ------
    InstanceError
        On another name, or at a device that does not state how fast it reads.
    """
    if time_model not in get_args(TimeModel):
        raise InstanceError(
            "time_model", f"expected {' or '.join(get_args(TimeModel))}, found {time_model!r}"
        )
    if time_model == "flops":
        return
    rates = cluster.memory_bytes_per_s
    for index, name in enumerate(cluster.device_names):
        if rates is None or not rates[index] > 0:
            path = f"cluster.devices[{index}].memory_bytes_per_s"
            raise InstanceError(
                path, f"expected bytes/s > 0 of {name!r}, which time_model 'roofline' asks for"
            )


def slower(
    work_s: NDArray[np.float64], read_bytes: NDArray[np.float64], cluster: Cluster, time_model: TimeModel
) -> NDArray[np.float64]:
    """Return the times of work, or of reading where the model counts it and it takes longer.

    Parameters
    ----------
    work_s : ndarray, shape (..., M)
        Seconds of the arithmetic on each device.
    read_bytes : ndarray, shape (...)
        What is read meanwhile.
    cluster : Cluster
        M devices.
    time_model : str
        One of `TimeModel`.
    """
    if time_model == "flops":
        return work_s
    assert cluster.memory_bytes_per_s is not None
    return np.asarray(np.maximum(work_s, read_bytes[..., None] / cluster.memory_bytes_per_s))


def left_out(time_model: TimeModel) -> tuple[str, ...]:
    """Return what times of a model leave out, for people.

    Parameters
    ----------
    time_model : str
        One of `TimeModel`.
    """
    reading = ("reading weights from memory (time_model flops)",) if time_model == "flops" else ()
    return (*reading, "the prompt (prefill)", "overheads that no device states")
