"""Instances that hurt: those on which a solver was wrong, and drawn ones of the same kinds."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from placewise.benchmarks import traps
from placewise.benchmarks.agreement import BOUND_TOLERANCE, ORACLE, judge
from placewise.benchmarks.hunt import hunt, truth_of
from placewise.instances import read
from placewise.models.errors import InstanceError, NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.backends import whole_rows
from placewise.solvers.registry import comparison_methods, default_method, find_method, methods_of
from placewise.solvers.solve import solve

WRONG = Path(__file__).parent.parent / "instances" / "wrong"
#: What enumeration says; None: there is no placement.
OPTIMA_S = {
    "throughput-stages-units": 3.7,
    "throughput-stages-default": 0.004,
    "scip-one-byte": 0.0,
    "cbc-to-the-byte": 5.1,
    "highs-nearly-whole": 4.05,
    "highs-solve-error": None,
    "cbc-false-infeasible": 5.0,
    "cbc-preprocessing": 16.1,
    "cbc-crash": None,
    "highs-restart": 0.4296875,
    "highs-enumeration": 6.8,
}
#: They count sets of devices: 2**22 of them with 23 devices take minutes.
SLOW = {
    (name, method)
    for name in ("throughput-stages-default", "padded-throughput")
    for method in ("algorithm-2", "algorithm-2-repaired")
}
CASES = [
    (name, method)
    for name in OPTIMA_S
    for method, description in methods_of(read(WRONG / f"{name}.json").problem).items()
    if not description.missing and (name, method) not in SLOW
]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_what_was_wrong_is_right(name, method):
    """Every exact method that applies proves the optimum, and no heuristic beats it."""
    instance = read(WRONG / f"{name}.json")
    try:
        exact = find_method(instance.problem, method).guarantee(instance) is Guarantee.EXACT
        result = solve(instance, method, isolate=False)
    except NotApplicableError:
        pytest.skip("does not apply")
    expected = OPTIMA_S[name]
    assert not result.conflicts
    assert result.proven or not exact
    if expected is None:
        assert result.objective is None
    elif exact:
        assert result.objective == pytest.approx(expected, rel=1e-9)
        assert result.dual_bound == pytest.approx(expected, rel=1e-6)
    elif result.objective is not None:
        assert result.objective >= expected * (1 - 1e-9)


@pytest.mark.parametrize("name", OPTIMA_S)
def test_the_default_method_is_right(name):
    """Also where many devices are of no use, so that it need not rest on one solver."""
    instance = read(WRONG / f"{name}.json")
    result = solve(instance, isolate=False)
    assert result.proven
    assert result.objective == (None if OPTIMA_S[name] is None else pytest.approx(OPTIMA_S[name], rel=1e-9))
    if instance.problem == "edgeshard-throughput":
        assert default_method(instance).name == "thresholds"


#: Per kind; what they have in common is tried by `placewise.benchmarks.hunt` on thousands.
DRAWN = 14


@cache
def drawn(kind):
    """Return the first instances whose times any method can compare, with the truth about each."""
    found = []
    for seed in range(3 * DRAWN):
        with suppress(InstanceError):
            trap = traps.KINDS[kind](seed)
            found.append((trap.instance, truth_of(trap)))
    assert len(found) >= DRAWN
    return found[:DRAWN]


PAIRS = [
    (kind, method.name)
    for kind, draw in traps.KINDS.items()
    for method in comparison_methods(draw(0).instance.problem)
    if method.name != ORACLE and not method.missing
    if (kind, method.name) not in SLOW
]


@pytest.mark.parametrize(("kind", "method"), PAIRS)
def test_every_method_on_drawn_traps(kind, method):
    """Memory to the byte, budgets to the least step, ties, useless devices: the optimum exactly, never less."""
    counts = Counter()
    for instance, truth in drawn(kind):
        assert judge(instance, [method], counts, truth, threads=None, tolerance=BOUND_TOLERANCE) == []
    assert counts.total() == DRAWN


def test_traps_are_traps():
    """Single bytes decide: with one byte less on each device, or one more, many answers change."""
    changed = Counter()
    for seed in range(30):
        instance = traps.byte_tight_latency(seed).instance
        truth = solve(instance, ORACLE, isolate=False)
        for change in (-1, 1):
            memory = np.maximum(instance.cluster.memory_bytes + change, 0)
            other = replace(instance, cluster=replace(instance.cluster, memory_bytes=memory))
            changed[change] += solve(other, ORACLE, isolate=False).objective != truth.objective
    assert changed[-1] >= 15
    assert changed[1] >= 5


@pytest.mark.parametrize(
    ("kind", "method"), [("padded-throughput", "thresholds"), ("padded-latency", "labels")]
)
def test_padding_changes_nothing(kind, method):
    """A padded instance has the optimum of its core, whatever its size."""
    sizes = set()
    for seed in range(60):
        trap = traps.KINDS[kind](seed)
        with suppress(InstanceError):
            core, whole = (solve(instance, method, isolate=False) for instance in (trap.core, trap.instance))
            assert core.status is whole.status
            assert whole.objective == (None if core.objective is None else pytest.approx(core.objective))
            sizes.add(trap.instance.cluster.size)
    assert len(sizes) >= 6


def test_the_hunt_finds_a_wrong_row(monkeypatch):
    """A margin that cuts off what fits is noticed, so the hunt is a check that can fail."""
    right = whole_rows.reduced
    monkeypatch.setattr(whole_rows, "reduced", lambda sizes, limit: right(sizes, max(limit - 1, 0)))
    monkeypatch.setattr(whole_rows, "MARGIN_BITS", 60)
    counts = Counter()
    assert hunt("byte-tight-latency", range(12), counts, ["highs"])
    assert counts.total() >= 12
