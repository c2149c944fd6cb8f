"""What a method is: a back-end on a formulation, an algorithm of its own, or a user's function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Generic

from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee, InstanceT, PlacementT, Problem

if TYPE_CHECKING:
    from placewise.models.problem import Formulation
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.backends.matrix import MatrixContext, MatrixResult

    #: What a back-end does.
    Minimise = Callable[[MatrixModel, MatrixContext], MatrixResult]
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context

#: What every method comes to import of NumPy.
_ARRAYS = ("numpy.ma", "numpy.random")
#: What a method can do beside answering, as `placewise methods` shows it.
WARM_START, PROGRESS, BOUND, THREADS, SEED = "warm start", "progress", "bound", "threads", "seed"
#: What installs a distribution that does not come with placewise.
EXTRAS = {"pulp": "'placewise[cbc]'"}


@cache
def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class Backend:
    """A solver of lowered models.

    Parameters
    ----------
    name : str
        Of the method that it is on a problem's first formulation.
    minimise : callable
        ``(MatrixModel, MatrixContext) -> MatrixResult``.
    requires : str
        Module that must be installed.
    pip : str
        What installs it.
    distributions : tuple of str
        Whose versions a result states.
    summary : str
        One line for people.
    abilities : frozenset of str
        Which of warm start, progress, bound, threads and seed it has.
    modules : tuple of str
        Its solver's, which a worker may import before it is asked.
    """

    name: str
    minimise: Minimise
    requires: str
    pip: str
    distributions: tuple[str, ...]
    summary: str
    abilities: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Travel between processes by name."""
        from placewise.solvers.backends.table import backend_named

        return backend_named, (self.name,)

    @property
    def installed(self) -> bool:
        """Whether its module can be found; it is not imported for that."""
        return find_spec(self.requires) is not None

    @property
    def imports(self) -> tuple[str, ...]:
        """What a worker that runs it imports, before it is asked."""
        return ("pyomo.environ", "pyomo.repn.plugins.standard_form", *_ARRAYS, "scipy.sparse", *self.modules)


@dataclass(frozen=True, eq=False)
class Algorithm(Generic[InstanceT]):
    """A method of its own for one problem.

    Parameters
    ----------
    name : str
        Of the method.
    run : callable
        ``(instance, Context) -> Claim``.
    guarantee : Guarantee or callable
        What it proves; ``instance -> Guarantee`` where that depends on the instance, which may raise
        `NotApplicableError`.
    summary : str
        One line for people.
    distributions : tuple of str
        Whose versions a result states.
    abilities : frozenset of str
        Which of warm start, progress, bound, threads and seed it has.
    honours : frozenset of str or None
        Which of the problem's `options` it knows; None: all, since it asks `evaluate` only.
    modules : tuple of str or None
        Its solver's, which a worker may import before it is asked; None: those of its distributions.
    """

    name: str
    run: Callable[[InstanceT, Context], Claim]
    guarantee: Guarantee | Callable[[InstanceT], Guarantee]
    summary: str
    distributions: tuple[str, ...] = ("numpy",)
    abilities: frozenset[str] = frozenset()
    honours: frozenset[str] | None = frozenset()
    modules: tuple[str, ...] | None = None


#: A user's ``(instance, parameters) -> placement``.
UserFunction = Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Method(Generic[InstanceT, PlacementT]):
    """Something that `solve` can ask: an algorithm, a back-end on a formulation, or a user's function.

    Parameters
    ----------
    name : str
        As `placewise methods` lists it.
    problem : Problem
        Of what.
    summary : str
        One line for people.
    algorithm, backend, formulation, function
        An algorithm, a back-end with a formulation by its name in the problem, or a user's function.
    """

    name: str
    problem: Problem[InstanceT, PlacementT]
    summary: str
    algorithm: Algorithm[InstanceT] | None = None
    backend: Backend | None = None
    formulation: str | None = None
    function: UserFunction | str | None = None

    @property
    def missing(self) -> str | None:
        """The pip line that would make it available, or None."""
        if self.backend is not None:
            return None if self.backend.installed else self.backend.pip
        absent = next((name for name in self.distributions if not _installed(name)), None)
        return absent and f"pip install {EXTRAS.get(absent, absent)}"

    @property
    def distributions(self) -> tuple[str, ...]:
        """Distributions whose versions matter for a result."""
        part = self.algorithm or self.backend
        return part.distributions if part else ()

    @property
    def imports(self) -> tuple[str, ...]:
        """What a worker that runs it imports, before it is asked."""
        if self.backend is not None:
            return self.backend.imports
        own = self.algorithm.modules if self.algorithm else ()
        if own is None:
            own = ("placewise.solvers.backends.cp_alone",) if "ortools" in self.distributions else ()
        return _ARRAYS + own

    @property
    def abilities(self) -> frozenset[str]:
        """What it can do beside answering."""
        part = self.algorithm or self.backend
        return part.abilities if part else frozenset()

    @property
    def statement(self) -> Formulation[InstanceT, PlacementT] | None:
        """The formulation that its back-end solves."""
        return None if self.formulation is None else self.problem.formulations[self.formulation]

    def guarantee(self, instance: InstanceT) -> Guarantee:
        """Return what the method proves on an instance; raise `NotApplicableError` where it says nothing."""
        if self.function is not None:
            return Guarantee.HEURISTIC
        part = self.algorithm or self.statement
        if part is not None and part.honours is not None:
            ignored = self.problem.options(instance) - part.honours
            if ignored:
                raise NotApplicableError(f"{self.name} does not know {' or '.join(sorted(ignored))}")
        if self.algorithm is None:
            return Guarantee.EXACT
        stated = self.algorithm.guarantee
        return stated if isinstance(stated, Guarantee) else stated(instance)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Travel between processes by name, or as the user's function itself."""
        from placewise.solvers.registry import sent_method

        given = self.function if callable(self.function) else self.name
        return sent_method, (self.problem.name, given)
