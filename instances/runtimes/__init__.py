"""Where placements go to: the flags and files of the runtimes that carry them out, one module per runtime."""

from placewise.instances.runtimes.chain import Chain, chain_of
from placewise.instances.runtimes.plan import Plan, Settings
from placewise.instances.runtimes.registry import RUNTIMES, plan_for

__all__ = ["RUNTIMES", "Chain", "Plan", "Settings", "chain_of", "plan_for"]
