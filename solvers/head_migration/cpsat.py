"""CP-SAT on its own model of head-level placement."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from placewise.models.head_migration.cpsat import count_model
from placewise.models.head_migration.placement import evaluate
from placewise.solvers.edgeshard.cpsat import solve_ticks

if TYPE_CHECKING:
    from placewise.models.head_migration import HeadMigrationInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.run import Run


def counts(instance: HeadMigrationInstance, run: Run) -> Claim:
    """Solve the model on head counts; its value is a bound, the placement is evaluated.

    Parameters
    ----------
    instance, run : HeadMigrationInstance, Run
        What is solved; options, clock and reports.
    """
    began = perf_counter()
    model = count_model(instance)
    if run.warm_start is not None:
        model.hint(run.warm_start)
    # A single search can take minutes where the portfolio takes 10 ms, even on one core.
    run.parameters = replace(run.parameters, threads=None)
    claim = solve_ticks(model, model.objective, run, began)
    if claim.placement is None:
        return claim
    return replace(claim, objective=evaluate(instance, claim.placement).objective)
