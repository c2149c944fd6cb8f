"""The terminal: what was meant, what is done after how long, 80 columns, completion, pictures, and JSON that says what it is."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from placewise.cli import compare, instances, methods, output
from placewise.cli.main import COMMANDS, main, parser
from placewise.instances import read
from placewise.models.nearest import meant
from placewise.solvers import compare as compare_methods
from placewise.solvers.evidence.result import Progress


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


@pytest.fixture(scope="module")
def scripts():
    """Print the completions of shells, once each."""
    printed = {}

    def script(shell):
        if shell not in printed:
            command = [sys.executable, "-m", "placewise", "--print-completion", shell]
            printed[shell] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return printed[shell]

    return script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, scripts):
    """A script that knows commands, options and names."""
    for word in ("simulate", "time-limit", "llama2-7b-testbed", "equal-chains", "rtx-4090", "smoke"):
        assert word in scripts(shell)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("solve llama2-7b-testbed-th", "llama2-7b-testbed-throughput"),
        ("solve mine", "mine.json"),
        ("compare hand-split --methods labels,run-len", "labels,run-length"),
        ("methods dil", "dilemma"),
        ("generate dilemma op", "opt"),
        ("bench smo", "smoke"),
        ("library far-flats-5-qwen2.5-14b-l", "far-flats-5-qwen2.5-14b-latency"),
        ("devices rtx-4060-t", "rtx-4060-ti"),
        ("export hand-split --formulation text", "textbook"),
        ("solve hand-split --time-l", "--time-limit"),
    ],
)
def test_bash_completes_names(line, word, scripts, tmp_path):
    """As bash asks: the words so far, and which one is being written."""
    (tmp_path / "script").write_text(scripts("bash"), encoding="utf-8")
    (tmp_path / "mine.json").touch()
    words = ["placewise", *line.split()]
    ask = f"source ./script; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_placewise"
    done = subprocess.run(
        ["bash", "-c", f"{ask}; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [word]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["solve", "hand-spilt"], "hand-split"),
        (["slove", "hand-split"], "solve"),
        (["methods", "edgeshard-latncy"], "edgeshard-latency"),
        (["library", "far-flats-5-qwen2.5-14b-latncy"], "far-flats-5-qwen2.5-14b-latency"),
        (["solve", "hand-split", "--method", "lables"], "labels"),
        (["solve", "hand-split", "--time-limt", "3"], "--time-limit"),
        (["export", "hand-split", "--to", "lp", "--output", "x.lp", "--formulation", "textbok"], "textbook"),
        (["bench", "smok"], "smoke"),
        (["bench", "smoke", "--methods", "run-lenght"], "run-length"),
        (["generate", "dilema"], "dilemma"),
        (["generate", "dilemma", "optt"], "opt"),
        (["generate", "dilemma", "opt", "server=3"], "servers"),
        (["generate", "dilemma", "opt", "bound=bugdet"], "budget"),
        (["solve", "hand-split", "--source", "laptop"], None),
        (["solve", "llama2-7b-testbed", "--source", "agx-00"], "agx-0"),
        (["solve", "llama2-7b-testbed", "--for", "llama-cpp"], "llama.cpp"),
    ],
)
def test_the_name_that_was_meant(command, name, capsys):
    """One line, and only where a name is near."""
    try:
        status = main(command)
    except SystemExit as left:  # argparse's own checks
        status = left.code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 2
    assert said.count("did you mean") == (name is not None)
    assert name is None or f"did you mean {name!r}?" in said


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


ROOT = Path(__file__).parents[2]
#: What a command asks for.
NEEDED = {
    name: ["hand-split"]
    for name in ("solve", "compare", "check", "explain", "frontier", "simulate", "report")
}
NEEDED |= {
    "submit": ["r.json"],
    "convert": ["m.json"],
    "generate": ["dilemma"],
    "largest": ["context", "m.json"],
}
NEEDED |= {"plan": ["r.json", "--for", "vllm"], "residual": ["hand-split", "--measured", "1"]}
NEEDED |= {"export": ["hand-split", "--to", "lp", "--output", "m.lp"]}
#: The page's formats by command.
FORMATS: dict[str, str] = {}
for cells, stated in re.findall(
    r"^\| (`.*?) \| `(placewise[\w-]*/1)` \|",
    (ROOT / "docs" / "programs.md").read_text("utf-8"),
    re.MULTILINE,
):
    for shown in re.findall(r"`(.*?)`", cells):
        FORMATS.setdefault(shown, stated)


def test_every_command_prints_json_and_the_page_says_what():
    """The option is there, and a line of the page."""
    for name in COMMANDS:
        assert parser().parse_args([name, *NEEDED.get(name, []), "--json"]).json
        assert name in {command.split()[0] for command in FORMATS}


@pytest.mark.parametrize(
    "command",
    [
        ["methods"],
        ["instances"],
        ["devices"],
        ["compare", "hand-split", "--methods", "labels"],
        ["bench SUITE --list", "smoke"],
        ["export", "hand-split", "--to", "lp", "--output", "model.lp"],
        ["library", "far-flats-5-qwen2.5-14b-latency"],
        ["generate PROBLEM", "dilemma"],
        ["generate PROBLEM FAMILY", "dilemma", "tiny"],
        ["bench", "suite.json", "--output", "runs"],
        ["report", "runs"],
    ],
    ids=lambda command: command[0],
)
def test_json_says_what_it_is(command, capsys, tmp_path, monkeypatch):
    """A format with a version, that of the page."""
    monkeypatch.chdir(tmp_path)
    entries = [{"group": "all", "instances": ["hand-split"], "methods": ["greedy"]}]
    suite = {"format": "placewise-suite/1", "name": "one", "entries": entries}
    (tmp_path / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    if command[0] == "report":
        main(["bench", "suite.json", "--output", "runs"])
        capsys.readouterr()
    name, *flags = (word for word in command[0].split() if not word.isupper())
    assert main([name, *command[1:], *flags, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == FORMATS[command[0]]
    if name == "bench" and not flags:
        assert (document["runs"], document["statuses"], document["conflicts"]) == (1, {"feasible": 1}, [])
    if name == "report":
        assert (document["runs"], document["conflicts"]) == (1, 0)
        assert all(Path(path).exists() for path in [document["page"], *document["tables"]])
    if name == "export":
        assert document["objective_unit"] == "ms"
        assert Path(document["file"]).exists()
