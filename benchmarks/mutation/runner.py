"""Run the tests of a module against its mutants, each in a fork that has imported all but this package.

Only a child knows the mutated text: an import hook hands it out instead of the file, so nothing on disk changes.
Processes that a test starts see the real module; lists of tests therefore name those that solve in process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import CodeType, ModuleType

#: Imported once, before all forks.
PRELOADED = (
    "numpy.testing",
    "scipy.optimize",
    "scipy.sparse",
    "pyomo.environ",
    "highspy",
    "ortools.sat.python.cp_model",
    "ortools.linear_solver.pywraplp",
    "pulp",
    "pydantic",
    "hypothesis.strategies",
    "jsonschema",
    "gguf",
    "rich.table",
    "pytest",
)
#: A mutant is killed after this many seconds, or this multiple of what the tests take without it.
LEAST_LIMIT_S, LIMIT_FACTOR = 10.0, 4.0


class _Handout(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds one module, with a given text."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def get_source(self, fullname: str) -> str:
        del fullname
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self._source, str(self._path), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - the mutant is meant to run


class _Order:
    """A pytest plugin: tests that killed most per second first; says what failed and how long each took."""

    def __init__(self, told: int, worth: dict[str, float]) -> None:
        self._told, self._worth = told, worth

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: -self._worth.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.failed:
            word = "failed" if report.failed else "passed"
            os.write(self._told, f"{word} {report.duration:.3f} {report.nodeid}\n".encode())


class Runner:
    """Runs the tests of one module.

    Parameters
    ----------
    root : Path
        The repository.
    module : str
        Path of the module below it.
    tests : sequence of str
        Test files, or single tests, below the root.

    Raises
    ------
    RuntimeError
        Where the tests fail without any mutant.
    """

    def __init__(self, root: Path, module: str, tests: Sequence[str]) -> None:
        self._root, self._module, self._tests = root, module, list(tests)
        self._kills: dict[str, int] = {}
        self._limit_s = 600.0
        started = time.monotonic()
        outcome, why = self.outcome((root / module).read_text(encoding="utf-8"))
        if outcome != "survived":
            raise RuntimeError(f"{module}: the tests fail without a mutant: {why}")
        self._limit_s = max(LEAST_LIMIT_S, LIMIT_FACTOR * (time.monotonic() - started))

    def outcome(self, source: str) -> tuple[str, str]:
        """Return killed, timeout or survived, and by which test."""
        # No pipe: it is read at the end, holds 64 KiB, and tests are many.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
            child = os.fork()
            if child == 0:
                self._child(told.fileno(), source)
            code = self._wait(child)
            told.seek(0)
            lines = [line.rstrip("\n").split(" ", 2) for line in told]
        if code == 0:
            self._durations = {test: float(took) for _, took, test in lines}
            return "survived", ""
        failed = [test for word, _, test in lines if word == "failed"]
        for test in failed[:1]:
            self._kills[test] = self._kills.get(test, 0) + 1
        return ("timeout", "") if code is None else ("killed", failed[0] if failed else f"exit {code}")

    def _worth(self) -> dict[str, float]:
        durations: dict[str, float] = getattr(self, "_durations", {})
        return {test: (1 + self._kills.get(test, 0)) / (took + 0.02) for test, took in durations.items()}

    def _child(self, told: int, source: str) -> None:
        """Never returns."""
        code = 70
        try:
            os.setpgrp()
            os.chdir(self._root)
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            for name in [name for name in sys.modules if name.split(".")[0] == "placewise"]:
                del sys.modules[name]
            name = "placewise." + self._module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            sys.meta_path.insert(0, _Handout(name, self._root / self._module, source))
            import pytest

            options = [
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:xdist",
                "-o",
                "addopts=--import-mode=importlib",
            ]
            code = int(pytest.main([*options, *self._tests], plugins=[_Order(told, self._worth())]))
        finally:
            os._exit(code)

    def _wait(self, child: int) -> int | None:
        """Return the exit status; None after a timeout, with the child and what it started ended."""
        deadline = time.monotonic() + self._limit_s
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                self._end(child)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        self._end(child)
        os.waitpid(child, 0)
        return None

    @staticmethod
    def _end(child: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)


def preload() -> None:
    """Import what all tests need of other packages, before the first fork."""
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
