"""One device, and how links between named devices are stated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.nearest import meant
from placewise.models.values import require_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    #: One number for all links, a matrix (row = sender), or a default with the links that differ.
    Links = float | ArrayLike | Mapping[str, Any]

T = TypeVar("T")


@dataclass(frozen=True)
class Device:
    """One device; ``Device(...) * 3`` are three equal ones, named ``name-0``, ``name-1``, ``name-2``.

    Parameters
    ----------
    name : str
        Distinct within a cluster.
    memory_bytes : float
        Memory budget, whole bytes: ``24e9`` will do.
    flops_per_s, memory_bytes_per_s : float, optional
        Peak compute and memory bandwidth, for roofline compute times.
    layer_overhead_s : float
        Seconds that each layer takes beside its roofline compute time: launches, synchronisation.
    """

    name: str
    memory_bytes: float
    flops_per_s: float | None = None
    memory_bytes_per_s: float | None = None
    layer_overhead_s: float = 0.0

    def __mul__(self, count: int) -> tuple[Device, ...]:
        if count == 1:
            return (self,)
        return tuple(replace(self, name=f"{self.name}-{n}") for n in range(count))

    __rmul__ = __mul__


def columns(devices: Iterable[Device | Iterable[Device]]) -> dict[str, Any]:
    """Return devices as the columns of a `Cluster`: names, memory, and the rates that are stated."""
    units = flat(devices, Device, "cluster.devices")
    found: dict[str, Any] = {"device_names": tuple(unit.name for unit in units)}
    found["memory_bytes"] = [unit.memory_bytes for unit in units]
    for key in ("flops_per_s", "memory_bytes_per_s"):
        found[key] = [np.nan if (rate := getattr(unit, key)) is None else rate for unit in units]
    found["layer_overhead_s"] = [unit.layer_overhead_s for unit in units]
    return found


def flat(parts: Iterable[T | Iterable[T]], kind: type[T], path: str) -> tuple[T, ...]:
    """Return parts in a row, those of ``part * n`` one by one; raise `InstanceError` for anything else.

    Parameters
    ----------
    parts : iterable
        Objects of a kind, and lists of them.
    kind : type
        Of each.
    path : str
        Where they stand, for errors.

    Returns
    -------
    tuple
        All of them in order.
    """
    found: list[T] = []
    for position, part in enumerate(parts):
        several = part if isinstance(part, tuple | list) else (part,)
        for one in several:
            require_kind(one, kind, f"{path}[{position}]")
            found.append(one)
    return tuple(found)


def link_matrix(links: Any, names: Sequence[str], path: str) -> NDArray[np.float64]:
    """Return values of all links, shape (M, M), row = sender, as one number, a matrix or a mapping states them.

    Parameters
    ----------
    links : float, array_like or mapping
        A mapping has ``default``, ``links`` (triples of sender, receiver, value; or a mapping of pairs to values) and
        optionally ``symmetric``: each stated link also holds in the other direction.
    names : sequence of str
        The M devices.
    path : str
        Where it stands, for errors.

    Returns
    -------
    ndarray, shape (M, M)
        In the unit of the values.

    Raises
    ------
    InstanceError
        On an unknown key or device, a link of a device with itself, or one that is stated twice.
    """
    size = len(names)
    if not isinstance(links, Mapping):
        try:
            values = np.array(links, dtype=np.float64)
        except (TypeError, ValueError):
            raise InstanceError(path, f"expected a number or a {size} x {size} matrix of numbers") from None
        return values if values.ndim else np.full((size, size), values)
    unknown = sorted(set(links) - {"default", "links", "symmetric"})
    if unknown or "default" not in links:
        found = unknown[0] if unknown else "no default"
        raise InstanceError(path, f"expected default, links and symmetric, found {found}")
    matrix = np.full((size, size), _number(links["default"], f"{path}.default"))
    stated: set[tuple[str, str]] = set()
    index = {name: position for position, name in enumerate(names)}
    for position, (sender, receiver, value) in enumerate(_triples(links.get("links", ()), path)):
        here = f"{path}.links[{position}]"
        for end, name in enumerate((sender, receiver)):
            if name not in index:
                raise InstanceError(
                    f"{here}[{end}]",
                    f"expected a device of the cluster, found {name!r}{meant(str(name), names)}",
                )
        if sender == receiver:
            raise InstanceError(here, f"expected two different devices, found {sender!r} twice")
        for pair in [(sender, receiver), (receiver, sender)][: 1 + bool(links.get("symmetric"))]:
            if pair in stated:
                raise InstanceError(here, f"expected each link once, found {pair[0]} -> {pair[1]} twice")
            stated.add(pair)
            matrix[index[pair[0]], index[pair[1]]] = _number(value, f"{here}[2]")
    return matrix


def _triples(links: Any, path: str) -> list[Any]:
    pairs = links.items() if isinstance(links, Mapping) else ()
    triples = [(*ends, value) for ends, value in pairs] if pairs else list(links)
    for position, triple in enumerate(triples):
        if not isinstance(triple, tuple | list) or len(triple) != 3:
            raise InstanceError(f"{path}.links[{position}]", "expected a sender, a receiver and a value")
    return triples


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise InstanceError(path, f"expected a number, found {value!r}")
    return float(value)
