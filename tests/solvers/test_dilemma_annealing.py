"""Annealing of DILEMMA placements: what it keeps up to date is what evaluation says, and tiny optima are found."""

import pytest

from placewise.instances.generators import generate
from placewise.models.dilemma import evaluate
from placewise.solvers import solve
from placewise.solvers.dilemma import annealing
from placewise.solvers.dilemma.annealing import Annealing
from placewise.solvers.dilemma.decomposition import Decomposition
from placewise.solvers.dilemma.search import Search
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters


def never():
    return False


def dearest(instance):
    """Return the dearest feasible placement of a tiny instance, in candidate widths."""
    from placewise.models.dilemma.space import placements

    allowed = Decomposition(instance).allowed
    best = None
    for placement in placements(instance):
        found = evaluate(instance, placement)
        usable = all(allowed[layer, width] for layer, (_, width) in enumerate(placement))
        if found.feasible and usable and (best is None or found.objective > best[0]):
            best = (found.objective, placement)
    return best


@pytest.mark.parametrize("mode", ["corrected", "as-printed"])
def test_tiny_optima_are_found_from_the_dearest_placement(mode):
    """What is returned is feasible and costs what it says; nearly always it is the optimum."""
    found = optimal = 0
    for seed in range(60):
        instance = generate("dilemma", "tiny", seed=seed, mode=mode)
        if (instance.cluster.size * len(instance.bit_widths)) ** len(instance.layers) > 1300:
            continue
        start = dearest(instance)
        if start is None:
            continue
        found += 1
        search = Annealing(Decomposition(instance), seed)
        delay_s, placement = search.run(start[1], 1000, never)
        evaluation = evaluate(instance, placement)
        assert evaluation.feasible
        assert evaluation.objective == delay_s <= start[0]
        optimal += delay_s == solve(instance, "brute-force", isolate=False).objective
    assert found > 8
    assert optimal >= 0.9 * found


@pytest.mark.parametrize("kind", range(6))
def test_each_kind_of_move_is_counted(kind, monkeypatch):
    """With one kind alone: storage, errors and delay that are kept are those of the placement; some moves are undone."""
    monkeypatch.setattr(annealing, "SHARES", tuple(float(place == kind) for place in range(6)))
    instance = generate("dilemma", "opt", seed=1, servers=4, layers=9, min_mbps=100.0, storage_factor=1.6)
    start = solve(instance, "quantize-then-place", isolate=False).placement
    search = Annealing(Decomposition(instance), 0)
    taken = []
    plain = search._place
    monkeypatch.setattr(search, "_place", lambda move: taken.append(plain(move)) or taken[-1])
    delay_s, placement = search.run(start, 3000, never, hot=3.0)
    assert taken
    assert evaluate(instance, placement).objective == delay_s
    assert evaluate(instance, placement).feasible
    now = tuple(zip(search.server, search.width, strict=True))
    used, spent = [0] * search.servers, 0
    for layer, (server, width) in enumerate(now):
        used[server] += search.size[layer][width]
        spent += search.error[layer][width]
    assert (search.used, search.spent) == (used, spent)
    assert evaluate(instance, now).feasible


def test_the_seed_decides():
    """The same seed draws the same moves, another one others; time that is over changes nothing."""
    instance = generate("dilemma", "opt", seed=2, servers=5, layers=12, min_mbps=100.0)
    start = solve(instance, "quantize-then-place", isolate=False).placement
    model = Decomposition(instance)
    searches = [Annealing(model, seed) for seed in (7, 7, 8)]
    runs = [search.run(start, 2000, never) for search in searches]
    assert runs[0] == runs[1]
    assert searches[0].server + searches[0].width == searches[1].server + searches[1].width
    assert searches[0].random.random() == searches[1].random.random() != searches[2].random.random()
    assert Annealing(model, 7).run(start, 2000, lambda: True)[1] == start


def test_large_tables_are_left_alone(monkeypatch):
    """Where the tables are too large as lists, labels go without."""
    instance = generate("dilemma", "opt", seed=2, servers=3, layers=8)
    assert Annealing.applies(Decomposition(instance))
    monkeypatch.setattr(annealing, "LARGEST_TABLES", 100)
    assert not Annealing.applies(Decomposition(instance))
    search = Search(instance, Context(Parameters(threads=1)))
    search.best = solve(instance, "quantize-then-place", isolate=False).placement
    search._anneal(1000, never)
    assert search.annealing is None
