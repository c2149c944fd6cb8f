"""What a method is: a back-end on a formulation, an algorithm of its own, or a user's function."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from placewise.models.lazy import load
from placewise.models.problem import Guarantee


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
