"""The keys of cluster files, what each counts, and what is meant by a key that is none of them."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from placewise.instances import units
from placewise.instances.strict_json import join
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of a device, or of the cluster for all devices that do not state their own.
SETTINGS = ("reserve_bytes", "efficiency", "hop_overhead_s", "layer_overhead_s")
RATES = ("flops_per_s", "memory_bytes_per_s")
DEVICE_KEYS = ("name", "device", "count", "memory_bytes", *RATES, *SETTINGS)
CLUSTER_KEYS = (
    "devices",
    "bandwidth_bytes_per_s",
    "latency_s",
    "source",
    "source_device",
    "through",
    *SETTINGS,
)
LINK_KEYS = ("default", "links", "symmetric")
KINDS = {
    "memory_bytes": units.BYTES,
    "reserve_bytes": units.BYTES,
    "flops_per_s": units.FLOPS,
    "memory_bytes_per_s": units.BYTES_PER_S,
    "bandwidth_bytes_per_s": units.BYTES_PER_S,
    "latency_s": units.SECONDS,
    "hop_overhead_s": units.SECONDS,
    "layer_overhead_s": units.SECONDS,
}
#: What other tools and people call them.
_ALSO = {
    "ram": "memory_bytes",
    "vram": "memory_bytes",
    "type": "device",
    "gpu": "device",
    "model": "device",
    "gpu_memory_utilization": "reserve_bytes",
    "utilization": "efficiency",
    "tflops": "flops_per_s",
    "gflops": "flops_per_s",
    "compute": "flops_per_s",
    "speed": "flops_per_s",
    "ping": "latency_s",
    "rtt": "latency_s",
    "head": "source",
    "controller": "source",
    "via": "through",
    "hub": "through",
    "n": "count",
    "network": "bandwidth_bytes_per_s",
}
_SUFFIXES = {
    **{unit.lower(): unit for unit in ("kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB")},
    **{unit.lower(): unit for unit in ("bps", "kbps", "Mbps", "Gbps", "ms", "us", "ns")},
    **{unit.lower(): unit for unit in ("MFLOPS", "GFLOPS", "TFLOPS", "PFLOPS")},
}


def unknown_key(key: str, value: Any, known: Iterable[str], path: str) -> InstanceError:
    """Return what is wrong with a key that is none of a file's, with the one that was probably meant.

    Parameters
    ----------
    key : str
        As typed.
    value : object
        What stands under it.
    known : iterable of str
        The keys that may stand there.
    path : str
        Of the object.
    """
    here, names = join(path, key), tuple(known)
    plain = key.lower().replace("-", "_").replace(" ", "_")
    stem, _, suffix = plain.rpartition("_")
    meant = _ALSO.get(plain) or _ALSO.get(stem)
    if meant not in names:
        near = difflib.get_close_matches(plain, names, n=1, cutoff=0.55)
        near = near or (
            [starts[0]] if (starts := [name for name in names if stem and name.startswith(stem)]) else []
        )
        meant = near[0] if near else None
    if meant is None:
        return InstanceError(here, f"unknown key; expected one of {', '.join(names)}")
    return InstanceError(
        here, f"unknown key; did you mean {_shown(meant, key.lower(), value, _SUFFIXES.get(suffix))}?"
    )


def _shown(meant: str, key: str, value: Any, unit: str | None) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or abs(value) > 1e15:
        return meant
    if key == "gpu_memory_utilization" and 0 < value < 1:
        return f'"reserve_bytes": "{100 * (1 - value):.4g} %"'
    unit = unit or (_SUFFIXES.get(key) if meant == "flops_per_s" else None)
    return f"{json.dumps(meant)}: {json.dumps(f'{value:.12g} {unit}')}" if unit and meant in KINDS else meant
