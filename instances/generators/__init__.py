"""Seeded generators: the same arguments give the same instance, on every machine.

A generator is a function with ``seed`` and ``name`` among its keyword arguments, and ``problem`` where it serves several;
the others are its options, each with a default. Every problem has a ``tiny`` family, which brute force solves: the cross-checks draw from it.
"""

from __future__ import annotations

import inspect
from typing import Any

from placewise.models.errors import PlacewiseError
from placewise.models.lazy import load

_GENERATORS = "placewise.instances.generators"

_EDGESHARD = {
    "testbed": f"{_GENERATORS}.edgeshard:paper_testbed",
    "tight": f"{_GENERATORS}.edgeshard:tight",
    "tiny": f"{_GENERATORS}.edgeshard:tiny",
    "zeros": f"{_GENERATORS}.numbers:zeros",
}

FAMILIES: dict[str, dict[str, str]] = {
    "edgeshard-latency": _EDGESHARD,
    "edgeshard-throughput": _EDGESHARD,
    "edgeshard-batch": {
        "testbed": f"{_GENERATORS}.edgeshard_batch:paper_testbed",
        "tiny": f"{_GENERATORS}.edgeshard_batch:tiny",
    },
    "dilemma": {
        "decimals": f"{_GENERATORS}.numbers:decimals",
        "opt": f"{_GENERATORS}.dilemma:opt",
        "smollm2": f"{_GENERATORS}.dilemma:smollm2",
        "tiny": f"{_GENERATORS}.dilemma:tiny",
    },
    "head-migration": {
        "network": f"{_GENERATORS}.head_migration:network",
        "tiny": f"{_GENERATORS}.head_migration:tiny",
    },
    "head-migration-decoder": {
        "network": f"{_GENERATORS}.head_migration_decoder:network",
        "tiny": f"{_GENERATORS}.head_migration_decoder:tiny",
    },
}


def generate(problem: str, family: str, *, seed: int, name: str | None = None, **options: Any) -> Any:
    """Return a generated instance.

    Parameters
    ----------
    problem, family : str
        Keys of `FAMILIES`.
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
    families = FAMILIES.get(problem, {})
    if family not in families:
        raise PlacewiseError(f"unknown family {family!r} of {problem}; expected one of {', '.join(families)}")
    function = load(families[family])
    defaults = family_options(problem, family)
    for key, value in options.items():
        if key not in defaults:
            expected = ", ".join(f"{option}={default}" for option, default in defaults.items())
            raise PlacewiseError(f"unknown option {key!r} of {family}; expected some of {expected}")
        kind = type(defaults[key])
        try:
            options[key] = value if isinstance(value, kind) else kind(value)
        except ValueError:
            raise PlacewiseError(f"{key}: expected {kind.__name__}, found {value!r}") from None
    shared = {"problem": problem} if "problem" in inspect.signature(function).parameters else {}
    return function(seed=seed, name=name, **shared, **options)


def family_options(problem: str, family: str) -> dict[str, Any]:
    """Return the options of a family with their defaults."""
    parameters = inspect.signature(load(FAMILIES[problem][family])).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("seed", "name", "problem")}
