"""CP-SAT's whole numbers: exact where they fit, else coarse with a bound that says so; never too large for it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewise.instances import shipped_instances
from placewise.instances.files import read
from placewise.instances.generators import generate
from placewise.models.dilemma.cpsat import delay_tables
from placewise.models.edgeshard.cpsat import latency_run_length
from placewise.models.edgeshard.memory import units_that_fit
from placewise.models.edgeshard.pipeline_cpsat import throughput_run_length, throughput_stages
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.head_migration.cpsat import count_model
from placewise.models.units import MAX_BYTES
from placewise.models.whole_times import SUM_BITS, whole_times
from placewise.solvers.backends.cpsat import solve_cp
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.solve import solve

MODELS = {
    "edgeshard-latency": {"run-length": latency_run_length},
    "edgeshard-throughput": {"run-length": throughput_run_length, "stages": throughput_stages},
    "dilemma": {"tables": delay_tables},
    "head-migration": {"counts-cp": count_model},
}
PAIRS = [(problem, method) for problem, builds in MODELS.items() for method in builds]


@given(st.floats(1e-9, 1e15), st.integers(-60, 0), st.floats(0, 1e15))
def test_units_round_down_and_sums_fit(total_s, exponent, time_s):
    """A time in units is at most the time, by less than a unit, and the sum has no more bits than promised."""
    tick_s = 2.0**exponent
    time_s = min(math.floor(time_s / tick_s), 2**60) * tick_s
    times = whole_times(tick_s, total_s)
    assert times.exact == (times.ticks == 1)
    assert times.of(total_s).bit_length() <= SUM_BITS
    below = times.of(time_s) * times.ticks * tick_s
    assert below <= time_s
    assert int(time_s / tick_s) - times.of(time_s) * times.ticks < times.ticks


def test_units_are_common_divisors():
    """What divides all times is a unit, so that bounds move in its steps."""
    table = np.array([[12.0, np.inf], [18.0, 30.0]])
    times = whole_times(1.0, 60.0, (table,))
    assert (times.ticks, times.exact, times.of(18.0)) == (6, True, 3)


@pytest.mark.parametrize("name", shipped_instances())
def test_shipped_instances_are_exact(name):
    """No shipped instance needs coarse units."""
    instance = read(name)
    for build in MODELS.get(instance.problem, {}).values():
        try:
            model = build(instance)
        except NotApplicableError:
            continue
        assert model.times.exact
        assert model.cp_model.validate() == ""


def stretched(problem, seed):
    """Return a tiny instance with a device, a link or a layer that is out of all proportion."""
    draw = np.random.default_rng(seed)
    kind = "equal" if problem.startswith("edgeshard") else "mixed"
    instance = generate(problem, "tiny", seed=seed, kind=kind)
    if problem == "head-migration":
        rates = instance.bandwidth_bytes_per_s * 10.0 ** draw.integers(
            -9, 3, instance.bandwidth_bytes_per_s.shape
        )
        return replace(instance, bandwidth_bytes_per_s=rates)
    cluster, size = instance.cluster, instance.cluster.size
    rates = cluster.bandwidth_bytes_per_s * 10.0 ** draw.integers(-9, 3, (size, size))
    memory = np.where(draw.random(size) < 0.3, MAX_BYTES, cluster.memory_bytes)
    cluster = replace(cluster, bandwidth_bytes_per_s=rates, memory_bytes=memory)
    if problem == "dilemma":
        flops = cluster.flops_per_s * 10.0 ** draw.integers(-5, 5, size)
        return replace(instance, cluster=replace(cluster, flops_per_s=flops))
    spread = 10.0 ** draw.integers(-5, 5, size)
    layers = [
        replace(layer, memory_bytes=MAX_BYTES - i) if draw.random() < 0.1 else layer
        for i, layer in enumerate(instance.layers)
    ]
    layers[2:-1] = [replace(layers[1], name=layer.name) for layer in layers[2:-1]]
    return replace(
        instance, cluster=cluster, layers=tuple(layers), compute_time_s=instance.compute_time_s * spread
    )


@pytest.mark.parametrize(("problem", "method"), PAIRS)
def test_models_are_never_invalid(problem, method):
    """Also where times span a factor of 2**60 and memory is in petabytes; the answer is right, to the tolerance."""
    coarse = accepted = 0
    for seed in range(40):
        try:
            instance = stretched(problem, seed)
            model = MODELS[problem][method](instance)
            truth = solve(instance, "brute-force", isolate=False)
        except (InstanceError, NotApplicableError):
            continue
        accepted += 1
        coarse += not model.times.exact
        assert model.cp_model.validate() == "", seed
        result = solve(instance, method, isolate=False)
        assert not result.conflicts, (seed, result.conflicts)
        if result.guarantee.value != "exact":
            continue
        if truth.objective is None:
            assert result.status is Status.INFEASIBLE, seed
        else:
            assert result.status is Status.OPTIMAL, (seed, result)
            assert result.objective == pytest.approx(truth.objective, rel=1e-6), seed
            assert result.dual_bound <= truth.objective * (1 + 1e-12), seed
    assert accepted >= 15
    assert coarse >= 1


@pytest.mark.parametrize(("problem", "method"), PAIRS)
def test_a_cap_keeps_what_costs_no_more(problem, method):
    """With the optimum as the cap the optimum is the same; a little below it there is nothing."""
    tried = 0
    for seed in range(20):
        instance = generate(problem, "tiny", seed=seed, kind="equal")
        first = solve(instance, method, isolate=False)
        if first.status is not Status.OPTIMAL or not first.objective:
            continue
        tried += 1
        for cap_s, within in ((first.objective, True), (first.objective * 0.999, False)):
            capped = MODELS[problem][method](instance, cap_s)
            found = solve_cp(capped.cp_model, Parameters(), 30.0, lambda _: None, lambda _: None)
            if within:
                assert found.dual_bound * capped.times.unit_s == pytest.approx(first.objective, rel=1e-9)
            elif found.found:  # it need not, but may have what costs more
                assert found.dual_bound * capped.times.unit_s > cap_s
    assert tried >= 5


@pytest.mark.parametrize(
    ("space", "size", "most", "fits"),
    [
        (-1, 3, 5, -1),
        (0, 3, 5, 0),
        (8, 3, 5, 2),
        (9, 3, 5, 3),
        (100, 3, 5, 5),
        (0, 0, 5, 5),
        (2**50, 0, 0, 0),
    ],
)
def test_units_that_fit(space, size, most, fits):
    """Whole layers, none of no size too many, and no layer where even nothing does not fit."""
    assert units_that_fit(space, size, most) == fits
