"""The house keeps its shape: imports run one way, rooms are packaged, registries name what exists."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from placewise.instances.registry import FORMATS
from placewise.models.registry import PROBLEMS
from placewise.solvers.registry import methods_of

ROOT = Path(__file__).parent.parent
ROOMS = ["tools", "models", "instances", "solvers", "benchmarks", "cli"]
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
SOLVERS = {"pyomo", "ortools", "highspy", "pulp", "gurobipy"}


def imports(path, *, top_level_only=False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    """A room imports only rooms before it."""
    own = ROOMS.index(path.relative_to(ROOT).parts[0])
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "placewise":
            assert ROOMS.index(parts[1]) <= own, f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_solver_is_imported_at_module_level(path):
    """Solvers are imported where they are called: some of them cannot share a process."""
    for module in imports(path, top_level_only=True):
        assert module.split(".")[0] not in SOLVERS, f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_small(path):
    """One purpose each, at most 300 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_problem_folders_do_not_import_each_other():
    """What two problems share moves up into models."""
    folders = {path.name for path in (ROOT / "models").iterdir() if path.is_dir() and path.name[0] != "_"}
    for folder in folders:
        for path in (ROOT / "models" / folder).rglob("*.py"):
            for module in imports(path):
                parts = module.split(".")
                if parts[:2] == ["placewise", "models"] and len(parts) > 2:
                    assert parts[2] not in folders - {folder}, f"{path} imports {module}"


def test_every_package_is_packaged():
    """Each folder with code is listed for the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    found = {"placewise"} | {
        "placewise." + ".".join(path.parent.relative_to(ROOT).parts)
        for path in FILES
        if path.name == "__init__.py"
    }
    assert found == set(listed)


def test_importing_the_models_loads_no_solver():
    """Research code that only wants the data pays for numpy alone."""
    code = (
        "import sys, placewise.models.edgeshard, placewise.solvers, placewise.instances, placewise.cli.main;"
        f"print(sorted({SOLVERS!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("problem", PROBLEMS)
def test_everything_that_a_problem_names_exists(problem):
    """Its format, its families of instances, the methods that it starts with."""
    assert FORMATS[problem].problem is PROBLEMS[problem]
    described = PROBLEMS[problem]
    named = {*described.default_methods, *described.first_methods, *described.probing_methods}
    assert named <= set(methods_of(problem))
    assert "tiny" in FORMATS[problem].families


def test_modules_that_moved_are_found_under_their_old_names():
    """With a warning, and as the same module: what was pickled or subclassed stays the same thing."""
    from placewise.solvers.moved import MOVED

    for old, new in MOVED.items():
        sys.modules.pop(old, None)
        with pytest.warns(DeprecationWarning, match=new):
            found = importlib.import_module(old)
        assert found is importlib.import_module(new)
        assert found.__spec__.name == new
