"""``import placewise`` is enough, costs nothing, and says what there is."""

import ast
import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import placewise
from placewise import Cluster, Device, EdgeShardLatency, Layer
from placewise.models.registry import PROBLEMS

ROOT = Path(__file__).parent.parent
SOURCE = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
ROOMS = ("models", "instances", "solvers", "benchmarks", "cli")


def output_of(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()


def test_ten_lines_from_numbers_to_a_proof():
    """No file, no arrays, no string that names a problem."""
    devices = [Device("laptop", 16e9, 5e12, 100e9), Device("board", 8e9, 1e12, 50e9) * 3]
    cluster = Cluster(devices=devices, bandwidth_bytes_per_s=6.25e6, latency_s=0.001)
    layers = [Layer("decoder", 8e8, 16384, flops=4e8, weight_bytes=8e8) * 32]
    result = placewise.solve(EdgeShardLatency(cluster, layers, source="laptop"))
    assert result.status is placewise.Status.OPTIMAL
    # 20 layers fill the laptop, 10 a board: the last 2 need another; each layer is bound by reading its weights.
    hops_s = 2 * (16384 / 6.25e6 + 0.001)
    assert result.objective == pytest.approx(20 * 8e8 / 100e9 + 12 * 8e8 / 50e9 + hops_s, rel=1e-9)
    assert placewise.evaluate(result.instance, result.placement).objective == result.objective


def test_importing_loads_nothing():
    """No room, no numpy, no pydantic, not even of the standard library: nothing that is not used."""
    code = (
        "import sys; before = set(sys.modules); import placewise; print(*sorted(set(sys.modules) - before))"
    )
    loaded = {name.partition(".")[0] for name in output_of("-c", code).split()}
    assert loaded <= {"placewise", "__future__"}
    code = "import sys, placewise; placewise.EdgeShardLatency; print(*sys.modules)"
    assert not {"pyomo", "ortools", "pydantic", "rich", "scipy"} & set(output_of("-c", code).split())


def test_every_name_is_there():
    """Listed, loaded, known to type checkers, and the same object as in its room."""
    stub = next(node for node in SOURCE.body if isinstance(node, ast.If))
    typed = {
        (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module not in ("typing", "placewise")
    }
    assert {name for _, name in typed} | {"__version__"} == set(placewise.__all__)
    for module, name in typed:
        assert getattr(placewise, name) is getattr(import_module(module), name), name
    assert set(placewise.__all__) <= set(dir(placewise))
    assert sorted(placewise.__all__) == sorted(set(placewise.__all__))
    assert placewise.__version__ == metadata.version("placewise")
    with pytest.raises(AttributeError, match="has no attribute 'sovle'"):
        placewise.sovle  # noqa: B018


def test_rooms_are_found_without_importing_them():
    """``placewise.models.edgeshard`` after ``import placewise`` alone."""
    code = "import placewise; print(*(getattr(placewise, room).__name__ for room in placewise._ROOMS))"
    assert output_of("-c", code).split() == [f"placewise.{room}" for room in sorted(ROOMS)]
    assert output_of("-c", "import placewise; print(placewise.testing.__name__)").split() == [
        "placewise.testing"
    ]


def test_a_class_per_problem():
    """Each problem's class is at the door, under one name, and says which problem it is."""
    kinds = [value for name in placewise.__all__ if isinstance(value := getattr(placewise, name), type)]
    assert {kind.problem for kind in kinds if hasattr(kind, "kinds")} == set(PROBLEMS)


def test_the_command_line_as_a_module():
    """``python -m placewise`` is ``placewise``."""
    assert output_of("-m", "placewise", "--version") == f"placewise {placewise.__version__}"
    assert re.search(r"optimal +7 s", output_of("-m", "placewise", "solve", "hand-split"))
