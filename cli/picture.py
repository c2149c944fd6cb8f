"""Placements drawn in the terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from placewise.cli.output import duration, size
from placewise.models.dilemma.cost import delay_costs
from placewise.models.edgeshard import evaluate_throughput, time_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from placewise.models.dilemma import DilemmaInstance
    from placewise.models.edgeshard import EdgeShardBatchInstance, EdgeShardInstance
    from placewise.models.edgeshard.batches import BatchPlacement
    from placewise.models.head_migration import DecoderInstance, HeadMigrationInstance
    from placewise.models.head_migration.decoder import DecoderTrajectory
    from placewise.models.head_migration.placement import Trajectory

BAR = 24
#: Intervals shown at most.
LARGEST_ROWS = 30
HEADS_LEGEND = "\n[dim]heads per device, p projection, f network; rows without moves left out[/dim]"


def draw(console: Console, instance: Any, placement: Any) -> None:
    """Draw a placement as its problem asks for."""
    PICTURES[instance.problem](console, instance, placement)


def draw_chain(console: Console, instance: EdgeShardInstance, placement: tuple[int, ...]) -> None:
    """Draw the chain of devices: layers, time and memory of each, and the transfers between them."""
    costs, names = time_tables(instance), instance.cluster.device_names
    budget, need = instance.cluster.memory_bytes, instance.memory_bytes
    used = {
        device: sum(int(need[i]) for i, j in enumerate(placement) if j == device) for device in set(placement)
    }
    width = max(len(names[device]) for device in used)
    stages = [list(stage) for _, stage in groupby(range(len(placement)), key=placement.__getitem__)]
    for stage in stages:
        first, last, device = stage[0], stage[-1], placement[stage[0]]
        if first:
            sender = placement[first - 1]
            hop_s = float(costs.transfer_s(first - 1)[sender, device])
            message = f"{size(instance.layers[first - 1].output_bytes)} in {duration(hop_s)}"
            console.print(f"{'':{width}}   [cyan]↓[/cyan] [dim]{message}[/dim]", soft_wrap=True)
        compute_s = float(costs.compute_s[stage, device].sum())
        share = used[device] / int(budget[device]) if budget[device] else 1.0
        filled = min(round(share * BAR), BAR)
        bar = f"[green]{'█' * filled}[/green][dim]{'░' * (BAR - filled)}[/dim]"
        span = _span(instance, first, last)
        memory = f"{size(used[device])} of {size(int(budget[device]))}"
        console.print(
            f"{escape(f'{names[device]:{width}}')} {bar} {share:4.0%} {memory:18} {duration(compute_s):>9}  {escape(span)}",
            soft_wrap=True,
        )
    if costs.return_s[placement[-1]]:
        back = f"token back to {escape(names[instance.source])} in {duration(float(costs.return_s[placement[-1]]))}"
        console.print(f"{'':{width}}   [cyan]↺[/cyan] [dim]{back}[/dim]", soft_wrap=True)


def draw_pipeline(console: Console, instance: EdgeShardInstance, placement: tuple[int, ...]) -> None:
    """Draw the chain of stages and say how many tokens per second it gives."""
    draw_chain(console, instance, placement)
    bottleneck_s = evaluate_throughput(instance, placement).objective
    if bottleneck_s:
        console.print(f"\nthroughput {1 / bottleneck_s:.4g} tokens per second", soft_wrap=True)


def draw_batch(console: Console, instance: EdgeShardBatchInstance, placement: BatchPlacement) -> None:
    """Draw the pipeline of the chosen batch size."""
    batch_size, layers = placement
    pipeline = instance.at(batch_size)
    draw_chain(console, pipeline, layers)
    bottleneck_s = evaluate_throughput(pipeline, layers).objective
    if bottleneck_s:
        rate = batch_size / bottleneck_s
        console.print(f"\nbatch of {batch_size}, throughput {rate:.4g} tokens per second", soft_wrap=True)


def draw_widths(console: Console, instance: DilemmaInstance, placement: tuple[tuple[int, int], ...]) -> None:
    """Draw the chain of servers with each layer's width, and what is on each server."""
    costs, names, widths = delay_costs(instance), instance.cluster.device_names, instance.bit_widths
    used: dict[int, float] = {}
    for layer, (server, width) in zip(instance.layers, placement, strict=True):
        used[server] = used.get(server, 0.0) + layer.parameters * widths[width] / 8
    longest = max(len(names[server]) for server in used)
    runs = [list(run) for _, run in groupby(range(len(placement)), key=lambda layer: placement[layer][0])]
    for run in runs:
        first, server = run[0], placement[run[0]][0]
        if first:
            sender, width = placement[first - 1]
            hop_s = float(costs.transfer_s(first - 1)[width, sender, server])
            message = f"{instance.layers[first - 1].output_elements:g} numbers of {widths[width]} bits in {duration(hop_s)}"
            if instance.printed and width != placement[first][1]:
                message += ", not counted between different widths"
            console.print(f"{'':{longest}}   [cyan]↓[/cyan] [dim]{message}[/dim]", soft_wrap=True)
        compute_s = sum(float(costs.compute_s[layer, server, placement[layer][1]]) for layer in run)
        bits = " ".join(str(widths[placement[layer][1]]) for layer in run)
        space = int(instance.cluster.memory_bytes[server])
        layers = f"layer {first}" if len(run) == 1 else f"layers {first}-{run[-1]}"
        console.print(
            f"{escape(f'{names[server]:{longest}}')} {size(used[server])} of {size(space):8} {duration(compute_s):>9}  "
            f"{layers}: {bits} bits",
            soft_wrap=True,
        )
    stored = sum(used.values())
    original = sum(layer.parameters * layer.original_bits / 8 for layer in instance.layers)
    if original:
        console.print(f"\nquantisation ratio {stored / original:.2%}", soft_wrap=True)


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


def _span(instance: EdgeShardInstance, first: int, last: int) -> str:
    kinds = [
        (name, len(list(group)))
        for name, group in groupby(layer.name for layer in instance.layers[first : last + 1])
    ]
    inside = " + ".join(name if count == 1 else f"{count} {name}" for name, count in kinds)
    return f"layer {first}: {inside}" if first == last else f"layers {first}-{last}: {inside}"


PICTURES: dict[str, Callable[..., None]] = {
    "edgeshard-latency": draw_chain,
    "edgeshard-throughput": draw_pipeline,
    "edgeshard-batch": draw_batch,
    "dilemma": draw_widths,
    "head-migration": draw_trajectory,
    "head-migration-decoder": draw_decoder,
}
