"""`placewise check` believes nothing in a result file: each statement is recomputed, refuted, or said to be open."""

import json

import pytest
from odd_placements import FORMS, ODD, first, in_json

from placewise.cli.check import read_result
from placewise.cli.main import main
from placewise.instances import read, to_document, write
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status


@pytest.fixture
def honest():
    """Return the document of an optimum of 7 s."""
    return solve(read("hand-split"), "brute-force", isolate=False).to_json()


@pytest.fixture
def check(capsys, tmp_path):
    """Return a function that checks a document: exit status, standard output, standard error."""

    def run(document, *options, instance="hand-split"):
        file = tmp_path / "result.json"
        file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        capsys.readouterr()
        status = main(["check", str(instance), str(file), *options])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return run


def without(document, *keys):
    return {key: value for key, value in document.items() if key not in keys}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_honest_results_hold(check, tmp_path, problem):
    """Of every problem and of exact, heuristic and limited methods, where they have a placement."""
    held = 0
    for seed in range(6):
        instance = generate(problem, "tiny", seed=seed, kind="tight")
        write(instance, tmp_path / "instance.json")
        for method in ("brute-force", None):
            result = solve(instance, method, isolate=False)
            status, out, err = check(result.to_json(), instance=tmp_path / "instance.json")
            if result.objective is not None:
                assert (status, err) == (0, ""), out
                held += 1
    assert held


def test_what_is_checked_is_said(check, honest):
    """The bound is the one number that does not follow from the placement."""
    status, out, _ = check(honest)
    assert status == 0
    assert "the bound 7.0 is stated by brute-force, not certified" in out
    assert "hand-split: holds, objective 7 s" in out
    status, out, _ = check(honest, "--json")
    assert json.loads(out) == {
        "format": "placewise-check/1",
        "instance": "hand-split",
        "verdict": "holds",
        "feasible": True,
        "objective": 7.0,
        "claimed_objective": 7.0,
        "violations": [],
        "faults": [],
        "unproven": ["the bound 7.0 is stated by brute-force, not certified"],
        "proof": None,
        "evidence": "claimed once",
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"objective": 6.0}, "the file claims 6.0, the placement costs 7.0"),
        ({"objective": None}, "status: the file says 'optimal' without an objective"),
        ({"dual_bound": 8.0}, "the file claims that nothing is below 8.0, the placement costs 7.0"),
        ({"dual_bound": 0}, "status: the file says 'optimal' with a gap of 1, expected at most 1e-06"),
        ({"dual_bound": 0, "relative_gap": 0}, "relative_gap: the file says 0.0, objective and bound make it 1.0"),
        ({"dual_bound": 6.999}, "status: the file says 'optimal' with a gap of 0.000143"),
        ({"dual_bound": None}, "status: the file says 'optimal' without a bound"),
        ({"dual_bound": None, "status": "feasible"}, "relative_gap: the file says 0.0 without"),
        ({"relative_gap": 0.5}, "relative_gap: the file says 0.5, objective and bound make it 0.0"),
        ({"relative_gap": -1}, "relative_gap: the file says -1.0"),
        ({"status": "great"}, "status: expected one of optimal, feasible, infeasible, no-solution, error, found 'great'"),
        ({"status": "infeasible"}, "status: the file says 'infeasible', its placement is feasible and costs 7.0"),
        ({"status": "no-solution"}, "status: the file says 'no-solution', its placement is feasible"),
        ({"status": "error"}, "status: the file says 'error', its placement is feasible"),
        ({"guarantee": "sure"}, "guarantee: expected one of exact, "),
        ({"unit": "ms"}, "unit: the file says 'ms', the problem has 's'"),
        ({"terms": {"compute": -5, "communication": 2, "return": 1}}, "terms.compute: the file says -5.0, the placement has 4.0"),
        ({"terms": {"compute": 4, "communication": 2}}, "terms: expected compute, communication, return, found 'compute, communication'"),
        ({"terms": {}}, "terms: expected compute, communication, return, found 'none'"),
        ({"violations": ["a burns"]}, "violations: the placement does not have the one that the file states: 'a burns'"),
        ({"instance_hash": "0" * 64}, "the result is of another instance that is called 'hand-split' too"),
        ({"placement": {"layers": ["a", "a", "b", "b"]}}, "a needs 2 bytes and has 1"),
        ({"placement": {"layers": ["a", "b"]}}, "expected a device for each of 4 layers, found 2"),
        ({"placement": {"layers": ["a", "a", "b", "b"]}}, "status: the file says 'optimal' without a feasible placement"),
    ],
)  # fmt: skip
def test_what_is_false_fails(check, honest, change, text):
    """Exit status 1 and a line, also in the document."""
    status, out, err = check(honest | change)
    assert (status, err) == (1, "")
    assert text in out
    assert "fails" in out
    document = json.loads(check(honest | change, "--json")[1])
    assert any(text in fault for fault in document["faults"])
    assert document["verdict"] == "fails"


def test_violations_are_counted(check, honest):
    """A result that is honest about them fails for them alone; one that leaves some out, for that too."""
    broken = {"layers": ["b", "a", "b", "a"]}
    split = read("hand-split")
    problem = PROBLEMS["edgeshard-latency"]
    evaluation = problem.evaluate(split, problem.from_json(split, broken))
    messages = [violation.message for violation in evaluation.violations]
    assert len(messages) > 1
    said = without(honest, "dual_bound", "relative_gap") | {
        "status": "error", "placement": broken, "objective": None, "terms": dict(evaluation.terms),
    }  # fmt: skip
    assert json.loads(check(said | {"violations": messages}, "--json")[1])["faults"] == messages
    faults = json.loads(check(said | {"violations": messages[:1]}, "--json")[1])["faults"]
    assert faults == [*messages, f"violations: the file states 1, the placement has {len(messages)}"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"format": "placewise-result/2"}, "format: expected 'placewise-result/1'"),
        ({"instance": "hand-tie"}, "instance: expected 'hand-split', found 'hand-tie'"),
        ({"instance": None}, "instance: expected 'hand-split', found None"),
        ({"problem": "dilemma"}, "problem: expected 'edgeshard-latency', found 'dilemma'"),
        ({"objective": "7"}, "objective: expected a number, found '7'"),
        ({"objective": True}, "objective: expected a number, found True"),
        ({"dual_bound": [7]}, "dual_bound: expected a number, found a list"),
        ({"relative_gap": {}}, "relative_gap: expected a number, found an object"),
        ({"status": 3}, "status: expected a string, found 3"),
        ({"unit": 3}, "unit: expected a string, found 3"),
        ({"terms": [4, 2, 1]}, "terms: expected a dictionary, found a list"),
        ({"terms": {"compute": None}}, "terms.compute: expected a number, found null"),
        ({"violations": {}}, "violations: expected a list, found an object"),
        ({"violations": [3]}, "violations[0]: expected a string, found 3"),
        ({"conflicts": [{}]}, "conflicts[0]: expected a string, found an object"),
        ({"seconds": {"build": -1}}, "seconds.build: expected >= 0, found -1"),
        ({"versions": {"python": 3}}, "versions.python: expected a string, found 3"),
        ({"method": "\x1b[31m"}, "method: expected printable text"),
        ({"instance_hash": "abc"}, "instance_hash: expected"),
        ({"placement": "a"}, "placement.layers: expected a list with one device name per layer"),
        ({"placement": {"layers": ["a", "b", "b", "c"]}}, "placement.layers[3]: expected a device of hand-split, found 'c'"),
        ({"placement": {"layers": ["a", "b", "b", True]}}, "placement.layers[3]: expected a device of hand-split, found True"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_one_line(check, honest, change, line):
    """Exit status 2, the file and the path."""
    status, out, err = check(honest | change)
    assert (status, out) == (2, "")
    assert f"result.json: {line}" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
@pytest.mark.parametrize("key", ["objective", "dual_bound", "relative_gap"])
def test_numbers_are_finite(check, honest, key, number):
    """What is no number bounds nothing, whatever it is compared with."""
    status, out, err = check(json.dumps(honest | {key: "here"}).replace('"here"', number))
    assert (status, out) == (2, "")
    assert f"{key}: expected a finite number" in err


def test_another_instance_of_the_same_name(check, honest, tmp_path):
    """The hash tells them apart where everything else in the file holds; a file without one is as good as before."""
    document = to_document(read("hand-split"))
    document["description"] = "another one"
    other = from_document(document)
    write(other, tmp_path / "other.json")
    status, out, _ = check(honest, instance=tmp_path / "other.json")
    assert status == 1
    assert (
        f"instance_hash is {honest['instance_hash']}, expected {solve(other, isolate=False).to_json()['instance_hash']}"
        in out
    )
    assert check(without(honest, "instance_hash"), instance=tmp_path / "other.json")[0] == 0


def test_what_is_not_stated_is_not_missed(check, honest):
    """A file of an older version, or one that says no more than the placement."""
    for keys in (
        ("instance_hash", "guarantee"),
        ("status", "objective", "dual_bound", "relative_gap", "terms", "violations", "unit", "method"),
    ):
        status, out, err = check(without(honest, *keys))
        assert (status, err) == (0, ""), out
    assert (
        check(dict.fromkeys(honest) | {k: honest[k] for k in ("format", "instance", "problem", "placement")})[
            0
        ]
        == 0
    )


@pytest.mark.parametrize("placement", [{"layers": ["a", "b", "b", "b"]}, ["a", "b", "b", "b"], [0, 1, 1, 1]])
def test_bare_placements(check, tmp_path, placement):
    """Alone, by name or by index; warm starts are read the same way."""
    status, out, err = check({"placement": placement})
    assert (status, out, err) == (0, "hand-split: holds, objective 7 s\n", "")
    assert read_result(read("hand-split"), str(tmp_path / "result.json"))[0] == (0, 1, 1, 1)
    assert check({"placement": placement, "instance": "hand-tie"})[0] == 2
    assert check({"placement": placement, "objective": 6.0})[0] == 1


@pytest.mark.parametrize("placement", [None, [0, 1], [0, 1, 1, 9], {"layers": ["a"]}, 3])
def test_bad_warm_starts_are_one_line(capsys, tmp_path, placement):
    """The file, and what was expected there."""
    file = tmp_path / "start.json"
    file.write_text(json.dumps({"placement": placement}), encoding="utf-8")
    assert main(["solve", "hand-split", "--warm-start", str(file)]) == 2
    err = capsys.readouterr().err
    assert "start.json: placement" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("document", ["{}", "3", "", "{"])
def test_what_is_neither_result_nor_placement(check, document):
    """One line."""
    status, out, err = check(document)
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_a_gap_that_was_asked_for_is_accepted(check, honest):
    """``solve --gap 0.01`` calls an answer within 1 % optimal; ``check --gap 0.01`` does, too."""
    loose = honest | {"dual_bound": 6.95, "relative_gap": 0.05 / 7}
    assert check(loose)[0] == 1
    assert check(loose, "--gap", "0.01")[0] == 0
    assert check(loose, "--gap", "1")[0] == 2
    assert check(loose, "--gap", "nan")[0] == 2


def test_heuristics_refute_a_bound(check):
    """A placement of 34 s that is called optimal, with a bound to match, where another costs 13 s."""
    home = read("hand-stay-home")
    problem = PROBLEMS[home.problem]
    evaluation = problem.evaluate(home, (0, 1, 1, 1))
    lie = solve(home, isolate=False).to_json() | {
        "objective": evaluation.objective,
        "dual_bound": evaluation.objective,
        "terms": dict(evaluation.terms),
        "placement": problem.placement_json(home, (0, 1, 1, 1)),
    }
    status, out, _ = check(lie, instance="hand-stay-home")
    assert status == 1
    assert "the file claims that nothing is below 34.0, a known placement costs 13.0" in out


def test_infeasible_is_proven_refuted_or_open(check, honest, tmp_path):
    """By a simple reason; by a heuristic's placement; else the file alone shows nothing, which is no success."""
    result = solve(read("hand-infeasible-by-a-byte"), isolate=False)
    assert result.status is Status.INFEASIBLE
    status, out, _ = check(result.to_json(), instance="hand-infeasible-by-a-byte")
    assert status == 0
    assert "holds, no placement, proven: the layers need 6 bytes" in out

    empty = {
        "status": "infeasible",
        "placement": None,
        "objective": None,
        "dual_bound": None,
        "relative_gap": None,
    }
    status, out, _ = check(honest | empty | {"terms": {}})
    assert status == 1
    assert "the file claims that there is no placement, a known one costs 7.0" in out

    for seed in range(300):
        instance = generate("edgeshard-latency", "tiny", seed=seed, kind="tight")
        if solve(instance, "brute-force", isolate=False).status is Status.INFEASIBLE and (
            PROBLEMS[instance.problem].diagnose(instance) is None
        ):
            break
    result = solve(instance, "brute-force", isolate=False)
    assert result.status is Status.INFEASIBLE
    write(instance, tmp_path / "instance.json")
    status, out, _ = check(result.to_json(), instance=tmp_path / "instance.json")
    assert status == 1
    assert "that there is no placement is stated by brute-force; it cannot be checked from the file" in out
    assert "cannot be checked" in out.splitlines()[-1]


@pytest.mark.parametrize("status", ["no-solution", "error"])
def test_without_a_placement_nothing_holds(check, honest, status):
    """A limit or a crash states nothing that could be evaluated; its bound may still be refuted."""
    empty = {"status": status, "placement": None, "objective": None, "relative_gap": None, "terms": {}}
    code, out, _ = check(honest | empty | {"dual_bound": 6.0})
    assert code == 1
    assert "there is no placement in the file that could be evaluated" in out
    assert "hand-split: cannot be checked" in out
    code, out, _ = check(honest | empty | {"dual_bound": 8.0})
    assert code == 1
    assert "the file claims that nothing is below 8.0, a known placement costs 7.0" in out
    assert check(honest | empty | {"status": "optimal", "objective": 7.0})[0] == 1


def test_reported_conflicts_are_repeated(check, honest):
    """What a method contradicted when it ran cannot be seen in its placement."""
    status, out, _ = check(honest | {"conflicts": ["bound-crossed: highs claims"]})
    assert status == 0
    assert "the file reports conflicts: 'bound-crossed: highs claims'" in out


@pytest.mark.parametrize("problem", PROBLEMS)
def test_odd_placements_are_a_line_each(check, tmp_path, problem):
    """In a result and alone: exit status 1 or 2, and a line that says why."""
    instance = generate(problem, "tiny", seed=1, kind="loose")
    write(instance, tmp_path / "instance.json")
    good = first(instance)
    honest = solve(instance, "brute-force", isolate=False).to_json()
    for name, make in ODD.items():
        text = in_json(make(instance, good))
        for document in (
            f'{{"placement": {text}}}',
            json.dumps(honest | {"placement": "here"}).replace('"here"', text),
        ):
            status, out, err = check(document, instance=tmp_path / "instance.json")
            assert status in (1, 2), (name, text, out)
            assert (out if status == 1 else err).strip(), name
            assert err.count("\n") == (status == 2), name


@pytest.mark.parametrize("problem", PROBLEMS)
def test_forms_of_a_placement_in_a_file(check, tmp_path, problem):
    """What the gate takes and JSON knows may stand alone in a file."""
    instance = generate(problem, "tiny", seed=1, kind="loose")
    write(instance, tmp_path / "instance.json")
    placement = solve(instance, "brute-force", isolate=False).placement
    forms = ["document"] if problem.startswith("head") else ["document", "lists", "names"]
    for form in forms:
        document = {"placement": FORMS[form](instance, placement)}
        status, out, _ = check(document, instance=tmp_path / "instance.json")
        assert status == 0, out
