"""``placewise plan`` and ``solve --for``: what is printed, for whom, and what is refused."""

import json

import pytest
from readers import CLUSTER, CONFIG

from placewise.cli.main import main


@pytest.fixture
def model(tmp_path):
    """Return a model's file on a cluster of which no device holds all."""
    cluster = json.loads(json.dumps(CLUSTER))
    cluster["devices"][0]["memory_bytes"] = 120_000
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "cluster.json").write_text(json.dumps(cluster))
    return [
        *(str(tmp_path / "config.json"), "--cluster", str(tmp_path / "cluster.json")),
        *("--sequence-length", "16"),
    ]


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_solve_and_plan_print_the_same(capsys, model, tmp_path):
    """Beside the result, from the result's file alone, from the model with it, and from the split by hand."""
    result = tmp_path / "result.json"
    status, out, _ = run(capsys, "solve", *model, "--for", "vllm", "--output", result)
    assert status == 0
    line = out.strip().splitlines()[-1]
    assert line == f"VLLM_PP_LAYER_PARTITION=1,1 vllm serve {tmp_path} --pipeline-parallel-size 2"
    status, out, err = run(capsys, "plan", result, "--for", "vllm")
    assert (status, out.strip()) == (0, line.replace(str(tmp_path), "MODEL"))
    assert "ranks: 0 = a-0, 1 = a-1" in err
    assert run(capsys, "plan", model[0], result, *model[1:], "--for", "vllm")[1].strip() == line
    assert run(capsys, "plan", *model, "--split", "1,1", "--for", "vllm")[1].strip() == line
    out = run(capsys, "plan", result, "--for", "llama.cpp", "--json")[1]
    plan = json.loads(out)
    assert (plan["format"], plan["flags"][-2:]) == ("placewise-plan/1", ["-ngl", "2"])


def test_the_family_is_the_models(capsys, model, tmp_path):
    """From the config.json; a result does not know it, and says which option does."""
    result, target = tmp_path / "result.json", tmp_path / "map.json"
    assert run(capsys, "solve", *model, "--output", result)[0] == 0
    assert (
        run(capsys, "plan", model[0], result, *model[1:], "--for", "accelerate", "--output", target)[0] == 0
    )
    assert json.loads(target.read_text())["model.layers.1"] == 1
    status, _, err = run(capsys, "plan", result, "--for", "accelerate")
    assert (status, "--family" in err, err.count("\n")) == (2, True, 1)


def test_what_cannot_run_is_shown_and_refused(capsys, tmp_path):
    """The result stands, with one line after it; the option that it names gives a plan."""
    result = tmp_path / "result.json"
    status, out, err = run(capsys, "solve", "hand-revisit", "--for", "llama.cpp", "--output", result)
    assert (status, err.count("\n")) == (2, 1)
    assert "optimal" in out
    assert "returns to" in err
    assert "--contiguous" in err
    assert result.exists()
    status, out, _ = run(capsys, "solve", "hand-revisit", "--for", "llama.cpp", "--contiguous")
    assert (status, "llama-server" in out) == (0, True)
    status, out, _ = run(capsys, "solve", "hand-split", "--for", "llama.cpp", "--json", "--at", "b=h:1")
    assert json.loads(out)["plan"]["servers"] == ["h:1"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan", "{result}"], "--for"),
        (["plan", "{result}", "--for", "tensorrt"], "invalid choice"),
        (["plan", "{result}", "{result}", "{result}", "--for", "exo"], "one result file"),
        (["plan", "{result}", "--for", "exo", "--at", "a"], "two values"),
        (["plan", "{result}", "--for", "accelerate", "--family", "x"], "--family: expected one of"),
        (["plan", "{result}", "--for", "exo", "--cluster", "x.json"], "beside --cluster"),
        (["plan", "hand-split", "{result}", "--split", "1,3", "--for", "exo"], "or --split"),
        (["solve", "hand-split", "--at", "a=cpu"], "together with --for"),
    ],
)
def test_bad_usage(capsys, tmp_path, arguments, told):
    """One line, or the parser's; status 2."""
    result = tmp_path / "result.json"
    document = {"placement": {"layers": ["a", "b", "b", "b"]}, "layer_names": ["embedding", *["decoder"] * 3]}
    result.write_text(json.dumps({"format": "placewise-result/1", "problem": "edgeshard-latency"} | document))
    try:
        status, _, err = run(capsys, *[argument.format(result=result) for argument in arguments])
    except SystemExit as stop:
        status, err = stop.code, capsys.readouterr().err
    assert status == 2
    assert told in err


def test_a_placement_that_breaks_something_is_told(capsys):
    """The plan is printed all the same: it is the user's placement."""
    status, out, err = run(capsys, "plan", "hand-split", "--split", "4,0", "--for", "llama.cpp")
    assert (status, "violated, memory" in err) == (0, True)
    assert "-ngl 0" in out
