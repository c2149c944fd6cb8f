"""Replicated throughput: exact methods and bounds against brute force, cells and crossings by hand, Helix' files."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from placewise.benchmarks.agreement import judge
from placewise.benchmarks.conformance.methods import check_method
from placewise.instances import convert, generate, read
from placewise.instances.importers.helix_replicas import read_plan_ini
from placewise.models.errors import PlacewiseError
from placewise.models.registry import evaluate
from placewise.models.replicated import capacities, maximum_flow
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status
from placewise.solvers.replicated import completion
from placewise.solvers.replicated.cells import Cell, cells
from placewise.solvers.replicated.crossings import Crossings
from placewise.solvers.replicated.groups import Groups, groups, slow_links
from placewise.solvers.replicated.patterns import Patterns, cheapest_pattern
from placewise.solvers.replicated.rules import petals_plan, swarm_plan

FOUR = Groups(10, ((12, 7, 4),), (0,), ((0, 1, 2, 3),))


@pytest.mark.parametrize("seed", range(12))
def test_exact_methods_equal_brute_force(monkeypatch, seed):
    """Plans with bounds, and both statements; more seeds: python -m placewise.benchmarks.replicated --tiny 500."""
    monkeypatch.setattr(completion, "TINY", 0)  # plans are looked for here, too
    instance = generate("replicated-throughput", "tiny", seed=1000 + seed)
    assert judge(instance, ["plans", "highs", "highs/textbook"], Counter()) == []


@pytest.mark.parametrize("seed", range(25))
def test_patterns_never_refute_what_is_possible(seed):
    """With and without links; what they refute, brute force does not find."""
    instance = generate("replicated-throughput", "tiny", seed=seed)
    best = solve(instance, "brute-force", isolate=False).objective
    costs = capacities(instance)
    flow = 0 if best is None else round(1 / (best * costs.unit))
    for links in (True, False):
        patterns = Patterns(instance, links=links, late=lambda: False)
        assert flow == 0 or not patterns.refutes(flow)
        assert patterns.bound(0, sum(map(max, filter(None, costs.node))), 1e-6) >= flow


def test_methods_keep_their_contract():
    """Also stopped anywhere, and from a warm start."""
    check_method("plans", "replicated-throughput", seeds=range(3))
    check_method("swarm", "replicated-throughput", seeds=range(3))


def test_helix_small_cluster_is_proven():
    """Its planner took 63 minutes for this optimum."""
    result = solve(read("helix-ablation10-30b"), isolate=False)
    assert result.status is Status.OPTIMAL
    assert 1 / result.objective == pytest.approx(286.5874097546)


def test_links_lower_a_bound():
    """Three clusters: without links their volume is that of one; with them a layer on several nodes is needed."""
    instance = read("helix-dist24-70b")
    flow = round(1755 / capacities(instance).unit)
    assert Patterns(instance, links=True, late=lambda: False).refutes(flow)
    assert not Patterns(instance, links=False, late=lambda: False).refutes(flow)


def test_the_cheapest_pattern_by_hand():
    """10 units from nodes of 12, 7 and 4 with one, two and three layers: 7 + 4 cost a half and a third."""
    price, pattern = cheapest_pattern(FOUR, np.array([1.0]))
    assert price == pytest.approx(1 / 2 + 1 / 3)
    assert pattern.nodes == ((0, 2), (0, 3))
    assert pattern.carries == 11


def test_cells_by_hand():
    """Two chains over three layers: one node, and a node of two layers with one of one."""
    found = {cell.layers: cell for _, cell in cells(FOUR, (0,), np.array([1.0]), 3) if len(cell.chains) == 2}
    assert sorted(map(sorted, found[3].chains)) == [[(0, 1), (0, 2)], [(0, 3)]]
    assert found[3].use == {0: 3}
    assert sum(found[3].rates) >= 10


def test_crossings_by_hand():
    """One chain gives three others what their links carry; within a region there is no limit."""
    one, three = Cell((((0, 1),),), (12,), 1), Cell((((1, 1),),) * 3, (5, 5, 5), 1)
    for link, passed in ((4, 12), (3, 9), (2, 6)):
        crossings = Crossings(100, (0, 1), [[0, link], [link, 0]], lambda _: 0.0)
        assert crossings.passes(((12, 0),), ((5, 1),) * 3) == passed
    assert Crossings(10, (0, 1), [[0, 4], [4, 0]], lambda _: 0.0).follows(one, three)
    assert not Crossings(10, (0, 1), [[0, 3], [3, 0]], lambda _: 0.0).follows(one, three)
    assert Crossings(10, (0, 0), [[0]], lambda _: 0.0).follows(one, three)


def test_regions_are_told_apart_by_the_flow():
    """A flow that every link carries sees one region, a larger one sees three; a share of links is slower."""
    instance = read("helix-dist24-70b")
    unit = capacities(instance).unit
    assert groups(instance, round(600 / unit)).regions == 1
    found = groups(instance, round(1500 / unit))
    assert (found.regions, sorted(map(len, found.nodes))) == (3, [2, 4, 4, 6, 8])
    slow, fast = (slow_links(capacities(instance).link, found, share)[0][1] for share in (0.0, 1.0))
    assert slow < fast < round(1500 / unit)


def test_rules_by_hand():
    """Equal stages of what the least node holds; then servers one by one where layers are served worst."""
    instance = read("hand-replicas")
    assert swarm_plan(instance) == ((0, 2), (2, 4), (2, 4), (0, 2))
    assert petals_plan(instance) == ((0, 4), (0, 3), (1, 4), (0, 3))
    for name in ("swarm", "petals"):
        assert solve(instance, name, isolate=False).objective >= 1 / 18


INI = """
[NodeNames]
total_compute_nodes=2
[ComputeNode-0]
type=T4
[ComputeNode-1]
type=L4
[Link-source-0]
bandwidth=1 * mbps
[Link-1-sink]
bandwidth=2 * mbps
[Link-0-1]
bandwidth=3.5 * kbps
"""
TYPES = (
    '{"node_types": [{"name": "T4", "tokens_per_s": [5, 3]}, {"name": "L4", "tokens_per_s": [4]}], '
    '"model": {"layers": 2, "activation_bytes": 1000, "token_bytes": 2}}'
)


def files(tmp_path, ini=INI):
    """Write a cluster and its types."""
    paths = [tmp_path / "cluster.ini", tmp_path / "types.json"]
    for path, text in zip(paths, (ini, TYPES), strict=True):
        path.write_text(text, encoding="utf-8")
    return list(map(str, paths))


def test_helix_files_are_read(tmp_path):
    """Links hold in both directions, mbps are million bytes per second; a plan counts nodes from its offset."""
    instance = convert(files(tmp_path))
    assert instance.cluster.bandwidth_bytes_per_s.tolist() == [[0, 3500], [3500, 0]]
    assert instance.source_bandwidth_bytes_per_s.tolist() == [1e6, 0]
    assert instance.sink_bandwidth_bytes_per_s.tolist() == [0, 2e6]
    plan = tmp_path / "plan.ini"
    plan.write_text(
        "[Settings]\noffset=2\n[Solution]\ncompute_node_2=[0]\ncompute_node_3=[1]\n", encoding="utf-8"
    )
    placement = read_plan_ini(instance, plan)
    assert placement == ((0, 1), (1, 2))
    assert 1 / evaluate(instance, placement).objective == 3.5
    plan.write_text("[Settings]\noffset=2\n[Solution]\ncompute_node_2=[0, 2]\n", encoding="utf-8")
    with pytest.raises(PlacewiseError, match=r"plan.ini: Solution.compute_node_2: expected layers in a row"):
        read_plan_ini(instance, plan)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type=L4", "type=H100", "ComputeNode-1.type: expected one of T4, L4, found 'H100'"),
        ("Link-0-1", "Link-0-7", "Link-0-7: expected a link between two nodes"),
        ("Link-0-1", "Link-1-1", "Link-1-1: expected a link between two nodes"),
        ("3.5 * kbps", "fast", "Link-0-1.bandwidth: expected"),
        ("nodes=2", "nodes=two", "NodeNames.total_compute_nodes: expected the number of nodes"),
        ("[NodeNames]", "NodeNames]", "not an .ini file"),
    ],
)
def test_wrong_files_are_one_line(tmp_path, old, new, message):
    """Which names the section."""
    with pytest.raises(PlacewiseError) as caught:
        convert(files(tmp_path, INI.replace(old, new)))
    assert message in str(caught.value)
    assert "cluster.ini" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_warm_start_is_taken():
    """Its flow is where the search begins, whatever time there is."""
    instance = read("helix-ablation10-30b")
    plan = tuple((6 * i, 6 * i + 6) for i in range(10))
    known = maximum_flow(instance, plan).value
    result = solve(dataclasses.replace(instance), "plans", warm_start=plan, time_limit=1.0, isolate=False)
    assert capacities(instance).units(result.objective) + 1 >= known
