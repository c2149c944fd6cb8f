"""A DILEMMA placement as stages: consecutive layers on one server, with their widths."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from placewise.models.dilemma.cost import delay_costs
from placewise.models.stages import QuantizedStage

if TYPE_CHECKING:
    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement


def stages(instance: DilemmaInstance, placement: Placement) -> tuple[QuantizedStage, ...]:
    """Return the stages of a placement.

    Parameters
    ----------
    instance : DilemmaInstance
        L layers, M servers, B widths.
    placement : tuple of (int, int)
        Server and position of the width of each layer.

    Returns
    -------
    tuple of QuantizedStage
        In the order of the layers. All their seconds are the delay (Eq. 1); as printed, transfers are stated here also
        where Eq. 2f leaves them out.
    """
    costs, names, widths = delay_costs(instance), instance.cluster.device_names, instance.bit_widths
    found = []
    for server, group in groupby(range(len(placement)), key=lambda layer: placement[layer][0]):
        hosted = list(group)
        first = hosted[0]
        transfer_s = 0.0
        if first:
            sender, width = placement[first - 1]
            transfer_s = float(costs.transfer_s(first - 1)[width, sender, server])
        bits = tuple(widths[placement[layer][1]] for layer in hosted)
        stored = sum(instance.layers[layer].parameters * b for layer, b in zip(hosted, bits, strict=True))
        found.append(
            QuantizedStage(
                device=names[server],
                first=first,
                last=hosted[-1],
                compute_s=sum(float(costs.compute_s[layer, server, placement[layer][1]]) for layer in hosted),
                transfer_s=transfer_s,
                memory_bytes=-(-stored // 8),
                bits=bits,
            )
        )
    return tuple(found)
