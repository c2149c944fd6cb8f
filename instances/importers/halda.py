"""Device and model profiles of HALDA solvers (prima.cpp, distilp): throughputs by quantisation, bytes and FLOP by layer.

What becomes of them: decoding one token at a time with the KV cache in memory. A machine with a CUDA card is two
devices, the card and the host's memory, with a bus between them; one whose memory is shared is one device, on its
accelerator if it has one. For the least latency, each machine's disk is a device too: layers there are read at
``s_disk`` in every token before they are computed (HALDA's overflow of RAM). Each transfer to another machine takes
the sender's ``t_comm``; the profiles state no bandwidths. Swap is not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from placewise.instances.importers.values import (
    HALF_BYTES,
    TOKEN_BYTES,
    UNLIMITED_BYTES_PER_S,
    amount,
    checked,
    require_chain,
)
from placewise.instances.strict_json import clean_name
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.data import EdgeShardInstance, chain_type
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.nearest import meant
from placewise.models.workload import Layer

#: Bits per weight with the scales of its block.
BITS = {"Q4_K": 4.5, "Q5_K": 5.5, "Q6_K": 6.5625, "Q8_0": 8.5, "F16": 16.0, "BF16": 16.0, "F32": 32.0}


def is_model_profile(document: Any) -> bool:
    """Whether a document looks like a model's profile."""
    return isinstance(document, dict) and {"b", "b_o", "L", "n_kv"} <= set(document)


def is_device_profile(document: Any) -> bool:
    """Whether a document looks like a device's profile."""
    return isinstance(document, dict) and {"scpu", "T_cpu", "d_avail_ram"} <= set(document)


def instance_of(
    model: dict[str, Any],
    devices: list[dict[str, Any]],
    problem: str,
    *,
    name: str,
    quantization: str | None = None,
    sequence_length: int | None = None,
) -> EdgeShardInstance:
    """Return a chain of layers on profiled devices.

    Parameters
    ----------
    model : dict
        The model's profile.
    devices : list of dict
        The devices' profiles; the one that ``is_head`` holds the input.
    problem : str
        One of `CHAIN_PROBLEMS`.
    name : str
        Of the model.
    quantization : str, optional
        Needed where the profile covers several.
    sequence_length : int, optional
        Tokens of KV cache; the profile's ``n_kv`` if None.

    Raises
    ------
    InstanceError
        Naming the key that is missing or wrong.
    PlacewiseError
        Without devices, or for another problem.
    """
    require_chain(problem, "profiles")
    if not devices:
        raise PlacewiseError("expected a device's profile beside the model's")
    kind = model.get("quantization") or quantization
    if not isinstance(kind, str) or kind not in BITS:
        stated = (
            "the profile states none; choose by --quantization"
            if kind is None
            else f"found {kind!r}{meant(str(kind), BITS)}"
        )
        raise InstanceError("quantization", f"expected one of {', '.join(BITS)}; {stated}")
    tokens = sequence_length or amount(model, "n_kv")
    layers = _layers(model, kind, tokens)
    whole = sum(layer.memory_bytes for layer in layers)
    # In a pipeline a machine's disk and memory would work at the same time, but one processor serves both.
    disks = problem == "edgeshard-latency"
    cluster, entries = _cluster(devices, kind, whole, disks=disks)
    heads = [n for n, device in enumerate(devices) if device.get("is_head")]
    left_out = "" if disks or not any(device.get("s_disk") for device in devices) else "; disks are left out"
    return chain_type(problem)(
        name=f"{name}-{len(devices)}-devices-{problem}",
        cluster=cluster,
        layers=layers,
        source=entries[heads[0] if heads else 0],
        return_bytes=TOKEN_BYTES,
        description=(
            f"{name} in {kind} from HALDA profiles, context of {tokens:,.0f} tokens, one token at a time{left_out}"
        ),
    )


def _layers(model: dict[str, Any], kind: str, tokens: float) -> list[Layer]:
    count = int(amount(model, "L"))
    weights, flops = _per_layer(model, "b", count), _flops(model, kind, count)
    width, vocabulary = amount(model, "e_embed"), amount(model, "V")
    entry = sum(amount(model, heads) * amount(model, size) for heads, size in (("hk", "ek"), ("hv", "ev")))
    cache = int(HALF_BYTES * entry * tokens)
    output = HALF_BYTES * width
    table = int(vocabulary * width * BITS[kind] / 8)
    decoders = [
        Layer("decoder", int(size) + cache, output, work, size + cache)
        for size, work in zip(weights, flops, strict=True)
    ]
    return [
        Layer("embedding", table, output, 0.0, output),
        *decoders,
        Layer("head", table, HALF_BYTES * vocabulary, 2.0 * vocabulary * width, float(table)),
    ]


def _per_layer(model: dict[str, Any], key: str, count: int) -> list[float]:
    """Return a list's entries 1 to L; entry 0 is the input's."""
    return _listed(model.get(key), count, key)


def _listed(values: Any, count: int, path: str) -> list[float]:
    if not isinstance(values, list) or len(values) != count + 1:
        raise InstanceError(path, f"expected a list of {count + 1} numbers")
    return [checked(value, f"{path}[{n}]") for n, value in enumerate(values)][1:]


def _flops(model: dict[str, Any], kind: str, count: int) -> list[float]:
    """Return FLOP per token of each layer: of decoding, or by quantisation in older profiles."""
    stated = model.get("f_q")
    if isinstance(stated, dict):
        decode = stated.get("decode")
        return _listed(decode.get("b_1") if isinstance(decode, dict) else None, count, "f_q.decode.b_1")
    by_kind = model.get("f_by_quant")
    if not isinstance(by_kind, dict) or kind not in by_kind:
        raise InstanceError("f_q", f"expected FLOP of decoding, or f_by_quant with {kind}")
    return [checked(by_kind[kind], f"f_by_quant.{kind}")] * count


def _cluster(
    devices: list[dict[str, Any]], kind: str, needed: int, *, disks: bool
) -> tuple[Cluster, list[int]]:
    """Return the parts of all machines as devices, and which of them holds each machine's input."""
    parts: list[_Part] = []
    entries = []
    names: list[str] = []
    for number, device in enumerate(devices):
        base = clean_name(device.get("name"), f"device-{number}")
        names.append(base if base not in names else f"{base}-{number}")
        of_machine = _parts(device, kind, number, names[-1], needed if disks else 0)
        # Tokens come to the host's memory; a card beside it is reached over its bus.
        entries.append(len(parts) + next((n for n, part in enumerate(of_machine) if part.side != "cuda"), 0))
        parts += of_machine
    size = len(parts)
    latency = np.zeros((size, size))
    for k, sender in enumerate(parts):
        for j, receiver in enumerate(parts):
            latency[k, j] = _transfer_s(devices, sender, receiver)
    np.fill_diagonal(latency, 0.0)
    cluster = Cluster(
        device_names=tuple(part.name for part in parts),
        memory_bytes=np.array([part.memory_bytes for part in parts]),
        bandwidth_bytes_per_s=np.full((size, size), UNLIMITED_BYTES_PER_S),
        latency_s=latency,
        flops_per_s=np.array([part.flops_per_s for part in parts]),
        memory_bytes_per_s=np.array([part.bytes_per_s for part in parts]),
        layer_overhead_s=np.array([part.layer_s for part in parts]),
    )
    return cluster, entries


@dataclass(frozen=True)
class _Part:
    """Memory of a machine with what computes on it."""

    machine: int
    side: str
    name: str
    memory_bytes: int
    flops_per_s: float
    bytes_per_s: float
    layer_s: float


def _parts(device: dict[str, Any], kind: str, machine: int, name: str, on_disk: int) -> list[_Part]:
    """Return a machine's memories: a card's and the host's, or the one that they share; and its disk.

    Layers on disk are read into the memory of what computes them, then by it, in every token; all of the model fits.
    """
    sides = [side for side in ("cuda", "metal") if device.get(f"has_{side}") and device.get(f"sgpu_{side}")]
    sides = ["metal"] if sides[:1] == ["metal"] else [*sides[:1], "cpu"]
    parts = []
    for side in sides:
        table, path = (device["scpu"], "scpu") if side == "cpu" else (device[f"sgpu_{side}"], f"sgpu_{side}")
        stated = table.get(kind) if isinstance(table, dict) else None
        speed = stated.get("b_1") if isinstance(stated, dict) else stated
        copied = device.get("t_kvcpy_cpu" if side == "cpu" else "t_kvcpy_gpu") or 0.0
        parts.append(
            _Part(
                machine,
                side,
                f"{name}-{side}" if side == "cuda" else name,
                int(amount(device, "d_avail_ram" if side == "cpu" else f"d_avail_{side}")),
                checked(speed, f"{path}.{kind}"),
                amount(device, f"T_{side}"),
                checked(copied, "t_kvcpy"),
            )
        )
    disk = checked(device.get("s_disk") or 0.0, "s_disk")
    host = parts[-1]
    if on_disk and disk and host.bytes_per_s:
        both = 1 / (1 / disk + 1 / host.bytes_per_s)
        parts.append(replace(host, side="disk", name=f"{name}-disk", memory_bytes=on_disk, bytes_per_s=both))
    return parts


def _transfer_s(devices: list[dict[str, Any]], sender: _Part, receiver: _Part) -> float:
    """Return the seconds of a message: over the sender's network, and over the bus of a card at either end."""
    seconds = 0.0
    if sender.side != receiver.side or sender.machine != receiver.machine:
        for part, key in ((sender, "t_vram2ram"), (receiver, "t_ram2vram")):
            if part.side == "cuda" and not devices[part.machine].get("is_unified_mem"):
                seconds += checked(devices[part.machine].get(key) or 0.0, key)
    if sender.machine != receiver.machine:
        seconds += checked(devices[sender.machine].get("t_comm", 0.0), "t_comm")
    return seconds
