"""The tree of DILEMMA in a process of its own: what it says is heard, and what ends it ends nothing else."""

import multiprocessing
import os

import pytest

from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.solvers import solve
from placewise.solvers.dilemma import labels, partner, search
from placewise.solvers.dilemma.partner import News, Partner
from placewise.solvers.evidence.result import Reason, Status
from placewise.solvers.execution import processes
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters

pytestmark = pytest.mark.skipif(not processes.can_see_children(), reason="no partner is forked here")


def test_what_is_heard_is_not_said_back():
    """In order, without waiting for more; the end of one is heard by the other, who may go on talking."""
    ends = multiprocessing.Pipe()
    here, there = map(Partner, ends)
    there.say(((0, 1), (1, 0)))
    there.say(bound_s=0.5)
    heard = []

    def take(news):
        heard.append(news)
        here.say(news.placement, news.bound_s)

    here.hear(take)
    assert heard == [News(((0, 1), (1, 0)), None), News(None, 0.5)]
    there.hear(lambda news: pytest.fail(f"{news} came back"))
    here.say(bound_s=0.25)
    there.hear(heard.append)
    assert heard[2:] == [News(None, 0.25)]
    ends[1].close()
    here.say(bound_s=0.75)
    assert not here.gone
    here.hear(take)
    assert here.gone


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Let this process be a worker whose passes prove nothing and find one placement."""
    monkeypatch.setenv(processes.MARK, str(tmp_path))
    monkeypatch.setattr(search, "FIRST_WIDTH", 1)
    monkeypatch.setattr(search, "LARGEST_WIDTH", 1)
    monkeypatch.setattr(search, "MOST_MOVES", 2_000)
    monkeypatch.setattr(labels, "by_highs", lambda *_: pytest.fail("HiGHS is not needed"))


def opt(seed):
    return generate("dilemma", "opt", seed=seed, servers=3, layers=4, min_mbps=100.0)


def test_what_only_the_tree_proves_is_proven(worker):
    """Placements and bounds of the other process are reported here, and it ends with the solve."""
    for seed in (1, 2):
        reported = []
        claim = labels.run(opt(seed), Context(Parameters(threads=2, time_limit=60.0), report=reported.append))
        truth = solve(opt(seed), "highs", threads=1)
        assert truth.status is Status.OPTIMAL
        assert claim.reason is Reason.OPTIMAL
        assert evaluate(opt(seed), claim.placement).objective == claim.objective
        assert claim.objective == pytest.approx(truth.objective, rel=1e-6)
        assert max(step.dual_bound for step in reported if step.dual_bound is not None) >= claim.objective * (
            1 - 1e-6
        )
        assert multiprocessing.active_children() == []


def test_a_partner_that_dies_takes_nothing_with_it(worker, monkeypatch):
    """What was known before stays: a placement that costs what it says, and a bound below it."""
    monkeypatch.setattr(search.Search, "by_tree", lambda _: os._exit(3))
    claim = labels.run(opt(1), Context(Parameters(threads=2, time_limit=60.0)))
    assert claim.reason is Reason.LIMIT
    assert evaluate(opt(1), claim.placement).objective == claim.objective
    assert claim.dual_bound <= claim.objective
    assert multiprocessing.active_children() == []


def test_only_a_worker_forks(worker, monkeypatch):
    """Not the process of a user, and not with one thread."""
    assert partner.can_have_partner()
    monkeypatch.setattr(labels, "partner_beside", lambda _: pytest.fail("forked"))
    monkeypatch.setattr(labels, "by_highs", lambda *_: None)
    assert labels.run(opt(1), Context(Parameters(threads=1, time_limit=60.0))).reason is Reason.OPTIMAL
    monkeypatch.delenv(processes.MARK)
    assert not partner.can_have_partner()
    assert labels.run(opt(1), Context(Parameters(threads=2, time_limit=60.0))).reason is Reason.OPTIMAL
