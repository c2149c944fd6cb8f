"""One placement run by llama.cpp with the flags that `placewise plan --for llama.cpp` prints, and timed."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.runtime.machines import slowed
from placewise.instances.runtimes import Settings, chain_of, plan_for
from placewise.models.registry import problem_of
from placewise.models.stages import layer_names

if TYPE_CHECKING:
    from pathlib import Path

    from placewise.models.edgeshard import EdgeShardLatency

#: llama.cpp's words for where a layer went.
_ASSIGNED = re.compile(r"layer +(\d+) assigned to device (\w+)")


@dataclass(frozen=True)
class Run:
    """What was measured of a placement.

    Parameters
    ----------
    times_s : tuple of float
        Seconds per token, one number for each repetition.
    devices : tuple of str
        Where the program put each decoder layer, and the head.
    """

    times_s: tuple[float, ...]
    devices: tuple[str, ...]

    @property
    def median_s(self) -> float:
        """Of the repetitions."""
        return median(self.times_s)


def flags_of(
    instance: EdgeShardLatency, placement: Any, addresses: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Return the flags for ``llama-bench``, and the device that each decoder layer and the head should be on.

    Parameters
    ----------
    instance : EdgeShardLatency
        Whose placement.
    placement : tuple of int
        The device of each layer.
    addresses : dict of str to str
        Of the servers, by name.
    """
    problem = problem_of(instance)
    document = {
        "problem": instance.problem,
        "placement": problem.to_json(instance, placement),
        "layer_names": layer_names(instance),
    }
    chain = chain_of(document)
    plan = plan_for("llama.cpp", chain, Settings({k: v for k, v in addresses.items() if k in chain.used}))
    device = {entry["name"]: entry["device"] for entry in plan.values["devices"]}
    units = [*chain.decoders, chain.head or chain.decoders[-1]]
    return list(plan.values["llama_bench_flags"]), [device.get(name, "CPU") for name in units]


def run(binaries: Path, model: Path, flags: list[str], *, share: float, tokens: int, repetitions: int) -> Run:
    """Run ``llama-bench``, one token after the other, on one thread.

    Parameters
    ----------
    binaries, model : Path
        Folder with ``llama-bench``, and the GGUF file.
    flags : list of str
        As `flags_of` gives them.
    share : float
        Of a core, for the machine that is started.
    tokens, repetitions : int
        Tokens of each repetition.
    """
    command = [str(binaries / "llama-bench"), "-m", str(model), "-p", "0", "-n", str(tokens)]
    command += ["-r", str(repetitions), "-t", "1", "-o", "json", "-v", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with ExitStack() as stack:
        stack.callback(process.kill)
        stack.enter_context(slowed(process, share))
        out, told = process.communicate(timeout=120)
    (found,) = json.loads(out)
    where = {int(layer): device for layer, device in _ASSIGNED.findall(told)}
    return Run(
        tuple(nanoseconds / 1e9 / tokens for nanoseconds in found["samples_ns"]),
        tuple(where[layer] for layer in sorted(where)),
    )
