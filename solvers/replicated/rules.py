"""Rules by which decentralised servers choose their layers, in this project's reading of their public descriptions.

Petals: servers join one after the other, here in the order of the file; each takes as many consecutive layers as it
holds, where the layers are served worst so far. Swarm: the layers are cut into equal stages, as long as every node can
hold; nodes go, those that take most tokens first, to the stage that is served worst so far.

Sources: Borzunov, Ryabinin, Chumachenko, Baranchuk, Dettmers, Belkada, Samygin and Raffel (2023); Ryabinin, Dettmers,
Diskin and Borzunov (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.replicated.cost import capacities
from placewise.models.replicated.flow import maximum_flow
from placewise.models.replicated.placement import NOTHING
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement
    from placewise.solvers.execution.context import Context


def petals_plan(instance: ReplicatedThroughput) -> Placement:
    """Return the plan of servers that join one by one: each where the least served layer, then all of them, need it most.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes, L layers.
    """
    costs, served, plan = capacities(instance), [0] * instance.layers, []
    for i in range(instance.cluster.size):
        k = instance.most_layers(i)
        if not k:
            plan.append(NOTHING)
            continue
        first = min(range(instance.layers - k + 1), key=lambda s: (sorted(served[s : s + k]), s))
        plan.append((first, first + k))
        for layer in range(first, first + k):
            served[layer] += costs.node[i][k - 1]
    return tuple(plan)


def swarm_plan(instance: ReplicatedThroughput) -> Placement:
    """Return the plan of equal stages; the first ones have a layer more where the division leaves a rest.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes, L layers.
    """
    costs, size = capacities(instance), instance.cluster.size
    longest = min((k for k in map(instance.most_layers, range(size)) if k), default=0)
    if not longest:
        return (NOTHING,) * size
    count = -(-instance.layers // longest)
    short, rest = divmod(instance.layers, count)
    ends = [0]
    for stage in range(count):
        ends.append(ends[-1] + short + (stage < rest))
    served, plan = [0] * count, [NOTHING] * size
    able = [i for i in range(size) if costs.node[i]]
    for i in sorted(able, key=lambda i: (-costs.node[i][short - 1], i)):
        stage = min(range(count), key=lambda stage: (served[stage], stage))
        plan[i] = (ends[stage], ends[stage + 1])
        served[stage] += costs.node[i][ends[stage + 1] - ends[stage] - 1]
    return tuple(plan)


def _method(
    plan_of: Callable[[ReplicatedThroughput], Placement],
) -> Callable[[ReplicatedThroughput, Context], Claim]:
    def run(instance: ReplicatedThroughput, context: Context) -> Claim:
        plan = plan_of(instance)
        flow = maximum_flow(instance, plan).value
        if not flow:
            return Claim(Reason.FINISHED, message="no token passes its plan", solve_s=context.elapsed)
        return Claim(Reason.FINISHED, plan, capacities(instance).seconds(flow), solve_s=context.elapsed)

    return run


petals = _method(petals_plan)
swarm = _method(swarm_plan)
