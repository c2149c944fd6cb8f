"""PipeEdge's measured pipelines: vision transformers, all layers different, on many boards of two types.

Source: Hu, Imes, Zhao, Kundu, Beerel, Crago and Walters (2022); the profiles in ``data/pipeedge``, beside their licence.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from placewise.instances.folder import DATA
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.data import EdgeShardThroughput
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected
from placewise.models.workload import Layer

MIB = 2**20
#: PipeEdge knows no source: one in front has a layer without work, a byte large, and a link that takes no time.
FREE_BYTES_PER_S = 1e15
#: Seconds of any other layer on the source, which does not fit there anyway.
NEVER_S = 1000.0
#: How boards are named.
BOARDS = {"mb": "Minnowboard-E3845", "rcc": "RCC-VE-C2000"}


def profiles() -> dict[str, Any]:
    """Return what was measured: ``boards`` with memory, links and times, ``models`` with memory and outputs."""
    content: dict[str, Any] = json.loads((DATA / "pipeedge" / "profiles.json").read_text("utf-8"))
    return content


def measured(
    *,
    model: str = "vit-base",
    minnowboards: int = 4,
    rccs: int = 4,
    seed: int = 1,
    name: str | None = None,
) -> EdgeShardThroughput:
    """Return a model in batches of 8 on so many boards; PipeEdge's own tables run from 4 + 4 to 32 + 32.

    Parameters
    ----------
    model : str
        ``vit-base`` of 48 layers or ``vit-large`` of 96.
    minnowboards, rccs : int
        How many boards of each type.
    seed : int
        Nothing is drawn.
    name : str, optional
        Name of the instance.

    Raises
    ------
    PlacewiseError
        On an unknown model, or numbers of boards below 0 or without any.
    """
    del seed
    facts = profiles()
    if model not in facts["models"]:
        raise PlacewiseError(f"model: {expected(model, facts['models'])}")
    if min(minnowboards, rccs) < 0 or not minnowboards + rccs:
        raise PlacewiseError(f"minnowboards, rccs: expected some boards, found {minnowboards} and {rccs}")
    types = [
        (f"{prefix}-{n}", facts["boards"][BOARDS[prefix]])
        for prefix, count in zip(BOARDS, (minnowboards, rccs), strict=True)
        for n in range(count)
    ]
    link = np.array([board["link_mibit_per_s"] for _, board in types]) * MIB / 8
    bandwidth = np.full((len(types) + 1, len(types) + 1), FREE_BYTES_PER_S)
    bandwidth[1:, 1:] = np.minimum(link[:, None], link[None, :])
    sizes, outputs = facts["models"][model]["memory_mib"], facts["models"][model]["outputs"]
    output_bytes = facts["batch_size"] * facts["bytes_per_number"]
    layers = [
        Layer(f"layer-{i}", math.ceil(size * MIB), float(output * output_bytes))
        for i, (size, output) in enumerate(zip(sizes, outputs, strict=True), 1)
    ]
    time_s = np.zeros((len(layers) + 1, len(types) + 1))
    time_s[1:, 0] = NEVER_S
    time_s[1:, 1:] = np.array([board["time_s"][model] for _, board in types]).T
    return EdgeShardThroughput(
        Cluster(
            ("input", *(board for board, _ in types)),
            np.array([1, *(board["memory_mib"] * MIB for _, board in types)]),
            bandwidth,
        ),
        [Layer("input", 1, 0.0), *layers],
        compute_time_s=time_s,
        name=name or f"pipeedge-{model}-{minnowboards}-{rccs}",
        description=f"{model} in batches of 8 on {minnowboards} + {rccs} boards as PipeEdge measured them",
        reference="PipeEdge, profiles of its repository",
    )
