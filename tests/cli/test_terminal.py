"""The terminal: what was meant, what is done after how long, 80 columns, completion, pictures, and JSON that says what it is."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from placewise.cli import compare, instances, methods, output
from placewise.cli.main import main, parser
from placewise.instances import read
from placewise.models.nearest import meant
from placewise.solvers import compare as compare_methods
from placewise.solvers.evidence.result import Progress


@pytest.mark.parametrize(
    ("command", "near"),
    [
        (["solve", "hand-splt"], "'hand-split'"),
        (["solve", "hand-split", "--method", "run-lenght"], "'run-length'"),
        (["methods", "edgeshard-latncy"], "'edgeshard-latency'"),
        (["slove", "hand-split"], "'solve'"),
    ],
)
def test_what_was_meant(command, near, capsys):
    """Names of instances, methods, problems, commands."""
    try:
        status = main(command)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert f"did you mean {near}?" in capsys.readouterr().err


def test_nothing_near_is_nothing_said():
    """No guess beyond a slip of the fingers."""
    assert meant("zebra", ["labels", "greedy"]) == ""
    assert meant("HIGHS", ["highs", "scip"]) == " (did you mean 'highs'?)"


def test_the_clock_goes_on(monkeypatch):
    """Where nothing is reported; a new method starts it anew; the gap is shown once there are both sides."""
    now = iter(range(0, 1000, 5))
    monkeypatch.setattr(output, "perf_counter", lambda: next(now))
    spinner = SimpleNamespace()
    spinner.update = lambda shown: setattr(spinner, "shown", shown)
    live = output.LiveProgress("case", spinner)
    first, second = (spinner.shown.__rich__().plain for _ in range(2))
    assert re.search(r"case +5 s", first)
    assert re.search(r"case +10 s", second)
    live(Progress(0.0, objective=2.0, dual_bound=1.0))
    assert "gap 50 %" in spinner.shown.__rich__().plain or "gap 100 %" in spinner.shown.__rich__().plain
    live.start("next")
    assert re.search(r"case  next +5 s", spinner.shown.__rich__().plain)


def test_tables_fit_eighty_columns(monkeypatch, capsys):
    """No line is longer, and no name is cut."""
    monkeypatch.setattr(output, "table_console", lambda: Console(highlight=False, width=80))
    compare.show(compare_methods(read("hand-split"), ["labels", "greedy", "edge-solo"], isolate=False))
    for command in (methods, instances):
        command.run(parser().parse_args([command.__name__.rpartition(".")[2]]))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for name in (
        "edge-solo",
        "resource-aware-residual",
        "algorithm-1-once-suboptimal",
        "head-migration-decoder",
    ):
        assert name in out


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(shell):
    """A script that knows the commands."""
    script = subprocess.run(
        [sys.executable, "-m", "placewise", "--print-completion", shell],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "simulate" in script
    assert "--time-limit" in script


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_placement_over_its_network(suffix, tmp_path, capsys):
    """A picture of devices, what they host, and what is sent; as a page it needs nothing else."""
    target = tmp_path / f"placed.{suffix}"
    assert main(["solve", "hand-split", "--method", "labels", "--picture", str(target)]) == 0
    capsys.readouterr()
    text = target.read_text(encoding="utf-8")
    assert "<svg" in text
    assert suffix == "svg" or "://" not in text
    assert main(["solve", "hand-split", "--picture", str(tmp_path / "placed.gif")]) == 2
    assert "expected a name that ends with" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["methods"], ["instances"], ["devices"], ["compare", "hand-split", "hand-tie", "--methods", "labels"]],
)
def test_json_says_what_it_is(command, capsys):
    """A format with a version."""
    assert main([*command, "--json"]) == 0
    assert re.fullmatch(r"placewise-\w+/1", json.loads(capsys.readouterr().out)["format"])
