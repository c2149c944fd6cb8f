"""One step of DILEMMA's passes at a time: each label's bound by enumeration, what is kept, dropped and stopped."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.solvers.dilemma import beam
from placewise.solvers.dilemma.beam import LEAST_GAIN, Beam, Labels
from placewise.solvers.dilemma.decomposition import Decomposition, Prices


def never():
    return False


def searches(seeds, most=700):
    """Yield decompositions of tiny instances with random dyadic prices and the passes at these."""
    for seed in seeds:
        model = Decomposition(generate("dilemma", "tiny", seed=seed))
        if (model.servers * model.widths) ** model.count > most:
            continue
        draw = np.random.default_rng(seed)
        prices = Prices(
            draw.integers(-8, 9, model.compute_s.shape) / 16,
            float(draw.integers(1, 4)) / 1024 if model.budget else 0.0,
        )
        yield model, prices, Beam(model, model.solve(prices)[0])


def all_first(search):
    return search._first(np.inf)


def least_rest(model, prices, layer, server, width, left):
    """Return the least priced cost of the layers after one, its run going on in what is left, later ones in all."""
    best = math.inf
    usable = [
        [(int(i), int(b)) for i, b in np.argwhere(np.isfinite(model.compute_s[later]))]
        for later in range(layer + 1, model.count)
    ]
    for rest in itertools.product(*usable):
        total, at, room = 0.0, (server, width), left
        for later, (j, b) in enumerate(rest, layer + 1):
            if j != at[0]:
                hop_s = model.transfer_s[later - 1, at[1], at[0], j]
                total += 0.0 if model.printed and at[1] != b and np.isfinite(hop_s) else hop_s
                room = model.space[j]
            room -= model.size[later, b]
            total += model.compute_s[later, j, b] + prices.error_s * model.error[later, b]
            total -= prices.choice_s[later, j, b]
            if room < 0:
                total = math.inf
            at = (j, b)
        best = min(best, total)
    return best


def least_packing(model, prices, first, server, left):
    """Return the least sum of prices on a server of layers from one on that fit what is left."""
    best = 0.0
    options = [[None, *np.flatnonzero(model.allowed[i]).tolist()] for i in range(first, model.count)]
    for chosen in itertools.product(*options):
        taken = [(i, b) for i, b in enumerate(chosen, first) if b is not None]
        if sum(model.size[i, b] for i, b in taken) <= left:
            best = min(best, sum(prices.choice_s[i, server, b] for i, b in taken))
    return best


def test_each_labels_bound_by_enumeration():
    """Delay, path and knapsacks of what is left, errors priced; infinite where storage or errors cannot do."""
    checked = refused = 0
    for model, prices, search in searches(range(120), 300):
        least_error = [
            min((int(model.costs.error[i, b]) for b in np.flatnonzero(model.allowed[i])), default=10**18)
            for i in range(model.count)
        ]
        labels = all_first(search)
        for layer in range(1, model.count):
            if not len(labels):
                break
            labels = labels.take(slice(0, 3))
            bound_s, delay_s = search._candidates(labels, layer)
            for row, j, b in itertools.product(range(len(labels)), range(model.servers), range(model.widths)):
                k, free = int(labels.server[row]), labels.free[row].copy()
                before = free.copy()
                free[j] -= model.storage[layer, b]
                error = int(labels.error[row] + model.costs.error[layer, b])
                fits = free[j] >= 0 and model.allowed[layer, b]
                if model.budget is not None:
                    fits = fits and error + sum(least_error[layer + 1 :]) <= model.budget
                hop_s = model.transfer_s[layer - 1, labels.width[row], k, j] if k != j else 0.0
                if model.printed and labels.width[row] != b and np.isfinite(hop_s):
                    hop_s = 0.0
                delay = labels.delay_s[row] + model.compute_s[layer, j, b] + hop_s
                assert delay_s[row, j, b] == delay
                if not fits:
                    refused += 1
                    assert bound_s[row, j, b] == math.inf
                    continue
                grain = model.grain
                packings = [
                    least_packing(model, prices, layer + 1, i, (free if i == j else before)[i] // grain)
                    for i in range(model.servers)
                ]
                rest = least_rest(model, prices, layer, j, b, free[j] // grain)
                spent = 0.0 if model.budget is None else prices.error_s * (error - model.budget)
                assert bound_s[row, j, b] == pytest.approx(delay + rest + sum(packings) + spent, abs=1e-9)
                checked += 1
            labels = children(search, labels, layer)
    assert checked > 300
    assert refused > 100


def children(search, labels, layer):
    """Return all labels with one layer more, undominated or not."""
    bound_s, delay_s = search._candidates(labels, layer)
    chosen = np.flatnonzero(np.isfinite(bound_s.ravel()))
    parents = chosen // (search.model.servers * search.model.widths)
    return search._children(labels, layer, chosen, bound_s, delay_s, parents)


def states(labels):
    """Return labels as comparable rows."""
    return [
        (int(s), int(w), tuple(map(int, f)), int(e), float(d), float(b))
        for s, w, f, e, d, b in zip(
            labels.server,
            labels.width,
            labels.free,
            labels.error,
            labels.delay_s,
            labels.bound_s,
            strict=True,
        )
    ]


@pytest.mark.parametrize("step", [1, 3, 10**6])
@pytest.mark.parametrize("copies", [1, 3])
def test_what_is_dropped_is_the_least_of_what_is_not_kept(step, copies, monkeypatch):
    """Every child is kept, beaten by one in the same state, or has a bound from the dropped one's on, which is one's."""
    dropped = 0
    for model, _, search in searches(range(40)):
        first = all_first(search)
        if model.count < 2 or not len(first):
            continue
        first = first.take(np.arange(min(len(first), 6)).repeat(copies))
        every = states(children(search, first, 1))
        monkeypatch.setattr(beam, "CHUNK", step * (model.servers * model.widths + model.servers))
        for width in (1, 2, len(every) // 2 or 1, len(every) or 1, len(every) + 1):
            kept, dropped_s = search._next(first, 1, width, np.inf, never)
            rows = states(kept)
            assert len(rows) <= width
            assert len(set(rows)) == len(rows)
            for parent, row in zip(kept.parent, rows, strict=True):
                one = first.take(slice(int(parent), int(parent) + 1))
                assert row in states(children(search, one, 1))
            left = [
                row
                for row in every
                if not any(row[:3] == k[:3] and k[3] <= row[3] and k[4] <= row[4] for k in rows)
            ]
            assert all(row[5] >= dropped_s for row in left)
            assert dropped_s == np.inf or dropped_s in [row[5] for row in every]
            assert all(row[5] <= dropped_s for row in rows) or step < 10**6
            if copies == 1 and width >= len(every):
                assert dropped_s == np.inf
            dropped += dropped_s < np.inf
    assert dropped > 10


def test_only_what_is_below_the_threshold_is_a_label():
    """A bound equal to it is none, and one just below is."""
    for model, _, search in itertools.islice(searches(range(40)), 8):
        first = all_first(search)
        if model.count < 2 or not len(first):
            continue
        least_s = float(first.bound_s.min())
        assert not len(search._first(least_s))
        assert len(search._first(np.nextafter(least_s, np.inf))) == (first.bound_s == least_s).sum()
        every = children(search, first, 1)
        if not len(every):
            continue
        least_s = float(every.bound_s.min())
        none, dropped_s = search._next(first, 1, 100, least_s, never)
        assert (len(none), dropped_s) == (0, np.inf)
        assert len(search._next(first, 1, 100, np.nextafter(least_s, np.inf), never)[0])


def test_candidates_are_evaluated_in_chunks(monkeypatch):
    """As many labels at once as the chunk holds, at least one; stopped between, the others' least bound is dropped."""
    model, _, search = next(
        found for found in searches(range(40)) if found[0].count > 1 and len(all_first(found[2])) > 3
    )
    labels = all_first(search).take(np.arange(4))
    calls, looks = [], []
    plain = search._candidates
    monkeypatch.setattr(
        search, "_candidates", lambda part, layer: calls.append(len(part)) or plain(part, layer)
    )
    size = model.servers * model.widths + model.servers
    for chunk, expected in (
        (size - 1, [1] * 4),
        (2 * size - 1, [1] * 4),
        (2 * size, [2, 2]),
        (3 * size, [3, 1]),
        (4 * size, [4]),
    ):
        monkeypatch.setattr(beam, "CHUNK", chunk)
        calls.clear()
        looks.clear()
        search._next(labels, 1, 10**6, np.inf, lambda: looks.append(1) and False)
        assert calls == expected
        assert len(looks) == len(expected) - 1
    monkeypatch.setattr(beam, "CHUNK", size)
    labels.bound_s[:] = [0.5, 4.0, -3.0, 2.0]
    for first_true, least_s in ((0, -3.0), (1, -3.0), (2, 2.0)):
        over = iter([False] * first_true + [True, False, False, False])
        calls.clear()
        kept, dropped_s = search._next(labels, 1, 10**6, np.inf, lambda over=over: next(over))
        assert calls == [1] * (first_true + 1)
        assert dropped_s == least_s
        assert set(kept.parent.tolist()) <= set(range(first_true + 1))


def test_the_clock_is_asked_before_each_layer_but_the_first():
    """A pass over L layers looks L - 1 times; whichever look says stop, nothing is returned."""
    for model, _, search in itertools.islice(searches(range(60)), 6):
        looks = []
        found = search.run(10_000, np.inf, lambda looks=looks: looks.append(1) and False)
        if found[0] == np.inf:
            continue
        assert len(looks) == model.count - 1
        for stopped in range(model.count - 1):
            over = iter([False] * stopped + [True])
            assert search.run(10_000, np.inf, lambda over=over: next(over)) is None


def test_a_pass_looks_for_what_is_better_by_the_least_gain():
    """The delay of the best is found again if 1.5e-9 above it is known, and not if 0.5e-9 is."""
    found_some = 0
    for _, _, search in itertools.islice(searches(range(40)), 12):
        best_s = search.run(10_000, np.inf, never)[0]
        if not 0 < best_s < np.inf:
            continue
        found_some += 1
        assert search.run(10_000, best_s * (1 + 1.5 * LEAST_GAIN), never)[0] == best_s
        assert search.run(10_000, best_s * (1 + 0.5 * LEAST_GAIN), never) == (np.inf, None, np.inf)
        assert pytest.approx(1e-9, rel=1e-6) == LEAST_GAIN
    assert found_some > 3


def table(rows):
    """Return labels from rows of server, width, free, error and delay."""
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Labels(*columns, columns[-1], np.arange(len(rows)))


def test_two_labels_and_the_first_group_are_compared_too():
    """One of two alike goes, whichever comes first; errors are compared within a state, not between."""
    search = next(searches(range(40)))[2]
    search.salt = np.array([3, 5])
    worse, better = (0, 0, (5, 5), 3, 2.0), (0, 0, (5, 5), 3, 1.0)
    assert search._undominated(table([worse, better])).parent.tolist() == [1]
    assert search._undominated(table([better, worse])).parent.tolist() == [0]
    assert search._undominated(table([worse])).parent.tolist() == [0]
    others = [(1, 1, (9, 9), error, 0.5) for error in (1, 2)]
    kept = search._undominated(table([worse, *others, better]))
    assert sorted(kept.parent.tolist()) == [1, 3]
    # The slower one has less error, in each of three states: all six stay.
    rows = [
        (server, 0, (5, 5), error, delay) for server in range(3) for error, delay in ((7, 1.0), (server, 2.0))
    ]
    assert sorted(search._undominated(table(rows)).parent.tolist()) == list(range(6))


def test_codes_that_collide_keep_states_apart():
    """With no salt, labels that differ in storage, server or width have one code and are not compared."""
    search = next(searches(range(40)))[2]
    search.salt = np.array([1, 1])
    rows = [(0, 0, (5, 4), 3, 1.0), (0, 0, (4, 5), 3, 2.0), (0, 4099, (5, 4), 3, 1.5), (1, 0, (5, 4), 3, 2.5)]
    assert sorted(search._undominated(table(rows)).parent.tolist()) == [0, 1, 2, 3]
    del rows[1]
    assert sorted(search._undominated(table(rows)).parent.tolist()) == [0, 1, 2]


def test_storage_beyond_all_layers_makes_no_table_coarse():
    """What all layers take at their largest widths is as much as any server is counted with."""
    instance = generate("dilemma", "tiny", seed=1, mode="corrected")
    plenty = np.full(instance.cluster.size, 10**12)
    model = Decomposition(
        dataclasses.replace(instance, cluster=dataclasses.replace(instance.cluster, memory_bytes=plenty))
    )
    most = int(model.storage.max(axis=1).sum())
    assert model.grain == max(-(-most // 256), 1)
    assert model.levels == most // model.grain + 1
    assert (model.capacity == most).all()
