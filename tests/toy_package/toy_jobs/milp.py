"""The declarative model, in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.units import MILLISECONDS, common_unit
from toy_jobs.data import time_s

if TYPE_CHECKING:
    from toy_jobs.data import ToyJobs
    from toy_jobs.placement import Placement


def build(instance: ToyJobs) -> Any:
    """Return the generalised assignment problem; ``assign[i,j]`` is 1 where job i is on device j."""
    import pyomo.environ as pyo  # here: Pyomo takes a second, and who only reads a file needs none of it

    model = pyo.ConcreteModel(name=instance.name)
    model.jobs = pyo.RangeSet(0, len(instance.jobs) - 1)
    model.devices = pyo.RangeSet(0, instance.cluster.size - 1)
    model.assign = pyo.Var(model.jobs, model.devices, domain=pyo.Binary)
    model.one_device_per_job = pyo.Constraint(
        model.jobs, rule=lambda m, i: pyo.quicksum(m.assign[i, j] for j in m.devices) == 1
    )
    unit = common_unit(job.memory_bytes for job in instance.jobs)  # small numbers for the solvers
    model.need = pyo.Param(model.jobs, initialize=lambda _, i: instance.jobs[i].memory_bytes // unit)
    model.budget = pyo.Param(
        model.devices, initialize=lambda _, j: int(instance.cluster.memory_bytes[j]) // unit
    )
    model.memory = pyo.Constraint(
        model.devices,
        rule=lambda m, j: pyo.quicksum(m.need[i] * m.assign[i, j] for i in m.jobs) <= m.budget[j],
    )
    model.cover = pyo.ConstraintList()
    seconds = time_s(instance)
    model.objective = pyo.Objective(
        expr=pyo.quicksum(MILLISECONDS * float(seconds[i, j]) * model.assign[i, j] for i, j in model.assign)
    )
    return model


def extract(model: Any) -> Placement:
    """Return the placement that the variables state."""
    return tuple(max(model.devices, key=lambda j: model.assign[i, j].value or 0.0) for i in model.jobs)


def start(model: Any, placement: Placement) -> None:
    """Set the variables to a placement."""
    for (i, j), variable in model.assign.items():
        variable.set_value(int(placement[i] == j))


def tighten(model: Any, placement: Placement) -> bool:
    """Forbid overloads that a solver's tolerance let through; return whether there were any."""
    import pyomo.environ as pyo

    added = False
    for j in model.devices:
        jobs = [i for i in model.jobs if placement[i] == j]
        if sum(model.need[i] for i in jobs) > model.budget[j]:
            model.cover.add(pyo.quicksum(model.assign[i, j] for i in jobs) <= len(jobs) - 1)
            added = True
    return added
