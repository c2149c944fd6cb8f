"""Hypothesis strategies: instances small enough for brute force, built around what constraints make of them."""

import numpy as np
from hypothesis import strategies as st

from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency
from placewise.models.workload import Layer

sixteenths = st.integers(0, 20).map(lambda n: n / 16)


@st.composite
def edgeshard_instances(draw, *, equal_layers=False, max_devices=4, max_layers=5):
    """Small integers everywhere, so that ties, exact fits and near misses are common."""
    size = draw(st.integers(1, max_devices))
    count = draw(st.integers(1, max_layers))
    need = [draw(st.integers(1, 5)) for _ in range(count)]
    output = [float(draw(st.integers(1, 3))) for _ in range(count)]
    compute = [[draw(sixteenths) for _ in range(size)] for _ in range(count)]
    if equal_layers:
        for i in range(2, count - 1):
            need[i], output[i], compute[i] = need[1], output[1], compute[1]
        output[0] = output[min(1, count - 1)]
    rates = st.sampled_from([0.0, 1.0, 2.0, 4.0, 16.0])
    bandwidth = [[0.0 if k == j else draw(rates) for j in range(size)] for k in range(size)]
    return EdgeShardLatency(
        name="drawn",
        cluster=Cluster(
            device_names=tuple(f"d{j}" for j in range(size)),
            memory_bytes=np.array([draw(st.integers(0, 12)) for _ in range(size)]),
            bandwidth_bytes_per_s=np.array(bandwidth),
            latency_s=np.full((size, size), draw(st.sampled_from([0.0, 1 / 16]))),
        ),
        layers=tuple(Layer(f"l{i}", need[i], output[i]) for i in range(count)),
        compute_time_s=np.array(compute),
        source=draw(st.integers(0, size - 1)),
        return_bytes=draw(st.sampled_from([0.0, 1.0])),
    )
