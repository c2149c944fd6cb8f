"""CP-SAT's Python module without pandas: importing this imports that.

`ortools.sat.python.cp_model` imports pandas for methods that take its series, and spends most of its own import on that. A
worker has better uses for half a second, and a fork for the memory: here a stand-in takes pandas' place meanwhile, and
afterwards pandas itself, as soon as one of those methods asks for it. Only for processes of our own: others that
import pandas in another thread must not meet the stand-in.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

CP_MODEL = "ortools.sat.python.cp_model"


class _Later(ModuleType):
    """A module that is imported when something in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def import_alone() -> None:
    """Import CP-SAT's module, without pandas unless that is imported already."""
    if "pandas" not in sys.modules and CP_MODEL not in sys.modules:
        stand_in = ModuleType("pandas")
        vars(stand_in).update(Index=object, Series=object)  # what annotations mention
        sys.modules["pandas"] = stand_in
        try:
            with contextlib.suppress(AttributeError, ImportError):  # another version, which needs more of it
                vars(import_module(CP_MODEL))["pd"] = _Later("pandas")
        finally:
            del sys.modules["pandas"]
    import_module(CP_MODEL)


import_alone()
