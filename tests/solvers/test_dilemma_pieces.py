"""Pieces of DILEMMA's labels against enumeration: priced paths and knapsacks, completions, passes of any width."""

import itertools
import math
from functools import cache

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.solvers import solve
from placewise.solvers.dilemma import beam, decomposition, labels
from placewise.solvers.dilemma import search as searches
from placewise.solvers.dilemma.ascent import climb, climb_storage
from placewise.solvers.dilemma.beam import Beam
from placewise.solvers.dilemma.decomposition import Decomposition, Prices
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


@cache
def tiny(seed, **options):
    instance = generate("dilemma", "tiny", seed=seed, **options)
    return instance, solve(instance, "brute-force", isolate=False).objective


def prices_of(model, seed):
    """Return dyadic prices, so that sums are exact."""
    draw = np.random.default_rng(seed)
    choice = draw.integers(-8, 9, model.compute_s.shape) / 16
    return Prices(choice, float(draw.integers(0, 4)) / 1024 if model.budget else 0.0)


def sequences(model):
    """Yield all servers and widths that are usable, layer by layer."""
    usable = np.isfinite(model.compute_s)
    choices = [[(int(i), int(b)) for i, b in np.argwhere(usable[layer])] for layer in range(model.count)]
    return itertools.product(*choices)


def hop_s(model, layer, one, other):
    (k, width), (j, following) = one, other
    if k == j:
        return 0.0
    time_s = model.transfer_s[layer, width, k, j]
    return 0.0 if model.printed and width != following and np.isfinite(time_s) else time_s


def path_cost(model, priced_s, path, visit_s=None, room=None):
    """Return the cost of a path each of whose runs fits its server alone, or the given room; infinite elsewhere."""
    visit_s = np.zeros(model.servers) if visit_s is None else visit_s
    room = model.space if room is None else room
    total, used = visit_s[path[0][0]], 0
    for layer, (server, width) in enumerate(path):
        total += priced_s[layer, server, width]
        if layer and path[layer - 1][0] != server:
            total += hop_s(model, layer - 1, path[layer - 1], path[layer]) + visit_s[server]
            used = 0
        used += model.size[layer, width]
        if used > room[server]:
            return math.inf
    return total


def packing_cost(model, prices_s, server):
    """Return the least sum of prices of layers and widths that fit a server, none of them included."""
    best = 0.0
    options = [[None, *np.flatnonzero(model.allowed[layer]).tolist()] for layer in range(model.count)]
    for chosen in itertools.product(*options):
        taken = [(layer, width) for layer, width in enumerate(chosen) if width is not None]
        if sum(model.size[layer, width] for layer, width in taken) <= model.space[server]:
            best = min(best, sum(prices_s[layer, server, width] for layer, width in taken))
    return best


@pytest.mark.parametrize("levels", [256, 3])
def test_bounds_by_enumeration(levels, monkeypatch):
    """The least path and the least knapsacks, with all prices; the 0/1 arrays attain them."""
    monkeypatch.setattr(decomposition, "LARGEST_UNITS", levels)
    finite = 0
    for seed in range(24):
        instance, _ = tiny(seed)
        model = Decomposition(instance)
        if (model.servers * model.widths) ** model.count > 1500:
            continue
        prices = prices_of(model, seed)
        tables, path, packed = model.solve(prices)
        priced = model.compute_s + prices.error_s * model.error[:, None, :] - prices.choice_s
        least = min((path_cost(model, priced, found) for found in sequences(model)), default=math.inf)
        packings = [packing_cost(model, prices.choice_s, server) for server in range(model.servers)]
        spent = prices.error_s * model.budget if model.budget is not None else 0.0
        if math.isinf(least):
            assert tables.bound_s == math.inf
            continue
        finite += 1
        assert not tables.knapsack_s[-1].any()  # after the last layer nothing is paid
        assert tables.bound_s == pytest.approx(least + sum(packings) - spent, abs=1e-9)
        found = [divmod(int(path[layer].argmax()), model.widths) for layer in range(model.count)]
        assert path.sum() == model.count
        assert path_cost(model, priced, found) == pytest.approx(least, abs=1e-9)
        for server in range(model.servers):
            assert (prices.choice_s * packed)[:, server].sum() == pytest.approx(packings[server], abs=1e-9)
            assert (packed[:, server] * model.size).sum() <= model.space[server]
            assert (packed[:, server].sum(axis=1) <= 1).all()
        if model.budget:
            errors = sum(model.error[layer, width] for layer, (_, width) in enumerate(found))
            assert model.error_excess(path) == pytest.approx((errors - model.budget) / model.budget)
    assert finite > 10


def test_completions_are_bounded():
    """Every feasible placement's delay is at least the bound of each label on its way, at any prices."""
    checked = 0
    for seed in range(20):
        instance, optimum = tiny(seed)
        if optimum is None:
            continue
        model = Decomposition(instance)
        tables = model.solve(prices_of(model, seed))[0]
        search = Beam(model, tables)
        for placement in sequences(model):
            evaluation = evaluate(instance, placement)
            if not evaluation.feasible:
                continue
            checked += 1
            labels_ = search._first(np.inf)
            for layer, (server, width) in enumerate(placement):
                if layer:
                    labels_ = follow(search, labels_, layer)
                rows = np.flatnonzero((labels_.server == server) & (labels_.width == width))
                assert len(rows) == 1
                labels_ = labels_.take(rows)
                assert labels_.bound_s[0] <= evaluation.objective + 1e-9
            assert labels_.delay_s[0] == evaluation.objective
            if model.budget is not None:
                assert labels_.error[0] <= model.budget
            assert (labels_.free >= 0).all()
    assert checked > 100


def follow(search, labels_, layer):
    bound_s, delay_s = search._candidates(labels_, layer)
    chosen = np.flatnonzero(np.isfinite(bound_s.ravel()))
    return search._children(labels_, layer, chosen, bound_s, delay_s, np.zeros(len(chosen), dtype=np.int64))


@pytest.mark.parametrize("width", [1, 2, 5, 10_000])
@pytest.mark.parametrize("chunk", [1, 2_000_000])
def test_passes_of_any_width_state_what_they_dropped(width, chunk, monkeypatch):
    """The better of what was found and the least bound dropped is below the optimum; nothing dropped is a proof."""
    monkeypatch.setattr(beam, "CHUNK", chunk)
    dropped = 0
    for seed in range(40):
        instance, optimum = tiny(seed)
        model = Decomposition(instance)
        best = math.inf if optimum is None else optimum
        tables = model.solve(model.no_prices())[0]
        delay_s, placement, dropped_s = Beam(model, tables).run(width, np.inf, lambda: False)
        assert min(delay_s, dropped_s) <= best + 1e-9
        if placement is not None:
            assert evaluate(instance, placement).feasible
            assert evaluate(instance, placement).objective == delay_s
        if dropped_s == np.inf:
            assert delay_s == best
        dropped += dropped_s < np.inf
        # Below the optimum there is nothing to find, and just above it the optimum.
        if optimum:
            assert Beam(model, tables).run(10_000, optimum, lambda: False)[1] is None
            assert Beam(model, tables).run(10_000, optimum * 1.001, lambda: False)[0] == optimum
    assert (dropped > 0) is (width < 10_000)


def test_a_pass_that_is_stopped_says_nothing_or_what_it_left():
    """Before a layer it returns nothing; within one, what is not expanded counts as dropped."""
    for seed in range(20):
        instance, optimum = tiny(seed)
        model = Decomposition(instance)
        tables = model.solve(model.no_prices())[0]
        for looks in range(4):
            left = iter([False] * looks)
            found = Beam(model, tables).run(10_000, np.inf, lambda left=left: next(left, True))
            if found is not None and optimum is not None:
                assert min(found[0], found[2]) <= optimum + 1e-9


def test_equal_states_keep_the_better_label():
    """Of two labels alike in server, width and storage the one with less delay and no more error stays."""
    instance, _ = tiny(0)
    search = Beam(
        Decomposition(instance), Decomposition(instance).solve(Decomposition(instance).no_prices())[0]
    )
    rows = [  # server, width, free of two servers, error, delay
        (0, 0, (5, 5), 3, 2.0),
        (0, 0, (5, 5), 3, 1.0),  # less delay: the first one goes
        (0, 0, (5, 5), 1, 2.5),  # less error: stays
        (0, 0, (5, 5), 1, 2.5),  # the same again: goes
        (1, 0, (5, 5), 3, 2.0),
        (0, 1, (5, 5), 3, 2.0),
        (0, 0, (5, 4), 3, 2.0),
    ]
    search.salt = np.array([3, 5])
    table = beam.Labels(
        *(np.array(column) for column in zip(*[(*row[:2], row[2], row[3], row[4], row[4], n) for n, row in enumerate(rows)], strict=True))
    )  # fmt: skip
    kept = search._undominated(table)
    assert sorted(kept.parent.tolist()) in ([1, 2, 4, 5, 6], [1, 3, 4, 5, 6])
    search.salt = np.array([1, 1])  # codes that collide: (5, 4) and (4, 5) are kept apart all the same
    pair = beam.Labels(
        np.array([0, 0]), np.array([0, 0]), np.array([[5, 4], [4, 5]]), np.array([3, 3]), np.array([1.0, 2.0]),
        np.array([1.0, 2.0]), np.array([0, 1]),
    )  # fmt: skip
    assert len(search._undominated(pair)) == 2


def test_climbs_raise_the_bound():
    """Never below where they start, below the optimum, and near it on average."""
    ratios = []
    for seed in range(25):
        instance, optimum = tiny(seed)
        if not optimum:
            continue
        model = Decomposition(instance)
        start = model.solve(model.no_prices())[0].bound_s
        prices = climb_storage(model, optimum, lambda: False, 200)
        tables, found = climb(model, prices, optimum, lambda: False, 200)
        assert tables.bound_s <= optimum + 1e-9
        assert tables.bound_s == model.solve(found)[0].bound_s >= model.solve(prices)[0].bound_s
        assert found.error_s >= 0
        ratios.append(max(tables.bound_s, start) / optimum)
    assert sum(ratios) / len(ratios) > 0.97


@pytest.mark.parametrize("threads", [1, 2])
def test_labels_with_passes_of_one_label(threads, monkeypatch):
    """Where passes end at once HiGHS takes over; together they prove the same optima."""
    monkeypatch.setattr(searches, "FIRST_WIDTH", 1)
    monkeypatch.setattr(searches, "LARGEST_WIDTH", 1)
    for seed in range(5):
        instance, optimum = tiny(seed)
        claim = labels.run(instance, Context(Parameters(threads=threads, relative_gap=0.0)))
        if optimum is None:
            assert claim.reason is Reason.INFEASIBLE
        else:
            assert evaluate(instance, claim.placement).objective == claim.objective
            assert claim.objective == pytest.approx(optimum)
            assert claim.dual_bound <= optimum * (1 + 1e-9)
            closed = claim.dual_bound >= claim.objective * (1 - 1e-9)
            assert (claim.reason is Reason.OPTIMAL) == closed


def test_a_first_layer_that_fits_nowhere_has_no_path():
    """Though the others do; nor has the only one."""
    for seed in range(40):
        model = Decomposition(tiny(seed)[0])
        tables, path, _ = model.solve(model.no_prices())
        if not math.isfinite(tables.bound_s):
            continue
        for layer in range(model.count):
            priced = np.where(np.isfinite(model.compute_s), model.compute_s, np.inf)
            priced[layer] = np.inf
            *_, cost_s, path = model.path(priced)
            assert cost_s == math.inf
            assert not path.any()


def test_paths_pay_for_visits_within_their_room():
    """Each run on a server its price, also below 0, in what is left of the server, by enumeration."""
    finite, narrow = 0, 0
    for seed in range(24):
        model, draw = Decomposition(tiny(seed)[0]), np.random.default_rng(seed)
        if (model.servers * model.widths) ** model.count > 1500:
            continue
        priced = model.compute_s - prices_of(model, seed).choice_s
        visit_s = draw.integers(-8, 9, model.servers) / 8
        room = draw.integers(model.space // 2, model.space + 1)
        expected = min(
            (path_cost(model, priced, one, visit_s, room) for one in sequences(model)), default=math.inf
        )
        *_, cost_s, path = model.path(priced, visit_s, room)
        assert cost_s == pytest.approx(expected, abs=1e-9)
        if math.isfinite(expected):
            found = [divmod(int(path[layer].argmax()), model.widths) for layer in range(model.count)]
            assert path_cost(model, priced, found, visit_s, room) == pytest.approx(expected, abs=1e-9)
        finite += math.isfinite(expected)
        narrow += math.isinf(expected)
    assert finite > 8
    assert narrow > 0
