"""Explanations against brute force: reasons that cannot be spared, repairs that are needed, effects that are true."""

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from placewise.benchmarks.agreement import ORACLE
from placewise.cli.main import main
from placewise.instances import read, to_document
from placewise.instances.files import from_document
from placewise.instances.generators import generate
from placewise.models.errors import PlacewiseError
from placewise.models.registry import PROBLEMS, problem_of
from placewise.solvers import explain, solve
from placewise.solvers.evidence.result import Status


@cache
def explained(problem):
    """Return the explanations of the first tiny instances with and without a placement, 2 of each."""
    chosen = {True: [], False: []}
    for seed in range(40):
        if min(map(len, chosen.values())) == 2:
            break
        instance = generate(problem, "tiny", seed=seed)
        group = chosen[solve(instance, isolate=False).status is Status.INFEASIBLE]
        if len(group) < 2:
            group.append(explain(instance, time_limit=30))
    return chosen[True] + chosen[False]


def truth(instance):
    return solve(instance, ORACLE, isolate=False)


def limits_of(instance):
    found = problem_of(instance).resources(instance)
    limits = [limit for limit in found if limit.kind not in ("speed", "links", "link")]
    return limits + [link for link in found if link.kind == "link" and not link.amount]


def feasible_without(instance, dropped):
    """Whether brute force finds a placement when these limits are no more."""
    for limit in dropped:
        instance = problem_of(instance).scaled(instance, limit, math.inf)
    return truth(instance).objective is not None


@pytest.mark.parametrize("problem", PROBLEMS)
def test_no_part_of_a_reason_can_be_spared(problem):
    """The limits alone leave no placement; without any one of them there is one."""
    none = [one for one in explained(problem) if one.result.status is Status.INFEASIBLE]
    found = [explanation for explanation in none if explanation.reason]
    for other in none:
        instance = other.result.instance
        assert other.reason or not feasible_without(instance, limits_of(instance))
    assert (
        found or problem == "replicated-throughput"
    )  # what its nodes hold at most is no limit that one drops
    for explanation in found:
        instance, reason = explanation.result.instance, explanation.reason
        others = [limit for limit in limits_of(instance) if limit not in reason]
        assert not feasible_without(instance, others)
        for limit in reason:
            assert feasible_without(instance, [*others, limit])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_repair_is_enough_and_needed(problem):
    """With the factor there is a placement, with 2 % less there is none."""
    for explanation in explained(problem):
        instance = explanation.result.instance
        scaled = problem_of(instance).scaled
        for repair in explanation.repairs:
            assert truth(scaled(instance, repair.resource, repair.factor)).objective is not None
            if math.isfinite(repair.factor):
                less = scaled(instance, repair.resource, repair.factor / 1.02)
                assert truth(less).status is Status.INFEASIBLE


@pytest.mark.parametrize("problem", PROBLEMS)
def test_effects_are_those_of_brute_force(problem):
    """Every line of the table; and what is not called binding costs nothing when it shrinks."""
    solved = [explanation for explanation in explained(problem) if explanation.effects]
    assert solved
    for explanation in solved:
        instance, before = explanation.result.instance, explanation.result.objective
        assert explanation.complete
        for effect in explanation.effects:
            changed = truth(problem_of(instance).scaled(instance, effect.resource, effect.factor))
            assert effect.status is changed.status
            if effect.change is not None:
                assert effect.objective == pytest.approx(changed.objective, rel=1e-6)
                assert effect.change == pytest.approx((changed.objective - before) / before, abs=1e-6)
        for resource in problem_of(instance).resources(instance):
            if resource not in explanation.binding and resource.kind not in ("links", "link"):
                shrunk = truth(problem_of(instance).scaled(instance, resource, 1 / 1.25))
                assert shrunk.objective == pytest.approx(before)


def test_links_are_those_of_the_intervals():
    """Heads that need two devices, and links that the intervals lack though the cluster has them."""
    for seed in range(40):
        whole = generate("head-migration", "tiny", seed=seed)
        cut = replace(whole, bandwidth_bytes_per_s=np.zeros_like(whole.bandwidth_bytes_per_s))
        if truth(whole).objective is not None and truth(cut).objective is None:
            break
    explanation = explain(cut)
    assert any(limit.kind == "link" for limit in explanation.reason)
    others = [limit for limit in limits_of(cut) if limit not in explanation.reason]
    assert not feasible_without(cut, others)
    assert all(feasible_without(cut, [*others, limit]) for limit in explanation.reason)


def test_a_reason_may_lie_elsewhere():
    """More layers than servers that take one each: no memory, link or bound repairs it."""
    document = to_document(read("dilemma-loophole-as-printed"))
    document["model"]["layers"][0]["repeat"] = 4
    document["quantization_error"] = [document["quantization_error"][0], *document["quantization_error"]]
    explanation = explain(from_document(document))
    assert (explanation.reason, explanation.repairs) == ([], [])


def test_the_missing_link_and_the_missing_byte(capsys):
    """Exit status 3, each limit with what would be enough, in both forms."""
    assert main(["explain", "hand-unreachable"]) == 3
    out = capsys.readouterr().out
    assert "link a -> b" in out
    assert "enough alone: a link" in out
    assert main(["explain", "hand-infeasible-by-a-byte", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["reason"] == ["memory of a", "memory of b"]
    factors = {repair["resource"]: repair["factor"] for repair in document["repairs"]}
    assert factors["memory of b"] == pytest.approx(4 / 3, rel=0.01)  # one byte more than 3
    assert document["result"]["status"] == "infeasible"


def test_the_table(capsys):
    """By hand: 7 s = 4 s of computing on b and a, 2 s there, 1 s back; a hundredth of it is not lost in rounding."""
    assert main(["explain", "hand-split"]) == 0
    out = capsys.readouterr().out
    assert "link b -> a" in out
    assert "6.4 s -8.6%" in out
    assert "infeasible" in out  # with less memory
    result = explain(read("hand-split"), change=2.0)
    effects = {(effect.resource.title, effect.factor): effect for effect in result.effects}
    assert effects["link a -> b", 2.0].objective == 6.0
    assert effects["speed of b", 0.5].objective == 10.0
    assert effects["memory of all devices", math.inf].status is Status.OPTIMAL


def test_what_was_found_survives_the_end_of_time_and_an_interruption():
    """The result stands, and the explanation says that it is not complete."""

    def stop(title):
        if title.startswith("speed of b"):
            raise KeyboardInterrupt

    interrupted = explain(read("hand-split"), progress=stop)
    assert (interrupted.result.objective, interrupted.complete) == (7.0, False)
    assert interrupted.effects

    def sleep(title):
        if title != "as it is":
            import time

            time.sleep(2)

    late = explain(read("hand-split"), time_limit=2, progress=sleep)
    assert (late.result.status, late.complete) == (Status.OPTIMAL, False)


@pytest.mark.parametrize("change", [1.0, 0.5, math.nan, math.inf])
def test_a_change_is_a_factor_above_one(change):
    """Anything else asks nothing."""
    with pytest.raises(PlacewiseError, match="factor above 1"):
        explain(read("hand-split"), change=change)


@pytest.mark.parametrize("time_limit", [0.0, -1.0, math.nan])
def test_no_time_is_refused(time_limit):
    """As for a solve."""
    with pytest.raises(PlacewiseError, match="seconds > 0"):
        explain(read("hand-split"), time_limit=time_limit)
