"""The command line as a user meets it: exit statuses, one line for mistakes, documents for programs."""

import io
import json
import subprocess
import sys

import pytest

from placewise.cli.main import main
from placewise.instances import read, to_document


def run(capsys, *arguments):
    """Return exit status, standard output and standard error of a command."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_solve_shows_the_placement(capsys):
    """Verdict, chain and terms."""
    status, out, err = run(capsys, "solve", "hand-split")
    assert (status, err) == (0, "")
    assert "optimal" in out
    assert "layer 0: embedding" in out
    assert "layers 1-3: decoder-0 + decoder-1 + decoder-2" in out
    assert "compute 4 s, communication 2 s, return 1 s" in out


def test_solve_says_where_it_stopped_and_who_found_the_placement(capsys):
    """A limit, and an incumbent that is not the method's own; nothing of that where the method finished with its own."""
    short = ("--method", "highs", "--time-limit", "0.001")
    status, out, _ = run(capsys, "solve", "llama2-7b-testbed", *short)
    assert status == 0
    assert "stopped at: time limit; incumbent by greedy" in out
    _, out, _ = run(capsys, "compare", "llama2-7b-testbed", "--methods", "highs", "--time-limit", "0.001")
    assert "stopped at: time limit; incumbent by greedy" in out
    _, out, _ = run(capsys, "solve", "hand-split", "--method", "brute-force")
    assert "stopped" not in out


def test_solve_gives_a_document(capsys, tmp_path):
    """On standard output and in a file, which `check` accepts."""
    file = tmp_path / "result.json"
    status, out, _ = run(capsys, "solve", "hand-split", "--json", "--output", file, "--method", "highs")
    document = json.loads(out)
    assert status == 0
    assert document == json.loads(file.read_text(encoding="utf-8"))
    assert document["format"] == "placewise-result/1"
    assert document["placement"] == {"layers": ["a", "b", "b", "b"]}
    assert (document["status"], document["objective"], document["unit"]) == ("optimal", 7.0, "s")
    assert document["relative_gap"] == 0.0
    assert {"python", "placewise", "highspy"} <= set(document["versions"])
    status, out, _ = run(capsys, "check", "hand-split", file)
    assert (status, "holds" in out) == (0, True)


def test_check_finds_what_is_wrong(capsys, tmp_path):
    """A wrong claim, a broken constraint and a bound above the placement fail."""
    file = tmp_path / "result.json"
    run(capsys, "solve", "hand-split", "--output", file)
    honest = json.loads(file.read_text(encoding="utf-8"))
    for change, text in [
        ({"objective": 6.0}, "the file claims 6.0, the placement costs 7.0"),
        ({"dual_bound": 8.0}, "nothing is below 8.0"),
        ({"placement": {"layers": ["a", "a", "b", "b"]}}, "a needs 2 bytes and has 1"),
    ]:
        file.write_text(json.dumps(honest | change), encoding="utf-8")
        status, out, _ = run(capsys, "check", "hand-split", file)
        assert status == 1
        assert text in out
        status, out, _ = run(capsys, "check", "hand-split", file, "--json")
        assert status == 1
        assert json.loads(out)["faults"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["solve", "absent.json"], "absent.json: no such file"),
        (["solve", "hand-split", "--method", "simplex"], "unknown method 'simplex'"),
        (["solve", "hand-split", "--time-limit", "0"], "time limit: expected seconds > 0"),
        (["solve", "hand-split", "--gap", "2"], "relative gap: expected"),
        (
            ["solve", "hand-split", "--log", "absent/x.log"],
            "--log absent/x.log: expected a file in an existing folder",
        ),
        (["solve", "hand-split", "--output", "absent/x.json"], "absent/x.json: cannot write"),
        (["solve", "hand-revisit", "--method", "run-length"], "layer 2 differs from 1"),
        (["compare", "hand-split", "--methods", "highs,simplex"], "unknown method 'simplex'"),
        (["check", "hand-split", "absent.json"], "absent.json: no such file"),
        (["methods", "knapsack"], "unknown problem 'knapsack'"),
        (["generate", "edgeshard-latency", "testbed", "devices"], "expected KEY=VALUE"),
        (
            ["export", "hand-split", "--to", "lp", "--formulation", "x", "--output", "y"],
            "expected one of flow, textbook",
        ),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, line):
    """Exit status 2, nothing on standard output, no traceback."""
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["solve"], ["solve", "hand-split", "--threads", "many"]]
)
def test_bad_usage(capsys, arguments):
    """Argparse's message, exit status 2."""
    assert run(capsys, *arguments)[0] == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hand-infeasible-by-a-byte", "the layers need 6 bytes in all and the devices have 5"),
        ("hand-unreachable", "no path from the source a to b"),
    ],
)
def test_infeasible_is_three_with_the_reason(capsys, name, reason):
    """Proven, and why where it is simple."""
    status, out, _ = run(capsys, "solve", name)
    assert status == 3
    assert reason in out


def test_other_simple_reasons(capsys, tmp_path):
    """A first layer that the source cannot hold, and a layer that fits nowhere."""
    for layer, reason in [(0, "must stay on the source a"), (2, "fits on no device")]:
        document = to_document(read("hand-split"))
        document["model"]["layers"][layer]["memory_bytes"] = 9
        file = tmp_path / "x.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        status, out, _ = run(capsys, "solve", file)
        assert status == 3
        assert reason in out


def test_a_limit_without_a_solution_is_four(capsys):
    """A heuristic that finds nothing."""
    status, out, _ = run(capsys, "solve", "algorithm-1-misses", "--method", "algorithm-1")
    assert status == 4
    assert "no-solution" in out


def test_compare(capsys):
    """All methods in one table and one document; what is skipped is said."""
    status, out, _ = run(capsys, "compare", "hand-split", "--json")
    report = json.loads(out)
    assert status == 0
    assert report["best_objective"] == report["best_dual_bound"] == 7.0
    assert report["conflicts"] == []
    found = {result["method"]: result for result in report["results"]}
    assert {"run-length", "labels", "brute-force", "algorithm-1", "highs", "cbc", "scip", "cp-sat"} <= set(
        found
    )
    assert found["edge-solo"]["status"] == "no-solution"
    assert found["highs"]["gap_to_best_bound"] == 0.0
    status, out, _ = run(capsys, "compare", "hand-split", "hand-tie", "--methods", "highs,greedy")
    assert status == 0
    assert "hand-tie: best 3 s" in out


def test_a_conflict_is_one(capsys):
    """A user's method that overloads a device fails the comparison."""
    status, out, _ = run(capsys, "compare", "hand-split", "--methods", "highs,planted:good")
    assert status == 1
    assert "infeasible-solution" in out


def test_lists(capsys):
    """Methods with their guarantees, instances with their descriptions, families with their options."""
    status, out, _ = run(capsys, "methods", "edgeshard-latency")
    assert status == 0
    assert "algorithm-1" in out
    status, out, _ = run(capsys, "instances", "--json")
    assert "llama2-70b-testbed" in json.loads(out)
    status, out, _ = run(capsys, "instances", "--schema")
    assert json.loads(out)["$schema"]
    status, out, _ = run(capsys, "generate", "edgeshard-latency")
    assert "testbed  model=llama2-7b cloud_mbps=1.0 devices=15" in out


def test_generated_instances_can_be_piped(capsys, monkeypatch):
    """``generate`` writes what ``solve -`` reads."""
    _, out, _ = run(capsys, "generate", "edgeshard-latency", "testbed", "devices=5", "--seed", "3")
    stream = io.TextIOWrapper(io.BytesIO(out.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    status, out, _ = run(capsys, "solve", "-", "--json")
    assert (status, json.loads(out)["status"]) == (0, "optimal")


@pytest.mark.parametrize("kind", ["lp", "mps"])
def test_export_is_solved_elsewhere_to_the_same_optimum(capsys, tmp_path, kind):
    """HiGHS reads the file and finds 7,000 ms; names are those of the declarative model."""
    import highspy

    file = tmp_path / f"model.{kind}"
    assert run(capsys, "export", "hand-split", "--to", kind, "--output", file)[0] == 0
    text = file.read_text(encoding="utf-8")
    assert "privacy" in text
    assert "memory" in text
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(file))
    highs.run()
    assert highs.getInfo().objective_function_value == pytest.approx(7000)


def test_quiet_in_a_pipe():
    """No progress and no colour codes without a terminal."""
    command = [sys.executable, "-m", "placewise.cli.main", "solve", "llama2-7b-testbed", "--time-limit", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "45.42 ms" in done.stdout


def test_simulate_shows_both_strategies_and_draws(tmp_path, capsys):
    """Tokens per second as JSON, and a timeline with all devices named."""
    picture = tmp_path / "timeline.svg"
    assert main(["simulate", "hand-pipeline", "--picture", str(picture), "--json", "--tokens", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    rates = {run["strategy"]: run["tokens_per_s"] for run in document["schedules"]}
    assert rates["no-bubbles"] >= rates["bubbles"] > 0
    assert all(name in picture.read_text(encoding="utf-8") for name in ("no-bubbles", ">a<", ">b<"))


def test_simulate_takes_a_batch_and_a_result(tmp_path, capsys):
    """The chosen batch size multiplies the tokens, with as many in flight as fit; a result file saves the solve."""
    result = tmp_path / "result.json"
    assert main(["solve", "hand-batch", "--output", str(result)]) == 0
    assert main(["simulate", "hand-batch", "--result", str(result), "--strategy", "bubbles"]) == 0
    assert "1 micro-batches of 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hand-pipeline", "--picture", "timeline.txt"], "timeline.txt: expected a name that ends with .svg"),
        (["hand-pipeline", "--tokens", "0"], "tokens: expected at least 1, found 0"),
        (["hand-infeasible-by-a-byte"], "no placement to simulate: infeasible"),
        (["hand-pipeline", "--tokens", "9999", "--picture", "x.svg"], "tasks are no picture"),
    ],
)
def test_simulate_refuses(arguments, message, capsys):
    """One line, exit status 2."""
    assert main(["simulate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_residual_counts_hops_from_a_free_source(capsys):
    """The token's way back is none where the last layer is beside the first."""
    assert main(["residual", "hand-stay-home", "--measured", "0.05", "--source", "none", "--json"]) == 0
    free = json.loads(capsys.readouterr().out)
    assert (free["hops"], free["hop_overhead_s"]) == (0, None)
