"""DILEMMA's placements: a chain of servers with the layers' widths."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape

from placewise.benchmarks.drawings.picture import Picture, chain_graph
from placewise.models.dilemma.cost import delay_costs
from placewise.models.dilemma.problems import DILEMMA
from placewise.solvers.evidence.shown import duration, size

if TYPE_CHECKING:
    from rich.console import Console

    from placewise.benchmarks.drawings.picture import Graph
    from placewise.models.dilemma import DilemmaInstance
    from placewise.models.dilemma.placement import Placement


def draw_widths(console: Console, instance: DilemmaInstance, placement: Placement) -> None:
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


def _widths(instance: DilemmaInstance, placement: Placement) -> Graph:
    def note(server: int) -> str:
        bits = Counter(instance.bit_widths[b] for i, b in placement if i == server)
        return f"{sum(bits.values())} layers at {', '.join(str(b) for b in sorted(bits))} bits"

    return chain_graph([server for server, _ in placement], note)


DILEMMA_PICTURE = Picture(DILEMMA, draw_widths, _widths)
