"""Run the tests of a module against its mutants, each in a fork.

What changes the code of functions is exchanged in a process that has collected the tests (`warm`); for the rest the
module is imported as the mutant: an import hook hands its text out instead of the file. Nothing on disk changes.
Processes that a test starts see the real module; lists of tests therefore name those that solve in process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import json
import os
import resource
import sys
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.mutation.warm import Patch, Tests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import CodeType, ModuleType

    from placewise.benchmarks.mutation.mutants import Mutant

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

#: A module that is imported as a mutant, and tests are collected with, is killed after these seconds of a processor.
IMPORT_LIMIT_S = 60


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


class Runner:
    """Runs the tests of modules.

    Parameters
    ----------
    root : Path
        The repository.
    modules : dict
        By the path of each module below it its test files, or single tests, below the root.
    wider : dict
        By what paths of modules begin with: more test files, of which those are tried that call what is changed.
    """

    def __init__(
        self, root: Path, modules: Mapping[str, Sequence[str]], wider: Mapping[str, Sequence[str]]
    ) -> None:
        self._root, self._modules, self._wider = root, modules, wider

    def outcomes(self, mutants: Sequence[Mutant]) -> Iterator[tuple[int, str, str]]:
        """Yield of each mutant its number, killed, timeout or survived, and by which test; number -1 is a remark."""
        patches: list[tuple[int, Patch | None]] = []
        others = []
        for number, mutant in enumerate(mutants):
            path, own = self._root / mutant.module, self._modules[mutant.module]
            try:
                patch = Patch(str(path), path.read_text(encoding="utf-8"), mutant.source, own)
            except ValueError:
                others.append(number)
            else:
                patches.append((number, patch))
        took_s: dict[str, float] = {}
        tests = self._tests({mutant.module for mutant in mutants})
        for number, outcome, by in self._run(None, tests, patches, None):
            if number >= 0:
                yield number, outcome, by
            elif isinstance(by, dict):
                took_s = by
                if outcome:
                    yield -1, "", f"fail without a mutant, and are left out: {outcome}"
            else:
                raise RuntimeError(f"the tests cannot be collected: {by}")
        for number in others:
            mutant = mutants[number]
            yield from self._run(mutant, self._modules[mutant.module], [(number, None)], took_s)

    def _tests(self, modules: set[str]) -> list[str]:
        """Return the own tests of modules and the wider ones, each once."""
        found = {test for module in modules for test in self._modules[module]}
        for start, tests in self._wider.items():
            if any(module.startswith(start) for module in modules):
                found |= set(tests)
        return sorted(test for test in found if "::" not in test or test.split("::")[0] not in found)

    def _run(
        self,
        mutant: Mutant | None,
        tests: Sequence[str],
        patches: Sequence[tuple[int, Patch | None]],
        took_s: dict[str, float] | None,
    ) -> Iterator[tuple[int, str, Any]]:
        reading, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            paths = [str(self._root / module) for module in self._modules]
            self._child(mutant, tests, Tests(patches, str(self._root), paths, told, took_s))
        os.close(told)
        said = False
        with os.fdopen(reading) as lines:
            for line in lines:
                said = True
                number, outcome, by = json.loads(line)
                yield number, outcome, by
        os.waitpid(child, 0)
        if not said:
            yield (-1 if took_s is None else patches[0][0]), "killed", "import"

    def _child(self, mutant: Mutant | None, tests: Sequence[str], plugin: Tests) -> None:
        """Never returns."""
        try:
            os.chdir(self._root)
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            for name in [name for name in sys.modules if name.split(".")[0] == "placewise"]:
                del sys.modules[name]
            if mutant is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (IMPORT_LIMIT_S,) * 2)
                name = mutant.module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
                handout = _Handout(f"placewise.{name}", self._root / mutant.module, mutant.source)
                sys.meta_path.insert(0, handout)
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
            pytest.main([*options, *tests], plugins=[plugin])
        finally:
            os._exit(70)


def preload() -> None:
    """Import what all tests need of other packages, before the first fork."""
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
