"""Branch and price of DILEMMA: rows that every placement keeps, bounds at any prices, halves that lose nothing."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.models.dilemma.space import placements
from placewise.solvers import solve
from placewise.solvers.dilemma import labels, path_master, search
from placewise.solvers.dilemma.ascent import climb_storage
from placewise.solvers.dilemma.decomposition import Decomposition
from placewise.solvers.dilemma.packing_cuts import LEAST_EXCESS, broken_packings
from placewise.solvers.dilemma.path_master import PathMixture, PathPrices
from placewise.solvers.dilemma.path_rows import broken_roundings, first_rows, packing_rows, roundings
from placewise.solvers.dilemma.visit_nodes import Node, children
from placewise.solvers.dilemma.visit_tree import VisitTree
from placewise.solvers.evidence.result import Status
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


def never():
    return False


def cases(seeds, most=1300):
    """Yield tiny instances that trees are for: the model, and all feasible placements in candidate widths."""
    for seed in seeds:
        instance = generate("dilemma", "tiny", seed=seed)
        if (instance.error_budget is None and not instance.printed) or len(instance.layers) < 2:
            continue
        if (instance.cluster.size * len(instance.bit_widths)) ** len(instance.layers) > most:
            continue
        model = Decomposition(instance)
        found = [
            (evaluate(instance, placement).objective, placement)
            for placement in placements(instance)
            if all(model.allowed[layer, width] for layer, (_, width) in enumerate(placement))
            and evaluate(instance, placement).feasible
        ]
        if found:
            yield instance, model, found


def arrays(placement):
    server, width = np.array(placement, dtype=np.intp).T
    return server.copy(), width.copy()


def counts(model, server):
    """Return runs and layers on each server."""
    begun = np.append(True, np.diff(server) != 0)
    return np.bincount(server[begun], minlength=model.servers), np.bincount(server, minlength=model.servers)


def within(model, node, placement):
    """Return whether a placement is one of a node's."""
    server, width = arrays(placement)
    runs, layers = counts(model, server)
    return (
        (node.visits[0] <= runs).all()
        and (runs <= node.visits[1]).all()
        and (node.layers[0] <= layers).all()
        and (layers <= node.layers[1]).all()
        and not node.barred[np.arange(model.count), server, width].any()
    )


def root_of(model):
    none = np.repeat([[-np.inf], [np.inf]], model.servers, axis=1)
    zero = np.zeros(model.servers)
    barred = np.zeros(model.compute_s.shape, dtype=bool)
    return Node(-np.inf, none, none, barred, PathPrices(np.zeros(0), zero, zero))


def random_node(model, draw):
    """Return a node as some splits leave it."""
    node = root_of(model)
    for _ in range(draw.integers(0, 4)):
        zero = np.zeros(model.servers)
        mixture = PathMixture(
            0.0,
            node.prices,
            draw.dirichlet(np.ones(model.servers * model.widths), model.count).reshape(model.compute_s.shape),
            draw.uniform(0, 2, model.servers) if draw.random() < 0.5 else zero,
            draw.uniform(0, 3, model.servers) if draw.random() < 0.5 else zero,
        )
        node = [*children(node, mixture), node, node][draw.integers(2)]
    return node


def test_every_placement_keeps_every_row():
    """Storage, errors, all roundings to the last unit, and packings at random prices; some placement fills a rounding."""
    checked, filled = 0, False
    for _, model, found in cases(range(60)):
        draw = np.random.default_rng(checked)
        checked += 1
        server, width = (np.array([arrays(placement)[part] for _, placement in found]) for part in range(2))
        for row in first_rows(model) + packing_rows(model, draw.normal(0, 1, model.compute_s.shape)):
            assert (row.weight >= 0).all()
            assert (row.held(server, width) <= row.limit + 1e-12).all()
        for source in roundings(model):
            for multiplier in range(2, min(source.capacity, 40) + 2):
                row = source.row(multiplier)
                assert row.limit == multiplier - 1
                assert row.held(server, width).max() <= row.limit
                filled |= bool(row.held(server, width).max() == row.limit)
    assert checked > 5
    assert filled


def test_the_errors_ask_for_sizes_to_the_last_unit():
    """The least sum of sizes is the least of all choices of widths within the budget, and no other row has it."""
    checked, cut = 0, False
    for _, model, _ in cases(range(60)):
        if model.budget is None:
            continue
        checked += 1
        choices = [np.flatnonzero(allowed) for allowed in model.allowed]
        layers = np.arange(model.count)
        within = [
            int(model.size[layers, width].sum())
            for width in map(np.array, product(*choices))
            if model.costs.error[layers, width].sum() <= model.budget
        ]
        largest = sum(int(model.size[layer, width].max()) for layer, width in enumerate(choices))
        row = first_rows(model)[-1]
        most = largest - min(within)
        assert row.limit == (1.0 if most else 0.0)
        widest = [int(width[model.size[layer, width].argmax()]) for layer, width in enumerate(choices)]
        assert row.held(np.zeros((1, model.count), dtype=np.intp), np.array([widest])) == [0.0]
        for layer, width in enumerate(choices):
            below = model.size[layer, widest[layer]] - model.size[layer, width]
            assert np.allclose(row.weight[layer, width] * max(most, 1), below)
        cut |= most > 0
    assert checked > 5
    assert cut


def test_packings_cut_off_what_does_not_fit():
    """Shares of random choices: each row is kept by all placements and broken by the share; means of placements keep all."""
    cut = 0
    for _, model, found in cases(range(80)):
        draw = np.random.default_rng(cut)
        server, width = (np.array([arrays(placement)[part] for _, placement in found]) for part in range(2))
        for _ in range(4):
            share = draw.dirichlet(np.full(model.servers * model.widths, 0.3), model.count)
            share = share.reshape(model.compute_s.shape)
            for row in broken_packings(model, share):
                cut += 1
                assert (row.held(server, width) <= row.limit + 1e-12).all()
                assert (row.weight * share[:, row.server]).sum() > row.limit + LEAST_EXCESS / 2
        mean = np.zeros(model.compute_s.shape)
        for place, weight in enumerate(draw.dirichlet(np.ones(len(found)))):
            mean[np.arange(model.count), server[place], width[place]] += weight
        assert broken_packings(model, mean) == []
    assert cut > 10


def test_broken_roundings_are_the_most_broken_and_new():
    """Two layers of five units in nine: half of each on top of one is too much for k = 2, which is told once."""
    _, model, _ = next(cases(range(60)))
    source = roundings(model)[0]._replace(size=np.array([[5], [5]]), capacity=9)
    mixed = np.zeros((2, model.servers, 1))
    mixed[:, source.server] = 0.9
    known = set()
    rows = broken_roundings([source], mixed, known)
    assert (rows[0].server, rows[0].limit, rows[0].weight.tolist()) == (0, 1.0, [[1.0], [1.0]])
    assert (0, 2) in known
    assert all(row.limit != 1.0 for row in broken_roundings([source], mixed, known))
    mixed[:] = 0.4
    assert broken_roundings([source], mixed, set()) == []


def test_any_prices_bound_the_placements_of_any_node():
    """The bound of a node is no more than the least delay in it; without placements anything goes."""
    checked = tight = 0
    for instance, model, found in cases(range(150)):
        draw = np.random.default_rng(checked)
        tree = VisitTree(model, *found[0][::-1], model.no_prices(), lambda *_: None, lambda _: None)
        tree.master.cut([source.row(k) for source in roundings(model) for k in (2, 3)])
        tree.master.cut(packing_rows(model, draw.normal(0, 1, model.compute_s.shape)))
        for _ in range(6):
            node = random_node(model, draw)
            least_s = min((s for s, placement in found if within(model, node, placement)), default=math.inf)
            scale_s = found[0][0] or 1.0
            prices = PathPrices(
                draw.exponential(scale_s / 4, len(tree.master.rows))
                * (draw.random(len(tree.master.rows)) < 0.3),
                draw.normal(0, scale_s / 4, model.servers),
                draw.normal(0, scale_s / 4, model.servers),
            )
            bound_s, _ = tree._priced(node, prices)
            assert bound_s <= least_s, instance.name
            checked += least_s < math.inf
            tight += bound_s > 0.5 * least_s
    assert checked > 50
    assert tight > 5


def test_halves_lose_and_share_nothing():
    """Each placement of a node is in exactly one of its halves; a whole mixture has none."""
    split = 0
    for _, model, found in cases(range(80)):
        draw = np.random.default_rng(split)
        node = random_node(model, draw)
        for part in ("visits", "layers", "server", "width"):
            mixture = PathMixture(
                0.0, node.prices, np.zeros(model.compute_s.shape), *np.zeros((2, model.servers))
            )
            if part == "server":
                mixture.share[0, :2, 0] = 0.5
            elif part == "width":
                mixture.share[-1, 0, :2] = 0.5
            else:
                mixture = mixture._replace(**{part: draw.uniform(0.1, 0.9, model.servers)})
            halves = list(children(node, mixture))
            split += len(halves) == 2
            for _, placement in found if halves else ():
                inside = [within(model, half, placement) for half in halves]
                assert sum(inside) == within(model, node, placement)
        ones = np.ones(model.servers)
        whole = PathMixture(0.0, node.prices, np.ones(model.compute_s.shape), ones, 0 * ones)
        assert list(children(node, whole)) == []
    assert split > 10


@pytest.mark.parametrize("most", [2000, 3])
def test_trees_end_at_the_optimum_or_below(most, monkeypatch):
    """On tiny instances, from a bad start; also where paths are dropped again and again."""
    monkeypatch.setattr(path_master, "MOST_PATHS", most)
    monkeypatch.setattr(path_master, "KEPT_PATHS", 2)
    proven = ended = 0
    for instance, model, found in cases(range(40)):
        optimum_s = min(found)[0]
        best = [max(found)[0]]

        def offer(server, width, instance=instance, best=best):
            known = evaluate(instance, tuple(zip(server.tolist(), width.tolist(), strict=True)))
            if known.feasible:
                best[0] = min(best[0], known.objective)

        told = []
        tree = VisitTree(
            model, *max(found)[::-1], climb_storage(model, optimum_s, never, 50), offer, told.append
        )
        for _ in range(60):
            tree.work(best[0], never)
            if not tree.open:
                break
        assert not tree.open
        assert told == sorted(told)
        assert tree.bound_s <= optimum_s * (1 + 1e-12)
        ended += 1
        proven += tree.bound_s >= optimum_s * (1 - 1e-6)
    assert ended > 10
    assert proven == ended


def test_a_tree_that_is_stopped_goes_on():
    """Stopped at some looks it says nothing wrong, and ends where it would have."""
    ends = []
    for instance, model, found in cases(range(40)):
        least_s, best = min(found)
        trees = [
            VisitTree(model, best, least_s, model.no_prices(), lambda *_: None, lambda _: None)
            for _ in range(2)
        ]
        for looks, tree in zip((9, 10**9), trees, strict=True):
            while tree.open:
                left = iter(range(looks))
                tree.work(least_s, lambda left=left: next(left, None) is None)
                assert tree.bound_s <= least_s, instance.name
        ends += [tree.bound_s / least_s for tree in trees if least_s]
    assert len(ends) > 10
    assert min(ends) > 1 - 1e-6


def test_labels_with_a_tree_instead_of_wide_passes(monkeypatch):
    """Where passes hold one label and nothing runs beside, the tree and annealing agree with HiGHS."""
    monkeypatch.setattr(search, "FIRST_WIDTH", 1)
    monkeypatch.setattr(search, "LARGEST_WIDTH", 1)
    monkeypatch.setattr(search, "MOST_MOVES", 2_000)
    monkeypatch.setattr(labels, "by_highs", lambda *_: None)
    for seed in (1, 2):
        instance = generate("dilemma", "opt", seed=seed, servers=3, layers=4, min_mbps=100.0)
        claim = labels.run(instance, Context(Parameters(threads=1, time_limit=20.0)))
        truth = solve(instance, "highs", threads=1)
        assert truth.status is Status.OPTIMAL
        assert evaluate(instance, claim.placement).objective == claim.objective
        assert claim.objective == pytest.approx(truth.objective, rel=1e-6)
        assert claim.dual_bound <= truth.objective * (1 + 1e-9)
        assert claim.dual_bound >= truth.objective * (1 - 1e-6)
        loose = replace(instance, error_budget=None, max_error=2.0**-6)
        assert not search.Search(loose, Context(Parameters()))._tree_works()
