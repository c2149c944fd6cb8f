"""CP-SAT on its own model of head-level placement."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from placewise.models.head_migration.cpsat import count_model
from placewise.solvers.execution.whole_model import run_whole_model

if TYPE_CHECKING:
    from placewise.models.head_migration import HeadMigrationInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context


def counts(instance: HeadMigrationInstance, context: Context) -> Claim:
    """Solve the model on head counts.

    Parameters
    ----------
    instance : HeadMigrationInstance
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """
    # A single search can take minutes where the portfolio takes 10 ms, even on one core.
    context.parameters = replace(context.parameters, threads=None)
    return run_whole_model(instance, count_model, context)
