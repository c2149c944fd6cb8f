"""vLLM: ``VLLM_PP_LAYER_PARTITION`` and ``--pipeline-parallel-size``, one rank for each device.

Its parser takes whole numbers with commas, as many as ranks, that sum to the decoder layers (``get_pp_indices``). The
embedding is on the first rank, the head on the last.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from placewise.instances.runtimes.numbers import number_of
from placewise.instances.runtimes.plan import Plan, ends_note, require_pipeline, width_note

if TYPE_CHECKING:
    from placewise.instances.runtimes.chain import Chain
    from placewise.instances.runtimes.plan import Settings

RUNTIME = "vllm"


def plan(chain: Chain, settings: Settings) -> Plan:
    """Return the environment and the command.

    Parameters
    ----------
    chain : Chain
        The placement.
    settings : Settings
        `at`: a card's number on its machine.

    Raises
    ------
    PlacewiseError
        Where it cannot run it.
    """
    require_pipeline(RUNTIME, chain, settings)
    names = [name for name, _ in chain.stages]
    partition = ",".join(str(number) for _, number in chain.stages)
    numbers = [number_of(name, settings) for name in names]
    environment = {"VLLM_PP_LAYER_PARTITION": partition}
    notes = [*width_note(chain), *ends_note(chain)]
    notes.append("ranks: " + ", ".join(f"{rank} = {name}" for rank, name in enumerate(names)))
    if None not in numbers and len(set(numbers)) == len(numbers):
        environment = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, numbers))} | environment
    elif len(names) > 1:
        notes.append(
            "cards of one machine take their ranks by --at NAME=NUMBER, machines by their order in Ray's cluster"
        )
    arguments = ["--pipeline-parallel-size", str(len(names))]
    sequences = chain.sequences * chain.in_flight
    if sequences > 1:
        arguments += ["--max-num-seqs", str(sequences)]
    command = ["vllm", "serve", settings.model or "MODEL", *arguments]
    told = " ".join(f"{key}={value}" for key, value in environment.items())
    return Plan(
        RUNTIME,
        f"{told} {shlex.join(command)}",
        tuple(notes),
        {"environment": environment, "flags": arguments, "ranks": names},
    )
