"""Replicated throughput: nodes hold intervals of layers, and tokens flow through them.

Source: Mei, Zhuang, Miao, Yang, Jia and Vinayak (2025), the objective of their planner.

- **Sets**: nodes ``i, j = 0..M-1`` of types ``t``, layers ``0..L-1``.
- **Data**: ``T_t(k)``, tokens per second with k layers; tokens per second of links between nodes, from the source and to
  the sink.
- **Variables**: the interval of layers that each node holds, and a flow of tokens.
- **Objective**: the time per token, the inverse of the maximum flow.
- **Constraints**: a node holds one interval of at most ``K_t`` layers or none; tokens go from a node to one whose layers
  begin where its own end, with partial inference to any that holds the next layer.
"""

from placewise.models.replicated.cost import Capacities, capacities, volume_flow
from placewise.models.replicated.data import PARTIAL_INFERENCE, NodeType, ReplicatedThroughput
from placewise.models.replicated.flow import Flow, Placement, maximum_flow
from placewise.models.replicated.milp import interval_milp
from placewise.models.replicated.placement import evaluate
from placewise.models.replicated.problems import REPLICATED
from placewise.models.replicated.stages import stages
from placewise.models.replicated.textbook import helix_milp
from placewise.models.stages import Replica

__all__ = [
    "PARTIAL_INFERENCE",
    "REPLICATED",
    "Capacities",
    "Flow",
    "NodeType",
    "Placement",
    "Replica",
    "ReplicatedThroughput",
    "capacities",
    "evaluate",
    "helix_milp",
    "interval_milp",
    "maximum_flow",
    "stages",
    "volume_flow",
]
