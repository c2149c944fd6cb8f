"""A placement as devices, what they host, and what goes between them: the same for every problem."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.pictures import LARGEST_TASK_COUNT, gantt
from placewise.benchmarks.report.charts import device_graph
from placewise.models.edgeshard.schedule import simulate
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.head_migration import Interval

#: Micro-batches and tokens of a drawn pipeline.
MICRO_BATCHES, TOKENS = 4, 4

Picture = tuple[dict[int, str], Counter[tuple[int, int]]]


def _chain(devices: list[int], note: Callable[[int], str]) -> Picture:
    hops = Counter(pair for pair in pairwise(devices) if pair[0] != pair[1])
    return {j: note(j) for j in set(devices)}, hops


def _layers(_: Any, placement: Any) -> Picture:
    spans: dict[int, list[str]] = {}
    first = 0
    for device, run in groupby(placement):
        last = first + len(list(run)) - 1
        spans.setdefault(device, []).append(str(first) if first == last else f"{first}-{last}")
        first = last + 1
    return _chain(list(placement), lambda j: f"layers {', '.join(spans[j][:4])}")


def _batch(instance: Any, placement: Any) -> Picture:
    return _layers(instance, placement[1])


def _widths(instance: Any, placement: Any) -> Picture:
    def note(server: int) -> str:
        bits = Counter(instance.bit_widths[b] for i, b in placement if i == server)
        return f"{sum(bits.values())} layers at {', '.join(str(b) for b in sorted(bits))} bits"

    return _chain([server for server, _ in placement], note)


def _heads(instance: Any, placement: Any) -> Picture:
    return _interval(instance, (placement[-1],))


def _decoder(instance: Any, placement: Any) -> Picture:
    return _interval(instance, placement[-1])


def _interval(_: Any, layers: tuple[Interval, ...]) -> Picture:
    heads, marks, hops = Counter[int](), Counter[tuple[int, str]](), Counter[tuple[int, int]]()
    for now in layers:
        heads.update(now.heads)
        marks[now.proj, "projection"] += 1
        marks[now.ffn, "network"] += 1
        hops.update((j, now.proj) for j in now.heads if j != now.proj)
        if now.proj != now.ffn:
            hops[now.proj, now.ffn] += 1
    notes: dict[int, list[str]] = {j: [f"{count} heads"] for j, count in heads.items()}
    for j, name in marks:
        notes.setdefault(j, []).append(name)
    return {j: ", ".join(parts) for j, parts in notes.items()}, hops


PICTURES: dict[str, Callable[[Any, Any], Picture]] = {
    "edgeshard-latency": _layers,
    "edgeshard-throughput": _layers,
    "edgeshard-batch": _batch,
    "dilemma": _widths,
    "head-migration": _heads,
    "head-migration-decoder": _decoder,
}


def draw_placement(instance: Any, placement: Any) -> Any:
    """Return a placement drawn on the device graph; of a trajectory the last interval."""
    notes, hops = PICTURES[instance.problem](instance, placement)
    return device_graph(instance.cluster.device_names, notes, hops)


def draw_pipeline(instance: Any, placement: Any) -> Any | None:
    """Return the timeline of a pipeline, None for problems without one, or too many tasks for a picture."""
    if instance.problem == "edgeshard-batch":
        instance, placement = instance.at(placement[0]), placement[1]
    if instance.problem != "edgeshard-throughput":
        return None
    try:
        schedules = [
            simulate(instance, placement, micro_batches=MICRO_BATCHES, tokens=TOKENS, strategy=strategy)
            for strategy in ("bubbles", "no-bubbles")
        ]
    except PlacewiseError:
        return None
    if sum(len(schedule.tasks) for schedule in schedules) > LARGEST_TASK_COUNT:
        return None
    return gantt(schedules)
