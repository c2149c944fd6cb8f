"""Head-level placements: who hosts what over time; as a graph the last interval."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape

from placewise.benchmarks.drawings.picture import Picture
from placewise.models.head_migration.problems import DECODER, HEAD_MIGRATION

if TYPE_CHECKING:
    from rich.console import Console

    from placewise.benchmarks.drawings.picture import Graph
    from placewise.models.head_migration import DecoderInstance, HeadMigrationInstance, Interval
    from placewise.models.head_migration.decoder import DecoderTrajectory
    from placewise.models.head_migration.placement import Trajectory

#: Intervals shown at most.
LARGEST_ROWS = 30
HEADS_LEGEND = "\n[dim]heads per device, p projection, f network; rows without moves left out[/dim]"


def draw_trajectory(console: Console, instance: HeadMigrationInstance, trajectory: Trajectory) -> None:
    """Draw heads per device over time, a row per interval in which anything moves."""
    _draw_layer(console, instance, trajectory)
    console.print(HEADS_LEGEND, soft_wrap=True)


def _draw_layer(console: Console, instance: HeadMigrationInstance, trajectory: Trajectory) -> None:
    names, shown = instance.cluster.device_names, 0
    width = max(len(name) for name in names)
    console.print(
        escape(f"{'interval':>8}  {'  '.join(f'{name:>{width}}' for name in names)}"), soft_wrap=True
    )
    for t, now in enumerate(trajectory):
        if t and now == trajectory[t - 1]:
            continue
        if shown == LARGEST_ROWS:
            console.print(f"{'...':>8}  [dim]and later moves[/dim]", soft_wrap=True)
            break
        cells = []
        for j in range(instance.cluster.size):
            count = now.heads.count(j)
            marks = "p" * (now.proj == j) + "f" * (now.ffn == j)
            cells.append(f"{(str(count) if count else '') + marks or '·':>{width}}")
        console.print(f"{t:>8}  {'  '.join(cells)}", soft_wrap=True)
        shown += 1


def draw_decoder(console: Console, instance: DecoderInstance, trajectory: DecoderTrajectory) -> None:
    """Draw each layer over time."""
    for number in range(instance.layers):
        console.print(f"layer {number}", soft_wrap=True)
        _draw_layer(console, instance.layer, tuple(now[number] for now in trajectory))
    console.print(HEADS_LEGEND, soft_wrap=True)


def _heads(instance: HeadMigrationInstance, placement: Trajectory) -> Graph:
    del instance
    return _intervals((placement[-1],))


def _decoder(instance: DecoderInstance, placement: DecoderTrajectory) -> Graph:
    del instance
    return _intervals(placement[-1])


def _intervals(layers: tuple[Interval, ...]) -> Graph:
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


HEADS_PICTURE = Picture(HEAD_MIGRATION, draw_trajectory, _heads)
DECODER_PICTURE = Picture(DECODER, draw_decoder, _decoder)
