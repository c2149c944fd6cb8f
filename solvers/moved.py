"""Modules under the names that they had in 0.1: each import warns, and gives the module where it is now."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_ROOM = "placewise.solvers"
_BY_ROOM = {
    "evidence": ("result", "verify"),
    "execution": ("worker", "parameters", "statement", "method"),
    "explanation": ("infeasibility", "inquiry"),  # `explain` is a function there
    "backends": ("matrix", "lowering"),
}
MOVED = {f"{_ROOM}.{name}": f"{_ROOM}.{room}.{name}" for room, names in _BY_ROOM.items() for name in names}
MOVED[f"{_ROOM}.run"] = f"{_ROOM}.execution.context"  # and its class is called Context


class _Moved(MetaPathFinder, Loader):
    """Finds a module under its old name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is: it has run under its own name, and keeps the specification of that."""
        spec = module.__spec__
        module.__spec__ = None if spec is None else spec.loader_state


def install() -> None:
    """Let the old names be found after all others."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
