"""A plan as rows: what each node holds, what it takes, and what flows through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from placewise.models.replicated.cost import capacities
from placewise.models.replicated.flow import maximum_flow

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement


@dataclass(frozen=True)
class Replica:
    """Consecutive layers on one node.

    Parameters
    ----------
    device : str
        By name.
    kind : str
        Its type.
    first, last : int
        The layers, both inclusive, from 0.
    tokens_per_s : float
        What passes it in a maximum flow of the planning objective; not a measurement.
    most_tokens_per_s : float
        What it takes with so many layers.
    """

    device: str
    kind: str
    first: int
    last: int
    tokens_per_s: float
    most_tokens_per_s: float

    @property
    def label(self) -> str:
        """The layers, e.g. ``0-26``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __str__(self) -> str:
        word = "layer" if self.first == self.last else "layers"
        rates = f"{self.tokens_per_s:.4g} of {self.most_tokens_per_s:.4g} tokens/s"
        return f"{self.device} ({self.kind}): {word} {self.label}, {rates}"


def stages(instance: ReplicatedThroughput, placement: Placement) -> tuple[Replica, ...]:
    """Return what each node that holds layers does.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes.
    placement : tuple of (int, int)
        The interval of each.

    Returns
    -------
    tuple of Replica
        By first layer, then in the order of the nodes.
    """
    costs, flow = capacities(instance), maximum_flow(instance, placement)
    rows = [
        Replica(
            device=instance.cluster.device_names[i],
            kind=instance.node_types[instance.types[i]].name,
            first=first,
            last=end - 1,
            tokens_per_s=costs.tokens_per_s(flow.through(i)),
            most_tokens_per_s=costs.tokens_per_s(costs.node[i][end - first - 1]),
        )
        for i, (first, end) in enumerate(placement)
        if first < end
    ]
    return tuple(sorted(rows, key=lambda row: row.first))
