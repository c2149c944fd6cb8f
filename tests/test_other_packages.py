"""Another package brings a problem, its format and picture, methods and a back-end: every command works with them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_install
from rich.console import Console

from placewise.benchmarks.drawings.picture import Picture
from placewise.benchmarks.drawings.registry import PICTURES, pictures
from placewise.instances import generate, shipped_instances
from placewise.instances.registry import FORMATS, formats
from placewise.models import plugins
from placewise.models.errors import PlacewiseError
from placewise.models.registry import PROBLEMS, problems
from placewise.solvers.backends.table import BACKENDS, backends

SUITE = {
    "format": "placewise-suite/1",
    "name": "toy",
    "time_limit": 20.0,
    "entries": [
        {
            "group": "toy",
            "instances": [
                "toy-three-jobs",
                {"problem": "toy-jobs", "family": "tiny", "seeds": [1], "options": {"jobs": 3}},
            ],
            "methods": ["branch", "first-fit", "enumeration"],
        }
    ],
}
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
}
CLUSTER = {
    "devices": [{"name": "a", "memory_bytes": 1000000, "flops_per_s": 1e9, "memory_bytes_per_s": 1e9}],
    "bandwidth_bytes_per_s": 1.0,
}
COMMANDS = {
    "solve": "solve toy-three-jobs --output result.json",
    "solve json": "solve toy-three-jobs --method enumeration --json",
    "warm": "solve toy-three-jobs --method highs --warm-start result.json --json",
    "compare": "compare toy-three-jobs --methods branch,first-fit",
    "compare json": "compare toy-three-jobs --methods branch,first-fit,enumeration,highs,brute-force --json",
    "check": "check toy-three-jobs result.json",
    "check json": "check toy-three-jobs result.json --json",
    "explain": "explain toy-three-jobs",
    "explain json": "explain toy-three-jobs --json",
    "families": "generate toy-jobs",
    "generate": "generate toy-jobs tiny jobs=4 --seed 2 --output five.json",
    "solve generated": "solve five.json --json",
    "convert": "convert config.json --cluster cluster.json --problem toy-jobs",
    "mps": "export toy-three-jobs --to mps --output toy.mps",
    "lp": "export toy-three-jobs --to lp --output toy.lp",
    "bench": "bench suite.json --output bench",
    "report": "report bench",
    "methods": "methods toy-jobs",
    "methods json": "methods toy-jobs --json",
    "all methods": "methods --json",
    "instances": "instances",
    "instances json": "instances --json",
    "schema": "instances --schema",
    "simulate": "simulate toy-three-jobs",
    "bad file": "solve bad.json",
    "an own problem": "solve hand-split --method enumeration --json",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run all commands in one process that has the toy package on its path."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("toy")
    stated = json.loads(
        (toy_install.PACKAGE / "toy_jobs/data/toy-three-jobs.json").read_text(encoding="utf-8")
    )
    stated["jobs"][1]["memory_bytes"] = -4
    files = {"suite": SUITE, "config": CONFIG, "cluster": CLUSTER, "bad": stated}
    for name, document in files.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, toy_install.__file__],
        input=json.dumps([command.split() for command in COMMANDS.values()]),
        env=os.environ | {"PYTHONPATH": toy_install.install(site)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(zip(COMMANDS, json.loads(run.stdout), strict=True)) | {"folder": folder}


def document(done, command, status=0):
    assert done[command][::2] == [status, ""]
    return json.loads(done[command][1])


def test_solve_draws_the_picture_of_the_package(done):
    """The default method, its proof, and a line per device."""
    status, shown, error = done["solve"]
    assert (status, error) == (0, "")
    assert "optimal  5 s   bound 5 s" in shown
    assert "\nquick: resize, detect\nslow: notify\n" in shown
    assert "method branch (exact)" in shown


@pytest.mark.parametrize("command", ["solve json", "warm", "solve generated"])
def test_all_kinds_of_methods_solve_it(done, command):
    """Its own back-end, HiGHS from a warm start, its own algorithm on a generated file."""
    result = document(done, command)
    assert (result["problem"], result["status"]) == ("toy-jobs", "optimal")
    assert result["conflicts"] == []
    assert command == "solve generated" or result["placement"] == {"jobs": ["quick", "quick", "slow"]}


def test_compare_runs_everything_on_it(done):
    """Its function, its algorithm, its back-end, a solver of the package and brute force agree."""
    comparison = document(done, "compare json")
    found = {result["method"]: result["objective"] for result in comparison["results"]}
    assert found == dict.fromkeys(("branch", "first-fit", "enumeration", "highs", "brute-force"), 5.0)
    assert comparison["conflicts"] == []
    assert done["compare"][0] == 0
    assert "toy-three-jobs: best 5 s, best proven bound 5 s" in done["compare"][1]


def test_check_recomputes_its_result(done):
    """From the placement in the file."""
    assert done["check"][0] == 0
    assert "toy-three-jobs: holds, objective 5 s, claimed once\n" in done["check"][1]
    assert document(done, "check json")["verdict"] == "holds"


def test_explain_scales_its_resources(done):
    """Memory of the quick device is what it is short of."""
    explanation = document(done, "explain json")
    titles = {e["resource"]: e for e in explanation["effects"] if e["factor"] is None or e["factor"] > 1}
    assert titles["memory of all devices"]["change"] == pytest.approx(3.5 / 5 - 1)
    assert "memory of quick" in explanation["binding"]
    assert "memory of slow" not in explanation["binding"]
    assert "memory of quick" in done["explain"][1]


def test_generate_and_convert(done):
    """Its families are listed; a problem whose format takes no published model says so in one line."""
    assert done["families"][:2] == [0, "tiny  jobs=4\n"]
    assert done["generate"] == [0, "", ""]
    status, shown, error = done["convert"]
    assert (status, shown, error.count("\n")) == (2, "", 1)
    assert "--problem: expected one of edgeshard-latency, " in error
    assert "found 'toy-jobs'" in error


def test_export_writes_its_model(done):
    """With the names of its model."""
    assert done["mps"][0] == done["lp"][0] == 0
    for kind in ("mps", "lp"):
        assert "assign(2_1)" in (done["folder"] / f"toy.{kind}").read_text(encoding="utf-8")


def test_bench_and_report_show_it(done):
    """Six runs without a conflict, a table and a picture in the page."""
    status, shown, _ = done["bench"]
    assert status == 0
    assert shown.startswith("6 runs in bench: ")
    assert shown.endswith("; 0 conflicts\n")
    assert done["report"][0] == 0
    page = (done["folder"] / "bench" / "report.html").read_text(encoding="utf-8")
    assert "Toy: jobs on devices, for the least time in all" in page
    assert "Best placements" in page
    assert "toy-three-jobs: branch, 5 s" in page


def test_methods_are_listed_with_what_they_guarantee(done):
    """A function proves nothing; a back-end of another package is one of every problem."""
    methods = {row["method"]: row["guarantee"] for row in document(done, "methods json")["toy-jobs"]}
    assert methods["first-fit"] == "heuristic"
    assert methods["branch"] == methods["enumeration"] == "exact"
    assert "toy-jobs" in done["methods"][1]
    everything = document(done, "all methods")
    assert list(everything)[-1] == "toy-jobs"
    assert "enumeration" in {row["method"] for row in everything["dilemma"]}


def test_instances_and_schema_hold_it(done):
    """Its shipped file beside the package's own, its declaration in the JSON Schema."""
    listed = document(done, "instances json")
    assert listed["toy-three-jobs"]["problem"] == "toy-jobs"
    assert "hand-split" in listed
    assert "toy-three-jobs" in done["instances"][1]
    assert "ToyJobsSpec" in document(done, "schema")["$defs"]


def test_what_does_not_apply_is_one_line(done):
    """A pipeline's simulation, a file with a wrong value, and its back-end on a model that is too large."""
    for command, message in (
        ("simulate", "expected an instance of EdgeShard, found toy-jobs"),
        ("bad file", "bad.json: jobs[1].memory_bytes: expected greater than or equal to"),
    ):
        status, shown, error = done[command]
        assert (status, shown, error.count("\n")) == (2, "", 1)
        assert message.replace("greater than or equal to", ">=") in error
    assert document(done, "an own problem")["objective"] == 7.0


class Point:
    """An entry point as `importlib.metadata` finds it."""

    name, value = "mine", "mine:THING"

    def __init__(self, group, thing):
        self.group, self.thing = group, thing

    def load(self):
        """Return what is offered, or fail as a broken package does."""
        if isinstance(self.thing, Exception):
            raise self.thing
        return self.thing


REGISTRIES = {
    "placewise.problems": (problems, "a Problem", PROBLEMS["dilemma"], "the name 'dilemma' is taken"),
    "placewise.formats": (formats, "a Format", FORMATS["dilemma"], "dilemma has a format"),
    "placewise.pictures": (pictures, "a Picture", PICTURES["dilemma"], "dilemma has a picture"),
    "placewise.backends": (backends, "a Backend", BACKENDS["highs"], "the name 'highs' is taken"),
}


@pytest.mark.parametrize("group", REGISTRIES)
def test_what_is_offered_wrongly_is_one_line(group, monkeypatch):
    """A module that cannot be imported, an object of another kind, a name that is taken: each with its entry point."""
    registry, kind, taken, refusal = REGISTRIES[group]
    for thing, message in (
        (ImportError("no module"), "ImportError: no module"),
        (7, f"expected {kind}, found int"),
        (taken, refusal),
    ):
        point = Point(group, thing)
        monkeypatch.setattr(
            plugins, "entry_points", lambda *, group, point=point: [point] * (group == point.group)
        )
        registry.cache_clear()
        try:
            with pytest.raises(PlacewiseError) as caught:
                registry()
        finally:
            registry.cache_clear()
        assert str(caught.value) == f"entry point mine = mine:THING of {group}: {message}"


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_without_a_picture_is_drawn_as_its_file_states_it(problem):
    """Equal entries in a row once, and the devices bare."""
    instance = generate(problem.name, "tiny", seed=1, kind="loose")
    placement = next(problem.placements(instance))
    console = Console(file=io.StringIO(), width=200)
    picture = Picture(problem)
    picture.draw(console, instance, placement)
    for key in problem.to_json(instance, placement):
        assert key in console.file.getvalue()
    assert picture.graph(instance, placement) == ({}, {})
    if problem.name == "edgeshard-latency":
        device, last = instance.cluster.device_names[placement[0]], len(placement) - 1
        shown = Console(file=io.StringIO())
        picture.draw(shown, instance, (placement[0],) * len(placement))
        assert shown.file.getvalue() == f"layers 0-{last}  {device}\n"


def test_without_it_nothing_of_it_is_there():
    """Other packages are there for those who install them."""
    assert "toy-jobs" not in problems()
    assert "toy-three-jobs" not in shipped_instances()
    assert Path(toy_install.PACKAGE, "toy_jobs").is_dir()
