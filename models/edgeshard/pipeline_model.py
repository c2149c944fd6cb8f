"""A CP-SAT model of a pipeline, and its way back to a placement."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement
    from placewise.models.whole_times import WholeTimes


@dataclass(frozen=True)
class PipelineModel:
    """A CP-SAT model of a pipeline with the way back to a placement.

    Parameters
    ----------
    cp_model, objective : ortools CpModel, IntVar
        Minimises the bottleneck, or with micro-batches in flight the time between two tokens of a sequence.
    times : WholeTimes
        The unit of it.
    arcs : dict
        Whether a device follows another.
    count : dict
        Layers on each device.
    instance : EdgeShardInstance
        What it states.
    spans : dict
        First layer and end of each device's stage, where these are variables.
    """

    instance: EdgeShardInstance
    cp_model: Any
    objective: Any
    times: WholeTimes
    arcs: dict[tuple[int, int], Any]
    count: dict[int, Any]
    spans: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def extract(self, value: Callable[[Any], int]) -> Placement:
        """Return the placement that the variables' values state."""
        successor = {k: j for (k, j), arc in self.arcs.items() if value(arc)}
        layers: list[int] = []
        device: int | None = self.instance.source_index
        while device is not None:
            layers += [device] * value(self.count[device])
            device = successor.get(device)
        return tuple(layers)

    def hint(self, placement: Sequence[int]) -> None:
        """Start from a pipeline: its order of devices, and its stages."""
        hops = set(pairwise(dict.fromkeys(placement)))
        for pair, arc in self.arcs.items():
            self.cp_model.add_hint(arc, int(pair in hops))
        for device, (first, end) in self.spans.items():
            taken = placement.count(device)
            begun = placement.index(device) if taken else 0
            self.cp_model.add_hint(first, begun)
            self.cp_model.add_hint(end, begun + taken)
