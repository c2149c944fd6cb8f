"""Experts of a layer: all are in memory, and a token reads some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from placewise.models.errors import InstanceError
from placewise.models.plain import plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from placewise.models.workload import Layer


@dataclass(frozen=True)
class Experts:
    """Experts of a layer, of which each token reads some; all are in memory.

    Parameters
    ----------
    count : int
        All of them.
    active : float
        That one sequence reads per token; they are part of the layer's ``weight_bytes``.
    each_bytes : float
        Of one expert.
    """

    count: int
    active: float
    each_bytes: float

    def __post_init__(self) -> None:
        plain_numbers(self, "count", whole=True)
        plain_numbers(self, "active", "each_bytes")

    def distinct(self, sequences: int) -> float:
        """Return how many experts so many sequences read together, as expected where each draws its own at random.

        Parameters
        ----------
        sequences : int
            Decoded together.
        """
        return self.count * (1 - (1 - self.active / self.count) ** sequences)


def check_experts(layers: Iterable[Layer]) -> None:
    """Check what layers say of experts.

    Parameters
    ----------
    layers : iterable of Layer
        Of an instance, in order.

    Raises
    ------
    InstanceError
        Where fewer than 1 or more than all are active, or they are not part of the weights that are read.
    """
    for position, layer in enumerate(layers):
        experts, path = layer.experts, f"model.layers[{position}].experts"
        if experts is None:
            continue
        if not (isinstance(experts.count, int) and 0 < experts.active <= experts.count):
            raise InstanceError(
                path,
                f"expected more than 0 and at most all of {experts.count} active, found {experts.active:g}",
            )
        read, least = layer.weight_bytes, experts.active * experts.each_bytes
        if not (experts.each_bytes >= 0 and (read is None or least <= read * (1 + 1e-9))):
            message = (
                f"expected weight_bytes of at least {experts.active:g} experts of {experts.each_bytes:g}"
            )
            raise InstanceError(path, f"{message}, found {read}")
