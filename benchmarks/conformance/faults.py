"""What a check found, and tiny instances with the truth about them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic

from placewise.instances.generation import generate
from placewise.models.errors import PlacewiseError
from placewise.models.problem import InstanceT, PlacementT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from placewise.models.problem import Evaluation, Problem

#: Placements of an instance that is still tiny.
MOST_PLACEMENTS = 200_000
#: Characters of one example in the message.
LONGEST_EXAMPLE = 300


@dataclass
class Faults:
    """Collects what fails: each kind of fault once, with how often and the first example.

    Parameters
    ----------
    subject : str
        What is checked.
    """

    subject: str
    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: str, message: object = "") -> None:
        """Note a fault: what the contract says, on which instance, and what was found."""
        text = " ".join(f"{where}: {message}".split())
        self.found.setdefault(kind, []).append(text.removesuffix(":")[:LONGEST_EXAMPLE])

    @contextmanager
    def no_error(self, kind: str, where: str) -> Iterator[None]:
        """Note whatever is raised."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - others' code
            self.add(kind, where, f"{type(error).__name__}: {error}")

    def settle(self) -> None:
        """Raise `AssertionError` with a line per kind of fault, if there are any."""
        if self.found:
            lines = [
                f"- {kind} ({len(examples)} times; first: {examples[0]})"
                for kind, examples in self.found.items()
            ]
            raise AssertionError("\n".join([f"{self.subject} breaks its contract:", *lines]))


@dataclass(frozen=True, eq=False)
class Truth(Generic[PlacementT]):
    """What is so, by evaluating every placement.

    Parameters
    ----------
    objective : float or None
        The optimum; None where no placement is feasible.
    placement : object or None
        One that has it.
    evaluated : list of (placement, Evaluation)
        Every placement.
    """

    objective: float | None
    placement: PlacementT | None
    evaluated: list[tuple[PlacementT, Evaluation]]


def truth_of(problem: Problem[InstanceT, PlacementT], instance: InstanceT) -> Truth[PlacementT]:
    """Evaluate every placement of a tiny instance."""
    if problem.count(instance) > MOST_PLACEMENTS:
        raise PlacewiseError(
            f"{instance.name}: expected a tiny instance, found {problem.count(instance):.3g}"
        )
    placements = islice(problem.placements(instance), MOST_PLACEMENTS + 1)
    evaluated = [(placement, problem.evaluate(instance, placement)) for placement in placements]
    feasible = [(e.objective, p) for p, e in evaluated if e.feasible and e.objective is not None]
    objective, placement = min(feasible, key=lambda pair: pair[0], default=(None, None))
    return Truth(objective, placement, evaluated)


def drawn(
    problem: Problem[InstanceT, Any], seeds: Iterable[int], instances: Iterable[InstanceT] | None
) -> Iterator[InstanceT]:
    """Yield the given instances, or those of the family ``tiny``."""
    if instances is not None:
        yield from instances
        return
    for seed in seeds:
        yield generate(problem.name, "tiny", seed=seed)
