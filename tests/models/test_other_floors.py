"""Bounds and scales of DILEMMA and head-level placement: by hand, below every placement, and ticks that follow them."""

import dataclasses
import itertools

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.dilemma.cost import _scale_s, delay_costs
from placewise.models.dilemma.cost import floor_s as dilemma_floor_s
from placewise.models.dilemma.data import Dilemma, QuantizableLayer
from placewise.models.head_migration import cost as head_cost
from placewise.models.head_migration.cost import floor_s as heads_floor_s
from placewise.models.head_migration.cost import head_costs
from placewise.models.units import ROUNDING_TOLERANCE, choose_tick
from placewise.solvers import solve


@pytest.mark.parametrize(
    ("problem", "bound_s"), [("dilemma", dilemma_floor_s), ("head-migration", heads_floor_s)]
)
def test_floors_are_below_the_optimum(problem, bound_s):
    """And near it in some cases."""
    near = 0
    for seed in range(12):
        instance = generate(problem, "tiny", seed=seed)
        optimum = solve(instance, "brute-force", isolate=False).objective
        if optimum is not None:
            assert bound_s(instance) <= optimum * (1 + 1e-12)
            near += bound_s(instance) > optimum / 2
    assert near > 1


def test_head_floors_by_loops():
    """At least the quickest head to any projection and the quickest of both blocks, by interval; weighed; no optimum is below."""
    for seed in range(12):
        instance = dataclasses.replace(
            generate("head-migration", "tiny", seed=seed), policy="lookahead", tokens_per_interval=3
        )
        costs, total = head_costs(instance), 0.0
        pairs = list(itertools.product(range(instance.cluster.size), repeat=2))
        for t in range(instance.intervals):
            total += min(costs.slope_s[t, j, q] + costs.fixed_s[t, j, q] for j, q in pairs)
            total += min(costs.after_s[t, q, r] for q, r in pairs)
        floor_s = heads_floor_s(instance)
        assert floor_s >= 3 * total * (1 - 1e-12)
        best = solve(instance, "brute-force", isolate=False).objective
        assert best is None or floor_s <= best * (1 + 1e-12)


def test_where_devices_are_many_one_head_stands_for_all(monkeypatch):
    """The quickest to each projection, with what follows that at the least."""
    monkeypatch.setattr(head_cost, "LARGEST_FLOOR", 0)
    fixed = 0
    for seed in range(12):
        instance = generate("head-migration", "tiny", seed=seed)
        costs, total, size = head_costs(instance), 0.0, range(instance.cluster.size)
        for t in range(instance.intervals):
            total += min(
                min(costs.slope_s[t, j, q] + costs.fixed_s[t, j, q] for j in size) + min(costs.after_s[t, q])
                for q in size
            )
        assert heads_floor_s(instance) == pytest.approx(costs.weight * total, rel=1e-12)
        fixed += costs.fixed_s.max() > 0
    assert fixed > 6


def test_links_of_a_byte_per_second_are_links():
    """And those of none are not, also for messages of nothing."""
    instance = generate("head-migration", "tiny", seed=1, kind="equal")
    rates = np.ones_like(instance.bandwidth_bytes_per_s)
    rates[:, 0, 1] = 0.0
    found = head_costs(dataclasses.replace(instance, bandwidth_bytes_per_s=rates))
    assert np.isinf(found.move_s[:, :, 0, 1]).all()
    assert np.isfinite(found.move_s[:, :, 1, 0]).all()
    assert np.isinf(found.message_s[:, :, 0, 1]).all()
    assert np.isfinite(found.message_s[:, :, 1, 0]).all()
    assert not np.isnan(found.slope_s).any()


@pytest.mark.parametrize("tokens", [1, 2**10, 2**20, 2**27])
def test_ticks_count_the_roundings_of_all_tokens(tokens):
    """Up to 2**28 of them: together at most the tolerance, and a tick twice or four times as coarse is more."""
    instance = dataclasses.replace(
        generate("head-migration", "tiny", seed=2), policy="lookahead", tokens_per_interval=tokens
    )
    tables, heads, count = head_costs(instance), instance.transformer.units, instance.intervals
    least_s = tokens * sum(tables.after_s[t].min() + tables.slope_s[t].min() for t in range(count))
    entries = min(count * ((heads + 4) * tokens + heads + 2), 2**28)
    assert tables.tick_s * entries <= ROUNDING_TOLERANCE * least_s * (1 + 1e-9)
    if entries > 2**18:
        assert 4 * tables.tick_s * entries > ROUNDING_TOLERANCE * least_s


def case(*, flops=(8.0, 16.0, 4.0), rate=4.0, memory=(12, 20, 6), speed=(1.0, 2.0, 4.0), **options):
    """Return three layers on three servers in 8 or 16 bits; elements of 4, 8 and 4."""
    links = np.full((3, 3), rate) if np.isscalar(rate) else np.array(rate, dtype=float)
    cluster = Cluster(("a", "b", "c"), np.array(memory), links, np.zeros((3, 3)), np.array(speed))
    layers = tuple(
        QuantizableLayer(f"l{i}", flops[i], size, elements, 16)
        for i, (size, elements) in enumerate(((6, 4.0), (8, 8.0), (10, 4.0)))
    )
    error = np.array([[0.5, 0.0], [0.75, 0.5], [1.0, 0.25]])
    return Dilemma(cluster, layers, (8, 16), quantization_error=error, **options)


def test_dilemma_floors_by_hand():
    """Half of 8, 16 and 4 FLOP on the server of 4 FLOP/s, or all of one where only 16 bits are admissible."""
    assert dilemma_floor_s(case()) == 1.0 + 2.0 + 0.5
    assert dilemma_floor_s(case(max_error=0.8)) == 1.0 + 2.0 + 1.0
    assert dilemma_floor_s(case(max_error=0.3)) == 2.0 + 1.0  # no width of the middle one is


def scale_of(instance):
    """Return the scale of an instance, from its tables."""
    costs = delay_costs(instance)
    usable = costs.admissible[:, None, :] & (costs.storage[:, None, :] <= costs.capacity[None, :, None])
    links_s = costs.messages_s[np.unique(costs.message[:-1])]
    return _scale_s(instance, usable, costs.compute_s, links_s, costs.storage, costs.capacity)


def test_dilemma_scales_by_hand():
    """The least time within which linked servers hold all layers: of a layer, or of a message of 4 bytes in 8 bits."""
    none = (0.0, 0.0, 0.0)
    assert scale_of(case(memory=(24, 24, 24))) == 2.0  # the middle layer on the quickest server
    assert scale_of(case(memory=(24, 24, 0))) == 4.0
    assert scale_of(case(memory=(24, 0, 0))) == 8.0
    assert scale_of(case(flops=none, memory=(24, 0, 0))) == 0.0
    assert scale_of(case(flops=none, memory=(23, 23, 0))) == 1.0  # 24 bytes on two servers, by 4 bytes/s
    assert scale_of(case(flops=none, memory=(23, 5, 0))) is None  # no layer fits b
    assert scale_of(case(flops=none, memory=(18, 6, 0))) == 1.0
    assert scale_of(case(flops=none, memory=(23, 0, 0))) is None
    assert scale_of(case(flops=none, memory=(9, 9, 9))) is None  # the last layer has 10
    assert scale_of(case(flops=none, memory=(10, 10, 3))) is None
    assert scale_of(case(flops=none, memory=(24, 24, 24), max_error=0.1)) is None
    # One slow way between a and b, either direction; a faster one by c that holds no layer is none without it.
    links = [[0, 0.5, 0], [0, 0, 0], [0, 0, 0]]
    assert scale_of(case(flops=none, memory=(12, 12, 0), rate=links)) == 8.0
    assert scale_of(case(flops=none, memory=(12, 12, 0), rate=np.transpose(links))) == 8.0
    assert scale_of(case(flops=none, memory=(12, 0, 12), rate=links)) is None
    # As printed a server has one unit: three layers need three servers, and hops between widths are free.
    printed = {"mode": "as-printed", "flops": none}
    assert scale_of(case(memory=(24, 24, 24), **printed)) == 0.0
    assert scale_of(case(memory=(24, 24, 5), **printed)) is None
    assert scale_of(case(memory=(24, 24, 24), mode="as-printed", rate=links)) is None


def test_dilemma_without_a_scale_keeps_its_least_time():
    """All for nothing on one server: messages of 4 and 8 bytes at 4 bytes/s, or a layer elsewhere, whichever is less."""
    instance = case(flops=(0.0, 0.0, 0.0), memory=(24, 24, 24), rate=8.0)
    assert delay_costs(instance).tick_s == choose_tick(0.5, 1.0 + 2.0, 1)
    assert delay_costs(dataclasses.replace(instance, tokens=2)).tick_s == choose_tick(1.0, 2.0 + 4.0, 1)


@pytest.mark.parametrize("power", range(20, 80, 1))
def test_dilemma_ticks_count_two_roundings_a_layer(power):
    """However slow a link is: three layers with their messages in 3.5 s at the least, which six roundings keep."""
    rate = np.full((3, 3), 4.0)
    rate[0, 1] = 2.0**-power
    costs = delay_costs(case(rate=rate, memory=(24, 24, 24)))
    assert costs.tick_s * 6 <= ROUNDING_TOLERANCE * 3.5 * (1 + 1e-9)
