"""Tiny instances whose numbers hurt: decimals that meet their bounds exactly, zeros beside times of all magnitudes."""

from __future__ import annotations

import random
from typing import cast

import numpy as np

from placewise.instances.generators.edgeshard import LATENCY
from placewise.models.cluster import Cluster
from placewise.models.decimals import exact
from placewise.models.dilemma.data import Dilemma, Mode, QuantizableLayer
from placewise.models.edgeshard.data import EdgeShardInstance, chain_type
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected
from placewise.models.workload import Layer

BOUNDS = ("met", "missed", "loose")


def decimals(
    *, bound: str = "", digits: int = 0, mode: str = "", seed: int, name: str | None = None
) -> Dilemma:
    """Return a random instance whose errors are decimals, with bounds that a placement drawn at random meets exactly.

    Parameters
    ----------
    bound : str
        Of the error budget: ``met``: the sum of the placement's errors; ``missed``: one less in the last digit;
        ``loose``: twice the sum; one of these by seed if empty. As printed, the same of the bound on each error.
    digits : int
        Of the errors; 1 to 6 by seed if 0.
    mode : str
        ``corrected`` or ``as-printed``; either by seed if empty.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.

    Raises
    ------
    PlacewiseError
        On an unknown bound, or digits outside 0 to 13.
    """
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    bound = bound or draw.choice(BOUNDS)
    if bound not in BOUNDS:
        raise PlacewiseError(f"bound: {expected(bound, BOUNDS)}")
    if not 0 <= digits <= 13:
        raise PlacewiseError(f"digits: expected 0 to 13, found {digits}")
    mode = mode or draw.choice(["corrected", "corrected", "corrected", "as-printed"])
    digits = digits or draw.randint(1, 6)
    count = draw.randint(2, 5)
    size = draw.randint(1, 2 if count > 3 else 3) if mode == "corrected" else count
    widths = tuple(sorted(draw.sample([2, 4, 8], draw.randint(1, 2 if count > 3 else 3))))
    exponent = -digits - draw.choice([0, 0, 1, 7])

    def number(units: int) -> float:
        return float(f"{units}e{exponent}")

    def row() -> list[float]:
        units = sorted((draw.randint(0, 10**digits - 1) for _ in widths), reverse=True)
        return [number(draw.choice([n, n, n, n, 0, n * 10 ** min(6, 13 - digits)])) for n in units]

    error = [row() for _ in range(count)]
    if draw.random() < 0.3:
        error = [error[0]] * count
    placement = [(draw.randrange(size), draw.randrange(len(widths))) for _ in range(count)]
    chosen = [exact(row[b]) for row, (_, b) in zip(error, placement, strict=True)]
    total = max(chosen) if mode == "as-printed" else sum(chosen, exact(0))
    limit = {"met": total, "missed": max(total - exact(number(1)), exact(0)), "loose": 2 * total}[bound]
    layers = tuple(
        QuantizableLayer(f"layer-{i}", float(draw.randint(0, 8)), draw.choice([0, 4, 8, 12]), 1.0, 8)
        for i in range(count)
    )
    bits = [layer.parameters * widths[b] for layer, (_, b) in zip(layers, placement, strict=True)]
    used = [sum(n for n, (i, _) in zip(bits, placement, strict=True) if i == j) for j in range(size)]
    return Dilemma(
        name=name or f"decimals-{bound}-{mode}-{seed}",
        cluster=Cluster(
            device_names=tuple(f"server-{j}" for j in range(size)),
            memory_bytes=np.array([-(-space // 8) + draw.choice([0, 0, 4, 20]) for space in used]),
            bandwidth_bytes_per_s=np.array([[draw.choice([1.0, 2.0, 8.0]) for _ in used] for _ in used]),
            latency_s=np.zeros((size, size)),
            flops_per_s=np.array([draw.choice([1.0, 2.0, 5.0]) for _ in used]),
        ),
        layers=layers,
        bit_widths=widths,
        quantization_error=np.array(error),
        mode=cast("Mode", mode),
        max_error=float(limit) if mode == "as-printed" else draw.choice([None, float(max(chosen))]),
        error_budget=None if mode == "as-printed" else float(limit),
        description=f"random decimals, bound {bound}, {mode}, seed {seed}",
    )


def zeros(
    *,
    share: float = 0.6,
    decades: int = 12,
    problem: str = LATENCY,
    seed: int,
    name: str | None = None,
) -> EdgeShardInstance:
    """Return a random instance in which much takes no time, and the rest times of all magnitudes.

    Parameters
    ----------
    share : float
        Of the compute times, how many are 0; all of them for a third of the seeds.
    decades : int
        Powers of ten that the links' bandwidths span, around 1 byte per second.
    problem : str
        ``edgeshard-latency`` or ``edgeshard-throughput``; the data are the same.
    seed : int
        All choices follow from it; memory is little more than the layers need.
    name : str, optional
        Name of the instance.

    Raises
    ------
    PlacewiseError
        On a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise PlacewiseError(f"share: expected 0 to 1, found {share}")
    draw = random.Random(seed)  # noqa: S311
    size, count = draw.randint(2, 4), draw.randint(2, 5)
    if draw.random() < 1 / 3:
        share = 1.0

    def number(low: float, high: float) -> float:
        return float(f"{draw.choice([1, 2, 5, 7])}e{round(draw.uniform(low, high))}")

    slowest = draw.choice([-6, -3, 0])
    compute = [
        [0.0 if draw.random() < share else number(slowest - 6, slowest) for _ in range(size)]
        for _ in range(count)
    ]
    if draw.random() < 0.4:  # equal layers between the first and the last
        compute[1:-1] = [compute[1]] * (count - 2)
    links = [[number(-decades / 2, decades / 2) for _ in range(size)] for _ in range(size)]
    need = [draw.choice([1, 1, 2]) for _ in range(count)]
    memory = [round(sum(need) / size * draw.uniform(0.6, 2.0)) for _ in range(size)]
    source = draw.randrange(size)
    memory[source] = max(memory[source], need[0])
    return chain_type(problem)(
        name=name or f"zeros-{seed}",
        cluster=Cluster(
            device_names=tuple(f"device-{j}" for j in range(size)),
            memory_bytes=np.array(memory),
            bandwidth_bytes_per_s=np.array(links) * (draw.random() < 0.9),
            latency_s=np.zeros((size, size)),
        ),
        layers=tuple(Layer(f"layer-{i}", n, draw.choice([0.0, 1.0, 1.0])) for i, n in enumerate(need)),
        compute_time_s=np.array(compute),
        source=source,
        return_bytes=draw.choice([0.0, 1.0]),
        description=f"random, {share:.0%} of the compute times are 0, seed {seed}",
    )
