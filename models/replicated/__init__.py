"""Replicated throughput (Helix, ASPLOS 2025): nodes hold intervals of layers, and tokens flow through them."""

from placewise.models.replicated.cost import Capacities, capacities, volume_flow
from placewise.models.replicated.data import PARTIAL_INFERENCE, NodeType, ReplicatedThroughput
from placewise.models.replicated.flow import Flow, Placement, maximum_flow
from placewise.models.replicated.milp import interval_milp
from placewise.models.replicated.placement import evaluate
from placewise.models.replicated.problems import REPLICATED
from placewise.models.replicated.stages import Replica
from placewise.models.replicated.textbook import helix_milp

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
    "volume_flow",
]
