"""The structure that a run-length model needs: equal layers in a row, and devices that are not worth revisiting.

A transformer is a first layer, equal decoder layers, and a last layer. Then a placement is a chain of devices
with a number of decoder layers on each, unless it visits a device twice. `revisits_never_pay` says when that
cannot improve it; the argument merges two runs of one device and compares what the links on either side cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables, weighted_compute_s
from placewise.models.edgeshard.memory import require_shared_with_first
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.time_range import require_whole_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard.data import EdgeShardInstance


def require_equal_block(instance: EdgeShardInstance) -> None:
    """Check that layers 1..N-2 are equal and send messages of the size that layer 0 sends.

    Raises
    ------
    NotApplicableError
        Naming the first layer that differs.
    """
    layers, compute_s = instance.layers, weighted_compute_s(instance)
    for i in range(2, len(layers) - 1):
        same = (
            layers[i].alone_bytes == layers[1].alone_bytes
            and layers[i].output_bytes == layers[1].output_bytes
            and layers[i].shared == layers[1].shared
            and np.array_equal(compute_s[i], compute_s[1])
        )
        if not same:
            raise NotApplicableError(
                f"the run-length model needs equal layers between the first and the last; layer {i} differs from 1"
            )
    if len(layers) > 2 and layers[0].output_bytes != layers[1].output_bytes:
        raise NotApplicableError(
            "the run-length model needs messages of one size; layer 0 sends "
            f"{layers[0].output_bytes:g} bytes and layer 1 {layers[1].output_bytes:g}"
        )


def require_no_pins(instance: EdgeShardInstance) -> None:
    """Refuse pinned layers, which models that only count layers cannot tell from others.

    Raises
    ------
    NotApplicableError
        Where there are some.
    """
    if instance.rules.pinned:
        raise NotApplicableError("the run-length model counts layers, so it takes no pinned ones")


def require_no_least(instance: EdgeShardInstance) -> None:
    """Refuse devices that must be used, for methods to which a device left out is never worse.

    Raises
    ------
    NotApplicableError
        Where there are some, or a least number of layers.
    """
    if instance.rules.least(instance.cluster.size).any():
        raise NotApplicableError("thresholds take no devices that must be used, nor a least number of layers")


def has_equal_block(instance: EdgeShardInstance) -> bool:
    """Whether layers 1..N-2 are equal, as `require_equal_block` means it."""
    try:
        require_equal_block(instance)
    except NotApplicableError:
        return False
    return True


def useful_devices(instance: EdgeShardInstance) -> list[int]:
    """Return the devices that a pipeline may use: some layer fits, and links lead there from the source and back.

    Parameters
    ----------
    instance : EdgeShardInstance
        M devices; the source is among those returned.
    """
    costs, source = time_tables(instance), instance.source_index
    least = min(instance.memory_bytes[1:], default=0)
    fits = instance.cluster.memory_bytes >= least
    fits[source] = True
    linked = np.isfinite(costs.messages_s[0]) & fits[:, None] & fits[None, :]
    ahead = _reached(linked, np.arange(len(fits)) == source)
    back = _reached(linked.T, fits & np.isfinite(costs.return_s))
    return [j for j in range(len(fits)) if j == source or (ahead & back)[j]]


def _reached(linked: NDArray[np.bool_], begun: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the devices to which links lead from some of them."""
    reached = begun.copy()
    while (more := reached | linked[reached].any(axis=0)).sum() > reached.sum():
        reached = more
    return reached


def shortcut_pairs(hop_s: NDArray[np.float64], via: int) -> NDArray[np.bool_]:
    """Return the pairs (p, x) for which going through a third device is faster than the direct link.

    Parameters
    ----------
    hop_s : ndarray, shape (M, M)
        Time of one message over each link; infinity without a link.
    via : int
        The third device.

    Returns
    -------
    ndarray of bool, shape (M, M)
        True where ``hop[p, via] + hop[via, x] < hop[p, x]``, for distinct p, x and via.
    """
    faster: NDArray[np.bool_] = hop_s[:, via, None] + hop_s[None, via, :] < hop_s
    faster[via, :] = faster[:, via] = False
    np.fill_diagonal(faster, val=False)
    return faster


def revisits_never_pay(hop_s: NDArray[np.float64], source: int) -> bool:
    """Whether some best placement leaves a device for good, but for the closing moves that the model has.

    Take a best placement with the fewest runs and a device j with two of them, ``p j x .. y j q``. Its decoder
    layers may be joined in either run. Joining in the later one saves a run unless (p, x) is a shortcut pair
    of j; joining in the earlier one, unless (y, q) is. So a revisit needs one pair of each kind. The source
    starts every chain, hence it is neither x nor y, and it can only be q when it hosts the last layer: the
    model's closing moves state that case, and the one in which j itself hosts the last layer.

    Parameters
    ----------
    hop_s : ndarray, shape (M, M)
        Seconds of a transfer between equal layers, row = sender; infinite without a link.
    source : int
        The device that starts every chain.
    """
    away = np.arange(len(hop_s)) != source
    # A pair (y, q) beside the source is a pair (p, x) as well, for the source as for any other device.
    between = np.ix_(away, away)
    apart: NDArray[np.float64] = np.where(np.eye(len(hop_s), dtype=bool), np.inf, hop_s)
    # The best link out of p and the best one into x take no less than the direct one: no third device need be looked at.
    quickest = apart.min(axis=1)[:, None] + apart.min(axis=0)
    if not (quickest < hop_s)[between][~np.eye(int(away.sum()), dtype=bool)].any():
        return True
    return not any(shortcut_pairs(hop_s, via)[between].any() for via in range(len(hop_s)))


def run_length_guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT where revisits never pay or are not wanted, else RESTRICTION; raise `NotApplicableError` for other layers."""
    require_equal_block(instance)
    require_shared_with_first(instance)
    require_no_pins(instance)
    costs = time_tables(instance)
    require_whole_numbers(costs.whole_numbers)
    if instance.rules.contiguous:
        return Guarantee.EXACT
    hop_s = costs.transfer_s(0)
    return Guarantee.EXACT if revisits_never_pay(hop_s, instance.source_index) else Guarantee.RESTRICTION
