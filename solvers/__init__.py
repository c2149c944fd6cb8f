"""How an answer is found and checked: back-ends, algorithms, and the bridge that believes none of them."""

from placewise.solvers.bridge import compare
from placewise.solvers.explain import explain
from placewise.solvers.parameters import Parameters
from placewise.solvers.result import Status, VerifiedResult
from placewise.solvers.solve import solve

__all__ = ["Parameters", "Status", "VerifiedResult", "compare", "explain", "solve"]
