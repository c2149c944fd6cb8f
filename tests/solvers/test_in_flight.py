"""Micro-batches in flight: every method against brute force, and the parts of the search."""

import dataclasses
import math
from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardBatch
from placewise.models.errors import NotApplicableError
from placewise.models.registry import problem_of
from placewise.models.workload import Layer
from placewise.solvers import solve
from placewise.solvers.edgeshard import batches, in_flight
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters

METHODS = ["batches", "highs", "largest-batch", "greedy", "cloud-edge-opt"]


def drawn(seed):
    return generate("edgeshard-batch", "tiny-in-flight", seed=seed)


@pytest.mark.parametrize("part", range(4))
def test_all_methods_agree_with_brute_force(part):
    """Numbers up to a limit or listed, limits on the wait, caches to the byte."""
    counts = Counter()
    for seed in range(10 * part, 10 * part + 10):
        instance = drawn(seed)
        if problem_of(instance).count(instance) < 4000:
            assert judge(instance, METHODS, counts) == []
    assert counts["batches", "exact: optimal"] > 2


def feasible():
    """Return an instance with a placement of more than one in flight, and what brute force says of it."""
    for seed in range(100):
        instance = drawn(seed)
        if problem_of(instance).count(instance) < 4000:
            best = solve(instance, "brute-force", isolate=False)
            if best.objective is not None and best.placement[0] > 1:
                return instance, best
    raise AssertionError("none drawn")


def search(instance, context, bottleneck=None):
    found = bottleneck or partial(batches._least_bottleneck, context)
    return in_flight.Search(instance, context, found)


def test_a_warm_start_is_the_first_placement():
    """The optimum itself leaves no node to decide; one that breaks a limit is dropped."""
    instance, best = feasible()
    steps = []
    whole = search(instance, Context(Parameters(), best.placement, report=steps.append))
    assert whole.best == best.placement
    assert steps[0].placement == best.placement
    assert steps[0].objective == whole.best_s == pytest.approx(best.objective)
    claim = whole.run()
    assert (claim.reason, claim.objective) == (Reason.OPTIMAL, best.objective)
    tight = dataclasses.replace(instance, time_per_token_limit_s=0.0)
    assert search(tight, Context(Parameters(), best.placement)).best is None


def test_what_is_undecided_bounds_the_answer():
    """Bottlenecks that nobody finds leave the equations' bound, and no optimum is claimed."""
    instance, best = feasible()

    def lost(_pipe, _size):
        return Claim(Reason.LIMIT, message="lost")

    whole = search(instance, Context(Parameters()), lost)
    whole._decide = lambda node: (whole._undecided.append(node.bound_s), whole._messages.append("undecided"))
    whole._wait = whole._waited.add  # nor does the least latency say more
    claim = whole.run()
    assert claim.placement is None
    assert claim.reason is Reason.LIMIT
    assert 0 < claim.dual_bound <= best.objective
    assert claim.message == "undecided"


def test_without_a_choice_there_is_no_placement():
    """Memory for no weights."""
    instance, _ = feasible()
    cluster = dataclasses.replace(instance.cluster, memory_bytes=[1] * instance.cluster.size)
    claim = search(dataclasses.replace(instance, cluster=cluster), Context(Parameters())).run()
    assert (claim.reason, claim.placement) == (Reason.INFEASIBLE, None)


def test_a_relative_gap_ends_the_search_early():
    """With any gap allowed the first placement is enough; the bound stays below the optimum."""
    instance, best = feasible()
    claim = search(instance, Context(Parameters(relative_gap=0.99), best.placement)).run()
    assert (claim.reason, claim.placement) == (Reason.OPTIMAL, best.placement)
    assert claim.dual_bound <= best.objective


def test_heuristics_double_the_number_in_flight():
    """1, 2, 4, ... of those that fit, each batch size from the largest; the best of their pipelines with its best number."""
    instance, _ = feasible()
    asked = []

    def each(pipe, _context):
        asked.append(pipe.name)
        return Claim(Reason.FINISHED)

    claim = batches._largest_in_flight(instance, Context(Parameters()), each)
    assert (claim.placement, claim.reason) == (None, Reason.FINISHED)
    sizes = sorted({size for _, size in instance.choices}, reverse=True)
    assert len(asked) == len(sizes)  # none fits with one: more are not asked

    placed = []

    def alone(pipe, _context):
        placed.append(pipe.name)
        return Claim(Reason.FINISHED, (pipe.source_index,) * len(pipe.layers), 1.0)

    large = [2**40] * instance.cluster.size
    roomy = dataclasses.replace(
        instance,
        cluster=dataclasses.replace(instance.cluster, memory_bytes=large),
        in_flight=6,
        time_per_token_limit_s=None,
        batch_sizes=instance.batch_sizes,
    )
    claim = batches._largest_in_flight(roomy, Context(Parameters()), alone)
    several = [name.split("@")[1] for name in placed]
    expected = [
        f"{n}x{size}" if n > 1 else f"{size}" for size in reversed(roomy.batch_sizes) for n in (1, 2, 4)
    ]
    assert several == expected
    values = [
        problem_of(roomy).evaluate(roomy, (n, size, (roomy.source or 0,) * len(roomy.layers))).objective
        for size in roomy.batch_sizes
        for n in range(1, 7)
    ]
    assert claim.objective == pytest.approx(min(values))
    claim = batches._largest_in_flight(roomy, Context(Parameters()), alone, first=True)
    assert claim.placement[1] == roomy.batch_sizes[-1]


def by_hand(in_flight=4, *, limit_s=None, sizes=(1,)):
    """Return 1 and 1.5 s on a, twice as much on b, 1.5 times as much for two: shares of 1.5 and rounds of 2.5 s at least."""
    one = np.array([[1.0, 2.0], [1.5, 3.0]])
    return EdgeShardBatch(
        Cluster(("a", "b"), (99, 99), 8.0, 0.25),
        [Layer("first", 10, 4.0, cache_bytes=3), Layer("last", 20, 4.0, cache_bytes=2)],
        sizes,
        compute_time_s=[one, 1.5 * one][: len(sizes)],
        return_bytes=2.0,
        in_flight=in_flight,
        time_per_token_limit_s=limit_s,
    )


def nodes(whole):
    return sorted((node.batch_size, node.first, node.last, node.bound_s) for node in whole._open)


def test_bounds_of_nodes_by_hand():
    """max(n T, Lambda) / (n m) of the most in flight; each size has a node, the better one first."""
    whole = search(by_hand([1, 3], sizes=(1, 2)), Context(Parameters()))
    assert nodes(whole) == [(1, 0, 1, 1.5), (2, 0, 1, 6.75 / 6)]
    assert whole._open[0].batch_size == 2
    assert whole._bound_s(1, 0, 0.0) == 2.5
    assert whole._bound_s(1, 1, 2.0) == 2.0
    assert whole._bound_s(2, 0, 4.0) == 2.0
    assert (whole.bound_s, whole._value, whole._cutoff_s) == (6.75 / 6, None, math.inf)
    whole.best, whole.best_s = (1, 1, (0, 0)), 1.0
    assert (whole.bound_s, whole._value) == (1.0, 1.0)
    whole.best_s, whole._undecided = 2.0, [1.9, 1.1]
    assert whole.bound_s == 1.1
    assert whole._cutoff_s == 2.0 * (1 - whole.context.parameters.relative_gap)


@pytest.mark.parametrize(
    ("first", "bottleneck_s", "floor_s", "wait_s"),
    [(0, None, 0.0, 2.5), (1, None, 0.0, 4.5), (1, 2.0, 0.0, 6.0), (1, None, 3.0, 9.0), (1, 4.0, 3.0, 12.0)],
)
@pytest.mark.parametrize(("share", "kept"), [(1.0, True), (1 - 5e-10, True), (1 - 2e-9, False), (0.5, False)])
def test_nodes_whose_least_number_waits_too_long_are_left_out(
    first, bottleneck_s, floor_s, wait_s, share, kept
):
    """One or three in flight, by what is known of their bottleneck; a part in 1e9 is rounding of another tick."""
    whole = search(by_hand([1, 3]), Context(Parameters()))
    whole._open.clear()
    whole.instance = by_hand([1, 3], limit_s=wait_s * share)
    whole._push(1, first, 1, bottleneck_s, floor_s)
    assert nodes(whole) == (
        [(1, first, 1, whole._bound_s(1, 1, max(floor_s, bottleneck_s or 0.0)))] if kept else []
    )


def test_the_search_asks_what_is_least_known_first():
    """Halves of the numbers; one waits for the least latency, which leaves it behind; the last is not asked at all."""
    asked, decided = [], []

    def bottleneck(pipe, enough_s):
        name = pipe.name.split("@")[1]
        asked.append((name, enough_s))
        return Claim(Reason.OPTIMAL, dual_bound=4.0 if name in ("3x1", "4x1") else 3.0)

    def wait(size):
        whole._waited.add(size)
        whole._floors[size] = whole._floors[size][0], 3.2

    def decide(node):
        decided.append((node.first, node.last, node.bound_s, node.bottleneck_s))
        whole.best, whole.best_s = (2, 1, (0, 0)), 3.1

    whole = search(by_hand(), Context(Parameters()), bottleneck)
    whole._wait, whole._decide = wait, decide
    claim = whole.run()
    assert asked == [("1", math.inf), ("3x1", math.inf), ("2x1", math.inf)]
    assert decided == [(1, 1, 3.0, 3.0)]
    assert (claim.reason, claim.objective, claim.dual_bound) == (Reason.OPTIMAL, 3.1, 3.1)
    assert nodes(whole) == [(1, 0, 0, 3.2), (1, 2, 3, 4.0)]


def test_a_bottleneck_that_is_impossible_ends_its_node():
    """One that is found is enough from a bound on; its pipeline is kept with the number that suits it."""
    whole = search(by_hand(sizes=(1, 2)), Context(Parameters()))
    node = next(node for node in whole._open if node.batch_size == 2)
    whole._open.clear()
    whole._bottleneck = lambda *_: Claim(Reason.INFEASIBLE)
    whole._bound(node)
    assert not whole._open
    whole.best_s = 7.0
    enough = []
    whole._bottleneck = lambda _, s: enough.append(s) or Claim(Reason.LIMIT, (0, 1), dual_bound=-1.0)
    whole._bound(node)
    assert enough == [14.0]
    assert nodes(whole) == [(2, 0, 3, 2.25 / 2)]
    assert whole._open[0].bottleneck_s == 0.0
    assert whole.best == (2, 2, (0, 1))
    assert whole.best_s == 2.25


@pytest.mark.parametrize(("known_s", "floor_s"), [(None, 2.5), (2.0, 2.5), (8.0, 8.0 * (1 - 1e-9))])
@pytest.mark.parametrize(("counts", "passes"), [("request", 4), ("decode", 1), (None, 1)])
def test_round_trips_are_bounded_by_the_least_latency(known_s, floor_s, counts, passes, monkeypatch):
    """Of one token where the request counts all; a part in 1e9 less, as ticks differ; asked once per size."""
    whole = search(by_hand(), Context(Parameters()))
    pipe = whole.instance.at(1)
    request = None if counts is None else SimpleNamespace(counts=counts, new_tokens=4)
    whole.instance = SimpleNamespace(
        at=lambda size, number: SimpleNamespace(request=request, asked=(size, number)), counts=[1, 3]
    )
    bound_s = None if known_s is None else known_s * passes
    told, offered = [], []
    monkeypatch.setattr(
        in_flight, "least_latency",
        lambda asked, _: told.append(asked.asked) or Claim(Reason.LIMIT, (0, 1), dual_bound=bound_s),
    )  # fmt: skip
    whole.offer = lambda *found: offered.append(found)
    whole._wait(1)
    assert (told, whole._waited) == ([(1, 1)], {1})
    assert whole._floors[1] == (1.5, pytest.approx(floor_s, rel=1e-12))
    assert offered == ([] if known_s is None else [(1, (0, 1))])
    assert pipe.request is None


@pytest.mark.parametrize(
    ("claim", "undecided", "best"),
    [
        (Claim(Reason.INFEASIBLE), [], None),
        (Claim(Reason.OPTIMAL, (0, 1), 6.0, 6.0), [2.0], (3, 1, (0, 1))),
        (Claim(Reason.OPTIMAL, (0, 1), 6.0, 12.0), [4.0], (3, 1, (0, 1))),
        (Claim(Reason.OPTIMAL, (0, 1), 6.0), [], (3, 1, (0, 1))),
        (Claim(Reason.LIMIT, None, None, 12.0, "late"), [4.0], None),
        (Claim(Reason.LIMIT, None, None, None, "late"), [2.0], None),
    ],
)
@pytest.mark.parametrize(("limit_s", "best_s", "most_s"), [(None, math.inf, math.inf), (8.0, math.inf, 8.0),
                                                            (None, 2.5, 7.5), (7.0, 2.5, 7.0), (8.0, 2.5, 7.5)])  # fmt: skip
def test_what_one_choice_leaves(claim, undecided, best, limit_s, best_s, most_s, monkeypatch):
    """Three in flight, a node's bound of 2 s: placements are kept, bounds per token; cycles above the best are not asked for."""
    whole = search(by_hand([1, 3], limit_s=9.0 if limit_s is None else limit_s), Context(Parameters()))
    whole.instance = by_hand([1, 3], limit_s=limit_s)
    whole.best_s, asked, kept = best_s, [], []
    monkeypatch.setattr(in_flight, "over_sources", lambda part: asked.append(part.args) or (lambda *_: claim))
    whole._keep = kept.append
    whole._decide(in_flight.Node(2.0, 0, 1, 1, 1, 1.5))
    assert asked == [(3, 1, most_s)]
    assert whole._undecided == undecided
    assert whole._messages == (["late"] if claim.reason is Reason.LIMIT else [])
    assert kept == ([] if best is None else [best])


def test_a_batch_alone_is_solved_to_the_end(monkeypatch):
    """By the strongest method that takes it; for one choice of many, a bound that is enough ends it."""
    asked = []

    def refuse(_):
        raise NotApplicableError("not here")

    def run(_pipe, _part, *, whole, enough_s):
        asked.append((whole, enough_s))
        return Claim(Reason.LIMIT)

    monkeypatch.setattr(batches.types, "guarantee", refuse)
    monkeypatch.setattr(batches.thresholds, "guarantee", lambda _: None)
    monkeypatch.setattr(batches.thresholds, "run", run)
    instance = next(made for made in map(drawn, range(99)) if made.source is not None)
    size, context = instance.batch_sizes[0], Context(Parameters())
    batches._pipeline(instance, size, context)
    batches._least_bottleneck(context, instance.at(size), 3.0)
    assert asked == [(True, math.inf), (False, 3.0)]
