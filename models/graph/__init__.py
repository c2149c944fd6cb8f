"""Graphs that branch: which device computes which nodes, for the most samples per second, or the least time of one.

Source: Tarnawski, Phanishayee, Devanur, Mahajan and Paravecino (2020), maximising throughput with contiguous splits, and
minimising latency with one part per accelerator.

- **Sets**: nodes ``v = 0..N-1`` of a graph without cycles, devices ``d = 0..M-1``, some of which are hosts.
- **Data**: seconds of each node on each device; memory of nodes and devices; messages, each from one node to some others,
  with the seconds that it takes to and from the host's memory.
- **Variables**: the device of each node.
- **Objective**: the largest load: a device's computing, and each message once that leaves it or comes to it. A host pays
  nothing for messages. Of the latency, when the last part is done: a part begins when all that it needs is there.
- **Constraints**: memory; and the devices stand in an order in which nothing is sent back, so that the nodes of the first
  ones are an ideal of the graph: closed under what comes before.
"""

from placewise.models.graph.cost import Loads, loads
from placewise.models.graph.data import GraphInstance, GraphLatency, GraphThroughput, Message, Node
from placewise.models.graph.milp import potential_milp
from placewise.models.graph.placement import evaluate
from placewise.models.graph.problems import GRAPH, GRAPH_LATENCY
from placewise.models.graph.stages import stages
from placewise.models.graph.timeline import timeline
from placewise.models.stages import Part

__all__ = [
    "GRAPH",
    "GRAPH_LATENCY",
    "GraphInstance",
    "GraphLatency",
    "GraphThroughput",
    "Loads",
    "Message",
    "Node",
    "Part",
    "evaluate",
    "loads",
    "potential_milp",
    "stages",
    "timeline",
]
