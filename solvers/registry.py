"""Every back-end and algorithm, by name: adding one is one file and one entry here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.lazy import load
from placewise.models.problem import Guarantee, problem_named


@dataclass(frozen=True)
class Backend:
    """A solver of lowered models.

    Parameters
    ----------
    minimise : str
        Lazy reference, ``(MatrixModel, MatrixRun) -> MatrixResult``.
    requires : str
        Module that must be installed.
    pip : str
        What installs it.
    distributions : tuple of str
        Whose versions a result states.
    summary : str
        One line for people.
    """

    minimise: str
    requires: str
    pip: str
    distributions: tuple[str, ...]
    summary: str

    @property
    def installed(self) -> bool:
        """Whether its module can be found; it is not imported for that."""
        return find_spec(self.requires) is not None


@dataclass(frozen=True)
class Algorithm:
    """A method of its own for one problem.

    Parameters
    ----------
    run : str
        Lazy reference, ``(instance, Run) -> Claim``.
    guarantee : Guarantee or str
        What it proves, or a lazy reference ``instance -> Guarantee`` where that depends on the instance; the
        latter may raise `NotApplicableError`.
    summary : str
        One line for people.
    distributions : tuple of str
        Whose versions a result states.
    """

    run: str
    guarantee: Guarantee | str
    summary: str
    distributions: tuple[str, ...] = ("numpy",)


@dataclass(frozen=True)
class Method:
    """A name that `solve` takes: an algorithm, a back-end on a formulation, or a user's ``module:function``."""

    name: str
    problem: str
    summary: str
    algorithm: Algorithm | None = None
    backend: Backend | None = None
    formulation: str | None = None
    function: str | None = None

    @property
    def missing(self) -> str | None:
        """The pip line that would make it available, or None."""
        return None if self.backend is None or self.backend.installed else self.backend.pip

    @property
    def distributions(self) -> tuple[str, ...]:
        """Distributions whose versions matter for a result."""
        part = self.algorithm or self.backend
        return part.distributions if part else ()

    def guarantee(self, instance: Any) -> Guarantee:
        """Return what the method proves on an instance; raise `NotApplicableError` where it says nothing."""
        if self.function is not None:
            return Guarantee.HEURISTIC
        if self.algorithm is None:
            return Guarantee.EXACT
        stated = self.algorithm.guarantee
        if isinstance(stated, Guarantee):
            return stated
        guarantee: Guarantee = load(stated)(instance)
        return guarantee


_BACKENDS = "placewise.solvers.backends"
_ALGORITHMS = "placewise.solvers.algorithms"

BACKENDS: dict[str, Backend] = {
    "highs": Backend(
        f"{_BACKENDS}.highs:minimise",
        "highspy",
        "pip install 'highspy>=1.11,<1.14'",
        ("highspy", "pyomo"),
        "HiGHS",
    ),
    "scip": Backend(
        f"{_BACKENDS}.scip:minimise",
        "ortools",
        "pip install ortools",
        ("ortools", "pyomo"),
        "SCIP in OR-Tools",
    ),
    "cp-sat": Backend(
        f"{_BACKENDS}.cpsat:minimise",
        "ortools",
        "pip install ortools",
        ("ortools", "pyomo"),
        "CP-SAT of OR-Tools",
    ),
    "cbc": Backend(
        f"{_BACKENDS}.cbc:minimise", "pulp", "pip install 'pulp<4'", ("pulp", "pyomo"), "CBC in PuLP"
    ),
    "scipy": Backend(
        f"{_BACKENDS}.scipy_milp:minimise",
        "scipy",
        "pip install scipy",
        ("scipy", "pyomo"),
        "the HiGHS in SciPy",
    ),
    "gurobi": Backend(
        f"{_BACKENDS}.gurobi:minimise",
        "gurobipy",
        "pip install 'placewise[gurobi]', and a licence for large models",
        ("gurobipy", "pyomo"),
        "Gurobi",
    ),
}

_EDGESHARD_BASELINES = {
    "greedy": Algorithm(
        f"{_ALGORITHMS}.edgeshard_baselines:greedy",
        Guarantee.HEURISTIC,
        "fill the device, go on to the cheapest next one",
    ),
    "edge-solo": Algorithm(
        f"{_ALGORITHMS}.edgeshard_baselines:edge_solo",
        Guarantee.HEURISTIC,
        "the paper's baseline: all on the source",
    ),
    "cloud-edge-even": Algorithm(
        f"{_ALGORITHMS}.edgeshard_baselines:cloud_edge_even",
        Guarantee.HEURISTIC,
        "the paper's baseline: half on the source, half on the fastest device",
    ),
    "cloud-edge-opt": Algorithm(
        f"{_ALGORITHMS}.edgeshard_baselines:cloud_edge_opt",
        Guarantee.HEURISTIC,
        "the paper's baseline: the best split between source and fastest device",
    ),
}

ALGORITHMS: dict[str, dict[str, Algorithm]] = {
    "edgeshard-latency": {
        "run-length": Algorithm(
            f"{_ALGORITHMS}.edgeshard_cpsat:latency",
            "placewise.models.edgeshard.runs:run_length_guarantee",
            "CP-SAT circuit through the devices with layer counts; for equal layers",
            ("ortools",),
        ),
        "labels": Algorithm(
            f"{_ALGORITHMS}.edgeshard_labels:run",
            Guarantee.EXACT,
            "the paper's DP repaired: memory kept per path, Lagrangian bounds, local search, best first",
        ),
        "chains": Algorithm(
            f"{_ALGORITHMS}.edgeshard_chains:run",
            Guarantee.HEURISTIC,
            "local search over the order of devices, run ends by dynamic programming",
        ),
        "brute-force": Algorithm(
            f"{_ALGORITHMS}.brute_force:run",
            "placewise.solvers.algorithms.brute_force:guarantee",
            "every placement, evaluated; the oracle for tiny instances",
        ),
        "algorithm-1": Algorithm(
            f"{_ALGORITHMS}.edgeshard_algorithm_1:run",
            Guarantee.UNSAFE,
            "the paper's Algorithm 1 as printed",
        ),
        "algorithm-1-once": Algorithm(
            f"{_ALGORITHMS}.edgeshard_algorithm_1:run_once",
            Guarantee.UNSAFE,
            "Algorithm 1, memory updated once per table entry",
        ),
        **_EDGESHARD_BASELINES,
    },
    "edgeshard-throughput": {
        "run-length": Algorithm(
            f"{_ALGORITHMS}.edgeshard_cpsat:throughput",
            "placewise.models.edgeshard.pipeline_cpsat:run_length_guarantee",
            "CP-SAT circuit through the stages' devices with layer counts; for equal layers",
            ("ortools",),
        ),
        "stages": Algorithm(
            f"{_ALGORITHMS}.edgeshard_cpsat:stages",
            Guarantee.EXACT,
            "CP-SAT circuit with the first layer and the end of each stage; any layers",
            ("ortools",),
        ),
        "thresholds": Algorithm(
            f"{_ALGORITHMS}.edgeshard_thresholds:run",
            "placewise.solvers.algorithms.edgeshard_thresholds:guarantee",
            "bisection over bottlenecks, each decided by reachability over sets of devices; up to 20 devices",
        ),
        "brute-force": Algorithm(
            f"{_ALGORITHMS}.brute_force:run",
            "placewise.solvers.algorithms.brute_force:guarantee",
            "every placement, evaluated; the oracle for tiny instances",
        ),
        **_EDGESHARD_BASELINES,
    },
}

#: Tried in this order: the first that is exact for an instance is the default method.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "edgeshard-latency": ("run-length", "labels"),
    "edgeshard-throughput": ("run-length", "thresholds", "stages"),
}
#: Fast heuristics whose placements refute a false "infeasible".
PROBES: dict[str, tuple[str, ...]] = {
    "edgeshard-latency": ("greedy", "cloud-edge-opt", "algorithm-1-once"),
    "edgeshard-throughput": ("greedy", "cloud-edge-opt"),
}


def methods_of(problem: str) -> dict[str, Method]:
    """Return all methods of a problem: its algorithms, then back-ends on each formulation.

    A back-end alone means the problem's first formulation; ``highs/textbook`` names another.
    """
    methods = {
        name: Method(name, problem, algorithm.summary, algorithm=algorithm)
        for name, algorithm in ALGORITHMS.get(problem, {}).items()
    }
    for position, (formulation, statement) in enumerate(problem_named(problem).formulations.items()):
        for name, backend in BACKENDS.items():
            method = name if position == 0 else f"{name}/{formulation}"
            summary = f"{backend.summary} on the {formulation} MILP: {statement.summary}"
            methods[method] = Method(method, problem, summary, backend=backend, formulation=formulation)
    return methods


def find_method(problem: str, name: str) -> Method:
    """Return a method by name, or say which ones there are.

    A name of the form ``module:function`` is a user's own heuristic, ``(instance, parameters) -> placement``.
    """
    if ":" in name:
        return Method(name, problem, "a function of the user's", function=name)
    methods = methods_of(problem)
    if name not in methods:
        raise PlacewiseError(f"unknown method {name!r} for {problem}; expected one of {', '.join(methods)}")
    return methods[name]


def default_method(instance: Any) -> Method:
    """Return the first of a problem's default methods that is exact for the instance."""
    candidates = [find_method(instance.problem, name) for name in DEFAULTS[instance.problem]]
    for method in candidates:
        try:
            if method.guarantee(instance) is Guarantee.EXACT:
                return method
        except NotApplicableError:
            continue
    return candidates[-1]


def comparison_methods(problem: str) -> list[Method]:
    """Return what `compare` runs by default: all algorithms, every back-end once, and the other statements by HiGHS."""
    return [
        method for name, method in methods_of(problem).items() if "/" not in name or name.startswith("highs/")
    ]
