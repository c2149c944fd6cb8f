"""Simple proofs that an instance has no plan, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.replicated.cost import capacities
from placewise.models.time_range import reachable

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput


def diagnose(instance: ReplicatedThroughput) -> str | None:
    """Return why no plan lets a token pass, or None where no simple reason shows it.

    Every reason is a proof, with partial inference too; its absence proves nothing.
    """
    costs, size = capacities(instance), instance.cluster.size
    room = [instance.most_layers(i) for i in range(size)]
    usable = [i for i in range(size) if room[i]]
    for array, where in ((costs.source, "from the source"), (costs.sink, "to the sink")):
        if not any(array[i] for i in usable):
            return f"no node that holds a layer has a link {where}"
    if sum(room) < instance.layers:
        return f"the nodes hold {sum(room):,} layers in all and the model has {instance.layers:,}"
    linked = (costs.link > 0).copy()
    idle = [i for i in range(size) if not room[i]]
    linked[idle, :] = linked[:, idle] = False
    reached: set[int] = set()
    for i in usable:
        if costs.source[i] and i not in reached:
            reached |= {int(j) for j in reachable(linked, i).nonzero()[0]}
    if not any(costs.sink[i] for i in reached):
        return "no path of nodes leads from the source to the sink"
    if sum(room[i] for i in reached) < instance.layers:
        found = sum(room[i] for i in reached)
        return (
            f"the nodes that the source reaches hold {found:,} layers and the model has {instance.layers:,}"
        )
    return None
