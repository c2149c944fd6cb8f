"""DILEMMA instances: OPT-350m on edge servers in the paper's ranges, and tiny ones that exercise every constraint."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import numpy as np

from placewise.instances.folder import DATA
from placewise.instances.generators.common import MBPS, pick_kind, symmetric
from placewise.models.cluster import Cluster
from placewise.models.dilemma.data import Dilemma, Mode, QuantizableLayer
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected

#: A decoder layer of OPT-350m: hidden size 1024, feed-forward 4096, biases and norms included.
OPT_LAYER = QuantizableLayer("decoder", 25.17e6, 12_596_224, 1024.0)
#: A block of SmolLM2-135M: width 576, feed-forward 1536, 9 heads, 3 of them for keys and values.
SMOLLM2_BLOCK = QuantizableLayer("block", 2 * 3_538_944.0, 3_538_944, 576.0)
BOUNDS = ("layer", "budget")
#: Of the weights as they were trained: the paper's widest choice.
ORIGINAL_BITS = 32


def opt(
    *,
    servers: int = 10,
    layers: int = 24,
    min_mbps: float = 1.0,
    bound: str = "budget",
    storage_factor: float = 1.3,
    mode: str = "corrected",
    compute_scale: float = 1.0,
    max_bits: int = 16,
    seed: int,
    name: str | None = None,
) -> Dilemma:
    """Return OPT-350m's decoder layers on random servers, as in the paper's experiments.

    Parameters
    ----------
    servers, layers : int
        Counts; as printed there must be a server for each layer.
    min_mbps : float
        Links are drawn uniformly between this and ten times this, megabits per second (Fig. 5).
    bound : str
        ``layer``: each layer's error is bounded, so that layers need 4 to 10 bits; ``budget``: their sum is, by
        what 8 bits everywhere cause.
    storage_factor : float
        Storage of all servers over what the layers need with the widths of that bound.
    mode : str
        ``corrected`` or ``as-printed``.
    compute_scale : float
        Scales all servers' speeds (Fig. 6).
    max_bits : int
        Widths are 4, 6, ... up to this; the paper's go to the 32 of the original weights.
    seed : int
        Of speeds (20 to 200 GFLOP/s), shares of storage, links, and each layer's sensitivity.
    name : str, optional
        Name of the instance.

    Raises
    ------
    PlacewiseError
        On an unknown bound, or one on the sum of errors as printed, where there is none; on widths beyond 4 to 32.
    """
    if bound not in BOUNDS:
        raise PlacewiseError(f"bound: {expected(bound, BOUNDS)}")
    if not 10 <= max_bits <= ORIGINAL_BITS:
        # Below 10 the widest ranges of weights meet no bound on each layer.
        raise PlacewiseError(f"max_bits: expected 10 to {ORIGINAL_BITS}, found {max_bits}")
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    widths = tuple(range(4, max_bits + 1, 2))
    # The worst error of truncation halves with each bit; weights of layers differ in range.
    ranges = [draw.uniform(0.3, 3.0) for _ in range(layers)]
    error = np.array([[scale / 2.0**width for width in widths] for scale in ranges])
    reference = widths.index(8)
    max_error = 2.0**-7 if bound == "layer" else None
    budget = float(error[:, reference].sum()) if bound == "budget" else None
    if mode == "as-printed" and budget is not None:
        raise PlacewiseError("bound: expected 'layer' as printed, where no sum is bounded")
    chosen = [
        reference if max_error is None else next(b for b, e in enumerate(row) if e <= max_error)
        for row in error
    ]
    return _on_servers(
        name or f"opt-350m-{layers}-layers-{servers}-servers-{min_mbps:g}mbps-{bound}-{mode}-seed-{seed}",
        draw,
        servers,
        (OPT_LAYER,) * layers,
        [widths[b] for b in chosen],
        min_mbps,
        storage_factor,
        compute_scale,
        bit_widths=widths,
        quantization_error=error,
        mode=cast("Mode", mode),
        max_error=max_error,
        error_budget=budget,
        description=f"{layers} decoder layers of OPT-350m, synthetic errors, seed {seed}",
    )


def smollm2(
    *,
    servers: int = 6,
    min_mbps: float = 10.0,
    loss_increase: float = 0.25,
    storage_factor: float = 1.3,
    compute_scale: float = 1.0,
    seed: int,
    name: str | None = None,
) -> Dilemma:
    """Return SmolLM2-135M's 30 blocks with measured losses: the sum of the blocks' own loss increases is bounded.

    Parameters
    ----------
    servers : int
        Count.
    min_mbps, storage_factor, compute_scale
        As in `opt`; storage is relative to 4 bits everywhere.
    loss_increase : float
        The budget, in nats per token.
    seed : int
        Of speeds, shares of storage and links.
    name : str, optional
        Name of the instance.
    """
    table = json.loads((DATA / "quantization" / "smollm2-135m.json").read_text(encoding="utf-8"))
    widths = tuple(table["sensitivity_bit_widths"])
    error = np.array(table["loss_increase"])
    return _on_servers(
        name or f"smollm2-135m-{servers}-servers-{min_mbps:g}mbps-{loss_increase:g}-seed-{seed}",
        random.Random(seed),  # noqa: S311
        servers,
        (SMOLLM2_BLOCK,) * len(error),
        [4] * len(error),
        min_mbps,
        storage_factor,
        compute_scale,
        bit_widths=widths,
        quantization_error=error,
        error_budget=loss_increase,
        description=(
            f"30 blocks of SmolLM2-135M; errors: measured loss increase of each block alone, "
            f"{table['tokens']} tokens of text, round to nearest per row; budget {loss_increase:g} nats; seed {seed}"
        ),
    )


def _on_servers(
    name: str,
    draw: random.Random,
    servers: int,
    layers: tuple[QuantizableLayer, ...],
    typical_bits: list[int],
    min_mbps: float,
    storage_factor: float,
    compute_scale: float,
    *,
    description: str,
    **model: Any,
) -> Dilemma:
    """Return an instance with random servers whose storage is a multiple of what layers need with typical bits."""
    need = sum(layer.parameters * bits / 8 for layer, bits in zip(layers, typical_bits, strict=True))
    speed = [compute_scale * 20e9 * 10 ** draw.random() for _ in range(servers)]
    share = [draw.uniform(0.5, 1.5) for _ in range(servers)]
    largest = layers[0].parameters * max(typical_bits) // 8
    storage = [max(int(storage_factor * need * part / sum(share)), largest) for part in share]
    bandwidth = np.array(
        [[draw.uniform(1, 10) * min_mbps * MBPS for _ in range(servers)] for _ in range(servers)]
    )
    return Dilemma(
        name=name,
        cluster=Cluster(
            device_names=tuple(f"server-{j}" for j in range(servers)),
            memory_bytes=np.array(storage),
            bandwidth_bytes_per_s=symmetric(bandwidth),
            latency_s=np.zeros((servers, servers)),
            flops_per_s=np.array(speed),
        ),
        layers=layers,
        tokens=128,
        description=(
            f"{description}; {servers} servers, links of {min_mbps:g} to {10 * min_mbps:g} Mbps, "
            f"storage {storage_factor:g} x need"
        ),
        reference="DILEMMA, Results",
        **model,
    )


def tiny(*, kind: str = "mixed", mode: str = "", seed: int, name: str | None = None) -> Dilemma:
    """Return a random instance that brute force solves: 2 to 4 servers, 2 to 4 layers, 2 or 3 widths.

    Parameters
    ----------
    kind : str
        ``tight``: little storage; ``one-byte``: storage that a random placement fills, or misses by a byte;
        ``sparse``: a third of the links are missing; ``equal``: equal layers; ``loose``: storage does not bind;
        ``mixed``: one of these by seed.
    mode : str
        ``corrected`` or ``as-printed``; either by seed if empty.
    seed : int
        All choices follow from it.
    name : str, optional
        Name of the instance.
    """
    draw = random.Random(seed)  # noqa: S311
    kind = pick_kind(draw, kind)
    mode = mode or draw.choice(["corrected", "corrected", "as-printed"])
    count = draw.randint(2, 4)
    size = draw.randint(2, 4) if mode == "corrected" else draw.randint(max(count - 1, 2), 4)
    widths = tuple(sorted(draw.sample([4, 6, 8, 16], draw.randint(2, 3))))
    unit = draw.choice([1, 1, 1000, 809_533])
    layers = [
        QuantizableLayer(
            f"layer-{i}",
            draw.randint(0, 20) / 2,
            2 * draw.randint(1, 6) * unit + 2 * draw.choice([0, 0, draw.randint(0, unit)]),
            float(draw.choice([1, 2, 4])),
            32,
        )
        for i in range(count)
    ]
    if kind == "equal":
        layers = [layers[0]] * count
    steps = [sorted((draw.randint(0, 6) / 8 for _ in widths), reverse=True) for _ in layers]
    bandwidth = [[0.0 if k == j else 16 / draw.randint(1, 12) for j in range(size)] for k in range(size)]
    if kind == "sparse":
        bandwidth = [[rate * (draw.random() > 1 / 3) for rate in row] for row in bandwidth]
    placement = [(draw.randrange(size), draw.randrange(len(widths))) for _ in range(count)]
    bits = [layer.parameters * widths[b] for layer, (_, b) in zip(layers, placement, strict=True)]
    spent = sum(row[b] for row, (_, b) in zip(steps, placement, strict=True))
    used = [sum(n for n, (i, _) in zip(bits, placement, strict=True) if i == j) for j in range(size)]
    if kind == "one-byte":
        short = draw.randrange(size) if draw.random() < 0.5 else None
        storage = [max(-(-space // 8) - (j == short), 0) for j, space in enumerate(used)]
    elif kind == "loose":
        storage = [sum(layer.parameters * widths[-1] for layer in layers)] * size
    else:
        storage = [round(sum(bits) / 8 / size * draw.uniform(0.8, 3.0)) for _ in range(size)]
    budget = draw.choice([None, spent, spent / 2 + 0.25]) if mode == "corrected" else None
    return Dilemma(
        name=name or f"tiny-{kind}-{mode}-{seed}",
        cluster=Cluster(
            device_names=tuple(f"server-{j}" for j in range(size)),
            memory_bytes=np.array(storage),
            bandwidth_bytes_per_s=np.array(bandwidth),
            latency_s=np.full((size, size), draw.choice([0.0, 0.0, 1 / 16])),
            flops_per_s=np.array([float(draw.choice([1, 2, 4, 5])) for _ in range(size)]),
        ),
        layers=tuple(layers),
        bit_widths=widths,
        quantization_error=np.array(steps),
        mode=cast("Mode", mode),
        tokens=draw.choice([1, 1, 3]),
        max_error=draw.choice([None, None, 0.5, 0.75]),
        error_budget=budget,
        description=f"random, {kind}, {mode}, seed {seed}",
    )
