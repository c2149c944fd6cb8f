"""Predicted against measured: ``python -m placewise.benchmarks.runtime BINARIES MODEL.gguf``.

BINARIES is a folder with llama.cpp's ``llama-bench`` and ``ggml-rpc-server``, built with ``-DGGML_RPC=ON``; docs/runtimes.md
says how. Each round runs every placement of a cluster once; rounds follow each other, so that what else the machine
does hits all placements alike. With ``--report`` nothing runs: tables and a picture of what was measured before.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from placewise.benchmarks.runtime.fit import DATA_SHEET, Belief
from placewise.benchmarks.runtime.machines import Machine, served
from placewise.benchmarks.runtime.placements import others, rules
from placewise.benchmarks.runtime.real import flags_of, run
from placewise.benchmarks.runtime.report import report
from placewise.models.edgeshard.rules import Rules
from placewise.solvers import solve

TOKENS, REPETITIONS, RANDOM = 24, 3, 9
MB, MBIT = 1e6, 1e6 / 8
#: A slow board asks; a fast machine is far, a middling one near.
CLUSTERS = {
    "three": [
        Machine("board", 70 * MB, 0.3),
        Machine("desk", 60 * MB, 1.0, 0.008, 400 * MBIT),
        Machine("laptop", 55 * MB, 0.5, 0.002, 1000 * MBIT),
    ],
    "four": [
        Machine("laptop", 50 * MB, 0.5),
        Machine("desk", 45 * MB, 1.0, 0.01, 1000 * MBIT),
        Machine("mini", 50 * MB, 0.7, 0.004, 1000 * MBIT),
        Machine("board", 80 * MB, 0.25, 0.001, 1000 * MBIT),
    ],
}


def measured_rates() -> dict[str, float]:
    """Return what ``placewise profile`` measures of one core."""
    from placewise.benchmarks.machine.measure import measure

    found = measure("core")
    return {"flops_per_s": found.flops_per_s, "memory_bytes_per_s": found.memory_bytes_per_s}


def chosen(model: Path, machines: list[Machine], rates: dict[str, float], seed: int) -> dict[str, Any]:
    """Return the placements of a cluster by name: the optima of the plain reading and of all that is sent, rules, others."""
    found: dict[str, Any] = {}
    for name, routed in (("optimum, all sent", True), ("optimum, plain", False)):
        instance = Belief(rates, routed).instance(model, machines, TOKENS)
        asked = type(instance).of(instance)
        object.__setattr__(asked, "rules", Rules(contiguous=True).on(asked.cluster, len(asked.layers)))
        result = solve(asked)
        assert result.proven
        found[name] = result.placement
    return found | rules(instance) | others(instance, RANDOM, seed)


def main() -> None:
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--cluster", choices=[*CLUSTERS], default="three")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--report", type=Path, help="folder for tables and a picture")
    options = parser.parse_args()
    if options.report:
        report(options.output, options.model, options.report, TOKENS)
        return
    machines = CLUSTERS[options.cluster]
    known = (
        [json.loads(line) for line in options.output.read_text().splitlines()]
        if options.output.exists()
        else []
    )
    rates = next((record["rates"] for record in known), None)
    if rates is None:
        rates = measured_rates()
    placements = chosen(options.model, machines, rates, seed=1)
    instance = Belief(rates, routed=True).instance(options.model, machines, TOKENS)
    with served(options.binaries, machines) as addresses, options.output.open("a") as stream:
        for name, placement in placements.items():
            flags, expected = flags_of(instance, placement, addresses)
            started = time.monotonic()
            found = run(
                options.binaries,
                options.model,
                flags,
                share=machines[0].share,
                tokens=TOKENS,
                repetitions=REPETITIONS,
            )
            assert list(found.devices) == expected, (found.devices, expected)
            record = {
                "cluster": options.cluster,
                "machines": [asdict(machine) for machine in machines],
                "rates": rates,
                "data_sheet": DATA_SHEET,
                "name": name,
                "placement": list(placement),
                "flags": flags,
                "times_s": list(found.times_s),
            }
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            print(
                f"{name:20} {found.median_s * 1e3:8.2f} ms   in {time.monotonic() - started:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
