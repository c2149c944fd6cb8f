"""Several layers: all on one device; one layer after the other; and the exact method that begins with both.

At real sizes the statement of all layers has tens of thousands of variables. What one device holds, or what layers take
one by one in the memory that those before them leave, is found in a second, and often meets the bound of the equations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.head_migration import Interval, evaluate_decoder
from placewise.models.head_migration.cost import heads_beside
from placewise.models.head_migration.decoder import floor_s
from placewise.models.head_migration.placement import memory_use
from placewise.models.head_migration.problems import DECODER
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.statement import run_formulation
from placewise.solvers.head_migration.horizon import cut
from placewise.solvers.head_migration.step import best_step

if TYPE_CHECKING:
    from placewise.models.head_migration import DecoderInstance
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


def one_device(instance: DecoderInstance, context: Context) -> Claim:
    """Put all layers on one device that holds them and keep them there, for each such device.

    Parameters
    ----------
    instance, context : DecoderInstance, Context
        What is solved; options, clock and reports.
    """
    layer, size = instance.layer, instance.cluster.size
    blocks, times = instance.layers * layer.transformer.units, range(instance.intervals)
    room = np.array([heads_beside(layer, t, instance.layers, instance.layers) for t in times]).min(axis=0)
    best, best_s = None, np.inf
    for j in (j for j in range(size) if room[j] >= blocks):
        if best is not None and not context.remaining:
            break
        together = (Interval((j,) * layer.transformer.units, j, j),) * instance.layers
        trajectory = (together,) * instance.intervals
        found = evaluate_decoder(instance, trajectory)
        if found.feasible and found.objective is not None and found.objective < best_s:
            best, best_s = trajectory, found.objective
            context.report(objective=best_s, placement=best)
    if best is None:
        return Claim(Reason.FINISHED, message="no device holds all layers", solve_s=context.elapsed)
    return Claim(Reason.FINISHED, best, best_s, solve_s=context.elapsed)


def bounded(instance: DecoderInstance, context: Context) -> Claim:
    """Take the best placement of the two heuristics; where a bound of the equations leaves a gap, ask HiGHS from there.

    Parameters
    ----------
    instance, context : DecoderInstance, Context
        What is solved; options, clock and reports.
    """
    bound_s = floor_s(instance)
    context.report(dual_bound=bound_s)
    best, best_s = None, np.inf
    if context.warm_start is not None:
        best, best_s = context.warm_start, evaluate_decoder(instance, context.warm_start).objective or np.inf
    for heuristic in (one_device, run):
        claim = heuristic(instance, context)
        if claim.placement is not None and claim.objective is not None and claim.objective < best_s:
            best, best_s = claim.placement, claim.objective
            context.report(objective=best_s, placement=best)
        if best is not None and bound_s >= best_s * (1 - context.parameters.relative_gap):
            return Claim(Reason.OPTIMAL, best, best_s, min(bound_s, best_s), solve_s=context.elapsed)
    context.warm_start = best
    found = run_formulation(DECODER, DECODER.formulations["counts"], HIGHS, instance, context)
    if found.dual_bound is None or found.dual_bound < bound_s:
        found = replace(found, dual_bound=bound_s)
    return found


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
