"""llama.cpp: ``--rpc``, ``--device``, ``-ngl``, ``--tensor-split``, ``--override-tensor``.

How it counts (``llama_model::load_tensors``): the embedding is always on the processor of the machine that is started;
of the decoder layers and the head, the last ``-ngl`` go to the devices in their order, each as many as its share of
``--tensor-split``, and those before them to the processor. Servers stand in the order of ``--rpc`` as RPC0, RPC1, ...;
``--device`` states the order of all devices, which is servers first without it. Experts go elsewhere by
``--override-tensor``, by the name of a device's buffer.
"""

from __future__ import annotations

import re
import shlex
from itertools import groupby
from typing import TYPE_CHECKING

from placewise.instances.runtimes.numbers import numbered
from placewise.instances.runtimes.plan import (
    Plan,
    ends_note,
    refused,
    require_known,
    require_no_return,
    require_one_width,
    width_note,
)
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from placewise.instances.runtimes.chain import Chain
    from placewise.instances.runtimes.plan import Settings

RUNTIME = "llama.cpp"
CPU = "CPU"
#: Of a server, where none is stated.
PORT = 50052
#: Devices of one machine, as it lists them (``--list-devices``).
_LOCAL = re.compile(r"(?:CUDA|ROCm|Vulkan|SYCL|MUSA|CANN|OpenCL|MTL)\d+|Metal|BLAS", re.IGNORECASE)
_SERVER = re.compile(r"[^\s,=:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
#: Tensors of a layer's experts, those of gates and shared experts left out.
_EXPERTS = r"ffn_(up|down|gate|gate_up)_(ch|)exps"


def plan(chain: Chain, settings: Settings) -> Plan:
    """Return the commands: servers, ``llama-server``, and ``llama-bench`` with the same split.

    Parameters
    ----------
    chain : Chain
        The placement.
    settings : Settings
        `at`: ``host:port`` of a server, a device as ``--list-devices`` names it, or ``cpu``.

    Raises
    ------
    PlacewiseError
        Where it cannot run it.
    """
    require_one_width(RUNTIME, chain)
    require_known(chain, settings)
    require_no_return(RUNTIME, chain)
    host = chain.embedding or chain.source
    places = _places(chain, host, settings)
    if chain.embedding is not None and _SERVER.fullmatch(places[host]):
        raise refused(
            RUNTIME,
            f"the embedding is on {host}, a server, but stays on the machine that is started",
            f"--source NAME, or --at {host}=cpu",
        )
    units = list(chain.decoders) if chain.head is None else [*chain.decoders, chain.head]
    if chain.head is None:  # it goes with the last layers
        units.append(chain.decoders[-1])
    runs = [(name, len(list(run))) for name, run in groupby(units)]
    first = runs[0][1] if places[runs[0][0]] == CPU else 0
    for name, _ in runs[1:] if first else runs:
        if places[name] == CPU:
            raise refused(
                RUNTIME,
                f"{name} is the processor of {host}, which computes the first layers, and others stand before it",
                f"--source {name}, or --at {name}=HOST:PORT of a server on it",
            )
    return _plan(chain, settings, host, places, runs[1:] if first else runs, len(units) - first)


def _places(chain: Chain, host: str, settings: Settings) -> dict[str, str]:
    """Return where each device is; two devices are in two places."""
    places: dict[str, str] = {}
    for name in chain.used:
        if name == chain.source != host and name not in (*chain.decoders, *chain.experts, chain.head):
            continue  # it asks, and hosts nothing
        stated = settings.at.get(name)
        place = stated or name
        card = numbered(name)
        if stated is None and card is not None:
            place = f"CUDA{card}"
        elif place.lower() == "cpu" or (stated is None and name == host and not _LOCAL.fullmatch(name)):
            place = CPU
        elif not _LOCAL.fullmatch(place) and not _SERVER.fullmatch(place):
            if stated is not None:
                raise PlacewiseError(
                    f"--at {name}: expected HOST:PORT of a server, cpu, or a device as llama-server --list-devices "
                    f"names it, found {stated!r}"
                )
            place = f"{re.sub(r'[^0-9A-Za-z_.-]+', '-', name)}:{PORT}"
        for other, taken in places.items():
            if taken == place:
                where = f"the processor of {host}" if place == CPU else place
                raise PlacewiseError(
                    f"--at: {other} and {name} would both be {where}; say which is a card or a server, as in "
                    f"--at {name if name != host else other}=CUDA0"
                )
        places[name] = place
    return places


def _plan(
    chain: Chain,
    settings: Settings,
    host: str,
    places: dict[str, str],
    runs: list[tuple[str, int]],
    offloaded: int,
) -> Plan:
    elsewhere = _overrides(chain)
    order = [name for name, _ in runs]
    servers = [name for name in dict.fromkeys((*order, *elsewhere)) if _SERVER.fullmatch(places[name])]
    rpc = ",".join(places[name] for name in servers)
    device = {name: places[name] for name in places} | {name: f"RPC{n}" for n, name in enumerate(servers)}
    buffer = {name: places[name] for name in places} | {name: f"RPC0[{places[name]}]" for name in servers}
    split = [number for _, number in runs]
    override = [
        rf"blk\.({'|'.join(map(str, blocks))})\.{_EXPERTS}={buffer[name]}"
        for name, blocks in elsewhere.items()
    ]
    devices = [device[name] for name in order]
    reach, count = ["--rpc", rpc] if rpc else [], ["-ngl", str(offloaded)]
    flags = [*reach, "--device", ",".join(devices) or "none", *count]
    bench = [*reach, "-dev", "/".join(devices) or "none", *count]
    if len(split) > 1:
        flags += ["--tensor-split", ",".join(map(str, split))]
        bench += ["-ts", "/".join(map(str, split))]
    if override:
        flags += ["--override-tensor", ",".join(override)]
        bench += ["-ot", ";".join(override)]
    if chain.sequences * chain.in_flight > 1:
        flags += ["--parallel", str(chain.sequences)]
    model = settings.model if settings.model and settings.model.endswith(".gguf") else "MODEL.gguf"
    lines = []
    for name in servers:
        port = places[name].rpartition(":")[2]
        lines += [f"# on {name}", f"ggml-rpc-server --host 0.0.0.0 --port {port}"]
    lines += [f"# on {host}", shlex.join(["llama-server", "--model", model, *flags])]
    lines += [
        "# to measure it",
        shlex.join(["llama-bench", "-m", model, "-p", "0", "-n", "64", *bench, "-o", "json"]),
    ]
    return Plan(
        RUNTIME,
        "\n".join(lines),
        _notes(chain, host, places, settings),
        {
            "flags": flags,
            "llama_bench_flags": bench,
            "servers": [places[name] for name in servers],
            "devices": [{"name": name, "device": device[name], "layers": number} for name, number in runs],
            "on_the_processor": len(chain.decoders) + 1 - offloaded,
        },
    )


def _overrides(chain: Chain) -> dict[str, list[int]]:
    """Return the decoder layers whose experts are on another device than their attention, by that device."""
    found: dict[str, list[int]] = {}
    for number, (device, other) in enumerate(zip(chain.decoders, chain.experts, strict=True)):
        if device != other:
            found.setdefault(other, []).append(number)
    return found


def _notes(chain: Chain, host: str, places: dict[str, str], settings: Settings) -> tuple[str, ...]:
    notes = [*width_note(chain), *ends_note(chain)]
    cards = [
        f"{name} = {place}"
        for name, place in places.items()
        if numbered(name) is not None and name not in settings.at
    ]
    if cards:
        notes.append(f"cards of one machine: {', '.join(cards)}; --at NAME=WHERE for another, or a server")
    if places.get(host) == CPU and host not in settings.at and host.lower() != "cpu":
        notes.append(f"{host} computes on its processor; --at {host}=CUDA0 where it is a card")
    stated = [
        name for name, place in places.items() if place.endswith(f":{PORT}") and name not in settings.at
    ]
    if stated:
        notes.append(
            f"--at {stated[0]}=HOST:PORT states where a server is; its own name and {PORT} without it"
        )
    away = chain.head or chain.decoders[-1]
    if _SERVER.fullmatch(places[away]):
        notes.append(
            f"logits go back to {host}, and servers send each other everything through it: --returns logits, and "
            f'"through": "{host}" in the cluster file, count that'
        )
    if chain.problem in ("edgeshard-throughput", "edgeshard-batch"):
        notes.append(
            "it decodes one batch after the other: a pipeline's throughput needs a runtime that overlaps them"
        )
    return tuple(notes)
