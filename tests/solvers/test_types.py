"""Counts per type of device: against enumeration, beside other methods, and on PipeEdge's boards."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.benchmarks.pipeedge import SIZES, shipped_plan
from placewise.instances.generators import generate
from placewise.models.edgeshard import evaluate_throughput
from placewise.models.edgeshard.cost import bottleneck_values_s
from placewise.models.edgeshard.kinds import device_types
from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard import counts, types
from placewise.solvers.edgeshard.counts import Counts
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.registry import default_method

#: By model and boards of each type, seconds.
PROVEN_S = dict(
    zip(
        SIZES,
        [1.548760, 0.800788, 0.713768, 0.641492, 0.543219, 0.507700, 2.573220, 1.381982, 0.884857],
        strict=True,
    )
)


def pipelines(instance):
    """Return the bottleneck of every pipeline."""
    rest = product(range(instance.cluster.size), repeat=len(instance.layers) - 1)
    for placement in ((instance.source, *devices) for devices in rest):
        evaluation = evaluate_throughput(instance, placement)
        if evaluation.feasible:
            yield evaluation.objective


def test_every_threshold_is_decided_as_by_enumeration():
    """Feasible where some pipeline is."""
    feasible = 0
    for seed in range(60):
        instance = generate("edgeshard-throughput", "alike", seed=seed)
        every, table = list(pipelines(instance)), Counts(instance)
        feasible += bool(every)
        for threshold_s in (*bottleneck_values_s(instance)[::3].tolist(), np.inf):
            allowed, found = min(every, default=np.inf) <= threshold_s < np.inf, table.within(threshold_s)
            allowed = allowed or (bool(every) and threshold_s == np.inf)
            assert (found is None) == (not allowed), (seed, threshold_s)
            if found is not None:
                assert evaluate_throughput(instance, found).objective <= threshold_s
    assert feasible >= 30


def test_other_methods_agree():
    """Thresholds, CP-SAT from a rough start, and HiGHS beside types, on devices alike and almost alike."""
    told = Counter()
    for seed in range(100, 112):
        instance = generate("edgeshard-throughput", "alike", seed=seed)
        assert judge(instance, ["types", "thresholds", "stages"], told) == []
    assert told["types", "exact: optimal"] >= 4


def test_types_are_what_may_be_exchanged():
    """The relation is that of exchanges in the tables, pair by pair, and one link parts two devices."""
    instance = generate("edgeshard-throughput", "pipeedge", seed=1, minnowboards=3, rccs=2)
    assert device_types(instance) == [[1, 2, 3], [4, 5]]
    cluster = instance.cluster
    bandwidth = cluster.bandwidth_bytes_per_s.copy()
    bandwidth[1, 4] /= 2
    changed = type(cluster)(cluster.device_names, cluster.memory_bytes, bandwidth)
    one_link = type(instance)(
        changed, instance.layers, source=0, compute_time_s=instance.compute_time_s, name="one-link"
    )
    assert device_types(one_link) == [[1], [2, 3], [4], [5]]


@pytest.mark.parametrize(("model", "first", "second"), SIZES)
def test_pipeedge_is_proven(model, first, second):
    """The bottleneck, with its bound, by the method that is the default there."""
    instance = generate(
        "edgeshard-throughput", "pipeedge", seed=1, model=model, minnowboards=first, rccs=second
    )
    assert default_method(instance).name == "types"
    claim = types.run(instance, Context(Parameters()))
    assert claim.reason is Reason.OPTIMAL
    assert claim.objective == pytest.approx(PROVEN_S[model, first, second], abs=5e-7)
    assert claim.dual_bound == claim.objective
    assert evaluate_throughput(instance, claim.placement).objective == claim.objective


def test_pipeedge_as_shipped_reads_one_type_for_all():
    """Its plan is a pipeline, and what it loses to the optimum is what the index costs."""
    instance = generate("edgeshard-throughput", "pipeedge", seed=1)
    plan = evaluate_throughput(instance, shipped_plan(instance, (4, 4)))
    assert plan.feasible
    assert plan.objective / PROVEN_S["vit-base", 4, 4] == pytest.approx(1.115, abs=1e-3)


def test_what_has_no_types_is_refused(monkeypatch):
    """Where no two devices are alike, and where types are too many for a table."""
    with pytest.raises(NotApplicableError, match="alike"):
        types.guarantee(generate("edgeshard-throughput", "testbed", seed=1, devices=8))
    monkeypatch.setattr(counts, "LARGEST_COUNT", 2449)
    with pytest.raises(NotApplicableError, match="49 layers on 8 devices of 2 types are 2e"):
        types.guarantee(generate("edgeshard-throughput", "pipeedge", seed=1))


def test_the_time_limit_ends_with_bound_and_incumbent():
    """What has been refuted is the bound."""
    instance = generate("edgeshard-throughput", "pipeedge", seed=1, minnowboards=8, rccs=8)
    context = Context(Parameters(time_limit=1e-9))
    claim = types.run(instance, context)
    assert claim.reason is Reason.LIMIT
    assert evaluate_throughput(instance, claim.placement).feasible
