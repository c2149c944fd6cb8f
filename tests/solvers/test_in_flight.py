"""Micro-batches in flight: every method against brute force, and the parts of the search."""

import dataclasses
from collections import Counter
from functools import partial

import pytest

from placewise.benchmarks.agreement import judge
from placewise.instances.generators import generate
from placewise.models.registry import problem_of
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
