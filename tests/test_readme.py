"""The README keeps its word."""

import json
import re
from pathlib import Path

from placewise.instances.files import from_document
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.result import Status

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_test_command_is_the_one_that_ci_runs():
    """Word for word."""
    command = blocks("sh")[0].strip().splitlines()[-1]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_example_runs():
    """The code for research is pasted and run."""
    exec(compile(blocks("python")[0], "README", "exec"), {})


def test_the_example_instance_is_solved():
    """The file for one's own instance is valid and has a proven optimum."""
    instance = from_document(json.loads(blocks("json")[0]))
    assert solve(instance).status is Status.OPTIMAL


def test_every_problem_is_listed():
    """No problem is left out of the table."""
    for problem in PROBLEMS:
        assert f"`{problem}`" in README
