"""Families of transformers as data (``data/families.toml``): which tensors there are, with shapes as products of widths."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from placewise.instances.folder import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What a tensor is to a quantisation: matrices and experts are, the others depend on it.
MATRIX, TABLE, HEAD, EXPERT, ROUTER, SMALL = "matrix", "table", "head", "expert", "router", "small"


@dataclass(frozen=True)
class Group:
    """Tensors of one part of a layer.

    Parameters
    ----------
    tensors : mapping of str to str
        Names, and shapes as widths with spaces between.
    role : str
        `MATRIX`, `TABLE`, `HEAD`, `EXPERT`, `ROUTER` or `SMALL`.
    when : tuple of str
        Switches that are on; with ``!`` before them, off.
    """

    tensors: Mapping[str, str]
    role: str = MATRIX
    when: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """What is the same in all models of a family.

    Parameters
    ----------
    name : str
        Of the family.
    types, architectures : tuple of str
        ``model_type`` and ``architectures`` of its configurations.
    layers : str
        Before a layer's number in the names of tensors.
    embedding, layer, head : tuple of Group
        Before the layers, in each of them, behind them.
    switches : mapping of str to bool
        Keys of the configuration that add or drop tensors, with what holds where they are absent.
    must : mapping of str to bool
        Those of which only one value is known.
    tied : bool
        Whether the head reads the embedding's table where nothing is said.
    window : str
        Which layers have a window: ``all``, ``pattern``, ``late``, ``stated`` (by ``layer_types`` only) or none.
    window_tokens, window_pattern : int
        Where nothing is said; every ``window_pattern``-th layer sees everything.
    head_dim, forward_times : int
        Where nothing is said: width of a head; width of the feed-forward block, in hidden sizes. 0 = none.
    one_key_head : tuple of str
        Switches of multi-query attention.
    experts, latent : bool
        Whether layers have experts; whether they keep one latent vector per token.
    positions : int
        Of a table of positions, where none are stated; 0 = they must be.
    """

    name: str
    types: tuple[str, ...]
    architectures: tuple[str, ...]
    layers: str
    embedding: tuple[Group, ...]
    layer: tuple[Group, ...]
    head: tuple[Group, ...]
    switches: Mapping[str, bool] = field(default_factory=dict)
    must: Mapping[str, bool] = field(default_factory=dict)
    tied: bool = False
    window: str = ""
    window_tokens: int = 0
    window_pattern: int = 0
    head_dim: int = 0
    forward_times: int = 0
    one_key_head: tuple[str, ...] = ()
    experts: bool = False
    latent: bool = False
    positions: int = 0

    @property
    def width_names(self) -> frozenset[str]:
        """Names of the widths that its shapes are made of."""
        groups = (*self.embedding, *self.layer, *self.head)
        return frozenset(
            word for group in groups for shape in group.tensors.values() for word in shape.split()
        )


@cache
def families() -> dict[str, Family]:
    """Return the families by their name."""
    document = tomllib.loads((DATA / "families.toml").read_text(encoding="utf-8"))
    groups = {name: Group(**_with_tuples(stated)) for name, stated in document["group"].items()}
    return {name: _family(name, stated, groups) for name, stated in document["family"].items()}


def _family(name: str, stated: dict[str, Any], groups: dict[str, Group]) -> Family:
    parts = {key: tuple(groups[group] for group in stated[key]) for key in ("embedding", "layer", "head")}
    return Family(name=name, **_with_tuples(stated) | parts)


def _with_tuples(stated: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in stated.items()}


def family_of(model_type: object, architectures: object) -> Family | None:
    """Return a family by a configuration's type, or by its architectures where it states none.

    Parameters
    ----------
    model_type, architectures : object
        What stands there.
    """
    if model_type is not None:
        return next((f for f in families().values() if model_type in f.types), None)
    names = architectures if isinstance(architectures, list) else []
    return next((f for f in families().values() if any(name in f.architectures for name in names)), None)


@cache
def nested_defaults() -> dict[str, dict[str, int]]:
    """Return the sizes that a nested configuration need not state, by its type."""
    return tomllib.loads((DATA / "config_defaults.toml").read_text(encoding="utf-8"))


def known_types() -> list[str]:
    """Return the types of all families."""
    return [name for family in families().values() for name in family.types]


@dataclass(frozen=True)
class Shape:
    """A tensor of a family with its numbers put in.

    Parameters
    ----------
    name : str
        Without the layer's number; ``*`` for the number of an expert.
    dimensions : tuple of int
        As in the published file.
    copies : int
        As many equal ones there are: experts, or 1.
    role : str
        As a `Group` says.
    """

    name: str
    dimensions: tuple[int, ...]
    copies: int
    role: str

    @property
    def parameters(self) -> int:
        """Numbers in all copies."""
        return math.prod(self.dimensions) * self.copies


def shapes(
    groups: tuple[Group, ...], widths: Mapping[str, int], switches: Mapping[str, bool]
) -> Iterator[Shape]:
    """Yield the tensors of groups whose switches are on.

    Parameters
    ----------
    groups : tuple of Group
        Of a family.
    widths : mapping of str to int
        Numbers behind the names.
    switches : mapping of str to bool
        Those that are on; what is not named is on where the width of that name is not 0.
    """
    for group in groups:
        if not all(_is_on(condition, widths, switches) for condition in group.when):
            continue
        for name, shape in group.tensors.items():
            sizes = tuple(int(word) if word.isdecimal() else widths[word] for word in shape.split())
            yield Shape(name, sizes, widths["experts"] if "*" in name else 1, group.role)


def _is_on(condition: str, widths: Mapping[str, int], switches: Mapping[str, bool]) -> bool:
    name = condition.removeprefix("!")
    on = switches[name] if name in switches else bool(widths.get(name))
    return on is not condition.startswith("!")


def all_on(conditions: tuple[str, ...], switches: Mapping[str, bool]) -> bool:
    """Whether there are conditions and each of them holds.

    Parameters
    ----------
    conditions : tuple of str
        Switches, with ``!`` those that are off.
    switches : mapping of str to bool
        Their values.
    """
    return bool(conditions) and all(_is_on(condition, {}, switches) for condition in conditions)
