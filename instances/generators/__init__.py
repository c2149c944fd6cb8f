"""Families of seeded instances, a file per problem; `placewise.instances.generation` calls them."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Give what stood here in 0.1 from where it is now; kept for one version."""
    if name in ("family_options", "generate"):
        from placewise.instances import generation

        return getattr(generation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
