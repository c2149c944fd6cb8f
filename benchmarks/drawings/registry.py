"""Every problem's picture: those of the package, those that other packages bring, and the generic one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.drawings.dilemma import DILEMMA_PICTURE
from placewise.benchmarks.drawings.edgeshard import BATCH_PICTURE, LATENCY_PICTURE, THROUGHPUT_PICTURE
from placewise.benchmarks.drawings.head_migration import DECODER_PICTURE, HEADS_PICTURE
from placewise.benchmarks.drawings.picture import Picture
from placewise.benchmarks.drawings.replicated import REPLICATED_PICTURE
from placewise.models.errors import PlacewiseError
from placewise.models.plugins import offered
from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from placewise.models.problem import InstanceT

#: Group of the entry points, ``NAME = module:PICTURE``, by which packages bring pictures of their problems.
ENTRY_POINTS = "placewise.pictures"

#: The pictures of the package.
PICTURES: dict[str, Picture[Any, Any]] = {
    picture.problem.name: picture
    for picture in (
        LATENCY_PICTURE,
        THROUGHPUT_PICTURE,
        BATCH_PICTURE,
        DILEMMA_PICTURE,
        HEADS_PICTURE,
        REPLICATED_PICTURE,
        DECODER_PICTURE,
    )
}


@cache
def pictures() -> dict[str, Picture[Any, Any]]:
    """Return all pictures by their problem's name, those of other packages last.

    Raises
    ------
    PlacewiseError
        Where a package brings a second picture of a problem, or something that is none.
    """
    found = dict(PICTURES)
    for point, picture in offered(ENTRY_POINTS):
        if not isinstance(picture, Picture):
            raise PlacewiseError(f"{point}: expected a Picture, found {type(picture).__name__}")
        if picture.problem.name in found:
            raise PlacewiseError(f"{point}: {picture.problem.name} has a picture")
        found[picture.problem.name] = picture
    return found


def picture_of(instance: InstanceT) -> Picture[InstanceT, Any]:
    """Return how placements of an instance are drawn: the generic way where its problem brings none."""
    problem = problem_of(instance)
    known = PICTURES.get(problem.name) or pictures().get(problem.name)
    return Picture(problem) if known is None else known
