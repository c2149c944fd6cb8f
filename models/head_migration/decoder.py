"""Several decoder layers, which the paper leaves open (Section VI): each layer's heads are fed by the network before.

All layers share the devices' memory, and run one after the other for each token. What one layer's network sends to a
device with heads of the next is as large as the projection's output, once per device. With one layer this is
`HeadMigrationInstance`, whose tables serve every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.head_migration.cost import head_costs
from placewise.models.head_migration.data import HeadMigration, placed
from placewise.models.head_migration.diagnosis import diagnose as diagnose_layer
from placewise.models.head_migration.placement import (
    excess_memory,
    interval_json,
    is_interval,
    read_interval,
    walk,
)
from placewise.models.instance import BaseInstance
from placewise.models.problem import Evaluation, Violation
from placewise.models.values import require_kind
from placewise.models.workload import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from placewise.models.cluster import Cluster
    from placewise.models.head_migration.data import Interval

#: Per interval an `Interval` per layer.
DecoderTrajectory = tuple[tuple["Interval", ...], ...]
MAX_LAYERS = 256


@dataclass(frozen=True, eq=False, repr=False, init=False)
class HeadMigrationDecoder(BaseInstance):
    """One instance of head-level placement of a decoder with several layers.

    Parameters
    ----------
    layer : HeadMigration
        Devices over time and one layer, without a placement before the first interval; it takes this instance's name.
    layers : int
        How many equal layers there are.
    initial : sequence of Interval, or None
        The placement of each layer before the first interval; mappings as in `HeadMigration`.
    cluster : Cluster, optional
        Other devices than the layer has, as in ``dataclasses.replace(instance, cluster=...)``.
    name : str
        By default the layer's.

    Raises
    ------
    InstanceError
        On a value outside its range, naming the path in the instance file.
    """

    problem: ClassVar[str] = "head-migration-decoder"

    layer: HeadMigration
    layers: int
    initial: tuple[Interval, ...] | None
    name: str

    old_arguments: ClassVar[tuple[str, ...]] = ("name", "problem", "layer", "layers", "initial")

    def __init__(
        self,
        layer: HeadMigration,
        layers: int,
        initial: Sequence[Interval | Mapping[str, Any]] | None = None,
        *,
        cluster: Cluster | None = None,
        name: str | None = None,
    ) -> None:
        require_kind(layer, HeadMigration, "layer")
        layers = count(layers, "layers")
        if not 1 <= layers <= MAX_LAYERS:
            raise InstanceError("layers", f"expected 1 to {MAX_LAYERS}, found {layers}")
        if layer.initial is not None:
            raise InstanceError("initial_placement", "expected one placement per layer")
        if name is None:
            name = self.problem if layer.name == layer.problem else layer.name
        if layer.name != name or cluster is not None:
            layer = replace(layer, name=name, cluster=cluster or layer.cluster)
        if initial is not None:
            initial = tuple(
                placed(now, layer.cluster, layer.transformer, f"initial_placement[{n}]")
                for n, now in enumerate(initial)
            )
            if len(initial) != layers:
                raise InstanceError("initial_placement", f"expected placements of {layers} layers")
        self._set(layer=layer, layers=layers, initial=initial, name=name)

    @property
    def cluster(self) -> Cluster:
        """The devices."""
        return self.layer.cluster

    @property
    def intervals(self) -> int:
        """``T``."""
        return self.layer.intervals

    @property
    def description(self) -> str:
        """For people."""
        return self.layer.description

    @property
    def reference(self) -> str:
        """For people."""
        return self.layer.reference

    def _sizes(self) -> str:
        return f"{self.layers} layers of {self.layer._sizes()}"  # noqa: SLF001 - of the same base


#: The name in version 0.1.
DecoderInstance = HeadMigrationDecoder


def evaluate(instance: DecoderInstance, trajectory: Any) -> Evaluation:
    """Evaluate a trajectory: (2)-(7) in every layer, (1) over all of them.

    Parameters
    ----------
    instance : DecoderInstance
        The instance.
    trajectory : sequence of sequences of Interval
        T times a placement of each layer.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms inference (weighted by tokens under lookahead) and migration, all violations.
    """
    layer = instance.layer
    if not isinstance(trajectory, Sequence) or len(trajectory) != instance.intervals:
        message = f"expected placements for each of {instance.intervals} intervals"
        return Evaluation(None, {}, (Violation("assignment", "intervals", message),))
    for t, now in enumerate(trajectory):
        right = isinstance(now, Sequence) and len(now) == instance.layers
        if not right or not all(is_interval(layer, part) for part in now):
            message = f"interval {t}: expected placements of {instance.layers} layers"
            return Evaluation(None, {}, (Violation("assignment", f"interval {t}", message),))
    violations: list[Violation] = []
    inference_s = migration_s = 0.0
    need: NDArray[np.int64] = np.zeros((instance.intervals, instance.cluster.size), dtype=np.int64)
    for number in range(instance.layers):
        before = None if instance.initial is None else instance.initial[number]
        sources = [now[number - 1].ffn if number else None for now in trajectory]
        for t, step in enumerate(walk(layer, [now[number] for now in trajectory], before, sources)):
            inference_s += step.inference_s
            migration_s += step.migration_s
            need[t] += step.memory_bytes
            violations += [
                Violation(v.constraint, v.where, f"layer {number}, {v.message}")
                for v in step.violations
                if v.constraint != "memory"
            ]
    for t in range(instance.intervals):
        violations += excess_memory(layer, t, need[t])
    terms = {"inference": head_costs(layer).weight * inference_s, "migration": migration_s}
    total_s = sum(terms.values())
    if not np.isfinite(total_s):
        return Evaluation(None, {}, tuple(violations))
    return Evaluation(total_s, terms, tuple(violations))


def diagnose(instance: DecoderInstance) -> str | None:
    """Return why no trajectory can exist, where one layer alone shows it."""
    return diagnose_layer(instance.layer)


def to_json(instance: DecoderInstance, trajectory: DecoderTrajectory) -> dict[str, Any]:
    """Return a trajectory as the result file states it: device names."""
    names = instance.cluster.device_names
    return {"intervals": [{"layers": [interval_json(names, part) for part in now]} for now in trajectory]}


def from_json(instance: DecoderInstance, document: Any) -> DecoderTrajectory:
    """Read a trajectory back, or say which entry names no device of the instance."""
    entries = document.get("intervals") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) != instance.intervals:
        raise InstanceError("placement.intervals", f"expected a list of {instance.intervals} placements")
    names, units = instance.cluster.device_names, instance.layer.transformer.units
    trajectory = []
    for t, entry in enumerate(entries):
        path, parts = (
            f"placement.intervals[{t}].layers",
            entry.get("layers") if isinstance(entry, dict) else None,
        )
        if not isinstance(parts, list) or len(parts) != instance.layers:
            raise InstanceError(path, f"expected a list of {instance.layers} layers")
        trajectory.append(
            tuple(read_interval(names, units, part, f"{path}[{n}]") for n, part in enumerate(parts))
        )
    return tuple(trajectory)
