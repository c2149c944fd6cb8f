"""Replicated plans: a line per node with the layers that it holds and the tokens that pass it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from placewise.benchmarks.drawings.picture import Picture
from placewise.models.replicated import REPLICATED, capacities, maximum_flow, stages

if TYPE_CHECKING:
    from rich.console import Console

    from placewise.benchmarks.drawings.picture import Graph
    from placewise.models.replicated import Placement, ReplicatedThroughput

#: Characters for all layers.
BAR = 40


def draw(console: Console, instance: ReplicatedThroughput, placement: Placement) -> None:
    """Draw the nodes by their first layer, and say what flows."""
    rows = stages(instance, placement)
    width = max((len(f"{row.device} ({row.kind})") for row in rows), default=0)
    for row in rows:
        before = row.first * BAR // instance.layers
        filled = max((row.last + 1) * BAR // instance.layers - before, 1)
        bar = f"[dim]{'·' * before}[/dim][green]{'█' * filled}[/green][dim]{'·' * (BAR - before - filled)}[/dim]"
        share = f"{row.tokens_per_s:,.1f} of {row.most_tokens_per_s:,.1f} tokens/s"
        name = escape(f"{f'{row.device} ({row.kind})':{width}}")
        console.print(f"{name} {bar} layers {row.label:8} {share}", soft_wrap=True)
    flow = maximum_flow(instance, placement).value
    rate = capacities(instance).tokens_per_s(flow)
    text = "a flow of the planning objective, not a measurement"
    console.print(f"\nthroughput {rate:,.3f} tokens per second ({text})", soft_wrap=True)


def graph(instance: ReplicatedThroughput, placement: Placement) -> Graph:
    """Return the layers of each node, and an arrow wherever tokens go from one to another."""
    notes = {
        i: f"layers {first}-{end - 1}" if end - first > 1 else f"layer {first}"
        for i, (first, end) in enumerate(placement)
        if first < end
    }
    sent = {(a, b): 1 for a, b in maximum_flow(instance, placement).arcs if a >= 0 and b >= 0}
    return notes, sent


REPLICATED_PICTURE = Picture(REPLICATED, draw, graph)
