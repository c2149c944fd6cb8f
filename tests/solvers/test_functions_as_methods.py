"""A function is a method: of a module, of the script that runs, or refused in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import planted
import pytest

import placewise
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Status

SCRIPT = """
import placewise

def stay(instance, parameters):
    return (instance.source,) * len(instance.layers)

{guard}
print(placewise.solve(placewise.read("hand-stay-home"), stay).status.value)
"""


def run(script, guard):
    script.write_text(SCRIPT.format(guard=guard), encoding="utf-8")
    text = script.read_text(encoding="utf-8")
    if guard:
        text = text.replace("\nprint(", "\n    print(")
    script.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_function_of_a_module():
    """In a worker of its own, and here."""
    instance = placewise.read("hand-stay-home")
    for isolate in (True, False):
        result = placewise.solve(instance, planted.good, isolate=isolate)
        assert result.status is Status.FEASIBLE
        assert result.method == "good"


def test_a_function_of_a_guarded_script(tmp_path):
    """The worker runs the script without what its main guard holds."""
    done = run(tmp_path / "mine.py", "if __name__ == '__main__':")
    assert (done.returncode, done.stdout.strip()) == (0, "feasible"), done.stderr


def test_a_script_without_a_guard_is_one_line(tmp_path):
    """It would start workers without end; it is told to add the guard."""
    done = run(tmp_path / "mine.py", "")
    assert done.returncode != 0
    assert "__name__ == '__main__'" in done.stderr.strip().splitlines()[-1]


def test_what_cannot_be_handed_over_is_one_line():
    """A lambda has no name by which another process could find it; in this process it runs."""
    instance = placewise.read("hand-stay-home")
    count = len(instance.layers)
    with pytest.raises(PlacewiseError, match=r"isolate=False"):
        placewise.solve(instance, lambda *_: (0,) * count)
    assert placewise.solve(instance, lambda *_: (0,) * count, isolate=False).objective == 13.0


def test_what_is_no_method_is_one_line():
    """Neither a name nor a function."""
    with pytest.raises(PlacewiseError, match=r"expected a name or a function, found int"):
        placewise.solve(placewise.read("hand-split"), 7)


def test_compare_takes_functions_beside_names():
    """Each gets a row."""
    report = placewise.compare(placewise.read("hand-stay-home"), ["labels", planted.good], isolate=False)
    assert [result.method for result in report.results] == ["labels", "good"]


def test_a_numpy_in_the_current_folder_is_not_numpy(tmp_path):
    """Workers import installed modules before the caller's own."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('planted')", encoding="utf-8")
    command = str(Path(sys.executable).parent / "placewise")
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [command, "solve", "hand-split", "--json"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_function_of_the_current_folder(tmp_path):
    """As the pages have it, with the installed command, in whose path the folder is not."""
    (tmp_path / "mymodule.py").write_text(
        "def stay(instance, parameters): return (instance.source,) * len(instance.layers)\n"
    )
    (tmp_path / "numpy.py").write_text("raise ImportError('not the package')\n")
    line = [
        sys.executable,
        "-P",
        "-m",
        "placewise",
        "compare",
        "hand-stay-home",
        "--methods",
        "mymodule:stay",
        "--json",
    ]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths))
    }  # an empty one is the folder
    done = subprocess.run(
        line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["status"] == "feasible"
