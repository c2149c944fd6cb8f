"""What this room knows about a problem: its file, its generators, its importer, its shipped instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from placewise.models.problem import InstanceT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from placewise.instances.formats.common import Head
    from placewise.instances.importers.transformer_config import PublishedModel
    from placewise.models.cluster import Cluster
    from placewise.models.problem import Problem


@dataclass(frozen=True, eq=False)
class Format(Generic[InstanceT]):
    """How instances of a problem are written, read and made: one object per problem.

    Parameters
    ----------
    problem : Problem
        Of what.
    spec : type of pydantic model
        A `Head` with the keys of the file; ``problem`` is the problem's name, as a `Literal`.
    build : callable
        ``checked spec -> instance``; raises `InstanceError` with the path of what is wrong.
    document : callable
        ``instance -> dict`` that `build` takes back, bit for bit.
    families : mapping of str to callable
        Generators with ``seed`` and ``name`` among their keyword arguments, and ``problem`` where one serves several;
        the others are options, each with a default. ``tiny`` draws what brute force solves: all checks need it.
    from_model : callable, optional
        ``(published model, cluster, tokens of cache) -> instance``, for `placewise convert` with a cluster file.
    folder : Path, optional
        Whose ``*.json`` are shipped instances, each named after its file.
    """

    problem: Problem[InstanceT, Any]
    spec: type[Head]
    build: Callable[[Any], InstanceT]
    document: Callable[[InstanceT], dict[str, Any]]
    families: Mapping[str, Callable[..., InstanceT]] = field(default_factory=dict)
    from_model: Callable[[PublishedModel, Cluster, int], InstanceT] | None = None
    folder: Path | None = None
