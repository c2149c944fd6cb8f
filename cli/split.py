"""A split in numbers, as runtimes take it: so many layers for each device, in the order of the cluster."""

from __future__ import annotations

from typing import Any

from placewise.models.edgeshard import EdgeShardInstance
from placewise.models.errors import PlacewiseError


def placement_of_split(instance: Any, text: str) -> tuple[tuple[int, ...], str]:
    """Return the placement that a split means, and which layers it counts.

    Numbers that sum to one layer less leave the first one out, as llama.cpp counts, and it goes with the first device;
    two less leave out the last one, too, as vLLM counts, and it goes with the last device.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    text : str
        As in ``18,21,21,21``; 0 leaves a device out, and devices after the last number host nothing.

    Raises
    ------
    PlacewiseError
        Where the numbers are none, too many, or do not sum to the layers.
    """
    if not isinstance(instance, EdgeShardInstance):
        raise PlacewiseError(
            "--split: expected an instance of edgeshard-latency or edgeshard-throughput, found "
            f"{instance.problem}"
        )
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise PlacewiseError(f"--split: expected whole numbers with commas between them, found {text!r}")
    numbers, count = [int(part) for part in parts], len(instance.layers)
    if len(numbers) > instance.cluster.size:
        raise PlacewiseError(
            f"--split: expected at most {instance.cluster.size} numbers, one for each device, found {len(numbers)}"
        )
    missing = count - sum(numbers)
    used = [j for j, number in enumerate(numbers) if number]
    if not used or not 0 <= missing <= min(2, count - 1):
        raise PlacewiseError(
            f"--split: expected numbers that sum to the {count} layers, or to {count - 1} or {count - 2} without the "
            f"first, or the first and the last; found {sum(numbers)}"
        )
    told = [
        "all layers counted",
        f"layer 0 ({instance.layers[0].name}), not counted, goes with the first device",
        f"layers 0 ({instance.layers[0].name}) and {count - 1} ({instance.layers[-1].name}) are not counted",
    ][missing]
    if missing:
        numbers[used[0]] += 1
    if missing == 2:
        numbers[used[-1]] += 1
    return tuple(j for j, number in enumerate(numbers) for _ in range(number)), told
