"""Devices that can be exchanged: what a request counts belongs to it, not the decode round alone."""

import random

import pytest

from placewise import Cluster, Device, EdgeShardLatency, EdgeShardThroughput, Layer
from placewise.models.edgeshard.kinds import exchangeable, kinds_of
from placewise.models.edgeshard.request import Request
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers import solve
from placewise.solvers.registry import methods_of


def alike_in_decoding(request):
    """Return three devices, of which two read equally fast and compute a hundred times unlike."""
    devices = [Device("s", 10, 100.0, 10.0), Device("a", 20, 1000.0, 100.0), Device("b", 20, 10.0, 100.0)]
    layers = [Layer("e", 5, 1.0, 0.0, 1.0), *(Layer("d", 10, 1.0, 1.0, 10.0) for _ in range(3))]
    cluster = Cluster.mesh(devices, bandwidth_bytes_per_s=1e3)
    return EdgeShardLatency(cluster, layers, rules=Rules(contiguous=True), request=request)


def test_a_prompt_tells_devices_apart_that_decode_alike():
    """Reading bounds a decode round on both, arithmetic a prompt on one."""
    assert kinds_of(alike_in_decoding(None)) == (0, 1, 1)
    instance = alike_in_decoding(Request(20, 1, "request"))
    assert kinds_of(instance) == (0, 1, 2)
    truth, found = (solve(instance, name, isolate=False) for name in ("brute-force", "subsets"))
    assert (found.status, found.objective) == (truth.status, truth.objective)
    assert found.conflicts == ()


def test_links_decide_too():
    """To third devices, from them, and between the two in both directions."""
    links = random.Random(1)
    table = [[links.choice([1.0, 2.0]) for _ in range(4)] for _ in range(4)]
    for one, other in ((0, 1), (2, 3), (1, 3)):
        order = list(range(4))
        order[one], order[other] = other, one
        swapped = [[table[a][b] for b in order] for a in order]
        same = all(swapped[a][b] == table[a][b] for a in range(4) for b in range(4) if a != b)
        array = Cluster(tuple("abcd"), [1] * 4, table).bandwidth_bytes_per_s[None]
        assert exchangeable(array, one, other) == same


def drawn(seed):
    """Return a problem of each kind on devices that mostly decode alike, with a request."""
    draw = random.Random(seed)
    devices = [
        Device(f"d{j}", draw.choice([10, 20, 30]), draw.choice([10.0, 1000.0]), 100.0)
        for j in range(draw.randint(3, 4))
    ]
    cluster = Cluster.mesh(
        devices, bandwidth_bytes_per_s=draw.choice([1.0, 10.0, 1000.0]), latency_s=draw.choice([0.0, 0.25])
    )
    layers = [
        Layer(f"l{i}", 10, 1.0, draw.choice([0.0, 1.0]) if i else 0.0, 10.0)
        for i in range(draw.randint(3, 5))
    ]
    rules = Rules(contiguous=draw.random() < 0.7)
    request = Request(
        draw.choice([1, 5, 20]), draw.choice([1, 3]), draw.choice(["request", "prefill", "decode"])
    )
    given = {"source": draw.choice([0, 0, None]), "return_bytes": draw.choice([0.0, 1.0]), "request": request}
    return (
        EdgeShardLatency(cluster, layers, rules=rules, **given),
        EdgeShardThroughput(cluster, layers, **given),
    )


@pytest.mark.parametrize("seed", [36, 60, 109, 118, *range(12)])
def test_exact_methods_agree_on_requests(seed):
    """With enumeration; the first four seeds told falsely exchanged devices by a false optimum."""
    checked = 0
    for instance in drawn(seed):
        truth = solve(instance, "brute-force", isolate=False)
        for name, method in methods_of(instance.problem).items():
            try:
                if method.backend is not None or method.guarantee(instance) is not Guarantee.EXACT:
                    continue
            except NotApplicableError:
                continue
            found = solve(instance, name, isolate=False)
            assert (found.status, found.conflicts) == (truth.status, ()), name
            if truth.objective is not None:
                assert found.objective == pytest.approx(truth.objective, rel=1e-9), name
            checked += 1
    assert checked >= 4
