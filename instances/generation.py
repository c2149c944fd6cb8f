"""Seeded instances: the same arguments give the same instance, on every machine."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from placewise.instances.registry import format_named
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant

if TYPE_CHECKING:
    from collections.abc import Callable


def generate(problem: str, family: str, *, seed: int, name: str | None = None, **options: Any) -> Any:
    """Return a generated instance.

    Parameters
    ----------
    problem, family : str
        Names of a problem and of one of its families.
    seed : int
        All random choices follow from it.
    name : str, optional
        Name of the instance.
    **options
        Of the family; texts are converted to the type of the option's default.

    Raises
    ------
    PlacewiseError
        On an unknown family or option, or a value of the wrong type.
    """
    function = family_named(problem, family)
    defaults = family_options(problem, family)
    for key, value in options.items():
        if key not in defaults:
            expected = ", ".join(f"{option}={default}" for option, default in defaults.items())
            raise PlacewiseError(
                f"unknown option {key!r} of {family}{meant(key, defaults)}; expected some of {expected}"
            )
        kind = type(defaults[key])
        try:
            options[key] = value if isinstance(value, kind) else kind(value)
        except ValueError:
            raise PlacewiseError(f"{key}: expected {kind.__name__}, found {value!r}") from None
    shared = {"problem": problem} if "problem" in inspect.signature(function).parameters else {}
    return function(seed=seed, name=name, **shared, **options)


def family_options(problem: str, family: str) -> dict[str, Any]:
    """Return the options of a family with their defaults.

    Parameters
    ----------
    problem, family : str
        Names of a problem and of one of its families.
    """
    parameters = inspect.signature(family_named(problem, family)).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("seed", "name", "problem")}


def family_named(problem: str, family: str) -> Callable[..., Any]:
    """Return a generator of a problem, or say which ones there are.

    Parameters
    ----------
    problem, family : str
        Names of a problem and of one of its families.

    Returns
    -------
    callable
        Takes ``seed``, ``name`` and the family's options, returns an instance.

    Raises
    ------
    PlacewiseError
        On an unknown family.
    """
    families = format_named(problem).families
    if family not in families:
        expected = f"expected one of {', '.join(families)}" if families else "it has none"
        raise PlacewiseError(f"unknown family {family!r} of {problem}{meant(family, families)}; {expected}")
    return families[family]
