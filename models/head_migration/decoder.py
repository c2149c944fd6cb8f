"""Several decoder layers, which the paper leaves open (Section VI): each layer's heads are fed by the network before.

All layers share the devices' memory, and run one after the other for each token. What one layer's network sends to a
device with heads of the next is as large as the projection's output, once per device. With one layer this is
`HeadMigrationInstance`, whose tables serve every layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.gate import entries, listed, members, refused, shown
from placewise.models.head_migration.cost import floor_s as layer_floor_s
from placewise.models.head_migration.cost import head_costs
from placewise.models.head_migration.data import HeadMigration, placed
from placewise.models.head_migration.diagnosis import diagnose as diagnose_layer
from placewise.models.head_migration.placement import (
    are_canonical,
    excess_memory,
    interval_json,
    intervals_of,
    read_interval,
    walk,
)
from placewise.models.instance import BaseInstance
from placewise.models.problem import Evaluation, Violation
from placewise.models.values import require_kind
from placewise.models.workload import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def placement_of(
    instance: DecoderInstance, anything: Any
) -> tuple[DecoderTrajectory | None, tuple[Violation, ...]]:
    """Return the trajectory that an object is, or why it is none; see `placewise.models.gate`.

    Parameters
    ----------
    instance : DecoderInstance
        T intervals, so many layers, M devices.
    anything : object
        Taken are T lists or tuples of an `Interval` per layer, with devices all by index (0 to M - 1) or all by
        name; and the document of a result file,
        ``{"intervals": [{"layers": [{"heads": [name, ...], "proj": name, "ffn": name}, ...]}, ...]}``.

    Returns
    -------
    tuple of tuple of Interval or None
        With plain tuples and integers; None where there are violations.
    tuple of Violation
        Of the constraint ``assignment``; the others are for `evaluate`.
    """
    count, layers = instance.intervals, instance.layers
    if type(anything) is tuple and len(anything) == count:
        for now in anything:
            if type(now) is not tuple or len(now) != layers or not are_canonical(instance.layer, now):
                break
        else:
            return anything, ()
    if members(anything) is not None:
        try:
            anything = from_json(instance, anything)
        except InstanceError as error:
            return None, (refused(error.path, str(error)),)
    found = entries(anything, count)
    if found is None or found[1] != count:
        message = f"expected placements for each of {count} intervals, found {shown(anything)}"
        return None, (refused("intervals", message),)
    parts: list[Any] = []
    for t, now in enumerate(found[0]):
        row = entries(now, layers)
        if row is None or row[1] != layers:
            message = f"interval {t}: expected placements of {layers} layers, found {shown(now)}"
            return None, (refused(f"interval {t}", message),)
        parts += row[0]
    flat, violations = intervals_of(
        instance.layer, parts, lambda at: f"interval {at // layers}, layer {at % layers}"
    )
    if flat is None:
        return None, violations
    return tuple(flat[at : at + layers] for at in range(0, len(flat), layers)), ()


def evaluate(instance: DecoderInstance, trajectory: Any) -> Evaluation:
    """Evaluate a trajectory: (2)-(7) in every layer, (1) over all of them.

    Parameters
    ----------
    instance : DecoderInstance
        The instance.
    trajectory : object
        T times a placement of each layer, in any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective in seconds, the terms inference (weighted by tokens under lookahead) and migration, all violations.
    """
    layer = instance.layer
    trajectory, refusals = placement_of(instance, trajectory)
    if trajectory is None:
        return Evaluation(None, {}, refusals)
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


def floor_s(instance: DecoderInstance) -> float:
    """Return a bound on the objective: that of one layer, as often as there are layers."""
    return instance.layers * layer_floor_s(instance.layer)


def diagnose(instance: DecoderInstance) -> str | None:
    """Return why no trajectory can exist, where one layer alone shows it."""
    return diagnose_layer(instance.layer)


def to_json(instance: DecoderInstance, trajectory: DecoderTrajectory) -> dict[str, Any]:
    """Return a trajectory as the result file states it: device names.

    Parameters
    ----------
    instance : DecoderInstance
        Whose names.
    trajectory : tuple of tuple of Interval
        T intervals of N layers each.

    Returns
    -------
    dict
        ``intervals``: T entries with ``layers``, each as `interval_json` states it.
    """
    names = instance.cluster.device_names
    return {"intervals": [{"layers": [interval_json(names, part) for part in now]} for now in trajectory]}


def from_json(instance: DecoderInstance, document: Any) -> DecoderTrajectory:
    """Read a trajectory back, or say which entry names no device of the instance.

    Parameters
    ----------
    instance : DecoderInstance
        Whose names and counts.
    document : object
        What `to_json` gives, or anything else that a file held.

    Raises
    ------
    InstanceError
        Naming the path of an entry that is no device, or of a list of another length.
    """
    found = listed(document, "intervals")
    if found is None or len(found) != instance.intervals:
        raise InstanceError("placement.intervals", f"expected a list of {instance.intervals} placements")
    names, units = instance.cluster.device_names, instance.layer.transformer.units
    trajectory = []
    for path, entry in found.items():
        parts = listed(entry, "layers", path)
        if parts is None or len(parts) != instance.layers:
            raise InstanceError(f"{path}.layers", f"expected a list of {instance.layers} layers")
        trajectory.append(tuple(read_interval(names, units, part, at) for at, part in parts.items()))
    return tuple(trajectory)
