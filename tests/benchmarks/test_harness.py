"""Suites, records and reports: nothing is lost, nothing is done twice, contradictions are shown with what proves them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from placewise.benchmarks.harness.on_dask import on_dask
from placewise.benchmarks.harness.records import FILE, read_records
from placewise.benchmarks.harness.runner import all_conflicts, in_threads, run_suite, write_conflicts
from placewise.benchmarks.harness.suites import SuiteSpec, expand, read_suite, shipped_suites
from placewise.benchmarks.report import tables
from placewise.benchmarks.report.html import latex
from placewise.benchmarks.report.page import write_report
from placewise.benchmarks.report.statistics import LEVEL, critical_difference, ranking
from placewise.cli.main import main
from placewise.instances import read
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.result import Status

SUITE = {
    "format": "placewise-suite/1",
    "name": "test",
    "time_limit": 20.0,
    "threads": 1,
    "entries": [
        {
            "group": "hand",
            "instances": ["hand-stay-home", "hand-tie"],
            "methods": ["brute-force", "labels", "greedy", "planted:raises"],
        },
        {"group": "hand", "instances": ["hand-stay-home"], "methods": ["planted:good"]},
        {
            "group": "generated",
            "instances": [
                {"problem": "dilemma", "family": "tiny", "seeds": [1, 2], "options": {"kind": "loose"}}
            ],
            "methods": ["brute-force", "greedy-bits"],
        },
    ],
}
FIXED = ("key", "instance_sha256", "instance", "method", "status", "objective", "dual_bound", "placement")


def facts(folder):
    """Return what does not depend on the clock, by run."""
    records = read_records(folder)
    return {record.key: [record.document.get(name) for name in FIXED] for record in records}


def lines(folder):
    return (folder / FILE).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the suite to its end."""
    folder = tmp_path_factory.mktemp("finished")
    run_suite(SuiteSpec.model_validate(SUITE), folder, in_threads(2))
    return folder


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    """Copy the finished run and write its report, once."""
    folder = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(finished, folder)
    write_report(folder)
    return folder


@pytest.fixture
def suite_file(tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(SUITE), encoding="utf-8")
    return path


def environment(**more):
    here = str(Path(__file__).parents[1])
    return (
        os.environ
        | {"PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}
        | more
    )


@pytest.fixture(autouse=True)
def planted_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


def test_every_run_leaves_one_record(finished):
    """Also a method that crashes: its status says so, with what it said."""
    runs = expand(SuiteSpec.model_validate(SUITE))
    assert {run.key for run in runs} == set(facts(finished))
    assert len(lines(finished)) == len(runs) == 13
    raised = [r for r in read_records(finished) if r.method == "planted:raises"]
    assert {r.status for r in raised} == {Status.ERROR}
    assert all("planted" in r.document["message"] for r in raised)
    assert all(r.wall_s >= r.seconds for r in read_records(finished) if r.status is not None)


def test_killed_and_resumed(finished, suite_file, tmp_path):
    """SIGKILL in the middle and half a line at the end: resumed, the records are those of an undisturbed run."""
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "placewise.cli.main", "bench", str(suite_file), "--output", str(folder)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((folder / FILE).exists() and len(lines(folder)) >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = lines(folder)
    assert 3 <= len(before) < 13
    with (folder / FILE).open("a", encoding="utf-8") as stream:
        stream.write('{"key": "half a li')
    again = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    assert "13 runs" in again.stdout
    assert lines(folder)[: len(before)] == before
    assert len(lines(folder)) == 13
    assert facts(folder) == facts(finished)


def test_a_cluster_gives_the_same_records(finished, tmp_path, monkeypatch):
    """Two Dask workers, one of which is killed in the middle: every run once, as on one machine."""
    monkeypatch.setenv("PLANTED_MARKER", str(tmp_path / "marker"))
    suite = json.loads(json.dumps(SUITE))
    suite["entries"].append(
        {"group": "hand", "instances": ["hand-stay-home"], "methods": ["planted:kills_caller_once"]}
    )
    folder = tmp_path / "cluster"
    run_suite(SuiteSpec.model_validate(suite), folder, on_dask("local:2"))
    assert (tmp_path / "marker").exists()
    assert len(lines(folder)) == 14
    found = facts(folder)
    survivor = next(key for key, fact in found.items() if fact[3] == "planted:kills_caller_once")
    assert found.pop(survivor)[4] == "feasible"
    assert found == facts(finished)


def test_one_folder_one_run(finished, suite_file, tmp_path, capsys):
    """A second process is refused, as is another suite, and neither writes anything."""
    import fcntl

    before = lines(finished)
    with (finished / FILE).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert main(["bench", str(suite_file), "--output", str(finished)]) == 2
    assert "another run writes to it" in capsys.readouterr().err
    assert main(["bench", "smoke", "--output", str(finished)]) == 2
    assert "holds another suite" in capsys.readouterr().err
    assert lines(finished) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": []}, "entries"),
        ({"unknown": 1}, "unknown"),
        ({"time_limit": -1.0}, "time_limit"),
        ({"entries": [SUITE["entries"][0] | {"methods": ["no-such"]}]}, "unknown method 'no-such'"),
        ({"entries": [SUITE["entries"][0] | {"instances": ["no-such"]}]}, "no shipped instance"),
    ],
)
def test_bad_suites_fail_in_one_line(change, message, tmp_path, capsys):
    """Before anything is run, naming the place."""
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(SUITE | change), encoding="utf-8")
    assert main(["bench", str(path), "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / FILE).exists() or not lines(tmp_path / "out")


def test_shipped_suites_are_whole():
    """Every run names an instance and a method that there are; the ones the command line promises are there."""
    assert set(shipped_suites()) == {"smoke", "papers", "scaling", "solvers"}
    for name in ("smoke", "solvers"):
        runs = expand(read_suite(name))
        assert len({run.key for run in runs}) == len(runs) > 20


def test_other_methods_for_a_suite(suite_file, tmp_path, capsys):
    """Where the problem has them; a name that no problem has is said."""
    command = ["bench", str(suite_file), "--list", "--methods"]
    assert main([*command, "greedy-bits,planted:good"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("planted:good") == 4
    assert listed.count("greedy-bits") == 2
    assert main([*command, "greedy-bits"]) == 0
    assert "hand-tie" not in capsys.readouterr().out
    assert main([*command, "no-such"]) == 2
    assert "no problem of the suite has one of no-such" in capsys.readouterr().err


def lie(folder):
    """Give one record a bound above what another method found."""
    documents = [json.loads(line) for line in lines(folder)]
    liar = next(d for d in documents if d["method"] == "labels" and d["instance"] == "hand-tie")
    liar["dual_bound"] = liar["objective"] = 2 * liar["objective"]
    (folder / FILE).write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")


def test_conflicts_come_with_a_reproduction(finished, tmp_path):
    """Instance, both results, the model as MPS, and the command; the report shows them first."""
    folder = tmp_path / "lied"
    shutil.copytree(finished, folder)
    lie(folder)
    records = read_records(folder)
    conflicts = all_conflicts(records)
    assert {conflict.kind for _, conflict in conflicts} == {"optima-disagree"}
    write_conflicts(records, folder / "conflicts")
    place = folder / "conflicts" / "1-optima-disagree"
    assert read(place / "instance.json").name == "hand-tie"
    assert (place / "model-flow.mps").read_text(encoding="utf-8").startswith("*")
    assert json.loads((place / "result-labels.json").read_text(encoding="utf-8"))["method"] == "labels"
    assert "placewise compare instance.json --methods labels," in (place / "reproduce.txt").read_text()
    assert main(["report", str(folder)]) == 1
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.index("cannot be true together") < html.index("<h2>edgeshard-latency</h2>")


def test_numbers_of_the_report(finished):
    """Gaps, proofs and profiles, against the records."""
    rows = tables.rows_of(read_records(finished))
    for row in rows:
        if row.record.method == "brute-force":
            assert row.gap == 0.0
            assert row.proven
    steps = tables.profile([row for row in rows if row.record.problem == "edgeshard-latency"])
    assert set(steps) == {"brute-force", "labels"}
    assert all(points[-1][1] == 1.0 and points[0][0] >= 1.0 for points in steps.values())
    assert min(points[0][0] for points in steps.values()) == 1.0
    assert tables.shifted_geometric_mean([3.0, 0.0]) == pytest.approx(1.0)


def test_tables_for_other_tools(reported):
    """CSV and Parquet have a line per run."""
    import csv

    import pyarrow.parquet as pq

    with (reported / "records.csv").open(encoding="utf-8", newline="") as stream:
        read_back = list(csv.DictReader(stream))
    assert len(read_back) == pq.read_table(reported / "records.parquet").num_rows == 13
    assert {line["status"] for line in read_back} >= {"optimal", "feasible", "error"}


def test_the_report_says_what_stands_behind_a_proof(tmp_path):
    """A certificate where the suite asks for them and one can be made, a second method, or the claim alone."""
    entries = [
        {"group": "g", "instances": ["hand-tie"], "methods": ["brute-force", "labels", "greedy"]},
        {"group": "g", "instances": ["hand-split"], "methods": ["brute-force"]},
        {"group": "g", "instances": ["hand-graph"], "methods": ["brute-force"]},
    ]
    found = {}
    for certify in (False, True):
        suite = SuiteSpec.model_validate(SUITE | {"entries": entries, "certify": certify})
        run_suite(suite, tmp_path / str(certify), in_threads(1))
        rows = tables.rows_of(read_records(tmp_path / str(certify)))
        for row in rows:
            found[certify, row.record.instance, row.record.method] = row.proof
        line = next(line for line in tables.table(rows) if line["instance"] == "hand-split")
        assert line["proof"] == ("certified" if certify else "claimed once")
    assert found[False, "hand-tie", "greedy"] is None
    assert found[False, "hand-tie", "labels"] == found[False, "hand-tie", "brute-force"] == "claimed twice"
    assert found[True, "hand-tie", "labels"] == "certified"
    assert found[True, "hand-graph", "brute-force"] == "certified"
    assert (
        len(
            {
                run.key
                for certify in (False, True)
                for run in expand(suite.model_copy(update={"certify": certify}))
            }
        )
        == 10
    )


def rows_with(values):
    """Return rows of runs: by method a gap per instance, None where it was not run; all proven in 1 s."""
    rows = []
    for method, gaps in values.items():
        for number, gap in enumerate(gaps):
            if gap is not None:
                record = SimpleNamespace(
                    method=method, instance_sha256=str(number), seconds=1.0, status=Status.OPTIMAL,
                    objective=1.0 + gap, problem="p", group="g",
                )  # fmt: skip
                rows.append(tables.Row(record, 1.0, 1.0))
    return rows


def test_methods_are_compared_on_what_they_share():
    """An instance that one method was not run on counts for none, in means as in profiles."""
    rows = rows_with({"good": [0.0, 0.0, 9.0], "bad": [0.5, 0.7, None]})
    found = {line.method: line for line in tables.summaries(rows)}
    assert (found["good"].runs, found["bad"].runs) == (3, 2)
    assert (found["good"].worst_gap, found["bad"].worst_gap) == (0.0, pytest.approx(0.7))
    assert {method: points[-1][1] for method, points in tables.profile(rows).items()} == {"good": 1, "bad": 1}
    apart = rows_with({"one": [0.1, None], "other": [None, 0.2]})
    assert tables.shared(apart) == []
    assert {line.mean_s for line in tables.summaries(apart)} == {None}


def test_differences_beyond_chance_are_told():
    """Ten instances, one method always first: Friedman and Nemenyi see it; noise they do not."""
    draw = np.random.default_rng(1)
    clear = rows_with(
        {"a": [0.0] * 10, "b": [0.1 + x / 9 for x in range(10)], "c": [2.0 + x for x in range(10)]}
    )
    found = ranking(clear, "gap")
    assert found.p_value < LEVEL
    assert list(found.ranks.items()) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    pairs = found.pairs()
    assert pairs.loc["a", "c"] < LEVEL < pairs.loc["a", "b"]
    assert critical_difference(found) is not None
    noise = ranking(rows_with({name: list(draw.random(10)) for name in "abc"}), "gap")
    assert noise.p_value > LEVEL
    assert ranking(rows_with({name: [0.1] * 10 for name in "abc"}), "gap") is None
    assert ranking(rows_with({name: [0.1, 0.2] for name in "abc"}), "gap") is None


def test_latex_tables_are_text(reported):
    """With every name as it is, whatever LaTeX would take it for."""
    written = (reported / "summary.tex").read_text(encoding="utf-8")
    assert written.count(r"\begin{tabular}") == written.count(r"\bottomrule") > 1
    assert latex("50 % of a_b\\c^2") == r"50 \% of a\_b\textbackslash{}c\textasciicircum{}2"
    assert latex(None) == "-"


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = """<script type="module">addEventListener("load", () => {
  const pictures = [...document.querySelectorAll("figure svg")];
  const broken = pictures.filter(svg => svg.getBoundingClientRect().width < 50 || !svg.querySelector("path")).length;
  const tip = document.getElementById("tip");
  const point = (svg, target, x, y) => {
    target.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
    return tip.hidden ? "" : tip.innerText.replaceAll("\\n", " ");
  };
  const middle = (element) => { const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
  const line = pictures.find(svg => svg.querySelector("[data-series]"));
  const read = point(line, line, ...middle(line));
  const marker = document.querySelector("[data-points] use");
  const named = point(marker.closest("svg"), marker, ...middle(marker));
  const part = document.querySelector("[data-hint]");
  const told = point(part.closest("svg"), part.querySelector("*"), ...middle(part));
  const button = line.closest("figure").querySelector(".legend button");
  button.click();
  const left = point(line, line, ...middle(line));
  document.title = JSON.stringify({ pictures: pictures.length, broken, read, named, told, left, button: button.innerText,
    tables: document.querySelectorAll("table").length, images: document.images.length });
})</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_in_a_browser(reported, tmp_path):
    """Everything is inside the page, nothing is fetched; pictures answer a pointer, and the legend hides a series."""
    html = (reported / "report.html").read_text(encoding="utf-8")
    assert "http://" not in html
    assert "https://" not in html
    probe = tmp_path / "probe.html"
    probe.write_text(html.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
    shown = subprocess.run(
        [*command, probe.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    title = shown.stdout.partition("<title>")[2].partition("</title>")[0]
    seen = json.loads(unescape(title))
    assert (seen["broken"], seen["images"]) == (0, 0)
    assert seen["pictures"] >= 6
    assert seen["tables"] >= 4
    assert seen["button"] in seen["read"]
    assert seen["button"] not in seen["left"]
    assert re.search(r"hand-[a-z-]+, .*: [0-9.e-]+ %", seen["named"])
    assert ": " in seen["told"]


def test_names_are_data(finished, tmp_path):
    """Markup in a name is shown, not run."""
    folder = tmp_path / "marked"
    shutil.copytree(finished, folder)
    documents = [json.loads(line) for line in lines(folder)]
    for document in documents:
        document["instance"] = "<script>alert(1)</script>"
        document["message"] = '"><img src=x onerror=alert(2)>'
    (folder / FILE).write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")
    html = write_report(folder)[0].read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html


def test_a_folder_without_records_is_said(tmp_path):
    """Not a traceback."""
    with pytest.raises(PlacewiseError, match="expected the folder of a bench run"):
        write_report(tmp_path)
