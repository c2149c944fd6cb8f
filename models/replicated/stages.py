"""A plan as rows: what each node holds, what it takes, and what flows through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.replicated.cost import capacities
from placewise.models.replicated.flow import maximum_flow
from placewise.models.stages import Replica

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement


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
