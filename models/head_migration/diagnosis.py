"""Simple proofs that an instance of head-level placement has no trajectory, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.head_migration.cost import capacities, head_costs

if TYPE_CHECKING:
    from placewise.models.head_migration.data import HeadMigrationInstance


def diagnose(instance: HeadMigrationInstance) -> str | None:
    """Return why no trajectory can exist, or None where no simple reason shows it; every reason is a proof."""
    costs, heads = head_costs(instance), instance.transformer.units
    for t in range(instance.intervals):
        budget = instance.memory_bytes[t]
        for part, block in enumerate(("a head", "the projection", "the network")):
            need = int(costs.memory[t, part])
            if need > budget.max():
                return f"interval {t}: {block} needs {need:,} bytes and the largest device has {int(budget.max()):,}"
        room = int(capacities(instance, t)[0, 0].clip(min=0).sum())
        if room < heads:
            return f"interval {t}: the devices hold {room} of {heads} heads"
    return None
