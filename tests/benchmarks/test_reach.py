"""How far methods come: a ladder ends where the limit ends it, and what is done is not done twice."""

import xml.etree.ElementTree as ET

import pytest

from placewise.benchmarks import reach
from placewise.benchmarks.harness import suites
from placewise.benchmarks.harness.record_file import RecordFile
from placewise.instances.generation import generate
from placewise.models.registry import PROBLEMS

HARD = reach.Ladder(
    "edgeshard-latency",
    "tight",
    "layers",
    {4: {"layers": 4}, 6: {"layers": 6}, 8: {"layers": 8}},
    {"devices": 4},
)


@pytest.fixture
def methods(monkeypatch):
    """Run the default method, and one that proves nothing."""
    monkeypatch.setattr(reach, "METHODS", {reach.OURS: "", "greedy": "greedy"})


def test_every_problem_has_its_ladders():
    """Two sizes each, and every rung's instance is one."""
    assert {ladder.problem for ladder in reach.LADDERS} == set(PROBLEMS)
    for problem in PROBLEMS:
        assert len({ladder.axis for ladder in reach.LADDERS if ladder.problem == problem}) == 2
    for ladder in reach.LADDERS:
        assert list(ladder.rungs) == sorted(ladder.rungs)
        smallest = ladder.source(min(ladder.rungs), seed=1)
        made = generate(ladder.problem, ladder.family, seed=1, **smallest["options"])
        assert suites.load_instance(smallest) == made


@pytest.mark.usefixtures("methods")
def test_a_method_without_a_proof_climbs_no_further(tmp_path, monkeypatch):
    """It has one run; the other one has all; a second climb repeats nothing and says the same."""
    limits = {"time_limit": 20.0, "threads": 1, "seed": 1}
    with RecordFile(tmp_path) as file:
        series = reach.climb(file, HARD, **limits)
    assert list(series["greedy"]) == [4]
    assert list(series[reach.OURS]) == [4, 6, 8]
    assert all(map(reach.proves, series[reach.OURS].values()))
    monkeypatch.setattr(reach, "perform_run", None)
    with RecordFile(tmp_path) as file:
        assert reach.climb(file, HARD, **limits) == series
    last = series[reach.OURS][8]
    lines = reach.table([(HARD, series)])
    assert lines[0] == "| problem | grows | placewise | greedy |"
    assert lines[2] == f"| `edgeshard-latency` | layers (devices 4) | ≥ 8 ({last.seconds:.2g} s) | none |"
    reach.save(reach.picture([(HARD, series)], 20.0), str(tmp_path / "reach.svg"))
    drawn = "".join(ET.parse(tmp_path / "reach.svg").getroot().itertext())
    assert "edgeshard-latency: layers" in drawn
    assert "greedy" in drawn


def test_the_ratio_is_that_of_one_rung(tmp_path, monkeypatch):
    """Seconds over ours where both proved the same instance."""
    monkeypatch.setattr(reach, "METHODS", {reach.OURS: "", "HiGHS": "highs"})
    short = reach.Ladder("edgeshard-latency", "tight", "layers", {4: {"layers": 4}}, {"devices": 3})
    with RecordFile(tmp_path) as file:
        series = reach.climb(file, short, time_limit=20.0, threads=1, seed=1)
    ours, highs = series[reach.OURS][4], series["HiGHS"][4]
    assert reach.cell(short, series, "HiGHS") == (
        f"≥ 4 ({highs.seconds:.2g} s, {highs.seconds / max(ours.seconds, 1e-3):.2g} x)"
    )


@pytest.mark.parametrize(
    "arguments", [["--problems", "dilema"], ["--time-limit", "0"], ["--picture", "x.gif"]]
)
def test_bad_options_are_one_line(arguments, tmp_path, monkeypatch, capsys):
    """Before any run."""
    monkeypatch.setattr("sys.argv", ["reach", "--output", str(tmp_path / "no"), *arguments])
    assert reach.main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "no").exists()
