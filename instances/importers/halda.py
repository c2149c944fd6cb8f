"""Device and model profiles of HALDA solvers (prima.cpp, distilp): throughputs by quantisation, bytes and FLOP by layer.

What becomes of them: decoding one token at a time with the KV cache in memory. A device runs layers on its
accelerator if it has one, and each of its transfers takes its ``t_comm``; the profiles state no bandwidths. Weights
that HALDA would read from disk or swap must fit into memory here.
"""

from __future__ import annotations

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
        stated = "the profile states none; choose by --quantization" if kind is None else f"found {kind!r}"
        raise InstanceError("quantization", f"expected one of {', '.join(BITS)}; {stated}")
    layers = _layers(model, kind, sequence_length)
    cluster = _cluster(devices, kind)
    heads = [n for n, device in enumerate(devices) if device.get("is_head")]
    return chain_type(problem)(
        name=f"{name}-{len(devices)}-devices-{problem}",
        cluster=cluster,
        layers=layers,
        source=heads[0] if heads else 0,
        return_bytes=TOKEN_BYTES,
        description=f"{name} in {kind} from HALDA profiles, one token at a time",
    )


def _layers(model: dict[str, Any], kind: str, sequence_length: int | None) -> list[Layer]:
    count = int(amount(model, "L"))
    weights, flops = _per_layer(model, "b", count), _flops(model, kind, count)
    width, vocabulary = amount(model, "e_embed"), amount(model, "V")
    tokens = sequence_length or amount(model, "n_kv")
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


def _cluster(devices: list[dict[str, Any]], kind: str) -> Cluster:
    names: list[str] = []
    flops, rates, memory, waits = [], [], [], []
    for number, device in enumerate(devices):
        base = clean_name(device.get("name"), f"device-{number}")
        names.append(base if base not in names else f"{base}-{number}")
        side = next(
            (s for s in ("cuda", "metal") if device.get(f"has_{s}") and device.get(f"sgpu_{s}")), "cpu"
        )
        table, path = (device["scpu"], "scpu") if side == "cpu" else (device[f"sgpu_{side}"], f"sgpu_{side}")
        stated = table.get(kind) if isinstance(table, dict) else None
        speed = stated.get("b_1") if isinstance(stated, dict) else stated
        flops.append(checked(speed, f"{path}.{kind}"))
        rates.append(amount(device, f"T_{side}"))
        room = "d_avail_ram" if side == "cpu" else f"d_avail_{side}"
        memory.append(int(amount(device, room)))
        waits.append(checked(device.get("t_comm", 0.0), "t_comm"))
    size = len(devices)
    latency = np.tile(np.array(waits)[:, None], (1, size))
    np.fill_diagonal(latency, 0.0)
    return Cluster(
        device_names=tuple(names),
        memory_bytes=np.array(memory),
        bandwidth_bytes_per_s=np.full((size, size), UNLIMITED_BYTES_PER_S),
        latency_s=latency,
        flops_per_s=np.array(flops),
        memory_bytes_per_s=np.array(rates),
    )
