"""No encoding and no closed stream is a traceback, or changes an exit status."""

import io
import json
import os
import subprocess
import sys

import pytest

from placewise.cli import streams
from placewise.cli.main import main
from placewise.instances import read, to_document
from placewise.instances.files import write_text
from placewise.models.errors import PlacewiseError

COMMAND = [sys.executable, "-m", "placewise.cli.main"]
PLAIN = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = {"C": PLAIN, "cp1252": PLAIN | {"PYTHONIOENCODING": "cp1252:strict"}}


@pytest.fixture
def named(tmp_path):
    """Give an instance whose names few encodings have, a suite on it, and a result."""
    document = to_document(read("hand-pipeline"))
    names = {device["name"]: f"端末-é-{n}" for n, device in enumerate(document["cluster"]["devices"])}
    for device in document["cluster"]["devices"]:
        device["name"] = names[device["name"]]
    document["source_device"] = names[document["source_device"]]
    document["name"] = "größe-Ω"
    (tmp_path / "x.json").write_text(json.dumps(document), encoding="utf-8")
    suite = {"format": "placewise-suite/1", "name": "x", "time_limit": 10.0}
    suite["entries"] = [{"group": "größe", "instances": [str(tmp_path / "x.json")], "methods": ["greedy"]}]
    (tmp_path / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    return tmp_path


def commands(folder):
    """Return a command line of each kind, and the exit status that it has anywhere."""
    instance = str(folder / "x.json")
    return [
        (["solve", instance, "--output", str(folder / "result.json")], 0),
        (["check", instance, str(folder / "result.json")], 0),
        (["compare", instance, "--methods", "greedy,thresholds"], 0),
        (["explain", instance], 0),
        (["simulate", instance], 0),
        (["bench", str(folder / "suite.json"), "--output", str(folder / "runs")], 0),
        (["bench", str(folder / "suite.json"), "--list"], 0),
        (["report", str(folder / "runs")], 0),
        (["export", instance, "--to", "lp", "--output", str(folder / "model.lp")], 0),
        (["methods"], 0),
        (["solve", "端末"], 2),
        (["solve", instance, "--method", "端末"], 2),
        (["--größe"], 2),
    ]


#: Runs commands one after the other, and writes down how each ended.
SCRIPT = """
import json, sys, traceback
from placewise.cli.main import main

ended = []
for arguments in json.load(open(sys.argv[1])):
    try:
        ended.append(main(arguments))
    except SystemExit as stop:
        ended.append(stop.code)
    except BaseException:
        ended.append(traceback.format_exc())
json.dump(ended, open(sys.argv[2], "w"))
"""


def run_all(folder, environment=None, closed=""):
    """Run all commands in one process; return what its end was, and theirs."""
    (folder / "commands.json").write_text(
        json.dumps([line for line, _ in commands(folder)]), encoding="utf-8"
    )
    command = [sys.executable, "-c", SCRIPT, str(folder / "commands.json"), str(folder / "ended.json")]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *command],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=240,
        check=False,
        env=os.environ | (environment or {}),
    )
    return done, json.loads((folder / "ended.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_is_a_traceback(encoding, named):
    """Each command on names that it cannot write, with the exit status that it has elsewhere."""
    done, ended = run_all(named, ENCODINGS[encoding])
    assert ended == [status for _, status in commands(named)]
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert "größe-Ω" in (named / "model.lp").read_text(encoding="utf-8")


def test_what_an_encoding_lacks_is_still_told_apart(named, tmp_path):
    """Bars become signs that every encoding has, other characters their numbers: two names stay two."""
    done = subprocess.run(
        [*COMMAND, "solve", str(named / "x.json")],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=True,
    )
    shown = done.stdout.decode("ascii")
    assert "gr\\xf6\\xdfe-\\u03a9" in shown
    assert "########" in shown
    assert "\\u2588" not in shown
    assert "\\u7aef\\u672b-\\xe9-0" in shown
    assert "\\u7aef\\u672b-\\xe9-1" in shown


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_no_closed_stream_is_a_traceback(closed, named):
    """Each command with the exit status that it has elsewhere, and so the interpreter's end."""
    done, ended = run_all(named, closed=closed)
    assert ended == [status for _, status in commands(named)]
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"no such file" not in done.stdout  # what belongs on the standard error stays off the output


def test_a_closed_descriptor_is_no_file_of_ours(named):
    """With the standard error closed, what solvers print there does not end up in the records."""
    arguments = ["bench", str(named / "suite.json"), "--output", str(named / "runs")]
    for method in ("planted:prints", "highs"):
        document = json.loads((named / "suite.json").read_text(encoding="utf-8"))
        document["entries"][0]["methods"] = [method]
        (named / "suite.json").write_text(json.dumps(document), encoding="utf-8")
        folder = named / f"runs-{method.partition(':')[0]}"
        subprocess.run(
            ["sh", "-c", '"$@" >&- 2>&- <&-', "sh", *COMMAND, *arguments[:-1], str(folder)],
            timeout=120,
            check=False,
        )
        lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["method"] for line in lines] == [method]


def test_standard_input_that_is_closed_or_a_text(monkeypatch):
    """Without a file below it, what a caller put there is read; without anything, one line says so."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(to_document(read("hand-split")))))
    assert read("-").name == "hand-split"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(PlacewiseError, match="-: the standard input is closed"):
        read("-")


def test_streams_that_are_no_files_are_left_alone(monkeypatch):
    """What a notebook puts there has no encoding to change."""

    class Sink:
        def write(self, _):
            raise OSError

        def flush(self):
            raise OSError

    monkeypatch.setattr(sys, "stderr", Sink())
    assert main(["solve", "no-such"]) == 2
    streams.note("nobody hears this")


def test_an_interrupted_write_leaves_nothing_beside_the_file(tmp_path, monkeypatch):
    """Ctrl-C between a temporary file and its renaming: the old file, alone."""
    target = tmp_path / "x"
    target.write_text("old", encoding="utf-8")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert target.read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("command", [["solve", "hand-split"], ["methods"]], ids=lambda command: command[0])
def test_a_reader_that_leaves_changes_nothing(command, tmp_path):
    """The status is the command's own, and files are written."""
    target = tmp_path / "result.json"
    line = [sys.executable, "-m", "placewise", *command]
    line += ["--output", str(target)] if command[0] == "solve" else []
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert command[0] != "solve" or json.loads(target.read_text(encoding="utf-8"))["status"] == "optimal"
