"""How an answer is found and checked: back-ends, algorithms, and the bridge that believes none of them."""

from placewise.solvers import moved
from placewise.solvers.bridge import compare
from placewise.solvers.evidence.result import Status, VerifiedResult
from placewise.solvers.execution.parameters import Parameters
from placewise.solvers.explanation.explain import explain
from placewise.solvers.solve import solve

moved.install()

__all__ = ["Parameters", "Status", "VerifiedResult", "compare", "explain", "solve"]
