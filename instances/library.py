"""The library: instances of real models, machines and measurements, each with where it comes from.

An entry says how its instance is made: a shipped file, a family of generators with its options, measured profiles, or a
published model on a cluster of the catalogue's devices. So the library is small, and every number in it can be traced.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from placewise.instances.folder import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.problem import Instance

FILE = DATA / "library" / "catalogue.json"


@dataclass(frozen=True, eq=False)
class Entry:
    """An instance of the library.

    Parameters
    ----------
    name : str
        Of the instance.
    kind : str
        Class of the machines and models: ``home cluster``, ``measured boards``, ...
    data : str
        ``measured``, ``data sheets``, or ``published`` in a paper.
    source, licence : str
        Where the facts are from, and what they may be used under.
    recipe : dict
        ``{"shipped": name}``, ``{"problem", "family", "seed", "options"}``, ``{"problem", "profiles", "quantization"}``, or
        ``{"problem", "model", "cluster", "sequence_length"}``.
    """

    name: str
    kind: str
    data: str
    source: str
    licence: str
    recipe: dict[str, Any]

    def instance(self) -> Instance:
        """Return the instance, made anew."""
        from placewise.instances.files import read
        from placewise.instances.generation import generate
        from placewise.instances.shipped import shipped_path

        recipe = self.recipe
        if "shipped" in recipe:
            found: Any = read(shipped_path(recipe["shipped"]) or recipe["shipped"])
        elif "family" in recipe:
            options = recipe.get("options", {})
            found = generate(
                recipe["problem"], recipe["family"], seed=recipe["seed"], name=self.name, **options
            )
        elif "profiles" in recipe:
            found = _of_profiles(recipe, self.name)
        else:
            found = replace(_on_cluster(recipe), name=self.name)
        return found  # type: ignore[no-any-return]


def _of_profiles(recipe: dict[str, Any], name: str) -> Any:
    from placewise.instances.importers.conversion import convert

    paths = [FILE.parent / "halda" / f"{profile}.json" for profile in recipe["profiles"]]
    found = convert(paths, problem=recipe["problem"], quantization=recipe.get("quantization"))
    return replace(found, name=name)


def _on_cluster(recipe: dict[str, Any]) -> Any:
    from placewise.instances.importers.cluster_file import read_cluster_file
    from placewise.instances.importers.conversion import instance_of
    from placewise.instances.importers.source import noted, with_source
    from placewise.instances.importers.transformer_config import read_config

    content = _content()
    model = read_config(content["models"][recipe["model"]], recipe["model"])
    found = read_cluster_file(content["clusters"][recipe["cluster"]])
    made = instance_of(model, found.cluster, recipe["problem"], recipe["sequence_length"])
    return noted(with_source(made, found.source), found.note)


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


@cache
def library() -> dict[str, Entry]:
    """Return all entries by name, in the order of the catalogue."""
    found: dict[str, Entry] = {}
    for group in _content()["groups"]:
        shared = {key: group[key] for key in ("kind", "data", "source", "licence")}
        for name, recipe in _recipes(group):
            found[name] = Entry(name, recipe=recipe, **shared)
    return found


def _recipes(group: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in group.get("shipped", ()):
        yield name, {"shipped": name}
    for name, recipe in group.get("made", {}).items():
        yield name, recipe
    for problem, short in group.get("problems", {}).items():
        for cluster, models in group["on"].items():
            for model in models:
                recipe = {
                    "problem": problem,
                    "model": model,
                    "cluster": cluster,
                    "sequence_length": group["sequence_length"],
                }
                yield f"{cluster}-{model}-{short}", recipe
