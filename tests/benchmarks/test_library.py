"""The library: every entry is made, every record holds, what is handed in is judged by what it costs."""

import json
from dataclasses import replace

import pytest

from placewise.benchmarks.library.page import page
from placewise.benchmarks.library.records import faults, records, save, submitted, tier, updated
from placewise.cli.main import main
from placewise.instances import read
from placewise.instances.library import library
from placewise.models.registry import problem_of
from placewise.solvers import solve

KNOWN = records()
NAME = "home-macs-3-llama2-7b-latency"


def test_every_entry_has_a_record_and_every_record_an_entry():
    """At least 150, in all tiers, each with its source, licence and what its figures are."""
    entries = library()
    assert set(KNOWN) == set(entries)
    assert len(entries) >= 150
    assert {tier(record) for record in KNOWN.values()} == {"seconds", "minute", "open"}
    for entry in entries.values():
        assert entry.source
        assert entry.licence
        assert entry.data in ("measured", "data sheets", "published")


def test_records_hold():
    """Each placement costs its value to the last bit, no bound is above it, and each improvement is in the history."""
    for name, entry in library().items():
        instance, record = entry.instance(), KNOWN[name]
        assert instance.name == name
        assert faults(instance, record) == []
        values = [step["value"] for step in record["history"] if "value" in step]
        assert values[-1] == record["value"]
        assert values == sorted(values, reverse=True)
        for stamp in (record["value_by"], record["bound_by"]):
            assert set(stamp) == {"by", "date", "version"}


def test_the_page_is_generated(request):
    """Open instances first; placewise library --page writes it."""
    text = page(KNOWN)
    assert (request.config.rootpath / "docs" / "library.md").read_text(encoding="utf-8") == text
    assert 0 < text.index("## Open") < text.index("## Proven in more") < text.index("## Proven in 5")


def test_names_are_read_like_any_other():
    """By every command that takes an instance."""
    assert read(NAME) == library()[NAME].instance()


@pytest.fixture
def kept(tmp_path):
    """Return a copy of the records in which one instance is known by a heuristic's value only."""
    instance = read(NAME)
    worse = solve(instance, "exo", isolate=False)
    outcome = updated(None, worse)
    assert outcome.changed
    path = tmp_path / "records.json"
    save({NAME: outcome.record}, path)
    return path, instance, worse


def hand_in(path, document, tmp_path, *more):
    """Submit a document and return the exit status."""
    result = tmp_path / "result.json"
    result.write_text(json.dumps(document), encoding="utf-8")
    return main(["submit", str(result), "--records", str(path), *more])


def test_a_better_placement_is_entered(kept, tmp_path, capsys):
    """With its value, who found it and when; the one before stays in the history; the same again is nothing new."""
    path, instance, worse = kept
    best = solve(instance, isolate=False)
    assert hand_in(path, best.to_json(), tmp_path) == 0
    record = records(path)[NAME]
    assert (record["value"], record["value_by"]["by"]) == (best.objective, best.method)
    assert [step["value"] for step in record["history"]] == [worse.objective, best.objective]
    assert faults(instance, record) == []
    assert hand_in(path, best.to_json(), tmp_path) == 0
    assert records(path)[NAME] == record
    assert ": equal: " in capsys.readouterr().out
    assert hand_in(path, worse.to_json(), tmp_path) == 0
    assert records(path)[NAME] == record


def test_a_false_one_is_not(kept, tmp_path, capsys):
    """Not one that states another value, breaks a constraint, or names no device; nor one of another instance."""
    path, instance, _ = kept
    before = path.read_text(encoding="utf-8")
    best = solve(instance, isolate=False).to_json()
    lie = best | {"objective": best["objective"] / 2}
    assert hand_in(path, lie, tmp_path) == 1
    too_much = {"placement": {"layers": ["m1-16gb"] * len(instance.layers)}}
    assert hand_in(path, too_much, tmp_path, "--instance", NAME) == 1
    assert capsys.readouterr().out.count(": false: ") == 2
    assert hand_in(path, best | {"placement": {"layers": ["nowhere"] * 34}}, tmp_path) == 2
    assert hand_in(path, best, tmp_path, "--instance", "home-macs-3-llama2-7b-throughput") == 2
    assert hand_in(path, best | {"instance": "unknown"}, tmp_path) == 2
    assert hand_in(path, best | {"placement": None}, tmp_path) == 2
    assert path.read_text(encoding="utf-8") == before


def test_what_was_taken_for_proven_is_refuted(kept, tmp_path, capsys):
    """A placement below a bound is entered and the bound dropped, and both are told."""
    path, instance, worse = kept
    found = records(path)
    found[NAME] |= {"bound": worse.objective, "bound_by": found[NAME]["value_by"], "seconds": 1.0}
    assert tier(found[NAME]) == "seconds"
    save(found, path)
    assert hand_in(path, solve(instance, isolate=False).to_json(), tmp_path, "--by", "planted") == 1
    record = records(path)[NAME]
    assert ": refutes: " in capsys.readouterr().out
    assert (record["bound"], record["value_by"]["by"], tier(record)) == (None, "planted", "open")
    assert record["history"][-1]["refuted_bound"] == worse.objective


def test_bounds_come_from_verified_runs_only():
    """A heuristic's bound, or one above a known placement, is not taken; a proof is."""
    instance = read(NAME)
    best = solve(instance, isolate=False)
    record = updated(None, best).record
    assert tier(record) == ("seconds" if record["seconds"] <= 5 else "minute")
    assert updated(record, best).verdict == "equal"
    high = replace(best, dual_bound=best.objective * 2, placement=None, objective=None)
    assert updated(record, high).record["bound"] == record["bound"]
    greedy = replace(solve(instance, "greedy", isolate=False), dual_bound=best.objective / 2)
    assert updated(None, greedy).record.get("bound") is None
    problem = problem_of(instance)
    assert submitted(instance, None, best.placement, None, "x").record["placement"] == problem.to_json(
        instance, best.placement
    )


def test_the_library_is_listed_and_filtered(capsys):
    """By tier, class, problem and figures; unknown names are one line."""
    assert main(["library", "--class", "GPUs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed.pop("format") == "placewise-library/1"
    assert set(listed) == {name for name, entry in library().items() if entry.kind == "cluster of GPUs"}
    assert all(document["data"] == "measured" for document in listed.values())
    assert main(["library", "--tier", "open", "--problem", "replicated-throughput", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert "helix-het42-70b" in listed
    assert "helix-single24-70b" not in listed
    assert main(["library", "nothing"]) == 2
    assert "nothing: not in the library" in capsys.readouterr().err


def test_solving_enters_what_is_new(kept, capsys):
    """Only where that is asked for."""
    path, _, worse = kept
    command = ["library", NAME, "--solve", "--records", str(path), "--time-limit", "30"]
    assert main(command) == 0
    assert records(path)[NAME]["value"] == worse.objective
    assert main([*command, "--update"]) == 0
    assert tier(records(path)[NAME]) != "open"
    assert "optimal, gap 0 %" in capsys.readouterr().out
