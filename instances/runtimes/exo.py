"""exo: a shard of decoder layers for each node, half-open, by rank.

Names are those of exo's ``PipelineShardMetadata``. The embedding is on the first node, the head on the last. Its own
planner splits in proportion to memory; shards of one's own go into an instance that is posted to its API.
"""

from __future__ import annotations

import json
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from placewise.instances.runtimes.plan import Plan, ends_note, require_pipeline, width_note

if TYPE_CHECKING:
    from placewise.instances.runtimes.chain import Chain
    from placewise.instances.runtimes.plan import Settings

RUNTIME = "exo"


def plan(chain: Chain, settings: Settings) -> Plan:
    """Return the shards as JSON.

    Parameters
    ----------
    chain : Chain
        The placement.
    settings : Settings
        `at`: a node's id; a device's own name without it.

    Raises
    ------
    PlacewiseError
        Where it cannot run it.
    """
    require_pipeline(RUNTIME, chain, settings)
    ends = list(accumulate(number for _, number in chain.stages))
    starts = [0, *ends[:-1]]
    shards: list[dict[str, Any]] = [
        {
            "node_id": settings.at.get(name, name),
            "device_rank": rank,
            "world_size": len(ends),
            "start_layer": start,
            "end_layer": end,
            "n_layers": len(chain.decoders),
        }
        for rank, ((name, _), start, end) in enumerate(zip(chain.stages, starts, ends, strict=True))
    ]
    notes = [*width_note(chain), *ends_note(chain)]
    if not settings.at:
        notes.append("--at NAME=ID states the id that a node has in exo; its own name without it")
    document = {"sharding": "Pipeline", "n_layers": len(chain.decoders), "shards": shards}
    return Plan(RUNTIME, json.dumps(document, indent=1), tuple(notes), document)
