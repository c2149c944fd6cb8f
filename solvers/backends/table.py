"""The solvers that take a lowered model; adding one is one file and one entry here, or an entry point elsewhere."""

from __future__ import annotations

from functools import cache

from placewise.models.errors import PlacewiseError
from placewise.models.plugins import offered
from placewise.solvers.backends import cbc, cpsat, gurobi, highs, scip, scipy_milp
from placewise.solvers.execution.method import BOUND, PROGRESS, SEED, THREADS, WARM_START, Backend

#: Group of the entry points, ``NAME = module:BACKEND``, by which packages bring solvers of their own.
ENTRY_POINTS = "placewise.backends"
_ALL = frozenset({WARM_START, PROGRESS, BOUND, THREADS, SEED})

HIGHS = Backend(
    "highs",
    highs.minimise,
    "highspy",
    "pip install 'highspy>=1.11,<1.14'",
    ("highspy", "pyomo"),
    "HiGHS",
    _ALL,
    ("highspy",),
)
BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        HIGHS,
        Backend(
            "scip",
            scip.minimise,
            "ortools",
            "pip install ortools",
            ("ortools", "pyomo"),
            "SCIP in OR-Tools",
            frozenset({WARM_START, BOUND, SEED}),
            ("ortools.math_opt.python.mathopt",),
        ),
        Backend(
            "cp-sat",
            cpsat.minimise,
            "ortools",
            "pip install ortools",
            ("ortools", "pyomo"),
            "CP-SAT of OR-Tools",
            _ALL,
            ("placewise.solvers.backends.cp_alone",),
        ),
        Backend(
            "cbc",
            cbc.minimise,
            "pulp",
            "pip install 'placewise[cbc]'",
            ("pulp", "pyomo"),
            "CBC in PuLP",
            frozenset({WARM_START, BOUND, THREADS, SEED}),
            ("pulp.apis.coin_api",),
        ),
        Backend(
            "scipy",
            scipy_milp.minimise,
            "scipy",
            "pip install scipy",
            ("scipy", "pyomo"),
            "the HiGHS in SciPy",
            frozenset({BOUND}),
            ("scipy.optimize",),
        ),
        Backend(
            "gurobi",
            gurobi.minimise,
            "gurobipy",
            "pip install 'placewise[gurobi]', and a licence for large models",
            ("gurobipy", "pyomo"),
            "Gurobi",
            _ALL,
        ),
    )
}


@cache
def backends() -> dict[str, Backend]:
    """Return all solvers by name, those of other packages last.

    Raises
    ------
    PlacewiseError
        Where a package brings one under a name that is taken, or something that is none.
    """
    found = dict(BACKENDS)
    for point, backend in offered(ENTRY_POINTS):
        if not isinstance(backend, Backend):
            raise PlacewiseError(f"{point}: expected a Backend, found {type(backend).__name__}")
        if backend.name in found:
            raise PlacewiseError(f"{point}: the name {backend.name!r} is taken")
        found[backend.name] = backend
    return found


def backend_named(name: str) -> Backend:
    """Return a solver by name, or say which ones there are."""
    found = BACKENDS.get(name) or backends().get(name)
    if found is None:
        raise PlacewiseError(f"unknown back-end {name!r}; expected one of {', '.join(backends())}")
    return found
