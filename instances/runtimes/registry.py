"""The runtimes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.errors import PlacewiseError
from placewise.models.lazy import load
from placewise.models.nearest import expected

if TYPE_CHECKING:
    from placewise.instances.runtimes.chain import Chain
    from placewise.instances.runtimes.plan import Plan, Settings

#: Functions of a chain and settings, one module each.
RUNTIMES = {
    "llama.cpp": "placewise.instances.runtimes.llama_cpp:plan",
    "vllm": "placewise.instances.runtimes.vllm:plan",
    "accelerate": "placewise.instances.runtimes.accelerate:plan",
    "exo": "placewise.instances.runtimes.exo:plan",
}


def plan_for(runtime: str, chain: Chain, settings: Settings) -> Plan:
    """Return what a runtime is told to carry out a placement.

    Parameters
    ----------
    runtime : str
        One of `RUNTIMES`.
    chain : Chain
        The placement.
    settings : Settings
        What it does not say.

    Raises
    ------
    PlacewiseError
        Where the runtime cannot run it, with the reason and the option that gives one that it can.
    """
    if runtime not in RUNTIMES:
        raise PlacewiseError(f"--for: {expected(runtime, RUNTIMES)}")
    found: Plan = load(RUNTIMES[runtime])(chain, settings)
    return found
