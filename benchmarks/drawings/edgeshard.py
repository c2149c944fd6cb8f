"""EdgeShard's placements: a chain of devices."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from placewise.benchmarks.drawings.picture import Picture, chain_graph
from placewise.benchmarks.pictures import LARGEST_TASK_COUNT, gantt
from placewise.models.edgeshard import evaluate_throughput, time_tables
from placewise.models.edgeshard.batch_placement import evaluate as evaluate_batch
from placewise.models.edgeshard.batch_placement import parts_of, pipeline_of
from placewise.models.edgeshard.memory import used_bytes
from placewise.models.edgeshard.problems import BATCH, LATENCY, THROUGHPUT
from placewise.models.edgeshard.schedule import simulate
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.shown import duration, size

if TYPE_CHECKING:
    from rich.console import Console

    from placewise.benchmarks.drawings.picture import Graph
    from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance
    from placewise.models.edgeshard.batch_placement import BatchPlacement
    from placewise.models.edgeshard.placement import Placement

BAR = 24
#: Micro-batches and tokens of a drawn pipeline.
MICRO_BATCHES, TOKENS = 4, 4


def draw_chain(console: Console, instance: EdgeShardInstance, placement: tuple[int, ...]) -> None:
    """Draw the chain of devices: layers, time and memory of each, and the transfers between them."""
    instance = instance.at_source(placement[0])
    costs, names = time_tables(instance), instance.cluster.device_names
    budget = instance.cluster.memory_bytes
    used = {
        device: used_bytes(instance.layers[i] for i, j in enumerate(placement) if j == device)
        for device in set(placement)
    }
    width = max(len(names[device]) for device in used)
    stages = [list(stage) for _, stage in groupby(range(len(placement)), key=placement.__getitem__)]
    for stage in stages:
        first, last, device = stage[0], stage[-1], placement[stage[0]]
        if first:
            sender = placement[first - 1]
            hop_s = float(costs.delay_s(first - 1)[sender, device])
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
    if costs.return_delay_s[placement[-1]]:
        back = f"token back to {escape(names[instance.source_index])} in {duration(float(costs.return_delay_s[placement[-1]]))}"
        console.print(f"{'':{width}}   [cyan]↺[/cyan] [dim]{back}[/dim]", soft_wrap=True)


def draw_pipeline(console: Console, instance: EdgeShardInstance, placement: tuple[int, ...]) -> None:
    """Draw the chain of stages and say how many tokens per second it gives."""
    draw_chain(console, instance, placement)
    bottleneck_s = evaluate_throughput(instance, placement).objective
    if bottleneck_s:
        console.print(f"\nthroughput {1 / bottleneck_s:.4g} tokens per second", soft_wrap=True)


def draw_batch(console: Console, instance: EdgeShardBatch, placement: BatchPlacement) -> None:
    """Draw the pipeline of the chosen batch size."""
    in_flight, batch_size, _ = parts_of(placement)
    pipeline, layers = pipeline_of(instance, placement)
    draw_chain(console, pipeline, layers)
    time_s = evaluate_batch(instance, placement).objective
    rate = f"throughput {1 / time_s:.4g} tokens per second" if time_s else "throughput without limit"
    if in_flight is None:
        caches = "as in the paper: always full, with the caches of one batch in memory"
        console.print(f"\nbatch of {batch_size}, {rate} [dim]({caches})[/dim]", soft_wrap=True)
        return
    console.print(f"\n{in_flight} micro-batches of {batch_size} in flight, {rate}", soft_wrap=True)


def _span(instance: EdgeShardInstance, first: int, last: int) -> str:
    kinds = [
        (name, len(list(group)))
        for name, group in groupby(layer.name for layer in instance.layers[first : last + 1])
    ]
    inside = " + ".join(name if count == 1 else f"{count} {name}" for name, count in kinds)
    return f"layer {first}: {inside}" if first == last else f"layers {first}-{last}: {inside}"


def _layers(instance: EdgeShardInstance, placement: Placement) -> Graph:
    del instance
    spans: dict[int, list[str]] = {}
    first = 0
    for device, run in groupby(placement):
        last = first + len(list(run)) - 1
        spans.setdefault(device, []).append(str(first) if first == last else f"{first}-{last}")
        first = last + 1
    return chain_graph(placement, lambda j: f"layers {', '.join(spans[j][:4])}")


def _batch(instance: EdgeShardBatch, placement: BatchPlacement) -> Graph:
    return _layers(*pipeline_of(instance, placement))


def pipeline_timeline(instance: EdgeShardInstance, placement: Placement) -> Any | None:
    """Return the timeline of a pipeline; None where it has none, or too many tasks for a picture."""
    return _timeline(instance, placement, MICRO_BATCHES)


def _timeline(
    instance: EdgeShardInstance | EdgeShardBatch, placement: Any, micro_batches: int | None
) -> Any | None:
    try:
        schedules = [
            simulate(instance, placement, micro_batches=micro_batches, tokens=TOKENS, strategy=strategy)
            for strategy in ("bubbles", "no-bubbles")
        ]
    except PlacewiseError:
        return None
    if sum(len(schedule.tasks) for schedule in schedules) > LARGEST_TASK_COUNT:
        return None
    return gantt(schedules)


def batch_timeline(instance: EdgeShardBatch, placement: BatchPlacement) -> Any | None:
    """Return the timeline of the chosen batch size's pipeline."""
    return _timeline(instance, placement, None)


LATENCY_PICTURE = Picture(LATENCY, draw_chain, _layers)
THROUGHPUT_PICTURE = Picture(THROUGHPUT, draw_pipeline, _layers, pipeline_timeline)
BATCH_PICTURE = Picture(BATCH, draw_batch, _batch, batch_timeline)
