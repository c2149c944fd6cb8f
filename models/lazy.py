"""References of the form ``"module:name"``, so that a registry names code without importing it."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(reference: str) -> Any:
    """Import what ``"package.module:name"`` names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
