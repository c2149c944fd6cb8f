"""The file of records: torn lines cost their run and nothing else, the newest record counts, and each says whose it is."""

import csv
import json
import subprocess
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from placewise.benchmarks.harness import provenance
from placewise.benchmarks.harness.record_file import REJECTED, RecordFile
from placewise.benchmarks.harness.records import FILE, read_records, record_in
from placewise.benchmarks.harness.runner import in_threads, run_suite, write_conflicts
from placewise.benchmarks.harness.suites import SuiteSpec
from placewise.benchmarks.report import tables
from placewise.benchmarks.report.page import write_report
from placewise.cli.main import main
from placewise.solvers.evidence.result import Conflict

SUITE = {
    "format": "placewise-suite/1",
    "name": "records",
    "time_limit": 10.0,
    "threads": 1,
    "entries": [
        {"group": "hand", "instances": ["hand-stay-home"], "methods": ["greedy"], "seeds": [1, 2, 3, 4]}
    ],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run four runs once; their lines."""
    folder = tmp_path_factory.mktemp("finished")
    run_suite(SuiteSpec.model_validate(SUITE), folder, in_threads(2))
    return (folder / FILE).read_bytes().splitlines()


@pytest.fixture
def folder(finished, tmp_path):
    """Give a folder with these lines, and its suite."""
    (tmp_path / "suite.json").write_text(json.dumps(SUITE), encoding="utf-8")
    (tmp_path / "runs").mkdir()
    put(tmp_path / "runs", *finished)
    return tmp_path / "runs"


def put(folder, *lines, end=b"\n"):
    (folder / FILE).write_bytes(b"\n".join(lines) + end)


def keys(lines):
    return {json.loads(line)["key"] for line in lines}


def changed(line, **new):
    return json.dumps(json.loads(line) | new).encode()


def bad_lines(good):
    return {
        "torn": good[: len(good) // 2],
        "empty": b"",
        "blank": b"  \t",
        "zeros": b"\0" * 300,
        "two in one": good[:100] + good,
        "not utf-8": b"\xff\xfe" + good,
        "another document": b'{"key": "x"}',
        "a list": b"[1, 2]",
        "a number": b"7",
        "deep": b"[" * 100_000 + b"]" * 100_000,
        "no number": changed(good, objective=float("nan")),
        "a text for a number": changed(good, objective="7"),
        "an endless number": good.replace(b'"relative_gap": null', b'"relative_gap": 1' + b"0" * 400),
        "unknown status": changed(good, status="great"),
        "no seconds": changed(good, seconds=None),
        "negative time": changed(good, wall_seconds=-1.0),
        "half a character": changed(good, instance="\ud800"),
        "no trace": changed(good, trace=[[1]]),
    }


@pytest.mark.parametrize("kind", bad_lines(b'{"relative_gap": null}'))
def test_a_bad_line_in_the_middle_costs_its_run_only(kind, finished, folder, capsys):
    """It is said, kept aside, and its run repeated; the other lines are as they were."""
    bad = bad_lines(finished[1])[kind]
    put(folder, finished[0], bad, finished[2], finished[3])
    assert main(["report", str(folder)]) == 0
    assert f"{folder / FILE}: line 2: expected a record; left out\n" == capsys.readouterr().err
    command = ["bench", str(folder.parent / "suite.json"), "--output", str(folder)]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{folder / FILE}: line 2: expected a record; kept aside in {REJECTED}" in said
    lines = (folder / FILE).read_bytes().splitlines()
    assert lines[:3] == [finished[0], finished[2], finished[3]]
    assert keys(lines[3:]) == keys([finished[1]])
    assert (folder / REJECTED).read_bytes() == bad + b"\n"
    assert main(command) == 0
    assert capsys.readouterr().err == ""
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_many_bad_lines_are_one_line(finished, folder, capsys):
    """With the numbers of the first ones."""
    put(folder, *[b"x"] * 12, *finished)
    assert len(read_records(folder)) == 4
    assert main(["bench", str(folder.parent / "suite.json"), "--output", str(folder)]) == 0
    said = capsys.readouterr().err
    assert "12 lines (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...)" in said
    assert said.count("\n") == 1


def test_a_whole_line_without_its_end_is_kept(finished, folder):
    """An editor took the last line feed: the run is done; half a line is dropped."""
    put(folder, *finished, end=b"")
    assert len(read_records(folder)) == 4
    with RecordFile(folder) as file:
        assert len(file.records) == 4
    assert (folder / FILE).read_bytes() == b"\n".join(finished) + b"\n"
    put(folder, *finished[:3], finished[3][:50], end=b"")
    with RecordFile(folder) as file:
        assert len(file.records) == 3
    assert (folder / FILE).read_bytes() == b"\n".join(finished[:3]) + b"\n"


def test_the_newest_record_of_a_run_counts(finished, folder):
    """Where a run stands twice, for readers and for the next run."""
    put(folder, changed(finished[0], objective=99.0), *finished[1:], finished[0])
    assert [record.objective for record in read_records(folder)] == [13.0] * 4
    put(folder, *finished, changed(finished[0], transient=True))
    assert [record.transient for record in read_records(folder)] == [True, False, False, False]
    with RecordFile(folder) as file:
        assert sum(record.failed for record in file.records.values()) == 1


def test_a_lost_retry_takes_no_placement_away(finished, folder):
    """A run that was ended with a placement, and then without: the placement stays, as does the mark."""
    known = changed(finished[0], transient=True)
    put(folder, known, *finished[1:])
    with RecordFile(folder) as file:
        file.append(json.loads(changed(known, status="error", objective=None, placement=None)), again=True)
        file.append(json.loads(changed(finished[1], objective=99.0)))
    assert [record.objective for record in read_records(folder)] == [13.0] * 4


def test_a_conflict_without_its_instance_is_shown_all_the_same(finished, tmp_path):
    """The file is gone: both results and the reason are there."""
    document = json.loads(finished[0])
    document["run"]["instance"] = str(tmp_path / "gone.json")
    document["conflicts"] = [Conflict("bound-crossed", ("greedy",), "7 > 6").to_json()]
    write_conflicts([record_in(json.dumps(document).encode())], tmp_path / "conflicts")
    place = tmp_path / "conflicts" / "1-bound-crossed"
    assert "gone.json: no such file" in (place / "reproduce.txt").read_text(encoding="utf-8")
    assert (place / "result-greedy.json").exists()


# Where a record comes from.


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *identity, "-C", folder, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """Give a function that makes a repository of a project with a module in it, and returns module and commit."""

    def make(name, project):
        folder = tmp_path / name
        module = folder / "benchmarks" / "harness" / "provenance.py"
        module.parent.mkdir(parents=True)
        module.touch()
        if project is not None:
            (folder / "pyproject.toml").write_text(project, encoding="utf-8")
        (folder / ".gitignore").write_text(".venv\n", encoding="utf-8")
        git(folder.parent, "init", "-q", str(folder))
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "x")
        return module, git(folder, "rev-parse", "HEAD")

    return make


def test_a_record_names_the_commit_of_placewise(checkout, monkeypatch, tmp_path):
    """Of its own checkout, wherever one is and whatever the environment says about git."""
    module, commit = checkout("own", '[project]\nname = "placewise"\n')
    other, _ = checkout("other", '[project]\nname = "other"\n')
    monkeypatch.chdir(other.parent)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert provenance.checkout_commit(module) == commit


@pytest.mark.parametrize(
    "project", ['[project]\nname = "other"\n', None, "no = toml = at all", "[project]\n"]
)
def test_a_record_names_no_commit_of_another_project(checkout, project):
    """Placewise copied into its repository, or installed in an environment inside it."""
    module, _ = checkout("other", project)
    assert provenance.checkout_commit(module) is None
    installed = module.parents[2] / ".venv" / "placewise.py"
    installed.parent.mkdir()
    installed.touch()
    assert provenance.checkout_commit(installed) is None


def test_an_environment_inside_the_own_checkout_is_not_the_checkout(checkout):
    """Git does not track it: what is installed there may be of any age."""
    module, _ = checkout("own", '[project]\nname = "placewise"\n')
    installed = module.parents[2] / ".venv" / "placewise" / "benchmarks" / "harness" / "provenance.py"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert provenance.checkout_commit(installed) is None


def test_an_installed_package_names_what_its_installer_wrote(tmp_path):
    """The commit that a package was built from, if it is this package, and if it was built from one."""
    metadata = tmp_path / "placewise-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: placewise\nVersion: 1\n", encoding="utf-8")
    file = tmp_path / "placewise" / "benchmarks" / "harness" / "provenance.py"
    found = PathDistribution(metadata)
    assert provenance.installed_commit(file, found) is None
    stated = {"url": "https://example.org", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    (metadata / "direct_url.json").write_text(json.dumps(stated), encoding="utf-8")
    assert provenance.installed_commit(file, found) == "abc"
    assert provenance.installed_commit(tmp_path / "elsewhere.py", found) is None
    (metadata / "direct_url.json").write_text("[]", encoding="utf-8")
    assert provenance.installed_commit(file, found) is None


def test_a_record_states_version_and_commit(finished):
    """Of this checkout, if it is one."""
    machine = json.loads(finished[0])["machine"]
    assert machine["version"]
    here = Path(provenance.__file__).resolve()
    if provenance.checkout_commit(here) is not None:
        assert machine["commit"] == git(here.parent, "rev-parse", "HEAD")


# Tables for spreadsheets.


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+A1", "'+A1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("-1.5", "-1.5"),
        ("+2", "+2"),
        ("-1e-05", "-1e-05"),
        ("-", "'-"),
        ("a=1", "a=1"),
        ("", ""),
        (-1.5, -1.5),
        (None, None),
    ],
)
def test_cells_that_a_spreadsheet_would_run(value, shown):
    """An apostrophe goes before them; plain numbers and other texts are as they are."""
    assert tables.harmless(value) == shown


def test_the_exported_table_runs_nothing(finished, folder):
    """Names and messages that a suite can hold, in the file; columns of numbers stay numbers; Parquet has the texts."""
    import pyarrow.parquet as pq

    evil = ['=HYPERLINK("x")', "+1+1", "-1+1|cmd", "@x"]
    put(
        folder,
        *[
            changed(line, instance=name, message=f"{name}\ud800")
            for line, name in zip(finished, evil, strict=True)
        ],
    )
    write_report(folder)
    with (folder / "records.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["instance"] for row in rows] == [f"'{name}" for name in evil]
    assert [row["message"] for row in rows] == [f"'{name}\\ud800" for name in evil]
    assert {float(row["objective"]) for row in rows} == {13.0}
    assert pq.read_table(folder / "records.parquet")["instance"].to_pylist() == evil
