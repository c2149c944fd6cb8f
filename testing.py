"""Checks for packages that bring problems, methods or back-ends, as their tests call them.

from placewise.testing import check_backend, check_method, check_problem


def test_the_problem():
check_problem(MY_PROBLEM)
"""

from placewise.benchmarks.conformance.backends import check_backend
from placewise.benchmarks.conformance.methods import check_method
from placewise.benchmarks.conformance.problems import check_problem

__all__ = ["check_backend", "check_method", "check_problem"]
