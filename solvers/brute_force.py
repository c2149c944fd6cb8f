"""Every placement of a tiny instance, evaluated: the oracle that all exact methods must agree with.

It shares nothing with them but `evaluate`, which is the specification.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from placewise.models.errors import NotApplicableError
from placewise.models.head_migration.data import Interval
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from placewise.models.dilemma import DilemmaInstance
    from placewise.models.edgeshard import EdgeShardBatchInstance, EdgeShardInstance
    from placewise.models.head_migration import DecoderInstance, HeadMigrationInstance
    from placewise.solvers.execution.run import Run

#: More placements than this are not tiny: a minute or so.
LARGEST_COUNT = 2_000_000


def guarantee(instance: Any) -> Guarantee:
    """Return EXACT for tiny instances; raise `NotApplicableError` for others."""
    count = SPACES[instance.problem][0](instance)
    if count > LARGEST_COUNT:
        raise NotApplicableError(
            f"brute force takes up to {LARGEST_COUNT:,} placements; {instance.name} has {count:.3g}"
        )
    return Guarantee.EXACT


def run(instance: Any, run: Run) -> Claim:
    """Return the best of all placements, or a proof that there is none."""
    problem = problem_of(instance)
    best, best_objective = None, float("inf")
    for placement in SPACES[instance.problem][1](instance):
        evaluation = problem.evaluation(instance, placement)
        if evaluation.feasible and evaluation.objective is not None and evaluation.objective < best_objective:
            best, best_objective = placement, evaluation.objective
            run.report(objective=best_objective, placement=best)
        if not run.remaining:
            objective = None if best is None else best_objective
            return Claim(
                Reason.LIMIT, best, objective, message="stopped by the time limit", solve_s=run.elapsed
            )
    if best is None:
        return Claim(Reason.INFEASIBLE, message="every placement breaks a constraint", solve_s=run.elapsed)
    return Claim(Reason.OPTIMAL, best, best_objective, best_objective, solve_s=run.elapsed)


def _edgeshard_count(instance: EdgeShardInstance) -> float:
    return float(instance.cluster.size) ** (len(instance.layers) - 1)


def _edgeshard_placements(instance: EdgeShardInstance) -> Iterator[tuple[int, ...]]:
    rest = product(range(instance.cluster.size), repeat=len(instance.layers) - 1)
    return ((instance.source, *devices) for devices in rest)


def _batch_count(instance: EdgeShardBatchInstance) -> float:
    return sum(_edgeshard_count(instance.at(size)) for size in instance.batch_sizes)


def _batch_placements(instance: EdgeShardBatchInstance) -> Iterator[tuple[int, tuple[int, ...]]]:
    return (
        (size, layers) for size in instance.batch_sizes for layers in _edgeshard_placements(instance.at(size))
    )


def _dilemma_count(instance: DilemmaInstance) -> float:
    return float(instance.cluster.size * len(instance.bit_widths)) ** len(instance.layers)


def _dilemma_placements(instance: DilemmaInstance) -> Iterator[tuple[tuple[int, int], ...]]:
    choices = list(product(range(instance.cluster.size), range(len(instance.bit_widths))))
    return product(choices, repeat=len(instance.layers))


def _heads_count(instance: HeadMigrationInstance) -> float:
    return float(instance.cluster.size) ** ((instance.transformer.units + 2) * instance.intervals)


def _heads_placements(instance: HeadMigrationInstance) -> Iterator[tuple[Interval, ...]]:
    blocks = product(range(instance.cluster.size), repeat=instance.transformer.units + 2)
    choices = [Interval(places[:-2], *places[-2:]) for places in blocks]
    return product(choices, repeat=instance.intervals)


def _decoder_count(instance: DecoderInstance) -> float:
    return _heads_count(instance.layer) ** instance.layers


def _decoder_placements(instance: DecoderInstance) -> Iterator[tuple[tuple[Interval, ...], ...]]:
    blocks = product(range(instance.cluster.size), repeat=instance.layer.transformer.units + 2)
    choices = [Interval(places[:-2], *places[-2:]) for places in blocks]
    return product(list(product(choices, repeat=instance.layers)), repeat=instance.intervals)


#: How many placements a problem's instance has, and all of them.
SPACES: dict[str, tuple[Callable[[Any], float], Callable[[Any], Iterator[Any]]]] = {
    "edgeshard-latency": (_edgeshard_count, _edgeshard_placements),
    "edgeshard-throughput": (_edgeshard_count, _edgeshard_placements),
    "edgeshard-batch": (_batch_count, _batch_placements),
    "dilemma": (_dilemma_count, _dilemma_placements),
    "head-migration": (_heads_count, _heads_placements),
    "head-migration-decoder": (_decoder_count, _decoder_placements),
}
