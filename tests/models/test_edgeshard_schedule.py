"""Pipelines at work: Fig. 5 by hand, and laws that every schedule obeys."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import edgeshard_instances

from placewise.instances import read
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardThroughput, evaluate_throughput, simulate
from placewise.models.errors import PlacewiseError
from placewise.models.workload import Layer
from placewise.solvers import solve


@pytest.fixture
def figure_5():
    """Four devices, a stage of 1 s each, messages in no time."""
    return EdgeShardThroughput(
        name="figure-5",
        cluster=Cluster(tuple("abcd"), np.ones(4), np.full((4, 4), 1.0), np.zeros((4, 4))),
        layers=tuple(Layer(f"stage-{i}", 1, 0.0) for i in range(4)),
        compute_time_s=np.ones((4, 4)),
        source=0,
    )


def test_no_bubbles_as_in_figure_5b(figure_5):
    """Four micro-batches keep four stages busy: 4 s per iteration, and 3 s until the last stage is through."""
    schedule = simulate(figure_5, (0, 1, 2, 3), micro_batches=4, tokens=5, prompt_tokens=1)
    assert schedule.makespan_s == 4 * 5 + 3
    starts = [task.start_s for task in schedule.tasks if task.resource == "a"]
    assert starts == list(range(20))


def test_bubbles_as_in_figure_5a(figure_5):
    """Each iteration waits for all: 7 s, of which the first device computes 4 s."""
    schedule = simulate(
        figure_5, (0, 1, 2, 3), micro_batches=4, tokens=5, prompt_tokens=1, strategy="bubbles"
    )
    assert schedule.makespan_s == 7 * 5
    assert schedule.busy("a") == 4 / 7
    assert schedule.tokens_per_s == 20 / 35


def test_a_prompt_takes_its_tokens_times_as_long(figure_5):
    """Without peak rates a prompt is computed token by token, and sends as much."""
    schedule = simulate(figure_5, (0, 1, 2, 3), micro_batches=1, tokens=2, prompt_tokens=10)
    assert schedule.makespan_s == 4 * 10 + 4


def test_a_prompt_reads_the_weights_once():
    """By the roofline, 32 tokens at once take what the weights take to read; 3,200 tokens take what they compute."""
    instance = read("llama2-7b-testbed-throughput")
    placement = solve(instance, isolate=False).placement

    def compute_s(prompt_tokens):
        schedule = simulate(instance, placement, micro_batches=1, tokens=1, prompt_tokens=prompt_tokens)
        return sum(task.end_s - task.start_s for task in schedule.tasks if "->" not in task.resource)

    assert compute_s(32) == pytest.approx(compute_s(1))
    assert compute_s(3200) == pytest.approx(2 * compute_s(1600))
    assert compute_s(3200) > 10 * compute_s(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "magic"}, "expected one of no-bubbles, bubbles, found 'magic'"),
        ({"tokens": 0}, "tokens: expected at least 1, found 0"),
        ({"placement": (0, 1, 1, 1)}, "not a pipeline: b needs 3 bytes"),
    ],
)
def test_misuse_is_refused(figure_5, options, message):
    """With one line."""
    placement = options.pop("placement", (0, 1, 2, 3))
    with pytest.raises(PlacewiseError, match=message):
        simulate(figure_5, placement, **options)


@given(edgeshard_instances(), st.integers(1, 5), st.integers(1, 4))
def test_laws(instance, micro_batches, tokens):
    """Waiting never helps, resources serve one at a time, and no schedule beats its bottleneck."""
    drawn = EdgeShardThroughput.of(instance)
    result = solve(drawn, "brute-force", isolate=False)
    assume(result.placement is not None)
    run = {
        strategy: simulate(
            drawn,
            result.placement,
            micro_batches=micro_batches,
            tokens=tokens,
            prompt_tokens=1,
            strategy=strategy,
        )
        for strategy in ("no-bubbles", "bubbles")
    }
    assert run["no-bubbles"].makespan_s <= run["bubbles"].makespan_s
    bottleneck_s = evaluate_throughput(drawn, result.placement).objective
    assert run["no-bubbles"].makespan_s >= micro_batches * tokens * bottleneck_s
    for schedule in run.values():
        for resource in {task.resource for task in schedule.tasks}:
            used = [task for task in schedule.tasks if task.resource == resource]
            assert all(first.end_s <= second.start_s for first, second in pairwise(used))


def test_enough_micro_batches_reach_the_bottleneck():
    """On the testbed 16 micro-batches come within a few percent of one token per bottleneck time."""
    instance = read("llama2-13b-testbed-throughput")
    result = solve(instance, isolate=False)
    schedule = simulate(instance, result.placement, micro_batches=40, tokens=40, prompt_tokens=1)
    assert schedule.tokens_per_s > 0.95 / result.objective
