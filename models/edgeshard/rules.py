"""What a runtime, or its owner, asks of a placement beyond the paper: contiguous runs, pinned layers, layers per device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.problem import Violation
from placewise.models.values import ByValue
from placewise.models.workload import count as whole_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster

#: What `Problem.options` calls them.
CONTIGUOUS, FREE_SOURCE, PINNED = "contiguous", "free source", "pinned layers"
LIMITS, MUST_USE = "layer limits", "devices that must be used"
#: All of them.
EVERY = frozenset({CONTIGUOUS, FREE_SOURCE, PINNED, LIMITS, MUST_USE})


@dataclass(frozen=True, eq=False, init=False)
class Rules(ByValue):
    """Which placements are wanted; those of no rule are all.

    Parameters
    ----------
    contiguous : bool
        Each device hosts one run of layers in a row, as runtimes need it that cannot return to a device; stages of a
        pipeline always do.
    pinned : mapping of int to int or str
        Layers that stay on a device, by the layer's index and the device's index or name.
    min_layers, max_layers : mapping of int or str to int
        Least and most layers of a device; of the others there is no limit. 0 at most = the device is not used.
    must_use : iterable of int or str
        Devices that host at least one layer.
    """

    contiguous: bool
    pinned: tuple[tuple[int, int | str], ...]
    min_layers: tuple[tuple[int | str, int], ...]
    max_layers: tuple[tuple[int | str, int], ...]
    must_use: tuple[int | str, ...]

    def __init__(
        self,
        *,
        contiguous: bool = False,
        pinned: Mapping[int, int | str] | Iterable[tuple[int, int | str]] = (),
        min_layers: Mapping[int | str, int] | Iterable[tuple[int | str, int]] = (),
        max_layers: Mapping[int | str, int] | Iterable[tuple[int | str, int]] = (),
        must_use: Iterable[int | str] = (),
    ) -> None:
        if not isinstance(contiguous, bool):
            raise InstanceError("contiguous", f"expected true or false, found {contiguous!r}")
        self._set(
            contiguous=contiguous,
            pinned=tuple(dict(pinned).items()),
            min_layers=tuple(dict(min_layers).items()),
            max_layers=tuple(dict(max_layers).items()),
            must_use=tuple(must_use),
        )

    def on(self, cluster: Cluster, layers: int) -> Rules:
        """Return the rules by indices, in order.

        Parameters
        ----------
        cluster : Cluster
            M devices.
        layers : int
            N.

        Raises
        ------
        InstanceError
            At a layer or device that there is not, a number of layers that is none, or limits that exclude each other.
        """
        pinned = {}
        for layer, device in self.pinned:
            number = whole_count(layer, "pinned")
            if not 0 <= number < layers:
                raise InstanceError("pinned", f"expected layers 0 to {layers - 1}, found {number}")
            pinned[number] = cluster.index(device, f"pinned.{number}")
        limits: dict[str, dict[int, int]] = {}
        for key in ("min_layers", "max_layers"):
            limits[key] = {}
            for device, number in getattr(self, key):
                where = f"{key}.{device}"
                limits[key][cluster.index(device, where)] = whole_count(number, where)
                if number < 0:
                    raise InstanceError(where, f"expected at least 0, found {number}")
        for device, least in limits["min_layers"].items():
            most = limits["max_layers"].get(device, layers)
            if least > most:
                where = f"min_layers.{cluster.device_names[device]}"
                known = "layers" if device not in limits["max_layers"] else "max_layers"
                raise InstanceError(where, f"expected at most {most} ({known}), found {least}")
        return Rules(
            contiguous=self.contiguous,
            pinned=sorted(pinned.items()),
            min_layers=sorted(limits["min_layers"].items()),
            max_layers=sorted(limits["max_layers"].items()),
            must_use=sorted({cluster.index(device, "must_use") for device in self.must_use}),
        )

    @cached_property
    def asked(self) -> frozenset[str]:
        """Which of the options these rules are, by the names of `EVERY`."""
        told = {CONTIGUOUS: self.contiguous, PINNED: self.pinned, MUST_USE: self.must_use}
        told[LIMITS] = self.min_layers or self.max_layers
        return frozenset(option for option, value in told.items() if value)

    def least(self, devices: int) -> NDArray[np.int64]:
        """Return the least layers of each device, one where it must be used.

        Parameters
        ----------
        devices : int
            M.

        Returns
        -------
        ndarray of int, shape (M,)
            0 where there is no limit.
        """
        least = np.zeros(devices, dtype=np.int64)
        least[[int(device) for device in self.must_use]] = 1
        for device, number in self.min_layers:
            least[int(device)] = max(least[int(device)], number)
        return least

    def most(self, devices: int, layers: int) -> NDArray[np.int64]:
        """Return the most layers of each device, all where there is no limit.

        Parameters
        ----------
        devices, layers : int
            M and N.

        Returns
        -------
        ndarray of int, shape (M,)
            At most N.
        """
        most = np.full(devices, layers, dtype=np.int64)
        for device, number in self.max_layers:
            most[int(device)] = min(number, layers)
        return most

    def ends(self, devices: int, layers: int) -> NDArray[np.int64]:
        """Return how far a run may reach for pins and most layers.

        Parameters
        ----------
        devices, layers : int
            M and N.

        Returns
        -------
        ndarray of int, shape (N, M)
            The furthest end by first layer and device; the first layer itself where the run may not start.
        """
        ends = np.empty((layers, devices), dtype=np.int64)
        stop = np.full(devices, layers, dtype=np.int64)
        pinned = dict(self.pinned)
        for i in range(layers - 1, -1, -1):
            if i in pinned:
                stop[np.arange(devices) != pinned[i]] = i
            ends[i] = stop
        most = np.arange(layers, dtype=np.int64)[:, None] + self.most(devices, layers)[None, :]
        return np.asarray(np.minimum(ends, most))

    def violations(self, names: Sequence[str], placement: Sequence[int], *, runs: bool) -> list[Violation]:
        """Return the rules that a placement breaks.

        Parameters
        ----------
        names : sequence of str
            Of the M devices.
        placement : sequence of int
            The device of each layer.
        runs : bool
            Whether runs are looked at; a pipeline's are by Eq. 11.
        """
        if not self.asked:  # as most do; placements are evaluated by the million
            return []
        found = []
        if self.contiguous and runs:
            order = [device for device, _ in groupby(placement)]
            for device in dict.fromkeys(device for device in order if order.count(device) > 1):
                message = f"{names[device]} hosts {order.count(device)} runs of layers, expected one in a row"
                found.append(Violation("contiguity", names[device], message))
        for layer, pin in self.pinned:
            if placement[layer] != pin:
                message = f"layer {layer} is on {names[placement[layer]]}, expected {names[int(pin)]}: pinned"
                found.append(Violation("pinned", f"layer {layer}", message))
        hosted = [0] * len(names)
        for device in placement:
            hosted[device] += 1
        for key, limits, sign in (("min_layers", self.min_layers, 1), ("max_layers", self.max_layers, -1)):
            for host, number in limits:
                if sign * hosted[int(host)] < sign * number:
                    word = "least" if sign > 0 else "most"
                    message = (
                        f"{names[int(host)]} hosts {hosted[int(host)]} layers, expected at {word} {number}"
                    )
                    found.append(Violation(key, names[int(host)], message))
        for must in self.must_use:
            if not hosted[int(must)]:
                message = f"{names[int(must)]} hosts no layer, expected at least one: it must be used"
                found.append(Violation("must_use", names[int(must)], message))
        return found
