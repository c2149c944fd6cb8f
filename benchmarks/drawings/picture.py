"""What a picture of a placement is, and the one of problems that bring none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from rich.markup import escape

from placewise.models.problem import InstanceT, PlacementT
from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from placewise.models.problem import Instance, Problem

#: What is on each device, and how often something is sent from one to another.
Graph: TypeAlias = tuple[Mapping[int, str], Mapping[tuple[int, int], int]]
#: Lines of the generic picture, and characters of an entry.
MOST_LINES, LONGEST_ENTRY = 30, 80


def draw_document(console: Console, instance: Instance, placement: Any) -> None:
    """Draw a placement as its file states it: a line per entry, equal ones in a row once."""
    lines = []
    for key, value in problem_of(instance).to_json(instance, placement).items():
        entries = [_short(entry) for entry in (value if isinstance(value, list) else [value])]
        first = 0
        for entry, run in groupby(entries):
            last = first + len(list(run)) - 1
            place = (
                "" if not isinstance(value, list) else f" {first}" if first == last else f" {first}-{last}"
            )
            lines.append((f"{key}{place}", entry))
            first = last + 1
    width = max((len(place) for place, _ in lines[:MOST_LINES]), default=0)
    for place, entry in lines[:MOST_LINES]:
        console.print(escape(f"{place:{width}}  {entry}"), soft_wrap=True)
    if len(lines) > MOST_LINES:
        console.print(f"[dim]... and {len(lines) - MOST_LINES} more lines[/dim]", soft_wrap=True)


def _short(entry: Any) -> str:
    text = entry if isinstance(entry, str) else json.dumps(entry)
    return text if len(text) <= LONGEST_ENTRY else f"{text[: LONGEST_ENTRY - 3]}..."


def bare_graph(instance: Instance, placement: Any) -> Graph:
    """Return no notes and no arrows: the devices alone are drawn."""
    del instance, placement
    return {}, {}


def chain_graph(devices: Sequence[int], note: Callable[[int], str]) -> Graph:
    """Return a graph of a chain of devices, each with its note."""
    hops = Counter(pair for pair in pairwise(devices) if pair[0] != pair[1])
    return {j: note(j) for j in set(devices)}, hops


@dataclass(frozen=True, eq=False)
class Picture(Generic[InstanceT, PlacementT]):
    """How placements of a problem are drawn.

    Parameters
    ----------
    problem : Problem
        Of what.
    draw : callable
        ``(rich Console, instance, placement) -> None``: as text; by default what the result file states.
    graph : callable
        ``(instance, placement) -> (what each device hosts, how often it sends to which other)``, by indices of
        devices; by default nothing.
    timeline : callable, optional
        ``(instance, placement) -> Matplotlib figure or None`` where there is something to see.
    """

    problem: Problem[InstanceT, PlacementT]
    draw: Callable[[Console, InstanceT, PlacementT], None] = draw_document
    graph: Callable[[InstanceT, PlacementT], Graph] = bare_graph
    timeline: Callable[[InstanceT, PlacementT], Any | None] | None = None
