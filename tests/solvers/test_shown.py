"""Results that people look at: one line, a few lines, HTML, rows by names, frames, pictures."""

import importlib.util
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache

import pytest

from placewise.instances import read
from placewise.instances.generators import generate
from placewise.models.dilemma import Dilemma
from placewise.models.errors import PlacewiseError
from placewise.models.problem import Guarantee, Violation
from placewise.models.registry import PROBLEMS
from placewise.solvers import compare, explain, solve
from placewise.solvers.evidence import shown
from placewise.solvers.evidence.result import Conflict, Reason, Status, Termination, VerifiedResult
from placewise.solvers.explanation.explain import Explanation

HOSTILE = "<script>alert('&\"$x_1$')</script>"


@cache
def some(problem, count=12):
    """Return verified optima of tiny instances."""
    found = [
        solve(generate(problem, "tiny", seed=seed), "brute-force", isolate=False) for seed in range(count)
    ]
    found = [result for result in found if result.placement is not None]
    assert len(found) > count / 3
    return found


def named(name, **changes):
    """Return the result of an instance with some name."""
    result = solve(read("hand-split"), "labels", isolate=False)
    return replace(result, instance=replace(result.instance, name=name), **changes)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_result_is_a_line_and_a_few_lines(problem):
    """With name, status, value, bound, gap and method; as text a row for each of the first stages."""
    for result in some(problem):
        line, lines = repr(result), str(result).splitlines()
        assert "\n" not in line
        assert len(line) < 250
        assert len(lines) <= 4 + shown.MOST_ROWS
        for text in (line, "\n".join(lines)):
            for part in (
                result.instance.name,
                "optimal",
                shown.duration(result.objective),
                "gap 0 %",
                "brute-force",
            ):
                assert part in text
        assert len(lines) - 3 == min(len(result.stages), shown.MOST_ROWS + 1)


def test_a_result_says_who_found_it_where_it_stopped_and_what_is_wrong():
    """An incumbent of another method, a limit, the first conflict and violation; nothing where all is plain."""
    plain = named("plain")
    assert not {"stopped", "incumbent", "conflict"} & set(repr(plain).replace(":", " ").split())
    told = named(
        "told",
        termination=Termination(Reason.LIMIT, "time"),
        incumbent_by="greedy",
        conflicts=(
            Conflict("bound-crossed", ("labels",), "first"),
            Conflict("bound-crossed", ("labels",), "second"),
        ),
    )
    for text in (repr(told), str(told)):
        assert "stopped at: time limit" in text
        assert "incumbent by greedy" in text
        assert "conflict, bound-crossed: first" in text
        assert "second" not in text
    interrupted = named("cut", termination=Termination(Reason.INTERRUPTED))
    assert shown.stopped(interrupted) == ["stopped by: interrupted"]
    broken = VerifiedResult(
        plain.instance,
        "m",
        Guarantee.UNSAFE,
        Status.NO_SOLUTION,
        violations=(Violation("memory", "a", "too much"),),
    )
    assert repr(broken) == "<VerifiedResult 'plain': no-solution, by m (unsafe)>\nviolated, memory: too much"
    failed = replace(broken, violations=(), message="killed by a signal", status=Status.ERROR)
    assert str(failed).splitlines()[-1] == "killed by a signal"


def test_no_text_of_anybody_becomes_markup():
    """Names, messages and conflicts are escaped, and every piece of HTML is well-formed and names no other file."""
    conflict = Conflict("bound-crossed", (HOSTILE,), HOSTILE)
    result = named(HOSTILE, method=HOSTILE, incumbent_by=HOSTILE + "2", conflicts=(conflict,))
    failed = replace(result, placement=None, objective=None, message=HOSTILE, status=Status.ERROR)
    report = compare(result.instance, ["labels", "greedy"], isolate=False)
    report = replace(report, conflicts=(conflict,), skipped={HOSTILE: HOSTILE})
    for thing in (result, failed, report, Explanation(result), Explanation(failed)):
        html = thing._repr_html_()
        page = ET.fromstring(html)
        assert page.tag == "div"
        assert not list(page.iter("script"))
        assert not [element for element in page.iter() if {"src", "href", "onclick"} & set(element.attrib)]
        assert "alert" in "".join(page.itertext())


@pytest.mark.parametrize(
    "problem", [name for name in PROBLEMS if not name.startswith(("head", "replicated", "graph"))]
)
def test_stages_of_layers_add_up_to_the_evaluation(problem):
    """They cover all layers in order on the devices of the placement; their seconds are the terms of the objective."""
    for result in some(problem):
        instance, stages, terms = result.instance, result.stages, result.terms
        document = result.named
        devices = [stage.device for stage in stages for _ in range(stage.first, stage.last + 1)]
        assert devices == document["layers"]
        assert [stage.first for stage in stages] == [0, *(stage.last + 1 for stage in stages[:-1])]
        computed, sent = [s.compute_s for s in stages], [s.transfer_s for s in stages]
        if isinstance(instance, Dilemma):
            assert [bits for stage in stages for bits in stage.bits] == document["bits"]
            assert sum(sent) == terms["communication"] + terms.get("uncounted_communication", 0.0)
        together = max if problem in ("edgeshard-throughput", "edgeshard-batch") else sum
        scale = document["batch_size"] if problem == "edgeshard-batch" else 1
        assert together(computed) == pytest.approx(terms["compute"] * scale, rel=1e-12)
        if not isinstance(instance, Dilemma):
            assert together(sent) == pytest.approx(terms["communication"] * scale, rel=1e-12)
        assert sum(stage.memory_bytes for stage in stages) > 0


def test_parts_of_a_graph_add_up_to_the_evaluation():
    """Every node on the device that the placement names; the largest load is the objective."""
    for result in some("graph-throughput"):
        placed = result.named["nodes"]
        assert {part.device: part.nodes for part in result.stages} == {
            device: placed.count(device) for device in placed
        }
        largest = max(part.compute_s + part.messages_s for part in result.stages)
        assert largest == pytest.approx(result.objective, rel=1e-12)


def test_replicas_are_the_intervals_of_the_plan():
    """All of them, by their first layer; what passes the first layer is the flow, and nobody takes more than it may."""
    for result in some("replicated-throughput"):
        stages, held = result.stages, {row["node"]: row for row in result.named["nodes"]}
        assert {stage.device for stage in stages} == set(held)
        assert all(
            (stage.first, stage.last) == (held[stage.device]["first"], held[stage.device]["last"])
            for stage in stages
        )
        assert [stage.first for stage in stages] == sorted(stage.first for stage in stages)
        entering = sum(stage.tokens_per_s for stage in stages if stage.first == 0)
        if not result.instance.partial_inference:
            assert entering == pytest.approx(1 / result.objective)
        assert all(0 <= stage.tokens_per_s <= stage.most_tokens_per_s for stage in stages)


@pytest.mark.parametrize("problem", ["head-migration", "head-migration-decoder"])
def test_shares_of_heads_add_up(problem):
    """In every interval and layer all heads, one projection and one network, on the devices of the placement."""
    for result in some(problem):
        for t, now in enumerate(result.named["intervals"]):
            for layer, part in enumerate(now.get("layers", [now])):
                rows = [row for row in result.stages if (row.interval, row.layer) == (t, layer)]
                assert {row.device: row.heads for row in rows if row.heads} == {
                    name: part["heads"].count(name) for name in part["heads"]
                }
                assert [row.device for row in rows if row.proj] == [part["proj"]]
                assert [row.device for row in rows if row.ffn] == [part["ffn"]]
                assert all(row.memory_bytes > 0 for row in rows)


def test_a_result_without_a_placement_has_no_stages():
    """Nor a name for it, nor a picture."""
    result = solve(read("hand-unreachable"), isolate=False)
    assert (result.stages, result.named) == ((), None)
    assert len(result.to_frame()) == 0
    with pytest.raises(PlacewiseError, match="no placement"):
        result.plot()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_frames_have_a_row_per_stage(problem):
    """With the columns of the stage."""
    result = some(problem)[0]
    frame = result.to_frame()
    assert list(frame["device"]) == [stage.device for stage in result.stages]


def test_frames_of_comparisons_and_explanations():
    """A row per method, and per effect."""
    split = read("hand-split")
    report = compare(split, ["labels", "greedy", "edgeshard-even"], isolate=False)
    frame = report.to_frame().set_index("method")
    assert dict(frame["gap"].dropna()) == {name: gap for name, gap in report.gaps.items() if gap is not None}
    assert frame["note"]["labels"] == ""
    assert repr(report).startswith("<GapReport 'hand-split': 3 methods, 0 skipped, 0 conflicts, best 7 s")
    explanation = explain(split, "labels", time_limit=30)
    assert len(explanation.to_frame()) == len(explanation.effects)
    assert repr(explanation).startswith(
        "<Explanation of 'hand-split': optimal 7 s, bound 7 s, gap 0 %, binding: memory"
    )
    assert "reason: memory of a, link a -&gt; b" in explain(read("hand-unreachable"), "labels")._repr_html_()


@pytest.mark.parametrize(("package", "extra"), [("pandas", "frame"), ("matplotlib", "plot")])
def test_what_is_not_installed_is_named(package, extra, monkeypatch):
    """In one line with the command that installs it."""
    result = named("plain")
    known = importlib.util.find_spec

    def without(name, *rest):
        return None if name == package else known(name, *rest)

    for module in (shown, importlib.import_module("placewise.solvers.evidence.picture")):
        monkeypatch.setattr(module, "find_spec", without)
    with pytest.raises(PlacewiseError, match=rf"pip install 'placewise\[{extra}\]'"):
        result.to_frame() if package == "pandas" else result.plot()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_pictures_show_every_stage(problem):
    """A bar each with its label, a row per device, the status as title; notebooks get a PNG."""
    for result in some(problem)[:2]:
        drawing = result.plot()
        bars = [bar for axes in drawing.axes for bar in axes.patches if bar.get_label() != "arrow"]
        assert len(bars) == len(result.stages)
        texts = [text.get_text() for axes in drawing.axes for text in axes.texts]
        assert sorted(filter(None, texts)) == sorted(stage.label for stage in result.stages)
        for axes in drawing.axes:
            rows = [label.get_text() for label in axes.get_yticklabels()]
            assert rows == list(dict.fromkeys(stage.device for stage in result.stages))
        assert "optimal" in drawing.get_suptitle()
        assert drawing._repr_png_().startswith(b"\x89PNG")


def test_a_name_is_no_formula_in_a_picture():
    """Dollar signs and braces are drawn as they are."""
    assert named("$\\frac{$ {x}_$").plot()._repr_png_()


def test_infinite_and_foreign_units():
    """Times get a fitting unit, other units are kept."""
    assert shown.quantity(0.0454, "s") == "45.4 ms"
    assert shown.quantity(1234.5, "J") == "1234 J"
    assert (shown.quantity(None, "J"), shown.percent(None), shown.percent(math.inf)) == ("-", "-", "inf %")


def test_a_saved_result_is_the_document(tmp_path):
    """As ``solve --output`` writes it; an infinite gap is null."""
    result = named("plain")
    result.save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == result.to_json()
    replace(result, relative_gap=math.inf).save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["relative_gap"] is None
