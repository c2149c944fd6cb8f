"""Several layers, one after the other: each takes its best step in the memory that the layers before it leave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from placewise.models.head_migration import evaluate_decoder
from placewise.models.head_migration.placement import memory_use
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.head_migration.horizon import cut
from placewise.solvers.head_migration.step import best_step

if TYPE_CHECKING:
    from placewise.models.head_migration import DecoderInstance, Interval
    from placewise.solvers.execution.context import Context


def run(instance: DecoderInstance, context: Context) -> Claim:
    """Walk over intervals and layers.

    Parameters
    ----------
    instance, context : DecoderInstance, Context
        What is solved; options, clock and reports.
    """
    trajectory: list[tuple[Interval, ...]] = []
    for t in range(instance.intervals):
        if not context.remaining:
            return Claim(Reason.LIMIT, message="stopped at the time limit", solve_s=context.elapsed)
        before = trajectory[-1] if trajectory else instance.initial
        now = _interval(instance, t, before)
        if now is None:
            return Claim(
                Reason.FINISHED, message=f"interval {t}: no placement found", solve_s=context.elapsed
            )
        trajectory.append(now)
    placement = tuple(trajectory)
    return Claim(
        Reason.FINISHED, placement, evaluate_decoder(instance, placement).objective, solve_s=context.elapsed
    )


def _interval(
    instance: DecoderInstance, t: int, before: tuple[Interval, ...] | None
) -> tuple[Interval, ...] | None:
    """Place all layers in one interval."""
    layers: list[Interval] = []
    left = instance.layer.memory_bytes[t].copy()
    for number in range(instance.layers):
        part = cut(instance.layer, t, t + 1, None if before is None else before[number])
        part = replace(part, over_time=replace(part.over_time, memory_bytes=left[None, :]))
        if layers:  # its input comes from the network of the layer before
            part = replace(part, controller=layers[-1].ffn, input_from_controller=True)
        now = best_step(part, 0, part.initial)
        if now is None:
            return None
        layers.append(now)
        left -= memory_use(instance.layer, t, now)
    return tuple(layers)
